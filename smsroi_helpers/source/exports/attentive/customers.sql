-- Every customer of the feed, with the opt-out before the first text of the feed: no message carries it.
-- unknown if empty: opted_out_at
SELECT customer_id, min(happened_at) FILTER (left_for_good AND last_sent_at IS NULL) AS opted_out_at
FROM _attentive_texts
GROUP BY customer_id
