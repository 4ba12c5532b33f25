"""Proportions: intervals that are valid with few events, and the difference of two proportions.

References:
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated
        from survey data, Survey Methodology 24(2).
    Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4(2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import fisher_exact, norm
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.jackknife import GROUPS, Interval, Jackknife, by_group, jackknife, t_quantile

__all__ = [
    "FEW_EVENTS",
    "RateDifference",
    "bisect",
    "difference_of_rates",
    "jackknife_rate",
    "rates",
]
FEW_EVENTS = 20
"""With fewer events in an arm, rates are compared by exact and score methods, not by normal approximations."""
_FEWEST_FOR_LOGIT = 10
"""With fewer events the logit interval is too high; in simulations it misses small rates below it 3–4 % of the time."""


def jackknife_rate(events: ArrayLike, trials: ArrayLike, units: ArrayLike, level: float = 0.95) -> Jackknife:
    """Σ events ÷ Σ trials per cell, a share between 0 and 1, with an interval that is valid with few events.

    From 10 events (and non-events) on, it is the jackknife by group on the logit scale. Below, it is Clopper and
    Pearson's exact interval at the effective number of trials p (1 − p)/v · (z/t)², with v the jackknife variance
    (Korn & Graubard 1998). Without events, with events only, or with the same share in every group, v is 0 and cannot
    be used; then it is the exact interval for `units` independent trials.

    Args:
        events: … × groups, 0 ≤ events ≤ trials.
        trials: the same shape.
        units: … (one per cell), the number of independent trials: customers, if one may have many events (clicks); the
            trials themselves, if at most one (opt-outs).
        level: of the intervals.

    Returns:
        arrays in the shape of the cells; NaN where a cell has no trial. `standard_error` is on the scale of shares.

    Raises:
        ValueError: events are below 0 or above trials.

    >>> none = jackknife_rate([[0.0, 0.0]], [[400.0, 600.0]], units=[100])
    >>> none.low, none.high.round(4), round(1 - 0.025 ** (1 / 100), 4)  # 1,000 messages to 100 customers, no click
    (array([0.]), array([0.0362]), 0.0362)
    """
    events, trials = np.broadcast_arrays(np.asarray(events, float), np.asarray(trials, float))
    wrong = (events < 0) | (events > trials)
    if wrong.any():
        raise ValueError(f"events must lie between 0 and trials; in {int(wrong.sum())} groups of cells they do not")
    found = jackknife(lambda sums: sums[0] / sums[1], np.stack([events, trials]), level)
    rate, error = found.estimate, found.standard_error
    count, tried = events.sum(axis=-1), trials.sum(axis=-1)
    half_width = t_quantile(level, found.groups - 1)
    # The last condition means an error of 0 up to rounding; one event more in a group is far above it.
    even = (count == 0) | (count == tried) | (error <= 1e-12 * rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = rate * (1 - rate)
        centre, half = logit(rate), half_width * error / variance
        effective = np.minimum(variance / error**2 * (norm.ppf((1 + level) / 2) / half_width) ** 2, tried)
    effective = np.where(even, np.asarray(units, float), effective)
    exact_low, exact_high = _clopper_pearson(rate * effective, effective, level)
    few = even | (np.minimum(count, tried - count) < _FEWEST_FOR_LOGIT)
    low = np.where(few, exact_low, expit(centre - half)) + 0 * rate  # NaN without a trial
    high = np.where(few, exact_high, expit(centre + half)) + 0 * rate
    return Jackknife(rate, low, high, error, found.groups, found.deviations)


def _clopper_pearson(events: Floats, trials: Floats, level: float) -> tuple[Floats, Floats]:
    """Exact limits of a share; events and trials need not be whole, since the limits are beta quantiles."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = proportion_confint(events, trials, alpha=1 - level, method="beta")
    unknown = ~(trials > 0)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def rates(
    cells: pd.DataFrame, by: Sequence[str], *, events: str, trials: str, units: str, groups: int = GROUPS
) -> pd.DataFrame:
    """One row for each combination of `by`, with a share and its interval: see `jackknife_rate`.

    Args:
        cells: the columns of `by`, group (0 … groups − 1), and those named next; one row per combination.
        by: the key columns, such as segment, weekday or hour.
        events: the column of events, such as clicks.
        trials: the column of trials, such as messages.
        units: the column of customers, if one may have many events; the same as `trials`, if at most one.
        groups: the number of groups.

    Returns:
        the columns of `by`; events, trials, units, rate, low, high.
    """
    keys, (hit, tried, people) = by_group(cells, by, [events, trials, units], groups)
    found = jackknife_rate(hit, tried, people.sum(axis=-1))
    counts = {"events": hit.sum(axis=-1), "trials": tried.sum(axis=-1), "units": people.sum(axis=-1)}
    return keys.assign(**counts, rate=found.estimate, low=found.low, high=found.high)


