SELECT line__ AS customer_id, '2008-03-14 11:00:00' AS visited_at, line__
FROM rows
WHERE visit = '1'
