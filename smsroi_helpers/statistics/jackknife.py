"""The delete-a-group jackknife: intervals with the customer as unit, from sums by cell instead of rows of customers.

Everything here takes counts and sums from the engine: by group of customers (column `group`, 0 … 63, a hash of the
customer), by cell, by arm. Intervals are two-sided at `level` (0.95) unless stated otherwise. Where the error of a
number cannot be estimated, its limits are NaN and never equal to each other. Coverage is tested in `benchmarks/claims/`
and reported in docs/calibration.md.

References:
    Kott (2001), The delete-a-group jackknife, Journal of Official Statistics 17(4).
    Huber (1967), and White (1982), Maximum likelihood estimation of misspecified models, Econometrica 50(1): sandwich.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t

from smsroi_helpers.statistics.arrays import Floats, Ints

__all__ = [
    "GROUPS",
    "Interval",
    "Jackknife",
    "by_group",
    "jackknife",
    "jackknife_ratio",
    "ratios",
    "resample_cells",
    "sandwich",
    "t_quantile",
]

GROUPS = 64
"""The number of groups of customers, by hash, that the jackknife leaves out one at a time."""


@dataclass(frozen=True)
class Interval:
    """Estimates with their limits; arrays of one shape."""

    estimate: Floats
    low: Floats
    high: Floats


# --- sums by group ---------------------------------------------------------------------------------------------------


def by_group(
    cells: pd.DataFrame, by: Sequence[str], columns: Sequence[str], groups: int = GROUPS
) -> tuple[pd.DataFrame, Floats]:
    """Sums by the key columns `by`, with the groups of customers on the last axis.

    Args:
        cells: the columns of `by`, `group` (0 … groups − 1), and `columns`. Absent combinations are zeros.
        by: the key columns; empty for one row of all cells.
        columns: the columns to sum.
        groups: the number of groups.

    Returns:
        the keys, sorted, one row each; the sums, columns × rows × groups.

    Raises:
        ValueError: a value of `group` is not a whole number from 0 to groups − 1.

    >>> cells = pd.DataFrame({"hour": [9, 9, 8], "group": [0, 1, 1], "clicks": [1, 2, 5]})
    >>> keys, sums = by_group(cells, ["hour"], ["clicks"], groups=2)
    >>> keys["hour"].tolist(), sums[0].tolist()
    ([8, 9], [[0.0, 5.0], [1.0, 2.0]])
    """
    group = cells["group"].to_numpy()
    wrong = ~np.isin(group, np.arange(groups))
    if wrong.any():
        raise ValueError(
            f"column group must hold whole numbers from 0 to {groups - 1}; {wrong.sum()} rows do not, the first has"
            f" {group[wrong][0]}"
        )
    if by:
        grouping = cells.groupby(list(by), sort=True, dropna=False, observed=True)
        row = grouping.ngroup().to_numpy()
        keys = grouping.size().reset_index()[list(by)]
    else:
        row, keys = np.zeros(len(cells), int), pd.DataFrame(index=range(1))
    place = row * groups + group.astype(int)
    size = len(keys) * groups
    flat = [np.bincount(place, cells[name].to_numpy(float), size).astype(float) for name in columns]
    return keys, np.stack(flat).reshape(len(columns), len(keys), groups)


# --- the jackknife by group ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Jackknife(Interval):
    """Estimates, with the contribution of each group of customers to their variance."""

    standard_error: Floats
    groups: Ints
    """The number of groups with any customers; the t distribution has one degree of freedom fewer."""
    deviations: Floats
    """Estimate without a group − estimate, scaled so that the squares sum to the variance; last axis: groups."""

    def covariance(self) -> Floats:
        """The joint covariance of the estimates (flattened), since the same customers are in many of them."""
        flat = self.deviations.reshape(-1, self.deviations.shape[-1])
        return flat @ flat.T


def jackknife(function: Callable[[Floats], Floats], sums: ArrayLike, level: float = 0.95) -> Jackknife:
    """The interval of a smooth function of ratios of sums, leaving out one group of customers at a time.

    v = (G − 1)/G Σ_g (θ_(g) − θ)², with θ_(g) the estimate from all but group g, and Student's t at G − 1 degrees of
    freedom (Kott 2001). Groups without data in a cell do not count towards its G.

    Args:
        function: from sums (k, …) to estimates (…), element by element: `lambda s: s[0] / s[1]`. It must not
            be a total, which grows with the number of customers; estimate the mean and multiply it by their number.
        sums: k × … × groups, of `by_group`.
        level: of the intervals.

    Returns:
        arrays in the shape of the cells; NaN limits where fewer than two groups have customers.

    >>> found = jackknife(lambda s: s[0] / s[1], [[[1.0, 3.0]], [[10.0, 10.0]]])  # one cell: .1 and .3 in two groups
    >>> found.estimate, found.standard_error
    (array([0.2]), array([0.1]))
    """
    sums = np.asarray(sums, float)
    total = sums.sum(axis=-1)
    held = np.any(sums != 0, axis=0)
    used = held.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.asarray(function(total), float)
        without = np.asarray(function(total[..., None] - sums), float)
        scale = np.where(used > 1, (used - 1) / np.maximum(used, 1), np.nan)
        # A group without customers has no deviation, whatever the rounding of the sums.
        deviations = np.where(held, (without - estimate[..., None]), 0.0) * np.sqrt(scale)[..., None]
    error = np.sqrt((deviations**2).sum(axis=-1))
    half_width = t_quantile(level, used - 1) * error
    return Jackknife(estimate, estimate - half_width, estimate + half_width, error, used, deviations)


def t_quantile(level: float, df: ArrayLike) -> Floats:
    """Student's t for a two-sided interval; NaN without a degree of freedom."""
    df = np.asarray(df, float)
    return np.where(df > 0, t.ppf((1 + level) / 2, np.maximum(df, 1)), np.nan)


