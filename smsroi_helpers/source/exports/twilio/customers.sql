-- Every number of the log, with its opt-out if no text of messages.sql carries it: a reply of STOP before the first text,
-- or the first text that Twilio blocked because of a STOP that is not in the log. A later START takes it back.
-- unknown if empty: opted_out_at
WITH answers AS (
    SELECT
        number,
        max(opted_in_at) AS opted_in_at,
        bool_or(left_for_good) AS has_left,
        min(sent_at) FILTER (left_for_good AND answers_to IS NULL) AS left_before_at
    FROM _twilio_answers
    GROUP BY number
)
SELECT
    log.number AS customer_id,
    coalesce(
        any_value(left_before_at),
        min(sent_at) FILTER (blocked AND NOT coalesce(has_left, false) AND coalesce(sent_at > opted_in_at, true))
    ) AS opted_out_at
FROM _twilio_log AS log
LEFT JOIN answers ON answers.number = log.number
WHERE log.channel IN ('sms', 'rcs')
GROUP BY log.number
