-- Rows that messages.sql leaves out.
SELECT 'Aliyun texts without a whole telephone number' AS reason, count(*) AS rows
FROM aliyun_report
WHERE phone IS NULL OR phone LIKE '%*%'
HAVING count(*) > 0
