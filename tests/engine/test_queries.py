"""Queries that a user wrote."""

import pytest

from smsroi_helpers.engine import (
    EngineError,
    QueryError,
    connect,
    failing_column,
    named_tables,
    query_columns,
    query_tokens,
    single_select,
    write_query,
)


@pytest.fixture
def con(tmp_path):
    con = connect(tmp_path)
    con.raw_sql("CREATE TABLE people AS SELECT 'ann' AS who, '5' AS paid UNION ALL SELECT 'bob', 'six'")
    yield con
    con.disconnect()


@pytest.mark.parametrize(
    "query", ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "FROM x", "SELECT 'a;' AS b -- ;"]
)
def test_one_select_is_returned(query):
    assert single_select(query) == query


@pytest.mark.parametrize("end", [";", " ; ;", ";\n-- done; really\n", "; /* 完 */"])
def test_what_follows_the_last_semicolon_is_left_out(end):
    assert single_select(f"SELECT '电话;' AS a{end}").rstrip() == "SELECT '电话;' AS a"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; SELECT 2",
        "DROP TABLE orders",
        "COPY (SELECT 1) TO 'x.csv'",
        "INSTALL httpfs",
        "",
        "SELECT 1; DROP TABLE x",
    ],
)
def test_what_is_not_one_select_is_refused(query):
    with pytest.raises(QueryError, match="a mapping must be one SELECT"):
        single_select(query)


@pytest.mark.parametrize(
    ("query", "word"), [("SELEKT 1", "SELEKT"), ("\n\nSELECT '客' AS b,\n at AS c\nFROM x", "AS c"), ("SELECT (1", "")]
)
def test_a_syntax_error_has_its_place_in_bytes(query, word):
    with pytest.raises(QueryError) as refusal:
        single_select(query)
    rest = query.encode()[refusal.value.position or 0 :].decode()
    assert refusal.value.kind == "Parser"
    assert rest.startswith(word)
    assert bool(rest) == bool(word)


def test_a_name_that_does_not_exist_has_its_place_and_names_like_it(con):
    with pytest.raises(QueryError) as refusal:
        query_columns(con, "SELECT '客' AS a,\n whoo\nFROM people")
    assert (refusal.value.name, refusal.value.candidates[:1]) == ("whoo", ("who",))
    assert "SELECT '客' AS a,\n whoo\nFROM people".encode()[refusal.value.position :].startswith(b"whoo")
    assert query_columns(con, "SELECT who AS a, paid FROM people") == ["a", "paid"]


def test_the_column_that_cannot_be_computed_is_found(con, tmp_path):
    query = "SELECT who, paid::INT AS n, lower(who) AS small FROM people"
    with pytest.raises(QueryError) as refusal:
        write_query(con, query, tmp_path / "x.parquet")
    assert (refusal.value.kind, refusal.value.position) == ("Conversion", query.index("paid::") + len("paid"))
    assert failing_column(con, query, ["who", "n", "small"]) == "n"
    assert failing_column(con, "SELECT who FROM people WHERE paid::INT > 1", ["who"]) == ""


def test_an_error_that_is_not_json_is_given_as_it_is(con, tmp_path):
    with pytest.raises(QueryError, match="IO Error|Cannot open file|No such file"):
        write_query(con, "SELECT 1 AS a", tmp_path / "no such folder" / "x.parquet")
    assert con.raw_sql("SELECT current_setting('errors_as_json')").fetchone() == (False,)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('FROM a JOIN "订单 5" USING (x)', {"a", "订单 5"}),
        ("WITH a AS (SELECT 1), b AS (FROM a) FROM b, c", {"c"}),
        ("WITH orders AS (SELECT * FROM orders) FROM orders", {"orders"}),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) FROM r", set()),
        ("SELECT (WITH c AS (FROM d) SELECT max(x) FROM c), * FROM c WHERE y IN (SELECT y FROM e)", {"c", "d", "e"}),
        ("SELECT 'FROM nothing' AS a -- FROM nowhere", set()),
    ],
)
def test_the_tables_that_a_query_reads(query, names):
    assert named_tables(query) == names
    with pytest.raises(EngineError):
        named_tables("SELEKT")


def test_tokens_are_words_and_signs_without_comments():
    found = query_tokens("SELECT \"时 x\", at -- no\nFROM y WHERE z >= 'it''s'")
    assert [token.text for token in found] == [
        "SELECT", '"时 x"', ",", "at", "FROM", "y", "WHERE", "z", ">", "'it''s'",
    ]  # fmt: skip
    assert {token.text: token.kind for token in found}["at"] == "keyword"
