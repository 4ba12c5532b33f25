-- Orders of WooCommerce that count: see _woocommerce_orders.sql.
-- amount is the total: after discounts, with shipping and taxes. A refund is a row with a negative amount.
WITH kept AS (
    SELECT
        order_no, total, discount, customer_id, ordered_at,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN is_refunded AND regexp_matches(total, '[1-9]') THEN total  -- none stated, or 0.00
        END AS refund
    FROM _woocommerce_orders
    WHERE left_out IS NULL
)
SELECT
    order_no AS order_id,
    customer_id,
    ordered_at,
    discount,  -- if discount
    total AS amount
FROM kept
UNION ALL BY NAME
SELECT order_no || ' refund' AS order_id, customer_id, ordered_at, '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
