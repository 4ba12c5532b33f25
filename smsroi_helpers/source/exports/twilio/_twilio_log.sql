-- One row per message of Twilio: its number, why it is no text that was sent (left_out, null: it was), and its campaign.
-- A campaign is a text that went to ten recipients or more, exactly or without its digits and links. Change here which
-- messages count, and what a campaign is.
WITH log AS (
    SELECT
        sid,
        CASE WHEN direction LIKE 'inbound%' THEN sender ELSE recipient END AS number,
        coalesce(direction, '') LIKE 'inbound%' AS came_back,
        CASE
            WHEN direction LIKE 'inbound%'
                THEN 'Twilio messages that customers sent; opt-outs and replies are read from them'
            WHEN error_code = '21610' THEN 'Twilio messages that were blocked, since the recipient had opted out'
            WHEN lower(status) IN ('queued', 'accepted', 'scheduled', 'canceled')
                THEN 'Twilio messages that were not sent (' || lower(status) || ')'
        END AS left_out,
        coalesce(error_code = '21610', false) AS blocked,
        sent_at,
        lower(status) AS status,
        try_cast(segments AS INTEGER) AS segments,
        abs(try_cast(price AS DOUBLE)) AS cost,
        text,
        regexp_replace(regexp_replace(text, '(https?://)?[\w.-]+\.[a-z]{2,}/\S*', 'link', 'gi'), '[0-9]+', '0', 'g')
            AS loose_text
    FROM twilio_log
    QUALIFY row_number() OVER (PARTITION BY sid ORDER BY file DESC) = 1  -- two exports may overlap
),
sent_texts AS (
    SELECT text, count(*) AS sends FROM log WHERE left_out IS NULL AND text IS NOT NULL GROUP BY text
),
grouped AS (
    SELECT log.*, CASE WHEN sends >= 10 THEN log.text ELSE loose_text END AS campaign_text
    FROM log LEFT JOIN sent_texts ON sent_texts.text = log.text
),
campaign_texts AS (
    SELECT campaign_text, count(*) AS sends FROM grouped
    WHERE left_out IS NULL AND campaign_text IS NOT NULL GROUP BY campaign_text
)
SELECT
    grouped.*,
    CASE WHEN sends >= 10 THEN 'text ' || left(md5(grouped.campaign_text), 8) ELSE 'other texts' END AS campaign_id
FROM grouped
LEFT JOIN campaign_texts ON campaign_texts.campaign_text = grouped.campaign_text
