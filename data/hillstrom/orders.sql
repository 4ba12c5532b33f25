-- A conversion is read as one order; its amount is the spend.
SELECT line__ AS order_id, line__ AS customer_id, '2008-03-14 12:00:00' AS ordered_at, spend AS amount, line__
FROM rows
WHERE conversion = '1'