def jackknife_ratio(numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95) -> Jackknife:
    """Σ numerator ÷ Σ denominator per cell, with its interval; for example profit per message, or orders per week.

    Args:
        numerator: … × groups, any sign.
        denominator: the same shape, ≥ 0.
        level: of the intervals.

    Returns:
        arrays in the shape of the cells. NaN limits where every numerator is 0, since the error cannot be estimated;
        for a share of trials `jackknife_rate` has limits in that case too.
    """
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    found = jackknife(lambda sums: sums[0] / sums[1], np.stack([numerator, denominator]), level)
    nothing = ~np.any(numerator != 0, axis=-1)
    low, high = (np.where(nothing, np.nan, limit) for limit in (found.low, found.high))
    return Jackknife(found.estimate, low, high, found.standard_error, found.groups, found.deviations)


def ratios(
    cells: pd.DataFrame, by: Sequence[str], *, numerator: str, denominator: str, groups: int = GROUPS
) -> pd.DataFrame:
    """One row for each combination of `by`, with Σ numerator ÷ Σ denominator and its interval: see `jackknife_ratio`.

    Returns:
        the columns of `by`; numerator, denominator (sums), ratio, low, high.
    """
    keys, (top, bottom) = by_group(cells, by, [numerator, denominator], groups)
    found = jackknife_ratio(top, bottom)
    sums = {"numerator": top.sum(axis=-1), "denominator": bottom.sum(axis=-1)}
    return keys.assign(**sums, ratio=found.estimate, low=found.low, high=found.high)


# --- models on weighted cells ----------------------------------------------------------------------------------------


def sandwich(squares: ArrayLike, hessian: ArrayLike) -> Floats:
    """The robust (sandwich) covariance of parameters fitted to weighted cells, with the customer as unit.

    H⁻¹ (Σ n s sᵀ) H⁻¹ (White 1982, theorem 3.2). Each of the n customers of a cell has the score s, the derivative of
    one customer's log-likelihood.

    Args:
        squares: Σ n s sᵀ over the cells, parameters × parameters.
        hessian: parameters × parameters, second derivatives of the negative log-likelihood of all customers.
    """
    bread = np.linalg.inv(np.asarray(hessian, float))
    return bread @ np.asarray(squares, float) @ bread


def resample_cells(counts: ArrayLike, draws: int, rng: np.random.Generator) -> Ints:
    """The bootstrap over customers from cells: as many customers, drawn with replacement.

    Drawing N customers with replacement and counting them by cell is one multinomial draw (Efron 1979, Annals of
    Statistics 7(1)).

    Args:
        counts: customers of each cell.
        draws: the number of bootstrap samples.
        rng: of the draws.

    Returns:
        draws × cells; each row sums to the sum of `counts`.
    """
    counts = np.asarray(counts)
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=draws)
