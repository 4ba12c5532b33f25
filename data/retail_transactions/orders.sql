-- Transactions have no ids; the row number is used, so that one file always gives the same ids. (The reader adds line__
-- to every CSV file. If selected, it also gives the row in the quarantine.)
SELECT
    line__ AS order_id,
    customer_id,
    -- Month/day/year as ISO; any other value is rejected as unreadable.
    coalesce(strftime(try_strptime(trans_date, '%m/%d/%Y'), '%Y-%m-%d'), 'no month/day/year: ' || trans_date) AS ordered_at,
    tran_amount AS amount,
    line__
FROM transactions
