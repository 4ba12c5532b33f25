-- The planned shares, according to the description of the data.
SELECT 'ad-or-notice' AS experiment_id, arm, share FROM (VALUES ('psa', 0.04), ('ad', 0.96)) AS planned (arm, share)
