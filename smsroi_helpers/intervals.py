"""Intervals with the customer as unit, for what the stages share; all from sums by cell, none from rows of customers.

Everything here takes counts and sums that the engine has made: by group of customers (column `group`, 0 … 63, a hash of
the customer), by cell, by arm. Intervals are two-sided at `level` (0.95) unless said otherwise. Where the data say
nothing about the error of a number its limits are NaN, never equal to each other. That they hold the truth as often as
they say is tried in `benchmarks/claims/` and told in docs/calibration.md.

References:
    Kott (2001), The delete-a-group jackknife, Journal of Official Statistics 17(4).
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated
        from survey data, Survey Methodology 24(2).
    Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4(2).
    Huber (1967), and White (1982), Maximum likelihood estimation of misspecified models, Econometrica 50(1): sandwich.
    Edwards & Hsu (1983), Multiple comparisons with the best treatment, JASA 78(384); Hsu (1996), Multiple Comparisons.
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 5.4: the normal hierarchical model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr
from scipy.stats import beta, false_discovery_control, fisher_exact, norm, t

__all__ = [
    "FEW_EVENTS",
    "GROUPS",
    "BestSet",
    "Interval",
    "Jackknife",
    "MeanDifference",
    "RateDifference",
    "Shrunken",
    "adjust",
    "best_set",
    "by_group",
    "difference_of_means",
    "difference_of_rates",
    "draw_shrunken",
    "jackknife",
    "jackknife_rate",
    "jackknife_ratio",
    "rates",
    "ratios",
    "resample_cells",
    "sandwich",
    "shrink",
]

Floats = NDArray[np.float64]
GROUPS = 64
"""Groups of customers, by hash, that the jackknife leaves out one at a time."""
FEW_EVENTS = 20
"""With fewer events than this in an arm, rates are compared by exact and score methods, never by normal ones."""
_FEWEST_FOR_LOGIT = 10
"""Fewer events than this: the logit's interval ends too high (seen: it misses a small rate 3–4 % of the time below)."""


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
    groups: NDArray[np.int64]
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
            doubles with the customers is told by its mean, times their number.
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
    reach = _t_quantile(level, used - 1) * error
    return Jackknife(estimate, estimate - reach, estimate + reach, error, used, deviations)


def _t_quantile(level: float, df: ArrayLike) -> Floats:
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


