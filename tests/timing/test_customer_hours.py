"""Each customer's send hour: always an allowed one, and none without a response curve."""

import zoneinfo

import numpy as np
import pandas as pd

from smsroi_helpers.measures import quiet_hours
from smsroi_helpers.timing import personal_send_time, study
from smsroi_helpers.timing import tables as timing_tables
from smsroi_helpers.timing.customer_hours import customer_send_hours, share_moved
from smsroi_helpers.timing.decision import HourDecision
from tests.timing.samples import ORDERS, messages_at, orders_of, persons_of


def test_own_hours_are_used_after_a_test_and_are_always_allowed(make_source, open_source, tmp_path):
    shop, personal = persons_of(make_source, open_source)
    assert personal.overall.low > 0
    assert personal.slope.low > 1  # each customer's curve is steeper than the mixture that the segment's is
    assert personal.used
    shop.write(customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    people = shop.customers.execute().fillna({"timezone": "", "region": ""})
    hours = pd.read_parquet(tmp_path / "hours.parquet").merge(people, on="customer_id", how="left")
    assert len(hours) == hours["customer_id"].nunique() == 900
    number = hours["customer_id"].str[1:].astype(int)
    assert (hours["basis"] == "personal").mean() > 0.9
    late = hours.groupby(number % 2)["hour"].mean()
    assert late[1] - late[0] > 2
    for row in hours.itertuples():
        week = quiet_hours.allowed(quiet_hours.rule_of(row.timezone or "UTC", row.region))
        assert row.weekdays == " ".join(str(day) for day in week[:, row.hour].nonzero()[0]) != "", row
    page = timing_tables.personal_table(personal).markup
    assert "So own hours are used" in page
    assert 0.5 < share_moved(personal) <= 1


def test_hours_are_allowed_in_every_zone(make_source, open_source, tmp_path):
    """One customer in each zone of the countries with rules, and elsewhere; the best hours are at night."""
    zones = [zone for zone in sorted(zoneinfo.available_timezones()) if quiet_hours.territory_of(zone) in ("US", "CN")]
    zones += ["Europe/Paris", "Asia/Tokyo", "Pacific/Auckland", ""]
    assert len(zones) > 30
    rows = "".join(f"c{i},{zone},2026-01-01\n" for i, zone in enumerate(zones))
    orders = ORDERS + "".join(f"o{i},c{i},2026-01-03 03:00:00,5\n" for i in range(len(zones)))
    shop = open_source(make_source(orders=orders, customers="customer_id,timezone,joined_at\n" + rows))
    curve = pd.DataFrame({"hour": range(24), "until": range(1, 25), "rate": np.linspace(0.06, 0.05, 24)})
    nothing, unknown = pd.DataFrame(), personal_send_time.Estimate()
    personal = personal_send_time.PersonalHours(shop.orders, nothing, nothing, unknown, unknown, {"all": curve})
    shop.write(customer_send_hours(shop, personal, "rfm_group"), tmp_path / "hours.parquet")
    hours = pd.read_parquet(tmp_path / "hours.parquet").set_index("customer_id")
    for i, zone in enumerate(zones):
        rules = quiet_hours.rule_of(zone or "UTC", "")
        row = hours.loc[f"c{i}"]
        days = [int(day) for day in row["weekdays"].split()]
        assert days
        assert quiet_hours.allowed(rules)[days, row["hour"]].all(), zone
        assert row["rules"] == " ".join(rules)
    free = customer_send_hours(shop, personal, "rfm_group", ruled=False).execute()
    assert set(free["hour"]) == {0}, "of another channel the best hour may be at night"
    assert set(free["rules"]) == {""}


def test_the_decision_for_the_customers_segment_stands_beside_the_hour(make_source, open_source):
    """Who is told to keep today's hours is not given another one as if it had been decided."""
    rows = "".join(f"c{i},America/New_York,New York,{kind}\n" for i, kind in enumerate("aabbcd"))
    customers = "customer_id,timezone,region,attr_kind\n" + rows
    orders = ORDERS + "".join(f"o{i},c{i},2026-01-03 03:00:00,5\n" for i in range(6))
    shop = open_source(make_source(orders=orders, customers=customers))
    curve = pd.DataFrame({"hour": range(24), "until": range(1, 25), "rate": np.linspace(0.06, 0.05, 24)})
    nothing, unknown = pd.DataFrame(), personal_send_time.Estimate()
    personal = personal_send_time.PersonalHours(
        shop.orders, nothing, nothing, unknown, unknown, dict.fromkeys(("all", "a", "b", "c"), curve)
    )
    decisions = [
        HourDecision("all", "dont", "no_gain_possible", "modelled", 2),
        HourDecision("a", "do", "better_hour", "modelled", 2),
        HourDecision("b", "not_enough_evidence", "not_covered", "modelled", 2),
    ]
    rows = customer_send_hours(shop, personal, "attr_kind", decisions=decisions).execute().set_index("customer_id")
    # c has a curve and no decision; d has neither, so all customers' hour and decision are its own.
    assert rows["outcome"].reindex([f"c{i}" for i in range(6)]).tolist() == [
        "do", "do", "not_enough_evidence", "not_enough_evidence", "not_enough_evidence", "dont",
    ]  # fmt: skip
    assert rows["basis"].loc[["c0", "c2", "c4", "c5"]].tolist() == ["segment", "segment", "segment", "all"]
    assert rows["segment"].loc[["c0", "c2", "c4", "c5"]].tolist() == ["a", "b", "c", "d"]
    assert set(customer_send_hours(shop, personal, "attr_kind").execute()["outcome"]) == {"not_enough_evidence"}


def test_a_segment_that_follows_all_customers_has_their_hour_and_decision(make_source, open_source):
    """The advice for it is the hour of all, so its customers are to be texted at that and not at their segment's."""
    rows = "".join(f"c{i},America/New_York,New York,{kind}\n" for i, kind in enumerate("aabb"))
    customers = "customer_id,timezone,region,attr_kind\n" + rows
    orders = ORDERS + "".join(f"o{i},c{i},2026-01-03 03:00:00,5\n" for i in range(4))
    shop = open_source(make_source(orders=orders, customers=customers))
    late = pd.DataFrame({"hour": range(24), "until": range(1, 25), "rate": np.linspace(0.05, 0.06, 24)})
    early = late.assign(rate=np.linspace(0.06, 0.05, 24))
    nothing, unknown = pd.DataFrame(), personal_send_time.Estimate()
    curves = {"all": late, "a": early, "b": early}
    personal = personal_send_time.PersonalHours(shop.orders, nothing, nothing, unknown, unknown, curves)
    decisions = [
        HourDecision("all", "do", "better_hour", "modelled", 2),
        HourDecision("a", "not_enough_evidence", "undecided", "modelled", 2, follows_all=True),
        HourDecision("b", "not_enough_evidence", "not_covered", "modelled", 2),
    ]
    rows = customer_send_hours(shop, personal, "attr_kind", decisions=decisions).execute().set_index("customer_id")
    assert rows.loc[["c0", "c1"], ["segment", "outcome", "basis"]].to_numpy().tolist() == [["a", "do", "all"]] * 2
    assert rows.loc["c2", ["outcome", "basis"]].tolist() == ["not_enough_evidence", "segment"]
    assert set(rows.loc[["c0", "c1"], "hour"]) == {20}  # New York allows texts from 8 to 21
    assert set(rows.loc[["c2", "c3"], "hour"]) == {8}


def test_without_a_response_no_customer_gets_an_hour(make_source, open_source):
    shop = open_source(make_source(orders=orders_of(), messages=messages_at([10])))
    seen = study.analyse(shop)
    personal = personal_send_time.analyse_personal_send_times(shop, seen, "rfm_group")
    rows = customer_send_hours(shop, personal, "rfm_group")
    assert rows.count().execute() == 0
