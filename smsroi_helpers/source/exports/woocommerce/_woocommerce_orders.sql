-- One row per order of WooCommerce, and why it does not count (left_out, null: it counts). Change here which orders count.
-- Exports with one row per item repeat the order's fields; of an order in several files, the last counts.
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
        ('unpaid', ['待付款', '等待付款', '保留', '已取消', '取消', '失败', '草稿']),
        ('refunded', ['refunded', 'rückerstattet', 'erstattet', 'remboursée', 'remboursé', 'reembolsado', 'reembolsada',
                      'rimborsato', 'terugbetaald', '已退款'])
    ) AS known (meaning, of_meaning), unnest(of_meaning) AS each (word)
),
by_order AS (
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
)
SELECT
    by_order.*,
    coalesce(meaning, '') = 'refunded' AS is_refunded,
    CASE
        WHEN total IS NULL THEN 'WooCommerce orders without a total'
        WHEN meaning = 'unpaid' THEN 'WooCommerce orders that were not paid (' || status || ')'
        WHEN currency <> {{currency}} THEN 'WooCommerce orders in another currency'
    END AS left_out
FROM by_order
LEFT JOIN words ON words.word = by_order.status
