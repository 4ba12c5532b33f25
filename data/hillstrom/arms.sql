-- A third each, according to the description of the data.
SELECT 'mens-womens-none' AS experiment_id, arm, share
FROM (VALUES ('none', 1 / 3), ('mens', 1 / 3), ('womens', 1 / 3)) AS planned (arm, share)
