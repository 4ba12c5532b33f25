SELECT 'ad-or-notice' AS experiment_id, 'content' AS kind, 'psa' AS control_arm, '2019-07-01' AS started_at,
       'order_rate' AS primary_metric
