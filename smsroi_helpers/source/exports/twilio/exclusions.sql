-- Rows of the log that messages.sql leaves out.
WITH log AS (
    SELECT coalesce(lower(status), '') AS status, error_code, coalesce(direction, '') LIKE 'inbound%' AS came_back
    FROM twilio_log
    QUALIFY row_number() OVER (PARTITION BY sid ORDER BY file DESC) = 1
)
SELECT
    CASE
        WHEN came_back THEN 'Twilio messages that customers sent; opt-outs and replies are read from them'
        WHEN coalesce(error_code, '') = '21610'
            THEN 'Twilio messages that were blocked, since the recipient had opted out'
        WHEN status IN ('queued', 'accepted', 'scheduled', 'canceled')
            THEN 'Twilio messages that were not sent (' || status || ')'
    END AS reason,
    count(*) AS rows
FROM log
GROUP BY reason
HAVING reason IS NOT NULL
