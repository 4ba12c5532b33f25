SELECT 'promotion' AS experiment_id, ID AS customer_id, '2018-05-01' AS assigned_at,
       CASE Promotion WHEN 'Yes' THEN 'promotion' WHEN 'No' THEN 'none' ELSE Promotion END AS arm, line__
FROM rows
