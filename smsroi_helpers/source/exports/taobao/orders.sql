-- Orders of Taobao and Tmall that count: see _taobao_orders.sql. amount is 买家实际支付金额: paid, after every discount, with
-- postage. A refund is a row with a negative amount; the export has no date of refunds.
WITH kept AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN status = '交易关闭' AND regexp_matches(paid, '[1-9]') THEN paid
        END AS refund
    FROM _taobao_orders
    WHERE left_out IS NULL
)
SELECT order_id, customer_id, ordered_at, paid AS amount
FROM kept
UNION ALL BY NAME
SELECT order_id || ' refund' AS order_id, customer_id, ordered_at, '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
