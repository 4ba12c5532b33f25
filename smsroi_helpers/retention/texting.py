"""Does texting retain, and does it win back: measured in randomised tests that left some customers without texts.

Every valid test with an untreated arm counts, by intention to treat. A customer is retained who bought in the last
`active_days` of the test; customers assigned later than that before its end are left out, whatever they did.
Win-back is the effect among customers who were dormant or lost on the day before their assignment: a segment of a later
day would be an outcome of the texts.
"""

from dataclasses import dataclass, replace
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
    FEW_EVENTS,
    adjust,
    always_valid_half_width,
    always_valid_p,
    compare,
    difference_of_rates,
    estimate_means,
    information,
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
    p_value: float
    """Fisher's exact test."""
    decides: float
    """The p-value that decides: Fisher's, or the always-valid one of a test that still runs."""
    adjusted_p: float = float("nan")
    """Holm of `decides`, over all rows of the same kind."""


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
    """Incremental profit per customer (money), after message costs; NaN where it is not known."""
    adjusted_p: float
    """Of the profit (of the shares where it is not known): Holm, over all tests and groups."""
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
    found: list[Retained] = []
    for experiment, without in holdouts:
        days = min(active_days, max(((experiment.last - experiment.started).days + 1) // 2, 1))
        counted = _count_retained(shop, experiment.name, days).set_index("arm")
        counted = counted.reindex(list(experiment.arms)).fillna(0.0)
        untreated = counted.index.isin(without)
        treated_sums, control_sums = counted[~untreated].sum(), counted[untreated].sum()
        for what, events, people in (("custom", "bought", "customers"), ("consent", "kept", "consenting")):
            x1, n1, x0, n0 = (int(part[name]) for part in (treated_sums, control_sums) for name in (events, people))
            if min(n1, n0) < 1:
                continue
            effect = difference_of_rates([x1], [n1], [x0], [n0])
            mean_days = treated_sums["test_days"] / max(treated_sums["customers"], 1)
            found.append(Retained(
                experiment.name, what, float(days if what == "custom" else mean_days), (n1, n0),  # type: ignore[arg-type]
                (x1 / n1, x0 / n0), (float(effect.estimate[0]), float(effect.low[0]), float(effect.high[0])),
                float(effect.p_value[0]), _deciding_p(experiment, (x1, n1), (x0, n0), float(effect.p_value[0])),
            ))  # fmt: skip
    return _adjusted(found)


def _deciding_p(experiment: Experiment, treated: tuple[int, int], control: tuple[int, int], p_value: float) -> float:
    """Fisher's p-value, or the always-valid one of a test that still runs and is read again at every run."""
    if experiment.state != "running":
        return p_value
    (x1, n1), (x0, n0) = treated, control
    variance = x1 * (n1 - x1) / n1**3 + x0 * (n0 - x0) / n0**3
    r = information(_by_day(experiment), experiment.last)
    if not variance > 0 or not np.isfinite(r):
        return 1.0
    return float(always_valid_p((x1 / n1 - x0 / n0) / np.sqrt(variance), r))


def _by_day(experiment: Experiment) -> pd.DataFrame:
    """day, n: customers by the day of their assignment."""
    return experiment.assigned.groupby("day", as_index=False)["n"].sum()


def _adjusted(found: list[Retained]) -> list[Retained]:
    p = {
        what: iter(adjust(np.array([one.decides for one in found if one.what == what]), "holm"))
        for what in {one.what for one in found}
    }
    return [replace(one, adjusted_p=float(next(p[one.what]))) for one in found]


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
    rows: list[tuple[WonBack, float]] = []
    for experiment, without in holdouts:
        rates = _two_arms(moments_of(counted, experiment.name, "order_rate", ["segment"]), without)
        money = _two_arms(moments_of(counted, experiment.name, "profit", ["segment"]), without)
        sizes = experiment.assigned["n"].sum()
        days = float(experiment.assigned["outcome_days"].sum() / max(sizes, 1))
        for segment in ("inactive", *INACTIVE):
            names = INACTIVE if segment == "inactive" else (segment,)
            row = _win_back(experiment.name, segment, _of(rates, names), _of(money, names), days)
            if row is not None and (segment == "inactive" or row[0].customers != rows[-1][0].customers):
                rows.append((_always_valid(row[0], experiment), row[1]))
    p_values = [p for _row, p in rows]
    tested = np.isfinite(p_values)
    adjusted = np.full(len(rows), np.nan)
    if tested.any():
        adjusted[tested] = adjust(np.array(p_values)[tested], "holm")
    return [replace(row, adjusted_p=float(p)) for (row, _p), p in zip(rows, adjusted, strict=True)]


def _always_valid(row: WonBack, experiment: Experiment) -> WonBack:
    """The row with always-valid limits, where the test still runs."""
    if experiment.state != "running" or not np.isfinite(row.profit[1]):
        return row
    error = (row.profit[2] - row.profit[1]) / 2 / norm.ppf(0.975)
    half_width = float(always_valid_half_width(error, information(_by_day(experiment), experiment.last)))
    return replace(row, always=(row.profit[0], row.profit[0] - half_width, row.profit[0] + half_width))


def _two_arms(moments: pd.DataFrame, without: tuple[str, ...]) -> pd.DataFrame:
    """The moments with two arms: `texts` and `none`."""
    return moments.assign(arm=np.where(moments["arm"].isin(without), "none", "texts"))


def _of(moments: pd.DataFrame, segments: tuple[str, ...]) -> pd.DataFrame:
    own = moments[moments["segment"].isin(segments)]
    return own[["arm", "n", "sum_y", "sum_y2"]].groupby("arm", as_index=False).sum()


def _win_back(
    experiment: str, segment: str, rates: pd.DataFrame, money: pd.DataFrame, days: float
) -> tuple[WonBack, float] | None:
    """One row and its p-value; None where an arm has fewer than two customers."""
    counts = rates.set_index("arm").reindex(["texts", "none"]).fillna(0.0)
    (n1, n0), (x1, x0) = counts["n"].astype(int), counts["sum_y"].astype(int)
    if min(n1, n0) < 2:
        return None
    share = difference_of_rates([x1], [n1], [x0], [n0])
    profit, p_value = _UNKNOWN, float(share.p_value[0])
    if money["n"].sum():
        found = compare(estimate_means(money, ["none", "texts"]), "none")
        profit = (float(found.estimate[1]), float(found.low[1]), float(found.high[1]))
        p_value = float(found.p_value[1]) if np.isfinite(found.p_value[1]) else p_value
    difference = (float(share.estimate[0]), float(share.low[0]), float(share.high[0]))
    row = WonBack(
        experiment, segment, (int(n1), int(n0)), (x1 / n1, x0 / n0), difference, profit, float("nan"), days,
        min(x1, x0) < FEW_EVENTS,
    )  # fmt: skip
    return row, p_value
