-- The outcome is measured on the day seven days after installing; the window ends at the end of that day.
SELECT 'gate' AS experiment_id, 'content' AS kind, 'gate_30' AS control_arm, '2018-01-01' AS started_at,
       '2018-01-08 23:59:59' AS ended_at, 'order_rate' AS primary_metric
