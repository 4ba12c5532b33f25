"""What texts do in tests against counting by hand, and the adjusted log against a world without an effect."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.retention import decision, observational, planning, texting, win_back, wording
from smsroi_helpers.segmentation import Cuts, find_cuts
from smsroi_helpers.statistics import GROUPS, difference_of_rates
from tests.experiment_sources import END, START, write_tests

STANDING = {
    "arms": {"out": 600, "in": 900}, "kind": "holdout", "control": "out", "shares": {"out": 0.4, "in": 0.6},
    "messages": {"out": 0.0, "in": 1.0}, "orders": {"out": 0.15, "in": 0.35}, "before": {"out": 0.3, "in": 0.3},
}  # fmt: skip


@pytest.fixture
def shop(make_source, open_source):
    return open_source(
        write_tests(make_source, standing=STANDING, broken={**STANDING, "arms": {"out": 900, "in": 600}})
    )


def test_retention_is_counted_by_hand_in_valid_tests_only(shop):
    holdouts = texting.find_holdouts(shop)
    assert [(one.name, without) for one, without in holdouts] == [("standing", ("out",))]
    found = {row.what: row for row in texting.measure_retention(shop, holdouts, 100)}
    days = (END.date() - START.date()).days // 2  # at most half of the test
    orders = shop.orders.select("customer_id", "ordered_at").to_pandas()
    late = orders[(orders["ordered_at"] >= END - dt.timedelta(days=days)) & (orders["ordered_at"] < END)]
    bought = {arm: late["customer_id"].str.startswith(f"standing-{arm}").sum() for arm in ("in", "out")}
    assert found["custom"].rates == (bought["in"] / 900, bought["out"] / 600)
    expected = difference_of_rates([bought["in"]], [900], [bought["out"]], [600])
    assert found["custom"].difference == pytest.approx([expected.estimate[0], expected.low[0], expected.high[0]])
    assert found["custom"].difference[1] > 0
    assert decision.decide_texting(list(found.values())).outcome == "do"


def test_the_interval_shown_is_the_one_that_decides(make_source, open_source):
    """Two running tests: Robbins' boundary of each, written out, at half of 5 %; the fixed interval excludes 0."""
    tests = {
        name: {**STANDING, "orders": {"out": 0.15, "in": share}, "ended": False, "seed": seed}
        for name, share, seed in (("a", 0.30, 1), ("b", 0.8, 2))
    }
    shop = open_source(write_tests(make_source, **tests))
    holdouts = texting.find_holdouts(shop)
    found = {row.experiment: row for row in texting.measure_retention(shop, holdouts, 1_000) if row.what == "custom"}
    assert set(found) == {"a", "b"}
    for row in found.values():
        assert (row.comparisons, row.always_valid) == (2, True)
        (p1, p0), (n1, n0) = row.rates, row.customers
        weeks = ((shop.as_of - START.date()).days + 1) / 7  # since everybody's assignment
        tuned = -2 * np.log(0.05) + np.log(-2 * np.log(0.05)) + 1  # at eight weeks
        r = tuned * weeks / 8
        error = np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
        half_width = error * np.sqrt((1 + 1 / r) * np.log((1 + r) / 0.025**2))
        assert row.difference == pytest.approx((p1 - p0, p1 - p0 - half_width, p1 - p0 + half_width))
    a, b = found["a"], found["b"]
    assert difference_of_rates([a.rates[0] * 900], [900], [a.rates[1] * 600], [600]).low[0] > 0
    assert decision.decide_texting([a]).reason == "undecided"
    assert a.difference[1] < 0 < a.difference[2]
    assert decision.decide_texting([b]).reason == "retains"


def test_win_back_is_of_those_inactive_before_the_assignment(shop):
    """Cut-offs that make everybody who bought more than a month before the test inactive."""
    cuts = Cuts(dormant_after_days=1, lost_after_days=15)
    rows = {row.segment: row for row in win_back.measure_win_back(shop, texting.find_holdouts(shop), cuts)}
    orders = shop.orders.select("customer_id", "ordered_at").to_pandas()
    orders = orders[orders["customer_id"].str.startswith("standing-")]
    last = orders[orders["ordered_at"] < START].groupby("customer_id")["ordered_at"].max()
    inactive = last[(START.date() - dt.timedelta(days=1) - last.dt.date).map(lambda x: x.days) + 1 > 1].index
    during = orders[(orders["ordered_at"] >= START) & orders["customer_id"].isin(inactive)]["customer_id"].unique()
    for place, arm in enumerate(("in", "out")):
        own = [name for name in inactive if name.startswith(f"standing-{arm}")]
        assert rows["inactive"].customers[place] == len(own)
        assert rows["inactive"].rates[place] == pytest.approx(np.isin(own, during).mean())
    assert rows["inactive"].total[0] == pytest.approx(rows["inactive"].profit[0] * rows["inactive"].customers[0])


def test_a_test_that_leaves_nobody_without_texts_decides_nothing(make_source, open_source):
    shop = open_source(write_tests(make_source, texts={"arms": {"a": 300, "b": 300}, "messages": {"a": 1.0, "b": 1.0}}))
    assert texting.find_holdouts(shop) == []
    assert texting.measure_retention(shop, [], 10) == []
    assert win_back.measure_win_back(shop, [], find_cuts(shop)) == []
    assert decision.decide_texting([]).reason == "no_test"


