-- Rounds played and the return on the first day came after the assignment: they are outcomes, and no attributes.
SELECT userid AS customer_id, line__
FROM rows
