"""The validation rules: each is reached, counted, and leaves other rows alone."""

import hashlib
import hmac
from collections import Counter

import duckdb
import pytest

from smsroi_helpers.contract.rules import RULES, remedy_for
from smsroi_helpers.contract.tables import TABLES
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

HEAD = "order_id,customer_id,ordered_at,amount,discount\n"
GOOD = "1,a,2024-01-01,5,0\n2,b,2024-01-02,6,\n3,c,2024-01-03,7,1.5\n"


def findings(folder, into, share=0.9):
    loaded = load(folder, into, max_rejected_share=share)
    kept = duckdb.sql(f"SELECT order_id FROM '{loaded.tables['orders'].paths[0]}' ORDER BY 1").fetchall()
    return [(f.column, f.rule, f.rows) for f in loaded.findings if f.severity == "error"], [row[0] for row in kept]


ROWS = (
    ("4,d,not a date,8,0", "ordered_at: unreadable"),
    ("5,d,2024-02-30,8,0", "ordered_at: unreadable"),
    ("6,d,1/4/2024,8,0", "ordered_at: unreadable"),
    ("7,d,2024-01-04,eight,0", "amount: unreadable"),
    ("8,d,2024-01-04,,0", "amount: missing"),
    ("9,,2024-01-04,8,0", "customer_id: missing"),
    (",d,2024-01-04,8,0", "order_id: missing"),
    (",e,2024-01-04,9,0", "order_id: missing"),
    ("10,d,2024-01-04,NaN,0", "amount: not finite"),
    ("11,d,2024-01-04,-inf,0", "amount: not finite"),
    ("12,d,2024-01-04,1e999,0", "amount: not finite"),
    ("13,d,2024-01-04,8,-0.01", "discount: too small"),
    ("14,d,2024-01-04,-8,0", ""),
    ("15,d,2024-01-04,8", "wrong number of fields"),
    ("16,d,2024-01-04,8,0,0", "wrong number of fields"),
    ("17,e", "wrong number of fields"),
    ("18,d,45295.5,8,0", "ordered_at: spreadsheet date"),
    ("1.38E+10,d,2024-01-04,8,0", "order_id: spreadsheet damage"),
    ("19,1.2e+11,2024-01-04,8,0", "customer_id: spreadsheet damage"),
)
"""Rows of orders, each with the reason for which it is rejected; none for a refund."""


def test_each_rule_rejects_its_rows_and_no_others(make_source, tmp_path):
    folder = make_source(orders=HEAD + GOOD + "".join(f"{row}\n" for row, _reason in ROWS))
    found, kept = findings(folder, tmp_path / "into")
    assert kept == ["1", "14", "2", "3"]
    bad = [(line, reason) for line, (_row, reason) in enumerate(ROWS, start=5) if reason]
    assert quarantine(tmp_path / "into") == [("orders", line, reason, None) for line, reason in bad]
    counts = Counter(reason for _line, reason in bad)
    assert {": ".join(filter(None, (column, rule))): rows for column, rule, rows in found} == counts


@pytest.mark.parametrize(
    ("rows", "expected", "kept"),
    [
        ("3,c,2024-01-03,7,1.5\n", [("order_id", "repeated row", 1)], "123"),
        (" \u200b3,c,2024/1/3,７.0,1.50\n", [("order_id", "repeated row", 1)], "123"),
        ("3,c,2024-01-03,7.01,1.5\n", [("order_id", "conflicting key", 2)], "12"),
    ],
)
def test_of_rows_with_one_key_one_is_kept_if_they_are_the_same(make_source, tmp_path, rows, expected, kept):
    assert findings(make_source(orders=HEAD + GOOD + rows), tmp_path / "into") == (expected, list(kept))


def test_nan_in_parquet_is_seen(tmp_path):
    """In DuckDB NaN ≥ 0 is true, and pandas would write it as null: so it is tested from a file DuckDB wrote."""
    folder = tmp_path / "source"
    folder.mkdir()
    duckdb.sql(
        "SELECT i::VARCHAR AS order_id, 'a' AS customer_id, TIMESTAMP '2024-01-01' AS ordered_at,"
        " CASE WHEN i = 7 THEN 'nan'::DOUBLE ELSE i::DOUBLE END AS amount FROM range(10) t(i)"
    ).write_parquet(str(folder / "orders.parquet"))
    assert findings(folder, tmp_path / "into")[0] == [("amount", "not finite", 1)]


KEY = "correct horse battery staple, and a bit"


def quarantine(place):
    return duckdb.sql(f"SELECT \"table\", line, reason, key FROM '{place / 'quarantine.parquet'}'").fetchall()


