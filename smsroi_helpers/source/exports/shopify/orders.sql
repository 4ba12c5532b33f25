-- Orders of Shopify that count: see _shopify_orders.sql.
-- amount is Total: after discounts, with shipping and taxes. Of partly paid orders it is what was paid.
-- A refund is a row of its own with a negative amount. The export has no date of refunds: it gets that of its order.
SELECT
    order_id,
    customer_id,
    created_at AS ordered_at,
    discount,  -- if discount
    CASE
        WHEN status = 'partially_paid' AND outstanding IS NOT NULL
        THEN CAST(try_cast(total AS DECIMAL(18, 2)) - try_cast(outstanding AS DECIMAL(18, 2)) AS VARCHAR)
        ELSE total
    END AS amount
FROM _shopify_orders
WHERE left_out IS NULL
UNION ALL BY NAME
SELECT
    order_id || ' refund' AS order_id,
    customer_id,
    created_at AS ordered_at,
    '-' || ltrim(CASE WHEN regexp_matches(refunded, '[1-9]') THEN refunded ELSE total END, '-') AS amount
FROM _shopify_orders
WHERE left_out IS NULL AND (regexp_matches(refunded, '[1-9]') OR status = 'refunded' AND regexp_matches(total, '[1-9]'))
