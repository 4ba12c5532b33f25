-- Orders of Shopify. The export has one row per line item; the fields of the order are on its first row only.
-- amount is Total: after discounts, with shipping and taxes. Of partly paid orders it is what was paid.
-- A refund is a row of its own with a negative amount. The export has no date of refunds: it gets that of its order.
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
        arg_max(created_at, file) AS created_at,
        coalesce(arg_max(lower(financial_status), file), '') AS status,
        arg_max(cancelled_at, file) AS cancelled_at,
        arg_max(currency, file) AS currency,
        arg_max(total, file) AS total,
        arg_max(outstanding, file) AS outstanding,
        arg_max(discount, file) AS discount,
        try_cast(arg_max(refunded, file) AS DECIMAL(18, 2)) AS refunded,
        coalesce(
            arg_max(phone, file),
            arg_max(billing_phone, file),
            arg_max(shipping_phone, file),
            arg_max(email, file),
            'guest'  -- an order without any of these, for example at a till
        ) AS customer_id
    FROM named
    GROUP BY order_id
),
kept AS (
    SELECT * FROM by_order
    WHERE total IS NOT NULL
      AND cancelled_at IS NULL
      AND status NOT IN ('pending', 'voided', 'expired')
      AND (currency IS NULL OR currency = {{currency}})
)
SELECT
    order_id,
    customer_id,
    created_at AS ordered_at,
    discount,  -- if discount
    try_cast(total AS DECIMAL(18, 2))
        - CASE WHEN status = 'partially_paid' THEN coalesce(try_cast(outstanding AS DECIMAL(18, 2)), 0) ELSE 0 END AS amount
FROM kept
UNION ALL BY NAME
SELECT order_id || ' refund' AS order_id, customer_id, created_at AS ordered_at, -refunded AS amount
FROM kept
WHERE refunded > 0
