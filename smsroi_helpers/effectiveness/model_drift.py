"""Are the models still valid? What they say is compared with the newest weeks.

- *Forecast*: a model of purchases fitted to the log without its newest weeks, against the purchases of these weeks.
- *Hours* and *frequency*: how clicks differ between parts of the day, and by texts a week, in the newest weeks and
  before. Only texts whose hour or frequency was drawn at random count: those of tests, and those that plans explored
  with. Other texts would show a change of practice as a change of customers.
- *Holdout*: the incremental profit of texting, in the newest months and in those before.

Models that can be tested are tested together at 5 % (Holm): where nothing has changed, at most one run in twenty says
that something has.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import f, norm, t

from smsroi_helpers import ab_test, cltv, experiments, measures
from smsroi_helpers.contract import Evidence
from smsroi_helpers.effectiveness.drift_counts import (
    FACTORS,
    Factor,
    Span,
    count_clicks,
    count_weekly_purchases,
    find_span,
)
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, GROUPS, Floats, adjust, by_group, t_quantile

__all__ = [
    "OLD_WEEKS",
    "STAGES",
    "Model",
    "ModelCheck",
    "check_models",
    "compare_forecast",
    "compare_months",
    "compare_periods",
    "most_customers_checked",
]

Model = Literal["forecast", "hours", "frequency", "holdout"]
STAGES: dict[Model, tuple[str, ...]] = {
    "forecast": ("cltv",),
    "hours": ("timing", "send_plan"),
    "frequency": ("frequency", "send_plan"),
    "holdout": ("ab_test", "timing", "frequency", "send_plan"),
}
"""The stages whose amounts rest on a model; the profit of texting prices the clicks of hours and frequencies."""
OLD_WEEKS = 52
"""A test that ended so many weeks ago is to be repeated, whatever the newest weeks say."""
NEWEST_MONTHS = 2
_FEWEST_WEEKS = 26
"""Weeks of purchases before the newest ones that show how much weeks differ."""
Reason = Literal["", "no_orders", "no_clicks", "short_log", "few_events", "not_drawn", "no_holdout", "short_holdout"]
"""Why a model cannot be tested: no orders; clicks are not known; the log is too short; too few purchases or clicks; in
the newest weeks, or before, no hour or frequency was drawn at random; nobody is held out at random; the holdout has too
few months."""


@dataclass(frozen=True)
class ModelCheck:
    """One model beside the newest weeks; NaN where it cannot be tested."""

    model: Model
    reason: Reason
    evidence: Evidence
    first: dt.date | None = None
    """First and last day of what is new."""
    last: dt.date | None = None
    change: float = float("nan")
    """Newest ÷ expected − 1; of the holdout a difference in money a customer and month. Of hours and frequency, of the
    level that has moved most."""
    low: float = float("nan")
    high: float = float("nan")
    """95 % limits of `change`; of hours and frequency for this level alone."""
    level: int = -1
    """Which part of the day (`drift_counts.HOUR_LIMITS`), or texts a week (`DOSE_LIMITS`); −1 where it has none."""
    p_value: float = float("nan")
    adjusted_p: float = float("nan")
    """Holm, over the models that can be tested."""
    test: str = ""
    """The newest test of this kind that has ended."""
    ended: dt.date | None = None
    weeks_since: float = float("nan")
    """Weeks from its end to the last day observed."""
    customers: int = 0
    """Whose purchases, clicks or profit were compared; else those of `test`."""

    @property
    def outcome(self) -> Literal["holds", "moved", "unknown"]:
        """What the newest weeks say."""
        if not np.isfinite(self.adjusted_p):
            return "unknown"
        return "moved" if self.adjusted_p < ALPHA else "holds"

    @property
    def old(self) -> bool:
        """Whether its test ended more than `OLD_WEEKS` ago."""
        return bool(self.weeks_since > OLD_WEEKS)

    @property
    def repeat(self) -> bool:
        """Whether a new test is proposed: the model has moved, or its test is old."""
        return self.model in ("hours", "frequency") and (self.outcome == "moved" or self.old)


def check_models(shop: Shop, channel: str = "") -> tuple[ModelCheck, ...]:
    """Compare each model with the newest weeks.

    Args:
        shop: the company.
        channel: of the texts, as for `measures.choose_channel`.
    """
    span = find_span(shop)
    tests = experiments.find_valid_tests(shop)
    found = [_check_forecast(shop, span), *_check_clicks(shop, span, channel, tests), _check_holdout(shop, tests)]
    tested = [each for each in found if np.isfinite(each.p_value)]
    adjusted = adjust(np.array([each.p_value for each in tested]), "holm") if tested else np.zeros(0)
    by_model = {each.model: float(p) for each, p in zip(tested, adjusted, strict=True)}
    return tuple(
        _with_age(replace(each, adjusted_p=by_model.get(each.model, float("nan"))), tests, shop.as_of)
        for each in found
    )  # fmt: skip


def _with_age(found: ModelCheck, tests: Sequence[Experiment], last: dt.date) -> ModelCheck:
    kind = {"hours": "timing", "frequency": "frequency"}.get(found.model, "")
    ended = [test for test in tests if test.kind == kind and test.state == "ended"]
    if not ended:
        return found
    newest = max(ended, key=lambda test: (test.last, test.name))
    return replace(
        found, test=newest.name, ended=newest.last, weeks_since=(last - newest.last).days / 7,
        customers=found.customers or int(newest.customers.sum()),
    )  # fmt: skip


# --- forecast --------------------------------------------------------------------------------------------------------


def _check_forecast(shop: Shop, span: Span) -> ModelCheck:
    unknown = ModelCheck("forecast", "no_orders", "none")
    if not shop.has("orders"):
        return unknown
    split = span.first - dt.timedelta(days=1)
    by_week = count_weekly_purchases(shop, split)
    weekly = by_week.set_index("week")["purchases"].reindex(range(1, 2 * _FEWEST_WEEKS + 1)).dropna()
    if len(weekly) < _FEWEST_WEEKS:
        return replace(unknown, reason="short_log")
    try:
        cells = cltv.count_cells(shop, until=split)
        fit = cltv.fit_purchases(cells, "bg_nbd", shop.recall)
    except NotEnoughData:
        return replace(unknown, reason="few_events")
    customers = cells["customers"].to_numpy(float)
    predicted = float(customers @ cltv.expected_orders(fit, cells, span.weeks))
    moved = fit.deviations(lambda values: customers @ cltv.expected_orders(fit, cells, span.weeks, values=values))
    if predicted < FEW_EVENTS:
        return replace(unknown, reason="few_events")
    change, low, high, p_value = compare_forecast(
        float(cells["later_purchases"].sum()), predicted, float(np.square(moved).sum()),
        weekly.to_numpy(float)[::-1], span.weeks,
    )  # fmt: skip
    return ModelCheck(
        "forecast", "", "forecast", span.first, span.last, change, low, high, p_value=p_value,
        customers=int(customers.sum()),
    )  # fmt: skip


def compare_forecast(
    actual: float, predicted: float, parameters: float, weekly: Floats, weeks: int
) -> tuple[float, float, float, float]:
    """The change actual ÷ predicted − 1 with its 95 % limits, and p that the forecast holds.

    The variance of log(actual ÷ predicted) has three parts: chance, the fit's parameters, and how much whole weeks
    differ for reasons that no customer's history shows, such as weather and campaigns. The last is that of a mean of so
    many weeks, as they differ around a quadratic trend before (`_shared_error`). A slower change, season included, is
    what the test is to find.

    Args:
        actual: purchases of the newest weeks.
        predicted: expected ones, above 0.
        parameters: variance of `predicted` due to the fit's parameters.
        weekly: purchases of the weeks before, oldest first, at least 10.
        weeks: how many weeks are new.

    >>> change, low, high, p = compare_forecast(1_100.0, 1_000.0, 0.0, np.full(26, 125.0), 8)
    >>> round(change, 3), round(low, 3), round(high, 3), round(p, 4)
    (0.1, 0.034, 0.17, 0.0026)
    """
    shared, freedom = _shared_error(np.log(np.maximum(weekly, 0.5)), weeks)
    spread = float(np.sqrt(1 / predicted + parameters / predicted**2 + shared**2))
    ratio = float(np.log(max(actual, 0.5) / predicted))
    half = float(t.ppf(0.975, freedom)) * spread
    return (
        float(np.expm1(ratio)), float(np.expm1(ratio - half)), float(np.expm1(ratio + half)),
        float(2 * t.sf(abs(ratio) / spread, freedom)),
    )  # fmt: skip


def _shared_error(log: Floats, weeks: int) -> tuple[float, float]:
    """The standard deviation of a mean of coming weeks around the trend, and the degrees of freedom it is known with.

    Weeks follow an autoregression of order one, whose coefficient is corrected for its bias in short series (Marriott &
    Pope 1954, Biometrika 41(3/4)). In simulated series the test of a forecast that holds errs in 2 to 4 % where the
    coefficient is up to .4, and in 9 % at .7.
    """
    n = len(log)
    trend = np.vander(np.linspace(-1, 1, n), 3)
    residual = log - trend @ np.linalg.lstsq(trend, log, rcond=None)[0]
    squares = float(residual @ residual)
    if not squares > 1e-18 * n:
        return 0.0, float("inf")
    memory = float(np.clip((n * (residual[1:] @ residual[:-1]) / squares + 4) / (n - 6), 0.0, 0.9))
    lags = np.arange(1, weeks)
    of_mean = 1 + 2 * float(((1 - lags / weeks) * memory**lags).sum())
    repeats = 1 + 2 * memory / (1 - memory)  # weeks for one independent week
    variance = squares / max(n - 3 * repeats, n / 3)
    return float(np.sqrt(variance * of_mean / weeks)), max(n / repeats - 3, 5.0)


# --- clicks by hour and by frequency ---------------------------------------------------------------------------------


def _check_clicks(shop: Shop, span: Span, channel: str, tests: Sequence[Experiment]) -> list[ModelCheck]:
    if not (shop.has("messages") and measures.knows_clicks(shop)):
        return [ModelCheck(factor, "no_clicks", "none") for factor in FACTORS]
    cells = count_clicks(shop, span, measures.choose_channel(shop, channel), tests)
    return [_check_factor(cells[cells["factor"] == factor], factor, span) for factor in FACTORS]


def _check_factor(cells: pd.DataFrame, factor: Factor, span: Span) -> ModelCheck:
    found = replace(compare_periods(cells), model=factor)
    if found.reason:
        return found
    return replace(found, first=span.first, last=span.last, customers=int(cells["customers"].iloc[0]))


def compare_periods(cells: pd.DataFrame) -> ModelCheck:
    """Whether clicks differ between levels as they did before.

    A level's effect is the ratio of its clicks to those that its tests and campaigns predict. The changes of the
    log ratios between periods have the covariance of the jackknife over groups of customers, and are tested as a whole
    by Hotelling's T² (F with L − 1 and 65 − L degrees of freedom).

    Args:
        cells: level, period (0, 1), group: texts, clicks, expected.

    Returns:
        the level that has moved most, with its own interval; `few_events` or `not_drawn` where nothing can be tested.
    """
    nothing = ModelCheck("hours", "not_drawn", "none")
    keys, counted = by_group(cells, ["period", "level"], ["clicks", "expected"])
    levels = np.unique(keys["level"].to_numpy(int))
    sums = np.zeros((2, 2, len(levels), GROUPS))
    sums[:, keys["period"].to_numpy(int), np.searchsorted(levels, keys["level"].to_numpy(int))] = counted
    if not (sums[0].sum(axis=(1, 2)) > 0).all():
        return nothing
    enough = sums.sum(axis=3).min(axis=(0, 1)) >= FEW_EVENTS
    kept = levels[enough]
    if len(kept) < 2:
        return replace(nothing, reason="few_events")
    clicks, expected = (_with_and_without(each) for each in sums[:, :, enough])
    moved = _log_changes(clicks, expected)
    away = (moved[1:] - moved[1:].mean(axis=0)) * np.sqrt((GROUPS - 1) / GROUPS)
    covariance, size = away.T @ away, len(kept) - 1
    t_squared = float(moved[0] @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ moved[0])
    statistic = t_squared * (GROUPS - size) / (size * (GROUPS - 1))
    error = np.sqrt(np.diag(covariance))
    most = int(np.argmax(np.abs(moved[0]) / error))
    half = float(t_quantile(0.95, GROUPS - 1)) * error[most]
    change, low, high = np.expm1(moved[0, most] + np.array([0.0, -half, half]))
    return ModelCheck(
        "hours", "", "randomised", change=float(change), low=float(low), high=float(high), level=int(kept[most]),
        p_value=float(f.sf(statistic, size, GROUPS - size)),
    )  # fmt: skip


def _with_and_without(each: Floats) -> Floats:
    """(1 + groups, periods, levels): the sum over the last axis, then without each group."""
    total = each.sum(axis=2)
    return np.concatenate([total[None], total - np.moveaxis(each, 2, 0)])


def _log_changes(clicks: Floats, expected: Floats) -> Floats:
    """(1 + groups, levels): newest − earlier log ratio, less their weighted mean: levels are relative to each other."""
    ratio = np.log(np.maximum(clicks, 0.5) / expected)
    change, weight = ratio[:, 1] - ratio[:, 0], expected.sum(axis=1)
    return np.asarray(change - (change * weight).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True))


# --- holdout ---------------------------------------------------------------------------------------------------------


def _check_holdout(shop: Shop, tests: Sequence[Experiment]) -> ModelCheck:
    unknown = ModelCheck("holdout", "no_holdout", "none")
    holdouts = [test for test in tests if test.kind == "holdout"]
    if not holdouts or not (shop.has("orders") and measures.knows_profit(shop)):
        return unknown
    test = max(holdouts, key=lambda each: (each.last, float(each.customers.min()), each.name))
    months = _complete_months(ab_test.compare_holdout_months(shop, [test]), test, shop.as_of)
    found = compare_months(months)
    if not np.isfinite(found.p_value):
        return replace(unknown, reason="short_holdout")
    return replace(found, test=test.name, customers=int(test.customers.sum()))


def _complete_months(months: pd.DataFrame, test: Experiment, last: dt.date) -> pd.DataFrame:
    """Treated − control on page 05, of whole months of the test: month, difference (money a customer), variance."""
    starts = pd.to_datetime(months["month"])
    ends = starts + pd.offsets.MonthEnd(0)
    kept = (starts >= pd.Timestamp(test.started)) & (ends <= pd.Timestamp(min(last, test.last)))
    error = (months["high"] - months["low"]) / 2 / float(norm.ppf(0.975))
    return months.assign(variance=error**2).loc[kept, ["month", "difference", "variance"]].dropna()


def compare_months(months: pd.DataFrame) -> ModelCheck:
    """Whether a holdout's difference of the newest months is that of the months before.

    Args:
        months: month (its first day, ascending), difference (money a customer), variance.

    Returns:
        change: newest mean − earlier mean, with normal limits; NaN with fewer than two months on either side.
    """
    unknown = ModelCheck("holdout", "short_holdout", "none")
    if len(months) < 2 * NEWEST_MONTHS:
        return unknown
    newest, earlier = months.iloc[-NEWEST_MONTHS:], months.iloc[:-NEWEST_MONTHS]
    change = float(newest["difference"].mean() - earlier["difference"].mean())
    error = float(np.sqrt(sum(part["variance"].sum() / len(part) ** 2 for part in (newest, earlier))))
    if not error > 0:
        return unknown
    half = float(norm.ppf(0.975)) * error
    end = (pd.Timestamp(newest["month"].iloc[-1]) + pd.offsets.MonthEnd(0)).date()
    return ModelCheck(
        "holdout", "", "randomised", newest["month"].iloc[0], end, change, change - half,
        change + half, p_value=float(2 * norm.sf(abs(change) / error)),
    )  # fmt: skip


def most_customers_checked(checks: Sequence[ModelCheck]) -> int:
    """The customers of the check that has most of them."""
    return max(check.customers for check in checks)
