-- Attentive's texts, clicks and opt-outs. Each has the time of the last text before it: of that message to the customer
-- (sent_at), and of all (last_sent_at, null: there is none).
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
)
SELECT
    *,
    max(CASE WHEN was_sent THEN happened_at END) OVER (
        PARTITION BY customer_id, message_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS sent_at,
    max(CASE WHEN was_sent THEN happened_at END) OVER (
        PARTITION BY customer_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS last_sent_at
FROM events
WHERE was_sent OR was_clicked OR opted_out
