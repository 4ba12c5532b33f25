-- Orders of Taobao and Tmall. amount is 买家实际支付金额: paid, after every discount, with postage.
-- A refund is a row with a negative amount; the export has no date of refunds.
WITH by_order AS (
    SELECT
        regexp_extract(order_no, '[0-9]+') AS order_no,  -- the export writes ="1234567890"
        coalesce(arg_max(status, file), '') AS status,
        arg_max(ordered_at, file) AS ordered_at,
        arg_max(paid_at, file) AS paid_at,
        arg_max(paid, file) AS paid,
        arg_max(refunded, file) AS refunded,
        coalesce(
            arg_max(CASE WHEN buyer NOT LIKE '%*%' THEN 'taobao ' || buyer END, file),
            arg_max(CASE WHEN phone NOT LIKE '%*%' THEN phone END, file),
            'guest'
        ) AS customer_id
    FROM taobao_orders
    WHERE order_no IS NOT NULL
    GROUP BY 1
),
kept AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN status = '交易关闭' AND regexp_matches(paid, '[1-9]') THEN paid
        END AS refund
    FROM by_order
    WHERE paid IS NOT NULL
      AND paid_at IS NOT NULL
      AND status <> '等待买家付款'
)
SELECT order_no AS order_id, customer_id, ordered_at, paid AS amount
FROM kept
UNION ALL BY NAME
SELECT order_no || ' refund' AS order_id, customer_id, ordered_at, '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
