"""The planner compared with simulated tests that go through the whole decision rule."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.ab_test.decision_rule import adjust_p, decide_experiment
from smsroi_helpers.ab_test.effects import measure_effects
from smsroi_helpers.ab_test.power import Outcomes, chance_to_ship, customers_to_ship, smallest_shipped_gain
from smsroi_helpers.statistics import ALPHA, detectable_difference, standard_error
from tests.ab_test.test_click_profit import moments
from tests.experiment_sources import an_experiment

BASE, AMOUNT, SPREAD = 0.3, 20.0, 0.7
"""Share who order, mean profit of an order, its log standard deviation."""
OUT = 0.04
WEEKS = 4.0


def _draw(rng, n, rate, opt_outs):
    orders = (rng.random(n) < rate).astype(float)
    profit = orders * rng.lognormal(np.log(AMOUNT) - SPREAD**2 / 2, SPREAD, n)
    left = (rng.random(n) < opt_outs).astype(float)
    return {
        **moments("profit", profit), **moments("order_rate", orders), **moments("opt_out_rate", left),
    }  # fmt: skip


def _outcomes():
    square = BASE * AMOUNT**2 * np.exp(SPREAD**2)
    return Outcomes(BASE * AMOUNT, float(np.sqrt(square - (BASE * AMOUNT) ** 2)), BASE, OUT)


def _share_shipped(gain, n, rng, *, smallest_gain, margin, tests=120):
    """How often the arm is shipped, by the rule itself. The gain comes from more orders."""
    experiment = dataclasses.replace(an_experiment((n, n), state="ended"))
    validity = SimpleNamespace(broken=False, control_treated_too=True)
    shipped = 0
    for _ in range(tests):
        rows = [
            {"experiment_id": "x", "arm": arm, **_draw(rng, n, rate, OUT)}
            for arm, rate in (("a", BASE), ("b", BASE + gain / AMOUNT))
        ]
        effects = measure_effects(experiment, pd.DataFrame(rows), ("profit", "opt_out_rate"))
        decision = decide_experiment(
            experiment, validity, adjust_p(experiment, effects), smallest_gain=smallest_gain / WEEKS,
            opt_out_margin=margin / WEEKS,
        )  # fmt: skip
        shipped += decision.outcome == "ship"
    return shipped / tests


@pytest.mark.parametrize(("n", "smallest_gain", "margin"), [(1_500, 0.0, 0.2), (1_500, 0.5, 0.2), (900, 0.0, 0.032)])
def test_the_smallest_gain_is_shipped_four_times_out_of_five(n, smallest_gain, margin):
    """By simulation, within three Monte Carlo errors; the margin of opt-outs costs power in the last case."""
    gain = smallest_shipped_gain(n, _outcomes(), smallest_gain=smallest_gain, opt_out_margin=margin)
    shipped = _share_shipped(gain, n, np.random.default_rng(1), smallest_gain=smallest_gain, margin=margin)
    assert shipped == pytest.approx(0.8, abs=3 * np.sqrt(0.8 * 0.2 / 120))


def test_the_power_of_one_test_of_profit_promises_too_much():
    """What the formula of a single test calls detectable is shipped clearly less often where the margin is narrow."""
    n, outcomes = 900, _outcomes()
    alone = float(detectable_difference(standard_error(outcomes.deviation, n, n)))
    shipped = _share_shipped(alone, n, np.random.default_rng(2), smallest_gain=0.0, margin=0.024)
    assert shipped < 0.73


def test_customers_and_gain_are_inverse():
    outcomes = _outcomes()
    settings = {"arms": 2, "smallest_gain": 0.2, "opt_out_margin": 0.03}
    n = customers_to_ship(1.0, outcomes, **settings)
    assert chance_to_ship(1.0, n, outcomes, **settings) == pytest.approx(0.8)
    assert smallest_shipped_gain(n, outcomes, **settings) == pytest.approx(1.0, rel=1e-6)


def test_no_number_of_customers_ships_a_gain_that_is_not_worthwhile():
    assert customers_to_ship(0.5, _outcomes(), smallest_gain=0.5) == np.inf


def test_with_too_few_buyers_no_gain_is_shipped():
    """Of 60 customers 18 order on average: twenty in both arms are seldom reached, whatever the gain."""
    assert np.isnan(smallest_shipped_gain(60, _outcomes()))


def test_without_margin_and_threshold_it_is_the_textbook_formula():
    """With many buyers and a small gain: (z + z) · σ √(2/n)."""
    outcomes = Outcomes(1e6, 10.0, 0.5)
    textbook = float(detectable_difference(standard_error(10.0, 50_000, 50_000), comparisons=3))
    assert smallest_shipped_gain(50_000, outcomes, arms=3) == pytest.approx(textbook, rel=1e-4)
    assert pytest.approx(0.05) == ALPHA
