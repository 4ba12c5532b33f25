-- One row per message of Twilio: its number, why it is no text that was sent (left_out, null: it was), and its campaign.
-- A campaign is a text that went to ten recipients or more: exactly, else without its links, else without its digits
-- too; names after a greeting count as the same text. Change here which messages count, and what a campaign is.
WITH unique_rows AS (
    SELECT
        *,
        -- rcs:+1202… is the number's, and so is its STOP; whatsapp: and messenger: are apart.
        regexp_replace(CASE WHEN lower(direction) LIKE 'inbound%' THEN sender ELSE recipient END, '^rcs:', '') AS number,
        regexp_extract(CASE WHEN lower(direction) LIKE 'inbound%' THEN sender ELSE recipient END, '^(rcs|whatsapp|messenger):', 1)
            AS scheme,
        coalesce(lower(direction), '') LIKE 'inbound%' AS came_back,
        -- The word alone on the first line, with or without "please" and signs: `Stop.`, `"STOP"`.
        CASE WHEN lower(direction) LIKE 'inbound%' THEN
            trim(regexp_replace(regexp_replace(upper(regexp_extract(trim(text), '^[^\r\n]*')), '[^A-Z ]', '', 'g'),
                                '^PLEASE | PLEASE$', '', 'g')) END AS word
    FROM twilio_log
    QUALIFY row_number() OVER (PARTITION BY sid ORDER BY file DESC) = 1  -- two exports may overlap
),
heard AS (
    SELECT
        *,
        max(CASE WHEN isfinite(sent_at) AND word IN (
                'STOP', 'STOPALL', 'STOP ALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'OPT OUT', 'REVOKE',
                'START', 'YES', 'UNSTOP') THEN sent_at END) OVER before AS asked_at,
        max(CASE WHEN isfinite(sent_at) AND word IN ('HELP', 'INFO') THEN sent_at END) OVER before AS help_at
    FROM unique_rows
    WINDOW before AS (PARTITION BY number ORDER BY sent_at, came_back DESC ROWS UNBOUNDED PRECEDING)
),
log AS (
    SELECT
        sid,
        number,
        CASE scheme WHEN '' THEN 'sms' ELSE scheme END AS channel,
        came_back,
        word,
        CASE
            WHEN came_back
                THEN 'Twilio messages that customers sent'
            WHEN error_code = '21610' THEN 'Twilio messages that were blocked, since the recipient had opted out'
            WHEN lower(status) IN ('queued', 'accepted', 'scheduled', 'canceled')
                THEN 'Twilio messages that were not sent (' || lower(status) || ')'
            WHEN lower(direction) = 'outbound-reply' THEN 'Twilio answers to a message of the customer (outbound-reply)'
            WHEN sent_at <= help_at + INTERVAL 1 MINUTE
                OR sent_at <= asked_at + INTERVAL 1 MINUTE AND regexp_matches(text,
                    '(?i)unsubscribed|subscribed to|resubscribed|re-subscribed|opted[ -](out|in)|' ||
                    'no longer (receive|get)|(not|n.t) (receive|get|be sent)|no (more|further) (messages|texts)|' ||
                    'dado de baja|désabonn|désinscri|abgemeldet|disiscritt|descadastrad|afgemeld|已退订|退订成功|取消订阅')
                THEN 'Twilio confirmations, within a minute after STOP, START or HELP'
            -- To leave out notices of orders and codes, take away the two signs before the next two lines.
            -- WHEN regexp_matches(text, '(?i)your (order|package|parcel|delivery)|(verification|security|login) code')
            --     THEN 'Twilio texts on orders and codes'
        END AS left_out,
        coalesce(error_code = '21610', false) AS blocked,
        sent_at,
        lower(status) AS status,
        try_cast(segments AS INTEGER) AS segments,
        ltrim(price, '-−') AS cost,  -- as text: a comma may be its decimal mark
        text
    FROM heard
),
texts AS (  -- each different text is read once
    SELECT text, {{nameless_text}} AS nameless_text
    FROM (SELECT DISTINCT text FROM log WHERE text IS NOT NULL)
),
spelt AS (
    SELECT
        *,
        regexp_replace(regexp_replace(text, 'https?://\S+|[\w.-]+\.[a-z]{2,}/\S*', 'link', 'gi'), '[0-9]+', '0', 'g')
            AS named_text,
        regexp_replace(nameless_text, 'https?://\S+|[\w.-]+\.[a-z]{2,}/\S*', 'link', 'gi') AS linkless_text,
        regexp_replace(linkless_text, '[0-9]+', '0', 'g') AS loose_text
    FROM texts
),
loose AS (
    SELECT log.*, nameless_text, named_text, linkless_text, loose_text FROM log LEFT JOIN spelt ON spelt.text = log.text
),
loose_texts AS (  -- what looks like a name is one if it differs among the texts
    SELECT loose_text, count(DISTINCT named_text) > 1 AS has_names FROM loose
    WHERE left_out IS NULL AND text IS NOT NULL GROUP BY loose_text
),
plain AS (
    SELECT loose.*, CASE WHEN has_names THEN nameless_text ELSE text END AS plain_text
    FROM loose LEFT JOIN loose_texts ON loose_texts.loose_text = loose.loose_text
),
plain_texts AS (
    SELECT plain_text, count(DISTINCT number) AS recipients FROM plain
    WHERE left_out IS NULL AND plain_text IS NOT NULL GROUP BY plain_text
),
linkless_texts AS (
    SELECT linkless_text, count(DISTINCT number) AS recipients FROM plain
    WHERE left_out IS NULL AND linkless_text IS NOT NULL GROUP BY linkless_text
),
grouped AS (
    SELECT
        plain.*,
        CASE WHEN plain_texts.recipients >= 10 THEN plain.plain_text
             WHEN linkless_texts.recipients >= 10 THEN plain.linkless_text
             ELSE loose_text END AS campaign_text
    FROM plain
    LEFT JOIN plain_texts ON plain_texts.plain_text = plain.plain_text
    LEFT JOIN linkless_texts ON linkless_texts.linkless_text = plain.linkless_text
),
campaign_texts AS (
    SELECT campaign_text, count(DISTINCT number) AS recipients FROM grouped
    WHERE left_out IS NULL AND campaign_text IS NOT NULL GROUP BY campaign_text
)
SELECT
    grouped.*,
    CASE WHEN recipients >= 10 THEN 'text ' || left(md5(grouped.campaign_text), 8) ELSE 'other texts' END AS campaign_id
FROM grouped
LEFT JOIN campaign_texts ON campaign_texts.campaign_text = grouped.campaign_text
