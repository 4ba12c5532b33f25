SELECT 'ad-or-notice' AS experiment_id, "user id" AS customer_id, "test group" AS arm, '2019-07-01' AS assigned_at,
       line__
FROM rows
