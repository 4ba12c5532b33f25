-- Who was asked, and who answered: the response came after the transactions, so it may profile, not explain them.
SELECT customer_id, response = '1' AS attr_responded, line__
FROM responses
