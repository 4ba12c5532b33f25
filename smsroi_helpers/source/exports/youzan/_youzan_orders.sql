-- One row per order of Youzan (有赞), and why it does not count (left_out, null: it counts). Change here which orders count.
-- The export has one row per item. Most repeat the order's amounts, which then count once. Amounts that differ between the
-- rows of an order are the items', and are added up; so are all, if the rows of most orders differ.
WITH items AS (
    SELECT * FROM youzan_orders
    WHERE order_no IS NOT NULL
    QUALIFY file = max(file) OVER (PARTITION BY order_no)  -- of an order in several files, the last counts
),
amounts AS (
    SELECT
        order_no, name,
        any_value(text) AS text,
        sum(number) AS total,
        count(DISTINCT number) > 1 AS differ,
        count(number) > 1 AND max(number) > 0 AND min(number) = max(number) AS agree
    FROM (
        SELECT *, try_cast(regexp_replace(text, '[^0-9.]', '', 'g') AS DECIMAL(18, 2)) AS number
        FROM (
            SELECT order_no, unnest(['paid', 'discount', 'refunded']) AS name, unnest([paid, discount, refunded]) AS text
            FROM items
        )
    )
    GROUP BY order_no, name
),
by_amount AS (
    SELECT
        order_no, name,
        CASE WHEN differ OR (agree AND count_if(differ) OVER (PARTITION BY name) > count_if(agree) OVER (PARTITION BY name))
             THEN CAST(total AS VARCHAR) ELSE text END AS amount
    FROM amounts
),
by_order AS (
    SELECT
        order_no,
        coalesce(any_value(status), '') AS status,
        any_value(ordered_at) AS ordered_at,
        any_value(paid_at) AS paid_at,
        max(refunded_at) AS refunded_at,
        coalesce(
            any_value(CASE WHEN customer NOT LIKE '%*%' AND NOT regexp_matches(customer, {{damaged_id}}) THEN 'youzan ' || customer END),
            any_value(CASE WHEN phone NOT LIKE '%*%' THEN phone END),     -- a masked number may be several people's
            'guest'
        ) AS customer_id
    FROM items
    GROUP BY order_no
)
SELECT
    by_order.*,
    paid.amount AS paid,
    discount.amount AS discount,
    refunded.amount AS refunded,
    CASE
        WHEN paid.amount IS NULL THEN 'Youzan orders without an amount'
        WHEN status IN ('待付款', '等待买家付款') OR paid_at IS NULL
            THEN 'Youzan orders that were not paid (' || status || ')'
    END AS left_out
FROM by_order
JOIN by_amount AS paid ON paid.order_no = by_order.order_no AND paid.name = 'paid'
JOIN by_amount AS discount ON discount.order_no = by_order.order_no AND discount.name = 'discount'
JOIN by_amount AS refunded ON refunded.order_no = by_order.order_no AND refunded.name = 'refunded'
