-- One row per e-mail. User ids are compared in lower case without surrounding blanks. exclusions.sql counts the rows
-- left out. The row number of the file is the message id.
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
