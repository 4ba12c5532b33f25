"""What the forecast of value assumes of a log, each tested, with what its failing would do to the total."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from smsroi_helpers import measures
from smsroi_helpers.cltv.counts import FEWEST_REPEATERS, histories
from smsroi_helpers.cltv.fitting import Fit, fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import discounted_orders, value_factor
from smsroi_helpers.engine import total
from smsroi_helpers.locale import _, number, percent
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "CHECKS",
    "Status",
    "check_assumptions",
    "check_name",
    "list_failing",
]

Status = Literal["pass", "warn", "fail"]
CHECKS = (
    "one_time_buyers", "frequency_and_value", "refunds", "several_a_day", "older_than_log", "cohort_drift", "season",
)  # fmt: skip
WORTH_SAYING, TOO_MUCH = 0.02, 0.10
"""A total that would move by less than 2 % is not worth a word; one that would move by more than 10 % is no plan."""
TOO_ALIKE = 0.3
"""A correlation that is surely stronger explains a tenth of the differences in value: ranks by the model are off."""
OPENING_WEEKS = 4
"""A log that begins in the middle shows its old customers as new ones within their usual gap; most within a month."""


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
) -> pd.DataFrame:
    """Each assumption with what was found, and by how much the total would move without it.

    Args:
        shop: the company.
        cells: of `cltv.count_cells`.
        value_cells: of `cltv.count_value_cells`.
        purchases: the purchase model's fit to the cells.
        value: the Gamma–Gamma fit.
        horizon_weeks: how far ahead the total reaches.
        yearly_discount_rate: 0–1.
        holdout_weeks: the weeks kept back for the test.

    Returns:
        check (one of `CHECKS`), status (`pass`, `warn`, `fail`), finding (a sentence), effect (share by which the total
        would change; NaN where that cannot be told).
    """

    def worth(of: pd.DataFrame, orders: Fit, money: Fit = value) -> float:
        v = money.predicting[2]
        per_unit = value_factor(money.predicting, of["frequency"].to_numpy(float))
        expected = discounted_orders(orders, of, horizon_weeks, yearly_discount_rate)
        return float(expected * per_unit @ (of["customers"] * v + of["repeat_spend"]).to_numpy(float))

    whole = worth(cells, purchases)
    rows = [
        _one_time_buyers(cells, purchases, worth, whole),
        _frequency_and_value(cells, value_cells, purchases, worth, whole),
        _refunds(shop),
        _several_a_day(shop, cells),
        _older_than_log(shop, cells, purchases, worth, whole),
        _cohort_drift(cells, purchases, worth, whole),
        _season(shop, holdout_weeks),
    ]
    return pd.DataFrame(rows, columns=["check", "status", "finding", "effect"])


def check_name(check: str) -> str:
    """What is assumed, in the reader's words."""
    return {
        "one_time_buyers": _("Those who bought once"),
        "frequency_and_value": _("Value does not hang on frequency"),
        "refunds": _("No refunds"),
        "several_a_day": _("One order a day"),
        "older_than_log": _("Seen from the first purchase on"),
        "cohort_drift": _("Early and late customers alike"),
        "season": _("No season in the test weeks"),
    }[check]


def list_failing(checks: pd.DataFrame) -> list[str]:
    """The assumptions that fail, in the reader's words."""
    return [check_name(check) for check in checks.loc[checks["status"] == "fail", "check"]]


Worth = Callable[..., float]
Row = tuple[str, Status, str, float]


def _status(effect: float) -> Status:
    if not np.isfinite(effect):
        return "warn"
    return "pass" if abs(effect) < WORTH_SAYING else "warn" if abs(effect) < TOO_MUCH else "fail"


def _repeaters(cells: pd.DataFrame) -> float:
    return float(cells.loc[cells["frequency"] > 0, "customers"].sum())


def _one_time_buyers(cells: pd.DataFrame, purchases: Fit, worth: Worth, whole: float) -> Row:
    """BG/NBD holds everybody who bought once for a customer, MBG/NBD does not: how much hangs on it?"""
    share = float(cells.loc[cells["frequency"] == 0, "customers"].sum() / cells["customers"].sum())
    other = fit_purchases(cells, "mbg_nbd" if purchases.model == "bg_nbd" else "bg_nbd")
    effect = worth(cells, other) / whole - 1
    said = _("{share} bought once. The effect is that of judging by {model} whether they are customers still.")
    return "one_time_buyers", _status(effect), said.format(share=percent(share), model=_NAMES[other.model]), effect


