-- One row per order or refund of WooCommerce, and why it does not count (left_out, null: it counts). Change here which count.
-- Exports with one row per item repeat the order's fields; of an order in several files, the last counts. A number that has
-- both another date and another buyer in another file is another shop's order. A row with a negative total is a refund.
-- A plugin may write a status as the shop's administrator sees it, so in the language of the shop.
WITH words AS (
    SELECT word, meaning FROM (VALUES
        ('unpaid', ['pending', 'pending payment', 'on-hold', 'on hold', 'cancelled', 'canceled', 'failed', 'draft',
                    'checkout-draft', 'trash', 'auto-draft']),
        ('unpaid', ['zahlung ausstehend', 'ausstehende zahlung', 'in wartestellung', 'storniert', 'abgebrochen',
                    'fehlgeschlagen', 'entwurf']),
        ('unpaid', ['en attente de paiement', 'attente paiement', 'en attente', 'annulée', 'annulé', 'échouée', 'échoué',
                    'brouillon']),
        ('unpaid', ['pendiente de pago', 'pago pendiente', 'en espera', 'cancelado', 'cancelada', 'fallido', 'fallida',
                    'borrador']),
        ('unpaid', ['in attesa di pagamento', 'in sospeso', 'sospeso', 'annullato', 'cancellato', 'fallito', 'bozza']),
        ('unpaid', ['wachtend op betaling', 'in afwachting van betaling', 'in de wacht', 'geannuleerd', 'mislukt',
                    'concept']),
        ('unpaid', ['pagamento pendente', 'aguardando', 'malsucedido', 'rascunho']),
        ('unpaid', ['oczekujące na płatność', 'oczekuje na płatność', 'wstrzymane', 'anulowane', 'nieudane', 'szkic']),
        ('unpaid', ['ожидает оплаты', 'в ожидании оплаты', 'на удержании', 'отменен', 'отменён', 'не удался', 'черновик']),
        ('unpaid', ['支払い待ち', '保留中', 'キャンセル済み', 'キャンセル', '失敗', '下書き']),
        ('unpaid', ['待付款', '等待付款', '保留', '已取消', '取消', '失败', '草稿']),
        ('refunded', ['refunded', 'rückerstattet', 'erstattet', 'remboursée', 'remboursé', 'reembolsado', 'reembolsada',
                      'rimborsato', 'terugbetaald', 'zwrócone', 'возвращен', 'возвращён', '返金済み', '已退款'])
    ) AS known (meaning, of_meaning), unnest(of_meaning) AS each (word)
),
called AS (  -- a number such as 07911 123456 is of the order's own country, if that is another than source.yml's
    SELECT * REPLACE (
        CASE WHEN regexp_matches(phone, '^[^0-9+]*0[1-9]') THEN coalesce(
            {{calling_codes}}[upper(country)] || regexp_replace(phone, '^[^0-9+]*0', ''), phone) ELSE phone END AS phone
    ) FROM woocommerce_orders
),
numbered AS (
    SELECT
        *,
        regexp_matches(total, '^[^0-9]*[-−]') AS is_refund_row,
        coalesce(lower(email), right(regexp_replace(phone, '[^\p{Nd}]', '', 'g'), 9), nullif(customer, '0'), total) AS buyer
    FROM called
    WHERE order_no IS NOT NULL
),
of_two_shops AS (
    SELECT order_no FROM numbered WHERE NOT coalesce(is_refund_row, false) GROUP BY order_no
    HAVING count(DISTINCT file) > 1 AND count(DISTINCT buyer) > 1 AND count(DISTINCT ordered_at) > 1
),
named AS (
    SELECT
        numbered.*,
        numbered.order_no || CASE
            WHEN of_two_shops.order_no IS NULL THEN ''
            WHEN min(file) OVER (PARTITION BY numbered.order_no, buyer) = min(file) OVER (PARTITION BY numbered.order_no) THEN ''
            ELSE ' file ' || min(file) OVER (PARTITION BY numbered.order_no, buyer)
        END AS order_id
    FROM numbered LEFT JOIN of_two_shops ON of_two_shops.order_no = numbered.order_no
),
tills AS (  -- addresses of the shop itself, beside the numbers of many customers
    SELECT lower(email) AS address FROM called GROUP BY 1
    HAVING count(DISTINCT right(regexp_replace(phone, '[^\p{Nd}]', '', 'g'), 9)) > 10
),
by_order AS (
    SELECT
        order_id,
        coalesce(is_refund_row, false) AS is_refund_row,
        arg_max(ordered_at, file) AS ordered_at,
        coalesce(regexp_replace(arg_max(lower(status), file), '^wc-', ''), '') AS status,
        arg_max(total, file) AS total,
        arg_max(discount, file) AS discount,
        arg_max(refunded, file) AS refunded,
        arg_max(currency, file) AS currency,
        arg_max(phone, file) AS phone,
        arg_max(email, file) AS email,
        coalesce(
            CASE WHEN any_value(address) IS NULL THEN arg_max(email, file) END,
            arg_max(phone, file),
            arg_max(email, file),
            nullif(arg_max(customer, file), '0'),
            'guest'
        ) AS customer_id
    FROM named LEFT JOIN tills ON tills.address = lower(email)
    GROUP BY ALL
),
with_refunds AS (
    SELECT
        by_order.*,
        meaning,
        bool_or(is_refund_row) OVER (PARTITION BY order_id) AS has_refund_row,
        bool_or(NOT is_refund_row) OVER (PARTITION BY order_id) AS has_order,
        bool_or(NOT is_refund_row AND meaning = 'unpaid') OVER (PARTITION BY order_id) AS of_unpaid,
        CASE
            WHEN is_refund_row THEN '-' || regexp_replace(total, '[-−]', '', 'g')
            WHEN bool_or(is_refund_row) OVER (PARTITION BY order_id) THEN NULL  -- its own row says it
            WHEN regexp_matches(refunded, '[1-9]') THEN '-' || regexp_replace(refunded, '[-−]', '', 'g')
            WHEN meaning = 'refunded' AND regexp_matches(total, '[1-9]') THEN '-' || total  -- none stated, or 0.00
        END AS refund
    FROM by_order
    LEFT JOIN words ON words.word = by_order.status
),
compared AS (  -- a refund row with a number of its own may be the one that an order states
    SELECT
        *,
        is_refund_row AND NOT has_order AND CASE customer_id
            WHEN 'guest' THEN bool_or(NOT is_refund_row) OVER (PARTITION BY regexp_replace(refund, '[^0-9]', '', 'g'))
            ELSE bool_or(NOT is_refund_row) OVER (PARTITION BY regexp_replace(refund, '[^0-9]', '', 'g'), customer_id)
        END AS is_stated
    FROM with_refunds
)
SELECT
    *,
    CASE
        WHEN total IS NULL THEN 'WooCommerce orders without a total'
        WHEN meaning = 'unpaid' THEN 'WooCommerce orders that were not paid (' || status || ')'
        WHEN upper(currency) <> getvariable('currency') THEN 'WooCommerce orders in another currency'
        WHEN is_refund_row AND of_unpaid THEN 'WooCommerce refund rows of orders that were not paid'
        WHEN is_stated THEN 'WooCommerce refund rows of a refund that its order states'
    END AS left_out
FROM compared
