-- Orders that orders.sql leaves out.
WITH by_order AS (
    SELECT
        order_no,
        coalesce(arg_max(status, file), '') AS status,
        arg_max(paid_at, file) AS paid_at,
        arg_max(paid, file) AS paid
    FROM youzan_orders
    WHERE order_no IS NOT NULL
    GROUP BY order_no
)
SELECT
    CASE
        WHEN paid IS NULL THEN 'Youzan orders without an amount'
        WHEN status IN ('待付款', '等待买家付款') THEN 'Youzan orders that were not paid (' || status || ')'
        WHEN paid_at IS NULL THEN 'Youzan orders that were not paid (' || status || ')'
    END AS reason,
    count(*) AS rows
FROM by_order
GROUP BY reason
HAVING reason IS NOT NULL
