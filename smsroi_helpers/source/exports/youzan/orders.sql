-- Orders of Youzan (有赞). Item rows repeat the order's fields; the last file with an order counts.
-- amount is 订单实付金额: paid, after 优惠金额. A refund is a row with a negative amount.
WITH by_order AS (
    SELECT
        order_no,
        coalesce(arg_max(status, file), '') AS status,
        arg_max(ordered_at, file) AS ordered_at,
        arg_max(paid_at, file) AS paid_at,
        arg_max(paid, file) AS paid,
        arg_max(discount, file) AS discount,
        arg_max(refunded, file) AS refunded,
        arg_max(refunded_at, file) AS refunded_at,
        coalesce(
            arg_max(CASE WHEN phone NOT LIKE '%*%' THEN phone END, file),     -- a masked number may be several people's
            arg_max(CASE WHEN customer NOT LIKE '%*%' THEN customer END, file),
            'guest'
        ) AS customer_id
    FROM youzan_orders
    WHERE order_no IS NOT NULL
    GROUP BY order_no
),
kept AS (
    SELECT
        *,
        CASE
            WHEN regexp_matches(refunded, '[1-9]') THEN ltrim(refunded, '-')
            WHEN status = '交易关闭' THEN paid
        END AS refund
    FROM by_order
    WHERE paid IS NOT NULL
      AND paid_at IS NOT NULL
      AND status NOT IN ('待付款', '等待买家付款')
)
SELECT
    order_no AS order_id,
    customer_id,
    ordered_at,
    discount,  -- if discount
    paid AS amount
FROM kept
UNION ALL BY NAME
SELECT order_no || ' refund' AS order_id, customer_id, coalesce(refunded_at, ordered_at) AS ordered_at,
       '-' || refund AS amount
FROM kept
WHERE refund IS NOT NULL
