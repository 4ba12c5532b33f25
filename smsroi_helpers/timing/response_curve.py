"""How a response runs over the hours of the day and the days of the week: smooth, periodic, pooled across segments.

Of each segment the logit of the response is the stratum's own level (a campaign, or the experiment) + the hour's curve
+ the weekday's effect. The curve is a daily wave (a sine and a cosine) and a departure from it, a periodic cubic spline
held by the harmonic acceleration penalty ∫ (f″′ + ω²f′)² (Ramsay & Silverman 2005, section 5.4), which leaves every
wave alone. Segments share a common curve; how far they may part from it, how far curves from a wave, and weekdays from
the common weekdays is learned from all segments together and integrated over (partial pooling; Gelman et al. 2013,
section 5.4), so that the error of the pooling is in the intervals. Departures from a wave are believed to be small
unless the data say otherwise (a half-Cauchy prior; Gelman 2006, Bayesian Analysis 1:515). A second peak is found; one
of less than some three hours is smeared over its neighbours.

Levels are profiled out: hours are compared within a stratum, never between. The customer is the unit: the likelihood of
the cells is tempered by the factor by which the scores of 64 groups of customers vary more than single messages would
(Pauli, Racugno & Ventura 2011, Bayesian composite marginal likelihoods, Statistica Sinica 21), hours and weekdays each
by their own, since a customer who gets messages at one hour may get them on all days.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.preprocessing import SplineTransformer

from smsroi_helpers.statistics import GROUPS, Floats

__all__ = [
    "HOUR_COLUMNS",
    "WEEKDAY_COLUMNS",
    "Curves",
    "Scores",
    "design",
    "fit_curves",
    "group_scores",
    "hour_basis",
    "weekday_basis",
]

WIGGLES = 6
"""Columns of the spline that are kept: departures from a wave of up to four turns a day; the rest hardly counts."""
HOUR_COLUMNS = 2 + WIGGLES
WEEKDAY_COLUMNS = 6
_COLUMNS = HOUR_COLUMNS + WEEKDAY_COLUMNS
_KNOT_HOURS = 2
_FEWEST_CLICKS = 100
"""With fewer events a segment's own dispersion is noise, and all segments' is taken."""
_FLAT = 2.0
"""Standard deviation (logit) of what all segments have in common, wave and weekdays: no more than a bound on folly."""
_SPREADS = np.array([0.005, 0.04, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4, 0.55, 0.8])
_WIGGLE_SIZES = np.array([0.004, 0.02, 0.04, 0.07, 0.11, 0.17, 0.26, 0.4])
_WEEKDAY_SPREADS = np.array([0.005, 0.05, 0.1, 0.16, 0.25, 0.4])
_SPREAD_PRIOR, _WEEKDAY_PRIOR = 0.5, 0.3
"""Scales (logit) of half-normal priors on how far segments part, and weekdays differ."""
_WIGGLE_PRIOR = 0.05
"""Scale (logit) of the half-Cauchy prior on how far curves depart from a wave: mostly little, sometimes a lot."""

Scores = Callable[[pd.DataFrame, Floats], Floats]
"""From the fitted rows (segment, stratum, weekday, hour, until, p) and their columns x (centred, and a 1 at the end) to
the groups' scores Σ (events − trials·p) x: segments × groups × columns."""


# --- the columns -----------------------------------------------------------------------------------------------------


