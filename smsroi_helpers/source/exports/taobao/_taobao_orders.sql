-- One row per order of Taobao or Tmall, and why it does not count (left_out, null: it counts). Change here which count.
-- Of an order in several files, the last counts.
WITH numbered AS (
    SELECT
        *,
        -- The export writes ="1234567890".
        CASE WHEN regexp_matches(order_no, {{damaged_id}}) THEN order_no ELSE regexp_extract(order_no, '[0-9]+') END AS order_id
    FROM taobao_orders
    WHERE order_no IS NOT NULL
),
by_order AS (
    SELECT
        order_id,
        coalesce(arg_max(status, file), '') AS status,
        arg_max(ordered_at, file) AS ordered_at,
        arg_max(paid_at, file) AS paid_at,
        arg_max(paid, file) AS paid,
        arg_max(refunded, file) AS refunded,
        coalesce(
            arg_max(CASE WHEN buyer NOT LIKE '%*%' AND NOT regexp_matches(buyer, {{damaged_id}}) THEN 'taobao ' || buyer END,
                    file),
            arg_max(CASE WHEN phone NOT LIKE '%*%' THEN phone END, file),
            'guest'
        ) AS customer_id
    FROM numbered
    GROUP BY order_id
)
SELECT
    *,
    CASE
        WHEN paid IS NULL THEN 'Taobao orders without an amount'
        WHEN status = '等待买家付款' OR paid_at IS NULL THEN 'Taobao orders that were not paid (' || status || ')'
    END AS left_out
FROM by_order
