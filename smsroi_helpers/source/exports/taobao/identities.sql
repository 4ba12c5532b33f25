-- One customer's telephone number and member name.
SELECT DISTINCT phone AS customer_id, 'id' AS kind, buyer AS value
FROM taobao_orders
WHERE phone NOT LIKE '%*%' AND buyer NOT LIKE '%*%'