def jackknife_rate(events: ArrayLike, trials: ArrayLike, units: ArrayLike, level: float = 0.95) -> Jackknife:
    """Σ events ÷ Σ trials per cell, a share between 0 and 1, with an interval honest of few events.

    From 10 events on, the jackknife by group on the logit scale. Below, Clopper and Pearson's exact interval at the
    effective number of trials p (1 − p)/v · (z/t)² that the jackknife's variance v tells (Korn & Graubard 1998).
    With no event at all, nothing but events, or the very same share in every group, v is 0 and tells nothing: the exact
    interval for `units` independent chances.

    Args:
        events: … × groups, 0 ≤ events ≤ trials.
        trials: the same shape.
        units: … (one for each cell), how many independent chances stand behind the trials: customers, where one may
            have many events (clicks); the trials themselves, where at most one (opt-outs).
        level: of the intervals.

    Returns:
        arrays in the shape of the cells; NaN where a cell has no trial. `standard_error` is on the scale of shares.

    Raises:
        ValueError: more events than trials, or fewer than none.

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
    reach = _t_quantile(level, found.groups - 1)
    # The last is 0 but for rounding: an event more or less in one group is far above it.
    even = (count == 0) | (count == tried) | (error <= 1e-12 * rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = rate * (1 - rate)
        centre, half = logit(rate), reach * error / spread
        effective = np.minimum(spread / error**2 * (norm.ppf((1 + level) / 2) / reach) ** 2, tried)
    effective = np.where(even, np.asarray(units, float), effective)
    exact_low, exact_high = _clopper_pearson(rate * effective, effective, level)
    few = even | (np.minimum(count, tried - count) < _FEWEST_FOR_LOGIT)
    low = np.where(few, exact_low, expit(centre - half)) + 0 * rate  # NaN without a trial
    high = np.where(few, exact_high, expit(centre + half)) + 0 * rate
    return Jackknife(rate, low, high, error, found.groups, found.deviations)


def _clopper_pearson(events: Floats, trials: Floats, level: float) -> tuple[Floats, Floats]:
    """Exact limits of a share, for events and trials that need not be whole; one end is 0 or 1 where it must be."""
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(events > 0, beta.ppf(tail, events, trials - events + 1), 0.0)
        high = np.where(events < trials, beta.ppf(1 - tail, events + 1, trials - events), 1.0)
    unknown = ~(trials > 0)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def rates(
    cells: pd.DataFrame, by: Sequence[str], *, events: str, trials: str, units: str, groups: int = GROUPS
) -> pd.DataFrame:
    """One row for each combination of `by`, with a share and its interval: see `jackknife_rate`.

    Args:
        cells: the columns of `by`, group (0 … groups − 1), and those named next; one row for each combination there is.
        by: segment, weekday, hour …
        events: the column counted, such as clicks.
        trials: the column it is a share of, such as messages.
        units: the column of customers, where one may have many events; the same as `trials`, where at most one.
        groups: how many groups there are.

    Returns:
        the columns of `by`; events, trials, units, rate, low, high.
    """
    keys, (hit, tried, people) = by_group(cells, by, [events, trials, units], groups)
    found = jackknife_rate(hit, tried, people.sum(axis=-1))
    counts = {"events": hit.sum(axis=-1), "trials": tried.sum(axis=-1), "units": people.sum(axis=-1)}
    return keys.assign(**counts, rate=found.estimate, low=found.low, high=found.high)


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
    """Share of events among the treated − among the control: Miettinen and Nurminen's score interval, Fisher's p.

    The limits are the differences d at which (p̂₁ − p̂₀ − d)/√v(d) = ±z, with v(d) from the shares that are likeliest
    given d, times N/(N − 1) (Miettinen & Nurminen 1985). For any number of events, none included: the only
    interval to use with fewer than `FEW_EVENTS` in an arm. It is our own since that of statsmodels 0.15,
    `confint_proportions_2indep(method="score")`, has x₀ for n₀ in the cubic (its issue 10269; seen: .3440 for the
    published limit .3382 of 56/70 − 48/80), and looks for limits too near the estimate (an error with five events).

    Args:
        events: of the treated; arrays are taken element by element.
        customers: of the treated.
        control_events: of the control.
        control_customers: of the control.
        level: of the intervals.

    Raises:
        ValueError: an arm without customers, or events that cannot be.

    >>> found = difference_of_rates([293], [11_298], [5], [464])  # a public test of advertisements
    >>> found.estimate.round(4), found.low.round(4), found.high.round(4), found.p_value.round(3)
    (array([0.0152]), array([0.0008]), array([0.0222]), array([0.048]))
    """
    x1, n1, x0, n0 = np.broadcast_arrays(
        *(np.asarray(given, float) for given in (events, customers, control_events, control_customers))
    )
    if np.any((n1 <= 0) | (n0 <= 0) | (x1 < 0) | (x0 < 0) | (x1 > n1) | (x0 > n0)):
        raise ValueError("each arm needs customers, and between 0 and as many events")
    estimate = x1 / n1 - x0 / n0
    z = norm.ppf((1 + level) / 2)
    low = _solve(lambda d: _score(d, x1, n1, x0, n0) > z, np.full(estimate.shape, -1.0), estimate)
    high = _solve(lambda d: _score(d, x1, n1, x0, n0) > -z, estimate, np.full(estimate.shape, 1.0))
    tables = zip(*(np.atleast_1d(count).ravel() for count in (x1, n1 - x1, x0, n0 - x0)), strict=True)
    p = np.array([fisher_exact([[a, b], [c, d]]).pvalue for a, b, c, d in tables]).reshape(estimate.shape)
    return RateDifference(estimate, low, high, p)


def _solve(is_left: Callable[[Floats], NDArray[np.bool_]], left: Floats, right: Floats) -> Floats:
    """Where a falling function passes its level, between left and right; all elements at once, by halving."""
    for _ in range(60):
        middle = (left + right) / 2
        more = is_left(middle)
        left, right = np.where(more, middle, left), np.where(more, right, middle)
    return (left + right) / 2


def _score(difference: Floats, x1: Floats, n1: Floats, x0: Floats, n0: Floats) -> Floats:
    """Miettinen and Nurminen's statistic for p₁ − p₀ = difference; it falls as the difference grows.

    p₀ is the root of the cubic of their appendix I, here by the arccosine, kept between what p₀ and p₁ can be.
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


