-- only if text
-- The text of each campaign, if ten recipients or more got exactly the same (names after a greeting apart).
-- no table without rows
SELECT any_value(campaign_id) AS campaign_id, '1' AS variant, plain_text AS text
FROM _twilio_log
WHERE left_out IS NULL AND plain_text = campaign_text
GROUP BY plain_text
HAVING count(DISTINCT number) >= 10
