-- One customer's keys: the telephone numbers belong to the address or the platform's id, so that a customer with two
-- numbers stays one. A number with two or three of them (a second address, say) owns those that have no other number.
-- no table without rows
WITH pairs AS (
    SELECT DISTINCT
        {{key}} AS own_key,
        {{phone}} AS own_number,
        lower({{key}}) AS one_key,
        right(regexp_replace({{phone}}, '[^\p{Nd}]', '', 'g'), 9) AS one_number  -- in every spelling
    FROM {{rows}}
    WHERE {{key}} NOT LIKE '%*%' AND {{phone}} NOT LIKE '%*%'
        AND NOT regexp_matches({{phone}}, {{damaged_id}})  -- rounded by a spreadsheet
        AND NOT regexp_matches(regexp_replace({{key}}, '^(youzan|taobao) ', ''), {{damaged_id}})
),
of_numbers AS (SELECT one_number, count(DISTINCT one_key) AS keys FROM pairs GROUP BY one_number),
of_keys AS (SELECT one_key, count(DISTINCT one_number) AS numbers FROM pairs GROUP BY one_key),
directed AS (
    SELECT own_key, own_number, keys BETWEEN 2 AND 3 AND numbers = 1 AS number_owns
    FROM pairs
    JOIN of_numbers ON of_numbers.one_number = pairs.one_number
    JOIN of_keys ON of_keys.one_key = pairs.one_key
)
SELECT DISTINCT
    CASE WHEN number_owns THEN own_number ELSE own_key END AS customer_id,
    CASE WHEN number_owns THEN '{{key_kind}}' ELSE 'phone' END AS kind,
    CASE WHEN number_owns THEN own_key ELSE own_number END AS value
FROM directed
