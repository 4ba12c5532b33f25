-- Rows of the export that orders.sql leaves out. Cancellations are listed because they are not purchases; those of known
-- customers become refunds.
WITH judged AS (
    SELECT
        "Customer ID" IS NULL AS unknown,
        Invoice LIKE 'C%' AS cancels,
        CAST(Quantity AS BIGINT) AS quantity,
        CAST(Price AS DECIMAL(18, 4)) AS price
    FROM lines
)
SELECT 'rows without a customer' AS reason, count(*) AS rows
FROM judged WHERE unknown
UNION ALL
SELECT format('cancellation rows (invoice C…): no purchases; {:d} of them have no customer, the others are refunds',
              count(*) FILTER (unknown)), count(*)
FROM judged WHERE cancels
UNION ALL
SELECT 'cancellation rows of a customer that give nothing back (quantity not below 0, or no price)', count(*)
FROM judged WHERE cancels AND NOT unknown AND NOT (quantity < 0 AND price > 0) HAVING count(*) > 0
UNION ALL
SELECT 'purchase rows of a customer with a price of 0 or less', count(*)
FROM judged WHERE NOT cancels AND NOT unknown AND price <= 0 HAVING count(*) > 0
UNION ALL
SELECT 'purchase rows of a customer with a price and a quantity of 0 or less', count(*)
FROM judged WHERE NOT cancels AND NOT unknown AND price > 0 AND quantity <= 0 HAVING count(*) > 0
