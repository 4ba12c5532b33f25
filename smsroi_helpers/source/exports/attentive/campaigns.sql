-- A campaign is a message of Attentive.
SELECT message_id AS campaign_id, coalesce(max(name), message_id) AS name, min(happened_at) AS started_at
FROM attentive_events
WHERE upper(type) = 'MESSAGE_RECEIPT' AND message_id IS NOT NULL
  AND coalesce(upper(message_type), '') NOT IN ('AUTOMATED_TRANSACTIONAL', 'AUTO_RESPONSE', 'CONFIRM_OPT_IN',
      'CUSTOMER_SERVICE', 'FUZZY_OPT_OUT', 'HELP', 'OPT_OUT')
GROUP BY message_id
