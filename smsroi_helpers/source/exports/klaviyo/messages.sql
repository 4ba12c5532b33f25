-- Messages of Klaviyo: Received SMS, Failed to Deliver SMS and Received Email. A click or an open belongs to the last
-- message of that campaign to the customer before it; an opt-out or an incoming text to the last one of that channel.
WITH events AS (
    SELECT DISTINCT
        coalesce(phone, email, profile) AS customer_id,
        coalesce(campaign, flow, campaign_name, flow_name, 'unknown') AS campaign_id,
        CASE WHEN metric ILIKE '%sms%' THEN 'sms' ELSE 'email' END AS channel,
        happened_at,
        event,
        lower(metric) IN ('received sms', 'received email', 'failed to deliver sms') AS was_sent,
        lower(metric) <> 'failed to deliver sms' AS was_delivered,
        lower(metric) IN ('clicked sms', 'clicked email') AS was_clicked,
        lower(metric) = 'opened email' AS was_opened,
        lower(metric) = 'sent sms' AS was_answered,
        lower(metric) LIKE 'unsubscribed%' AS opted_out
    FROM klaviyo_events
    WHERE coalesce(phone, email, profile) IS NOT NULL
),
followed AS (
    SELECT
        *,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id, channel, campaign_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS sent_at,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id, channel ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS last_sent_at
    FROM events
    WHERE was_sent OR was_clicked OR was_opened OR was_answered OR opted_out
),
reactions AS (
    SELECT
        customer_id, channel, campaign_id, sent_at,
        min(happened_at) FILTER (was_clicked) AS clicked_at,
        min(happened_at) FILTER (was_opened) AS opened_at
    FROM followed WHERE was_clicked OR was_opened GROUP BY ALL
),
answers AS (
    SELECT
        customer_id, channel, last_sent_at,
        min(happened_at) FILTER (opted_out) AS opted_out_at,
        min(happened_at) FILTER (was_answered) AS replied_at
    FROM followed WHERE opted_out OR was_answered GROUP BY ALL
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
FROM followed AS sent
LEFT JOIN reactions ON reactions.customer_id = sent.customer_id AND reactions.channel = sent.channel
    AND reactions.campaign_id = sent.campaign_id AND reactions.sent_at = sent.happened_at
LEFT JOIN answers ON answers.customer_id = sent.customer_id AND answers.channel = sent.channel
    AND answers.last_sent_at = sent.happened_at
WHERE sent.was_sent
