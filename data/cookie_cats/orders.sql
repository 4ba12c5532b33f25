SELECT userid AS order_id, userid AS customer_id, '2018-01-08 12:00:00' AS ordered_at, 0 AS amount, line__
FROM rows
WHERE retention_7 = 'TRUE'
