"""Local time and the hash, against Python's own."""

import datetime as dt
import hashlib
import zoneinfo

import ibis
import pandas as pd
import pytest

from smsroi_helpers.engine.duckdb import connect, hash_group, local_time


@pytest.fixture
def con(tmp_path):
    return connect(tmp_path)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_local_time_is_what_the_clock_shows_in_summer_and_winter(con, zone):
    instants = [dt.datetime(2024, month, 10, hour, 15) for month in (1, 3, 7, 11) for hour in (0, 7, 23)]
    rows = con.create_table("instants", pd.DataFrame({"instant": pd.Series(instants, dtype="datetime64[us]")}))
    shown = rows.select(shown=local_time(rows.instant, zone)).execute()["shown"]
    expected = [i.replace(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None) for i in instants]
    assert [moment.to_pydatetime() for moment in shown] == expected


def test_the_zone_can_be_each_customers_own(con):
    rows = con.create_table(
        "people", pd.DataFrame({"at": [pd.Timestamp("2024-06-01 12:00")] * 2, "zone": ["Asia/Tokyo", "Europe/Paris"]})
    )
    for common in ((), ("Asia/Tokyo",)):  # named in the query or not, the clock shows the same
        local = local_time(rows["at"], rows.zone, common)
        assert [m.hour for m in rows.select(local=local).execute()["local"]] == [21, 14]


def test_the_hash_is_pythons_and_its_groups_are_even(con):
    ids = [f"客户-{i}" for i in range(20_000)]
    rows = con.create_table("ids", pd.DataFrame({"customer_id": ids}))
    groups = rows.select("customer_id", group=hash_group(rows.customer_id, "fold", 64)).execute()
    by_hand = [int(hashlib.md5(f"fold:{i}".encode()).hexdigest()[:2], 16) % 64 for i in groups["customer_id"]]
    assert groups["group"].tolist() == by_hand
    counts = groups["group"].value_counts()
    # 20,000 / 64 = 312.5 with a binomial standard deviation of 17.5; five of them.
    assert len(counts) == 64
    assert counts.between(312.5 - 88, 312.5 + 88).all()


def test_two_purposes_are_independent(con):
    rows = con.create_table("ids", pd.DataFrame({"customer_id": [str(i) for i in range(20_000)]}))
    both = rows.select(
        a=hash_group(rows.customer_id, "explore", 2), b=hash_group(rows.customer_id, "holdout", 2)
    ).execute()
    # Correlation of independent halves: standard error 1/√20,000 = .0071.
    assert abs(both["a"].corr(both["b"])) < 4 * 0.0071


def test_groups_that_would_be_uneven_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        hash_group(ibis.literal("a"), "fold", 10)
