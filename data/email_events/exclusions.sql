-- Rows of the export that messages.sql and customers.sql leave out or change. A row can have several errors: the first
-- line counts all rows left out.
WITH judged AS (
    SELECT
        user_id,
        timezone,
        coalesce(trim(user_id), '') = '' AS no_user,
        coalesce(trim(campaign_id), '') = '' AS no_campaign,
        coalesce(click_timestamp < send_timestamp, false) AS clicked_before
    FROM events
),
people AS (
    SELECT lower(trim(user_id)) AS person, count(DISTINCT nullif(trim(timezone), '')) AS zones, count(*) AS rows
    FROM judged WHERE NOT no_user GROUP BY 1
)
SELECT 'all rows left out: no user, no campaign or a click before the send' AS reason, count(*) AS rows
FROM judged WHERE no_user OR no_campaign OR clicked_before
UNION ALL
SELECT 'of them: no user', count(*) FROM judged WHERE no_user
UNION ALL
SELECT 'of them: no campaign', count(*) FROM judged WHERE no_campaign
UNION ALL
SELECT 'of them: a click before the send', count(*) FROM judged WHERE clicked_before
UNION ALL
SELECT format('read otherwise: user ids with capitals or blanks around them ({:d} spellings are {:d} users)',
              (SELECT count(DISTINCT user_id) FROM judged WHERE NOT no_user), (SELECT count(*) FROM people)),
       count(*)
FROM judged WHERE NOT no_user AND user_id <> lower(trim(user_id))
UNION ALL
SELECT 'read otherwise: time zones with blanks around them', count(*) FROM judged WHERE timezone <> trim(timezone)
UNION ALL
SELECT 'unknown: no time zone', count(*) FROM judged WHERE coalesce(trim(timezone), '') = ''
UNION ALL
SELECT 'unknown: time zones of one user that contradict each other', coalesce(sum(rows), 0) FROM people WHERE zones > 1
