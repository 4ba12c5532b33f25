"""Effects of creatives compared within strata: campaign × segment × how the text was chosen.

Within a stratum, texts went to the same segment on the same occasion, so what is common to the campaign cancels:

    logit P(event) = level of the stratum + effect of the option

Levels are eliminated, so strata may be many. The error is the one-step delete-a-group jackknife over 64 groups of
customers: efficient scores summed by group. Options that were never sent beside one another, directly or through
others, cannot be compared; effects are centred within each connected set.

References:
    Kott (2001), The delete-a-group jackknife, Journal of Official Statistics 17(4).
    Bradley & Terry (1952): comparisons are connected only within connected components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, GROUPS, Floats, Ints, t_quantile

__all__ = [
    "OptionEffects",
    "fit_within",
]

_STEPS, _TOLERANCE = 60, 1e-9


@dataclass(frozen=True)
class OptionEffects:
    """The effect of each option, compared with the mean of the options in its connected set."""

    options: tuple[str, ...]
    scale: Literal["logit", "mean"]
    effect: Floats
    """NaN for options that cannot be compared."""
    covariance: Floats
    """Of the effects; singular, because effects sum to 0 in each set."""
    trials: Floats
    """Of each option."""
    events: Floats
    """Of each option (a sum of money for the scale `mean`)."""
    connected: Ints
    """The number of each option's set; −1 for options without data."""
    groups: int = GROUPS
    """Groups of customers with data; the t distribution has one degree of freedom fewer."""

    @property
    def known(self) -> np.ndarray:
        """Which options have an effect."""
        return np.isfinite(self.effect)

    @property
    def rate(self) -> Floats:
        """Events per trial of each option; NaN without trials."""
        return np.divide(self.events, self.trials, out=np.full(len(self.events), np.nan), where=self.trials > 0)

    @property
    def standard_error(self) -> Floats:
        """Of each effect."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def low(self) -> Floats:
        """Lower 95 % limit of each effect."""
        return np.asarray(self.effect - self.half_width(self.standard_error))

    @property
    def high(self) -> Floats:
        """Upper 95 % limit of each effect."""
        return np.asarray(self.effect + self.half_width(self.standard_error))

    def half_width(self, error: Floats) -> Floats:
        """Of a 95 % interval, from a standard error: Student's t, as for every jackknife."""
        return np.asarray(t_quantile(1 - ALPHA, self.groups - 1) * error)

    def contrast(self, base: int) -> tuple[Floats, Floats]:
        """Effects compared with that of the option `base`, and their standard errors."""
        covariance = self.covariance
        variance = np.diag(covariance) + covariance[base, base] - 2 * covariance[:, base]
        return np.asarray(self.effect - self.effect[base]), np.sqrt(np.maximum(variance, 0.0))

    def contrast_intervals(self, base: int) -> tuple[Floats, Floats, Floats]:
        """Effects compared with that of the option `base`, and their 95 % limits."""
        value, error = self.contrast(base)
        half_width = self.half_width(error)
        return value, np.asarray(value - half_width), np.asarray(value + half_width)

    @property
    def largest(self) -> np.ndarray:
        """The options of the connected set with the most trials."""
        sums = {at: self.trials[self.connected == at].sum() for at in set(self.connected[self.known].tolist())}
        best = max(sums, key=lambda at: sums[at], default=-2)
        return (self.connected == best) & self.known


