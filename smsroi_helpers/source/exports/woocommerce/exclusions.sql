-- Orders that orders.sql leaves out, each under its first reason.
WITH by_order AS (
    SELECT
        order_no,
        coalesce(regexp_replace(arg_max(lower(status), file), '^wc-', ''), '') AS status,
        arg_max(currency, file) AS currency,
        arg_max(total, file) AS total
    FROM woocommerce_orders
    WHERE order_no IS NOT NULL
    GROUP BY order_no
)
SELECT
    CASE
        WHEN total IS NULL THEN 'WooCommerce orders without a total'
        WHEN status IN ('pending', 'on-hold', 'on hold', 'pending payment', 'cancelled', 'failed', 'draft',
                        'checkout-draft', 'trash')
            THEN 'WooCommerce orders that were not paid (' || status || ')'
        WHEN currency <> {{currency}} THEN 'WooCommerce orders in another currency'
    END AS reason,
    count(*) AS rows
FROM by_order
GROUP BY reason
HAVING reason IS NOT NULL
