"""Roles, days and hours of a plan: independence of what is explored, changes of clocks, public holidays."""

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers import measures
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import Action, Policy
from smsroi_helpers.send_plan.schedule import (
    Calendar,
    Exploration,
    Money,
    Roles,
    assign_actions,
    count_turns,
    divide_customers,
    find_slots,
    policy_rows,
    send_dates,
    send_times,
    write_messages,
)
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.send_plan.weekdays import spread_weekdays

N = 20_000
WINDOWS = ((9, 11), (12, 14), (18, 20))
EXPLORATION = Exploration((0.0, 0.5, 1.0, 2.0), (0, 1), (0, 1, 2, 3), ("ask", "gift", "news", ""))
PLACES = (("Europe/Berlin", "", "careful"), ("America/New_York", "", "US"), ("Europe/Paris", "", "FR"), ("", "", "US"))
TUESDAY = dt.date(2026, 10, 20)
LEVERS = ["dose_number", "window_number", "text_number"]


@pytest.fixture(scope="module")
def shop(read_once):
    return read_once(orders="order_id,customer_id,ordered_at,amount\n1,a,2026-10-01,1\n")


def audience_of(places=PLACES, n=N, usual="America/New_York"):
    """An audience of n customers, spread over places."""
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)], "code": "10", "texts_today": 0.0})
    frame["zone"] = [places[i % len(places)][0] for i in range(n)]
    frame["reason"] = np.where(np.arange(n) % 100 == 99, "no_consent", "")
    table = pd.DataFrame(places, columns=["timezone", "region", "rules"]).assign(mask=range(len(places)))
    masks = tuple(measures.allowed(rules.split()) for _zone, _region, rules in places)
    left = frame.groupby("reason").size().rename("customers").reset_index()
    return Audience(ibis.memtable(frame.assign(area="")), left, table, masks, usual, None)


def assign(shop, audience, name="plan-20261020", roles=Roles(26, 128), weeks=4):  # noqa: B008
    calendar = Calendar(name, TUESDAY, weeks)
    grouping = Grouping("all", np.zeros(1, int), np.ones((1, 1)), ("all",))
    return assign_actions(shop, audience, grouping, pd.Series(["10"]), roles, EXPLORATION, calendar)


@pytest.fixture(scope="module")
def assigned(shop):
    return shop.count(assign(shop, audience_of())).set_index("customer_id").sort_index()


def test_only_the_audience_is_assigned(assigned):
    assert len(assigned) == N - N // 100


def test_roles_are_as_likely_as_written(assigned):
    for role, rows in assigned.groupby("role"):
        p, n = float(rows["probability"].iloc[0]), len(assigned)
        assert (rows["probability"] == p).all()
        assert abs(len(rows) - n * p) < 4 * np.sqrt(n * p * (1 - p)), role
    assert assigned.groupby("role")["probability"].first().sum() == pytest.approx(1)
    assert Roles(26, 128).probability("explore") == (1 - 26 / 256) / 2


def test_roles_stay_and_what_is_explored_is_drawn_anew(shop, assigned):
    later = shop.count(assign(shop, audience_of(), "plan-20261117")).set_index("customer_id").sort_index()
    assert (later["role"] == assigned["role"]).all()
    for lever in LEVERS:
        table = pd.crosstab(later[lever], assigned[lever])
        assert stats.chi2_contingency(table).pvalue > 1e-4


def test_levers_are_independent_of_each_other_and_of_roles(assigned):
    """All 32 combinations are equally likely among those explored."""
    explored = assigned[assigned["role"] == "explore"]
    counts = explored.groupby(LEVERS).size()
    assert len(counts) == 4 * 2 * 4
    assert stats.chisquare(counts).pvalue > 1e-4
    for one, two in itertools.combinations([*LEVERS, "place"], 2):
        assert stats.chi2_contingency(pd.crosstab(explored[one], explored[two])).pvalue > 1e-4
    for lever in LEVERS:
        assert stats.chi2_contingency(pd.crosstab(assigned["role"], assigned[lever])).pvalue > 1e-4


# --- days ---


