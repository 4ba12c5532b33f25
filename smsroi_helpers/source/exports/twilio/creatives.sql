-- only if text
-- The text of each campaign, if ten recipients or more got exactly the same.
WITH log AS (
    SELECT
        sent_at,
        text,
        regexp_replace(regexp_replace(text, '(https?://)?[\w.-]+\.[a-z]{2,}/\S*', 'link', 'gi'), '[0-9]+', '0', 'g')
            AS loose_text
    FROM twilio_log
    WHERE coalesce(direction, '') NOT LIKE 'inbound%'
      AND coalesce(lower(status), '') NOT IN ('queued', 'accepted', 'scheduled', 'canceled')
      AND coalesce(error_code, '') <> '21610'
    QUALIFY row_number() OVER (PARTITION BY sid ORDER BY file DESC) = 1
),
sent AS (
    SELECT *, CASE WHEN count(*) OVER (PARTITION BY text) >= 10 THEN text ELSE loose_text END AS campaign_text
    FROM log
)
SELECT 'text ' || left(md5(text), 8) AS campaign_id, '1' AS variant, text
FROM sent
WHERE text = campaign_text
GROUP BY text
HAVING count(*) >= 10
