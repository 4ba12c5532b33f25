"""The plan of a win-back test against plain pandas, and its advice where there are too few customers."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import find_valid_tests
from smsroi_helpers.retention import plan_wording, planning, wording
from smsroi_helpers.segmentation import Cuts
from tests.experiment_sources import write_tests
from tests.retention.samples import START
from tests.retention.test_texting import STANDING

AS_OF = START + dt.timedelta(days=299)
SINCE = 300 - 56  # the day from which the weeks just behind count


@pytest.fixture(scope="module")
def company():
    """Purchases and texts of 600 customers at random, of whom every fourth is never texted and every tenth opts out."""
    rng = np.random.default_rng(3)
    orders = pd.DataFrame({"customer": rng.integers(0, 600, 1_500), "day": rng.integers(0, 300, 1_500)})
    texts = pd.DataFrame({"customer": rng.integers(0, 600, 900), "day": rng.integers(200, 300, 900)})
    texts = texts[texts["customer"] % 4 > 0]
    out = pd.DataFrame({"customer": np.arange(0, 600, 10), "day": rng.integers(100, 300, 60)})
    return orders, texts, out


def lines(header, frame, row):
    return header + "\n" + "".join(row(i, one) + "\n" for i, one in enumerate(frame.itertuples()))


CUTS = Cuts(dormant_after_days=60, lost_after_days=120)


def shop_of(company, read_once, undelivered=()):
    orders, texts, out = company

    def when(one):
        return f"{START + dt.timedelta(days=int(one.day))} 12:00:00"

    return read_once(
        orders=lines("order_id,customer_id,ordered_at,amount", orders, lambda i, x: f"{i},c{x.customer},{when(x)},10"),
        messages=lines(
            "message_id,customer_id,campaign_id,channel,sent_at,cost,delivered_at", texts,
            lambda i, x: f"{i},c{x.customer},k,sms,{when(x)},0.05,{'' if x.customer in undelivered else when(x)}",
        ),
        customers=lines("customer_id,opted_out_at", out, lambda i, x: f"c{x.customer},{when(x)}"),
        as_of=str(AS_OF), source="margin: 0.5\n",
    )  # fmt: skip


def plan_of(company, read_once, undelivered=()):
    return planning.plan_win_back(shop_of(company, read_once, undelivered), CUTS, "sms")


def inactive(company, day):
    """Who had bought, but not in the last 60 days up to a day (that day included), and had not opted out."""
    orders, _texts, out = company
    last = orders[orders["day"] <= day].groupby("customer")["day"].max()
    return set(last[day - last + 1 > 60].index) - set(out.loc[out["day"] <= day, "customer"])


def test_who_comes_back_is_counted_with_texts_and_without(company, read_once):
    plan, (orders, texts, _out) = plan_of(company, read_once), company
    watched, now = inactive(company, SINCE - 1), inactive(company, 299)
    bought = set(orders.loc[orders["day"] >= SINCE, "customer"])
    untexted = watched - set(texts.loc[texts["day"] >= SINCE, "customer"])
    assert (plan.since, plan.until) == (START + dt.timedelta(days=SINCE), AS_OF)
    assert (plan.watched, plan.untexted, plan.inactive) == (len(watched), len(untexted), len(now))
    assert plan.entered == len(now - watched)
    assert plan.returned == pytest.approx(len(watched & bought) / len(watched))
    assert plan.untexted_returned == pytest.approx(len(untexted & bought) / len(untexted))
    assert 10 < len(untexted) < len(watched) - 10
    assert plan.cost == pytest.approx(4 * 0.05)
    # The plan rests on those without texts: Fleiss, with their share.
    base = len(untexted & bought) / len(untexted)
    money = 5 * orders[(orders["day"] >= SINCE) & orders["customer"].isin(watched)].shape[0] / len(watched & bought)
    assert plan.difference == pytest.approx(max(0.2 / money, 0.1 * base))
    needed = 4 * (1.959964 + 0.841621) ** 2 * base * (1 - base) / plan.difference**2
    assert plan.customers == pytest.approx(needed, abs=1.1)
    words = plan_wording.plan_words(plan, "USD")
    assert "By themselves" not in words
    assert "With the texts they got" in words
    assert "observational" in words
    alone = plan_wording.plan_words(dataclasses.replace(plan, untexted=plan.watched), "USD")
    assert "Without any text, " in alone
    assert "texts they got" not in alone


def test_inactive_customers_whom_no_list_has_are_counted_apart(company, read_once):
    """Customers with at least three texts, none of them delivered."""
    orders, texts, out = company
    few = sorted(inactive(company, 299) & set(texts["customer"]))[:40]
    more = pd.DataFrame({"customer": np.repeat(few, 3), "day": 298})
    lost = (orders, pd.concat([texts[~texts["customer"].isin(few)], more], ignore_index=True), out)
    plan = plan_of(lost, read_once, undelivered=few)
    before = plan_of(company, read_once)
    assert (before.out_of_reach, plan.out_of_reach) == (0, 40)
    assert plan.inactive == before.inactive - 40 == len(inactive(company, 299)) - 40
    shop = shop_of(lost, read_once, undelivered=few)
    listed = set(shop.count(planning.inactive_customers(shop, CUTS, test=True))["customer_id"])
    assert len(listed) == plan.inactive
    said = plan_wording.plan_words(plan, "USD")
    assert f"{plan.inactive} are inactive and may be texted." in said
    assert "Another 40 are inactive and subscribed, but on no list" in said
    assert "Another" not in plan_wording.plan_words(before, "USD")


class Page:
    """A study without a test, as far as the decisions need it."""

    cuts, people, won_back, retained, association, model = Cuts(60, 120), 5_000, (), (), None, None

    def __init__(self, plan):
        self.plan = plan


@pytest.mark.parametrize(("entered", "customers", "expected"), [
    (800, 1_000, "half of them left alone"),
    (800, 3_000, "at random: the test takes about 7 months"),  # 2,000 ÷ 100 a week = 20 weeks, and 8
    (40, 22_000, "Do nothing special"),
    (0, 3_000, "Do nothing special"),
    (40, np.nan, "Do nothing special"),
])  # fmt: skip
def test_no_test_is_advised_that_needs_more_customers_than_there_will_be(entered, customers, expected):
    plan = planning.WinBackPlan(
        weeks=8, texts=4, inactive=1_000, entered=entered, since=AS_OF, until=AS_OF, watched=900, returned=0.12,
        untexted=500, untexted_returned=0.1, profit=20.0, cost=0.1, break_even=0.005, difference=0.02,
        customers=customers,
    )  # fmt: skip
    decided = wording.decide(Page(plan), "USD")[0]
    assert expected in decided.action
    if customers == 22_000:
        assert "22,000" in decided.text
        assert "1,000 are inactive" in decided.text
        assert "9.4 percentage points or more" in decided.text  # 2 · √22


def test_the_list_is_everybody_inactive_who_may_be_texted_with_the_weeks_since_the_last_purchase(company, read_once):
    shop, (orders, _texts, _out) = shop_of(company, read_once), company
    rows = shop.count(planning.inactive_customers(shop, CUTS, test=False)).set_index("customer_id")
    last = orders.groupby("customer")["day"].max()
    expected = inactive(company, 299)
    assert set(rows.index) == {f"c{one}" for one in expected}
    silent = {f"c{one}": (299 - last[one]) / 7 for one in expected}
    assert rows["silent_weeks"].to_dict() == pytest.approx(silent)
    groups = {name: "lost" if weeks * 7 + 1 > 120 else "dormant" for name, weeks in silent.items()}
    assert rows["rfm_group"].to_dict() == groups
    assert set(groups.values()) == {"dormant", "lost"}
    assert rows["arm"].isna().all()
    dormant = shop.count(planning.inactive_customers(shop, CUTS, test=False, groups=("dormant",)))
    assert set(dormant["customer_id"]) == {name for name, group in groups.items() if group == "dormant"}


def test_the_test_draws_halves_that_a_later_run_does_not_change(company, read_once):
    shop = shop_of(company, read_once)
    first, later = (
        shop.count(planning.inactive_customers(shop, cuts, test=True)).set_index("customer_id")["arm"]
        for cuts in (CUTS, Cuts(dormant_after_days=90, lost_after_days=120))
    )
    assert len(first) > len(later) > 100
    assert set(first) == {"texted", "not_texted"}
    assert abs((first == "texted").mean() - 0.5) < 4 * 0.5 / len(first) ** 0.5
    assert first[later.index].equals(later)


@pytest.mark.parametrize(
    ("ended", "arms", "valid", "listed"),
    [
        (False, {"out": 60, "in": 90}, True, set()),
        (False, {"out": 60, "in": 600}, False, set()),
        (True, {"out": 60, "in": 90}, True, {"out"}),
    ],
)
def test_nobody_whom_a_running_test_leaves_alone_is_listed(make_source, open_source, ended, arms, valid, listed):
    shop = open_source(write_tests(make_source, standing={**STANDING, "arms": arms, "ended": ended}))
    assert bool(find_valid_tests(shop)) == valid
    rows = shop.count(planning.inactive_customers(shop, Cuts(dormant_after_days=1, lost_after_days=2), test=False))
    found = {name.split("-")[1].rstrip("0123456789") for name in rows["customer_id"]}
    assert "in" in found
    assert found & {"out"} == listed


def test_the_plan_says_where_its_increase_comes_from():
    plan = planning.WinBackPlan(8, 4, 1000, 200, AS_OF, AS_OF, 900, 0.1, 900, 0.094, 20.0, 0.1, 0.005, 0.0094, 3000.0)
    assert "The test is planned for 0.94 percentage points, a tenth of the 9.4% who bought." in plan_wording.plan_words(
        plan, "USD"
    )
    dear = dataclasses.replace(plan, break_even=0.02, difference=0.02)
    assert "The test is planned for that rise." in plan_wording.plan_words(dear, "USD")
    assert "The test is planned" not in plan_wording.plan_words(dataclasses.replace(plan, cost=0.0), "USD")
