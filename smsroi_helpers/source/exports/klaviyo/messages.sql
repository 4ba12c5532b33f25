-- Messages of Klaviyo: Received SMS, Failed to Deliver SMS and Received Email. A click or an open belongs to the last
-- message of that campaign to the customer before it; an opt-out or an incoming text to the last one of that channel.
WITH reactions AS (
    SELECT
        customer_id, channel, campaign_id, sent_at,
        min(happened_at) FILTER (was_clicked) AS clicked_at,
        min(happened_at) FILTER (was_opened) AS opened_at
    FROM _klaviyo_events WHERE was_clicked OR was_opened GROUP BY ALL
),
answers AS (
    SELECT
        customer_id, channel, last_sent_at,
        min(happened_at) FILTER (opted_out) AS opted_out_at,
        min(happened_at) FILTER (was_answered) AS replied_at
    FROM _klaviyo_events WHERE opted_out OR was_answered GROUP BY ALL
)
SELECT
    coalesce(sent.event, md5(concat_ws(' ', sent.customer_id, sent.channel, sent.campaign_id, sent.happened_at))) AS message_id,
    sent.customer_id,
    sent.channel,
    sent.happened_at AS sent_at,
    CASE WHEN sent.was_delivered THEN sent.happened_at END AS delivered_at,
    reactions.opened_at,   -- if opens
    reactions.clicked_at,  -- if clicks
    answers.replied_at,    -- if replies
    answers.opted_out_at,  -- if opt_outs
    sent.campaign_id
FROM _klaviyo_events AS sent
LEFT JOIN reactions ON reactions.customer_id = sent.customer_id AND reactions.channel = sent.channel
    AND reactions.campaign_id = sent.campaign_id AND reactions.sent_at = sent.happened_at
LEFT JOIN answers ON answers.customer_id = sent.customer_id AND answers.channel = sent.channel
    AND answers.last_sent_at = sent.happened_at
WHERE sent.was_sent