_NAMES = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD"}


def _frequency_and_value(
    cells: pd.DataFrame, value_cells: pd.DataFrame, purchases: Fit, worth: Worth, whole: float
) -> Row:
    """Gamma–Gamma takes value and frequency for independent: the total with a fit for the rarer and the keener half."""
    n = value_cells["customers"].to_numpy(float)
    x, value = np.log(value_cells["frequency"].to_numpy(float)), value_cells["log_mean_value"].to_numpy(float)
    spread = np.cov(x, value, aweights=n)
    scale = np.sqrt(spread[0, 0] * spread[1, 1])
    middle = _weighted_median(value_cells["frequency"].to_numpy(float), n)
    rare = value_cells["frequency"] <= middle
    if not scale > 1e-12 or min(n[rare].sum(), n[~rare].sum()) < FEWEST_REPEATERS:
        said = _("Purchases or amounts vary too little, or among too few, to tell whether they hang together.")
        return "frequency_and_value", "warn" if scale > 1e-12 else "pass", said, float("nan") if scale > 1e-12 else 0.0
    correlation = float(spread[0, 1] / scale)
    reach = norm.ppf(0.975) / np.sqrt(max(n.sum() - 3, 1))
    low, high = (
        float(np.tanh(np.arctanh(np.clip(correlation, -0.999999, 0.999999)) + step)) for step in (-reach, reach)
    )
    halves = fit_value(value_cells[rare]), fit_value(value_cells[~rare])
    if any(half.predicting[1] <= 1 for half in halves):
        effect = float("nan")
    else:
        is_rare = cells["frequency"] <= middle
        effect = (
            worth(cells[is_rare], purchases, halves[0]) + worth(cells[~is_rare], purchases, halves[1])
        ) / whole - 1
    said = _(
        "Correlation of purchases with their mean value, on the log scale: {value} (95% interval {low} to {high}). The"
        " effect is that of a money model each for rare and for keen buyers."
    ).format(value=number(correlation, 2), low=number(low, 2), high=number(high, 2))
    status: Status = "pass" if low <= 0 <= high else _status(effect)
    if status == "pass" and (low > TOO_ALIKE or high < -TOO_ALIKE):
        status = "warn"  # the total holds, but who is worth what does not
    return "frequency_and_value", status, said, effect


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])


def _refunds(shop: Shop) -> Row:
    bought, returned = measures.purchases(shop), measures.refunds(shop)
    sums = {
        "bought": float(shop.count(bought.aggregate(money=total(bought.spend).fill_null(0.0)))["money"].iloc[0]),
        "refunded": float(
            shop.count(returned.aggregate(money=total(returned.refunded).fill_null(0.0)))["money"].iloc[0]
        ),
    }
    if sums["refunded"] == 0:
        return "refunds", "pass", _("There are none."), 0.0
    if sums["refunded"] >= sums["bought"]:
        said = _("More was given back than was bought: what is foretold is not what the shop keeps.")
        return "refunds", "fail", said, -1.0
    share = float(sums["refunded"] / sums["bought"])
    said = _("{share} of the money spent was given back; the forecast counts purchases before refunds.")
    return "refunds", _status(share), said.format(share=percent(share, 1)), -share


def _several_a_day(shop: Shop, cells: pd.DataFrame) -> Row:
    orders = measures.purchases(shop)
    count = float(shop.count(orders.aggregate(orders=orders.count()))["orders"].iloc[0])
    days = float(cells["customers"] @ (cells["frequency"] + 1))
    more = count / days - 1
    said = _("{share} more orders than purchase days. Orders of one day count as one purchase, with all their money.")
    return "several_a_day", "pass" if more < TOO_MUCH else "warn", said.format(share=percent(more, 1)), 0.0


