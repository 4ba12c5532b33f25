"""Profit as measured less what opt-outs cost in the long run, where clicks have no price."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.decision import decide as answer_tests
from smsroi_helpers.ab_test.effects import measure_effects
from smsroi_helpers.ab_test.priced_difference import PricedDifference, measure_with_opt_outs
from smsroi_helpers.ab_test.wording import decide_tests
from tests.ab_test.test_click_profit import moments
from tests.experiment_sources import an_experiment, write_tests

VALUE = (8.0, 6.0, 10.0)
HOLDOUT = {
    "kind": "holdout", "arms": {"out": 3000, "in": 3000}, "orders": {"out": (0.1, 50.0), "in": (0.2, 50.0)},
    "messages": {"out": 0.0, "in": 1.0}, "opt_outs": {"out": 0.0, "in": 0.05},
}  # fmt: skip
"""A valid holdout, which prices a subscriber; nothing in its source was clicked."""
TEXTS = {
    "arms": {"a": 3000, "b": 3000}, "orders": {"a": (0.2, 50.0), "b": (0.2, 50.0)}, "messages": {"a": 1.0, "b": 1.0},
}  # fmt: skip


def count(rng, n, left=(0.05, 0.05), orders=(0.5, 0.5)):
    rows = []
    for arm, rate, mean in zip("ab", left, orders, strict=True):
        leaves, bought = (rng.random(n) < rate).astype(float), rng.poisson(mean, n).astype(float)
        profit, none = bought * rng.lognormal(2, 0.5, n), np.zeros(n)
        rows.append({
            "experiment_id": "x", "arm": arm, **moments("profit", profit, none),
            **moments("order_rate", (bought > 0).astype(float), none), **moments("opt_out_rate", leaves, none),
        })  # fmt: skip
    return pd.DataFrame(rows)


def test_the_difference_is_measured_profit_less_opt_outs_at_their_price():
    counted = count(np.random.default_rng(1), 4_000, left=(0.12, 0.05))
    experiment = an_experiment((4_000, 4_000))
    direct = measure_effects(experiment, counted, ("profit", "opt_out_rate"))
    profit, left = (direct.find(metric, "b") for metric in ("profit", "opt_out_rate"))
    control, row = measure_with_opt_outs(experiment, counted, VALUE).rows
    assert row.difference == pytest.approx(profit.difference - 8 * left.difference)
    assert (row.metric, row.method) == ("click_profit", "priced")
    assert row.mean - control.mean == pytest.approx(row.difference)
    # With an exact price the limits are those of a sum of two independent normals.
    exact = measure_with_opt_outs(experiment, counted, (8.0, 8.0, 8.0)).rows[1]
    half = np.hypot(profit.high - profit.difference, 8 * (left.high - left.difference))
    assert exact.high - exact.difference == pytest.approx(half, rel=1e-6)
    assert row.high - row.low > exact.high - exact.low
    assert exact.probability_best == pytest.approx(1 - exact.p_value / 2, abs=0.002)
    assert control.probability_best == pytest.approx(1 - row.probability_best, abs=0.002)


@pytest.mark.parametrize("lacking", ["profit", "opt_out_rate"])
def test_without_one_of_the_two_there_is_none(lacking):
    counted = count(np.random.default_rng(2), 500)
    counted[[name for name in counted if name.startswith(f"{lacking}__")]] = 0.0
    assert not len(measure_with_opt_outs(an_experiment((500, 500)), counted, VALUE))


def test_where_nobody_opts_out_it_is_profit_itself():
    """But for what none of 500 leaves open: the limits of the opt-outs."""
    counted = count(np.random.default_rng(3), 500, left=(0.0, 0.0))
    direct = measure_effects(an_experiment((500, 500)), counted, ("profit",)).find("profit", "b")
    row = measure_with_opt_outs(an_experiment((500, 500)), counted, VALUE).rows[1]
    assert row.difference == pytest.approx(direct.difference)
    assert direct.high < row.high < direct.high + 0.01 * (direct.high - direct.low)
    assert direct.low > row.low > direct.low - 0.01 * (direct.high - direct.low)


def test_unequal_arms_keep_the_rule_of_profit():
    """A small arm's limits of money do not hold without enough buyers; the rule of profit asks for them."""
    rng = np.random.default_rng(4)
    counted = pd.concat([count(rng, 6_000).iloc[:1], count(rng, 900).iloc[1:]])
    assert not len(measure_with_opt_outs(an_experiment((6_000, 900)), counted, VALUE))


def test_the_limits_widen_with_their_parts():
    one = PricedDifference((-0.07, -0.08, -0.06), (45.0, 20.0, 90.0), (0.1, -0.4, 0.6))
    value, low, high = one.profit()
    assert value == pytest.approx(0.1 + 0.07 * 45)
    wider = one.profit(1.5, 1.5)
    assert wider[1] < low < value < high < wider[2]


@pytest.fixture
def tested(make_source, open_source):
    def run(**text):
        shop = open_source(write_tests(make_source, text=TEXTS | text, hold=HOLDOUT))
        found = ab_test.analyse(shop)
        return {each.experiment.name: each for each in found}, found

    return run


def test_a_text_that_cuts_opt_outs_at_equal_profit_is_taken_without_clicks(tested):
    """10 % opt out with one text, 3 % with the other: 7 subscribers in 100 kept, at their price."""
    found, every = tested(opt_outs={"a": 0.10, "b": 0.03})
    text = found["text"]
    assert text.not_priced in ("no_click_value", "no_clicks")
    row, profit = (text.effects.find(metric, "b") for metric in ("click_profit", "profit"))
    assert profit.low < 0 < profit.high
    value = text.prices.subscriber.value
    assert row.difference == pytest.approx(profit.difference + 0.07 * value[0], rel=1e-6)
    assert (text.decision.outcome, text.decision.metric) == ("ship", "click_profit")
    answer = next(each for each in answer_tests(every) if each.experiment.name == "text")
    assert (answer.evidence, answer.money, answer.from_clicks) == ("modelled", "long_run", False)
    assert answer.cash.profit[0] == pytest.approx(profit.difference * 3000)
    words = next(each for each in decide_tests(every, "$") if "(text)" in each.question)
    assert "less what opt-outs cost in the long run" in words.text
    assert "click" not in words.text.lower()


def test_alike_texts_are_not_told_apart_and_a_costly_one_is_left(tested):
    alike, _every = tested(opt_outs={"a": 0.05, "b": 0.05})
    assert alike["text"].decision.outcome == "keep_running"
    worse, _every = tested(opt_outs={"a": 0.03, "b": 0.10})
    assert worse["text"].decision.outcome == "keep_control"


def test_without_a_price_of_a_subscriber_profit_decides(make_source, open_source):
    shop = open_source(write_tests(make_source, text=TEXTS | {"opt_outs": {"a": 0.10, "b": 0.03}}))
    (text,) = ab_test.analyse(shop)
    assert text.decision.metric == "profit"


def test_by_segment_it_is_there_too(tested):
    found, _every = tested(opt_outs={"a": 0.10, "b": 0.03})
    rows = found["text"].effects.by_segment("click_profit", "b")
    assert rows
    assert all(dataclasses.asdict(row)["method"] == "priced" for row in rows)
