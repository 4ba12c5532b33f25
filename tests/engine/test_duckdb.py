"""Local time and the hash against Python's own; queries and files; what the engine refuses."""

import datetime as dt
import hashlib
import zoneinfo

import ibis
import pandas as pd
import pytest

from smsroi_helpers.engine.duckdb import (
    EngineIOError,
    connect,
    copy_to_parquet,
    hash_group,
    is_ascii,
    local_time,
    may_be_set,
    normalise_nfc,
    total,
    utc_from_local,
    utc_from_local_read,
    utc_from_offset,
)


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
    local = local_time(rows["at"], rows.zone)
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


def test_a_clock_and_its_instant_are_each_other_s(con):
    clocks = [dt.datetime(2024, month, 10, 6, 15) for month in (1, 7)]
    rows = con.create_table("clocks", pd.DataFrame({"clock": pd.Series(clocks, dtype="datetime64[us]")}))
    for zone in ("UTC", "America/New_York", "Asia/Shanghai"):
        instant = utc_from_local(rows.clock, zone)
        read = utc_from_local_read(rows.clock, zone)
        found = rows.select(instant=instant, back=local_time(instant, zone), read=read).execute()
        assert found["read"].equals(found["instant"])
        expected = [c.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC).replace(tzinfo=None) for c in clocks]
        assert [moment.to_pydatetime() for moment in found["instant"]] == expected
        assert [moment.to_pydatetime() for moment in found["back"]] == clocks


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "Asia/Shanghai"]
)
def test_every_time_that_the_clock_skips_or_repeats_is_on_a_day_when_it_may_be_set(con, zone):
    """Each half hour from 1999 to 2041, converted there and back; Lord Howe moves its clock half an hour."""
    clocks = con.sql(
        "SELECT unnest(range(TIMESTAMP '1999-06-01', TIMESTAMP '2041-06-01', INTERVAL 30 MINUTE)) AS clock"
    )
    instant, hour = utc_from_local(clocks.clock, zone), ibis.interval(hours=1)
    half = ibis.interval(minutes=30)
    skipped = local_time(instant, zone) != clocks.clock
    repeated = [local_time(instant + step, zone) == clocks.clock for step in (hour, -hour, half, -half)]
    rows = clocks.select(
        set=ibis.or_(skipped, *repeated), may=may_be_set(clocks.clock, zone), known=clocks.clock.year()
    )
    found = rows.filter(rows.known.between(2000, 2040)).aggregate(
        set=rows["set"].sum(), missed=(rows["set"] & ~rows.may).sum(), may=rows.may.mean()
    ).execute().iloc[0]  # fmt: skip
    assert found["missed"] == 0
    assert (found["set"] > 0) == (zone != "Asia/Shanghai")
    assert found["may"] < 0.01  # and hardly any other day is looked at


def test_an_instant_with_its_offset_is_stored_in_utc(con):
    rows = con.sql("SELECT TIMESTAMPTZ '2024-03-05 23:30:00+08:00' AS at")
    assert rows.select(at=utc_from_offset(rows["at"])).execute()["at"].iloc[0] == pd.Timestamp("2024-03-05 15:30")


def test_an_instant_without_end_is_none(con):
    rows = con.sql("SELECT unnest(['infinity', '-infinity'])::TIMESTAMPTZ AS at")
    assert rows.select(at=utc_from_offset(rows["at"])).execute()["at"].isna().all()


def test_text_is_composed_and_known_to_be_ascii_or_not(con):
    rows = con.create_table("texts", pd.DataFrame({"text": ["plain", "e\u0301", "客"]}))
    found = rows.select("text", one=normalise_nfc(rows.text), ascii=is_ascii(rows.text)).execute().set_index("text")
    assert found["one"].to_dict() == {"plain": "plain", "e\u0301": "\u00e9", "客": "客"}
    assert found["ascii"].to_dict() == {"plain": True, "e\u0301": False, "客": False}


def test_a_total_leaves_no_trace_of_the_order(con):
    rows = con.create_table("amounts", pd.DataFrame({"amount": [0.1, 0.2, 0.3, 5.0]}))
    found = rows.aggregate(all=total(rows.amount), small=total(rows.amount, where=rows.amount < 1)).execute()
    assert found.iloc[0].tolist() == [5.6, 0.6]


def test_a_query_is_copied_into_a_file_whatever_its_name(con, tmp_path):
    rows = con.create_table("numbers", pd.DataFrame({"n": [1, 2, 3]}))
    file = tmp_path / "it's a file.parquet"
    copy_to_parquet(con, con.compile(rows.filter(rows.n > 1)), file)
    assert con.read_parquet(file).n.sum().execute() == 5
    with pytest.raises(EngineIOError):
        copy_to_parquet(con, "SELECT 1", tmp_path / "no such folder" / "x.parquet")


def test_no_query_makes_the_engine_fetch_code(con):
    assert con.raw_sql("SELECT current_setting('autoinstall_known_extensions')").fetchone() == (False,)
    assert con.raw_sql("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
