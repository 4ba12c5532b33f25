"""Differences between randomised arms from moments: with a covariate, as ratios, relative, and stratified.

Moments are those of `measures.arm_moments`: one row per arm and stratum. Those of `measures.arm_moments_together` with
units have the products over units of randomisation (`units`): the variance is that between units. Every arm is
summarised by a mean and the variance of that mean. Differences, relative lift and the probability of being best are
computed from these alone.

References:
    Deng, Xu, Kohavi & Walker (2013), Improving the sensitivity of online controlled experiments by utilizing
        pre-experiment data, WSDM: CUPED.
    Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics, KDD: ratio metrics.
    Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7(1).
    Fieller (1954), Some problems in interval estimation, JRSS B 16: the ratio of two means.
    Miratrix, Sekhon & Yu (2013), Adjusting treatment effect estimates by post-stratification, JRSS B 75.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import chi2, norm, t

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.means import MeanDifference, variance_from_sums, welch
from smsroi_helpers.statistics.units import (
    FEWEST_CLUSTERS,
    covariates_in,
    effective_units,
    product_name,
    products_of,
    sum_name,
    unit_covariance,
)

__all__ = [
    "UNEQUAL",
    "Arms",
    "compare",
    "covariate_moments",
    "estimate_means",
    "estimate_ratios",
    "expected_loss",
    "heterogeneity",
    "log_ratio",
    "merge_strata",
    "probability_best",
    "relative_lift",
    "share_variance",
]

UNEQUAL = 5.0
"""From this ratio of units between two arms on, the smaller one's mean of money is far from normal."""
_ROUNDING = 1e-12
"""A variance below this share of the sum of squares is a rounding error and counts as 0."""


@dataclass(frozen=True)
class Arms:
    """One metric in every arm of an experiment; arrays of one entry per arm."""

    names: tuple[str, ...]
    customers: Floats
    mean: Floats
    """Unadjusted, per customer (or Σ ÷ Σ)."""
    adjusted: Floats
    """Adjusted to the covariate's overall mean and the strata's overall shares; equals `mean` without either."""
    variance: Floats
    """Of `adjusted`. NaN with fewer than two customers; 0 where the outcome never varies."""
    satterthwaite: Floats
    """Σ over strata of (variance)² / (units − 1), for Welch and Satterthwaite's degrees of freedom."""
    units: Floats
    """Units of randomisation: customers, or clusters of them."""
    few_units: NDArray[np.bool_]
    """Whether there are too few clusters for an interval (`units.FEWEST_CLUSTERS`); the variance is then NaN."""

    def index(self, arm: str) -> int:
        """The position of an arm in the arrays."""
        return self.names.index(arm)


# --- one arm ---------------------------------------------------------------------------------------------------------


