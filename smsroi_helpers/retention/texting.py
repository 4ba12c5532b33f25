"""Does texting retain, and does it win back: measured in randomised tests that left some customers without texts.

Every valid test with an untreated arm counts, by intention to treat. A customer is retained who bought in the last
`active_days` of the test; customers assigned later than that before its end are left out, whatever they did.
Win-back is the effect among customers who were dormant or lost on the day before their assignment: a segment of a later
day would be an outcome of the texts.
"""

from dataclasses import dataclass
from typing import Literal

import ibis
import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers import measures
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments import (
    Experiment,
    arms_without_messages,
    check_experiments,
    count_by_segment,
    moments_of,
)
from smsroi_helpers.segmentation import Cuts, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    always_valid_half_width,
    compare,
    difference_of_rates,
    estimate_means,
    information,
    share_variance,
)

__all__ = [
    "INACTIVE",
    "Retained",
    "WonBack",
    "find_holdouts",
    "measure_retention",
    "measure_win_back",
]

INACTIVE = ("dormant", "lost")
"""RFM groups of customers who have not bought for long."""
Interval = tuple[float, float, float]
_Arm = tuple[int, int]
"""Customers with the outcome, and all."""
_UNKNOWN: Interval = (float("nan"),) * 3


@dataclass(frozen=True)
class Retained:
    """What texts did to retention in one test: the arms with texts together against those without."""

    experiment: str
    what: Literal["custom", "consent"]
    """Bought in the last days of the test, or was still subscribed at its end."""
    days: float
    """The last days of the test in which a purchase counts; of consent, the mean days of the test."""
    customers: tuple[int, int]
    """With texts, without."""
    rates: tuple[float, float]
    """Retained (0–1), likewise."""
    difference: Interval
    """The limits that decide: at once for all tests of the kind, and at any number of readings where `always_valid`."""
    comparisons: int = 1
    """Tests of the kind: the limits are at the level 1 − 0.05 ÷ comparisons (Bonferroni)."""
    always_valid: bool = False
    """Whether the test still runs, so that the limits are always-valid ones."""


@dataclass(frozen=True)
class WonBack:
    """What texts did to customers who were inactive when the test began."""

    experiment: str
    segment: str
    """An RFM group of the day before the assignment, or `inactive`: both together."""
    customers: tuple[int, int]
    """With texts, without."""
    rates: tuple[float, float]
    """Share (0–1) who bought during the test."""
    difference: Interval
    """Of these shares."""
    profit: Interval
    """Incremental profit per customer (money), after message costs; NaN where it is not known. Limits hold at once for
    all tests and groups (Bonferroni)."""
    days: float
    """The mean days of the test."""
    few: bool
    """Whether an arm had fewer than `FEW_EVENTS` buyers: then no decision is taken on profit."""
    always: Interval = _UNKNOWN
    """Of a test that still runs: the profit with limits that hold however often they are read; they decide then."""

    @property
    def deciding(self) -> Interval:
        """The profit with the limits that decide."""
        return self.always if np.isfinite(self.always[1]) else self.profit

    @property
    def total(self) -> Interval:
        """Incremental profit of all texted customers of the group in the test (money)."""
        return tuple(value * self.customers[0] for value in self.deciding)  # type: ignore[return-value]


def find_holdouts(shop: Shop) -> list[tuple[Experiment, tuple[str, ...]]]:
    """The valid tests with an arm that was to get no texts, and these arms; none without experiments or orders."""
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments", "orders")):
        return []
    try:
        every = check_experiments(shop)
    except NotEnoughData:
        return []
    found = [(one, arms_without_messages(one)) for one, validity in every if not validity.broken]
    return [(one, without) for one, without in found if without and set(one.arms) - set(without)]


# --- does texting retain ---------------------------------------------------------------------------------------------


