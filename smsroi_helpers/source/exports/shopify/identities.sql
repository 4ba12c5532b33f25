-- One customer's telephone number and e-mail address: an order with the address only is then the same customer's.
SELECT DISTINCT number AS customer_id, 'email' AS kind, email AS value
FROM _shopify_orders
WHERE email IS NOT NULL AND number IS NOT NULL
