"""The delete-a-group jackknife: intervals with the customer as unit, from sums by cell, never from rows of customers.

Everything here takes counts and sums that the engine has made: by group of customers (column `group`, 0 … 63, a hash of
the customer), by cell, by arm. Intervals are two-sided at `level` (0.95) unless said otherwise. Where the data say
nothing about the error of a number its limits are NaN, never equal to each other. That they hold the truth as often as
they say is tried in `benchmarks/claims/` and reported in docs/calibration.md.

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
"""Groups of customers, by hash, that the jackknife leaves out one at a time."""


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
    """Sums by what the rows of a result are named by, with the groups of customers side by side.

    Args:
        cells: the columns of `by`, `group` (0 … groups − 1), and what is to be summed. Absent combinations are zeros.
        by: names a row; empty for one row of everything.
        columns: what is to be summed.
        groups: how many groups the hash makes.

    Returns:
        the rows' names, in order, one row each; the sums, columns × rows × groups.

    Raises:
        ValueError: a group that is none.

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
    """Estimates, with what each group of customers contributes to their error."""

    standard_error: Floats
    groups: Ints
    """How many groups hold anybody; the t distribution has one degree of freedom fewer."""
    deviations: Floats
    """Estimate without a group − estimate, scaled so that their squares add up to the variance; last axis: groups."""

    def covariance(self) -> Floats:
        """The joint covariance of the estimates (taken in one line), since the same customers are in many of them."""
        flat = self.deviations.reshape(-1, self.deviations.shape[-1])
        return flat @ flat.T


def jackknife(function: Callable[[Floats], Floats], sums: ArrayLike, level: float = 0.95) -> Jackknife:
    """The interval of any smooth function of ratios of sums, leaving out one group of customers at a time.

    v = (G − 1)/G Σ_g (θ_(g) − θ)², with θ_(g) the estimate from all but group g, and Student's t at G − 1 degrees of
    freedom (Kott 2001). Groups in which a cell has nothing do not count towards its G.

    Args:
        function: from sums (k, …) to estimates (…), element by element: `lambda s: s[0] / s[1]`. Not of totals: what
            doubles with the customers is estimated by its mean, times their number.
        sums: k × … × groups, as `by_group` gives them.
        level: of the intervals.

    Returns:
        arrays in the shape of the cells; NaN limits where fewer than two groups hold anybody.

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
        # A group without anybody changes nothing, whatever a rounded sum says.
        deviations = np.where(held, (without - estimate[..., None]), 0.0) * np.sqrt(scale)[..., None]
    error = np.sqrt((deviations**2).sum(axis=-1))
    half_width = t_quantile(level, used - 1) * error
    return Jackknife(estimate, estimate - half_width, estimate + half_width, error, used, deviations)


def t_quantile(level: float, df: ArrayLike) -> Floats:
    """Student's t for a two-sided interval; NaN without a degree of freedom."""
    df = np.asarray(df, float)
    return np.where(df > 0, t.ppf((1 + level) / 2, np.maximum(df, 1)), np.nan)


def jackknife_ratio(numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95) -> Jackknife:
    """Σ numerator ÷ Σ denominator per cell, with its interval: profit per message, orders per week.

    Args:
        numerator: … × groups, any sign.
        denominator: the same shape, ≥ 0.
        level: of the intervals.

    Returns:
        arrays in the shape of the cells. NaN limits where every numerator is 0: the data then say nothing of the error;
        of a share of trials `jackknife_rate` has limits even so.
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
    """The robust covariance of parameters fitted to weighted cells, the customer being the unit.

    H⁻¹ (Σ n s sᵀ) H⁻¹ (White 1982, theorem 3.2), the n customers of a cell having one score s each: the derivatives of
    one customer's log-likelihood.

    Args:
        squares: Σ n s sᵀ over the cells, parameters × parameters.
        hessian: parameters × parameters, second derivatives of the negative log-likelihood of all customers.
    """
    bread = np.linalg.inv(np.asarray(hessian, float))
    return bread @ np.asarray(squares, float) @ bread


def resample_cells(counts: ArrayLike, draws: int, rng: np.random.Generator) -> Ints:
    """The bootstrap over customers, from cells alone: as many customers drawn anew, with replacement.

    Drawing N customers with replacement and counting them by cell is one multinomial draw (Efron 1979, Annals of
    Statistics 7(1)).

    Args:
        counts: customers of each cell.
        draws: how many times.
        rng: of the draws.

    Returns:
        draws × cells, each row with the sum of `counts`.
    """
    counts = np.asarray(counts)
    total = int(counts.sum())
    return rng.multinomial(total, counts / total, size=draws)
