"""What plans are worth, and which one is chosen."""

from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import NOTHING, Action, Policy
from smsroi_helpers.send_plan.valuation import Candidate, choose_candidate, hold_if_worthless

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


def test_the_simplest_plan_within_one_standard_error_is_chosen_but_latent_classes_before_it():
    """The best is .1 ahead; its distance has a standard error of .2 to one rival and of .05 to the other."""
    rng = np.random.default_rng(1)

    def replicates(value, error):
        moved = rng.standard_normal(64)
        moved = (moved - moved.mean()) / moved.std()
        return np.append(value, value + error * moved / np.sqrt(63))[:, None]

    best = named("attr_city", 5, np.full((65, 1), 1.0))
    near = named("rfm_group", 3, replicates(0.9, 0.2))
    far = named("all", 1, replicates(0.9, 0.05))
    assert choose_candidate([best, near]).name == "rfm_group"
    assert choose_candidate([best, far]).name == "attr_city"
    classes = named("latent_classes", 4, replicates(0.95, 0.2))
    assert choose_candidate([best, near, classes]).name == "latent_classes"
    behind = named("latent_classes", 4, replicates(0.9, 0.05))
    assert choose_candidate([best, near, behind]).name == "rfm_group"


def named(name, classes, long_run):
    grouping = Grouping(name, np.zeros(1, int), np.eye(classes), tuple(str(k) for k in range(classes)))
    cells = SimpleNamespace(grouping=grouping)
    return Candidate(cells, None, None, (), Policy({}), (), ONE_RATE, long_run, long_run, long_run, long_run, 1.0)
