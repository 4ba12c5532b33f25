-- One customer's e-mail address and telephone number: they belong to the profile, else the number to the address.
-- no table without rows
SELECT DISTINCT profile AS customer_id, 'email' AS kind, email AS value
FROM klaviyo_orders
WHERE profile IS NOT NULL AND email IS NOT NULL
UNION
SELECT DISTINCT coalesce(profile, email) AS customer_id, 'phone' AS kind, phone AS value
FROM klaviyo_orders
WHERE coalesce(profile, email) IS NOT NULL AND phone IS NOT NULL
    AND NOT regexp_matches(phone, {{damaged_id}})  -- rounded by a spreadsheet
