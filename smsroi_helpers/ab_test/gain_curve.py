"""The gain of treating only the customers ranked first, estimated from an experiment, and policies of whole fifths.

A policy of fifths treats the first 1 to 4 fifths of a ranking. How many is decided on one half of the customers, and
the policy is valued on the other half, so that its value is not that of a choice made on the same customers. It is
compared with both policies that need no ranking: to treat nobody, and to treat everybody.

References:
    Radcliffe (2007), Using control groups to target on predicted lift: the Qini curve.
    Berger (1982), Technometrics 24(4): a policy is better than both if it is significantly better than each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from smsroi_helpers.statistics import GROUPS, Floats, always_valid_half_width, always_valid_p

__all__ = [
    "DEPTHS",
    "FIFTHS",
    "Curves",
    "Estimate",
    "Part",
    "Policy",
    "choose_fifths",
    "compare_policy",
    "effects_by_fifth",
    "jackknifed",
    "over_random",
    "qini",
]

DEPTHS = np.arange(1, 101) / 100
"""Shares of the list that are treated."""
FIFTHS = 5
_EDGES = np.arange(1, FIFTHS) * len(DEPTHS) // FIFTHS - 1
"""Positions in `DEPTHS` of one to four fifths."""
Part = tuple[Floats, Floats]
"""Values over all customers of a part, and the same without each jackknife group (first axis)."""


@dataclass(frozen=True)
class Estimate:
    """An estimate with its jackknife standard error."""

    value: float
    error: float
    information: float | None = None
    """Of the always-valid interval, while the experiment runs; None once it has ended."""

    @property
    def p_value(self) -> float:
        """Two-sided, for a true value of 0; NaN where it is not known."""
        if not self.error > 0:
            return float("nan")
        z = self.value / self.error
        if self.information is None:
            return float(2 * t.sf(abs(z), GROUPS - 1))
        return float(always_valid_p(z, self.information)) if np.isfinite(self.information) else float("nan")

    def interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """Value, low, high."""
        if self.information is None:
            half = float(t.ppf((1 + level) / 2, GROUPS - 1)) * self.error
        else:
            half = float(always_valid_half_width(self.error, self.information, level))
        return self.value, self.value - half, self.value + half


@dataclass(frozen=True)
class Curves:
    """Gain curves of one ranking, one per half of the customers or one of all, as `qini` gives them."""

    parts: tuple[Part, ...]
    priced: tuple[tuple[float, tuple[Part, ...]], ...] = ()
    """Where the outcome is computed with prices: the standard error of each price, and the curves of its quantity."""
    information: float | None = None

    def estimate(self, numbers: Sequence[Callable[[Floats], Floats]]) -> Estimate:
        """A number read off the curves, the mean over the parts; the error includes that of the prices.

        Args:
            numbers: for each part, a linear function of the curve's last axis.
        """
        read = [(of(whole), of(left)) for of, (whole, left) in zip(numbers, self.parts, strict=True)]
        value, error = _jackknife(read)
        squares = float(error) ** 2
        for price_error, parts in self.priced:
            quantity = np.mean([of(whole) for of, (whole, _left) in zip(numbers, parts, strict=True)])
            squares += (price_error * float(quantity)) ** 2
        return Estimate(float(value), float(np.sqrt(squares)), self.information)


@dataclass(frozen=True)
class Policy:
    """Treating the first fifths of a ranking, per customer of the whole list."""

    fifths: int
    """How many of the five are treated (1–4): the best number over all customers."""
    over_none: Estimate
    """Gain compared with treating nobody."""
    over_everybody: Estimate
    """Gain compared with treating everybody."""

    @property
    def p_value(self) -> float:
        """For the policy being no better than the better one of treating nobody and treating everybody."""
        gains = (self.over_none, self.over_everybody)
        p = [one.p_value if one.value > 0 else 1.0 for one in gains if np.isfinite(one.p_value)]
        return max(p) if len(p) == len(gains) else float("nan")


def qini(place: Floats, treated: NDArray[np.int64], y: Floats, group: NDArray[np.int64]) -> Part:
    """The gain of treating only the first share of a ranking, at each depth, and without each jackknife group.

    Args:
        place: the rank of each customer, 0 (first) to 1.
        treated: 0 or 1, randomly assigned.
        y: the outcome.
        group: 0 … 63.

    Returns:
        gain at each of `DEPTHS`: depth × (mean of the treated − mean of the control) among those ranked so high (per
        customer of the whole list); the same without each group, groups × depths.
    """
    n, sums = _binned(place, treated, y, group, len(DEPTHS))

    def gain(people: Floats, sums: Floats) -> Floats:
        people, sums = people.cumsum(axis=0), sums.cumsum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = sums / people
            share = people.sum(axis=1) / people[-1].sum(axis=0)
            return np.nan_to_num(share * (mean[:, 1] - mean[:, 0]))

    whole = gain(n.sum(axis=2), sums.sum(axis=2))
    left = gain(n.sum(axis=2, keepdims=True) - n, sums.sum(axis=2, keepdims=True) - sums)
    return whole, left.T


def effects_by_fifth(place: Floats, treated: NDArray[np.int64], y: Floats, group: NDArray[np.int64]) -> Part:
    """The effect in each fifth of a ranking (mean of the treated − mean of the control), and without each group.

    The arguments are those of `qini`. Returns arrays of 5, and groups × 5; NaN where a fifth lacks an arm.
    """
    n, sums = _binned(place, treated, y, group, FIFTHS)

    def effect(people: Floats, sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = sums / people
        return np.asarray(mean[:, 1] - mean[:, 0])

    whole = effect(n.sum(axis=2), sums.sum(axis=2))
    return whole, effect(n.sum(axis=2, keepdims=True) - n, sums.sum(axis=2, keepdims=True) - sums).T


def _binned(
    place: Floats, treated: NDArray[np.int64], y: Floats, group: NDArray[np.int64], bins: int
) -> tuple[Floats, Floats]:
    """Customers and sums of the outcome by bin of the ranking, arm and group."""
    key = (np.minimum((place * bins).astype(int), bins - 1) * 2 + treated) * GROUPS + group
    size, shape = bins * 2 * GROUPS, (bins, 2, GROUPS)
    n, sums = np.bincount(key, minlength=size), np.bincount(key, y, size)
    return np.asarray(n.reshape(shape), float), np.asarray(sums.reshape(shape), float)


def _jackknife(parts: Sequence[Part]) -> tuple[Floats, Floats]:
    """The mean of the parts' values and its standard error: see `jackknifed`."""
    values, errors = [], []
    for whole, left in parts:
        used = len(left)
        values.append(whole)
        errors.append(np.sqrt((used - 1) / used * ((left - whole) ** 2).sum(axis=0)))
    return np.mean(values, axis=0), np.mean(errors, axis=0)


