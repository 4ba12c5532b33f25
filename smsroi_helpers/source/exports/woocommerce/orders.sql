-- Orders of WooCommerce. Exports with one row per item repeat the order's fields; the last file with an order counts.
-- amount is the total: after discounts, with shipping and taxes. A refund is a row with a negative amount.
WITH by_order AS (
    SELECT
        order_no,
        arg_max(ordered_at, file) AS ordered_at,
        coalesce(regexp_replace(arg_max(lower(status), file), '^wc-', ''), '') AS status,
        arg_max(total, file) AS total,
        arg_max(discount, file) AS discount,
        arg_max(refunded, file) AS refunded,
        arg_max(currency, file) AS currency,
        coalesce(
            arg_max(phone, file),
            arg_max(email, file),
            nullif(arg_max(customer, file), '0'),
            'guest'
        ) AS customer_id
    FROM woocommerce_orders
    WHERE order_no IS NOT NULL
    GROUP BY order_no
),
kept AS (
    SELECT
        order_no, status, total, discount, customer_id,
        -- Dates with the month (or the day) first as ISO; others are read as they are.
        coalesce(strftime(try_strptime(ordered_at, {{slash_dates}}), '%Y-%m-%d %H:%M:%S'), ordered_at) AS ordered_at,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN status = 'refunded' AND refunded IS NULL THEN total
        END AS refund
    FROM by_order
    WHERE total IS NOT NULL
      AND status NOT IN ('pending', 'on-hold', 'on hold', 'pending payment', 'cancelled', 'failed', 'draft',
                         'checkout-draft', 'trash')
      AND (currency IS NULL OR currency = {{currency}})
)
SELECT
    order_no AS order_id,
    customer_id,
    ordered_at,
    discount,  -- if discount
    total AS amount
FROM kept
UNION ALL BY NAME
SELECT order_no || ' refund' AS order_id, customer_id, ordered_at, '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
