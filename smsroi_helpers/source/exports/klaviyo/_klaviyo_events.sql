-- Klaviyo's events of messages, each with the message that it belongs to: a click or an open to the last one of that campaign to
-- the customer before it, else to the last of that name (answers_to); an opt-out or an incoming text to the last one of that
-- channel (follows). Null: there is none.
WITH events AS (
    SELECT DISTINCT
        customer_id,
        campaign_id,
        coalesce(campaign_name, flow_name) AS name,
        CASE WHEN metric ILIKE '%sms%' THEN 'sms' ELSE 'email' END AS channel,
        happened_at,
        event,
        lower(metric) AS metric,
        lower(metric) IN ('received sms', 'received email', 'failed to deliver sms') AS was_sent,
        lower(metric) <> 'failed to deliver sms' AS was_delivered,
        lower(metric) IN ('clicked sms', 'clicked email') AS was_clicked,
        lower(metric) = 'opened email' AS was_opened,
        lower(metric) = 'sent sms' AS was_answered,
        lower(metric) LIKE 'unsubscribed%' AS opted_out,
        lower(metric) IN ('subscribed to sms marketing', 'subscribed to sms', 'consented to receive sms',
                          'subscribed to email marketing', 'subscribed to email') AS opted_in
    FROM _klaviyo_rows
    WHERE customer_id IS NOT NULL
),
named AS (
    SELECT
        * EXCLUDE (event, metric),
        coalesce(event, concat_ws(' ', metric, campaign_id, happened_at,
            row_number() OVER (PARTITION BY metric, campaign_id, happened_at ORDER BY customer_id))) AS event_id
    FROM events
),
answered AS (
    SELECT
        *,
        coalesce(
            last_value(CASE WHEN was_sent THEN event_id END IGNORE NULLS) OVER (
                PARTITION BY customer_id, channel, campaign_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING),
            CASE WHEN name IS NOT NULL THEN last_value(CASE WHEN was_sent THEN event_id END IGNORE NULLS) OVER (
                PARTITION BY customer_id, channel, name ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) END
        ) AS answers_to,
        last_value(CASE WHEN was_sent THEN event_id END IGNORE NULLS) OVER (
            PARTITION BY customer_id, channel ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS follows,
        max(CASE WHEN opted_in AND isfinite(happened_at) THEN happened_at END) OVER (PARTITION BY customer_id, channel)
            AS opted_in_at
    FROM named
    WHERE was_sent OR was_clicked OR was_opened OR was_answered OR opted_out OR opted_in
)
SELECT *, opted_out AND coalesce(happened_at > opted_in_at, true) AS left_for_good  -- a later opt-in takes an opt-out back
FROM answered
