"""A response rate by hour of day and weekday: smooth, periodic, partially pooled across segments.

For each segment, the logit of the response is the level of the stratum (a campaign, or the experiment) + the curve of
the hour + the effect of the weekday. The curve is a daily wave and a smooth departure from it (`basis`); segments are
shrunken towards a common curve (`pooling`). Second peaks are fitted, but peaks narrower than about three hours are
smoothed out.

Levels are profiled out, so hours are compared within strata only. The customer is the unit. The likelihood of the cells
is tempered by a dispersion: the variance of the scores of 64 groups of customers ÷ that of independent messages (Pauli,
Racugno & Ventura 2011, Bayesian composite marginal likelihoods, Statistica Sinica 21). Hours and weekdays have separate
dispersions, because a customer who gets messages at one hour may get them on all days.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from smsroi_helpers.statistics import GROUPS, Floats, Ints
from smsroi_helpers.timing.basis import COLUMNS, HOUR_COLUMNS, design
from smsroi_helpers.timing.pooling import Pooled, pool

__all__ = [
    "Curves",
    "Scores",
    "fit_curves",
    "group_scores",
    "join_curves",
]

_FEWEST_CLICKS = 100
"""With fewer events a segment gets the pooled dispersion instead of its own."""
_MOST_STEPS, _TOLERANCE = 8, 1e-4
"""The iteration has converged once no coefficient changes by more than this (logit)."""

Scores = Callable[[pd.DataFrame, Floats], Floats]
"""From the fitted rows (segment, stratum, weekday, hour, until, p) and their columns x (centred, and a 1 at the end) to
the groups' scores Σ (events − trials·p) x: segments × groups × columns."""


# --- the result ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """Fitted curves of all segments."""

    segments: tuple[str, ...]
    events: Floats
    trials: Floats
    """Of each segment."""
    mean: Floats
    """(segments, columns): coefficients of the curve and the weekdays, logit scale."""
    covariance: Floats
    """(segments, columns, columns)."""
    centre: Floats
    """(segments, columns): the point at which the errors of level and curve are uncorrelated."""
    level: Floats
    """(segments,): logit of the response at `centre`, as an average over the segment's strata."""
    level_variance: Floats
    """(segments,): the variance of `level`."""
    dispersion: Floats
    """(segments, 2): the variance of customers' scores ÷ that of independent messages, for hours and weekdays."""
    common: Floats = field(repr=False)
    """(columns,): the common coefficients."""
    between: Floats = field(repr=False)
    """(columns,): the variance of segments' coefficients around the common ones."""

    def index(self, segment: str) -> int:
        """The position of a segment in the arrays."""
        return self.segments.index(segment)

    def logits(self, segment: str, x: Floats) -> tuple[Floats, Floats]:
        """Logit of the response at rows of columns x, averaged over strata, and their joint covariance."""
        s = self.index(segment)
        away = x - self.centre[s]
        joint = away @ self.covariance[s] @ away.T + self.level_variance[s]
        return self.level[s] + away @ self.mean[s], joint

    def contrast(self, segment: str, x: Floats) -> tuple[Floats, Floats]:
        """The curve without the level at rows of columns x (logit) and its joint covariance, to contrast hours."""
        s = self.index(segment)
        return x @ self.mean[s], x @ self.covariance[s] @ x.T


# --- the fit ---------------------------------------------------------------------------------------------------------


@dataclass
class _Rows:
    """The cells as arrays, with the position of each one's segment and stratum."""

    frame: pd.DataFrame
    k: Floats
    m: Floats
    x: Floats
    segment: Ints
    stratum: Ints
    strata: int
    segments: int


def group_scores(cells: pd.DataFrame, events: str, trials: str, segments: Sequence[str]) -> Scores:
    """Scores of groups of customers, from cells that carry the group.

    Args:
        cells: segment, stratum, weekday, hour, until, group (0–63), and the counts.
        events: the column counted.
        trials: the column it is a share of.
        segments: in order.
    """
    keys = ["segment", "stratum", "weekday", "hour", "until"]

    def scores(rows: pd.DataFrame, x: Floats) -> Floats:
        at = rows[keys].assign(p=rows["p"], at=np.arange(len(rows)))
        own = cells.merge(at, on=keys)
        rest = (own[events] - own[trials] * own["p"]).to_numpy(float)
        place = own["segment"].map({name: i for i, name in enumerate(segments)}).to_numpy(int) * GROUPS
        place = place + own["group"].to_numpy(int)
        columns = x[own["at"].to_numpy(int)]
        size = len(segments) * GROUPS
        sums = [np.bincount(place, rest * columns[:, j], size) for j in range(x.shape[1])]
        return np.stack(sums, axis=-1).astype(float).reshape(len(segments), GROUPS, x.shape[1])

    return scores


