-- Rows that messages.sql leaves out.
SELECT left_out AS reason, count(*) AS rows
FROM _aliyun_texts
WHERE left_out IS NOT NULL
GROUP BY left_out
