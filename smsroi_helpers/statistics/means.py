"""The difference of two means, from their moments.

References:
    Welch (1947), Biometrika 34: the difference of means with unequal variances.
    Satterthwaite (1946), Biometrics Bulletin 2: its degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.jackknife import Interval

__all__ = [
    "MeanDifference",
    "difference_of_means",
    "variance_from_sums",
    "welch",
]
_ROUNDING = 1e-12
"""A variance below this share of the sum of squares is a rounding error and counts as 0."""


@dataclass(frozen=True)
class MeanDifference(Interval):
    """The difference of two means by Welch."""

    standard_error: Floats
    df: Floats
    """Welch and Satterthwaite's degrees of freedom."""
    p_value: Floats
    """Two-sided, for no difference; valid for a single look planned in advance, not for daily looks."""


def variance_from_sums(products: ArrayLike, first: ArrayLike, second: ArrayLike, n: ArrayLike) -> Floats:
    """Σ(a − ā)(b − b̄) ÷ (n − 1), a variance or a covariance, from Σab, Σa and Σb.

    Returns:
        the (co)variance; 0 where it is no larger than the rounding error of Σab; NaN below two customers.

    >>> variance_from_sums([14.0], [6.0], [6.0], [3])  # 1, 2, 3
    array([1.])
    """
    products, first, second, n = (np.asarray(each, float) for each in (products, first, second, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = products - first * second / n
        rest = np.where(np.abs(rest) <= _ROUNDING * np.abs(products), 0.0, rest)
        return np.where(n > 1, rest / (n - 1), np.nan)


def welch(
    estimate: Floats, variances: tuple[Floats, Floats], satterthwaite: tuple[Floats, Floats], level: float = 0.95
) -> MeanDifference:
    """The interval and p-value of a difference of two estimates with unequal variances.

    df = (v₁ + v₀)² ÷ (v₁²/(n₁ − 1) + v₀²/(n₀ − 1)).

    Args:
        estimate: of the difference.
        variances: v₁ and v₀, of the two estimates.
        satterthwaite: v²/(n − 1) of each; for an average over strata, the sum over strata.
        level: of the interval.

    Returns:
        the difference; NaN limits where a variance is not known or both are 0, since the error cannot be estimated.
    """
    variance = variances[0] + variances[1]
    variance = np.where(variance > 0, variance, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / (satterthwaite[0] + satterthwaite[1])
        error = np.sqrt(variance)
        half_width = t.ppf((1 + level) / 2, df) * error
        p_value = 2 * t.sf(np.abs(estimate) / error, df)
    return MeanDifference(estimate, estimate - half_width, estimate + half_width, error, df, p_value)


def difference_of_means(
    treated: tuple[ArrayLike, ArrayLike, ArrayLike],
    control: tuple[ArrayLike, ArrayLike, ArrayLike],
    level: float = 0.95,
) -> MeanDifference:
    """Mean outcome per treated customer less mean outcome per control customer, from moments, by Welch.

    Args:
        treated: n, Σy and Σy² over the arm's customers; arrays are handled element by element.
        control: the same.
        level: of the intervals.

    Returns:
        the difference; NaN limits where an arm has fewer than two customers or neither arm's outcome varies, since the
        error cannot be estimated.

    >>> found = difference_of_means(([3], [6.0], [14.0]), ([3], [9.0], [29.0]))  # 1, 2, 3 against 2, 3, 4
    >>> found.estimate, found.standard_error.round(4), found.df.round(3)
    (array([-1.]), array([0.8165]), array([4.]))
    """
    means, variances, satterthwaite = [], [], []
    for arm in (treated, control):
        n, total, squares = (np.asarray(moment, float) for moment in arm)
        # a variance is below 0 only by rounding
        variance = np.maximum(variance_from_sums(squares, total, total, n), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            means.append(total / n)
            variances.append(variance / n)
            satterthwaite.append((variance / n) ** 2 / (n - 1))
    return welch(means[0] - means[1], (variances[0], variances[1]), (satterthwaite[0], satterthwaite[1]), level)
