-- One customer's telephone number and e-mail address: an order with the address only is then the same customer's.
SELECT DISTINCT coalesce(phone, billing_phone, shipping_phone) AS customer_id, 'email' AS kind, email AS value
FROM shopify_orders
WHERE email IS NOT NULL AND coalesce(phone, billing_phone, shipping_phone) IS NOT NULL
