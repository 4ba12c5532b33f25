-- All customers with an invoice. Five customers moved: the country is that of the latest invoice.
SELECT
    regexp_replace("Customer ID", '\.0$', '') AS customer_id,
    arg_max(Country, (InvoiceDate, Invoice)) AS region
FROM lines
WHERE "Customer ID" IS NOT NULL
GROUP BY 1
