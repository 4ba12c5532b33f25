-- Orders of Shopify that count: see _shopify_orders.sql.
-- amount is Total: after discounts, with shipping and taxes. Of partly paid orders it is what was paid.
-- A refund is a row of its own with a negative amount. The export has no date of refunds: it gets that of its order.
WITH written AS (  -- as 1299.50, 1,299.50, 1.299,50 or 1299,5: a mark before one or two last digits is the decimal mark
    SELECT
        *,
        list_transform([total, outstanding], amount -> try_cast(replace(regexp_replace(
            regexp_replace(regexp_replace(amount, '^([0-9]+)[.]([0-9]+)$', '\1p\2'), '[.,]([0-9]{1,2})$', 'p\1'),
            '[^0-9p-]', '', 'g'), 'p', '.') AS DECIMAL(18, 2))) AS numbers
    FROM _shopify_orders
    WHERE left_out IS NULL
)
SELECT
    order_id,
    customer_id,
    created_at AS ordered_at,
    discount,  -- if discount
    CASE
        WHEN status = 'partially_paid' AND outstanding IS NOT NULL
        THEN coalesce(
            replace(CAST(numbers[1] - numbers[2] AS VARCHAR), '.',
                    CASE WHEN regexp_matches(total, ',[0-9]{1,2}$') THEN ',' ELSE '.' END),
            total || ' less ' || outstanding)
        ELSE total
    END AS amount
FROM written
UNION ALL BY NAME
SELECT
    order_id || ' refund' AS order_id,
    customer_id,
    created_at AS ordered_at,
    '-' || ltrim(CASE WHEN regexp_matches(refunded, '[1-9]') THEN refunded ELSE total END, '-') AS amount
FROM written
WHERE regexp_matches(refunded, '[1-9]') OR status = 'refunded' AND regexp_matches(total, '[1-9]')