def estimate_means(moments: pd.DataFrame, arms: Sequence[str], *, adjust: bool = True) -> Arms:
    """The mean outcome per customer of each arm, adjusted for a covariate and for strata where given.

    With y the outcome, x a covariate, and k = 1 where x is known (elsewhere x is 0), the adjusted outcome is
    y − θ₁(x − x̄) − θ₂(k − k̄), with further θ for the further covariates of the moments. θ minimises the sum of the
    variances of the arm means (Deng et al. 2013, with several covariates); with two arms the difference has the
    variance of a regression in each arm (Lin 2013) to first order. With units the variance is multiplied by
    (d ÷ (d − p))², d the degrees of freedom and p the number of θ: once for the residuals, once for the error of θ. Arm
    means are averaged over strata with the strata's shares of all customers (Miratrix et al. 2013), so that a change of
    the split over time does not bias the effect.

    Args:
        moments: arm, perhaps stratum; n, sum_y, sum_y2; and for a covariate n_known, sum_y_known, sum_x, sum_x2,
            sum_xy; with units, also units and the columns of `units.unit_covariance`, where no stratum shares a
            cluster with another.
        arms: the arms, in the order of the result; an arm without a row has no customers.
        adjust: whether to use covariate and strata.

    >>> rows = pd.DataFrame({"arm": ["a", "b"], "n": [3, 3], "sum_y": [9.0, 6.0], "sum_y2": [29.0, 14.0]})
    >>> found = estimate_means(rows, ["a", "b"])
    >>> found.mean.tolist(), found.variance.round(4).tolist()
    ([3.0, 2.0], [0.3333, 0.3333])
    """
    stratified = adjust and "stratum" in moments.columns
    cells = _cells(moments, arms, "stratum" if stratified else None)
    plain = _cells(moments[["arm", "n", "sum_y"]], arms, None) if stratified else cells
    customers = plain["n"][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = plain["sum_y"][:, 0] / customers
    n, by_unit = cells["n"], "units" in cells
    covariance = unit_covariance if by_unit else _covariance
    weight = n.sum(axis=0) / n.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        y_mean = cells["sum_y"] / n
        share = weight**2 / n
    s_yy = covariance(cells, "y", "y")
    used = [] if not adjust else covariates_in(cells) if by_unit else ["x", "k"] if "sum_x" in cells else []
    if used:
        s_yu = [covariance(cells, name, "y") for name in used]
        s_uu = [[covariance(cells, *sorted((one, two))) for two in used] for one in used]
        a = np.array([[np.nansum(share * value) for value in row] for row in s_uu])
        theta = _solve(a, np.array([np.nansum(share * value) for value in s_yu]))
        with np.errstate(divide="ignore", invalid="ignore"):
            for coefficient, name in zip(theta, used, strict=True):
                u = cells[sum_name(name)]
                y_mean = y_mean - coefficient * (u / n - u.sum(axis=0) / n.sum(axis=0))
        # the residual variance after the adjustment; below 0 only by rounding
        s_yy = s_yy - 2 * sum(t * value for t, value in zip(theta, s_yu, strict=True))
        s_yy = s_yy + sum(theta[i] * theta[j] * s_uu[i][j] for i in range(len(used)) for j in range(len(used)))
        s_yy = np.maximum(s_yy, 0.0)
    units, effective, few = _units(cells, by_unit)
    fitted = np.count_nonzero(theta) if used and by_unit else 0
    if fitted:  # with few units: residuals are too small by θ, and θ has an error of its own where arms differ in x
        degrees = np.nansum(effective - 1)
        s_yy = s_yy * ((degrees / (degrees - fitted)) ** 2 if degrees > fitted else np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = share * s_yy
        variance = np.where(few, np.nan, parts.sum(axis=1))
        satterthwaite = (parts**2 / (effective - 1 - fitted / effective.size)).sum(axis=1)
    adjusted = (weight * y_mean).sum(axis=1)
    return Arms(tuple(arms), customers, mean, adjusted, variance, satterthwaite, units, few)


def share_variance(arms: Arms, ratio: float = UNEQUAL) -> Arms:
    """Arms of which the small ones have at least the variance, per unit, of all arms together.

    Money is skewed: a small arm that happens to lack large orders has a low mean and a small variance at once, and the
    difference looks certain. The variance of all arms together is that of the large one, and does not follow the small
    arm's mean.

    Args:
        arms: of `estimate_means`.
        ratio: an arm is small if another has so many times its units.

    >>> rows = pd.DataFrame({"arm": ["a", "b"], "n": [10, 90], "sum_y": [10.0, 180.0], "sum_y2": [19.0, 1250.0]})
    >>> found = estimate_means(rows, ["a", "b"])
    >>> (found.variance * found.units).round(2).tolist()
    [1.0, 10.0]
    >>> (share_variance(found).variance * found.units).round(2).tolist()
    [9.1, 10.0]
    """
    units, own = arms.units, arms.variance
    known = np.isfinite(own) & (own > 0)
    if not known.any():
        return arms
    together = float((own[known] * units[known] ** 2).sum() / units[known].sum())
    small = known & (units * ratio <= units[known].max())
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(small, np.maximum(own, together / units), own)
        satterthwaite = np.where(small, arms.satterthwaite * (variance / own) ** 2, arms.satterthwaite)
    return replace(arms, variance=variance, satterthwaite=satterthwaite)


def _cells(moments: pd.DataFrame, arms: Sequence[str], stratum: str | None) -> dict[str, Floats]:
    """Each column of the moments, arms × strata: sums over the rows, unknown values left out."""
    columns = dict(moments.items())  # a frame of several columns takes pandas far longer to cut out
    names = [each for each in columns if each.startswith(("sum_", "n_", "unit_")) or each in ("n", "units")]
    place_of = {name: place for place, name in enumerate(arms)}
    arm = np.array([place_of.get(name, -1) for name in columns["arm"].tolist()], int)
    column, strata = (np.zeros(len(arm), int), 1) if stratum is None else _numbered(columns[stratum])
    values = np.empty((len(arm), len(names)))
    for place, name in enumerate(names):
        values[:, place] = columns[name].to_numpy(float)
    grid = np.zeros((len(arms), strata, len(names)))
    used = arm >= 0
    np.add.at(grid, (arm[used], column[used]), np.where(np.isnan(values), 0.0, values)[used])
    return {name: np.ascontiguousarray(grid[:, :, place]) for place, name in enumerate(names)}


def _numbered(keys: pd.Series) -> tuple[NDArray[np.intp], int]:
    """The place of each key among the sorted keys, and how many there are."""
    places, known = pd.factorize(keys, sort=True)
    return places, len(known)


_PRODUCTS = {
    ("y", "y"): "sum_y2", ("x", "y"): "sum_xy", ("x", "x"): "sum_x2", ("k", "y"): "sum_y_known",
    ("k", "k"): "n_known", ("k", "x"): "sum_x",
}  # fmt: skip
"""The sums over customers of the products of two variables of `units.sum_name`."""


def _covariance(cells: Mapping[str, Floats], one: str, two: str) -> Floats:
    """As `unit_covariance`, with the customers as units."""
    sums = (cells[sum_name(one)], cells[sum_name(two)])
    return variance_from_sums(cells[_PRODUCTS[one, two]], *sums, cells["n"])


def _units(cells: Mapping[str, Floats], by_unit: bool) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Units of each arm, the effective number of each arm and stratum, and whether an arm has too few."""
    if not by_unit:
        customers = cells["n"].sum(axis=1)
        return customers, cells["n"], np.zeros(len(customers), bool)
    whole = {name: cells[name].sum(axis=1) for name in ("n", "units", product_name("n", "n"))}
    few = (whole["units"] < whole["n"]) & (effective_units(whole) < FEWEST_CLUSTERS)
    return whole["units"], effective_units(cells), few


def covariate_moments(moments: pd.DataFrame, *, by_unit: bool, covariate: tuple[str, str] = ("x", "k")) -> pd.DataFrame:
    """The moments of a covariate itself, of customers of whom it is known, as `estimate_means` reads an outcome's.

    Args:
        moments: with the covariate.
        by_unit: with the products over units, which covariates other than x need.
        covariate: the variable and that of customers with a known one, such as a0 and b0.
    """
    value, known = covariate
    names = {"arm": "arm", sum_name(known): "n", sum_name(value): "sum_y"}
    if "sum_x2" in moments and value == "x":
        names["sum_x2"] = "sum_y2"
    if by_unit:
        new = {known: "n", value: "y"}
        names |= {product_name(a, b): product_name(new[a], new[b]) for a, b in products_of(list(new))}
        names["units"] = "units"
    return moments[list(names)].rename(columns=names)


def _solve(a: Floats, b: Floats) -> Floats:
    """Solve a θ = b; the coefficient of a covariate that never varies is 0."""
    scale = np.sqrt(np.diag(a))
    used = scale > 0
    theta = np.zeros(len(b))
    if used.any():
        unit = a[np.ix_(used, used)] / np.outer(scale[used], scale[used])
        theta[used] = np.linalg.lstsq(unit, b[used] / scale[used], rcond=1e-10)[0] / scale[used]
    return theta


def estimate_ratios(moments: pd.DataFrame, arms: Sequence[str]) -> Arms:
    """Σy ÷ Σx of each arm, such as clicks ÷ messages, with the customer or cluster as unit (Deng, Knoblich & Lu 2018).

    The variance is that of the mean of (y − R x) / x̄.

    Args:
        moments: arm; n, sum_y, sum_y2, sum_x, sum_x2, sum_xy; y and x of every customer of the arm; perhaps with units,
            as for `estimate_means`.
        arms: the arms, in the order of the result.

    Returns:
        estimates per arm; NaN for an arm with Σx = 0.
    """
    cells = {name: values[:, 0] for name, values in _cells(moments, arms, None).items()}
    by_unit = "units" in cells
    n, y, x = cells["n"], cells["sum_y"], cells["sum_x"]
    yy, xy, xx = (
        cells[product_name(*pair) if by_unit else _PRODUCTS[pair]] for pair in (("y", "y"), ("x", "y"), ("x", "x"))
    )
    units, effective, few = _units({name: values[:, None] for name, values in cells.items()}, by_unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = y / x
        squares = yy - 2 * ratio * xy + ratio**2 * xx
        variance = np.where(units > 1, squares / (units - 1), np.nan) * units / x**2
        variance = np.where(squares > _ROUNDING * yy, variance, np.where(units > 1, 0.0, np.nan))
        variance = np.where((x > 0) & ~few, variance, np.nan)
        satterthwaite = variance**2 / (effective[:, 0] - 1)
        return Arms(tuple(arms), n, ratio, ratio, variance, satterthwaite, units, few)


def merge_strata(counts: pd.DataFrame, fewest: int = 20) -> pd.Series:
    """Merge days of assignment with the following days until every arm has enough customers in each stratum.

    Args:
        counts: day × arm, customers; days in order.
        fewest: customers an arm must have in a stratum.

    Returns:
        the stratum number of each day; left-over days at the end belong to the last complete stratum.

    >>> merge_strata(pd.DataFrame({"a": [30, 5, 30, 1], "b": [30, 30, 15, 1]})).tolist()
    [0, 1, 1, 1]
    """
    stratum, held, strata = 0, np.zeros(counts.shape[1]), []
    for row in counts.to_numpy(float):
        held = held + row
        strata.append(stratum)
        if (held >= fewest).all():
            stratum, held = stratum + 1, np.zeros(counts.shape[1])
    whole = max(stratum - 1, 0)
    return pd.Series(np.minimum(strata, whole), index=counts.index)


# --- comparison with the control -------------------------------------------------------------------------------------


def compare(arms: Arms, control: str, level: float = 0.95) -> MeanDifference:
    """The difference of each arm from the control, by Welch.

    Args:
        arms: of `estimate_means` or `estimate_ratios`.
        control: the control arm.
        level: of the intervals.

    Returns:
        differences per arm; NaN limits where the error cannot be estimated: an arm has fewer than two customers, or no
        outcome varies.

    >>> rows = pd.DataFrame({"arm": ["a", "b"], "n": [3, 3], "sum_y": [9.0, 6.0], "sum_y2": [29.0, 14.0]})
    >>> found = compare(estimate_means(rows, ["a", "b"]), "a")
    >>> found.estimate[1], found.standard_error[1].round(4), found.df[1].round(3)
    (np.float64(-1.0), np.float64(0.8165), np.float64(4.0))
    """
    at = arms.index(control)
    own = np.arange(len(arms.names)) == at
    return welch(
        np.where(own, np.nan, arms.adjusted - arms.adjusted[at]),
        (np.where(own, np.nan, arms.variance), arms.variance[at]),
        (arms.satterthwaite, arms.satterthwaite[at]),
        level,
    )


def relative_lift(arms: Arms, control: str, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """The relative lift, arm ÷ control − 1, with Fieller's interval, which is consistent if the arms are swapped.

    The limits are the r at which adjusted₁ − (1 + r)·adjusted₀ is just significant. Where the control's mean is not
    significantly above 0 there is no such interval, and the result is NaN.

    Returns:
        lift, low, high; one entry per arm; NaN for the control.
    """
    at = arms.index(control)
    m0, v0 = arms.adjusted[at], arms.variance[at]
    variance = arms.variance + v0
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / (arms.satterthwaite + arms.satterthwaite[at])
        half_width = t.ppf((1 + level) / 2, df)
        a, b, c = m0**2 - half_width**2 * v0, m0 * arms.adjusted, arms.adjusted**2 - half_width**2 * arms.variance
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        meant = (a > 0) & (m0 > 0) & (np.arange(len(arms.names)) != at)
        lift, low, high = arms.adjusted / m0 - 1, (b - root) / a - 1, (b + root) / a - 1
    return tuple(np.where(meant, values, np.nan) for values in (lift, low, high))  # type: ignore[return-value]


def log_ratio(arms: Arms, control: str) -> tuple[Floats, Floats]:
    """The log ratio of each arm's mean to the control's, with its standard error by the delta method.

    An arm with the same relative effect in all segments differs between segments in money, but not on this scale.

    Returns:
        log ratio, standard error; NaN for the control, and where a mean is less than three standard errors above 0.
    """
    at = arms.index(control)
    with np.errstate(divide="ignore", invalid="ignore"):
        clear = arms.adjusted > 3 * np.sqrt(arms.variance)
        logs, squares = np.log(np.where(clear, arms.adjusted, np.nan)), arms.variance / arms.adjusted**2
    other = np.arange(len(arms.names)) != at
    return (
        np.where(other, logs - logs[at], np.nan),
        np.where(other & np.isfinite(logs - logs[at]), np.sqrt(squares + squares[at]), np.nan),
    )


# --- several arms ----------------------------------------------------------------------------------------------------


def _grid(mean: Floats, error: Floats) -> tuple[Floats, float]:
    """Grid points over all probable values, and their distance, for the trapezoidal rule."""
    at = np.linspace((mean - 9 * error).min(), (mean + 9 * error).max(), 8001)
    return at, float(at[1] - at[0])


def probability_best(mean: Floats, error: Floats) -> Floats:
    """The posterior probability that each arm is the best, with true means normal around the estimates (flat prior).

    ∫ φ_a Π_{b≠a} Φ_b, integrated numerically. As a model posterior it has no guaranteed frequentist coverage.

    Args:
        mean: of each arm; larger is better.
        error: standard error of each; the result is NaN if one is missing.

    >>> probability_best(np.array([0.0, 0.0]), np.array([1.0, 1.0])).round(6).tolist()
    [0.5, 0.5]
    """
    if not (np.isfinite(mean).all() and np.isfinite(error).all() and (error > 0).all()):
        return np.full(len(mean), np.nan)
    at, step = _grid(mean, error)
    z = (at - mean[:, None]) / error[:, None]
    below = ndtr(z)
    density = norm.pdf(z) / error[:, None]
    others = np.array([np.delete(below, i, axis=0).prod(axis=0) for i in range(len(mean))])
    return (density * others).sum(axis=1) * step


def expected_loss(mean: Floats, error: Floats) -> Floats:
    """The expected loss of choosing each arm instead of the truly best one, in the metric's unit (same posterior).

    E max_b θ_b − θ̂_a, since the arms' posteriors are independent.

    >>> expected_loss(np.array([0.0, 0.0]), np.array([1.0, 1.0])).round(4).tolist()  # 1/√π
    [0.5642, 0.5642]
    """
    if not (np.isfinite(mean).all() and np.isfinite(error).all() and (error > 0).all()):
        return np.full(len(mean), np.nan)
    at, step = _grid(mean, error)
    none_above = ndtr((at - mean[:, None]) / error[:, None]).prod(axis=0)
    expected_maximum = at[-1] - np.trapezoid(none_above, dx=step)
    return np.maximum(expected_maximum - mean, 0.0)


def heterogeneity(effects: Floats, errors: Floats) -> tuple[float, int, float]:
    """Test for heterogeneity of effects between segments: Cochran's Q, its degrees of freedom, its p-value.

    Args:
        effects: one per segment; those without a standard error are left out.
        errors: their standard errors.

    Returns:
        Q = Σ (effect − weighted mean)² / error², χ² with segments − 1 degrees of freedom (Cochran 1954, Biometrics 10);
        NaN with fewer than two segments.
    """
    used = np.isfinite(effects) & np.isfinite(errors) & (errors > 0)
    if used.sum() < 2:
        return float("nan"), 0, float("nan")
    effect, weight = effects[used], errors[used] ** -2.0
    q = float(weight @ (effect - weight @ effect / weight.sum()) ** 2)
    return q, int(used.sum()) - 1, float(chi2.sf(q, used.sum() - 1))
