-- Messages of Twilio: the outbound ones. What came back belongs to the last text to that number before it.
-- An opt-out is one of the words below alone on the first line, with or without "please" and signs: `Stop.`, `"STOP"`.
WITH worded AS (
    SELECT
        *,
        trim(regexp_replace(regexp_replace(upper(regexp_extract(trim(text), '^[^\r\n]*')), '[^A-Z ]', '', 'g'),
                            '^PLEASE | PLEASE$', '', 'g')) AS word
    FROM _twilio_log
),
answered AS (
    SELECT
        *,
        word IN ('STOP', 'STOPALL', 'STOP ALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'OPT OUT',
                 'REVOKE') AS opts_out,
        last_value(CASE WHEN left_out IS NULL THEN sid END IGNORE NULLS) OVER before AS answers_to,
        max(CASE WHEN came_back AND word IN ('START', 'YES', 'UNSTOP') THEN sent_at END)
            OVER (PARTITION BY number) AS opted_in_at
    FROM worded
    WHERE left_out IS NULL OR came_back
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
)
SELECT
    sent.sid AS message_id,
    sent.number AS customer_id,
    sent.campaign_id,
    CASE WHEN sent.number LIKE 'whatsapp:%' THEN 'whatsapp' ELSE 'sms' END AS channel,
    sent.sent_at,
    CASE WHEN sent.status = 'partially_delivered' THEN 'delivered' ELSE sent.status END AS delivered_at,
    answers.replied_at,                     -- if replies
    answers.opted_out_at,                   -- if replies
    sent.cost,                              -- if price
    greatest(sent.segments, 1) AS segments, -- if segments
    '1' AS variant
FROM _twilio_log AS sent
LEFT JOIN answers ON answers.answers_to = sent.sid
WHERE sent.left_out IS NULL
