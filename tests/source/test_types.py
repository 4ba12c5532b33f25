"""What a column holds and what is read from it, one value at a time."""

import datetime as dt
import math

import pandas as pd
import pytest

from smsroi_helpers.contract.tables import Column
from smsroi_helpers.engine.duckdb import connect
from smsroi_helpers.source.forms import Form
from smsroi_helpers.source.types import find_plain_texts, type_columns


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    return connect(tmp_path_factory.mktemp("spill"))


def read(con, value, kind, zone="UTC"):
    table = con.create_table("column", pd.DataFrame({"value": [value]}), overwrite=True)
    rows, columns = type_columns(table, [Column("value", kind)], zone)
    column = columns["value"]
    row = rows.select(value=column.value, in_gap=column.in_gap, in_fold=column.in_fold).to_pyarrow().to_pylist()[0]
    return row["value"], row["in_gap"], row["in_fold"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.50", 1234.5), ("￥99", 99.0), ("¥1,234", 1234.0), ("99元", 99.0), ("$ -5", -5.0), ("-$5", -5.0),
        ("１２．５", 12.5), ("１，２３４", 1234.0), ("−3", -3.0), ("1e3", 1000.0), (".5", 0.5), (" 7 ", 7.0),
        ("RMB 12", 12.0), ("€1,000,000.01", 1_000_000.01), ("-inf", -math.inf),
        ("1,23", None), ("1234,5", None), ("12 3456", None), ("--5", None), ("0x10", None), ("1_000", None), ("", None),
        ("12 345", 12_345.0), ("1 234.50 USD", 1234.5), ("1\u202f234", 1234.0), ("1'234.50 CHF", 1234.5),
        ("(12.50)", -12.5), ("($1,234.50)", -1234.5), ("12.50-", -12.5), ("- 5", -5.0), ("US$ 7", 7.0),
        ("HK$1,000", 1000.0), ("Rs. 12,34,567.50", 1_234_567.5), ("₹5", 5.0), ("9 kr", 9.0), ("7,000 JPY", 7000.0),
        ("(-5)", None), ("1 23", None), ("5-5", None), ("TOP SECRET 5", None), ("5 apples", None), ("1,23,456,7", None),
        ("1.5e", None), ("five", None), ("1,2345", None), ("$", None),
    ],
)  # fmt: skip
def test_numbers(con, text, number):
    assert read(con, text, "float")[0] == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), ("3.0", 3), ("3.5", None), (" ４ ", 4), ("x", None), ("inf", None), ("nan", None), ("1e30", None)],
)
def test_whole_numbers(con, text, number):
    assert read(con, text, "int")[0] == number


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("００１２３", "00123"), (" a\u200bb\ufeff ", "ab"), ("客户１", "客户1"), ("null", "null"), ("NaN", "NaN"),
        ("9007199254740993123", "9007199254740993123"), ("\u3000x\u00a0", "x"), ("  ", None),
        ("\u202eabc\u202c", "abc"),
        (13085.0, "13085"), (17, "17"), ("e\u0301", "é"),
        ('="100"', "100"), ("'100", "100"), ("100.0", "100"), ('="00123"', "00123"), ("'+861380000", "+861380000"),
        ("100.05", "100.05"), ("v1.0", "v1.0"), ("'", "'"), ('=""', None), ("O'Neil", "O'Neil"),
    ],
)  # fmt: skip
def test_ids(con, value, name):
    assert read(con, value, "id")[0] == name


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-01", "2024-03-01T00:00"), ("2024/3/1 9:05", "2024-03-01T09:05"), ("2024年3月1日", "2024-03-01T00:00"),
        ("2024年3月1日 21:05", "2024-03-01T21:05"), ("20240301", "2024-03-01T00:00"), ("2024.3.1", "2024-03-01T00:00"),
        ("2024-03-01T10:00:00+0800", "2024-03-01T02:00"), ("2024-03-01T10:00:00Z", "2024-03-01T10:00"),
        ("2024-03-01 10:00:00.5+08", "2024-03-01T02:00:00.5"), ("2024-03-01 10:00 UTC", "2024-03-01T10:00"),
        ("2024-03-01T10:00+05:30", "2024-03-01T04:30"), ("２０２４－０３－０１", "2024-03-01T00:00"),
        ("2024-02-29", "2024-02-29T00:00"), ("2020-12-31 23:59:59", "2020-12-31T23:59:59"),
        ("2024-05-03 09:50:26 -0400", "2024-05-03T13:50:26"), ("2024/5/3 9:50 +08", "2024-05-03T01:50"),
        ("May 3, 2024 at 10:05 AM", "2024-05-03T10:05"), ("May 3, 2024 at 12:05 am", "2024-05-03T00:05"),
        ("Sept. 3, 2024, 1:05:09 PM", "2024-09-03T13:05:09"), ("3 May 2024", "2024-05-03T00:00"),
        ("3-Dec-2024 23:10", "2024-12-03T23:10"), ("2024-05-03 12:30 p.m.", "2024-05-03T12:30"),
        ("2024-05-03 9:50:26\u202fPM", "2024-05-03T21:50:26"),
        ("1707231600", "2024-02-06T15:00"), ("1707231600123", "2024-02-06T15:00:00.123"),
        ("1707231600.5", "2024-02-06T15:00:00.5"), ("1707231600123456", "2024-02-06T15:00:00.123"),
        ("Fri, 03 May 2024 09:50:26 +0200", "2024-05-03T07:50:26"),
        ("Fri May 03 2024 09:50:26 GMT+0800 (China Standard Time)", "2024-05-03T01:50:26"),
        ("2024-05-03 09:50:26 GMT", "2024-05-03T09:50:26"), ("2024-05-03 09:50 GMT+8", "2024-05-03T01:50"),
        ("2024-05-03 09:50:26 +0000 UTC", "2024-05-03T09:50:26"), ("2024-05-03 9:50:26,5", "2024-05-03T09:50:26.5"),
        ("20240503095026", "2024-05-03T09:50:26"), ("20240503 09:50:26", "2024-05-03T09:50:26"),
        ("20240503T095026Z", "2024-05-03T09:50:26"), ("2024年5月3日21时5分", "2024-05-03T21:05"),
        ("2024年5月3日 21時05分10秒", "2024-05-03T21:05:10"), ("2024/5/3 下午9:50", "2024-05-03T21:50"),
        ("2024-05-03 上午12:05:09", "2024-05-03T00:05:09"), ("2024. 5. 3. 오후 9:50", "2024-05-03T21:50"),
        ("20241303095026", None), ("2024-05-03 下午13:50", None), ("2024-05-03 09:50 EST", None), ("Fri 03", None),
        ("May 3, 2024 at 13:05 PM", None), ("Foo 3, 2024", None), ("Feb 30, 2024", None), ("5/3/2024 10:05 PM", None),
        ("17072316001", None),
        ("3/1/2024", None), ("01.03.2024", None), ("infinity", None), ("epoch", None), ("45352", None), ("now", None),
        ("2024-02-30", None), ("2023-02-29", None), ("2024-13-01", None), ("2024-03-01 25:00", None),
        ("2024-01-01 00:00:00 BC", None), ("2024-03-01 10:00:00 Europe/Paris", None), ("", None), ("2020-W53-1", None),
    ],
)  # fmt: skip
def test_times(con, text, instant):
    seen, in_gap, in_fold = read(con, text, "timestamp")
    assert seen == (dt.datetime.fromisoformat(instant) if instant else None)
    assert not in_gap
    assert not in_fold


