"""Off-policy values: by hand on a small table, against simulated truths, and for a randomised mailing."""

import numpy as np
import pytest

from smsroi_helpers.send_plan.lever_checks import _between_doses
from smsroi_helpers.send_plan.off_policy import evaluate_policy
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.statistics import GROUPS

FOLD = np.arange(GROUPS) % 2


def test_the_values_are_those_worked_out_by_hand():
    """Two profiles, two arms drawn 3 : 1; the policy gives the first profile arm b and the second arm a."""
    members = np.array([[[3.0, 1.0], [6.0, 2.0]]])
    outcome = np.array([[[6.0, 5.0], [12.0, 1.0]]])
    policy = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    found = evaluate_policy(members, outcome, policy, np.zeros(1, int))
    ips = (5.0 / 0.25 + 12.0 / 0.75) / 12
    assert found.ips[0] == pytest.approx(ips)
    assert found.snipw[0] == pytest.approx(ips * 12 / (1 / 0.25 + 6 / 0.75))
    # μ: profiles' means 11/4 and 13/8, arms' means 2 and 2, mean 2.
    by_profile, mean = np.array([11 / 4, 13 / 8]), 2.0
    mu = by_profile[:, None] + np.array([2.0, 2.0]) - mean
    direct = (4 * mu[0, 1] + 8 * mu[1, 0]) / 12
    corrected = ((5.0 - 1 * mu[0, 1]) / 0.25 + (12.0 - 6 * mu[1, 0]) / 0.75) / 12
    assert found.doubly_robust[0] == pytest.approx(direct + corrected)
    assert found.effective == pytest.approx((1 / 0.25 + 6 / 0.75) ** 2 / (1 / 0.25**2 + 6 / 0.75**2))
    assert found.smallest_share == pytest.approx(0.25)


def test_an_arm_nobody_was_drawn_into_has_no_value():
    members = np.array([[[5.0, 0.0]]])
    with pytest.raises(ValueError, match="no member was drawn"):
        evaluate_policy(members, members, np.array([[[0.0, 1.0]]]), np.zeros(1, int))


def draw(rng, profiles=5, people=40, noise=3.0, shares=(0.2, 0.3, 0.5)):
    """Cells of a test, the policy of each half by its means, and the truth of both policies together."""
    truth = rng.normal(0, 1.0, (profiles, len(shares))) + rng.normal(0, 3.0, (profiles, 1))
    members = rng.poisson(people * np.broadcast_to(shares, (GROUPS, profiles, len(shares)))).astype(float)
    outcome = members * truth + noise * np.sqrt(members) * rng.standard_normal(members.shape)
    policies = []
    for half in range(2):
        n, y = (each[half == FOLD].sum(axis=0) for each in (members, outcome))
        policies.append(np.eye(len(shares))[(y / n).argmax(axis=1)])
    policy = np.stack([policies[1 - fold] for fold in FOLD])
    reached = (members.sum(axis=2)[..., None] * policy * truth).sum() / members.sum()
    return members, outcome, policy, reached


def test_intervals_hold_the_truth_and_the_doubly_robust_one_is_the_narrowest():
    """300 worlds: 95 % of intervals hold it, within four standard errors; halves take away the optimism of choosing."""
    names = ("ips", "snipw", "doubly_robust")
    held, widths, errors = ({name: [] for name in names} for _ in range(3))
    for seed in range(300):
        members, outcome, policy, truth = draw(np.random.default_rng(seed))
        found = evaluate_policy(members, outcome, policy, FOLD)
        for name in names:
            each = Estimate.of_replicates(getattr(found, name))
            held[name].append(each.low <= truth <= each.high)
            widths[name].append(each.high - each.low)
            errors[name].append(each.value - truth)
    for name in names:
        assert abs(np.mean(held[name]) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300), name
        assert abs(np.mean(errors[name])) < 4 * np.std(errors[name]) / np.sqrt(300), name
    assert np.mean(widths["doubly_robust"]) < np.mean(widths["snipw"]) < np.mean(widths["ips"])


def test_it_agrees_with_rows_weighted_one_by_one():
    """Another implementation: one row per member, weights from arm shares."""
    rng = np.random.default_rng(4)
    members, outcome, policy, _truth = draw(rng)
    found = evaluate_policy(members, outcome, policy, FOLD)
    group, profile, arm = (np.repeat(each.ravel(), members.ravel().astype(int)) for each in np.indices(members.shape))
    y = np.repeat((outcome / np.maximum(members, 1)).ravel(), members.ravel().astype(int))
    share = np.bincount(arm) / len(arm)
    weight = policy[group, profile, arm] / share[arm]
    assert found.ips[0] == pytest.approx(np.mean(weight * y))
    assert found.snipw[0] == pytest.approx(np.average(y, weights=weight))
    kept = group != 7
    assert found.snipw[1 + 7] == pytest.approx(np.average(y[kept], weights=policy[group, profile, arm][kept]
                                                          / share[arm[kept]]))  # fmt: skip
    assert found.effective == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


# --- the levers of a plan -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["own", "second"])
def test_the_levers_of_a_plan_are_valued_by_their_tests(world, request):
    """The profit of no texts is the mean of the arm without any, and of the tests' hours the mean click rate."""
    planned = request.getfixturevalue(f"{world}_plan")
    levers = {each.lever: each for each in planned.plan.levers}
    cells = planned.plan.chosen.cells
    frequency = levers["frequency"]
    own = [number for number, (test, _arm) in enumerate(cells.arms) if test == frequency.test]
    none = next(number for number in own if cells.arm_doses[number] == 0)
    profit = cells.people_profit[..., none].sum() / cells.people[..., none].sum() / cells.arm_weeks[none]
    within = frequency.reference.high - frequency.reference.low  # four standard errors
    assert abs(frequency.reference.value - profit) < within  # it is adjusted for profiles
    assert frequency.members == cells.people[..., own].sum()
    timing = cells.clicks_by_window
    usual = levers["timing"].reference
    assert abs(usual.value - timing.events.sum() / timing.exposure.sum()) < usual.high - usual.low
    for each in levers.values():
        assert 0 < each.effective <= each.members
        assert each.gain.low < each.gain.value < each.gain.high
        for other in (each.gain_model, each.gain_snipw.value):
            assert abs(each.gain.value - other) < each.gain.high - each.gain.low  # four standard errors


def test_a_frequency_between_two_tested_ones_is_a_mixture_of_both():
    doses = np.array([0.0, 1.0, 2.0, 4.0])
    assert _between_doses(2.5, doses).tolist() == [0.0, 0.0, 0.75, 0.25]
    assert _between_doses(0.5, doses).tolist() == [0.5, 0.5, 0.0, 0.0]
    assert _between_doses(5.0, doses).tolist() == [0.0, 0.0, 0.0, 1.0]
