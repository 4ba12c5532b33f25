-- One message per person of the ad arm, at the weekday and hour at which the person saw most advertisements. The week of
-- Monday, 1 July 2019 is a placeholder. The file has no deliveries, clicks or costs.
SELECT "user id" AS message_id, "user id" AS customer_id, 'ads' AS campaign_id,
       '2019-07-0' || CAST(CASE "most ads day" WHEN 'Monday' THEN 1 WHEN 'Tuesday' THEN 2 WHEN 'Wednesday' THEN 3
                           WHEN 'Thursday' THEN 4 WHEN 'Friday' THEN 5 WHEN 'Saturday' THEN 6 ELSE 7 END AS VARCHAR)
       || ' ' || lpad("most ads hour", 2, '0') || ':00:00' AS sent_at,
       line__
FROM rows
WHERE "test group" = 'ad'
