-- Campaigns and flows of the messages.
SELECT campaign_id, coalesce(max(campaign_name), max(flow_name), campaign_id) AS name, min(happened_at) AS started_at
FROM _klaviyo_rows
WHERE lower(metric) IN ('received sms', 'received email', 'failed to deliver sms')
GROUP BY campaign_id
