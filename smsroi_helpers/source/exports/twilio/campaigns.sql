-- only if text
-- A campaign is a text that went to ten recipients or more, exactly or without its digits and links (see messages.sql).
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
SELECT
    'text ' || left(md5(campaign_text), 8) AS campaign_id,
    left(campaign_text, 60) AS name,
    min(sent_at) AS started_at
FROM sent
WHERE campaign_text IS NOT NULL
GROUP BY campaign_text
HAVING count(*) >= 10
UNION ALL
SELECT 'other texts' AS campaign_id, 'other texts' AS name, min(sent_at) AS started_at
FROM (SELECT * FROM sent QUALIFY count(*) OVER (PARTITION BY campaign_text) < 10 OR campaign_text IS NULL)
HAVING count(*) > 0