def _older_than_log(shop: Shop, cells: pd.DataFrame, purchases: Fit, worth: Worth, whole: float) -> Row:
    """Customers from before the log look new at its start: the total by the habits of those who came later."""
    longest = int(cells["T_days"].max())
    week = (longest - cells["T_days"]) // 7
    if shop.has("customers", "joined_at"):
        history = histories(shop)
        start = shop.as_of - dt.timedelta(days=longest)
        known = history.join(shop.customers.select("customer_id", "joined_at"), "customer_id")
        older = known.filter(known.joined_at.notnull(), shop.day(known.joined_at) < start)
        old = float(shop.count(older.aggregate(rows=older.count()))["rows"].iloc[0])
        said = _("{share} of the customers joined before the log begins.")
    else:
        opening = float(cells.loc[week < OPENING_WEEKS, "customers"].sum())
        later = float(cells.loc[(week >= 2 * OPENING_WEEKS) & (week < 3 * OPENING_WEEKS), "customers"].sum())
        old = max(opening - later, 0.0)
        old = old if old > 3 * np.sqrt(opening + later) else 0.0  # beyond what chance explains of two counts
        said = _("By the rush of “new” customers in the log’s first weeks, {share} of all are older than the log.")
    share = old / float(cells["customers"].sum())
    said = said.format(share=percent(share))
    if old == 0:
        return "older_than_log", "pass", said, 0.0
    fresh = cells[week >= 2 * OPENING_WEEKS]
    if _repeaters(fresh) < FEWEST_REPEATERS:
        return "older_than_log", "warn", said, float("nan")
    effect = worth(cells, fit_purchases(fresh, purchases.model)) / whole - 1  # type: ignore[arg-type]
    return "older_than_log", _status(effect), said, effect


def _cohort_drift(cells: pd.DataFrame, purchases: Fit, worth: Worth, whole: float) -> Row:
    """Whether those who came early and those who came late are of one kind, by a likelihood ratio."""
    middle = _weighted_median(cells["T_days"].to_numpy(float), cells["customers"].to_numpy(float))
    early = cells["T_days"] > middle
    if min(_repeaters(cells[early]), _repeaters(cells[~early])) < FEWEST_REPEATERS:
        said = _("Too few customers came back to compare those who came early with those who came late.")
        return "cohort_drift", "warn", said, float("nan")
    model: Any = purchases.model
    first, second = fit_purchases(cells[early], model), fit_purchases(cells[~early], model)
    ratio = 2 * (first.log_likelihood + second.log_likelihood - purchases.log_likelihood)
    p_value = float(chi2.sf(max(ratio, 0.0), len(purchases.parameters)))
    effect = (worth(cells[early], first) + worth(cells[~early], second)) / whole - 1
    if p_value >= 0.05:
        said = _("Those who came early and those who came late buy alike, as far as can be told (p = {p}).")
        return "cohort_drift", "pass", said.format(p=number(p_value, 2)), effect
    said = _("Those who came late buy otherwise than those who came early; the effect is that of a model for each.")
    return "cohort_drift", _status(effect), said, effect


def _season(shop: Shop, holdout_weeks: int) -> Row:
    """Whether the test weeks are high or low season, by the same weeks a year earlier against the year around them."""
    if holdout_weeks >= 52:
        return "season", "pass", _("The test covers a whole year."), 0.0
    days = measures.purchase_days(shop)
    days = days.mutate(ago=(shop.days_until_as_of(days.day) // 7).cast("int64"))
    by_week = shop.count(days.group_by("ago").aggregate(purchases=days.count()).order_by("ago"))
    counts = by_week.set_index("ago")["purchases"]
    whole_weeks = int(counts.index.max())
    if whole_weeks < 52 + holdout_weeks:
        said = _("The log is too short to tell whether the test weeks are high or low season.")
        return "season", "warn", said, float("nan")
    counts = counts.reindex(range(whole_weeks), fill_value=0)
    same = slice(52, 52 + holdout_weeks)
    # A year that holds those weeks in its middle, as far as the log reaches.
    start = min(max(52 + holdout_weeks // 2 - 26, 0), whole_weeks - 52)
    effect = float(counts.iloc[same].mean() / max(counts.iloc[start : start + 52].mean(), 1e-12)) - 1
    said = _("A year earlier the weeks of the test had {change} purchases against the year around them.")
    change = ("+" if effect > 0 else "") + percent(effect)
    return "season", _status(effect), said.format(change=change), effect
