-- Messages of Aliyun. A campaign is a template.
SELECT
    message_id,
    phone AS customer_id,
    template AS campaign_id,
    sent_at,
    CASE
        WHEN status IN ('发送成功', '成功', '3') THEN coalesce(received_at, 'yes')
        WHEN status IN ('发送失败', '失败', '2') THEN 'no'
        ELSE 'unknown'
    END AS delivered_at,
    greatest(try_cast(segments AS INTEGER), 1) AS segments,  -- if segments
    '1' AS variant,
    'sms' AS channel
FROM _aliyun_texts
WHERE left_out IS NULL
