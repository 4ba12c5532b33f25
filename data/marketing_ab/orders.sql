SELECT "user id" AS order_id, "user id" AS customer_id, '2019-07-14 12:00:00' AS ordered_at, 0 AS amount, line__
FROM rows
WHERE converted = 'True'
