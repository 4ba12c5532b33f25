"""Do texts win back: their effect among customers who were dormant or lost, in randomised tests.

A customer's group is that of the day before the assignment: a segment of a later day would be an outcome of the texts.
Every valid test with an untreated arm counts, by intention to treat (`texting.find_holdouts`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers.experiments import Experiment, count_by_segment, moments_of
from smsroi_helpers.retention.texting import assigned_by_day
from smsroi_helpers.segmentation import Cuts, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    always_valid_half_width,
    compare,
    difference_of_rates,
    error_of_interval,
    estimate_means,
    information,
    share_variance,
)

__all__ = ["INACTIVE", "WonBack", "measure_win_back"]

INACTIVE = ("dormant", "lost")
"""RFM groups of customers who have not bought for long."""
Interval = tuple[float, float, float]
_UNKNOWN: Interval = (float("nan"),) * 3


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
    groups: tuple[str, ...] = INACTIVE
    """Of the row's RFM groups, those with at least `FEW_EVENTS` customers in both arms: the result is about them."""

    @property
    def members(self) -> int:
        """Customers with texts and without."""
        return sum(self.customers)

    @property
    def deciding(self) -> Interval:
        """The profit with the limits that decide."""
        return self.always if np.isfinite(self.always[1]) else self.profit

    @property
    def total(self) -> Interval:
        """Incremental profit of all texted customers of the group in the test (money)."""
        return tuple(value * self.customers[0] for value in self.deciding)  # type: ignore[return-value]


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
    groups: list[tuple[Experiment, str, pd.DataFrame, pd.DataFrame, tuple[str, ...]]] = []
    for experiment, without in holdouts:
        rates = _two_arms(moments_of(counted, experiment.name, "order_rate", ["segment"]), without)
        money = _two_arms(moments_of(counted, experiment.name, "profit", ["segment"]), without)
        whole = 0
        for segment in ("inactive", *INACTIVE):
            names = INACTIVE if segment == "inactive" else (segment,)
            own = _of(rates, names)
            if _fewest(own) < 2:
                continue
            if segment == "inactive" or own["n"].sum() != whole:
                tested = tuple(one for one in names if _fewest(_of(rates, (one,))) >= FEW_EVENTS)
                groups.append((experiment, segment, own, _of(money, names), tested))
            whole = own["n"].sum() if segment == "inactive" else whole
    level = 1 - ALPHA / max(len(groups), 1)
    return [_win_back(*group, level) for group in groups]


def _fewest(moments: pd.DataFrame) -> int:
    """Customers of the smaller arm."""
    return int(moments.set_index("arm")["n"].reindex(["texts", "none"]).fillna(0).min())


def _two_arms(moments: pd.DataFrame, without: tuple[str, ...]) -> pd.DataFrame:
    """The moments with two arms: `texts` and `none`."""
    return moments.assign(arm=np.where(moments["arm"].isin(without), "none", "texts"))


def _of(moments: pd.DataFrame, segments: tuple[str, ...]) -> pd.DataFrame:
    own = moments[moments["segment"].isin(segments)]
    return own[["arm", "n", "sum_y", "sum_y2"]].groupby("arm", as_index=False).sum()


def _win_back(
    experiment: Experiment, segment: str, rates: pd.DataFrame, money: pd.DataFrame, tested: tuple[str, ...],
    level: float,
) -> WonBack:  # fmt: skip
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
            error = error_of_interval(profit[1], profit[2], level)
            half_width = float(
                always_valid_half_width(error, information(assigned_by_day(experiment), experiment.last), level)
            )
            always = (profit[0], profit[0] - half_width, profit[0] + half_width)
    days = float(experiment.assigned["outcome_days"].sum() / max(experiment.assigned["n"].sum(), 1))
    return WonBack(
        experiment.name, segment, (int(n1), int(n0)), (x1 / n1, x0 / n0),
        (float(share.estimate[0]), float(share.low[0]), float(share.high[0])), profit, days,
        min(x1, x0) < FEW_EVENTS, always, tested,
    )  # fmt: skip
