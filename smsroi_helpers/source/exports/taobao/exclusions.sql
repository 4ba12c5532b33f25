-- Orders that orders.sql leaves out, each under its first reason.
SELECT left_out AS reason, count(*) AS rows
FROM _taobao_orders
WHERE left_out IS NOT NULL
GROUP BY left_out
