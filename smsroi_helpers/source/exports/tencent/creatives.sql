-- only if template
-- only if text
-- The text of each template, if ten recipients or more got exactly the same (names after a greeting apart).
-- no table without rows
SELECT template AS campaign_id, '1' AS variant, CASE WHEN min(text) = max(text) THEN min(text) ELSE nameless_text END AS text
FROM (
    SELECT template, phone, rows.text, nameless_text
    FROM _tencent_texts AS rows
    JOIN (  -- each different text is read once
        SELECT text, {{nameless_text}} AS nameless_text FROM (SELECT DISTINCT text FROM _tencent_texts WHERE text IS NOT NULL)
    ) AS texts ON texts.text = rows.text
    WHERE template IS NOT NULL AND left_out IS NULL
)
GROUP BY template, nameless_text
HAVING count(DISTINCT phone) >= 10
QUALIFY row_number() OVER (PARTITION BY template ORDER BY count(*) DESC, nameless_text) = 1
