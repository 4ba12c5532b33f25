-- One customer's telephone number and e-mail address.
SELECT DISTINCT phone AS customer_id, 'email' AS kind, email AS value
FROM attentive_events
WHERE phone IS NOT NULL AND email IS NOT NULL
