"""What is said of a mapping that is wrong."""

import re

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

EXPORT = "id,who,at,paid,phone,order\n1,ann,2024-01-01,5,13812345678 王,2\n2,bob,May 3,six,13912345678,3\n"
AT = 'at is a word of SQL: if it is a column\'s name, write it in double quotes: "at"'


def failure(make_source, tmp_path, query, **files):
    folder = make_source(export=EXPORT, orders__sql=query, **files)
    with pytest.raises(DataError) as refusal:
        load(folder, tmp_path / "into")
    return str(refusal.value)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT id,\n at AS ordered_at\nFROM export", rf"orders\.sql, line 2: .*; {AT}$"),
        ("\n\n-- 订单\nSELECT at\nFROM export", rf"orders\.sql, line 5: .*; {AT}$"),
        ("SELECT id FROM export WHERE at > '2024'", rf"orders\.sql, line 1: .*; {AT}$"),
        ("SELECT id,\n order AS n FROM export", r'orders\.sql, line 2: .*; order is a word of SQL: .*: "order"$'),
        ("SELECT id AS a\n paid AS b FROM export", r"orders\.sql, line 2: .*; is a comma missing before paid\?$"),
        ("SELECT id\n paid\n who FROM export", r"orders\.sql, line 3: .*; is a comma missing before who\?$"),
        ("SELECT lower(id)\n trim(who) AS b FROM export", r"line 2: .*; is a comma missing before trim\?$"),
        ("SELECT id FORM export", r"line 1: .*; is FORM a misspelt FROM\?$"),
        ("SELECT id AS a, (who FROM export", r'^orders\.sql, line 1: syntax error at or near "FROM"$'),
        ("SELECT id FROM export\nWHERE", r"^orders\.sql, line 2: syntax error at end of input$"),
        ("SELECT id,\n whoo FROM export", r'orders\.sql, line 2: no column "whoo"; did you mean "who"(, .*)?\?$'),
        ('SELECT id FROM export\nWHERE who = "ann"', r"line 2: no column \"ann\".*write it in single quotes: 'ann'$"),
        ("SELECT\n strtime(paid) FROM export", r'line 2: no function "strtime"; did you mean "strftime"\?$'),
        ("SELECT e.id\nFROM export AS f", r'line 1: Referenced table "e" not found; did you mean "f"\?$'),
        (
            "SELECT id\nFROM exports",
            r'orders\.sql, line 2: no table or file "exports"; did you mean "export"\?; files that can be queried',
        ),
        (
            "SELECT id,\n sum(paid) FROM export",
            r"line 2: no function for these types: sum\(VARCHAR\); .*amount::DOUBLE$",
        ),
        (
            'SELECT id,\n trim("Total") AS total FROM export',
            r'^orders\.sql: no column "Total" in what the query reads: has the heading of the file changed\?$',
        ),
        ("SELECT id, who AS ID FROM export", r"orders\.sql: two columns are called id; rename one with AS$"),
        ("DROP TABLE export", r"^orders\.sql: a mapping must be one SELECT$"),
    ],
)
def test_file_line_and_hint(make_source, tmp_path, query, words):
    assert re.search(words, failure(make_source, tmp_path, query))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("paid::INT", r"^orders\.sql, line 3, column amount: a text is not a whole number; use try_cast"),
        ("phone::DOUBLE", r"^orders\.sql, line 3, column amount: a text is not a number; use try_cast"),
        ('"at"::DATE', r"^orders\.sql, line 3, column amount: a text is not a date or time .*with strptime"),
        ("strptime(phone, '%Y')", r"^orders\.sql, column amount: a text does not have the form that strptime is told"),
        ("error('bad: ' || phone)", r"^orders\.sql, column amount: a value cannot be used by a function or converted"),
        ("300::TINYINT", r"^orders\.sql, line 3, column amount: a number is too large for its type"),
    ],
)
def test_errors_of_values_name_the_column_and_quote_no_value(make_source, tmp_path, expression, words):
    message = failure(
        make_source, tmp_path, f"SELECT id AS order_id,\n who AS customer_id,\n {expression} AS amount FROM export"
    )
    assert re.search(words, message), message
    assert not re.search(r"six|王|138|139|May|bad|\[number\]", message)


def test_a_condition_that_fails_has_its_line(make_source, tmp_path):
    message = failure(make_source, tmp_path, "SELECT id AS order_id\nFROM export\nWHERE paid::INT > 1")
    assert message.startswith("orders.sql, line 3: a text is not a whole number")
