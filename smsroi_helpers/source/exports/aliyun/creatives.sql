-- only if text
-- The text of each template, if ten recipients or more got exactly the same (names after a greeting apart).
SELECT template AS campaign_id, '1' AS variant, CASE WHEN min(text) = max(text) THEN min(text) ELSE nameless_text END AS text
FROM (
    SELECT template, phone, text, {{nameless_text}} AS nameless_text
    FROM _aliyun_texts
    WHERE template IS NOT NULL AND text IS NOT NULL AND left_out IS NULL
)
GROUP BY template, nameless_text
HAVING count(DISTINCT phone) >= 10
QUALIFY row_number() OVER (PARTITION BY template ORDER BY count(*) DESC, nameless_text) = 1
