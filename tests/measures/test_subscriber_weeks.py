"""How often a subscriber is texted: only weeks as a subscriber throughout tell it. Counted by hand."""

import functools

import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.frequency.counts import count_audience, count_schedules, count_today
from smsroi_helpers.frequency.policy import others_share, texts_per_week
from smsroi_helpers.segmentation import find_cuts, known_people

# Four weeks up to Sunday 30 June 2024: texts at noon of Wednesdays (and where more, of the days after).
WEDNESDAYS = pd.to_datetime(["2024-06-05", "2024-06-12", "2024-06-19", "2024-06-26"])
PEOPLE = {  # opted in, opted out, texts by week
    "steady": ("2024-01-01", "", (1, 1, 1, 1)),
    "slipped": ("2024-01-01", "", (0, 2, 1, 1)),  # the first text came a day late: still one a week
    "burst": ("2024-01-01", "", (4, 0, 0, 0)),  # one a week on average, but not evenly
    "double": ("2024-01-01", "", (2, 2, 2, 2)),
    "left": ("2024-01-01", "2024-06-17 09:00", (1, 1, 0, 0)),  # out on a Monday, before the third week's text
    "left_after": ("2024-01-01", "2024-06-05 18:00", (1, 0, 0, 0)),  # out in the first week, after its text
    "joined": ("2024-06-13 08:00", "", (0, 0, 1, 1)),  # in on a Thursday, after the second week's text
}


@pytest.fixture
def shop(make_source, open_source):
    sent = [
        (name, WEDNESDAYS[week] + pd.Timedelta(hours=12, days=k))
        for name, (_in, _out, texts) in PEOPLE.items() for week, n in enumerate(texts) for k in range(n)
    ] + [(f"old{i}", pd.Timestamp("2024-04-03 12:00")) for i in range(2)]  # fmt: skip
    messages = "message_id,customer_id,campaign_id,sent_at\n"
    messages += "".join(f"m{i},{name},k,{at}\n" for i, (name, at) in enumerate(sent))
    customers = "customer_id,region,opted_in_at,opted_out_at\n"
    customers += "".join(f"{name},north,{begun},{ended}\n" for name, (begun, ended, _texts) in PEOPLE.items())
    orders = "order_id,customer_id,ordered_at,amount\n"
    orders += "".join(f"o{i},{name},2024-02-0{i + 1} 10:00,{10 + i}\n" for i, name in enumerate(PEOPLE))
    folder = make_source(messages=messages, customers=customers, orders=orders, source="timezone: UTC\n")
    return open_source(folder, "2024-06-30")


def test_weeks_in_which_somebody_leaves_or_joins_tell_no_frequency(shop):
    practice = measures.find_practice(shop)
    rows = measures.subscriber_weeks(shop, practice, functools.partial(known_people, shop)).execute()
    whole = rows[rows["whole"] == 1].groupby("customer_id")["week"].apply(sorted).to_dict()
    assert whole == {name: [0, 1, 2, 3] for name in ("steady", "slipped", "burst", "double")} | {
        "left": [0, 1], "joined": [2, 3],
    }  # fmt: skip
    assert rows["messages"].sum() == practice.messages == sum(sum(texts) for *_dates, texts in PEOPLE.values())
    today = count_today(shop, practice, "region", find_cuts(shop))
    # Whole weeks by hand: 4 customers of four weeks with 4, 4, 4 and 8 texts; two of two weeks with 2 each.
    assert texts_per_week(today) == pytest.approx((4 + 4 + 4 + 8 + 2 + 2) / (4 * 4 + 2 * 2))
    # Every week that somebody began or was texted in would count the parts of weeks as lower frequencies.
    every = today["messages"].sum() / today["customer_weeks"].sum()
    assert every < texts_per_week(today)
    audience = count_audience(shop, practice, "region", find_cuts(shop))
    got = {(row.weeks, row.texts): row.customers for row in audience.itertuples()}
    assert got == {(4, 4): 3, (4, 8): 1, (2, 2): 1}  # who has left is no subscriber any more


def test_who_is_on_a_schedule_already_is_sent_it_evenly(shop):
    practice = measures.find_practice(shop)
    found = count_schedules(shop, practice, "region", find_cuts(shop), [0.0, 1.0, 2.0])
    others = {row.messages_per_week: (row.customers, row.others) for row in found.itertuples()}
    # None: joined and left had two texts in two weeks, so nobody. One: all but burst and double. Two: double only.
    assert others == {0.0: (6, 6), 1.0: (6, 2), 2.0: (6, 5)}
    assert others_share(found, "all", 1.0) == others_share(found, "north", 1.0) == pytest.approx(2 / 6)
    assert pd.isna(others_share(found, "south", 1.0))


def test_whom_a_plan_explores_with_or_holds_out_is_no_practice_to_change(make_source, open_source):
    """20 customers: 16 are sent one text a week by the plan, 2 are held out, 2 explore with 3 a week."""
    role = {f"c{i}": "plan" if i < 16 else "holdout" if i < 18 else "explore" for i in range(20)}
    texts = {"plan": 1, "holdout": 0, "explore": 3}
    sent = [
        (name, day + pd.Timedelta(hours=12, days=k), "p2")
        for name in role for day in WEDNESDAYS for k in range(texts[role[name]])
    ] + [("c3", pd.Timestamp("2024-04-03 12:00"), "p1")]  # fmt: skip
    messages = "message_id,customer_id,campaign_id,sent_at,plan_id\n"
    messages += "".join(f"m{i},{name},k,{at},{plan}\n" for i, (name, at, plan) in enumerate(sent))
    plans = "plan_id,customer_id,role,probability\n" + "".join(f"p2,{name},{kind},0.5\n" for name, kind in role.items())
    plans += "p1,c0,holdout,0.5\n"  # an earlier plan's holdout is over
    orders = "order_id,customer_id,ordered_at,amount\n"
    orders += "".join(f"o{i},{name},2024-02-{i + 1:02} 10:00,{10 + i}\n" for i, name in enumerate(role))
    files = {"messages": messages, "plans": plans, "orders": orders, "source": "timezone: UTC\n"}
    shop = open_source(make_source(**files), "2024-06-30")
    practice = measures.find_practice(shop)
    today = count_today(shop, practice, "recency", find_cuts(shop))
    assert today["messages"].sum() == practice.messages == 4 * (16 + 2 * 3)  # all are counted as sent
    assert texts_per_week(today) == 1.0  # not 22 texts ÷ 20 customers
    found = count_schedules(shop, practice, "recency", find_cuts(shop), [1.0])
    assert found[["customers", "others"]].sum().tolist() == [16, 0]
