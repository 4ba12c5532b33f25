-- Orders that orders.sql leaves out, each under its first reason.
WITH by_order AS (
    SELECT
        order_name,
        coalesce(arg_max(lower(financial_status), file), '') AS status,
        arg_max(cancelled_at, file) AS cancelled_at,
        arg_max(currency, file) AS currency,
        arg_max(total, file) AS total
    FROM shopify_orders
    WHERE order_name IS NOT NULL
    GROUP BY order_name
)
SELECT
    CASE
        WHEN total IS NULL THEN 'Shopify orders without a total'
        WHEN cancelled_at IS NOT NULL THEN 'Shopify orders that were cancelled'
        WHEN status IN ('pending', 'voided', 'expired') THEN 'Shopify orders that were not paid (' || status || ')'
        WHEN currency <> {{currency}} THEN 'Shopify orders in another currency'
    END AS reason,
    count(*) AS rows
FROM by_order
GROUP BY reason
HAVING reason IS NOT NULL