class TestQuarantine:
    ROWS = "4,13812345678,someday,8,0\n5,e,2024-01-05,9,-1\n,f,2024-01-05,9,1\n6,g\n"

    def test_it_says_where_the_rows_stood_and_not_what_they_said(self, make_source, tmp_path):
        load(make_source(orders=HEAD + GOOD + self.ROWS), tmp_path / "into", max_rejected_share=0.9)
        assert quarantine(tmp_path / "into") == [
            ("orders", 5, "ordered_at: unreadable", None),
            ("orders", 6, "discount: too small", None),
            ("orders", 7, "order_id: missing", None),
            ("orders", 8, "wrong number of fields", None),
        ]

    def test_with_a_key_it_names_the_rows_by_pseudonyms_that_the_key_makes(self, make_source, tmp_path, monkeypatch):
        monkeypatch.setenv("SMSROI_KEY", KEY)
        arms = "experiment_id,arm,share\nx,a,1\nx,b,2\n"
        folder = make_source(
            orders=HEAD + GOOD + self.ROWS, arms=arms, feedback="customer_id,responded_at,score\na,2024-01-01,11\n"
        )
        loaded = load(folder, tmp_path / "into", max_rejected_share=1.0)

        def made(name):
            return hmac.new(KEY.encode(), name.encode(), hashlib.sha256).hexdigest()[:32]

        assert quarantine(tmp_path / "into") == [
            ("arms", 3, "share: too large", made("x\x1fb")),
            ("feedback", 2, "score: too large", None),  # its rows have no key
            ("orders", 5, "ordered_at: unreadable", made("4")),
            ("orders", 6, "discount: too small", made("5")),
            ("orders", 7, "order_id: missing", None),
            ("orders", 8, "wrong number of fields", None),
        ]
        assert loaded.key_id == hashlib.sha256(b"smsroi key id:" + KEY.encode()).hexdigest()[:8]
        assert "rows without a pseudonym" not in {found.rule for found in loaded.findings}
        for file in (tmp_path / "into").rglob("*"):
            assert not file.is_file() or KEY.encode() not in file.read_bytes()

    def test_a_key_that_comes_or_changes_is_a_reason_to_read_again(self, make_source, tmp_path, monkeypatch):
        folder, keys = make_source(orders=HEAD + GOOD + self.ROWS), []
        for key in (None, KEY, KEY[::-1], KEY):
            monkeypatch.setenv("SMSROI_KEY", key) if key else monkeypatch.delenv("SMSROI_KEY", raising=False)
            load(folder, tmp_path / "into", max_rejected_share=0.9)
            keys.append(quarantine(tmp_path / "into")[0][3])
        assert keys[0] is None
        assert keys[1] == keys[3] != keys[2]

    def test_without_a_key_the_findings_say_so(self, make_source, tmp_path):
        loaded = load(make_source(orders=HEAD + GOOD + self.ROWS), tmp_path / "into", max_rejected_share=0.9)
        (note,) = (found for found in loaded.findings if found.table == "quarantine")
        assert (note.rule, note.severity, note.rows) == ("rows without a pseudonym", "note", 4)
        assert "SMSROI_KEY" in note.remedy
        assert loaded.key_id == ""

    def test_whatever_the_batches_each_row_keeps_its_own(self, tmp_path, make_source, monkeypatch):
        """More rows than are written at a time."""
        monkeypatch.setenv("SMSROI_KEY", KEY)
        rows = "".join(f"o{i},c,2024-01-01,{'x' if i % 2 else 5},\n" for i in range(210_000))
        load(make_source(orders=HEAD + rows), tmp_path / "into", max_rejected_share=0.9)
        found = {line: key for _table, line, _reason, key in quarantine(tmp_path / "into")}
        assert len(found) == 105_000
        for line in (3, 99_999, 200_001, 210_001):
            assert found[line] == hmac.new(KEY.encode(), b"o%d" % (line - 2), hashlib.sha256).hexdigest()[:32]

    def test_a_row_of_parquet_is_counted_from_the_first_part_on(self, tmp_path, make_source):
        folder = make_source()
        (folder / "orders").mkdir()
        for part in range(3):
            duckdb.sql(
                f"SELECT {part} * 10 + i AS order_id, 'a' AS customer_id, DATE '2024-01-01' AS ordered_at,"
                f" CASE WHEN {part} = 1 AND i = 3 THEN 'nan'::DOUBLE ELSE i END AS amount"
                " FROM range(10) t(i) ORDER BY i"
            ).write_parquet(str(folder / "orders" / f"{part}.parquet"))
        load(folder, tmp_path / "into", max_rejected_share=0.5)
        assert quarantine(tmp_path / "into") == [("orders", 14, "amount: not finite", None)]

    def test_a_query_has_no_rows_to_count_unless_it_says_which(self, make_source, tmp_path):
        export = HEAD + GOOD + "4,d,someday,8,0\n5,d,never,8,0\n"
        query = "SELECT {} FROM export ORDER BY order_id DESC"
        for columns, lines in (("* EXCLUDE line__", [None, None]), ("*", [5, 6])):
            folder = make_source(export=export, orders__sql=query.format(columns))
            load(folder, tmp_path / "into", max_rejected_share=0.5)
            assert [row[1] for row in quarantine(tmp_path / "into")] == lines


