-- One row per user. A zone or segment that is blank on all rows of a user, or inconsistent, is unknown.
SELECT
    lower(trim(user_id)) AS customer_id,
    CASE WHEN count(DISTINCT nullif(trim(timezone), '')) = 1 THEN max(trim(timezone)) END AS timezone,
    CASE WHEN count(DISTINCT nullif(trim(segment), '')) = 1 THEN max(trim(segment)) END AS attr_segment
FROM events
WHERE coalesce(trim(user_id), '') <> ''
GROUP BY 1
