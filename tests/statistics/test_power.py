"""Power and sample size, compared with Cohen's table, the t test, each other, and simulated tests."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.power import TTestIndPower

from smsroi_helpers.statistics import power, sequential
from smsroi_helpers.statistics.power import (
    detectable_difference,
    power_of_difference,
    sample_size,
    standard_error,
    times_to_settle,
)


def test_cohens_table():
    """Cohen (1988), table 2.4.1: d = .5, two-sided .05, power .80 takes 64 a group (by t; 63 by the normal)."""
    assert power_of_difference(0.5, standard_error(1.0, 63, 63)) == pytest.approx(0.80, abs=0.002)
    assert TTestIndPower().power(0.5, 64, 0.05) == pytest.approx(0.80, abs=0.002)
    assert np.ceil(sample_size(0.5, 1.0) / 2) == 63


@pytest.mark.parametrize(("wanted", "arms"), [(0.8, 1), (0.9, 3)])
def test_the_detectable_difference_has_the_wanted_power(wanted, arms):
    error = standard_error(2.5, 700, 300)
    d = detectable_difference(error, power=wanted, comparisons=arms)
    assert power_of_difference(d, error, arms) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("shares", "arms", "wanted"), [((0.5, 0.5), 1, 0.8), ((0.25, 0.25), 3, 0.8), ((0.1, 0.9), 1, 0.95)]
)
def test_the_sample_size_detects_the_difference(shares, arms, wanted):
    n = sample_size(0.3, 4.0, treated_share=shares[0], control_share=shares[1], power=wanted, comparisons=arms)
    error = standard_error(4.0, n * shares[0], n * shares[1])
    assert detectable_difference(error, power=wanted, comparisons=arms) == pytest.approx(0.3, rel=1e-9)


def test_it_is_the_formula_of_the_textbooks():
    """(1.96 + 0.84) σ √(1/n₁ + 1/n₀), for many at once."""
    z = norm.ppf(0.975) + norm.ppf(0.8)
    errors = np.array([0.5, 2.0, np.nan])
    assert detectable_difference(errors) == pytest.approx(z * errors, rel=1e-12, nan_ok=True)


def test_simulated_tests_have_the_power():
    """2,000 simulated comparisons of 60 with 40 customers at the detectable difference."""
    rng = np.random.default_rng(1)
    error = float(standard_error(3.0, 60, 40))
    d = float(detectable_difference(error))
    seen = rng.normal(d, 3.0, (2_000, 60)).mean(axis=1) - rng.normal(0.0, 3.0, (2_000, 40)).mean(axis=1)
    detected = (np.abs(seen) > norm.ppf(0.975) * error).mean()
    assert detected == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / 2_000))


def test_no_difference_takes_infinitely_many():
    assert sample_size(0.0, 1.0) == np.inf


class TestRunning:
    def test_the_always_valid_interval_detects_less(self):
        fixed, running = detectable_difference(1.0), detectable_difference(1.0, information=8.78)
        assert running - fixed == pytest.approx(sequential.always_valid_half_width(1.0, 8.78) - norm.ppf(0.975))
        assert np.isnan(detectable_difference(1.0, information=float("nan")))

    @pytest.mark.parametrize("information", [None, 2.0])
    def test_times_to_settle_reaches_the_threshold(self, information):
        times = times_to_settle(1.0, 0.8, comparisons=2, information=information)
        later = 1 / np.sqrt(times)
        if information is None:
            half_width = norm.ppf(1 - 0.025 / 2) * later
        else:
            half_width = sequential.always_valid_half_width(later, information * times, 0.975)
        assert norm.sf(float(half_width), 0.8, later) == pytest.approx(0.8)  # 80 % of estimates are beyond it

    def test_edge_cases_of_times_to_settle(self):
        assert times_to_settle(1.0, 9.0, information=2.0) == 1.0
        assert times_to_settle(1.0, 1e-3, information=2.0) == np.inf
        for error, gap, information in ((np.nan, 1.0, None), (0.0, 1.0, None), (1.0, 0.0, None), (1.0, 1.0, np.nan)):
            assert np.isnan(times_to_settle(error, gap, information=information))


def test_more_comparisons_and_more_power_need_more_data():
    assert detectable_difference(1.0, comparisons=3) > detectable_difference(1.0)
    assert sample_size(1.0, 1.0, power=0.95) > sample_size(1.0, 1.0)
    assert (power.ALPHA, power.POWER) == (0.05, 0.8)