def test_customers_that_differ_in_what_is_the_users_own_are_no_repeated_rows(make_source, tmp_path):
    people = "customer_id,attr_level\na,gold\na,silver\nb,gold\nb,gold\n"
    loaded = load(make_source(orders=HEAD + GOOD, customers=people), tmp_path / "into", max_rejected_share=1.0)
    assert {f.rule: f.rows for f in loaded.findings if f.severity == "error"} == {
        "conflicting key": 2,
        "repeated row": 1,
    }


def test_every_rule_says_what_to_do():
    for rule in RULES:
        held = [
            (table, column) for table in TABLES.values() for column in table.columns if rule.applies_to(table, column)
        ]
        assert held, rule
        assert all(remedy_for(f"{column.name}: {rule.code}", table) == rule.remedy for table, column in held)


def test_unknown_columns_are_left_unread_and_said_so(make_source, tmp_path):
    folder = make_source(orders=HEAD.strip() + ",colour\n" + "1,a,2024-01-01,5,0,red\n")
    loaded = load(folder, tmp_path / "into")
    assert [(f.column, f.rule, f.severity) for f in loaded.findings] == [("colour", "not in the contract", "note")]
    assert "colour" not in loaded.tables["orders"].columns


def test_attributes_of_customers_are_kept(make_source, tmp_path):
    folder = make_source(orders=HEAD + GOOD, customers="customer_id,attr_level,level\na,gold,x\n")
    assert load(folder, tmp_path / "into").tables["customers"].columns == ("customer_id", "attr_level")


def test_a_whole_table_of_bad_rows_is_refused(make_source, tmp_path):
    with pytest.raises(DataError, match="3 of 3 rows"):
        load(make_source(orders=HEAD + GOOD.replace("2024-", "")), tmp_path / "into")


PEOPLE = "order_id,customer_id,ordered_at,amount\n" + "".join(f"{i},c{i},2024-01-02,5\n" for i in range(4))
TEST = {
    "orders": PEOPLE,
    "experiments": "experiment_id,kind,control_arm,started_at,primary_metric\nx,holdout,no,2024-01-01,\n",
    "arms": "experiment_id,arm,share\nx,no,0.25\nx,yes,0.75\n",
    "assignments": "experiment_id,customer_id,arm,assigned_at\n"
    + "".join(f"x,c{i},{'no' if i == 0 else 'yes'},2024-01-01\n" for i in range(4)),
    "messages": "message_id,customer_id,campaign_id,sent_at,clicked_at,cost\n"
    + "".join(f"m{i},c{i},k,2024-01-01 10:00:00,2024-01-01 10:00:09,0.05\n" for i in range(4)),
    "customers": "customer_id,timezone,opted_out_at\nc0,Asia/Shanghai,\nc1,,2024-01-01 09:00:00\nc2,UTC,\nc3,UTC,\n",
}


