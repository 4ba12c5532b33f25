-- A campaign is a template.
SELECT template AS campaign_id, template AS name, min(sent_at) AS started_at
FROM _aliyun_texts
WHERE template IS NOT NULL AND left_out IS NULL
GROUP BY template