@pytest.mark.parametrize("texts", np.arange(0.5, 7.1, 0.5))
def test_texts_of_all_weeks_are_as_many_as_planned(texts):
    """On as many different weekdays as are needed, in no week more than the next whole number."""
    calendar = Calendar("p", TUESDAY, 4)
    days = send_times(calendar, texts, spread_weekdays(texts, list(range(7))))
    assert len(days) == len(set(days)) == 4 * texts
    weeks = np.bincount([(day - TUESDAY).days // 7 for day in days], minlength=4)
    assert weeks.max() == np.ceil(texts)
    assert weeks.min() == np.floor(texts)
    assert send_times(calendar, 0.0, ()) == []


def test_weekdays_that_are_needed_are_as_far_apart_as_can_be():
    for texts, days in itertools.product(range(1, 8), range(1, 8)):
        if texts <= days:
            chosen = spread_weekdays(texts, list(range(days)))
            assert len(set(chosen)) == texts
            gaps = np.diff([*chosen, chosen[0] + days])
            assert gaps.max() - gaps.min() <= 1


# --- hours ---


def write(shop, audience, action, weeks=4, roles=Roles(26, 128)):  # noqa: B008
    rows = assign(shop, audience, weeks=weeks, roles=roles)
    masks = range(len(audience.places))
    policy = Policy({(0, mask): action for mask in masks})
    money = {(0, mask, 0): Money(8.0, 80.0) for mask in masks}
    actions = policy_rows(policy, np.arange(0, 2.1, 0.5), EXPLORATION.creatives, money)
    calendar = Calendar("plan-20261020", TUESDAY, weeks)
    slots = find_slots(audience, actions, EXPLORATION, WINDOWS, calendar)
    divided = divide_customers(shop, rows, calendar, count_turns(slots))
    written = write_messages(divided, slots, actions, EXPLORATION, calendar, "sms", ["all"])
    homes = audience.rows.select(person="customer_id", home="zone")
    found = written.join(homes, written.customer_id == homes.person)
    return shop.count(found.order_by("customer_id", "send_at"))


@pytest.fixture(scope="module")
def written(shop):
    """Two texts a week, on Wednesdays and Sundays at 18–20, over the changes of clocks in Europe and in America."""
    return write(shop, audience_of(n=800), Action(4, 2, 1, (2, 6)))


def local(rows):
    zones = rows["home"].replace("", "America/New_York")
    return [at.tz_localize("UTC").tz_convert(ZoneInfo(zone)) for at, zone in zip(rows["send_at"], zones, strict=True)]


def test_the_local_hour_stays_when_clocks_change(written):
    """25 October 2026 in Berlin and Paris, 1 November in New York; who has no zone has the source's."""
    texts = written[(written["role"] == "plan") & written["send_at"].notna()]
    times = local(texts)
    assert {at.hour for at in times} == {18, 19}
    offsets = pd.DataFrame({"zone": texts["home"], "offset": [at.utcoffset() for at in times],
                            "day": [at.date() for at in times]})  # fmt: skip
    for zone, change in (("Europe/Berlin", dt.date(2026, 10, 25)), ("America/New_York", dt.date(2026, 11, 1)),
                         ("", dt.date(2026, 11, 1))):  # fmt: skip
        found = offsets[offsets["zone"] == zone]
        before, after = (found.loc[keep, "offset"].unique() for keep in (found["day"] < change, found["day"] >= change))
        assert len(before) == len(after) == 1
        assert before[0] - after[0] == dt.timedelta(hours=1)
    each = texts.assign(clock=[at.time() for at in times]).groupby("customer_id")["clock"].nunique()
    assert each.max() == 1, "a customer's texts come at the same time of the day"


def test_no_text_comes_on_a_public_holiday(written):
    """In France 1 and 11 November, a Sunday and a Wednesday; what cannot be sent is left out, not moved."""
    texts = written[(written["role"] == "plan") & written["send_at"].notna()]
    days = {zone: set() for zone in texts["home"].unique()}
    for at, zone in zip(local(texts), texts["home"], strict=True):
        days[zone].add(at.date())
    assert dt.date(2026, 11, 11) in days["Europe/Berlin"]
    assert days["Europe/Paris"] == days["Europe/Berlin"] - {dt.date(2026, 11, 1), dt.date(2026, 11, 11)}


def test_who_is_explored_gets_no_text_at_an_hour_that_is_closed(written):
    explored = written[(written["role"] == "explore") & written["send_at"].notna()]
    rules = {zone: names for zone, _region, names in PLACES}
    for at, zone in zip(local(explored), explored["home"], strict=True):
        assert measures.allowed_on([rules[zone]], at.date())[at.hour]


def test_times_are_spread_over_the_window(written):
    texts = written[(written["role"] == "plan") & written["send_at"].notna()].drop_duplicates("customer_id")
    minutes = np.array([60 * at.hour + at.minute for at in local(texts)]) - 18 * 60
    assert stats.kstest(minutes / 120, "uniform").pvalue > 1e-4


def test_the_promise_is_divided_among_the_texts(written):
    of_plan = written[written["role"] == "plan"]
    each = of_plan.groupby("customer_id")[["expected_profit", "expected_long_run"]].sum()
    assert np.allclose(each, [8.0, 80.0])
    others = written[written["role"] != "plan"]
    held_out = others["role"] == "holdout"
    amounts = others[["expected_profit", "expected_long_run"]]
    assert (amounts[held_out] == 0).all(axis=None)
    assert amounts[~held_out].isna().all(axis=None), "what is explored promises nothing"


def test_a_text_without_a_name_has_no_variant(written):
    explored = written[(written["role"] == "explore") & written["send_at"].notna()]
    assert set(explored["variant"].dropna()) == {"ask", "gift", "news"}
    assert explored["variant"].isna().any()


def test_who_gains_by_no_text_has_one_row_that_says_so(shop):
    found = write(shop, audience_of(n=200), Action(0, 0, 0, ()), roles=Roles(26, 0))
    assert found["customer_id"].is_unique
    assert found["send_at"].isna().all()
    assert set(found["reason"]) == {"holdout", "no_gain"}
    assert found["variant"].isna().all()


def test_weekdays_of_one_action_are_spread_over_customers(shop):
    """Two texts a week on any weekday: each customer on two of them, all together on each alike, holidays aside.

    Those explored with, too: few share a frequency and an hour, and the first hour is not allowed on weekends.
    """
    found = write(shop, audience_of(places=PLACES[:1], n=1_400), Action(4, 2, 1, tuple(range(7))), weeks=1)
    texts = found[(found["role"] == "plan") & found["send_at"].notna()]
    assert set(texts.groupby("customer_id")["weekday"].nunique()) == {2}
    by_weekday = texts["weekday"].value_counts().reindex(range(7), fill_value=0)
    assert stats.chisquare(by_weekday).pvalue > 1e-4
    explored = found[(found["role"] == "explore") & found["send_at"].notna()]
    for hour, days in ((9, 5), (12, 7)):
        at = explored[explored["hour"] == hour]
        assert stats.chisquare(at["weekday"].value_counts().reindex(range(days), fill_value=0)).pvalue > 1e-4
        assert stats.chi2_contingency(pd.crosstab(at["texts_per_week"], at["weekday"])).pvalue > 1e-4


def test_fractions_of_texts_do_not_prefer_a_weekday():
    """1.5 texts a week on any of five: the second text of every other week falls on each alike."""
    calendar = Calendar("p", TUESDAY, 2)
    days = [day.weekday() for dates in send_dates(calendar, (), 1.5, range(5)) for day in dates]
    assert sorted(np.bincount(days, minlength=7)) == [0, 0, 3, 3, 3, 3, 3]


def test_customers_of_an_action_begin_at_each_of_its_weekdays_alike(shop):
    """Four weekdays, one text a week: a quarter on each."""
    found = write(shop, audience_of(places=PLACES[1:2], n=2_000), Action(2, 2, 1, (0, 2, 3, 5)), weeks=1)
    sent = found[(found["role"] == "plan") & found["send_at"].notna()]
    counted = sent["weekday"].value_counts()
    assert set(counted.index) == {0, 2, 3, 5}
    assert counted.max() - counted.min() <= 1
