-- only if customer
-- One customer's telephone number and id in Youzan.
SELECT DISTINCT phone AS customer_id, 'id' AS kind, customer AS value
FROM youzan_orders
WHERE phone NOT LIKE '%*%' AND customer NOT LIKE '%*%'
