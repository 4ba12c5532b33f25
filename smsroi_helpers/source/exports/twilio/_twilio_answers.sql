-- What customers sent to Twilio: the last text to their number before it (answers_to, null: the log has none), whether
-- it opts out, and when the number opted in for the last time.
WITH answered AS (
    SELECT
        number, sent_at, came_back,
        word IN ('STOP', 'STOPALL', 'STOP ALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'OPT OUT',
                 'REVOKE') AS opts_out,
        last_value(CASE WHEN left_out IS NULL THEN sid END IGNORE NULLS) OVER before AS answers_to,
        max(CASE WHEN came_back AND word IN ('START', 'YES', 'UNSTOP') AND isfinite(sent_at) THEN sent_at END)
            OVER (PARTITION BY number) AS opted_in_at
    FROM _twilio_log
    WHERE left_out IS NULL OR came_back
    WINDOW before AS (PARTITION BY number ORDER BY sent_at, came_back ROWS UNBOUNDED PRECEDING)
)
SELECT number, sent_at, answers_to, opted_in_at, opts_out, opts_out AND coalesce(sent_at > opted_in_at, true) AS left_for_good
FROM answered
WHERE came_back
