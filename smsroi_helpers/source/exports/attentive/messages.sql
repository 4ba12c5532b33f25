-- Messages of Attentive: one per MESSAGE_RECEIPT. A click belongs to the last text of that message before it, an opt-out
-- to the last text of all. The feed has no receipt for texts that were not delivered.
-- unknown if empty: clicked_at
-- unknown if empty: opted_out_at
WITH clicks AS (
    SELECT customer_id, message_id, sent_at, min(happened_at) AS clicked_at
    FROM _attentive_texts WHERE was_clicked GROUP BY ALL
),
opt_outs AS (
    SELECT customer_id, last_sent_at, min(happened_at) AS opted_out_at
    FROM _attentive_texts WHERE left_for_good GROUP BY ALL
)
SELECT
    concat_ws('-', sent.message_id, epoch_us(sent.happened_at),
              row_number() OVER (PARTITION BY sent.message_id, sent.happened_at ORDER BY sent.customer_id)) AS message_id,
    sent.customer_id,
    sent.happened_at AS sent_at,
    sent.happened_at AS delivered_at,
    'sms' AS channel,
    '1' AS variant,
    clicks.clicked_at,  -- optional
    opt_outs.opted_out_at,  -- optional
    sent.message_id AS campaign_id
FROM _attentive_texts AS sent
LEFT JOIN clicks ON clicks.customer_id = sent.customer_id AND clicks.message_id = sent.message_id
    AND clicks.sent_at = sent.happened_at
LEFT JOIN opt_outs ON opt_outs.customer_id = sent.customer_id AND opt_outs.last_sent_at = sent.happened_at
WHERE sent.was_sent
