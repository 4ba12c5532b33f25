-- Orders of Klaviyo's metric Placed Order, exported alone. The value is the amount as the shop sent it.
SELECT
    event AS order_id,
    coalesce(phone, email, profile, 'guest') AS customer_id,
    happened_at AS ordered_at,
    value AS amount
FROM klaviyo_orders
WHERE value IS NOT NULL
  AND (currency IS NULL OR currency = {{currency}})
