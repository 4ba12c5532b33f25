SELECT ID AS order_id, ID AS customer_id, '2018-05-07 12:00:00' AS ordered_at, 10 AS amount, line__
FROM rows
WHERE purchase = '1'
