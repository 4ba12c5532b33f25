-- Messages of Tencent Cloud. A campaign is a template; without templates it is the day of sending.
SELECT
    message_id,
    phone AS customer_id,
    coalesce(template, 'day ' || strftime(timezone(getvariable('timezone'), coalesce(sent_at, received_at)), '%Y-%m-%d'),
             'unknown') AS campaign_id,
    coalesce(sent_at, received_at) AS sent_at,
    CASE
        WHEN upper(status) = 'SUCCESS' OR status IN ('成功', '发送成功', '下发成功') THEN coalesce(CAST(received_at AS VARCHAR), 'yes')
        WHEN upper(status) = 'FAIL' OR status IN ('失败', '发送失败', '下发失败') THEN 'no'
        ELSE 'unknown'
    END AS delivered_at,
    greatest(try_cast(segments AS INTEGER), 1) AS segments,  -- if segments
    '1' AS variant,
    'sms' AS channel
FROM _tencent_texts
WHERE left_out IS NULL
