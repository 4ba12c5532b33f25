-- Messages of Klaviyo: Received SMS, Failed to Deliver SMS and Received Email, with what followed: see _klaviyo_events.sql.
-- unknown if empty: opened_at
-- unknown if empty: clicked_at
-- unknown if empty: replied_at
-- unknown if empty: opted_out_at
WITH reactions AS (
    SELECT
        answers_to,
        min(happened_at) FILTER (was_clicked) AS clicked_at,
        min(happened_at) FILTER (was_opened) AS opened_at
    FROM _klaviyo_events WHERE was_clicked OR was_opened GROUP BY answers_to
),
answers AS (
    SELECT
        follows,
        min(happened_at) FILTER (left_for_good) AS opted_out_at,
        min(happened_at) FILTER (was_answered) AS replied_at
    FROM _klaviyo_events WHERE left_for_good OR was_answered GROUP BY follows
)
SELECT
    sent.event_id AS message_id,
    sent.customer_id,
    sent.channel,
    sent.happened_at AS sent_at,
    CASE WHEN sent.was_delivered THEN sent.happened_at END AS delivered_at,
    reactions.opened_at,  -- optional
    reactions.clicked_at,  -- optional
    answers.replied_at,  -- optional
    answers.opted_out_at,  -- optional
    sent.campaign_id
FROM _klaviyo_events AS sent
LEFT JOIN reactions ON reactions.answers_to = sent.event_id
LEFT JOIN answers ON answers.follows = sent.event_id
WHERE sent.was_sent
