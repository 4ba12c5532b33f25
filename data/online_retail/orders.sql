-- An invoice is an order, and an invoice C… a refund: the sum of its lines, Quantity × Price (in a refund Quantity is
-- negative). Other lines are left out and counted in exclusions.sql. Identical lines are kept: one article can be
-- entered twice.
SELECT
    Invoice AS order_id,
    regexp_replace("Customer ID", '\.0$', '') AS customer_id,  -- 13085.0 is 13085: some tool made a float of it
    min(InvoiceDate) AS ordered_at,                            -- 41 invoices were written over two minutes
    sum(CAST(Quantity AS BIGINT) * CAST(Price AS DECIMAL(18, 4))) AS amount
FROM lines
WHERE "Customer ID" IS NOT NULL
  AND CAST(Price AS DECIMAL(18, 4)) > 0
  AND CASE WHEN Invoice LIKE 'C%' THEN CAST(Quantity AS BIGINT) < 0 ELSE CAST(Quantity AS BIGINT) > 0 END
GROUP BY Invoice, "Customer ID"
