-- Events that messages.sql does not read as a text, a click, an opt-out or an opt-in.
SELECT
    CASE
        WHEN coalesce(phone, email) IS NULL THEN 'Attentive events without a telephone number or address'
        WHEN upper(type) = 'MESSAGE_RECEIPT'
            AND coalesce(upper(message_type), '') IN ('AUTOMATED_TRANSACTIONAL', 'AUTO_RESPONSE', 'CONFIRM_OPT_IN',
                'CUSTOMER_SERVICE', 'FUZZY_OPT_OUT', 'HELP', 'OPT_OUT')
            THEN 'Attentive texts that are no marketing (' || lower(message_type) || ')'
        WHEN upper(type) NOT IN ('MESSAGE_RECEIPT', 'MESSAGE_LINK_CLICK', 'SUBSCRIPTION_OPTED_OUT', 'OPT_OUT',
                                 'SUBSCRIPTION_OPT_IN_COMPLETED', 'JOIN')
            THEN 'Attentive events of other types (' || lower(type) || ')'
    END AS reason,
    count(*) AS rows
FROM attentive_events
GROUP BY reason
HAVING reason IS NOT NULL
UNION ALL
SELECT 'Attentive clicks that belong to no text of the feed' AS reason, count(*) AS rows
FROM _attentive_texts
WHERE was_clicked AND sent_at IS NULL
HAVING count(*) > 0
