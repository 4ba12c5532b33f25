-- only if template
-- A campaign is a template.
SELECT template AS campaign_id, template AS name, min(coalesce(sent_at, received_at)) AS started_at
FROM _tencent_texts
WHERE template IS NOT NULL AND left_out IS NULL
GROUP BY template
