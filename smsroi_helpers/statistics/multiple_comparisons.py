"""Multiple comparisons: the set that contains the best, and adjusted p-values.

References:
    Edwards & Hsu (1983), Multiple comparisons with the best treatment, JASA 78(384); Hsu (1996), Multiple Comparisons.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.jackknife import Interval

__all__ = [
    "BestSet",
    "adjust",
    "best_set",
]


# --- multiple comparisons --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BestSet(Interval):
    """The candidates that may be the best, and the difference of each from the best of the others.

    `estimate`, `low`, `high`: θ_i − max_{j≠i} θ_j, with simultaneous limits at the given level. −low is the upper limit
    of the loss from choosing candidate i. NaN for candidates whose error is not known.
    """

    chosen: NDArray[np.bool_]
    """The candidates that are not distinguishable from the best."""


def best_set(
    estimates: ArrayLike,
    covariance: ArrayLike,
    rng: np.random.Generator,
    *,
    df: float = np.inf,
    level: float = 0.95,
    draws: int = 10_000,
) -> BestSet:
    """The candidates that are not distinguishable from the best: P(the truly best is among them) ≥ level.

    Multiple comparisons with the best (Edwards & Hsu 1983; Hsu 1996, chapter 4): candidate i is excluded if another
    one is better by more than c_i standard errors of their difference. c_i is the quantile of the largest studentised
    difference from i (Dunnett's, one-sided), simulated from the joint covariance.

    Args:
        estimates: one per candidate; larger is better.
        covariance: joint, of the estimates. Candidates with a variance of NaN or 0 are never excluded.
        rng: of the critical values.
        df: degrees of freedom of the covariance (groups − 1 from a jackknife).
        level: the least probability that the set contains the best.
        draws: the number of simulations; with 10,000 the coverage varies by about ±.002.

    Raises:
        ValueError: there is no candidate, or the covariance has another shape.

    >>> found = best_set([3.0, 2.9, 0.0], np.diag([0.01, 0.01, 0.01]), np.random.default_rng(1))
    >>> found.chosen.tolist()
    [True, True, False]
    """
    estimates, covariance = np.asarray(estimates, float), np.asarray(covariance, float)
    if estimates.ndim != 1 or not estimates.size or covariance.shape != (estimates.size,) * 2:
        raise ValueError(
            f"there must be at least one estimate, and a covariance for each pair; not shapes {estimates.shape} and"
            f" {covariance.shape}"
        )
    variances = np.diag(covariance)
    known = np.isfinite(estimates) & np.isfinite(variances) & (variances > 0)
    chosen = ~known
    gap, low, high = (np.full(estimates.size, np.nan) for _ in range(3))
    if known.sum() < 2:
        return BestSet(gap, low, high, np.ones(estimates.size, bool))
    value, joint = estimates[known], covariance[np.ix_(known, known)]
    ahead = value[None, :] - value[:, None]  # in row i, the lead of each other candidate over i
    variance = np.diag(joint)
    error = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * joint, 0.0))
    # Standard errors of the differences; 0 for pairs with perfectly correlated errors.
    error[error < 1e-9 * np.sqrt(variance.max())] = 0.0
    critical = _critical_values(joint, error, df, level, draws, rng)
    others = ~np.eye(value.size, dtype=bool)
    most = np.where(others, -ahead + critical[:, None] * error, np.inf).min(axis=1)
    stays = most >= 0
    rival = others & stays[None, :]
    least = np.where(rival, -ahead - critical[None, :] * error, np.inf).min(axis=1)
    gap[known] = np.where(others, -ahead, np.inf).min(axis=1)
    low[known], high[known] = np.minimum(least, 0.0), np.maximum(most, 0.0)
    chosen[known] = stays
    return BestSet(gap, low, high, chosen)


def _critical_values(
    joint: Floats, error: Floats, df: float, level: float, draws: int, rng: np.random.Generator
) -> Floats:
    """For each candidate, the quantile of max_j (Z_j − Z_i)/error_ij, with Z ~ N(0, joint) over √(χ²/df)."""
    eigenvalues, eigenvectors = np.linalg.eigh(joint)
    noise = (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ rng.standard_normal((len(joint), draws))
    if np.isfinite(df):
        noise /= np.sqrt(rng.chisquare(df, draws) / df)
    quantiles = np.zeros(len(joint))
    for i in range(len(joint)):
        apart = error[i] > 0
        if apart.any():
            largest = ((noise[apart] - noise[i]) / error[i, apart, None]).max(axis=0)
            quantiles[i] = np.quantile(largest, level, method="higher")
    return np.maximum(quantiles, 0.0)


def adjust(p_values: ArrayLike, method: Literal["holm", "benjamini_hochberg"]) -> Floats:
    """P-values adjusted for multiple comparisons: Holm (1979), or Benjamini and Hochberg (1995).

    Args:
        p_values: of one family; NaN (not tested) stays NaN and does not count.
        method: `holm` controls the probability of any false positive, for decisions; `benjamini_hochberg` controls the
            expected share of false positives among the positives, for screening.

    >>> adjust([0.01, 0.04, float("nan"), 0.03], "holm").round(2).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    p_values = np.asarray(p_values, float)
    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if method == "benjamini_hochberg" and tested.any():
        adjusted[tested] = false_discovery_control(p_values[tested])
    elif tested.any():  # as statsmodels' multipletests, which is slow (it collects garbage)
        p = p_values[tested]
        order = np.argsort(p)
        stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        adjusted[np.flatnonzero(tested)[order]] = np.minimum(stepped, 1.0)
    return adjusted
