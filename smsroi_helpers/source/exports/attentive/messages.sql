-- Messages of Attentive: one per MESSAGE_RECEIPT. A click belongs to the last text of that message before it, an opt-out
-- to the last text of all. The feed has no receipt for texts that were not delivered.
WITH events AS (
    SELECT DISTINCT
        coalesce(phone, email) AS customer_id,
        message_id,
        happened_at,
        upper(type) = 'MESSAGE_RECEIPT'
            AND coalesce(upper(message_type), '') NOT IN ('AUTOMATED_TRANSACTIONAL', 'AUTO_RESPONSE', 'CONFIRM_OPT_IN',
                'CUSTOMER_SERVICE', 'FUZZY_OPT_OUT', 'HELP', 'OPT_OUT')
            AS was_sent,
        upper(type) = 'MESSAGE_LINK_CLICK' AS was_clicked,
        upper(type) IN ('SUBSCRIPTION_OPTED_OUT', 'OPT_OUT')
            AND coalesce(upper(subscription_type), '') <> 'TRANSACTIONAL'
            AS opted_out
    FROM attentive_events
    WHERE coalesce(phone, email) IS NOT NULL
),
followed AS (
    SELECT
        *,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id, message_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS sent_at,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS last_sent_at
    FROM events
    WHERE was_sent OR was_clicked OR opted_out
),
clicks AS (
    SELECT customer_id, message_id, sent_at, min(happened_at) AS clicked_at
    FROM followed WHERE was_clicked GROUP BY ALL
),
opt_outs AS (
    SELECT customer_id, last_sent_at, min(happened_at) AS opted_out_at
    FROM followed WHERE opted_out GROUP BY ALL
)
SELECT
    md5(concat_ws(' ', sent.customer_id, sent.message_id, sent.happened_at)) AS message_id,
    sent.customer_id,
    sent.happened_at AS sent_at,
    sent.happened_at AS delivered_at,
    'sms' AS channel,
    '1' AS variant,
    clicks.clicked_at,      -- if clicks
    opt_outs.opted_out_at,  -- if opt_outs
    sent.message_id AS campaign_id
FROM followed AS sent
LEFT JOIN clicks ON clicks.customer_id = sent.customer_id AND clicks.message_id = sent.message_id
    AND clicks.sent_at = sent.happened_at
LEFT JOIN opt_outs ON opt_outs.customer_id = sent.customer_id AND opt_outs.last_sent_at = sent.happened_at
WHERE sent.was_sent
