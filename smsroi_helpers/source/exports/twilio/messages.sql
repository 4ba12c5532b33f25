-- Messages of Twilio: the outbound ones. What came back belongs to the last text to that number before it.
-- A campaign is a text that went to ten recipients or more, exactly or without its digits and links.
WITH log AS (
    SELECT
        sid,
        CASE WHEN direction LIKE 'inbound%' THEN sender ELSE recipient END AS number,
        coalesce(direction, '') NOT LIKE 'inbound%'
            AND coalesce(lower(status), '') NOT IN ('queued', 'accepted', 'scheduled', 'canceled')
            AND coalesce(error_code, '') <> '21610'  -- blocked by Twilio: the recipient had opted out
            AS was_sent,
        coalesce(direction, '') LIKE 'inbound%' AS came_back,
        sent_at,
        lower(status) AS status,
        try_cast(segments AS INTEGER) AS segments,
        abs(try_cast(price AS DOUBLE)) AS cost,
        upper(text) AS word,
        text,
        regexp_replace(regexp_replace(text, '(https?://)?[\w.-]+\.[a-z]{2,}/\S*', 'link', 'gi'), '[0-9]+', '0', 'g')
            AS loose_text
    FROM twilio_log
    QUALIFY row_number() OVER (PARTITION BY sid ORDER BY file DESC) = 1  -- two exports may overlap
),
answered AS (
    SELECT
        *,
        word IN ('STOP', 'STOPALL', 'STOP ALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'OPT OUT', 'REVOKE')
            AS opts_out,
        last_value(CASE WHEN was_sent THEN sid END IGNORE NULLS) OVER before AS answers_to,
        max(CASE WHEN came_back AND word IN ('START', 'YES', 'UNSTOP') THEN sent_at END) OVER (PARTITION BY number)
            AS opted_in_at
    FROM log
    WHERE was_sent OR came_back
    WINDOW before AS (PARTITION BY number ORDER BY sent_at, came_back ROWS UNBOUNDED PRECEDING)
),
answers AS (
    SELECT
        answers_to,
        min(sent_at) FILTER (opts_out AND (opted_in_at IS NULL OR sent_at > opted_in_at)) AS opted_out_at,
        min(sent_at) FILTER (NOT opts_out) AS replied_at
    FROM answered
    WHERE came_back
    GROUP BY answers_to
),
sent AS (
    SELECT *, CASE WHEN count(*) OVER (PARTITION BY text) >= 10 THEN text ELSE loose_text END AS campaign_text
    FROM log
    WHERE was_sent
)
SELECT
    sent.sid AS message_id,
    sent.number AS customer_id,
    CASE WHEN count(*) OVER (PARTITION BY sent.campaign_text) >= 10 AND sent.campaign_text IS NOT NULL
         THEN 'text ' || left(md5(sent.campaign_text), 8) ELSE 'other texts' END AS campaign_id,
    CASE WHEN sent.number LIKE 'whatsapp:%' THEN 'whatsapp' ELSE 'sms' END AS channel,
    sent.sent_at,
    CASE WHEN sent.status = 'partially_delivered' THEN 'delivered' ELSE sent.status END AS delivered_at,
    answers.replied_at,                     -- if replies
    answers.opted_out_at,                   -- if replies
    sent.cost,                              -- if price
    greatest(sent.segments, 1) AS segments, -- if segments
    '1' AS variant
FROM sent
LEFT JOIN answers ON answers.answers_to = sent.sid
