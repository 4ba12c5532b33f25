-- One e-mail to each customer of the two mailed arms. The file has no clicks: a visit may have another cause.
SELECT line__ AS message_id, line__ AS customer_id, 'march' AS campaign_id, '2008-03-01 09:00:00' AS sent_at,
       'email' AS channel, CASE segment WHEN 'Mens E-Mail' THEN 'mens' ELSE 'womens' END AS variant, line__
FROM rows
WHERE segment <> 'No E-Mail'
