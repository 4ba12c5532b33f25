"""Tests of what the forecast of value assumes about a log, and the effect of each violation on the total."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from smsroi_helpers import measures
from smsroi_helpers.cltv.counts import FEWEST_REPEATERS, histories
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import discounted_orders, value_factor
from smsroi_helpers.engine import total
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "CHECKS",
    "Assumption",
    "Finding",
    "Status",
    "check_assumptions",
]

Status = Literal["pass", "warn", "fail"]
CHECKS = (
    "one_time_buyers", "frequency_and_value", "refunds", "several_a_day", "older_than_log", "cohort_drift", "season",
)  # fmt: skip
WARN_EFFECT, FAIL_EFFECT = 0.02, 0.10
"""A change of the total by less than 2 % passes; from 10 % on the forecast is too far off to plan with."""
STRONG_CORRELATION = 0.3
"""A correlation whose whole interval is stronger explains about a tenth of the variance of value, so the model's
ranking of customers is off."""
OPENING_WEEKS = 4
"""In a log that starts mid-history, existing customers look new at their first purchase in it. Most of them buy within
a month."""


Finding = Literal[
    "bought_once", "too_few_to_correlate", "correlation", "no_refunds", "more_refunded_than_bought", "refunded",
    "several_a_day", "joined_before_log", "rush_at_start", "too_few_to_compare_cohorts", "cohorts_alike",
    "cohorts_differ", "whole_year", "log_too_short", "season",
]  # fmt: skip


@dataclass(frozen=True)
class Assumption:
    """One assumption of the forecast, and the result of its test."""

    check: str
    """One of `CHECKS`."""
    status: Status
    finding: Finding
    effect: float
    """Relative change of the total if the assumption is dropped (0.1 = 10 % more); NaN where unknown."""
    facts: dict[str, float] = field(default_factory=dict)
    """The numbers that the sentence about the finding needs."""
    model: str = ""
    """The purchase model that the effect compares with; empty if there is none."""


def check_assumptions(
    shop: Shop,
    *,
    cells: pd.DataFrame,
    value_cells: pd.DataFrame,
    purchases: Fit,
    value: Fit,
    horizon_weeks: int,
    yearly_discount_rate: float,
    holdout_weeks: int,
) -> list[Assumption]:
    """Test each assumption, and compute by how much the total would change without it.

    The total is that of money; where the value of a purchase is not known, of purchases, and what the forecast assumes
    of money is left out.

    Args:
        shop: the company.
        cells: the result of `cltv.count_cells`.
        value_cells: the result of `cltv.count_value_cells`.
        purchases: the purchase model, fitted to the cells.
        value: the Gamma–Gamma fit.
        horizon_weeks: horizon of the total.
        yearly_discount_rate: 0–1.
        holdout_weeks: weeks held out for the test.

    """

    def total_value(of: pd.DataFrame, orders: Fit, money: Fit = value) -> float:
        if not money.is_known:
            return float(discounted_orders(orders, of, horizon_weeks, yearly_discount_rate) @ of["customers"])
        v = money.predicting[2]
        per_unit = value_factor(money.predicting, of["frequency"].to_numpy(float))
        expected = discounted_orders(orders, of, horizon_weeks, yearly_discount_rate)
        return float(expected * per_unit @ (of["customers"] * v + of["repeat_spend"]).to_numpy(float))

    baseline = total_value(cells, purchases)
    of_money = (
        [_frequency_and_value(cells, value_cells, purchases, total_value, baseline), _refunds(shop)]
        if value.is_known
        else []
    )
    return [
        _one_time_buyers(cells, purchases, total_value, baseline),
        *of_money,
        _several_a_day(shop, cells),
        _older_than_log(shop, cells, purchases, total_value, baseline),
        _cohort_drift(cells, purchases, total_value, baseline),
        _season(shop, holdout_weeks),
    ]


TotalValue = Callable[..., float]


def _status(effect: float) -> Status:
    if not np.isfinite(effect):
        return "warn"
    return "pass" if abs(effect) < WARN_EFFECT else "warn" if abs(effect) < FAIL_EFFECT else "fail"


def _repeaters(cells: pd.DataFrame) -> float:
    return float(cells.loc[cells["frequency"] > 0, "customers"].sum())


def _one_time_buyers(cells: pd.DataFrame, purchases: Fit, total_value: TotalValue, baseline: float) -> Assumption:
    """The effect of the other model: BG/NBD counts every one-time buyer as alive, MBG/NBD does not."""
    share = float(cells.loc[cells["frequency"] == 0, "customers"].sum() / cells["customers"].sum())
    other = fit_purchases(cells, "mbg_nbd" if purchases.model == "bg_nbd" else "bg_nbd")
    effect = total_value(cells, other) / baseline - 1
    return Assumption("one_time_buyers", _status(effect), "bought_once", effect, {"share": share}, model=other.model)


def _frequency_and_value(
    cells: pd.DataFrame, value_cells: pd.DataFrame, purchases: Fit, total_value: TotalValue, baseline: float
) -> Assumption:
    """Gamma–Gamma assumes that value and frequency are independent.

    The effect is that of two money models: one for the less frequent half of the buyers, one for the more frequent
    half. The interval of the correlation is Fisher's.
    """
    n = value_cells["customers"].to_numpy(float)
    x, value = np.log(value_cells["frequency"].to_numpy(float)), value_cells["log_mean_value"].to_numpy(float)
    covariance = np.cov(x, value, aweights=n)
    scale = np.sqrt(covariance[0, 0] * covariance[1, 1])
    middle = _weighted_median(value_cells["frequency"].to_numpy(float), n)
    rare = value_cells["frequency"] <= middle
    if not scale > 1e-12 or min(n[rare].sum(), n[~rare].sum()) < FEWEST_REPEATERS:
        if scale > 1e-12:
            return Assumption("frequency_and_value", "warn", "too_few_to_correlate", float("nan"))
        return Assumption("frequency_and_value", "pass", "too_few_to_correlate", 0.0)
    correlation = float(covariance[0, 1] / scale)
    half_width = norm.ppf(0.975) / np.sqrt(max(n.sum() - 3, 1))
    low, high = (
        float(np.tanh(np.arctanh(np.clip(correlation, -0.999999, 0.999999)) + step))
        for step in (-half_width, half_width)
    )
    halves = fit_value(value_cells[rare]), fit_value(value_cells[~rare])
    if any(half.predicting[1] <= 1 for half in halves):
        effect = float("nan")
    else:
        is_rare = cells["frequency"] <= middle
        effect = (
            total_value(cells[is_rare], purchases, halves[0]) + total_value(cells[~is_rare], purchases, halves[1])
        ) / baseline - 1
    facts = {"value": correlation, "low": low, "high": high}
    status: Status = "pass" if low <= 0 <= high else _status(effect)
    if status == "pass" and (low > STRONG_CORRELATION or high < -STRONG_CORRELATION):
        status = "warn"  # the total is right, but the ranking of customers is not
    return Assumption("frequency_and_value", status, "correlation", effect, facts)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def _refunds(shop: Shop) -> Assumption:
    """Whether as much is refunded as before: the later half of the log's days against all of it.

    The forecast deducts refunds at the share of the whole log. The effect is that of the later half's share. It passes
    where it is within sampling error: the difference of a half from the whole varies as the share of the whole does.
    """
    profit = measures.profit_share(shop)
    if profit.refunded == 0:
        return Assumption("refunds", "pass", "no_refunds", 0.0)
    if profit.refunded >= 1:
        return Assumption("refunds", "fail", "more_refunded_than_bought", float("nan"), {"share": profit.refunded})
    bought, returned = measures.purchases(shop), measures.refunds(shop)
    days = shop.count(bought.aggregate(first=bought.day.min())).iloc[0]
    middle = shop.as_of - (shop.as_of - pd.Timestamp(days["first"]).date()) / 2
    money = shop.count(bought.aggregate(late=total(bought.spend, where=bought.day > middle)))
    back = shop.count(returned.aggregate(late=total(returned.refunded, where=returned.day > middle)))
    spent, given_back = float(money["late"].iloc[0] or 0.0), float(back["late"].fillna(0.0).iloc[0])
    facts = {"share": profit.refunded}
    if not (spent > 0 and profit.value > 0):
        return Assumption("refunds", "warn", "refunded", float("nan"), facts)
    per_money = profit.refunds / profit.refunded  # profit lost with a unit of money refunded
    effect = per_money * (profit.refunded - given_back / spent) / profit.value
    by_chance = abs(effect) < norm.ppf(0.975) * profit.error / profit.value
    return Assumption("refunds", "pass" if by_chance else _status(effect), "refunded", effect, facts)


def _several_a_day(shop: Shop, cells: pd.DataFrame) -> Assumption:
    orders = measures.purchases(shop)
    count = float(shop.count(orders.aggregate(orders=orders.count()))["orders"].iloc[0])
    days = float(cells["customers"] @ (cells["frequency"] + 1))
    more = count / days - 1
    status: Status = "pass" if more < FAIL_EFFECT else "warn"
    return Assumption("several_a_day", status, "several_a_day", 0.0, {"share": more})


def _older_than_log(
    shop: Shop, cells: pd.DataFrame, purchases: Fit, total_value: TotalValue, baseline: float
) -> Assumption:
    """Customers older than the log look new at its start. The effect is that of a fit to later cohorts alone."""
    longest = int(cells["T_days"].max())
    week = (longest - cells["T_days"]) // 7
    if shop.has("customers", "joined_at"):
        history = histories(shop)
        start = shop.as_of - dt.timedelta(days=longest)
        known = history.join(shop.customers.select("customer_id", "joined_at"), "customer_id")
        older = known.filter(known.joined_at.notnull(), shop.day(known.joined_at) < start)
        old = float(shop.count(older.aggregate(rows=older.count()))["rows"].iloc[0])
        finding: Finding = "joined_before_log"
    else:
        opening = float(cells.loc[week < OPENING_WEEKS, "customers"].sum())
        later = float(cells.loc[(week >= 2 * OPENING_WEEKS) & (week < 3 * OPENING_WEEKS), "customers"].sum())
        old = max(opening - later, 0.0)
        old = old if old > 3 * np.sqrt(opening + later) else 0.0  # beyond the sampling error of two counts
        finding = "rush_at_start"
    facts = {"share": old / float(cells["customers"].sum())}
    if old == 0:
        return Assumption("older_than_log", "pass", finding, 0.0, facts)
    fresh = cells[week >= 2 * OPENING_WEEKS]
    if _repeaters(fresh) < FEWEST_REPEATERS:
        return Assumption("older_than_log", "warn", finding, float("nan"), facts)
    effect = total_value(cells, fit_purchases(fresh, purchases.model)) / baseline - 1  # type: ignore[arg-type]
    return Assumption("older_than_log", _status(effect), finding, effect, facts)


def _cohort_drift(cells: pd.DataFrame, purchases: Fit, total_value: TotalValue, baseline: float) -> Assumption:
    """Likelihood-ratio test of one model for all cohorts against a model each for early and late cohorts."""
    middle = _weighted_median(cells["T_days"].to_numpy(float), cells["customers"].to_numpy(float))
    early = cells["T_days"] > middle
    if min(_repeaters(cells[early]), _repeaters(cells[~early])) < FEWEST_REPEATERS:
        return Assumption("cohort_drift", "warn", "too_few_to_compare_cohorts", float("nan"))
    model: Any = purchases.model
    first, second = fit_purchases(cells[early], model), fit_purchases(cells[~early], model)
    ratio = 2 * (first.log_likelihood + second.log_likelihood - purchases.log_likelihood)
    p_value = float(chi2.sf(max(ratio, 0.0), len(purchases.parameters)))
    effect = (total_value(cells[early], first) + total_value(cells[~early], second)) / baseline - 1
    if p_value >= 0.05:
        return Assumption("cohort_drift", "pass", "cohorts_alike", effect, {"p": p_value})
    return Assumption("cohort_drift", _status(effect), "cohorts_differ", effect)


def _season(shop: Shop, holdout_weeks: int) -> Assumption:
    """Whether the test weeks are high or low season: the same weeks a year earlier against the year around them."""
    if holdout_weeks >= 52:
        return Assumption("season", "pass", "whole_year", 0.0)
    days = measures.purchase_days(shop)
    days = days.mutate(ago=(shop.days_until_as_of(days.day) // 7).cast("int64"))
    by_week = shop.count(days.group_by("ago").aggregate(purchases=days.count()).order_by("ago"))
    counts = by_week.set_index("ago")["purchases"]
    whole_weeks = int(counts.index.max())
    if whole_weeks < 52 + holdout_weeks:
        return Assumption("season", "warn", "log_too_short", float("nan"))
    counts = counts.reindex(range(whole_weeks), fill_value=0)
    same = slice(52, 52 + holdout_weeks)
    # The year with those weeks in its middle, as far as the log allows.
    start = min(max(52 + holdout_weeks // 2 - 26, 0), whole_weeks - 52)
    effect = float(counts.iloc[same].mean() / max(counts.iloc[start : start + 52].mean(), 1e-12)) - 1
    return Assumption("season", _status(effect), "season", effect, {"change": effect})
