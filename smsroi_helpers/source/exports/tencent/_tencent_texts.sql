-- One row per text of Tencent Cloud, and why it is left out (left_out, null: it counts). Of a text in several files the last
-- counts.
WITH named AS (
    SELECT
        phone, template, sent_at, received_at, status, text, segments, file,
        serial || ' ' || phone AS message_id  -- one serial number may stand for several recipients
    FROM tencent_report
)
SELECT
    *,
    CASE
        WHEN phone IS NULL OR phone LIKE '%*%' THEN 'Tencent Cloud texts without a whole telephone number'
        WHEN message_id IS NOT NULL AND row_number() OVER (PARTITION BY message_id ORDER BY file DESC) > 1
            THEN 'Tencent Cloud texts that the files repeat'
    END AS left_out
FROM named
