-- Klaviyo's events of messages. Each has the time of the last message before it: of that campaign to the customer (sent_at),
-- and of that channel (last_sent_at, null: there is none).
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
)
SELECT
    *,
    max(CASE WHEN was_sent THEN happened_at END) OVER (
        PARTITION BY customer_id, channel, campaign_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS sent_at,
    max(CASE WHEN was_sent THEN happened_at END) OVER (
        PARTITION BY customer_id, channel ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS last_sent_at
FROM events
WHERE was_sent OR was_clicked OR was_opened OR was_answered OR opted_out
