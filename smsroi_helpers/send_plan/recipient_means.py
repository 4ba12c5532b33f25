"""The mean outcome of each class of customers in each arm of a test, so shrunken that noise does not choose.

Customers of profile p belong to class k with probability φ_pk. With n_pa members in arm a, the mean ȳ_pa of their
outcomes has

    ȳ_pa ~ N(Σ_k φ_pk θ_ka, σ²_p ÷ n_pa),   θ_ka ~ N(level_k + arm_a, τ²)

so the classes' means are drawn towards the additive model, in which an arm does as much in every class. Levels and arms
have flat priors. τ has the uniform shrinkage prior (Daniels 1999, Canadian Journal of Statistics 27(3)): the share
τ² ÷ (τ² + noise) is uniform on 0 to 1. It is proper, so two classes are enough, and is integrated on a grid.
"""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.statistics import Floats

__all__ = ["Means", "choose_arms", "shrink_means"]

_SDS = np.geomspace(0.05, 500.0, 40)
"""Values of τ over which is integrated, in standard errors of a class's mean."""
_USUAL_MEMBERS = 1_000.0
"""A profile's variance counts as if the test had so many more of its members with the variance of all: a profile in
which nobody has bought yet is not without noise."""
_FLAT = 1e-8
"""Precision of the priors of levels and arms, beside the largest precision of the data."""


@dataclass(frozen=True)
class Means:
    """Outcomes per member."""

    mean: Floats
    """(classes, arms): θ, averaged over τ."""
    sd: float
    """The posterior mean of τ."""


def shrink_means(members: Floats, outcome: Floats, squares: Floats, membership: Floats) -> Means:
    """The classes' means in each arm.

    Args:
        members: (profiles, arms).
        outcome: (profiles, arms): sums over these members.
        squares: (profiles, arms): sums of the outcomes' squares.
        membership: (profiles, classes): φ, rows sum to 1.

    Raises:
        ValueError: an arm has no members.

    One class has the arms' own means. Two that differ far beyond noise keep their own, nearly.

    >>> n = np.full((2, 2), 1e6)
    >>> y = n * [[0.0, 1.0], [0.0, 3.0]]
    >>> shrink_means(n, y, y**2 / n + n, np.ones((2, 1))).mean.round(3)
    array([[0., 2.]])
    >>> shrink_means(n, y, y**2 / n + n, np.eye(2)).mean.round(2) + 0
    array([[0., 1.],
           [0., 3.]])
    """
    if (members.sum(axis=0) <= 0).any():
        raise ValueError("an arm has no members")
    classes, arms = membership.shape[1], members.shape[1]
    weight = 1 / _variance(members, outcome, squares)[:, None]
    # Precision of the data for θ, in the order of the classes within each arm, and the same times the means.
    data = np.zeros((arms * classes, arms * classes))
    for a in range(arms):
        own = slice(a * classes, (a + 1) * classes)
        data[own, own] = membership.T @ (membership * (weight * members)[:, a : a + 1])
    pulled = (membership.T @ (weight * outcome)).T.ravel()
    additive = np.hstack([np.tile(np.eye(classes), (arms, 1)), np.repeat(np.eye(arms), classes, axis=0)[:, 1:]])
    return _integrate(data, pulled, additive, (classes, arms))


def _variance(members: Floats, outcome: Floats, squares: Floats) -> Floats:
    """(profiles,): σ²_p of an outcome within an arm."""
    within = squares - np.divide(outcome**2, members, out=np.zeros_like(outcome), where=members > 0)
    size = members.sum(axis=1)
    usual = max(within.sum() / size.sum(), 1e-12)
    return np.asarray((within.sum(axis=1) + _USUAL_MEMBERS * usual) / (size + _USUAL_MEMBERS))


def _integrate(data: Floats, pulled: Floats, additive: Floats, shape: tuple[int, int]) -> Means:
    """Posterior means of θ = additive @ β + δ over a grid of τ, weighted by the evidence for each."""
    cross = additive.T @ data
    level = cross @ additive
    level += _FLAT * level.diagonal().max() * np.eye(len(level))
    known = data.diagonal()[data.diagonal() > 0]
    noise = float(1 / np.exp(np.log(known).mean()))
    sds = np.sqrt(noise) * _SDS
    prior = _SDS**2 / (1 + _SDS**2) ** 2  # of log τ, where τ² ÷ (τ² + noise) is uniform
    precision = np.block([[level, cross], [cross.T, data]])
    own = np.diag(np.arange(len(precision)) >= len(level)).astype(float)  # of δ
    precision = precision + own / sds[:, None, None] ** 2
    right = np.concatenate([additive.T @ pulled, pulled])
    found = np.linalg.solve(precision, np.broadcast_to(right[:, None], (len(sds), len(right), 1)))[..., 0]
    evidence = found @ right / 2 - np.linalg.slogdet(precision)[1] / 2 - len(data) * np.log(sds)
    weight = prior * np.exp(evidence - evidence.max())
    weight /= weight.sum()
    means = found[:, : len(level)] @ additive.T + found[:, len(level) :]
    classes, arms = shape
    return Means((weight @ means).reshape(arms, classes).T, float(weight @ sds))


def choose_arms(means: Means, membership: Floats) -> Floats:
    """(profiles, arms): 1 for the arm with the highest mean, the first of several; 0 elsewhere.

    >>> choose_arms(Means(np.array([[0.0, 1.0], [2.0, 1.0]]), 0.1), np.eye(2)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    expected = membership @ means.mean
    best = (expected - expected[:, :1]).round(9).argmax(axis=1)
    return np.eye(expected.shape[1])[best]
