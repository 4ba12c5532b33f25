-- One row per text of Tencent Cloud, and why it is left out (left_out, null: it counts). Of a text in several files the last
-- counts.
WITH named AS (
    SELECT
        phone, template, sent_at, received_at, status, text, segments, file,
        -- One serial number may stand for several recipients; one that a spreadsheet rounded is none.
        coalesce(CASE WHEN NOT regexp_matches(serial, {{damaged_id}}) THEN serial END,
                 concat_ws(' ', sent_at, received_at, template, left(md5(text), 8))) AS batch
    FROM tencent_report
),
judged AS (
    SELECT
        *,
        CASE
            WHEN phone IS NULL OR phone LIKE '%*%' THEN 'Tencent Cloud texts without a whole telephone number'
            WHEN row_number() OVER (PARTITION BY batch, phone ORDER BY file DESC) > 1
                THEN 'Tencent Cloud texts that the files repeat'
        END AS left_out
    FROM named
)
SELECT * EXCLUDE (batch), batch || '-' || row_number() OVER (PARTITION BY batch, left_out ORDER BY phone) AS message_id
FROM judged