def jackknifed(parts: Sequence[Part]) -> tuple[Floats, Floats, Floats]:
    """The mean of the parts' values with a jackknife interval (by group of customers, as in `statistics.jackknife`).

    Each half is evaluated with a ranking fitted on the other, so the errors of the two may be correlated; simulations
    without effects show that they are. The standard error of their mean is at most the mean of their standard errors,
    and this upper bound is used.
    """
    value, error = _jackknife(parts)
    half_width = t.ppf(0.975, GROUPS - 1) * error
    return value, value - half_width, value + half_width


def over_random(curve: Floats) -> Floats:
    """The mean gain above the straight line of random targeting (the area between the two), per customer of the list.

    Args:
        curve: gains at `DEPTHS`, on the last axis.
    """
    return np.asarray((curve - curve[..., -1:] * DEPTHS).mean(axis=-1))


def choose_fifths(curve: Floats) -> int:
    """The number of fifths (1–4) at which the gain is largest.

    >>> choose_fifths(np.minimum(DEPTHS, 0.6) - np.maximum(DEPTHS - 0.6, 0))
    3
    """
    return int(np.argmax(curve[_EDGES])) + 1


def compare_policy(curves: Curves, halves: Sequence[Floats]) -> Policy:
    """Value the policy of treating the first fifths; how many is chosen for each half on the other half.

    Args:
        curves: one per half.
        halves: the two halves' gain curves, by which the numbers of fifths are chosen.
    """
    other = [choose_fifths(curve) for curve in reversed(halves)]
    places = [_EDGES[fifths - 1] for fifths in other]
    over_none = [lambda curve, at=at: curve[..., at] for at in places]
    over_everybody = [lambda curve, at=at: curve[..., at] - curve[..., -1] for at in places]
    return Policy(choose_fifths(np.mean(halves, axis=0)), curves.estimate(over_none), curves.estimate(over_everybody))
