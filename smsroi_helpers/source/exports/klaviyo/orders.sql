-- only if value
-- Orders and refunds among the events. The value is the amount as the shop sent it.
SELECT
    coalesce(event, md5(concat_ws(' ', phone, email, profile, metric, happened_at, value))) AS order_id,
    coalesce(phone, email, profile, 'guest') AS customer_id,
    happened_at AS ordered_at,
    CASE WHEN lower(metric) = 'refunded order' THEN '-' || ltrim(value, '-') ELSE value END AS amount
FROM klaviyo_events
WHERE lower(metric) IN ('placed order', 'refunded order')
  AND value IS NOT NULL
  AND (currency IS NULL OR currency = {{currency}})
