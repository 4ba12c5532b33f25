-- Orders of WooCommerce that count: see _woocommerce_orders.sql.
-- amount is the total: after discounts, with shipping and taxes. A refund is a row with a negative amount.
SELECT
    order_id,
    customer_id,
    ordered_at,
    discount,  -- if discount
    total AS amount
FROM _woocommerce_orders
WHERE left_out IS NULL AND NOT is_refund_row
UNION ALL BY NAME
SELECT
    order_id || CASE WHEN has_order THEN ' refund' ELSE '' END AS order_id,
    customer_id,
    ordered_at,
    refund AS amount
FROM _woocommerce_orders
WHERE left_out IS NULL AND refund IS NOT NULL
