-- One message for each person of the ad arm: the hour of the weekday at which they saw most advertisements stands for
-- all that they saw. The week of Monday, 1 July 2019 is a stand-in. No column tells of deliveries, clicks or costs.
SELECT "user id" AS message_id, "user id" AS customer_id, 'ads' AS campaign_id,
       '2019-07-0' || CAST(CASE "most ads day" WHEN 'Monday' THEN 1 WHEN 'Tuesday' THEN 2 WHEN 'Wednesday' THEN 3
                           WHEN 'Thursday' THEN 4 WHEN 'Friday' THEN 5 WHEN 'Saturday' THEN 6 ELSE 7 END AS VARCHAR)
       || ' ' || lpad("most ads hour", 2, '0') || ':00:00' AS sent_at,
       line__
FROM rows
WHERE "test group" = 'ad'
