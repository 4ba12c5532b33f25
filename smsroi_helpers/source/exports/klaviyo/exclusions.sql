-- Events that no mapping reads.
SELECT
    CASE
        WHEN customer_id IS NULL AND lower(metric) NOT LIKE '% order' THEN 'Klaviyo events without a profile'
        WHEN lower(metric) NOT IN ('received sms', 'clicked sms', 'sent sms', 'failed to deliver sms', 'received email',
                                   'opened email', 'clicked email', 'placed order', 'refunded order', 'cancelled order',
                                   'canceled order', 'subscribed to sms marketing', 'subscribed to sms',
                                   'consented to receive sms', 'subscribed to email marketing', 'subscribed to email')
            AND lower(metric) NOT LIKE 'unsubscribed%' THEN 'Klaviyo events of other metrics'
    END AS reason,
    count(*) AS rows
FROM _klaviyo_rows
GROUP BY reason
HAVING reason IS NOT NULL
UNION ALL
SELECT left_out AS reason, count(*) AS rows FROM _klaviyo_sales WHERE left_out IS NOT NULL GROUP BY left_out
UNION ALL
SELECT
    CASE WHEN was_clicked THEN 'Klaviyo clicks that belong to no message of the file'
         WHEN was_opened THEN 'Klaviyo opens that belong to no message of the file'
         ELSE 'Klaviyo incoming texts before the first text of the file' END AS reason,
    count(*) AS rows
FROM _klaviyo_events
WHERE ((was_clicked OR was_opened) AND answers_to IS NULL) OR (was_answered AND follows IS NULL)
GROUP BY reason
UNION ALL
SELECT 'Klaviyo events that the files repeat' AS reason,
    (SELECT count(*) FROM klaviyo_events) - (SELECT count(*) FROM _klaviyo_rows) AS rows
WHERE (SELECT count(*) FROM klaviyo_events) > (SELECT count(*) FROM _klaviyo_rows)
