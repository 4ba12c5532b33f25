-- only if text
-- The text of each campaign, if ten recipients or more got exactly the same.
SELECT any_value(campaign_id) AS campaign_id, '1' AS variant, text
FROM _twilio_log
WHERE left_out IS NULL AND text = campaign_text
GROUP BY text
HAVING count(*) >= 10