def test_a_sound_source_with_an_experiment_has_no_error(make_source, tmp_path):
    loaded = load(make_source(**TEST), tmp_path / "into")
    assert [finding for finding in loaded.findings if finding.severity == "error"] == []
    assert {name: table.rows_out for name, table in loaded.tables.items()} == {
        "orders": 4, "experiments": 1, "arms": 2, "assignments": 4, "messages": 4, "customers": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "old", "new", "expected"),
    [
        ("messages", "10:00:00,2024-01-01 10:00:09,0.05\nm3", "10:00:00,2024-01-01 09:59:59,0.05\nm3",
         ("messages", "clicked_at", "before it was sent", 1)),
        ("messages", "10:00:09,0.05\nm3", "10:00:09,-0.05\nm3", ("messages", "cost", "too small", 1)),
        ("experiments", "holdout,no,2024-01-01,", "guess,no,2024-01-01,", ("experiments", "kind", "unknown kind", 1)),
        ("experiments", "2024-01-01,\n", "2024-01-01,joy\n", ("experiments", "primary_metric", "unknown metric", 1)),
        ("customers", "c2,UTC", "c2,Mars/Base", ("customers", "timezone", "unknown time zone", 1)),
        ("assignments", "x,c3,yes", "x,c3,perhaps", ("assignments", "arm", "unknown arm", 1)),
        ("assignments", "x,c3,yes,2024-01-01\n", "x,c3,yes,2024-01-01\nx,c3,no,2024-01-01\n",
         ("assignments", "experiment_id + customer_id", "in two arms", 2)),
    ],
)  # fmt: skip
def test_each_rule_between_columns_and_tables(make_source, tmp_path, table, old, new, expected):
    assert old in TEST[table]
    files = {**TEST, table: TEST[table].replace(old, new)}
    loaded = load(make_source(**files), tmp_path / "into", max_rejected_share=1.0)
    errors = [(f.table, f.column, f.rule, f.rows) for f in loaded.findings if f.severity == "error"]
    assert errors == [expected]


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("arms", "yes,0.75", "yes,0.8", r"table arms, column share: shares do not sum to 1 \(x: 1\.05\)"),
        ("experiments", "holdout,no", "holdout,none",
         r"table experiments, column control_arm: is none of the arms \(x: none\)"),
        ("customers", TEST["customers"], "customer_id\n+8613812345678\n+8613812345679\nc0\n",
         "table customers, column customer_id: most values are telephone numbers.*smsroi pseudonymise"),
        ("orders", PEOPLE, PEOPLE.replace(",c", ",a@b.co").replace("a@b.coustomer", "customer"),
         "table orders, column customer_id: most values are"),
    ],
)  # fmt: skip
def test_what_refuses_a_table_as_a_whole(make_source, tmp_path, table, old, new, words):
    files = {**TEST, table: TEST[table].replace(old, new)}
    with pytest.raises(DataError, match=words):
        load(make_source(**files), tmp_path / "into", max_rejected_share=1.0)


def test_order_and_message_ids_may_look_like_telephone_numbers(make_source, tmp_path):
    orders = (
        PEOPLE.replace("\n0,", "\n13812345678,").replace("\n1,", "\n13812345679,").replace("\n2,", "\n13912345679,")
    )
    assert load(make_source(orders=orders), tmp_path / "into").tables["orders"].rows_out == 4


def test_times_that_a_clock_never_showed_and_those_it_showed_twice(make_source, tmp_path):
    rows = "4,d,2024-03-10 02:30:00,8,0\n5,e,2024-11-03 01:30:00,9,0\n6,f,2024-11-03T01:30:00-05:00,9,0\n"
    folder = make_source(orders=HEAD + GOOD + rows, source="timezone: America/New_York\n")
    loaded = load(folder, tmp_path / "into", max_rejected_share=0.5)
    found = [(f.column, f.rule, f.severity, f.rows) for f in loaded.findings if f.table == "orders"]
    assert found == [
        ("ordered_at", "no such local time", "error", 1),
        ("ordered_at", "time shown twice", "warning", 1),
    ]


def test_what_a_mapping_leaves_out_is_stated_and_not_counted_against_it(make_source, tmp_path):
    folder = make_source(
        export=HEAD + GOOD + "9,,2024-01-04,1,0\n",
        orders__sql="SELECT * FROM export WHERE customer_id IS NOT NULL",
        exclusions__sql="SELECT 'no customer' AS reason, count(*) AS rows FROM export WHERE customer_id IS NULL",
    )
    loaded = load(folder, tmp_path / "into")
    assert loaded.tables["orders"].rows_out == 3
    assert [(f.table, f.rule, f.severity, f.rows, f.share) for f in loaded.findings] == [
        ("mapping", "no customer", "stated", 1, None)
    ]


def test_mappings_select_from_each_other_in_any_order(make_source, tmp_path):
    folder = make_source(
        export=HEAD + GOOD,
        customers__sql="SELECT DISTINCT customer_id FROM orders",
        orders__sql="SELECT * FROM export",
    )
    assert load(folder, tmp_path / "into").tables["customers"].rows_out == 3


def test_mappings_in_a_circle_are_refused(make_source, tmp_path):
    folder = make_source(customers__sql="SELECT customer_id FROM orders", orders__sql="SELECT * FROM customers")
    with pytest.raises(DataError, match=r"customers\.sql needs orders\.sql, which needs customers\.sql: none of them"):
        load(folder, tmp_path / "into")
