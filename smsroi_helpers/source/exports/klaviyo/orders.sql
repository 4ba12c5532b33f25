-- only if value
-- Orders and refunds among the events: see _klaviyo_sales.sql. The value is the amount as the shop sent it.
SELECT order_id, customer_id, ordered_at, amount
FROM _klaviyo_sales
WHERE left_out IS NULL
