"""What plans are worth, and which one is chosen."""

from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.send_plan.policy import NOTHING, Action, Policy
from smsroi_helpers.send_plan.valuation import Candidate, Estimate, hold_if_worthless
from smsroi_helpers.statistics import t_quantile

ONE_RATE = SimpleNamespace(usual_loss=np.ones(1), loss_shares=np.ones((1, 1)))
"""Readers are lost at one rate."""


def test_a_plan_that_is_worth_nothing_sends_nothing():
    losing = candidate(np.full((65, 1), -0.5))
    held = hold_if_worthless(losing)
    assert set(held.policy.actions.values()) == {NOTHING}
    assert not held.long_run.any()
    assert held.gain.value == pytest.approx(-losing.today_long_run[0, 0])
    winning = candidate(np.full((65, 1), 0.5))
    assert hold_if_worthless(winning) is winning


def test_the_interval_of_a_rate_is_by_its_logarithm_and_above_0():
    """64 replicates whose logarithms differ by ±s from that of the whole: their jackknife error is s √(63)."""
    rate, s = 0.02, 0.05
    replicates = rate * np.exp(np.concatenate([[0.0], np.tile([s, -s], 32)]))
    found = Estimate.of_rates(replicates)
    half = t_quantile(0.95, 63) * s * np.sqrt(63)
    assert (found.low, found.value, found.high) == pytest.approx((rate * np.exp(-half), rate, rate * np.exp(half)))
    assert Estimate.of_rates(np.zeros(65)) == Estimate(0.0, 0.0, 0.0)


def candidate(long_run):
    today = np.full((65, 1), 0.2)
    policy = Policy({(0, 0): Action(2, 0, 0, (1,)), (1, 0): Action(1, 0, 0, (1,))})
    return Candidate(None, None, None, (), policy, (), ONE_RATE, long_run, long_run, today, today, 1.0)
