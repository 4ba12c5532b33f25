-- Transactions have no ids: the row of the file is one, so that the same file gives the same ids. (line__ is what the
-- reader adds to every CSV file; passed on, it also names the file's row in the quarantine.)
SELECT
    line__ AS order_id,
    customer_id,
    -- Month/day/year as ISO; what is no such date stays as it came, to be put aside as unreadable.
    coalesce(strftime(try_strptime(trans_date, '%m/%d/%Y'), '%Y-%m-%d'), trans_date) AS ordered_at,
    tran_amount AS amount,
    line__
FROM transactions
