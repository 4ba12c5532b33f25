-- Orders that orders.sql leaves out.
WITH by_order AS (
    SELECT
        regexp_extract(order_no, '[0-9]+') AS order_no,
        coalesce(arg_max(status, file), '') AS status,
        arg_max(paid_at, file) AS paid_at,
        arg_max(paid, file) AS paid
    FROM taobao_orders
    WHERE order_no IS NOT NULL
    GROUP BY 1
)
SELECT
    CASE
        WHEN paid IS NULL THEN 'Taobao orders without an amount'
        WHEN status = '等待买家付款' THEN 'Taobao orders that were not paid (' || status || ')'
        WHEN paid_at IS NULL THEN 'Taobao orders that were not paid (' || status || ')'
    END AS reason,
    count(*) AS rows
FROM by_order
GROUP BY reason
HAVING reason IS NOT NULL
