SELECT "user id" AS customer_id, line__
FROM rows