def fit_curves(cells: pd.DataFrame, scores: Scores, *, events: str = "clicks", trials: str = "messages") -> Curves:
    """Fit the curves of all segments to cells.

    Args:
        cells: segment, stratum, weekday, hour, until, and the two counts; one row per combination.
            Strata without an event, or in which every trial has one, carry no information on hours.
        scores: the groups' scores, such as `group_scores` makes.
        events: the column counted.
        trials: the column it is a share of.

    Returns:
        Curves of every segment in the cells; a segment without an event has the common curve and level NaN.
    """
    segments = tuple(dict.fromkeys(cells["segment"]))
    totals = cells.groupby("segment")[[events, trials]].sum().reindex(list(segments)).to_numpy(float)
    rows = _prepare_rows(cells, events, trials, segments)
    # The first fit treats messages as independent; the groups' scores then give the customers' dispersion.
    fit = _iterate(rows, _Fitted.start(rows), np.ones((len(segments), 2)))
    variance = _score_variance(rows, fit, scores)
    dispersion = _dispersion(fit.information, variance[:, :-1, :-1], totals[:, 0])
    fit = _iterate(rows, fit, dispersion)
    centre, level_variance = _centre(rows, fit.chance, variance[:, -1, -1])
    pooled = fit.pooled
    return Curves(
        segments, totals[:, 0], totals[:, 1], pooled.mean, pooled.covariance, centre,
        _levels(rows, pooled.mean, fit.alpha, centre), level_variance, dispersion,
        pooled.common, pooled.between,
    )  # fmt: skip


def join_curves(parts: Sequence[Curves], names: Sequence[str]) -> Curves:
    """The curves of several fits in the order of `names`; the common curve and the variance around it are the first's.

    Args:
        parts: one or more, of different segments.
        names: of all their segments.
    """
    at = [name for part in parts for name in part.segments]
    order = [at.index(name) for name in names]
    by_segment = (
        "events", "trials", "mean", "covariance", "centre", "level", "level_variance", "dispersion",
    )  # fmt: skip
    columns = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in by_segment}
    return replace(parts[0], segments=tuple(names), **columns)


@dataclass
class _Fitted:
    """The state of the iteration: coefficients, the strata's levels, and quantities derived from them."""

    theta: Floats
    alpha: Floats
    common_wave: float
    """Root mean square of the common wave's coefficients."""
    chance: Floats
    centred: Floats
    information: Floats
    pooled: Pooled

    @classmethod
    def start(cls, rows: "_Rows") -> "_Fitted":
        """The start: all coefficients 0 and no levels yet."""
        theta, nothing = np.zeros((rows.segments, COLUMNS)), np.zeros(0)
        pooled = Pooled(theta, nothing, nothing, nothing, np.zeros(0, int))
        return cls(theta, np.zeros(rows.strata), 0.0, nothing, nothing, nothing, pooled)


def _iterate(rows: _Rows, fit: _Fitted, dispersion: Floats) -> _Fitted:
    """Alternate between levels given the curves and curves given the levels (Newton steps), until convergence."""
    theta, alpha, common_wave = fit.theta, fit.alpha, fit.common_wave
    likely = None
    for _step in range(_MOST_STEPS):
        alpha, chance = _profile(rows, theta, alpha)
        _centred, information, score = _information_and_score(rows, chance)
        pooled = pool(information, score, theta, dispersion, common_wave, likely)
        common_wave = float(np.sqrt((pooled.common[:2] ** 2).mean()))
        likely = pooled.likely
        moved = float(np.abs(pooled.mean - theta).max())
        theta = pooled.mean
        if moved < _TOLERANCE:
            break
    alpha, chance = _profile(rows, theta, alpha)
    centred, information, score = _information_and_score(rows, chance)
    return _Fitted(theta, alpha, common_wave, chance, centred, information, pooled)


def _score_variance(rows: _Rows, fit: _Fitted, scores: Scores) -> Floats:
    """(segments, columns + 1, columns + 1): covariance of the customers' summed scores; the level comes last."""
    columns = np.concatenate([fit.centred, np.ones((len(rows.m), 1))], axis=1)
    of_group = scores(rows.frame.assign(p=fit.chance), columns)
    of_group = of_group - of_group.mean(axis=1, keepdims=True)
    return np.asarray(np.einsum("sgi,sgj->sij", of_group, of_group) * GROUPS / (GROUPS - 1))


