-- Every customer of the events, with the opt-out from texts before the first text of the file: no message carries it.
-- unknown if empty: opted_out_at
SELECT customer_id, min(happened_at) FILTER (left_for_good AND channel = 'sms' AND follows IS NULL) AS opted_out_at
FROM _klaviyo_events
GROUP BY customer_id
