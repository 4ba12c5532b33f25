SELECT 'gate' AS experiment_id, arm, share FROM (VALUES ('gate_30', 0.5), ('gate_40', 0.5)) AS planned (arm, share)
