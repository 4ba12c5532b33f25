-- One row per e-mail. User ids are compared in lower case and without blanks around them. What is left out is counted
-- in exclusions.sql. The row of the file is the message's id.
SELECT
    line__ AS message_id,
    lower(trim(user_id)) AS customer_id,
    trim(campaign_id) AS campaign_id,
    send_timestamp AS sent_at,
    'email' AS channel,
    open_timestamp AS opened_at,
    click_timestamp AS clicked_at,
    line__
FROM events
WHERE coalesce(trim(user_id), '') <> ''
  AND coalesce(trim(campaign_id), '') <> ''
  AND (click_timestamp IS NULL OR click_timestamp >= send_timestamp)  -- ISO text sorts as time does