def _centre(rows: _Rows, chance: Floats, level_score_variance: Floats) -> tuple[Floats, Floats]:
    """Each segment's mean columns, weighted with the information of the cells, and the variance of the level there."""
    information = rows.m * chance * (1 - chance)
    weight = np.bincount(rows.segment, information, rows.segments)
    centre = np.stack(
        [np.bincount(rows.segment, information * rows.x[:, j], rows.segments) for j in range(COLUMNS)], axis=1
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(centre / weight[:, None]), level_score_variance / weight**2


def _prepare_rows(cells: pd.DataFrame, events: str, trials: str, segments: tuple[str, ...]) -> _Rows:
    keys = ["segment", "stratum", "weekday", "hour", "until"]
    frame = cells.groupby(keys, sort=True, observed=True)[[events, trials]].sum().reset_index()
    inside = frame.groupby(["segment", "stratum"])[[events, trials]].transform("sum")
    frame = frame[(inside[events] > 0) & (inside[events] < inside[trials])].reset_index(drop=True)
    stratum = frame.groupby(["segment", "stratum"], sort=True).ngroup().to_numpy(int)
    return _Rows(
        frame,
        frame[events].to_numpy(float),
        frame[trials].to_numpy(float),
        design(frame),
        frame["segment"].map({name: i for i, name in enumerate(segments)}).to_numpy(int),
        stratum,
        int(stratum.max()) + 1 if len(stratum) else 0,
        len(segments),
    )


def _profile(rows: _Rows, theta: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """Each stratum's level at which expected events equal those observed, and the rows' probabilities there."""
    curve = (rows.x * theta[rows.segment]).sum(axis=1)
    events, trials = (np.bincount(rows.stratum, counts, rows.strata) for counts in (rows.k, rows.m))
    if not alpha.any():
        alpha = logit(events / trials)
    for _step in range(30):
        p = expit(alpha[rows.stratum] + curve)
        slope = np.bincount(rows.stratum, rows.m * p * (1 - p), rows.strata)
        step = np.clip((events - np.bincount(rows.stratum, rows.m * p, rows.strata)) / np.maximum(slope, 1e-12), -2, 2)
        alpha = alpha + step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return alpha, expit(alpha[rows.stratum] + curve)


def _information_and_score(rows: _Rows, p: Floats) -> tuple[Floats, Floats, Floats]:
    """Columns centred within strata, and each segment's information and score of the curve."""
    weight = rows.m * p * (1 - p)
    of_stratum = np.bincount(rows.stratum, weight, rows.strata)
    centred = np.empty_like(rows.x)
    for j in range(COLUMNS):
        mean = np.bincount(rows.stratum, weight * rows.x[:, j], rows.strata) / np.maximum(of_stratum, 1e-300)
        centred[:, j] = rows.x[:, j] - mean[rows.stratum]
    information = np.zeros((rows.segments, COLUMNS, COLUMNS))
    score = np.zeros((rows.segments, COLUMNS))
    rest = rows.k - rows.m * p
    for s in range(rows.segments):
        own = rows.segment == s
        information[s] = centred[own].T @ (weight[own, None] * centred[own])
        score[s] = centred[own].T @ rest[own]
    return centred, information, score


def _dispersion(information: Floats, variance: Floats, events: Floats) -> Floats:
    """(segments, 2): the dispersion of the groups' scores relative to independent messages, for hours and weekdays.

    With fewer than `_FEWEST_CLICKS` events a segment has the mean of the others, weighted by events.
    """
    enough = events >= _FEWEST_CLICKS
    usable = enough if enough.any() else events > 0
    found = np.ones((len(information), 2))
    for b, block in enumerate((slice(0, HOUR_COLUMNS), slice(HOUR_COLUMNS, COLUMNS))):
        ratios, directions = np.transpose([
            _variance_ratio(information[s, block, block], variance[s, block, block]) if events[s] > 0 else (0.0, 0)
            for s in range(len(information))
        ])  # fmt: skip
        own = ratios / np.maximum(directions, 1)
        pooled = (events[usable] * own[usable]).sum() / max(events[usable].sum(), 1)
        found[:, b] = np.where(enough & (directions > 0), own, max(pooled, 1.0))
    return np.maximum(found, 0.5)


def _variance_ratio(information: Floats, variance: Floats) -> tuple[float, int]:
    """Variance of the scores ÷ information, summed over the directions with information; and their number."""
    eigenvalues, eigenvectors = np.linalg.eigh(information)
    used = eigenvalues > 1e-4 * max(eigenvalues.max(), 1e-300)
    turned = eigenvectors[:, used]
    ratio = np.einsum("ij,ik,kj->j", turned, variance, turned) / eigenvalues[used]
    return float(ratio.sum()), int(used.sum())


def _levels(rows: _Rows, theta: Floats, alpha: Floats, centre: Floats) -> Floats:
    """Logit of the mean probability at the centre over a segment's strata, weighted by trials; NaN without any."""
    of = np.zeros(rows.strata, int)
    of[rows.stratum] = rows.segment
    tried = np.bincount(rows.stratum, rows.m, rows.strata)
    chance = expit(alpha + (centre[of] * theta[of]).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(of, tried * chance, rows.segments) / np.bincount(of, tried, rows.segments)
        return np.asarray(logit(mean))
