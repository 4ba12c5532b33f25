-- Orders that orders.sql leaves out, each under its first reason.
WITH named AS (
    SELECT
        *,
        -- Two shops may have an order of the same name; their ids differ.
        order_name || CASE WHEN min(id) OVER (PARTITION BY order_name) <> max(id) OVER (PARTITION BY order_name)
                           THEN ' ' || coalesce(id, '') ELSE '' END AS order_id
    FROM shopify_orders
    WHERE order_name IS NOT NULL AND (total IS NOT NULL OR financial_status IS NOT NULL)  -- no further item rows
),
by_order AS (
    SELECT
        order_id,
        coalesce(arg_max(lower(financial_status), file), '') AS status,
        arg_max(cancelled_at, file) AS cancelled_at,
        arg_max(currency, file) AS currency,
        arg_max(total, file) AS total
    FROM named
    GROUP BY order_id
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
