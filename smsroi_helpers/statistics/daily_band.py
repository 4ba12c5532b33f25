"""The expected range of a daily number, and whether a day, or the level of the last weeks, is outside it.

A share (events of trials, on the logit scale) or a quantity (on the log scale) follows

    y_t = level_t + weekday_t (+ season_t) + day effect + sampling error,
    level_{t+1} = level_t + slope_{t+1} + step,    slope_{t+1} = slope_t + bend,

a dynamic linear model (West & Harrison 1997, Bayesian Forecasting and Dynamic Models, ch. 4, 7, 8 and 14) with random
day effects (overdispersion), steps and bends. The sampling error differs by day: 1 ÷ (n p (1 − p)) of a share,
linearised at the predicted p. A day far from its prediction has bounded influence on the level (Huber). The three
variances are averaged over a grid by their likelihood before the first day watched. With two years of days the season
is a pair of harmonics of the year; with fewer, level and slope follow it.

Two statistics per day are standard normal when nothing has changed:

* the day's: its deviation from the prediction of the day before;
* the level's: an exponentially weighted mean (EWMA; Roberts 1959, Technometrics 1(3)) of the deviations of the last
  `DRIFT_DAYS` days from what was predicted before them, so that a slow drift cannot hide in its own baseline.

Both are divided by their own spread over the days before, where it is above 1, and compared with Student's t with
`TAIL_DF` degrees of freedom, because day effects have heavier tails than a normal distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainc, expit, logit
from scipy.stats import norm, t

from smsroi_helpers.statistics.arrays import Floats, Ints

__all__ = ["DRIFT_DAYS", "LEAST_DAYS", "DailyNumbers", "Watched", "chance_per_test", "upper_tail", "watch"]

DRIFT_DAYS = 21
"""The level's test uses this many days; what it expects was known before them."""
LEAST_DAYS = 42
"""Days with numbers that the expected range of a day needs before it."""
TAIL_DF = 30
_MEMORY = 0.15
"""Weight of the newest day in the EWMA: older days count 0.85, 0.72 …"""
_LEAST_DRIFT_DAYS = 3
_HUBER = 2.5
_YEARS_OF_SEASON = 2
_DAY_SD = (0.01, 0.05, 0.1, 0.18, 0.3, 0.5)
_STEP_SD = (0.001, 0.01)
_BEND_SD = (1e-5, 1.5e-4, 5e-4)
_LIKELY_DAY_SD = 0.25
"""Scale of the half-normal prior of day effects: it decides where events are too rare to show them."""
_PART_SD = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_PRIOR_SD = {"level": 0.5, "slope": 0.002, "weekday": 0.5, "season": 0.2}
_LARGEST_Z = 37.0
_NODES = np.arange(-6.0, 6.1, 0.2)
_WEIGHTS = norm.pdf(_NODES) / norm.pdf(_NODES).sum()


@dataclass(frozen=True)
class DailyNumbers:
    """A number by calendar day, without gaps: a day without a number has size 0."""

    kind: Literal["share", "quantity"]
    first_weekday: int
    """Of the first day; 0 is Monday."""
    value: Floats
    """(days,): events of a share; a quantity above 0."""
    size: Floats
    """(days,): trials of a share; of a quantity 1 ÷ the square of its relative standard error."""

    def __post_init__(self) -> None:
        if len(self.value) != len(self.size):
            raise ValueError(f"{len(self.value)} values, but {len(self.size)} sizes")

    @property
    def known(self) -> np.ndarray:
        """(days,): which days have a number."""
        return np.asarray(self.size > 0)


