SELECT 'mens-womens-none' AS experiment_id, 'content' AS kind, 'none' AS control_arm, '2008-03-01' AS started_at,
       '2008-03-14 23:59:59' AS ended_at, 'profit' AS primary_metric