# --- two arms --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RateDifference(Interval):
    """The difference of two shares, with Fisher's exact two-sided p-value for no difference."""

    p_value: Floats


def difference_of_rates(
    events: ArrayLike,
    customers: ArrayLike,
    control_events: ArrayLike,
    control_customers: ArrayLike,
    level: float = 0.95,
) -> RateDifference:
    """The share of events among the treated less that of the control: Miettinen–Nurminen interval, Fisher's p-value.

    The limits are the differences d at which (p̂₁ − p̂₀ − d)/√v(d) = ±z, with v(d) from the maximum-likelihood shares
    given d, times N/(N − 1) (Miettinen & Nurminen 1985). Valid for any number of events, including 0. It is used with
    fewer than `FEW_EVENTS` in an arm. It replaces `confint_proportions_2indep(method="score")` of statsmodels 0.15,
    which has x₀ for n₀ in the cubic (its issue 10269; it gives .3440 for the published limit .3382 of 56/70 − 48/80)
    and searches for limits too close to the estimate (an error with five events).

    Args:
        events: of the treated; arrays are handled element by element.
        customers: of the treated.
        control_events: of the control.
        control_customers: of the control.
        level: of the intervals.

    Raises:
        ValueError: an arm has no customers, or events are below 0 or above its customers.

    >>> found = difference_of_rates([293], [11_298], [5], [464])  # a public test of advertisements
    >>> found.estimate.round(4), found.low.round(4), found.high.round(4), found.p_value.round(3)
    (array([0.0152]), array([0.0008]), array([0.0222]), array([0.048]))
    """
    x1, n1, x0, n0 = np.broadcast_arrays(
        *(np.asarray(given, float) for given in (events, customers, control_events, control_customers))
    )
    if np.any((n1 <= 0) | (n0 <= 0) | (x1 < 0) | (x0 < 0) | (x1 > n1) | (x0 > n0)):
        raise ValueError("each arm needs at least one customer, and between 0 and as many events as customers")
    estimate = x1 / n1 - x0 / n0
    z = norm.ppf((1 + level) / 2)
    crossed = np.reshape([z, -z], (2, *(1 for _ in estimate.shape)))  # both limits at once
    ends = np.stack([np.full(estimate.shape, -1.0), estimate, np.full(estimate.shape, 1.0)])
    low, high = bisect(lambda d: _score(d, x1, n1, x0, n0) > crossed, ends[:2], ends[1:])
    tables = zip(*(np.atleast_1d(count).ravel() for count in (x1, n1 - x1, x0, n0 - x0)), strict=True)
    p = np.array([fisher_exact([[a, b], [c, d]]).pvalue for a, b, c, d in tables]).reshape(estimate.shape)
    return RateDifference(estimate, low, high, p)


def bisect(is_left: Callable[[Floats], NDArray[np.bool_]], left: Floats, right: Floats) -> Floats:
    """Bisection: where a decreasing function crosses its level between left and right; all elements at once."""
    for _ in range(60):
        middle = (left + right) / 2
        more = is_left(middle)
        left, right = np.where(more, middle, left), np.where(more, right, middle)
    return (left + right) / 2


def _score(difference: Floats, x1: Floats, n1: Floats, x0: Floats, n0: Floats) -> Floats:
    """Miettinen and Nurminen's statistic for p₁ − p₀ = difference; it decreases in the difference.

    p₀ is the root of the cubic of their appendix I, by the arccosine, clipped to the possible values of p₀ and p₁.
    """
    d, n, x = difference, n1 + n0, x1 + x0
    second = ((n1 + 2 * n0) * d - n - x) / (3 * n)
    first = (d * (n0 * d - n - 2 * x0) + x) / n
    last = x0 * d * (1 - d) / n
    q = second**3 - second * first / 2 + last / 2
    p = np.where(q < 0, -1.0, 1.0) * np.sqrt(np.maximum(second**2 - first / 3, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = (np.pi + np.arccos(np.clip(np.where(p == 0, 0.0, q / p**3), -1.0, 1.0))) / 3
    p0 = np.clip(2 * p * np.cos(angle) - second, np.maximum(0.0, -d), np.minimum(1.0, 1.0 - d))
    p1 = np.clip(p0 + d, 0.0, 1.0)
    variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * n / (n - 1)
    distance = x1 / n1 - x0 / n0 - d
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / np.sqrt(variance))
