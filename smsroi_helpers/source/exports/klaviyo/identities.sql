-- One customer's telephone number, e-mail address and profile.
SELECT DISTINCT phone AS customer_id, 'email' AS kind, email AS value
FROM klaviyo_events
WHERE phone IS NOT NULL AND email IS NOT NULL
UNION
SELECT DISTINCT coalesce(phone, email) AS customer_id, 'id' AS kind, profile AS value
FROM klaviyo_events
WHERE coalesce(phone, email) IS NOT NULL AND profile IS NOT NULL
