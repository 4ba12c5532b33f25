-- Customers of the campaign and their response. It came after the transactions: use it to profile, not to explain them.
SELECT customer_id, response = '1' AS attr_responded, line__
FROM responses
