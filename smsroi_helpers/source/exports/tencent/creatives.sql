-- only if template
-- only if text
-- The text of each template, if ten recipients or more got exactly the same.
SELECT template AS campaign_id, '1' AS variant, text
FROM tencent_report
WHERE template IS NOT NULL AND text IS NOT NULL AND phone NOT LIKE '%*%'
GROUP BY template, text
HAVING count(*) >= 10
QUALIFY row_number() OVER (PARTITION BY template ORDER BY count(*) DESC, text) = 1