def _wiggles() -> Floats:
    """Departures from a daily wave at each minute: columns whose coefficients are alike a priori, mean variance 1."""
    minutes = np.arange(24 * 60)[:, None] / 60
    knots = np.arange(0, 24 + _KNOT_HOURS, _KNOT_HOURS, dtype=float)[:, None]
    spline = SplineTransformer(degree=3, knots=knots, extrapolation="periodic").fit_transform(minutes)
    turns = np.arange(len(minutes) // 2 + 1, dtype=float)
    weight = turns**2 * (turns**2 - 1) ** 2
    amplitude = np.fft.rfft(spline, axis=0) / len(minutes)
    penalty = 2 * np.real(np.conj(amplitude).T @ (weight[:, None] * amplitude))
    strength, direction = np.linalg.eigh(penalty)
    # The three weakest are the constant and the wave.
    kept = spline @ (direction[:, 3 : 3 + WIGGLES] / np.sqrt(strength[3 : 3 + WIGGLES]))
    kept = kept - kept.mean(axis=0)
    return np.asarray(kept / np.sqrt((kept**2).sum(axis=1).mean()))


_BY_MINUTE = _wiggles()


def hour_basis(start: Floats | Sequence[float], until: Floats | Sequence[float]) -> Floats:
    """The columns of a curve over the day, averaged over windows of local hours.

    Args:
        start: first hours, 0–23.
        until: where each window ends, start < until ≤ 24.

    Returns:
        windows × `HOUR_COLUMNS`: cosine, sine, and the departures from a wave.

    >>> hour_basis([11.5], [12.5])[0, :2].round(2).tolist()  # around noon the cosine is at its lowest
    [-1.0, 0.0]
    """
    rows = []
    for first, end in zip(np.asarray(start, float), np.asarray(until, float), strict=True):
        minutes = np.arange(round(60 * first), round(60 * end))
        turn = 2 * np.pi * (minutes + 0.5) / (24 * 60)
        wave = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        rows.append(np.concatenate([wave, _BY_MINUTE[minutes]], axis=1).mean(axis=0))
    return np.array(rows).reshape(-1, HOUR_COLUMNS)


def weekday_basis() -> Floats:
    """7 × 6: contrasts of the weekdays, orthonormal, each adding up to 0 over the week."""
    contrasts = np.linalg.qr(np.eye(7)[:, :6] - 1 / 7)[0]
    return np.asarray(contrasts - contrasts.mean(axis=0))


def design(rows: pd.DataFrame) -> Floats:
    """The columns of cells named by weekday (0–6), hour and until: rows × all columns."""
    windows = rows[["hour", "until"]].drop_duplicates()
    basis = hour_basis(windows["hour"].to_numpy(float), windows["until"].to_numpy(float))
    place = {window: at for at, window in enumerate(windows.itertuples(index=False, name=None))}
    which = [place[window] for window in rows[["hour", "until"]].itertuples(index=False, name=None)]
    return np.concatenate([basis[which], weekday_basis()[rows["weekday"].to_numpy(int)]], axis=1)


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
    """(segments, columns): where the level and the curve are told apart best; the level there has `level_variance`."""
    level: Floats
    """(segments,): logit of the response at `centre`, as an average over the segment's strata."""
    level_variance: Floats
    dispersion: Floats
    """(segments, 2): how many times as much as single messages the scores of customers vary, by hour and by weekday."""
    spread: float
    """How far (logit) segments' waves part from the common one: posterior mean of the standard deviation."""
    wiggle: float
    """How far curves depart from a wave."""
    weekday_spread: float
    common: Floats = field(repr=False)
    """(columns,): coefficients of what the segments have in common."""

    def place(self, segment: str) -> int:
        """Where a segment stands in the arrays."""
        return self.segments.index(segment)

    def logits(self, segment: str, x: Floats) -> tuple[Floats, Floats]:
        """Logit of the response at rows of columns x, averaged over strata, and their joint covariance."""
        s = self.place(segment)
        away = x - self.centre[s]
        joint = away @ self.covariance[s] @ away.T + self.level_variance[s]
        return self.level[s] + away @ self.mean[s], joint

    def contrast(self, segment: str, x: Floats) -> tuple[Floats, Floats]:
        """The curve alone at rows of columns x, logit scale, and its joint covariance: for differences of hours."""
        s = self.place(segment)
        return x @ self.mean[s], x @ self.covariance[s] @ x.T


# --- the fit ---------------------------------------------------------------------------------------------------------


@dataclass
class _Rows:
    """Cells in one line, with where each belongs."""

    frame: pd.DataFrame
    k: Floats
    m: Floats
    x: Floats
    segment: NDArray[np.int64]
    stratum: NDArray[np.int64]
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
        cells: segment, stratum, weekday, hour, until, and the two counts; a row for each combination there is. Strata
            without an event, or with nothing else, tell nothing of hours.
        scores: the groups' scores, such as `group_scores` makes.
        events: the column counted.
        trials: the column it is a share of.

    Returns:
        Curves of every segment there is in the cells; one without an event has the common curve, and no level (NaN).
    """
    segments = tuple(dict.fromkeys(cells["segment"]))
    totals = cells.groupby("segment")[[events, trials]].sum().reindex(list(segments)).to_numpy(float)
    rows = _line_up(cells, events, trials, segments)
    theta = np.zeros((len(segments), _COLUMNS))
    alpha = np.zeros(rows.strata)
    dispersion = np.ones((len(segments), 2))
    common_wave = 0.0
    for last in (False, True):
        likely = None
        for _step in range(8):
            alpha, p = _profile(rows, theta, alpha)
            centred, information, score = _informed(rows, p)
            found = _pool(information, score, theta, dispersion, common_wave, likely)
            common_wave = float(np.sqrt((found.common[:2] ** 2).mean()))
            likely = found.likely
            moved = float(np.abs(found.mean - theta).max())
            theta = found.mean
            if moved < 1e-4:
                break
        alpha, p = _profile(rows, theta, alpha)
        centred, information, score = _informed(rows, p)
        if not last:
            ones = np.concatenate([centred, np.ones((len(rows.m), 1))], axis=1)
            by_group = scores(rows.frame.assign(p=p), ones)
            by_group = by_group - by_group.mean(axis=1, keepdims=True)
            spread = np.einsum("sgi,sgj->sij", by_group, by_group) * GROUPS / (GROUPS - 1)
            dispersion = _disperse(information, spread[:, :-1, :-1], totals[:, 0])
    weight = np.bincount(rows.segment, rows.m * p * (1 - p), len(segments))
    centre = np.stack(
        [np.bincount(rows.segment, rows.m * p * (1 - p) * rows.x[:, j], len(segments)) for j in range(_COLUMNS)], axis=1
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.nan_to_num(centre / weight[:, None])
        level_variance = spread[:, -1, -1] / weight**2
    return Curves(
        segments, totals[:, 0], totals[:, 1], found.mean, found.covariance, centre, _levels(rows, theta, alpha, centre),
        level_variance, dispersion, found.spread, found.wiggle, found.weekday_spread, found.common,
    )  # fmt: skip


def _line_up(cells: pd.DataFrame, events: str, trials: str, segments: tuple[str, ...]) -> _Rows:
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
    """Each stratum's level at which as many events are expected as there were, and the rows' chances at it."""
    curve = (rows.x * theta[rows.segment]).sum(axis=1)
    hit, tried = (np.bincount(rows.stratum, counts, rows.strata) for counts in (rows.k, rows.m))
    if not alpha.any():
        alpha = logit(hit / tried)
    for _step in range(30):
        p = expit(alpha[rows.stratum] + curve)
        slope = np.bincount(rows.stratum, rows.m * p * (1 - p), rows.strata)
        step = np.clip((hit - np.bincount(rows.stratum, rows.m * p, rows.strata)) / np.maximum(slope, 1e-12), -2, 2)
        alpha = alpha + step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return alpha, expit(alpha[rows.stratum] + curve)


def _informed(rows: _Rows, p: Floats) -> tuple[Floats, Floats, Floats]:
    """Columns centred within strata, and each segment's information and score of the curve."""
    weight = rows.m * p * (1 - p)
    of_stratum = np.bincount(rows.stratum, weight, rows.strata)
    centred = np.empty_like(rows.x)
    for j in range(_COLUMNS):
        mean = np.bincount(rows.stratum, weight * rows.x[:, j], rows.strata) / np.maximum(of_stratum, 1e-300)
        centred[:, j] = rows.x[:, j] - mean[rows.stratum]
    information = np.zeros((rows.segments, _COLUMNS, _COLUMNS))
    score = np.zeros((rows.segments, _COLUMNS))
    rest = rows.k - rows.m * p
    for s in range(rows.segments):
        own = rows.segment == s
        information[s] = centred[own].T @ (weight[own, None] * centred[own])
        score[s] = centred[own].T @ rest[own]
    return centred, information, score


def _disperse(information: Floats, spread: Floats, events: Floats) -> Floats:
    """(segments, 2): how much more the groups' scores vary than single messages' would, mean over directions."""
    found = np.ones((len(information), 2))
    blocks = (slice(0, HOUR_COLUMNS), slice(HOUR_COLUMNS, _COLUMNS))
    for b, block in enumerate(blocks):
        sums = np.zeros((len(information), 2))
        for s in range(len(information)):
            strength, direction = np.linalg.eigh(information[s, block, block])
            used = strength > 1e-4 * max(strength.max(), 1e-300)
            turned = direction[:, used]
            if events[s] > 0:
                ratio = np.einsum("ij,ik,kj->j", turned, spread[s, block, block], turned) / strength[used]
                sums[s] = ratio.sum(), used.sum()
        enough = events >= _FEWEST_CLICKS
        usable = enough if enough.any() else events > 0
        pooled = (events[usable] * sums[usable, 0] / np.maximum(sums[usable, 1], 1)).sum() / max(
            events[usable].sum(), 1
        )
        own = sums[:, 0] / np.maximum(sums[:, 1], 1)
        found[:, b] = np.where(enough & (sums[:, 1] > 0), own, max(pooled, 1.0))
    return np.maximum(found, 0.5)


def _levels(rows: _Rows, theta: Floats, alpha: Floats, centre: Floats) -> Floats:
    """Logit of the mean chance over a segment's strata, weighted with their trials, at the centre; NaN without any."""
    of = np.zeros(rows.strata, int)
    of[rows.stratum] = rows.segment
    tried = np.bincount(rows.stratum, rows.m, rows.strata)
    chance = expit(alpha + (centre[of] * theta[of]).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(of, tried * chance, rows.segments) / np.bincount(of, tried, rows.segments)
        return np.asarray(logit(mean))


@dataclass
class _Pooled:
    mean: Floats
    covariance: Floats
    common: Floats
    spread: float
    wiggle: float
    weekday_spread: float
    likely: NDArray[np.int64]
    """The nodes with any weight to speak of."""


def _nodes(segments: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Grid of (spread, wiggle, weekday spread) and log prior × cell width; one segment has nobody to part from."""
    spreads = _SPREADS if segments > 1 else _SPREADS[:1]
    weekdays = _WEEKDAY_SPREADS if segments > 1 else _WEEKDAY_SPREADS[:1]
    logs = [
        np.log(np.gradient(points) if len(points) > 1 else np.ones(1)) + density
        for points, density in (
            (spreads, -0.5 * (spreads / _SPREAD_PRIOR) ** 2),
            (_WIGGLE_SIZES, -np.log1p((_WIGGLE_SIZES / _WIGGLE_PRIOR) ** 2)),
            (weekdays, -0.5 * (weekdays / _WEEKDAY_PRIOR) ** 2),
        )
    ]
    grid = np.meshgrid(spreads, _WIGGLE_SIZES, weekdays, indexing="ij")
    prior = logs[0][:, None, None] + logs[1][None, :, None] + logs[2][None, None, :]
    return grid[0].ravel(), grid[1].ravel(), grid[2].ravel(), prior.ravel()


def _pool(
    information: Floats,
    score: Floats,
    theta: Floats,
    dispersion: Floats,
    common_wave: float,
    among: NDArray[np.int64] | None = None,
) -> _Pooled:
    """The segments' coefficients given tempered information and score at theta, over the grid of spreads.

    Segment s: θ_s = c + d_s, with independent normal c and d_s whose variances hang on the node. d_s departs from a
    wave by the share of its own size by which c does of `common_wave` (root mean square of c's wave): how segments
    differ is no less smooth than what they have in common. d_s is integrated out in closed form, then c; the nodes are
    weighted with the marginal likelihood.
    """
    segments = len(information)
    temper = np.repeat(1 / np.sqrt(dispersion), [HOUR_COLUMNS, WEEKDAY_COLUMNS], axis=1)
    h = information * temper[:, :, None] * temper[:, None, :]
    # The tempered quadratic log-likelihood about theta: g'θ − θ'hθ/2.
    g = score * temper**2 + np.einsum("sij,sj->si", h, theta)
    spread, wiggle, weekday, log_prior = (axis if among is None else axis[among] for axis in _nodes(segments))
    n = len(spread)
    own = np.empty((n, _COLUMNS))  # precisions of d_s
    share = np.minimum(spread / max(common_wave, 1e-9), 1.0) if segments > 1 else _WIGGLE_SIZES[0] / wiggle
    own[:, :2], own[:, 2:HOUR_COLUMNS], own[:, HOUR_COLUMNS:] = (
        1 / spread[:, None] ** 2,
        1 / (share * wiggle)[:, None] ** 2,
        1 / weekday[:, None] ** 2,
    )
    shared = np.full((n, _COLUMNS), 1 / _FLAT**2)
    shared[:, 2:HOUR_COLUMNS] = 1 / wiggle[:, None] ** 2
    eye = np.eye(_COLUMNS)
    inner = np.linalg.inv(h[None] + own[:, None, :, None] * eye)  # (n, s, k, k): covariance of d_s given c
    kept = h[None] @ inner
    outer = h[None] - kept @ h[None]  # information on c once d_s is integrated out
    pull = g[None] - np.einsum("nsij,sj->nsi", kept, g)
    precision = outer.sum(axis=1) + shared[:, :, None] * eye
    covariance = np.linalg.inv(precision)
    common = np.einsum("nij,nj->ni", covariance, pull.sum(axis=1))
    log_weight = (
        log_prior
        + 0.5 * segments * np.log(own).sum(axis=1)
        + 0.5 * np.linalg.slogdet(inner)[1].sum(axis=1)
        + 0.5 * np.log(shared).sum(axis=1)
        - 0.5 * np.linalg.slogdet(precision)[1]
        + 0.5 * np.einsum("si,nsij,sj->n", g, inner, g)
        + 0.5 * np.einsum("ni,ni->n", pull.sum(axis=1), common)
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    # θ_s = c + inner (g − h c): what of c remains is own·inner.
    remains = own[:, None, None, :] * inner  # inner (h + own) = 1, so 1 − inner h = inner own
    mean = np.einsum("nsij,nj->nsi", remains, common) + np.einsum("nsij,sj->nsi", inner, g)
    spreads = inner + remains @ covariance[:, None] @ remains.swapaxes(-1, -2)
    overall = np.einsum("n,nsi->si", weight, mean)
    off = mean - overall
    total = np.tensordot(weight, spreads, axes=1) + np.einsum("nsi,nsj->sij", off * weight[:, None, None], off)
    likely = np.flatnonzero(weight > 1e-4 * weight.max()) if among is None else among
    return _Pooled(
        overall, total, weight @ common, float(weight @ spread), float(weight @ wiggle), float(weight @ weekday), likely
    )
