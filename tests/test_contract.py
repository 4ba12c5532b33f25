"""The rules rows are held to: each is reached, counted, and leaves every other row alone."""

import re
from pathlib import Path

import duckdb
import pytest

from smsroi_helpers.contract import OUTPUTS, ROW_RULES, TABLES, Decision
from smsroi_helpers.errors import DataError
from smsroi_helpers.source import load

HEAD = "order_id,customer_id,ordered_at,amount,discount\n"
GOOD = "1,a,2024-01-01,5,0\n2,b,2024-01-02,6,\n3,c,2024-01-03,7,1.5\n"


def findings(folder, into, share=0.9):
    loaded = load(folder, into, max_rejected_share=share)
    kept = duckdb.sql(f"SELECT order_id FROM '{loaded.tables['orders'].paths[0]}' ORDER BY 1").fetchall()
    return [(f.column, f.rule, f.rows) for f in loaded.findings if f.severity == "error"], [row[0] for row in kept]


@pytest.mark.parametrize(
    ("rows", "expected", "kept"),
    [
        ("4,d,not a date,8,0\n", [("ordered_at", "unreadable", 1)], "123"),
        ("4,d,2024-02-30,8,0\n", [("ordered_at", "unreadable", 1)], "123"),
        ("4,d,2024-01-04,eight,0\n", [("amount", "unreadable", 1)], "123"),
        ("4,d,2024-01-04,,0\n", [("amount", "missing", 1)], "123"),
        ("4,,2024-01-04,8,0\n", [("customer_id", "missing", 1)], "123"),
        (",d,2024-01-04,8,0\n,e,2024-01-04,9,0\n", [("order_id", "missing", 2)], "123"),
        ("4,d,2024-01-04,NaN,0\n", [("amount", "not finite", 1)], "123"),
        ("4,d,2024-01-04,-inf,0\n", [("amount", "not finite", 1)], "123"),
        ("4,d,2024-01-04,1e999,0\n", [("amount", "not finite", 1)], "123"),
        ("4,d,2024-01-04,8,-0.01\n", [("discount", "too small", 1)], "123"),
        ("4,d,2024-01-04,-8,0\n", [], "1234"),
        ("3,c,2024-01-03,7,1.5\n", [("order_id", "repeated row", 1)], "123"),
        ("3,c,2024-01-03,7.01,1.5\n", [("order_id", "conflicting key", 2)], "12"),
    ],
)
def test_each_rule_puts_its_rows_aside_and_no_others(make_source, tmp_path, rows, expected, kept):
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


def test_the_quarantine_says_where_the_rows_stood_and_not_what_they_said(make_source, tmp_path):
    folder = make_source(orders=HEAD + GOOD + "4,13812345678,someday,8,0\n5,e,2024-01-05,9,-1\n")
    load(folder, tmp_path / "into", max_rejected_share=0.9)
    rows = duckdb.sql(f"FROM '{tmp_path / 'into' / 'quarantine.parquet'}'").fetchall()
    assert rows == [("orders", 5, "ordered_at: unreadable"), ("orders", 6, "discount: too small")]


def test_every_rule_says_what_to_do():
    for rule in ROW_RULES:
        column = next(column for table in TABLES.values() for column in table.columns if rule.applies(table, column))
        assert len(rule.remedy(column)) > 10


def test_the_tables_are_those_of_the_contract_page():
    page = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        section = re.search(rf"^\| {name} \|(.*)$", page, re.M)
        assert section, f"data/README.md does not describe {name}"
        for column in table.columns:
            assert re.search(rf"`{column.name}`{'[*]' if column.required else '(?![*])'}", section[1]), column


def test_a_decision_without_its_interval_is_refused():
    with pytest.raises(ValueError, match="a value travels with its interval"):
        Decision("s", "q", "do", "a", "t", "none", 1, value=3.0, low=4.0, high=5.0, unit="money_per_week")


def test_keys_are_columns_and_are_required():
    for table in TABLES.values():
        assert all(table.by_name[name].required for name in table.key)
        assert not table.own_time or table.by_name[table.own_time].kind == "timestamp"
    assert all("customer_id" not in OUTPUTS[name] for name in ("decisions", "exclusions", "model_fits"))


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
