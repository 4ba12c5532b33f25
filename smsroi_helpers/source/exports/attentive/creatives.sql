-- only if text
-- The text of each message, if ten recipients or more got exactly the same (names after a greeting apart).
-- no table without rows
SELECT message_id AS campaign_id, '1' AS variant, CASE WHEN min(text) = max(text) THEN min(text) ELSE nameless_text END AS text
FROM (
    SELECT message_id, coalesce(phone, email) AS recipient, rows.text, nameless_text
    FROM attentive_events AS rows
    JOIN (  -- each different text is read once
        SELECT text, {{nameless_text}} AS nameless_text FROM (SELECT DISTINCT text FROM attentive_events WHERE text IS NOT NULL)
    ) AS texts ON texts.text = rows.text
    WHERE upper(type) = 'MESSAGE_RECEIPT' AND message_id IS NOT NULL
)
GROUP BY message_id, nameless_text
HAVING count(DISTINCT recipient) >= 10
QUALIFY row_number() OVER (PARTITION BY message_id ORDER BY count(*) DESC, nameless_text) = 1
