-- only if text
-- The campaigns: see _twilio_log.sql.
SELECT
    campaign_id,
    CASE campaign_id WHEN 'other texts' THEN campaign_id ELSE left(any_value(campaign_text), 60) END AS name,
    min(sent_at) AS started_at
FROM _twilio_log
WHERE left_out IS NULL
GROUP BY campaign_id
