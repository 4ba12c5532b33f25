SELECT 'gate' AS experiment_id, userid AS customer_id, version AS arm, '2018-01-01' AS assigned_at, line__
FROM rows
