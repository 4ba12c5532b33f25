-- One promotion per customer of that arm, with its cost.
SELECT ID AS message_id, ID AS customer_id, 'promotion' AS campaign_id, '2018-05-01 09:00:00' AS sent_at,
       'email' AS channel, 0.15 AS cost, line__
FROM rows
WHERE Promotion = 'Yes'
