-- Rows that messages.sql leaves out.
SELECT 'Tencent Cloud texts without a whole telephone number' AS reason, count(*) AS rows
FROM tencent_report
WHERE phone IS NULL OR phone LIKE '%*%'
HAVING count(*) > 0