def resample_cells(counts: ArrayLike, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The bootstrap over customers, told by cells alone: as many customers drawn anew, with replacement.

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


# --- many comparisons ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BestSet(Interval):
    """Which candidates may be the best, and how far each is from the best of the others.

    `estimate`, `low`, `high`: θ_i − max_{j≠i} θ_j, all of them at once at the given level; −low is the most that is
    lost by settling on candidate i. NaN for candidates whose error is not known.
    """

    chosen: NDArray[np.bool_]
    """The candidates that cannot be told from the best."""


def best_set(
    estimates: ArrayLike,
    covariance: ArrayLike,
    rng: np.random.Generator,
    *,
    df: float = np.inf,
    level: float = 0.95,
    draws: int = 10_000,
) -> BestSet:
    """The candidates that cannot be told from the best: P(the truly best is among them) ≥ level.

    Multiple comparisons with the best (Edwards & Hsu 1983; Hsu 1996, chapter 4): candidate i stays unless
    some other one is ahead of it by more than c_i standard errors of their difference, c_i being the quantile of the
    largest of the studentised differences to i (Dunnett's, one-sided), simulated from the joint covariance.

    Args:
        estimates: the more the better. One of each candidate.
        covariance: joint, of the estimates. Candidates whose variance is NaN or 0 always stay: nothing is known that
            would exclude them.
        rng: of the critical values.
        df: degrees of freedom of the covariance (groups − 1 from a jackknife).
        level: at least so often is the best in the set.
        draws: to simulate; at 10,000 they move the coverage by about ±.002.

    Raises:
        ValueError: no candidate, or a covariance of another shape.

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
    ahead = value[None, :] - value[:, None]  # of row i, how far each other one is ahead
    spread = np.diag(joint)
    error = np.sqrt(np.maximum(spread[:, None] + spread[None, :] - 2 * joint, 0.0))
    # The others' distances in their own errors; pairs that move together entirely have none.
    error[error < 1e-9 * np.sqrt(spread.max())] = 0.0
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
    strength, direction = np.linalg.eigh(joint)
    noise = (direction * np.sqrt(np.maximum(strength, 0.0))) @ rng.standard_normal((len(joint), draws))
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
    """P-values adjusted for being many: Holm's (1979) for decisions, Benjamini and Hochberg's (1995) for screening.

    Args:
        p_values: of one family; NaN (not tested) stays NaN and does not count.
        method: with Holm's below .05, the chance of any false finding is at most .05; with Benjamini and Hochberg's,
            the expected share of false ones among those found.

    >>> adjust([0.01, 0.04, float("nan"), 0.03], "holm").round(2).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    p_values = np.asarray(p_values, float)
    adjusted = np.full(p_values.shape, np.nan)
    tested = ~np.isnan(p_values)
    if method == "benjamini_hochberg" and tested.any():
        adjusted[tested] = false_discovery_control(p_values[tested])
    elif tested.any():  # statsmodels' multipletests says the same, and collects garbage each time: a third of a second
        p = p_values[tested]
        order = np.argsort(p)
        stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
        adjusted[np.flatnonzero(tested)[order]] = np.minimum(stepped, 1.0)
    return adjusted


# --- shrinkage -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shrunken(Interval):
    """Estimates drawn towards what they have in common, as far as they differ by chance."""

    common: Floats
    """What each is drawn towards: the common mean, or the covariates' fit."""
    spread: float
    """The posterior mean of τ, the standard deviation of the true values around it."""


def shrink(
    estimates: ArrayLike,
    errors: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    df: float = np.inf,
    level: float = 0.95,
) -> Shrunken:
    """Partial pooling of estimates with known errors, the intervals carrying the error of the pooling itself.

    y ~ N(θ, Σ), θ_i ~ N(x_iᵀβ, τ²), flat on β and on τ ≥ 0 (Gelman et al. 2013, section 5.4): β is integrated in
    closed form, τ on a grid, and the limits are quantiles of the resulting mixture of normals. Intervals hold the truth
    `level` of the time over cells and worlds, not for each cell whatever its true value: of one that is truly
    far from the others, they hold it less often. On the scale on which estimates are nearly normal (logits of rates).

    Args:
        estimates: y, at least three more than the columns of `covariates`.
        errors: standard errors (one line), or the covariance Σ (a square).
        covariates: estimates × columns, with a column of ones if a mean is meant; None for the common mean alone.
        df: degrees of freedom of the errors (groups − 1 from a jackknife). Estimated errors are taken as larger: a
            covariance of k estimates by df/(df − k − 1), without which its inverse would promise too much (Hartlap,
            Simon & Schneider 2007, Astronomy & Astrophysics 464), standard errors alone by the ratio of t to z.
        level: of the intervals.

    Raises:
        ValueError: too few estimates, or too many for their covariance; errors that are not positive numbers; shapes
            that do not fit.
    """
    y, errors = np.asarray(estimates, float), np.asarray(errors, float)
    x = np.ones((len(y), 1)) if covariates is None else np.asarray(covariates, float)
    if len(y) < x.shape[1] + 2:
        raise ValueError(f"{len(y)} estimates are too few to learn how much they differ; {x.shape[1] + 2} are needed")
    if errors.shape not in ((len(y),), (len(y), len(y))) or x.shape[0] != len(y):
        raise ValueError(f"shapes {y.shape}, {errors.shape} and {x.shape} of estimates, errors, covariates do not fit")
    if errors.ndim == 1:
        variance, turn = (errors * _t_quantile(level, df) / norm.ppf((1 + level) / 2)) ** 2, np.eye(len(y))
    elif len(y) < df - 1:
        variance, turn = np.linalg.eigh(errors * (1 if np.isinf(df) else df / (df - len(y) - 1)))
    else:
        raise ValueError(
            f"a covariance of {len(y)} estimates cannot be learned from {df:.0f}: give standard errors alone"
        )
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(variance)) and np.all(variance > 0)):
        raise ValueError("estimates must be numbers and their errors above 0; leave the others out")
    tau, weight = _weigh_spreads(turn.T @ y, turn.T @ x, variance)
    means, spreads, common = _given_spread(tau, turn, turn.T @ y, turn.T @ x, variance)
    return Shrunken(
        estimate=weight @ means,
        low=_mixture_quantile((1 - level) / 2, weight, means, spreads),
        high=_mixture_quantile((1 + level) / 2, weight, means, spreads),
        common=weight @ common,
        spread=float(weight @ tau),
    )


