-- One customer's e-mail addresses and telephone numbers: they belong to the profile.
-- no table without rows
SELECT DISTINCT customer_id, 'email' AS kind, email AS value
FROM _klaviyo_rows
WHERE email IS NOT NULL AND email <> customer_id
UNION
SELECT DISTINCT customer_id, 'phone' AS kind, phone AS value
FROM _klaviyo_rows
WHERE phone IS NOT NULL AND phone <> customer_id
    AND NOT regexp_matches(phone, {{damaged_id}})  -- rounded by a spreadsheet
