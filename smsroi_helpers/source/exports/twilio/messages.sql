-- Messages of Twilio: the outbound ones. What came back belongs to the last text to that number before it.
-- unknown if empty: replied_at, opted_out_at
-- unknown if empty: cost
WITH answers AS (
    SELECT
        answers_to,
        min(sent_at) FILTER (left_for_good) AS opted_out_at,
        min(sent_at) FILTER (NOT opts_out) AS replied_at
    FROM _twilio_answers
    GROUP BY answers_to
)
SELECT
    sent.sid AS message_id,
    sent.number AS customer_id,
    sent.campaign_id,
    sent.channel,
    sent.sent_at,
    CASE WHEN sent.status = 'partially_delivered' THEN 'delivered' ELSE sent.status END AS delivered_at,
    answers.replied_at,  -- optional
    answers.opted_out_at,  -- optional
    sent.cost,                              -- if price
    greatest(sent.segments, 1) AS segments, -- if segments
    '1' AS variant
FROM _twilio_log AS sent
LEFT JOIN answers ON answers.answers_to = sent.sid
WHERE sent.left_out IS NULL
