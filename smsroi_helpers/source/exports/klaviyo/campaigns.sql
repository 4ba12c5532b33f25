-- Campaigns and flows of the messages.
SELECT
    coalesce(campaign, flow, campaign_name, flow_name, 'unknown') AS campaign_id,
    coalesce(max(campaign_name), max(flow_name), campaign_id) AS name,
    min(happened_at) AS started_at
FROM klaviyo_events
WHERE lower(metric) IN ('received sms', 'received email', 'failed to deliver sms')
GROUP BY 1
