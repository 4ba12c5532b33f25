-- Klaviyo's orders, refunds and cancellations, and why one does not count (left_out, null: it counts). A cancellation is a refund
-- of the order that it names: by the order's number, or by the same event id. Change here which of them count.
WITH sales AS (
    SELECT
        coalesce(event, order_no, md5(concat_ws(' ', customer_id, happened_at, value))) AS sale_id,
        coalesce(order_no, event, md5(concat_ws(' ', customer_id, happened_at, value))) AS order_key,
        coalesce(customer_id, 'guest') AS customer_id,
        happened_at AS ordered_at,
        value,
        replace(lower(metric), 'canceled', 'cancelled') AS metric,
        currency IS NULL OR upper(currency) = getvariable('currency') AS is_own_currency
    FROM _klaviyo_rows
    WHERE lower(metric) IN ('placed order', 'refunded order', 'cancelled order', 'canceled order')
),
numbered AS (
    SELECT
        *,
        metric = 'cancelled order' AS is_cancelled,
        max(CASE WHEN metric = 'placed order' THEN value END) OVER of_order AS placed_value,
        bool_or(metric = 'refunded order' AND value IS NOT NULL) OVER of_order AS has_refund,
        row_number() OVER (PARTITION BY order_key, metric ORDER BY ordered_at, value) AS number
    FROM sales
    WINDOW of_order AS (PARTITION BY order_key)
)
SELECT
    CASE WHEN metric = 'placed order' THEN sale_id
        ELSE order_key || ' refund' || CASE WHEN number > 1 THEN ' ' || number ELSE '' END END AS order_id,
    customer_id,
    ordered_at,
    CASE metric WHEN 'placed order' THEN value WHEN 'refunded order' THEN '-' || ltrim(value, '-')
        ELSE '-' || ltrim(placed_value, '-') END AS amount,
    CASE
        WHEN NOT is_own_currency THEN 'Klaviyo orders in another currency'
        WHEN is_cancelled AND has_refund THEN 'Klaviyo cancellations of orders with a refund, which counts instead'
        WHEN is_cancelled AND placed_value IS NULL
            THEN 'Klaviyo cancellations of orders that are not among these events: such orders still count'
        WHEN is_cancelled AND number > 1 THEN 'Klaviyo cancellations that are repeated'
        WHEN value IS NULL AND NOT is_cancelled THEN 'Klaviyo orders without a value'
    END AS left_out
FROM numbered
