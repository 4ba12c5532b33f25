-- One row per text of Aliyun, and why it is left out (left_out, null: it counts). Of a text in several files the last counts.
WITH named AS (
    SELECT
        phone, template, sent_at, received_at, status, text, segments, file,
        -- One call to many numbers has one serial number.
        coalesce(serial || '-' || left(md5(serial || phone), 8), md5(concat_ws(' ', phone, template, sent_at, text)))
            AS message_id
    FROM aliyun_report
)
SELECT
    *,
    CASE
        WHEN phone IS NULL OR phone LIKE '%*%' THEN 'Aliyun texts without a whole telephone number'
        WHEN row_number() OVER (PARTITION BY message_id ORDER BY file DESC) > 1 THEN 'Aliyun texts that the files repeat'
    END AS left_out
FROM named
