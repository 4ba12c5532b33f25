-- Orders of Klaviyo's metric Placed Order, exported alone. The value is the amount as the shop sent it.
SELECT
    event AS order_id,
    coalesce(profile, email, phone, 'guest') AS customer_id,
    happened_at AS ordered_at,
    value AS amount
FROM klaviyo_orders
WHERE value IS NOT NULL
  AND (currency IS NULL OR upper(currency) = getvariable('currency'))
QUALIFY row_number() OVER (PARTITION BY event ORDER BY file DESC) = 1  -- two exports may overlap
