-- One customer's telephone number, e-mail address and number.
SELECT DISTINCT phone AS customer_id, 'email' AS kind, email AS value
FROM woocommerce_orders
WHERE phone IS NOT NULL AND email IS NOT NULL
