-- only if template
-- A campaign is a template.
SELECT template AS campaign_id, template AS name, min(coalesce(sent_at, received_at)) AS started_at
FROM tencent_report
WHERE template IS NOT NULL AND phone NOT LIKE '%*%'
GROUP BY template