def won_back(**changed):
    row = {
        "experiment": "x", "segment": "inactive", "customers": (500, 400), "rates": (0.2, 0.1),
        "difference": (0.1, 0.05, 0.15), "profit": (2.0, 1.0, 3.0), "days": 56.0, "few": False,
    }  # fmt: skip
    return win_back.WonBack(**{**row, **changed})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("do", "gain")),
        ({"profit": (-2.0, -3.0, -1.0)}, ("dont", "loss")),
        ({"profit": (2.0, -0.1, 4.1)}, ("not_enough_evidence", "undecided")),
        ({"few": True}, ("not_enough_evidence", "few")),
        ({"profit": (np.nan,) * 3}, ("not_enough_evidence", "no_profit")),
        # A running test is read again every night: its always-valid interval decides.
        ({"always": (2.0, -1.0, 5.0)}, ("not_enough_evidence", "undecided")),
        ({"segment": "lost"}, ("not_enough_evidence", "no_test")),
    ],
)
def test_the_decision_on_win_back(changed, expected):
    class Found:
        cuts, plan, won_back = Cuts(90, 180), None, [won_back(**changed)]

    found = decision.decide_win_back(Found)
    assert (found.outcome, found.reason) == expected


@pytest.mark.parametrize(
    ("groups", "profit", "action", "unknown"),
    [
        (("dormant", "lost"), 2.0, "Text dormant and lost customers: ", ""),
        (("dormant",), 2.0, "Text dormant customers: ", "hardly any lost customers"),
        (("lost",), 2.0, "Text lost customers: ", "hardly any dormant customers"),
        (("dormant",), -2.0, "Leave dormant customers alone: ", "hardly any lost customers"),
    ],
)
def test_the_advice_on_winning_back_is_of_the_groups_that_were_in_the_test(groups, profit, action, unknown):
    row = won_back(groups=groups, profit=(profit, profit - 1, profit + 1))
    study = SimpleNamespace(cuts=Cuts(90, 180), plan=None, won_back=[row], people=1_000)
    said = wording._win_back(study, decision.decide_win_back(study), "USD")
    assert said.action.startswith(action)
    assert (unknown in said.caveat) if unknown else ("hardly any" not in said.caveat)


def test_a_group_of_which_the_test_had_nobody_is_not_among_those_tested(shop):
    """Nobody had been a customer for so long that they could be lost when the test began."""
    holdouts = texting.find_holdouts(shop)
    (row,) = win_back.measure_win_back(shop, holdouts, Cuts(dormant_after_days=1, lost_after_days=10_000))
    assert (row.segment, row.groups) == ("inactive", ("dormant",))
    both = win_back.measure_win_back(shop, holdouts, Cuts(dormant_after_days=1, lost_after_days=15))
    assert [one.groups for one in both if one.segment == "inactive"] == [("dormant", "lost")]


def test_a_gain_in_money_says_over_which_weeks_it_was_counted():
    row = won_back()
    study = SimpleNamespace(cuts=Cuts(90, 180), plan=None, won_back=[row], people=1_000)
    said = wording._win_back(study, decision.decide_win_back(study), "USD")
    assert (said.outcome, said.unit, said.cash) == ("do", "money", row.total[0])
    assert said.period == f"{row.days / 7:.3g} weeks"
    assert said.number_words == f"in the {row.days / 7:.0f} weeks of the test"
    assert said.cash_weeks == pytest.approx(row.days / 7)


def test_the_log_is_adjusted_for_what_the_sender_knew():
    """Texts go to recent buyers and do nothing: raw differs by far, adjusted does not (4 standard errors)."""
    rng = np.random.default_rng(6)
    n = 40_000
    recency, texts = rng.integers(0, 4, n), rng.integers(0, 3, n)
    texted = rng.random(n) < np.array([0.8, 0.6, 0.4, 0.2])[recency]
    bought = rng.random(n) < np.array([0.5, 0.35, 0.2, 0.05])[recency]
    people = pd.DataFrame({
        "recency": recency, "purchases": 1, "texts": texts, "clicks": 0, "texted": texted.astype(int),
        "group": rng.integers(0, GROUPS, n), "bought": bought.astype(int), "customers": 1,
    })  # fmt: skip
    keys = [*observational.STRATA, "texted", "group"]
    cells = people.groupby(keys, as_index=False)[["customers", "bought"]].sum()
    found = observational.standardise(cells, dt.date(2023, 1, 1), 8)
    assert found.raw[1] > 0.1
    estimate, low, high = found.adjusted
    assert abs(estimate) < 4 * (high - low) / 4
    assert found.covered == 1
    assert found.customers == (int(texted.sum()), int((~texted).sum()))
    nobody = observational.standardise(cells[cells["texted"] == 1], dt.date(2023, 1, 1), 8)
    assert np.isnan(nobody.adjusted).all()


def test_the_size_of_the_win_back_test():
    """Fleiss's approximation of two proportions: statsmodels' power of the test at that size is 80 %."""
    break_even, difference, customers = planning.size_test(0.10, 10.0, 0.30)
    assert break_even == pytest.approx(0.03)
    assert difference == break_even  # more than a tenth of the share
    z = difference / np.sqrt(2 * 0.1 * 0.9 / (customers / 2))
    assert z == pytest.approx(1.96 + 0.8416, abs=0.01)
    assert np.isnan(planning.size_test(0.0, 10.0, 0.3)[2])
    assert np.isnan(planning.size_test(0.1, np.nan, 0.3)[2])
