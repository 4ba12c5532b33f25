-- One row per event of Klaviyo, with its customer: the profile, also of a row that shows only the e-mail address or telephone
-- number of one. Without a profile a customer is the address, else the number. Events of two files that overlap count once.
WITH once AS (
    SELECT * FROM klaviyo_events
    QUALIFY row_number() OVER (
        PARTITION BY metric, happened_at, value, CASE WHEN event IS NULL
            THEN concat_ws(' ', profile, phone, lower(email), campaign, flow, campaign_name, flow_name, order_no) ELSE event END
        ORDER BY file DESC) = 1
),
of_addresses AS (
    SELECT lower(email) AS address, min(profile) AS profile FROM once WHERE email IS NOT NULL
    GROUP BY 1 HAVING count(DISTINCT profile) = 1
),
of_numbers AS (
    SELECT phone AS number, min(profile) AS profile, min(lower(email)) AS address FROM once WHERE phone IS NOT NULL
    GROUP BY 1 HAVING count(DISTINCT profile) < 2 AND (count(DISTINCT profile) = 1 OR count(DISTINCT lower(email)) < 2)
)
SELECT
    metric, happened_at, event, once.profile, phone, email, campaign_name, flow_name, order_no, value, currency,
    coalesce(once.profile, of_addresses.profile, of_numbers.profile, email, of_numbers.address, phone) AS customer_id,
    coalesce(campaign, flow, campaign_name, flow_name, 'unknown') AS campaign_id
FROM once
LEFT JOIN of_addresses ON of_addresses.address = lower(email)
LEFT JOIN of_numbers ON of_numbers.number = phone