@pytest.mark.parametrize(
    ("text", "zone", "in_gap", "in_fold"),
    [
        ("2024-03-10 02:30", "America/New_York", True, False),
        ("2024-03-10 03:00", "America/New_York", False, False),
        ("2024-11-03 01:30", "America/New_York", False, True),
        ("2024-11-03 02:00", "America/New_York", False, False),
        ("2024-11-03T01:30:00-04:00", "America/New_York", False, False),
        ("1991-04-14 02:30", "Asia/Shanghai", True, False),
        ("1991-09-15 01:30", "Asia/Shanghai", False, True),
        ("2024-03-10 02:30", "Asia/Shanghai", False, False),
    ],
)
def test_hours_a_clock_skips_or_shows_twice(con, text, zone, in_gap, in_fold):
    assert read(con, text, "timestamp", zone)[1:] == (in_gap, in_fold)


def test_a_date_column_is_midnight_on_the_clock(con):
    assert read(con, dt.date(2024, 7, 1), "timestamp", "Asia/Shanghai")[0] == dt.datetime(2024, 6, 30, 16)


def test_a_number_is_no_time(con):
    assert read(con, 20240301, "timestamp")[0] is None


_PLAIN = {
    "number": ["7", "-3", "+4.50", "007", "1.250", "12345678901234567890", "9" * 400, None],
    "time": [
        "2024-05-01", "2024-05-01 10:00", "2024-05-01T10:00:01", "2024-05-01 10:00:01.123456789", "2024-13-45",
        "2024-02-30 10:00", "2024-05-01 25:00", "2024-05-01 24:00:00", "0000-01-01", "0001-01-01", "9999-12-31",
        "2024-03-10", "2024-03-10 02:30", "2024-11-03 01:30", "2024-11-03", None,
    ],
    "text": ["a", "a b", "007", "1e5", "x@y.z", None],
}  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("amount", "float", "number"), ("segments", "int", "number"), ("sent_at", "timestamp", "time"),
        ("clicked_at", "timestamp", "time"), ("ended_at", "timestamp", "time"), ("order_id", "id", "text"),
        ("name", "text", "text"),
    ],
)  # fmt: skip
def test_plain_values_are_read_as_among_others(con, name, kind, values, zone):
    """A column of plain values takes a shorter way (`forms.Form.plain`), to the same values."""
    column, rows = Column(name, kind), pd.DataFrame({"place": range(len(_PLAIN[values])), name: _PLAIN[values]})
    table = con.create_table("plain", rows, overwrite=True)
    found = []
    for plain in (False, True):
        typed, columns = type_columns(table, [column], zone, forms={name: Form(plain=plain)})
        one = columns[name]
        shown = one.value.cast("string")  # 9999-12-31 in New York ends in a year that Python does not have
        found.append(typed.select("place", v=shown, gap=one.in_gap, fold=one.in_fold).order_by("place").execute())
    pd.testing.assert_frame_equal(*found)
    assert found[0]["v"].notna().sum() >= 3


@pytest.mark.parametrize(
    ("kind", "values", "plain"),
    [
        ("id", ["a", "7", None], True), ("id", ["a", " b"], False), ("id", ["a", "ｂ"], False), ("id", ["7.0"], False),
        ("id", ['="7"'], False), ("id", ["'7"], False), ("id", ["a", ""], False), ("id", ["a\u200b"], False),
        ("text", ["中文", "x"], True), ("text", ["x ", "x"], False), ("text", ["\u3000x"], True),
    ],
)  # fmt: skip
def test_a_column_is_plain_if_no_value_is_rewritten(con, kind, values, plain):
    table = con.create_table("plain", pd.DataFrame({"value": pd.Series(values, dtype="string")}), overwrite=True)
    column = Column("value", kind)
    assert find_plain_texts(table, [column]) == (frozenset(["value"]) if plain else frozenset())
    rows, columns = type_columns(table, [column], "UTC")
    kept = rows.mutate(typed=columns["value"].value).execute()
    unchanged = all(a == b or (pd.isna(a) and pd.isna(b)) for a, b in zip(kept["value"], kept["typed"], strict=True))
    assert unchanged or not plain
