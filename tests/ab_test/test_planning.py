"""Planning, compared with simulated tests."""

import numpy as np
import pytest
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.ab_test import planning
from smsroi_helpers.errors import UsageError
from smsroi_helpers.statistics import detectable_difference, power_of_difference


@pytest.fixture
def settings():
    return {"customers": 4_000, "base_rate": 0.06, "profit_per_order": 14.0, "order_spread": 0.9, "gain": 0.5}


def test_simulated_tests_have_the_planned_power(settings):
    """400 simulated tests of the planned size, by Welch on every customer."""
    plan = planning.plan_test(**settings)
    rng = np.random.default_rng(1)
    sigma = np.sqrt(np.log(1 + 0.9**2))
    shown = 0
    for _ in range(400):
        arms = []
        for rate in (0.06 + 0.5 / 14, 0.06):
            profit = rng.lognormal(np.log(14) - sigma**2 / 2, sigma, 2_000) * (rng.random(2_000) < rate)
            arms.append((profit.mean(), profit.var(ddof=1) / 2_000))
        shown += abs(arms[0][0] - arms[1][0]) > 1.96 * np.sqrt(arms[0][1] + arms[1][1])
    # The plan uses the control's variance for both arms; the treated arm's is larger, so the power is a bit lower.
    assert shown / 400 == pytest.approx(plan.power_at_gain, abs=4 * 0.5 / 20 + 0.05)


def test_the_customers_needed_give_the_power(settings):
    needed = planning.plan_test(**settings).customers_for_gain
    again = planning.plan_test(**{**settings, "customers": int(needed)})
    assert again.power_at_gain == pytest.approx(0.8, abs=1e-3)
    assert again.smallest_profit == pytest.approx(0.5, rel=1e-3)


def test_twice_the_time_is_as_good_as_twice_the_customers(settings):
    """A gain g a week on n customers over k weeks: k·g, and √k times the deviation, as g on k·n customers."""
    plan = planning.plan_test(**settings)
    k = plan.times_for_gain
    error = plan.smallest_profit / detectable_difference(1.0)
    assert power_of_difference(k * 0.5, np.sqrt(k) * error) == pytest.approx(0.8, abs=1e-3)
    assert k == pytest.approx(plan.customers_for_gain / 4_000, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "field", "rises"),
    [
        ({"customers": 8_000}, "smallest_profit", False),
        ({"base_rate": 0.12}, "smallest_rate", True),
        ({"profit_per_order": 28.0}, "smallest_profit", True),
        ({"order_spread": 1.8}, "smallest_profit", True),
        ({"cost_per_customer": 0.1}, "breakeven_rate", True),
        ({"arms": 3}, "smallest_profit", True),
        ({"control_share": 0.1}, "smallest_profit", True),
        ({"gain": 0.8}, "power_at_gain", True),
        ({"power": 0.95}, "customers_for_gain", True),
    ],
)
def test_every_parameter_counts(settings, change, field, rises):
    before, after = (getattr(planning.plan_test(**each), field) for each in (settings, {**settings, **change}))
    assert (after > before) if rises else (after < before)


def test_households_take_the_design_effect_times_as_many_customers(settings):
    """Households of 5, alike by .1: 1 + 4 · .1 = 1.4 times as many; errors √1.4 times as large."""
    alone = planning.plan_test(**settings)
    households = planning.plan_test(**settings, cluster_size=5, cluster_correlation=0.1)
    assert households.customers_for_gain == pytest.approx(1.4 * alone.customers_for_gain, abs=1)
    assert households.smallest_profit == pytest.approx(np.sqrt(1.4) * alone.smallest_profit)
    assert households.smallest_rate == pytest.approx(np.sqrt(1.4) * alone.smallest_rate)
    assert planning.plan_test(**settings, cluster_size=5) == alone


def test_a_few_stores_are_refused(settings):
    """4,000 customers in stores of 300: 6.7 stores in an arm."""
    with pytest.raises(UsageError, match="7 households or stores"):
        planning.plan_test(**settings, cluster_size=300, cluster_correlation=0.05)


@pytest.mark.parametrize(
    "wrong", [{"customers": 4}, {"base_rate": 0.0}, {"base_rate": 1.0}, {"control_share": 1.0}, {"power": 1.0}]
)
def test_arguments_out_of_range_are_refused(settings, wrong):
    with pytest.raises(UsageError):
        planning.plan_test(**{**settings, **wrong})


def test_the_command_prints_the_same(settings):
    words = (
        "plan-test --customers 4000 --base-rate 0.06 --profit-per-order 14 --order-spread 0.9 --gain 0.5 --cost 0.07"
    )
    done = CliRunner().invoke(commands.app, words.split())
    assert done.exit_code == 0, done.output
    plan = planning.plan_test(**settings, cost_per_customer=0.07)
    assert f"{plan.customers_for_gain:,.0f} customers" in done.stdout
    assert f"{plan.smallest_profit:,.4g} more profit" in done.stdout
    assert "pays for itself from 6.50% on" in done.stdout
    refused = CliRunner().invoke(commands.app, [*words.split(), "--power", "2"])
    assert refused.exit_code == 2
