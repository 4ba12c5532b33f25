"""What a policy is worth by randomised arms alone, without the response model: off-policy evaluation.

Members x of a test were drawn into arm a with probability p_a. A policy gives arm a to members of profile x with
probability π(a | x). With outcomes y,

    IPS   = mean of w y,  w = π(a | x) ÷ p_a            (Horvitz & Thompson 1952)
    SNIPW = Σ w y ÷ Σ w                                 (Hájek 1971; Swaminathan & Joachims 2015)
    DR    = mean of Σ_a π(a | x) μ(a, x) + w (y − μ)    (Dudík, Langford & Li 2011)

μ, the mean of arm and profile as their sum of effects, comes from the other half of the customers, and so must the
policy: what was chosen on a half is worth more there than elsewhere. Everything is counted by group of customers;
errors are those of the delete-a-group jackknife.
"""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.statistics import Floats, Ints

__all__ = ["OffPolicy", "evaluate_policy"]


@dataclass(frozen=True)
class OffPolicy:
    """The mean outcome of a member under a policy; each (1 + groups,): the estimate, then without each group."""

    ips: Floats
    snipw: Floats
    doubly_robust: Floats
    members: float
    effective: float
    """Effective sample size (Σ w)² ÷ Σ w² (Kish 1965): as if so many members had got what the policy gives."""
    smallest_share: float
    """p_a of the rarest arm that the policy gives (0–1): the overlap."""


def evaluate_policy(members: Floats, outcome: Floats, policy: Floats, fold: Ints) -> OffPolicy:
    """Value a policy by the members of its test.

    Args:
        members: (groups, profiles, arms).
        outcome: (groups, profiles, arms): sums over these members.
        policy: (groups, profiles, arms): π(a | x) ≥ 0, sums to 1 over arms; learned on other folds than the group's.
        fold: (groups,): number of each group's fold, for μ.

    Raises:
        ValueError: the policy gives an arm that no member was drawn into.

    Two arms drawn with probability ½, and a policy that gives the first one: the mean of the first arm.

    >>> members, outcome = np.full((2, 1, 2), 5.0), np.tile([10.0, 20.0], (2, 1, 1))
    >>> found = evaluate_policy(members, outcome, np.tile([1.0, 0.0], (2, 1, 1)), np.array([0, 1]))
    >>> found.ips[0], found.snipw[0], found.doubly_robust[0], found.effective
    (np.float64(2.0), np.float64(2.0), np.float64(2.0), 10.0)
    """
    share = members.sum(axis=(0, 1)) / max(members.sum(), 1e-12)
    given = (policy * members.sum(axis=2, keepdims=True)).sum(axis=(0, 1)) > 0
    if (share[given] <= 0).any():
        raise ValueError("the policy gives an arm that no member was drawn into")
    weight = np.divide(policy, share, out=np.zeros_like(policy), where=share > 0)
    size = members.sum(axis=(1, 2))
    weighted, weights = (weight * outcome).sum(axis=(1, 2)), (weight * members).sum(axis=(1, 2))
    expected = _additive_means(members, outcome, fold)
    direct = (members.sum(axis=2, keepdims=True) * policy * expected).sum(axis=(1, 2))
    correction = (weight * (outcome - members * expected)).sum(axis=(1, 2))
    squares = float((weight**2 * members).sum())
    return OffPolicy(
        _ratio(weighted, size), _ratio(weighted, weights), _ratio(direct + correction, size),
        float(members.sum()), float(weights.sum() ** 2 / squares) if squares > 0 else 0.0, float(share[given].min()),
    )  # fmt: skip


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """(1 + G,): of sums by group, then without each."""
    tops, bottoms = (np.append(each.sum(), each.sum() - each) for each in (top, bottom))
    return np.divide(tops, bottoms, out=np.full(len(tops), np.nan), where=bottoms > 0)


def _additive_means(members: Floats, outcome: Floats, fold: Ints) -> Floats:
    """(groups, profiles, arms): profile's mean + arm's mean − mean, from the other folds; a mean for who is unknown."""
    found = np.empty_like(outcome)
    for each in np.unique(fold):
        others = fold != each if (fold != each).any() else np.ones(len(fold), bool)
        n, y = members[others].sum(axis=0), outcome[others].sum(axis=0)
        mean = y.sum() / max(n.sum(), 1e-12)
        by_arm, by_profile = (
            np.divide(y.sum(axis), n.sum(axis), out=np.full(n.shape[1 - axis], mean), where=n.sum(axis) > 0)
            for axis in (0, 1)
        )
        found[fold == each] = by_profile[:, None] + by_arm[None, :] - mean
    return found
