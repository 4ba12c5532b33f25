"""What plans are worth, and which one is chosen."""

from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.send_plan.policy import NOTHING, Action, Policy
from smsroi_helpers.send_plan.valuation import Candidate, hold_if_worthless

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


def candidate(long_run):
    today = np.full((65, 1), 0.2)
    policy = Policy({(0, 0): Action(2, 0, 0, (1,)), (1, 0): Action(1, 0, 0, (1,))})
    return Candidate(None, None, None, (), policy, (), ONE_RATE, long_run, long_run, today, today, 1.0)
