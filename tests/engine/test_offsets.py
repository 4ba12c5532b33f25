"""Local time by offsets is that of the engine's own function, inside and outside the span."""

import datetime as dt

import ibis
import pytest

from smsroi_helpers.engine import local_time, local_time_within
from smsroi_helpers.engine.offsets import offsets

SPAN = (dt.datetime(2023, 3, 5, 17, 30), dt.datetime(2025, 10, 20))


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata",
     "UTC"],
)  # fmt: skip
def test_every_instant_has_the_engines_local_time(tmp_path, zone):
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    rows = con.sql(
        "SELECT unnest(range(TIMESTAMP '2022-12-01', TIMESTAMP '2026-06-01', INTERVAL '17 minutes 3 seconds')) AS t"
        " UNION ALL SELECT NULL"
    )
    both = rows.mutate(fast=local_time_within(rows.t, zone, SPAN), slow=local_time(rows.t, zone))
    assert both.count().execute() > 100_000
    assert both.filter(~both.fast.identical_to(both.slow)).count().execute() == 0


@pytest.mark.parametrize(("seconds", "expected"), [(-1, "2025-10-26 02:59:59"), (0, "2025-10-26 02:00:00")])
def test_a_change_of_the_clock_is_exact_to_the_second(seconds, expected):
    """In Berlin the clock was set back from 3:00 to 2:00 on 26 October 2025, at 1:00 UTC."""
    span = (dt.datetime(2025, 6, 1), dt.datetime(2025, 12, 1))
    assert offsets("Europe/Berlin", span) == ((span[0], 7_200), (dt.datetime(2025, 10, 26, 1), 3_600))
    row = ibis.duckdb.connect().sql(f"SELECT TIMESTAMP '2025-10-26 01:00:00' + INTERVAL '{seconds} seconds' AS t")
    local = row.select(local=local_time_within(row.t, "Europe/Berlin", span)).execute()["local"].item()
    assert str(local) == expected


def test_the_last_day_of_a_span_need_not_be_whole():
    """The clock is set on the last, unfinished day of the span."""
    span = (dt.datetime(2025, 10, 1, 12), dt.datetime(2025, 10, 26, 3))
    assert offsets("Europe/Berlin", span)[-1] == (dt.datetime(2025, 10, 26, 1), 3_600)
