SELECT 'promotion' AS experiment_id, arm, share FROM (VALUES ('none', 0.5), ('promotion', 0.5)) AS planned (arm, share)
