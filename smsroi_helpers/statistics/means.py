"""The difference of two means, from their moments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from smsroi_helpers.statistics.jackknife import Floats, Interval

__all__ = [
    "MeanDifference",
    "difference_of_means",
]


@dataclass(frozen=True)
class MeanDifference(Interval):
    """The difference of two means by Welch."""

    standard_error: Floats
    df: Floats
    """Welch and Satterthwaite's degrees of freedom."""
    p_value: Floats
    """Two-sided, for no difference."""


def difference_of_means(
    treated: tuple[ArrayLike, ArrayLike, ArrayLike],
    control: tuple[ArrayLike, ArrayLike, ArrayLike],
    level: float = 0.95,
) -> MeanDifference:
    """Mean outcome per treated customer − per control customer, from moments: Welch (1947), Biometrika 34.

    Args:
        treated: n, Σy and Σy² over the arm's customers; arrays are taken element by element.
        control: the same.
        level: of the intervals.

    Returns:
        NaN limits where an arm has fewer than two customers or neither arm's outcome varies: of the error of such
        numbers the data say nothing.

    >>> found = difference_of_means(([3], [6.0], [14.0]), ([3], [9.0], [29.0]))  # 1, 2, 3 against 2, 3, 4
    >>> found.estimate, found.standard_error.round(4), found.df.round(3)
    (array([-1.]), array([0.8165]), array([4.]))
    """
    means, errors, sizes = [], [], []
    for arm in (treated, control):
        n, total, squares = (np.asarray(moment, float) for moment in arm)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / n
            # Of two nearly equal numbers the difference may come out below 0, or as dust where it is 0.
            rest = squares - total * mean
            rest = np.where(rest > 1e-12 * squares, rest, 0.0)
            errors.append(np.where(n > 1, rest / (n - 1) / n, np.nan))
        means.append(mean)
        sizes.append(n)
    variance = errors[0] + errors[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / (errors[0] ** 2 / (sizes[0] - 1) + errors[1] ** 2 / (sizes[1] - 1))
        estimate, error = means[0] - means[1], np.sqrt(np.where(variance > 0, variance, np.nan))
        p_value = 2 * t.sf(np.abs(estimate) / error, df)
        reach = t.ppf((1 + level) / 2, df) * error
    return MeanDifference(*map(np.asarray, (estimate, estimate - reach, estimate + reach, error, df, p_value)))
