-- One row per order of Shopify, and why it does not count (left_out, null: it counts). Change here which orders count.
-- The export has one row per line item; the fields of the order are on its first row only.
WITH numbered AS (
    SELECT
        * REPLACE (CASE WHEN NOT regexp_matches(id, {{damaged_id}}) THEN regexp_replace(id, '[.,]0+$', '') END AS id),
        coalesce(regexp_matches(id, {{damaged_id}}), false) AS is_rounded,
        lower(coalesce(email, phone, billing_phone, shipping_phone, total)) AS buyer
    FROM shopify_orders
    WHERE order_name IS NOT NULL AND (total IS NOT NULL OR financial_status IS NOT NULL)  -- no further item rows
),
keyed AS (
    SELECT
        *,
        -- Two shops may have an order of the same name; their ids differ. A spreadsheet writes an id as 5600000001001.0, or
        -- rounds it to 5.6E+12: then it is that of the same buyer's order, else of a shop of its own.
        CASE WHEN is_rounded THEN coalesce(max(id) OVER (PARTITION BY order_name, buyer),
                                           'file ' || min(file) OVER (PARTITION BY order_name, buyer))
             ELSE id END AS of_shop
    FROM numbered
),
named AS (
    SELECT
        *,
        order_name || CASE WHEN min(of_shop) OVER (PARTITION BY order_name) <> max(of_shop) OVER (PARTITION BY order_name)
                           THEN ' ' || coalesce(of_shop, '') ELSE '' END AS order_id
    FROM keyed
),
by_order AS (
    SELECT
        order_id,
        arg_max(created_at, file) AS created_at,  -- of an order in several files, the last counts
        coalesce(arg_max(lower(financial_status), file), '') AS status,
        arg_max(cancelled_at, file) AS cancelled_at,
        arg_max(currency, file) AS currency,
        arg_max(total, file) AS total,
        arg_max(outstanding, file) AS outstanding,
        arg_max(discount, file) AS discount,
        arg_max(refunded, file) AS refunded,
        coalesce(arg_max(phone, file), arg_max(billing_phone, file), arg_max(shipping_phone, file)) AS number,
        arg_max(email, file) AS email,
        arg_max(country, file) AS country
    FROM named
    GROUP BY order_id
),
called AS (  -- a number such as 07911 123456 is of the order's own country, if that is another than source.yml's
    SELECT * REPLACE (
        CASE WHEN regexp_matches(number, '^[^0-9+]*0[1-9]') THEN coalesce(
            {{calling_codes}}[upper(country)] || regexp_replace(number, '^[^0-9+]*0', ''), number) ELSE number END AS number
    ) FROM by_order
),
tills AS (  -- addresses of the shop itself, beside the numbers of many customers
    SELECT lower(email) AS address FROM called GROUP BY 1
    HAVING count(DISTINCT right(regexp_replace(number, '[^\p{Nd}]', '', 'g'), 9)) > 10
)
SELECT
    called.*,
    coalesce(CASE WHEN address IS NULL THEN email END, number, email, 'guest') AS customer_id,  -- guest: none of these
    CASE
        WHEN total IS NULL THEN 'Shopify orders without a total'
        WHEN cancelled_at IS NOT NULL THEN 'Shopify orders that were cancelled'
        WHEN status IN ('pending', 'voided', 'expired') THEN 'Shopify orders that were not paid (' || status || ')'
        WHEN upper(currency) <> getvariable('currency') THEN 'Shopify orders in another currency'
    END AS left_out
FROM called
LEFT JOIN tills ON tills.address = lower(email)
