-- Attentive's texts, clicks and opt-outs. Each has the time of the last text before it: of that message to the customer
-- (sent_at), and of all (last_sent_at, null: there is none). A later opt-in takes an opt-out back (left_for_good).
-- A customer is the telephone number, also of an event that shows only an e-mail address that stands beside one elsewhere.
WITH of_addresses AS (
    SELECT lower(email) AS address, min(phone) AS number FROM attentive_events
    WHERE email IS NOT NULL GROUP BY 1 HAVING count(DISTINCT phone) = 1
),
events AS (
    SELECT DISTINCT
        coalesce(phone, of_addresses.number, email) AS customer_id,
        message_id,
        happened_at,
        upper(type) = 'MESSAGE_RECEIPT'
            AND coalesce(upper(message_type), '') NOT IN ('AUTOMATED_TRANSACTIONAL', 'AUTO_RESPONSE', 'CONFIRM_OPT_IN',
                'CUSTOMER_SERVICE', 'FUZZY_OPT_OUT', 'HELP', 'OPT_OUT')
            AS was_sent,
        upper(type) = 'MESSAGE_LINK_CLICK' AS was_clicked,
        upper(type) IN ('SUBSCRIPTION_OPTED_OUT', 'OPT_OUT')
            AND coalesce(upper(subscription_type), '') <> 'TRANSACTIONAL'
            AS opted_out,
        upper(type) IN ('SUBSCRIPTION_OPT_IN_COMPLETED', 'JOIN')
            AND coalesce(upper(subscription_type), '') <> 'TRANSACTIONAL'
            AS opted_in
    FROM attentive_events
    LEFT JOIN of_addresses ON of_addresses.address = lower(email)
    WHERE coalesce(phone, email) IS NOT NULL
),
answered AS (
    SELECT
        *,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id, message_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS sent_at,
        max(CASE WHEN was_sent THEN happened_at END) OVER (
            PARTITION BY customer_id ORDER BY happened_at, was_sent DESC ROWS UNBOUNDED PRECEDING) AS last_sent_at,
        max(CASE WHEN opted_in AND isfinite(happened_at) THEN happened_at END) OVER (PARTITION BY customer_id) AS opted_in_at
    FROM events
    WHERE was_sent OR was_clicked OR opted_out OR opted_in
)
SELECT *, opted_out AND coalesce(happened_at > opted_in_at, true) AS left_for_good
FROM answered
