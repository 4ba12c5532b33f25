-- Orders of Youzan (有赞) that count: see _youzan_orders.sql.
-- amount is 订单实付金额: paid, after 优惠金额. A refund is a row with a negative amount.
WITH kept AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN status = '交易关闭' AND regexp_matches(paid, '[1-9]') THEN paid
        END AS refund
    FROM _youzan_orders
    WHERE left_out IS NULL
)
SELECT
    order_no AS order_id,
    customer_id,
    ordered_at,
    discount,  -- if discount
    paid AS amount
FROM kept
UNION ALL BY NAME
SELECT order_no || ' refund' AS order_id, customer_id, coalesce(refunded_at, ordered_at) AS ordered_at,
       '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