@dataclass(frozen=True)
class Watched:
    """One series with its last days watched: arrays (days,)."""

    numbers: DailyNumbers
    start: int
    """Position of the first day watched."""
    centre: Floats
    """Predicted the day before, on the logit or log scale."""
    variance: Floats
    """Of the prediction, without the sampling error."""
    z: Floats
    """The day's statistic; NaN without a number or with too few days before."""
    level: Floats
    level_centre: Floats
    level_sd: Floats
    """The EWMA, what was expected of it, and its standard deviation, on the logit or log scale; NaN as `level_z`."""
    level_z: Floats
    scale: float
    level_scale: float
    """Spread of the statistics over the days before, at least 1."""

    @property
    def watched(self) -> np.ndarray:
        """(days,): which days are watched."""
        return np.arange(len(self.z)) >= self.start

    @property
    def tests(self) -> int:
        """Number of tests made: of days and of levels."""
        return int(np.isfinite(self.z[self.start :]).sum() + np.isfinite(self.level_z[self.start :]).sum())

    def day_range(self, chance: float) -> tuple[Floats, Floats, Floats]:
        """Lowest, expected and highest value (a share, or a quantity) of each day that raises no alarm.

        The limits are NaN on days without a number and on those not watched.

        Args:
            chance: of a false alarm per test.
        """
        limit = self.scale * float(t.isf(chance / 2, TAIL_DF))
        at = np.flatnonzero(self.watched & self.numbers.known)
        low, high = np.full((2, len(self.z)), np.nan)
        centre, variance, size = self.centre[at], self.variance[at], self.numbers.size[at]
        if self.numbers.kind == "quantity":
            half = limit * np.sqrt(variance + 1 / size)
            low[at], high[at] = np.exp(centre - half), np.exp(centre + half)
            return low, np.exp(self.centre), high
        low[at], high[at] = _bisect(centre, variance, size, limit)
        return low, np.asarray(expit(self.centre)), high

    def level_range(self, chance: float) -> tuple[Floats, Floats, Floats, Floats]:
        """The EWMA's value; lowest, expected and highest value that raises no alarm.

        Args:
            chance: of a false alarm per test.
        """
        half = self.level_scale * float(t.isf(chance / 2, TAIL_DF)) * self.level_sd
        back = expit if self.numbers.kind == "share" else np.exp
        centre = self.level_centre
        return tuple(np.asarray(back(x)) for x in (self.level, centre - half, centre, centre + half))  # type: ignore[return-value]

    def alarms(self, chance: float) -> tuple[np.ndarray, np.ndarray]:
        """Which days raise an alarm: by the day's test, by the level's; only days watched do.

        Args:
            chance: of a false alarm per test.
        """
        limit = float(t.isf(chance / 2, TAIL_DF))
        with np.errstate(invalid="ignore"):
            days, levels = np.abs(self.z) > self.scale * limit, np.abs(self.level_z) > self.level_scale * limit
        return days & self.watched, levels & self.watched

    def compare(self, parts: Sequence[DailyNumbers]) -> list["Watched"]:
        """Compare each day of shorter series (campaigns) with what was expected of this one (their channel).

        They differ from it and from each other: the variance of that is the smallest that explains the spread of their
        statistics over the days before those watched. Only days are compared, not levels.

        Args:
            parts: of the same kind and days.
        """
        if not parts:
            return []
        scores, variance = [], self.variance
        for more in np.square([0.0, *_PART_SD]):
            variance = self.variance + more
            ready = np.isfinite(self.z)
            scores = [np.where(ready & part.known, _score(part, self.centre, variance), np.nan) for part in parts]
            before = np.concatenate([z[: self.start] for z in scores])
            if _spread(before) <= 1:
                break
        scale, none = _spread(before), np.full(len(self.z), np.nan)
        return [
            Watched(part, self.start, self.centre, variance, z, none, none, none, none, scale, 1.0)
            for part, z in zip(parts, scores, strict=True)
        ]


def chance_per_test(false_alarms: float, tests: int, days: int) -> float:
    """The chance of a false alarm per test that gives a number of false alarms a month over all tests together.

    Expected numbers add up whether or not the tests are independent.

    Args:
        false_alarms: a month (365.25 ÷ 12 days), over all series, above 0.
        tests: made in the days watched.
        days: the days watched.

    >>> round(chance_per_test(1.0, 280, 28), 5)  # 10 tests a day, 304 a month
    0.00329
    """
    return float(min(false_alarms * days / (365.25 / 12) / max(tests, 1), 0.05))


def watch(numbers: DailyNumbers, days: int) -> Watched:
    """Compare each of the last days with what was expected the day before, and its level with that of weeks before.

    Args:
        numbers: of at least `days` + 1 days.
        days: how many of the last days are watched, at least 1.

    Raises:
        ValueError: there are too few days.
    """
    total = len(numbers.value)
    if not 0 < days < total:
        raise ValueError(f"days={days} must be between 1 and {total - 1}")
    start = total - days
    x = _design(total, numbers.first_weekday)
    grid = np.square([axis.ravel() for axis in np.meshgrid(_DAY_SD, _STEP_SD, _BEND_SD)])
    fitted = _filter(numbers, x, grid, start, learn=start)
    log_weight = fitted.likelihood - grid[0] / (2 * _LIKELY_DAY_SD**2)
    weight = np.exp(log_weight - log_weight.max())
    variances = np.exp(np.log(grid) @ (weight / weight.sum()))
    path = _filter(numbers, x, variances[:, None], total, learn=start)
    seen = np.cumsum(numbers.known) - numbers.known
    ready = numbers.known & (seen >= LEAST_DAYS)
    variance = path.variance + variances[0]
    z = np.where(ready, _score(numbers, path.centre, variance), np.nan)
    levels = _levels(numbers, x, path, variances, seen)
    scales = _spread(z[:start]), _spread(levels[3][:start])
    return Watched(numbers, start, path.centre, variance, z, *levels, *scales)


