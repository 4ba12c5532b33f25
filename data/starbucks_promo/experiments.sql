SELECT 'promotion' AS experiment_id, 'content' AS kind, 'none' AS control_arm, '2018-05-01' AS started_at,
       '2018-05-07 23:59:59' AS ended_at, 'profit' AS primary_metric
