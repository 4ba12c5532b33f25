SELECT 'mens-womens-none' AS experiment_id, line__ AS customer_id, '2008-03-01' AS assigned_at,
       CASE segment WHEN 'Mens E-Mail' THEN 'mens' WHEN 'Womens E-Mail' THEN 'womens' WHEN 'No E-Mail' THEN 'none'
                    ELSE segment END AS arm,
       line__
FROM rows
