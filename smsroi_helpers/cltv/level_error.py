"""By how much all amounts of a forecast may be off together: what a purchase model takes to stay as it is, and may not.

The interval of a purchase model assumes that the model is right: customers buy at the rates of their past, without
seasons. Here the test weeks say how far reality departed from the model, and a model of such departures carries that
on to the coming weeks. On the log scale, the departure g at time s is the sum of

- a season: a wave that repeats every year, of unknown amplitude and phase (Σ over the wave of a year and of half a
  year, with 80 and 20 % of the variance);
- drift: a random walk and a straight line, with the same variance after a year;
- a straight line with the standard deviation of the season: a purchase model takes part of a season for drop-out, and
  carries it on.

A purchase model fitted up to the split has the level of the weeks that it was fitted to. The error of the forecast is
therefore the mean of g over the weeks ahead less its mean over those weeks; the same holds for every block of test
weeks. All are jointly normal given the standard deviations of season and drift, and these have a prior on a grid. The
posterior of the future error is a mixture of normals (Gaussian process regression: Rasmussen & Williams 2006, ch. 2
and 5). With few test weeks the prior decides, with many the data.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm
from scipy.stats import t as student_t

from smsroi_helpers.cltv.forecast import WEEKS_A_YEAR, Forecast, Z, add_up
from smsroi_helpers.cltv.holdout import Holdout, ModelComparison
from smsroi_helpers.cltv.predictions import Histories, expected_orders
from smsroi_helpers.statistics import Floats

__all__ = [
    "ErrorSources",
    "LevelError",
    "TestWeeks",
    "count_test_weeks",
    "difference_between_kinds",
    "estimate_level_error",
    "infer_level_error",
    "segment_totals",
    "sources_of_error",
    "totals",
]

SEASON_SDS = (0.01, 0.07, 0.15, 0.3)
"""The prior of a season, all equally likely: its standard deviation over the year, on the log scale. That of a wave of
±30 % is 0.21."""
DRIFT_SDS = (0.02, 0.1, 0.3)
"""The prior of drift, all equally likely: its standard deviation after a year, on the log scale."""
BLOCK_WEEKS = 4
FEWEST_PURCHASES = 20
"""Test weeks are combined to blocks in which at least so many purchases were predicted."""
_HALF_YEAR_SHARE = 0.2


@dataclass(frozen=True)
class TestWeeks:
    """What a purchase model, fitted up to the split, predicted for the weeks after it, and what happened."""

    __test__ = False  # no test, in spite of its name

    weeks: float
    """Weeks from the split to the last day observed."""
    predicted: Floats
    """Predicted purchases in each of these weeks, the first first."""
    actual: Floats
    """Actual purchases in each of them."""
    fitted: Floats
    """Expected purchases in each of the weeks up to the split, the first first: where the fit has its level from."""
    noise: float
    """Variance of the number of purchases in all test weeks, given the parameters."""
    parameter_variance: float
    """Variance of that number due to the parameters."""
    change: float
    """The logarithm of the forecast of the model fitted up to the split, divided by the forecast of the model fitted to
    all weeks: for the same customers and the same coming weeks."""


@dataclass(frozen=True)
class LevelError:
    """The posterior of log(actual / forecast) of the total of the coming weeks, without chance and parameters.

    A mixture of normals.
    """

    weights: Floats
    """Of the components; they add up to 1."""
    means: Floats
    variances: Floats
    season_share: float
    """The share (0–1) of the variance that is due to season; the rest is due to drift."""
    kinds_sd: float
    """Standard deviation of log(actual / forecast) between kinds of customers."""
    tested_weeks: float
    horizon_weeks: float
    log_weeks: float

    @property
    def bias(self) -> float:
        """Expected log(actual / forecast)."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """Standard deviation of log(actual / forecast)."""
        return float(np.sqrt(self.weights @ (self.variances + (self.means - self.bias) ** 2)))

    @property
    def season_sd(self) -> float:
        """The part of `sd` that is due to season."""
        return self.sd * float(np.sqrt(self.season_share))

    @property
    def drift_sd(self) -> float:
        """The part of `sd` that is due to drift."""
        return self.sd * float(np.sqrt(1 - self.season_share))

    @property
    def correction(self) -> float:
        """The factor by which a forecast that failed its test is multiplied.

        The bias, shrunk by its precision (positive-part James–Stein): 1 where the bias is within one standard deviation
        of none.
        """
        kept = max(0.0, 1 - (self.sd / self.bias) ** 2) if self.bias else 0.0
        return float(np.exp(kept * self.bias))

    def half_width(self, of: Literal["total", "kind"] = "total", factor: float = 1.0) -> float:
        """Half-width of the 95 % interval on the log scale, symmetric around the forecast times `factor`.

        The half-width includes the bias that is left.

        Args:
            of: the total, or a kind of customers, such as a segment.
            factor: what the forecast is multiplied by.
        """
        kinds = self.kinds_sd**2 if of == "kind" else 0.0
        deviations = np.sqrt(self.variances + (self.means - np.log(factor)) ** 2 + kinds)
        return float(
            brentq(
                lambda half: self.weights @ (2 * norm.cdf(half / deviations) - 1) - 0.95,
                0.0,
                10 * deviations.max(),
                xtol=1e-9,
            )
        )

    def limits(
        self, value: Floats, error: Floats, *, of: Literal["total", "kind"] = "total", factor: float = 1.0
    ) -> tuple[Floats, Floats]:
        """Low and high (95 %) of amounts: parameters, chance, and the error of the level.

        The distances to the limits of both intervals are added as squares (Zou & Donner 2008, Statistics in Medicine
        27(10)).

        Args:
            value: the amounts, already multiplied by `factor`.
            error: their standard errors: parameters and chance.
            of: the total, or kinds of customers.
            factor: what the forecast was multiplied by.
        """
        half = self.half_width(of, factor)
        ends = np.sort([value * np.exp(-half), value * np.exp(half)], axis=0)
        low, high = value - np.hypot(Z * error, value - ends[0]), value + np.hypot(Z * error, ends[1] - value)
        return np.where(value > 0, np.maximum(low, 0.0), low), high


def estimate_level_error(tested: Holdout, comparison: ModelComparison, forecast: Forecast) -> LevelError:
    """Estimate by how much all amounts of a forecast may be off together.

    Args:
        tested: the result of `holdout_test`.
        comparison: the result of `compare_models`.
        forecast: the forecast by the model chosen, fitted to all days.
    """
    log_weeks = float(forecast.cells["T_weeks"].max())
    kinds = difference_between_kinds(tested.by_kind["predicted"], tested.by_kind["error"], tested.by_kind["actual"])
    return infer_level_error(
        count_test_weeks(tested, comparison, forecast),
        horizon_weeks=forecast.horizon_weeks,
        log_weeks=log_weeks,
        kinds_sd=kinds,
    )


def count_test_weeks(tested: Holdout, comparison: ModelComparison, forecast: Forecast) -> TestWeeks:
    """Gather what `infer_level_error` needs of a test and of the forecast."""
    by_week = tested.by_week
    ahead = by_week["low"].notna()
    fit, weeks, horizon = comparison.fit, comparison.weeks, forecast.horizon_weeks
    customers, known = comparison.cells["customers"].to_numpy(float), Histories.of(comparison.cells)
    then = customers @ (expected_orders(fit, known, weeks + horizon) - expected_orders(fit, known, weeks))
    same = forecast.cells[forecast.cells["T_days"] >= 7 * weeks]
    now = float(same["customers"] @ same["expected_orders"])
    return TestWeeks(
        weeks=float(weeks),
        predicted=by_week.loc[ahead, "expected_in_week"].to_numpy(float),
        actual=by_week.loc[ahead, "in_week"].to_numpy(float),
        fitted=by_week.loc[~ahead, "expected_in_week"].to_numpy(float),
        noise=tested.noise,
        parameter_variance=max(((tested.high - tested.predicted) / Z) ** 2 - tested.noise, 0.0),
        change=float(np.log(then / now)),
    )


def difference_between_kinds(predicted: Floats, error: Floats, actual: Floats) -> float:
    """Standard deviation of log(actual / predicted) between kinds of customers, beyond parameters and chance.

    By the method of moments (DerSimonian & Laird 1986, Controlled Clinical Trials 7(3)). Few kinds do not determine it
    well, so it is enlarged by the ratio of the t and the normal quantile, as in the prediction interval of a further
    study (Higgins, Thompson & Spiegelhalter 2009, J. of the Royal Statistical Society A 172(1)).

    Args:
        predicted: predicted purchases of each kind.
        error: their standard errors.
        actual: actual purchases.
    """
    predicted, actual = np.asarray(predicted, float) + 0.5, np.asarray(actual, float) + 0.5
    logs, weights = np.log(actual / predicted), (predicted / np.maximum(error, 1e-12)) ** 2
    if len(logs) < 2:
        return 0.0
    squares = weights @ (logs - np.average(logs, weights=weights)) ** 2
    variance = (squares - (len(logs) - 1)) / (weights.sum() - weights @ weights / weights.sum())
    few = float(student_t.ppf(0.975, max(len(logs) - 2, 1))) / Z
    return few * float(np.sqrt(max(variance, 0.0)))


def totals(forecast: Forecast, level: LevelError) -> pd.DataFrame:
    """`Forecast.totals` with intervals that include the error of the level: measure, value, low, high."""
    values, errors = np.concatenate([[each.value, each.error] for each in forecast.sums.values()], axis=1)
    low, high = level.limits(values, errors)
    return forecast.totals[["measure"]].assign(value=values, low=low, high=high)


@dataclass(frozen=True)
class ErrorSources:
    """How far the total may be off its forecast (95 %), by source; all are shares of the forecast."""

    sampling: float
    """Half-width of the interval from the parameters and chance alone."""
    bias: float
    """Expected error of the forecast, as the test weeks show it."""
    season: float
    """Half-width of the interval from season alone."""
    drift: float
    """Half-width of the interval from drift alone."""
    low: float
    """Lower limit of the interval from all sources together."""
    high: float
    """Upper limit of the interval from all sources together."""


def sources_of_error(forecast: Forecast, level: LevelError) -> ErrorSources:
    """What makes the interval of the total as wide as it is.

    Args:
        forecast: the forecast.
        level: the result of `estimate_level_error`.
    """
    sums = forecast.sums[forecast.measure]
    (value,), (error,) = sums.value, sums.error
    low, high = (float(limit[0]) / value - 1 for limit in level.limits(sums.value, sums.error))
    season, drift = (float(np.expm1(Z * sd)) for sd in (level.season_sd, level.drift_sd))
    return ErrorSources(Z * error / abs(value), float(np.expm1(level.bias)), season, drift, low, high)


def segment_totals(forecast: Forecast, members: pd.DataFrame | None, level: LevelError) -> pd.DataFrame:
    """Forecast value by segment, with intervals that include the error of the level.

    Args:
        forecast: the forecast.
        members: the result of `count_segments` or `count_channels`.
        level: the result of `estimate_level_error`.

    Returns:
        group, customers, cltv, low, high, per_customer; the largest first, `all` last (alone without segments). Where
        the value of a purchase is not known these are NaN, and orders, orders_low, orders_high follow.
    """
    everybody = forecast.sums[forecast.measure]
    low, high = level.limits(everybody.value, everybody.error)
    parts = [everybody.table().assign(low=low, high=high)]
    if members is not None:
        sums = add_up(forecast, forecast.measure, members)
        low, high = level.limits(sums.value, sums.error, of="kind")
        table = sums.table().assign(low=low, high=high)
        parts.insert(0, table.sort_values("value", ascending=False, kind="stable"))
    table = pd.concat(parts, ignore_index=True)
    if not forecast.knows_value:
        table = table.rename(columns={"value": "orders", "low": "orders_low", "high": "orders_high"})
        table = table.assign(value=np.nan, low=np.nan, high=np.nan)
    table = table.rename(columns={"value": "cltv"})
    return table.assign(per_customer=table["cltv"] / table["customers"])


# --- the departure from the model ------------------------------------------------------------------------------------


def _kernels(times: Floats) -> tuple[Floats, Floats, Floats]:
    """Covariances of contrasts of a season, a random walk and a straight line, of unit variance (after a year)."""
    years = times / WEEKS_A_YEAR
    apart = years[:, None] - years[None, :]
    yearly, half_yearly = np.cos(2 * np.pi * apart), np.cos(4 * np.pi * apart)
    season = (1 - _HALF_YEAR_SHARE) * yearly + _HALF_YEAR_SHARE * half_yearly
    return season, -np.abs(apart) / 2, np.outer(years, years)


def _blocks(test: TestWeeks) -> tuple[Floats, Floats, Floats]:
    """Ends (weeks since the split), predicted and actual purchases of blocks of test weeks."""
    most = max(int(test.predicted.sum() // FEWEST_PURCHASES), 1)
    count = min(-(-len(test.predicted) // BLOCK_WEEKS), most)
    edges = np.linspace(0, len(test.predicted), count + 1).round().astype(int)
    ends = test.weeks * edges[1:] / len(test.predicted)
    predicted, actual = (np.add.reduceat(part, edges[:-1]) for part in (test.predicted, test.actual))
    return ends, predicted, actual


def infer_level_error(test: TestWeeks, *, horizon_weeks: float, log_weeks: float, kinds_sd: float = 0.0) -> LevelError:
    """The posterior of log(actual / forecast) of the coming weeks, given the test weeks.

    Args:
        test: the test weeks.
        horizon_weeks: the coming weeks that the forecast is for.
        log_weeks: length of the log.
        kinds_sd: the result of `difference_between_kinds` for the test weeks; over a longer horizon its variance grows
            as that of drift does, of which half is a random walk (in proportion) and half a straight line (squared).
    """
    longer = max(horizon_weeks / test.weeks, 1.0)
    ends, predicted, actual = _blocks(test)
    starts = np.concatenate([[0.0], ends[:-1]])
    fitted = np.maximum(test.fitted, 0.0) + 1e-9
    past = np.arange(len(fitted)) - len(fitted) + 0.5
    ahead = test.weeks + (np.arange(np.ceil(horizon_weeks)) + 0.5) * horizon_weeks / np.ceil(horizon_weeks)
    blocks = len(ends)
    times = np.concatenate([(starts + ends) / 2, past, ahead])
    # Rows: each block, and the horizon; less the level of the weeks that the model was fitted to.
    contrasts = np.zeros((blocks + 1, len(times)))
    contrasts[:blocks, :blocks] = np.eye(blocks)
    contrasts[blocks, blocks + len(fitted) :] = 1 / len(ahead)
    contrasts[:, blocks : blocks + len(fitted)] -= fitted / fitted.sum()
    season, walk, line = (contrasts @ kernel @ contrasts.T for kernel in _kernels(times))
    # A count over few weeks is about Poisson; what customers differ in adds variance in proportion to the weeks.
    whole = float(test.predicted.sum())
    extra = max(test.noise / max(whole, 1e-12) - 1, 0.0) * (ends - starts) / test.weeks
    noise = np.diag((1 + extra) / (predicted + 0.5)) + test.parameter_variance / max(whole, 1e-12) ** 2
    seen = np.log((actual + 0.5) / (predicted + 0.5))
    rows = []
    for season_sd in SEASON_SDS:
        for drift_sd in DRIFT_SDS:
            of_season = season_sd**2 * (season + line)
            covariance = of_season + drift_sd**2 * (walk + line) / 2
            total = covariance[:blocks, :blocks] + noise
            root = np.linalg.cholesky(total)
            standardised = np.linalg.solve(root, seen)
            fit = -standardised @ standardised / 2 - np.log(np.diag(root)).sum()
            gain = np.linalg.solve(total, covariance[:blocks, -1])
            variance = covariance[-1, -1] - gain @ covariance[:blocks, -1]
            rows.append((fit, gain @ seen, max(variance, 0.0), of_season[-1, -1] / covariance[-1, -1]))
    fits, means, variances, shares = np.array(rows).T
    weights = np.exp(fits - fits.max())
    weights /= weights.sum()
    spread = weights * (variances + (means - weights @ means) ** 2)
    return LevelError(
        weights=weights,
        means=test.change + means,
        variances=variances,
        season_share=float(spread @ shares / max(spread.sum(), 1e-300)),
        kinds_sd=kinds_sd * float(np.sqrt((longer + longer**2) / 2)),
        tested_weeks=test.weeks,
        horizon_weeks=float(horizon_weeks),
        log_weeks=log_weeks,
    )
