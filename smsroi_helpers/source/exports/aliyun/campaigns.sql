-- A campaign is a template.
SELECT template AS campaign_id, template AS name, min(sent_at) AS started_at
FROM aliyun_report
WHERE template IS NOT NULL AND phone NOT LIKE '%*%'
GROUP BY template
