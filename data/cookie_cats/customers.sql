-- Rounds played and the return on the first day came after the assignment: they are outcomes, not attributes.
SELECT userid AS customer_id, line__
FROM rows