def fit_within(
    cells: pd.DataFrame, options: Sequence[str], *, trials: str = "messages", events: str = "clicks",
    scale: Literal["logit", "mean"] = "logit",
) -> OptionEffects:  # fmt: skip
    """The effect of each option on the events, within strata.

    Args:
        cells: stratum, option (its number), group (0 … 63), and the columns of counts.
        options: names of the options.
        trials: the column of trials.
        events: the column of events, or of a sum of money for the scale `mean`.
        scale: `logit` for shares, `mean` for amounts per trial.

    Returns:
        effects; NaN for options with fewer than 20 events, and where no other option has data in the same stratum.

    >>> rows = pd.DataFrame({"stratum": 0, "option": [0, 1] * 64, "group": np.repeat(np.arange(64), 2),
    ...                      "messages": 10, "clicks": [5, 2] * 64})
    >>> fit_within(rows, ["a", "b"]).effect.round(4)  # half of logit(.5) − logit(.2)
    array([ 0.6931, -0.6931])
    """
    rows = cells[cells[trials] > 0]
    size = len(options)
    count = np.asarray(np.bincount(rows["option"], rows[trials], size), float)
    happened = np.asarray(np.bincount(rows["option"], rows[events], size), float)
    enough = happened >= FEW_EVENTS if scale == "logit" else count >= FEW_EVENTS
    rows = _informative(rows[enough[rows["option"]]], trials, events, scale)
    nothing = np.full(size, np.nan)
    if not len(rows):
        return OptionEffects(
            tuple(options), scale, nothing, np.full((size, size), np.nan), count, happened, np.full(size, -1)
        )
    stratum = pd.factorize(rows["stratum"])[0]
    option = rows["option"].to_numpy(int)
    n, k = rows[trials].to_numpy(float), rows[events].to_numpy(float)
    connected = _connect(stratum, option, size)
    effect, inverse, residual, leverage = _solve(stratum, option, n, k, size, scale)
    group = rows["group"].to_numpy(int)
    scores: Floats = np.asarray(np.bincount(option * GROUPS + group, residual, size * GROUPS), float)
    scores = scores.reshape(size, GROUPS)
    by_stratum = np.bincount(stratum * GROUPS + group, residual, len(leverage) * GROUPS).reshape(-1, GROUPS)
    scores = np.asarray(scores - leverage.T @ by_stratum, float)
    used = len(np.unique(group))
    covariance = inverse @ (scores @ scores.T) @ inverse * (used / max(used - 1, 1))
    absent = connected < 0
    effect = np.where(absent, np.nan, effect)
    covariance[absent] = covariance[:, absent] = np.nan
    return OptionEffects(tuple(options), scale, effect, covariance, count, happened, connected, used)


def _informative(rows: pd.DataFrame, trials: str, events: str, scale: str) -> pd.DataFrame:
    """The rows of strata with at least two options, and with both outcomes."""
    by_stratum = rows.groupby("stratum")
    kept = by_stratum["option"].transform("nunique") > 1
    if scale == "logit":
        happened, tried = (by_stratum[name].transform("sum") for name in (events, trials))
        kept &= (happened > 0) & (happened < tried)
    return rows[kept]


def _connect(stratum: Ints, option: Ints, size: int) -> Ints:
    """The number of each option's connected set; −1 without data."""
    strata = int(stratum.max()) + 1
    graph = coo_array((np.ones(len(option)), (option, size + stratum)), shape=(size + strata, size + strata))
    labels = connected_components(graph, directed=False)[1][:size].astype(int)
    return np.where(np.isin(np.arange(size), option), labels, -1)


def _solve(
    stratum: Ints, option: Ints, n: Floats, k: Floats, size: int, scale: str
) -> tuple[Floats, Floats, Floats, Floats]:
    """Effects, the inverse of their information, residuals, and the share of each option in its stratum's weight."""
    strata = int(stratum.max()) + 1
    total, happened = np.bincount(stratum, n, strata), np.bincount(stratum, k, strata)
    level = happened / total if scale == "mean" else np.log((happened + 0.5) / (total - happened + 0.5))
    effect = np.zeros(size)
    for _step in range(_STEPS):
        fitted = level[stratum] + effect[option]
        mean = fitted if scale == "mean" else expit(fitted)
        weight = n if scale == "mean" else n * mean * (1 - mean)
        residual = k - n * mean
        of_stratum = np.maximum(np.bincount(stratum, weight, strata), 1e-300)
        both = np.bincount(stratum * size + option, weight, strata * size).reshape(strata, size)
        leverage = both / of_stratum[:, None]
        information = np.diag(np.bincount(option, weight, size)) - both.T @ leverage
        left = np.bincount(stratum, residual, strata)
        inverse = np.linalg.pinv(information, rcond=1e-10, hermitian=True)
        step = inverse @ (np.bincount(option, residual, size) - leverage.T @ left)
        if np.abs(step).max() < _TOLERANCE and np.abs(left / of_stratum).max() < _TOLERANCE:
            break
        effect = effect + np.clip(step, -3, 3)
        level = level + np.clip(left / of_stratum - leverage @ step, -3, 3)
    return np.asarray(effect, float), np.asarray(inverse, float), residual, leverage
