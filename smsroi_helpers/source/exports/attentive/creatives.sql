-- only if text
-- The text of each message, if ten recipients or more got exactly the same.
SELECT message_id AS campaign_id, '1' AS variant, text
FROM attentive_events
WHERE upper(type) = 'MESSAGE_RECEIPT' AND message_id IS NOT NULL AND text IS NOT NULL
GROUP BY message_id, text
HAVING count(*) >= 10
QUALIFY row_number() OVER (PARTITION BY message_id ORDER BY count(*) DESC, text) = 1