def measure_retention(
    shop: Shop, holdouts: list[tuple[Experiment, tuple[str, ...]]], active_days: int
) -> list[Retained]:
    """The effect of texts on custom and on consent at the end of each test.

    Args:
        shop: the company.
        holdouts: of `find_holdouts`.
        active_days: the last days of a test in which a purchase counts; at most half of the test.
    """
    counted: list[tuple[Experiment, str, float, _Arm, _Arm]] = []
    for experiment, without in holdouts:
        days = min(active_days, max(((experiment.last - experiment.started).days + 1) // 2, 1))
        arms = _count_retained(shop, experiment.name, days).set_index("arm")
        arms = arms.reindex(list(experiment.arms)).fillna(0.0)
        untreated = arms.index.isin(without)
        treated, control = arms[~untreated].sum(), arms[untreated].sum()
        mean_days = float(treated["test_days"] / max(treated["customers"], 1))
        for what, events, people in (("custom", "bought", "customers"), ("consent", "kept", "consenting")):
            one, other = ((int(part[events]), int(part[people])) for part in (treated, control))
            if min(one[1], other[1]) > 0:
                counted.append((experiment, what, float(days) if what == "custom" else mean_days, one, other))
    kinds = [what for _experiment, what, *_rest in counted]
    return [
        Retained(
            experiment.name, what, days, (one[1], other[1]),  # type: ignore[arg-type]
            (one[0] / one[1], other[0] / other[1]), _deciding(experiment, one, other, 1 - ALPHA / kinds.count(what)),
            kinds.count(what), experiment.state == "running",
        )
        for experiment, what, days, one, other in counted
    ]  # fmt: skip


def _deciding(experiment: Experiment, treated: _Arm, control: _Arm, level: float) -> Interval:
    """Miettinen and Nurminen's interval of the difference, or the always-valid one of a test that still runs.

    A difference of shares lies within ±1, whatever is known: these are the limits before a running test has others.
    """
    (x1, n1), (x0, n0) = treated, control
    if experiment.state != "running":
        effect = difference_of_rates([x1], [n1], [x0], [n0], level)
        return float(effect.estimate[0]), float(effect.low[0]), float(effect.high[0])
    difference = x1 / n1 - x0 / n0
    error = np.sqrt(x1 * (n1 - x1) / n1**3 + x0 * (n0 - x0) / n0**3)
    half_width = float(always_valid_half_width(error, information(_by_day(experiment), experiment.last), level))
    if not half_width > 0:  # nobody, or everybody, in both arms; or the first week
        return difference, -1.0, 1.0
    return difference, max(difference - half_width, -1.0), min(difference + half_width, 1.0)


def _by_day(experiment: Experiment) -> pd.DataFrame:
    """day, n: customers by the day of their assignment."""
    return experiment.assigned.groupby("day", as_index=False)["n"].sum()


def _count_retained(shop: Shop, experiment: str, days: int) -> pd.DataFrame:
    """By arm: customers, bought (in the last days), test_days; consenting (when assigned), kept (no opt-out since)."""
    people = measures.arm_outcomes(shop, experiment)
    people = people.filter(people.outcome_days >= days)
    orders = measures.purchases(shop).select(buyer="customer_id", bought_at="ordered_at")
    theirs = people.join(orders, people.customer_id == orders.buyer)
    theirs = theirs.filter(
        theirs.bought_at < theirs.outcome_end, theirs.bought_at >= theirs.outcome_end - ibis.interval(days=days)
    )
    active = theirs.select("customer_id").distinct()
    rows = people.mutate(active=people.customer_id.isin(active.customer_id))
    consenting = (rows.consenting == 1) & rows.opted_out.notnull()
    cells = rows.group_by("arm").aggregate(
        customers=rows.count(), bought=rows.count(where=rows.active), test_days=rows.outcome_days.sum(),
        consenting=rows.count(where=consenting), kept=rows.count(where=consenting & (rows.opted_out == 0)),
    )  # fmt: skip
    return shop.count(cells.order_by("arm"))


# --- win-back --------------------------------------------------------------------------------------------------------


def measure_win_back(shop: Shop, holdouts: list[tuple[Experiment, tuple[str, ...]]], cuts: Cuts) -> list[WonBack]:
    """The effect of texts among customers who were dormant or lost when assigned, in each test.

    Args:
        shop: the company.
        holdouts: of `find_holdouts`.
        cuts: of `segmentation.find_cuts`.
    """
    if not holdouts:
        return []
    counted = count_by_segment(shop, resolve(shop, "rfm_group", cuts=cuts).label, ("profit", "order_rate"))
    groups: list[tuple[Experiment, str, pd.DataFrame, pd.DataFrame]] = []
    for experiment, without in holdouts:
        rates = _two_arms(moments_of(counted, experiment.name, "order_rate", ["segment"]), without)
        money = _two_arms(moments_of(counted, experiment.name, "profit", ["segment"]), without)
        whole = 0
        for segment in ("inactive", *INACTIVE):
            names = INACTIVE if segment == "inactive" else (segment,)
            own = _of(rates, names)
            if (own.set_index("arm")["n"].reindex(["texts", "none"]).fillna(0) < 2).any():
                continue
            if segment == "inactive" or own["n"].sum() != whole:
                groups.append((experiment, segment, own, _of(money, names)))
            whole = own["n"].sum() if segment == "inactive" else whole
    level = 1 - ALPHA / max(len(groups), 1)
    return [_win_back(experiment, segment, rates, money, level) for experiment, segment, rates, money in groups]


def _two_arms(moments: pd.DataFrame, without: tuple[str, ...]) -> pd.DataFrame:
    """The moments with two arms: `texts` and `none`."""
    return moments.assign(arm=np.where(moments["arm"].isin(without), "none", "texts"))


def _of(moments: pd.DataFrame, segments: tuple[str, ...]) -> pd.DataFrame:
    own = moments[moments["segment"].isin(segments)]
    return own[["arm", "n", "sum_y", "sum_y2"]].groupby("arm", as_index=False).sum()


def _win_back(experiment: Experiment, segment: str, rates: pd.DataFrame, money: pd.DataFrame, level: float) -> WonBack:
    """One row, with limits at this level."""
    counts = rates.set_index("arm").reindex(["texts", "none"])
    (n1, n0), (x1, x0) = counts["n"].astype(int), counts["sum_y"].astype(int)
    share = difference_of_rates([x1], [n1], [x0], [n0], level)
    profit = always = _UNKNOWN
    if money["n"].sum():
        arms = share_variance(estimate_means(money, ["none", "texts"]))
        found = compare(arms, "none", level)
        profit = (float(found.estimate[1]), float(found.low[1]), float(found.high[1]))
        if experiment.state == "running" and np.isfinite(profit[1]):
            error = (profit[2] - profit[1]) / 2 / norm.ppf((1 + level) / 2)
            half_width = float(always_valid_half_width(error, information(_by_day(experiment), experiment.last), level))
            always = (profit[0], profit[0] - half_width, profit[0] + half_width)
    days = float(experiment.assigned["outcome_days"].sum() / max(experiment.assigned["n"].sum(), 1))
    return WonBack(
        experiment.name, segment, (int(n1), int(n0)), (x1 / n1, x0 / n0),
        (float(share.estimate[0]), float(share.low[0]), float(share.high[0])), profit, days,
        min(x1, x0) < FEW_EVENTS, always,
    )  # fmt: skip