def _fit_common(tau: Floats, y: Floats, x: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """For each τ: β by weighted least squares, the inverse of its precision, and log p(τ | y) but for a constant."""
    weight = 1 / (variance + tau[:, None] ** 2)
    precision = np.einsum("tk,ki,kj->tij", weight, x, x)
    beta_covariance = np.linalg.inv(precision)
    fitted = np.einsum("tij,tk,kj,k->ti", beta_covariance, weight, x, y)
    rest = y - fitted @ x.T
    log_density = (np.log(weight).sum(axis=1) - np.linalg.slogdet(precision)[1] - (weight * rest**2).sum(axis=1)) / 2
    return fitted, beta_covariance, log_density


def _weigh_spreads(y: Floats, x: Floats, variance: Floats, nodes: int = 200) -> tuple[Floats, Floats]:
    """Nodes τ and their posterior weights, in u = τ/(τ + scale): first where there is any mass, then closely there."""
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    scale = float(np.sqrt(np.mean(rest**2)) + np.sqrt(np.median(variance)) / 10)

    def weigh(u: Floats) -> tuple[Floats, Floats]:
        tau = scale * u / (1 - u)
        # dτ = scale du/(1 − u)²
        return tau, _fit_common(tau, y, x, variance)[2] - 2 * np.log1p(-u)

    coarse = (np.arange(nodes) + 0.5) / nodes
    density = weigh(coarse)[1]
    inside = np.flatnonzero(density > density.max() - 30)
    start = coarse[max(inside[0] - 1, 0)] if inside[0] > 0 else 0.0
    end = coarse[min(inside[-1] + 1, nodes - 1)] if inside[-1] < nodes - 1 else 1.0
    at, share = np.polynomial.legendre.leggauss(nodes)
    tau, density = weigh(start + (end - start) * (at + 1) / 2)
    weight = share * np.exp(density - density.max())
    return tau, weight / weight.sum()


def _given_spread(tau: Floats, turn: Floats, y: Floats, x: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """For each τ: posterior means and standard deviations of θ, and the common part (all τ × estimates)."""
    fitted, beta_covariance, _ = _fit_common(tau, y, x, variance)
    kept = tau[:, None] ** 2 / (variance + tau[:, None] ** 2)
    rest = y - fitted @ x.T
    common = fitted @ (turn @ x).T
    means = common + (kept * rest) @ turn.T
    own = (kept * variance) @ (turn**2).T
    # A change of β moves θ by as much as is not kept of the estimate.
    lever = np.einsum("ik,tk,kj->tij", turn, 1 - kept, x)
    shared = np.einsum("tij,tjl,til->ti", lever, beta_covariance, lever)
    return means, np.sqrt(own + shared), common


def _mixture_quantile(share: float, weight: Floats, means: Floats, spreads: Floats) -> Floats:
    """The quantile of each column's mixture of normals; by halving."""
    reach = 40.0
    left, right = (means - reach * spreads).min(axis=0), (means + reach * spreads).max(axis=0)
    return _solve(lambda at: weight @ ndtr((at - means) / np.maximum(spreads, 1e-300)) < share, left, right)


def draw_shrunken(
    estimates: ArrayLike, errors: ArrayLike, rng: np.random.Generator, *, draws: int, df: float = np.inf
) -> Floats:
    """Draws × estimates from the posterior whose means and limits `shrink` tells: for what is worked out from several.

    Args:
        estimates: y, at least three.
        errors: their standard errors, independent of each other.
        rng: of the draws.
        draws: how many.
        df: degrees of freedom of the errors; see `shrink`.

    >>> told = draw_shrunken([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], np.random.default_rng(1), draws=40_000)
    >>> bool(np.abs(told.mean(axis=0) - shrink([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]).estimate).max() < 0.03)
    True
    """
    y = np.asarray(estimates, float)
    variance = (np.asarray(errors, float) * _t_quantile(0.95, df) / norm.ppf(0.975)) ** 2
    tau, weight = _weigh_spreads(y, np.ones((len(y), 1)), variance)
    spread = tau[rng.choice(len(tau), draws, p=weight / weight.sum())][:, None] ** 2
    precision = 1 / (variance + spread)
    total = precision.sum(axis=1, keepdims=True)
    common = (precision * y).sum(axis=1, keepdims=True) / total + rng.standard_normal((draws, 1)) / np.sqrt(total)
    kept = spread * precision
    return kept * y + (1 - kept) * common + np.sqrt(kept * variance) * rng.standard_normal((draws, len(y)))
