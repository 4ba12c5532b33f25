-- Events that no mapping reads.
SELECT
    CASE
        WHEN coalesce(phone, email, profile) IS NULL THEN 'Klaviyo events without a profile'
        WHEN lower(metric) IN ('placed order', 'refunded order') AND value IS NULL THEN 'Klaviyo orders without a value'
        WHEN lower(metric) IN ('placed order', 'refunded order') AND currency <> {{currency}}
            THEN 'Klaviyo orders in another currency'
        WHEN lower(metric) NOT IN ('received sms', 'clicked sms', 'sent sms', 'failed to deliver sms', 'received email',
                                   'opened email', 'clicked email', 'placed order', 'refunded order')
            AND lower(metric) NOT LIKE 'unsubscribed%' THEN 'Klaviyo events of other metrics'
    END AS reason,
    count(*) AS rows
FROM klaviyo_events
GROUP BY reason
HAVING reason IS NOT NULL
