"""Spark computes what DuckDB computes: each place in which its own SQL would say something else."""

import datetime as dt
import math

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pytest

from smsroi_helpers.engine import connect, connect_engine, hash_group, is_ascii, local_time, total, utc_from_local

pytestmark = pytest.mark.spark

NAN, INF = math.nan, math.inf
_SCHEMA = ibis.schema(
    {
        "row": "int64",
        "a": "float64",
        "b": "float64",
        "i": "int64",
        "j": "int64",
        "s": "string",
        "at": "timestamp(6)",
        "then": "timestamp(6)",
        "zone": "string",
    }
)
_VALUES = {
        "row": list(range(8)),
        "a": [1.0, -1.0, 0.0, None, NAN, 2.5, -2.5, 2.345],
        "b": [0.0, 0.0, 0.0, 2.0, 1.0, 0.5, 3.0, -7.0],
        "i": [7, -7, 0, 3, None, 5, 2, 1],
        "j": [2, 2, 0, 0, 1, -2, 3, 64],
        "s": ["abc", "é", "", None, "日本", "=1", "x y", "a.b"],
        "at": [
            dt.datetime(2024, 1, 1, 0, 59, 59, 999_999), dt.datetime(2024, 1, 1, 1), dt.datetime(2024, 3, 31, 2, 30),
            None, dt.datetime(2024, 10, 27, 2, 30), dt.datetime(2024, 12, 31, 23, 59, 59), dt.datetime(1969, 12, 28),
            dt.datetime(2024, 2, 29, 12),
        ],
        "then": [
            dt.datetime(2024, 1, 1, 1, 0, 0), dt.datetime(2023, 12, 31, 23, 30), dt.datetime(2024, 1, 1), None,
            dt.datetime(2024, 10, 27, 0, 0, 1), dt.datetime(2025, 1, 1), dt.datetime(1970, 1, 5),
            dt.datetime(2023, 2, 28, 13),
        ],
        "zone": [
            "Asia/Kolkata", "America/New_York", "Europe/Berlin", "UTC", "Australia/Lord_Howe", "America/St_Johns", None,
            "Pacific/Chatham",
        ],
}  # fmt: skip
ROWS = ibis.memtable(pa.table(_VALUES, schema=_SCHEMA.to_pyarrow()))  # with NaN and null, which pandas has as one
NONE = ROWS.filter(ROWS.row > 99)
EXPRESSIONS = {
    "division by zero": (ROWS.a / ROWS.b, ROWS.i / ROWS.j, ROWS.a / 2, ROWS.i / 4),
    "whole division and remainder": (ROWS.i // ROWS.j.nullif(0), ROWS.i % ROWS.j, ROWS.i // 2, ROWS.i % 4),
    "numbers in the query": (
        ROWS.i * 2.842224131579679 / (ROWS.i * 2.842224131579679 + 0.7123456789012345), ROWS.b * 1e-7, ROWS.j + 1e22,
        ROWS.i * 0.1, ROWS.j / 3.3, ibis.literal(0.1) + ibis.literal(0.2), ibis.literal(INF), ibis.literal(NAN),
    ),
    "rounding": (ROWS.b.round(), ROWS.a.round(2), (ROWS.b * 100).round(-1), ROWS.i.round()),
    "integers from decimals": (ROWS.a.nullif(NAN).cast("int64"), (ROWS.b + 0.5).cast("int64"), ROWS.b.floor()),
    "missing, and not a number": (ROWS.a.isnull(), ROWS.a.notnull(), ROWS.a.isnan(), ROWS.a.fill_null(9.0)),
    "parts of times": (
        ROWS.at.year(), ROWS.at.quarter(), ROWS.at.month(), ROWS.at.week_of_year(), ROWS.at.day(),
        ROWS.at.day_of_year(), ROWS.at.hour(), ROWS.at.minute(), ROWS.at.second(), ROWS.at.day_of_week.index(),
        (ROWS.at.epoch_seconds() // 900), ROWS.at.date(), ROWS.at.day_of_week.full_name(),
    ),
    "starts of periods": tuple(ROWS.at.truncate(unit) for unit in ("Y", "Q", "M", "W", "D", "h", "m", "s")),
    "differences of times": tuple(
        ROWS.at.delta(ROWS.then, unit=unit)
        for unit in ("year", "quarter", "month", "day", "hour", "minute", "second", "microsecond")
    ),
    "text of times": tuple(ROWS.at.strftime(text) for text in ("%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%HZ", "%Y-%m")),
    "times and intervals": (ROWS.at + ibis.interval(days=3), ROWS.at - ibis.interval(hours=5)),
    "instants": (
        ROWS.at.cast("timestamp('UTC')"), ROWS.at.cast("timestamp('UTC')").cast("timestamp"),
        ibis.literal(dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)), ibis.literal(dt.datetime(2024, 7, 1, 12, 0, 0, 5)),
    ),
    "local time": (local_time(ROWS.at, "Asia/Tokyo"), local_time(ROWS.at, ROWS.zone)),
    "UTC from local time": (utc_from_local(ROWS.then, "America/New_York"), utc_from_local(ROWS.then, "Asia/Shanghai")),
    "text": (ROWS.s.length(), ROWS.s.find("b"), ROWS.s.substr(0, 1), is_ascii(ROWS.s), ROWS.s + "-", ROWS.s.upper()),
    "groups of customers": (hash_group(ROWS.s, "one"), hash_group(ROWS.s, "two", 256)),
    "least and most": (ibis.greatest(ROWS.b, ROWS.i), ibis.least(ROWS.b, 1.0), ROWS.b.clip(lower=0.0)),
    "windows": (
        ROWS.i.sum().over(ibis.window(order_by=ROWS.row)), ROWS.b.lag().over(order_by=ROWS.row),
        ibis.row_number().over(order_by=ibis.desc(ROWS.b)), ibis.rank().over(order_by=ROWS.b),
        ibis.ntile(3).over(order_by=ROWS.row), ROWS.b.max().over(group_by=ROWS.j),
    ),
}  # fmt: skip
SUMMARIES = {
    "without rows": NONE.aggregate(
        n=NONE.count(), some=NONE.count(where=NONE.i > 2), least=NONE.a.min(), most=NONE.i.sum()
    ),
    "with conditions": ROWS.aggregate(
        n=ROWS.count(where=ROWS.i > 2), sum=ROWS.i.sum(where=ROWS.j > 0), mean=ROWS.b.mean(), kinds=ROWS.j.nunique(),
        rounded=total(ROWS.b), spread=ROWS.b.var(), middle=ROWS.b.quantile(0.3), median=ROWS.b.median(),
        most=ROWS.a.max(), yes=(ROWS.b > 0).sum(), first=ROWS.s.argmin(ROWS.row), any=(ROWS.b > 2).any(),
        every=(ROWS.b > 2).all(),
    ),
    "by groups": ROWS.group_by("j").aggregate(n=ROWS.count(), sum=ROWS.i.sum(), mean=ROWS.i.mean()).order_by("j"),
}  # fmt: skip


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    return connect(folder), connect_engine("spark", folder)


def assert_same(engines, rows: ir.Table) -> None:
    here, there = (con.to_pyarrow(rows).to_pandas() for con in engines)
    pd.testing.assert_frame_equal(here, there, rtol=1e-15, check_dtype=False)


@pytest.mark.parametrize("what", EXPRESSIONS)
def test_values_are_the_same(engines, what):
    columns = {f"v{n}": value for n, value in enumerate(EXPRESSIONS[what])}
    assert_same(engines, ROWS.select("row", **columns).order_by("row"))


@pytest.mark.parametrize("what", SUMMARIES)
def test_summaries_are_the_same(engines, what):
    assert_same(engines, SUMMARIES[what])


def test_a_division_by_zero_is_infinite_and_zero_by_zero_not_a_number(engines):
    """The reference itself: what both engines must say."""
    found = engines[1].to_pyarrow((ROWS.a / ROWS.b).name("x").as_table())["x"].to_pylist()
    assert found[:2] == [INF, -INF]
    assert math.isnan(found[2])
    assert found[3] is None
    assert found[5] == 5.0


def test_weeks_between_are_refused(engines):
    """DuckDB has a meaning of its own for them, and nothing asks for it."""
    with pytest.raises(NotImplementedError, match="week"):
        engines[1].compile(ROWS.select(x=ROWS.at.delta(ROWS.then, unit="week")))


def test_text_of_a_time_that_spark_does_not_have_is_refused(engines):
    with pytest.raises(NotImplementedError, match="%b"):
        engines[1].compile(ROWS.select(x=ROWS.at.strftime("%d %b")))