def upper_tail(events: Floats, trials: Floats, centre: Floats, variance: Floats) -> Floats:
    """P(at least so many events), where the logit of the share is normally distributed around its centre.

    A sum over nodes 0.2 standard deviations apart, of binomial tails (incomplete beta functions).

    Args:
        events: k, 0 to n; need not be whole.
        trials: n, above 0.
        centre: the mean of logit(p).
        variance: of logit(p), ≥ 0.

    >>> print(upper_tail(np.array([3.0]), np.array([3.0]), np.array([0.0]), np.array([0.0])).round(9))  # ½ · ½ · ½
    [0.125]
    """
    share = expit(centre[:, None] + np.sqrt(variance)[:, None] * _NODES)
    k, rest = np.maximum(events, 1e-9)[:, None], (trials - events + 1)[:, None]
    return np.asarray(np.where(events <= 0, 1.0, betainc(k, rest, share) @ _WEIGHTS))


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Path:
    """What the filter leaves: the likelihood (sets,); by day the prediction and the state, of the first set."""

    likelihood: Floats
    centre: Floats
    variance: Floats
    state: Floats
    """(days, states): after the day."""
    covariance: Floats
    """(days, states, states)."""


def _design(days: int, first_weekday: int) -> Floats:
    """(days, states): level, slope, six weekdays (sum to zero), and two harmonics of the year if there are two."""
    weekday = (first_weekday + np.arange(days)) % 7
    contrasts = np.vstack([np.eye(6), -np.ones(6)])
    parts = [np.ones((days, 1)), np.zeros((days, 1)), contrasts[weekday]]
    if days >= _YEARS_OF_SEASON * 365.25:
        angle = 2 * np.pi * np.arange(days)[:, None] / 365.25
        parts += [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.hstack(parts)


def _observed(numbers: DailyNumbers, centre: Floats, value: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Deviation from the prediction and its sampling variance, on the logit or log scale."""
    if numbers.kind == "quantity":
        return np.log(value) - centre, np.broadcast_to(1 / size, np.shape(centre))
    p = np.clip(expit(centre), 1e-6, 1 - 1e-6)
    information = size * p * (1 - p)
    return (value - size * p) / information, 1 / information


def _filter(numbers: DailyNumbers, x: Floats, variances: Floats, days: int, learn: int) -> _Path:
    """Kalman's filter with bounded influence, for several sets of variances at once; the path is that of the first.

    Args:
        numbers: the series.
        x: of `_design`.
        variances: (3, sets): of day effects, steps and bends.
        days: how many days are filtered.
        learn: the likelihood is that of the days before this one; the first level is theirs too.
    """
    (day, step, bend), states, sets = variances, x.shape[1], variances.shape[1]
    prior = [_PRIOR_SD["level"], _PRIOR_SD["slope"]] + [_PRIOR_SD["weekday"]] * 6
    prior += [_PRIOR_SD["season"]] * (states - 8)
    state = np.zeros((sets, states))
    state[:, 0] = _first_level(numbers, learn)
    covariance = np.tile(np.diag(np.square(prior)), (sets, 1, 1))
    likelihood, seen = np.zeros(sets), 0
    centres, variances = np.full(len(x), np.nan), np.full(len(x), np.nan)
    states_after, covariances_after = np.zeros((len(x), states)), np.zeros((len(x), states, states))
    for i in range(days):
        covariance[:, 1, 1] += bend
        state[:, 0] += state[:, 1]
        covariance[:, 0, :] += covariance[:, 1, :]
        covariance[:, :, 0] += covariance[:, :, 1]
        covariance[:, 0, 0] += step
        centre, pull = state @ x[i], covariance @ x[i]
        own = pull @ x[i]
        centres[i], variances[i] = centre[0], own[0]
        if numbers.size[i] > 0:
            deviation, sampling = _observed(numbers, centre, numbers.value[i], numbers.size[i])
            variance = own + sampling + day
            z = deviation / np.sqrt(variance)
            beyond = np.maximum(np.abs(z) / _HUBER, 1.0)
            seen += 1
            if i < learn and seen > 14:
                likelihood -= (np.log(variance) + np.where(beyond > 1, _HUBER * (2 * np.abs(z) - _HUBER), z**2)) / 2
            gain = pull / (variance * beyond)[:, None]
            state = state + gain * deviation[:, None]
            covariance = covariance - gain[:, :, None] * pull[:, None, :]
        states_after[i], covariances_after[i] = state[0], covariance[0]
    return _Path(likelihood, centres, variances, states_after, covariances_after)


def _first_level(numbers: DailyNumbers, learn: int) -> float:
    """The level of the first weeks, where the filter starts."""
    known = np.flatnonzero(numbers.known[:learn])[:LEAST_DAYS]
    value, size = numbers.value[known], numbers.size[known]
    if numbers.kind == "quantity":
        return float(np.median(np.log(value))) if len(known) else 0.0
    return float(logit((value.sum() + 0.5) / (size.sum() + 1)))


# --- the statistics --------------------------------------------------------------------------------------------------


def _score(numbers: DailyNumbers, centre: Floats, variance: Floats) -> Floats:
    """The day's statistic: a standard normal quantile of where the number falls in its predicted distribution.

    NaN on days without a number.
    """
    found = np.full(len(centre), np.nan)
    known = np.flatnonzero(numbers.known)
    value, size, centre, variance = numbers.value[known], numbers.size[known], centre[known], variance[known]
    if numbers.kind == "quantity":
        found[known] = (np.log(value) - centre) / np.sqrt(variance + 1 / size)
    else:
        found[known] = _share_score(value, size, centre, variance)
    return np.asarray(np.clip(found, -_LARGEST_Z, _LARGEST_Z))


def _share_score(events: Floats, trials: Floats, centre: Floats, variance: Floats) -> Floats:
    above = norm.isf(upper_tail(events, trials, centre, variance))
    below = -norm.isf(upper_tail(trials - events, trials, -centre, variance))
    return np.asarray(np.where(events > trials * expit(centre), np.maximum(above, 0.0), np.minimum(below, 0.0)))


def _bisect(centre: Floats, variance: Floats, size: Floats, limit: float) -> tuple[Floats, Floats]:
    """The shares whose statistic is −limit and limit; 0 and 1 where none is."""
    middle = size * expit(centre)
    found = []
    for start, sign in ((np.zeros(len(centre)), -1.0), (size, 1.0)):
        inside, outside = middle.copy(), start.copy()
        for _turn in range(30):
            half = (inside + outside) / 2
            alarm = sign * _share_score(half, size, centre, variance) > limit
            inside, outside = np.where(alarm, inside, half), np.where(alarm, half, outside)
        found.append(inside / size)
    return found[0], found[1]


def _levels(
    numbers: DailyNumbers, x: Floats, path: _Path, variances: Floats, seen: Ints
) -> tuple[Floats, Floats, Floats, Floats]:
    """The EWMA by day, what was expected of it, its standard deviation, and its statistic; NaN where there is none."""
    total, h = len(numbers.value), DRIFT_DAYS
    found = np.full((4, total), np.nan)
    last = np.arange(h, total)
    last = last[seen[last - h] >= LEAST_DAYS]
    if not len(last):
        return tuple(found)  # type: ignore[return-value]
    ahead = np.arange(1, h + 1)
    at = last[:, None] - h + ahead  # (tests, h)
    design = x[at]
    design[:, :, 1] = ahead  # the level after so many days is level + days × slope
    base = last - h
    centre = np.einsum("thj,tj->th", design, path.state[base])
    size = numbers.size[at]
    known = size > 0
    deviation, sampling = _observed(
        numbers, centre, np.where(known, numbers.value[at], 1.0), np.where(known, size, 1.0)
    )
    spread = np.einsum("thj,tjk,tik->thi", design, path.covariance[base], design, optimize=True)
    spread = spread + _wandering(variances, h)
    noise = sampling + variances[0]
    largest = 3 * np.sqrt(np.einsum("thh->th", spread) + noise)
    deviation = np.clip(deviation, -largest, largest)
    weight = np.where(known, (1 - _MEMORY) ** (h - ahead) / noise, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = weight / weight.sum(axis=1, keepdims=True)
    sd = np.sqrt(np.einsum("th,thi,ti->t", weight, spread, weight) + (weight**2 * noise).sum(axis=1))
    expected, moved = (weight * centre).sum(axis=1), (weight * deviation).sum(axis=1)
    usable = (known.sum(axis=1) >= _LEAST_DRIFT_DAYS) & known[:, -1]
    for row, values in zip(found, (expected + moved, expected, sd, moved / sd), strict=True):
        row[last] = np.where(usable, values, np.nan)
    return tuple(found)  # type: ignore[return-value]


def _wandering(variances: Floats, days: int) -> Floats:
    """(days, days): covariance of how far steps and bends move the level in so many days.

    A bend j days ahead moves the level k days ahead by k − j + 1 times its size.

    >>> _wandering(np.array([0.0, 0.0, 1.0]), 2)
    array([[1., 2.],
           [2., 5.]])
    """
    ahead = np.arange(1, days + 1)
    of_bend = np.maximum(ahead[:, None] - ahead[None, :] + 1, 0.0)
    return np.asarray(variances[1] * np.minimum(ahead[:, None], ahead) + variances[2] * of_bend @ of_bend.T)


def _spread(z: Floats) -> float:
    """Robust standard deviation of statistics of the days before, at least 1."""
    z = z[np.isfinite(z)]
    if len(z) < LEAST_DAYS:
        return 1.0
    return max(1.0, float(np.median(np.abs(z)) / norm.isf(0.25)))
