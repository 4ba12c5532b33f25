"""The win-back test that would decide: how many inactive customers it needs, and how many there are.

Outcome: the share who buy within the test's weeks. It is counted in the weeks just behind, among customers who were
inactive and subscribed when these began: of all of them, with the texts they got, and of those who got none. Who got
texts was not random, so neither is what texts do; the test is planned on those without texts where enough of them
bought. Texts pay where profit per returning customer × the increase of that share is more than the texts cost; a test
has to detect that increase, or a tenth of the share if that is more.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import who_may_be_texted
from smsroi_helpers.retention.win_back import INACTIVE
from smsroi_helpers.segmentation import Cuts, known_people, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import FEW_EVENTS, sample_size

__all__ = [
    "LONGEST_MONTHS",
    "WEEKS_A_MONTH",
    "WinBackPlan",
    "inactive_customers",
    "plan_win_back",
    "size_test",
]

WEEKS, TEXTS = 8, 4
"""Of the test proposed: its length, and texts to each customer of the treated half."""
WEEKS_A_MONTH = 365.25 / 12 / 7
LONGEST_MONTHS = 24
"""A test that takes longer is not proposed."""
_SHARE = 0.1


@dataclass(frozen=True)
class WinBackPlan:
    """A randomised test of texts to inactive customers, half of whom get none."""

    weeks: int
    texts: int
    inactive: int
    """Customers dormant or lost on the last day observed who may be texted (see `who_may_be_texted`)."""
    entered: int
    """Of these, who were not dormant or lost when the weeks just behind began."""
    since: dt.date
    """The first day of the weeks just behind."""
    until: dt.date
    """Their last day: the last day observed."""
    watched: int
    """Customers dormant or lost, and subscribed, when they began."""
    returned: float
    """Share (0–1) of these who bought within the weeks, with the texts they got."""
    untexted: int
    """Of those watched, who got no text within the weeks; all where there are no messages."""
    untexted_returned: float
    """Share (0–1) of these who bought: observational, as who got texts was not random."""
    profit: float
    """Mean profit of those who bought, in the weeks (money); NaN where nobody did."""
    cost: float
    """Of the texts to one customer (money); 0 where it is not known."""
    break_even: float
    """The increase of the share (0–1) from which texts pay; 0 where they cost nothing."""
    difference: float
    """The increase that the test detects with 80 % power."""
    customers: float
    """That the test needs in both arms together; NaN where nobody returned."""
    out_of_reach: int = 0
    """Subscribers dormant or lost on the last day beside `inactive`: no text reached them, or a test sets theirs."""

    @property
    def base(self) -> float:
        """The share (0–1) of which the increase is a tenth, where it is more than the break-even."""
        return self.difference / _SHARE

    @property
    def entered_per_month(self) -> float:
        """Customers who become dormant or lost in a month."""
        return self.entered * WEEKS_A_MONTH / self.weeks

    @property
    def enough(self) -> bool:
        """Whether there are as many as the test needs."""
        return bool(self.customers <= self.inactive)

    @property
    def proposed(self) -> bool:
        """Whether the test is proposed: there are inactive customers, and enough of them within `LONGEST_MONTHS`."""
        return bool(self.inactive and np.isfinite(self.customers) and self.months <= LONGEST_MONTHS)

    @property
    def detectable(self) -> float:
        """The increase (0–1) that the customers there are would show with 80 % power; NaN where there are none."""
        return self.difference * math.sqrt(self.customers / self.inactive) if self.inactive else float("nan")

    @property
    def months(self) -> float:
        """Until as many have become inactive as the test needs, and its weeks have passed; infinite where none do.

        >>> day = dt.date(2025, 6, 1)
        >>> plan = WinBackPlan(8, 4, 1000, 200, day, day, 900, 0.1, 900, 0.1, 20.0, 0.1, 0.005, 0.02, 3000.0)
        >>> round(plan.months, 1)  # (3,000 − 1,000) ÷ 25 a week = 80 weeks, and 8
        20.2
        """
        missing = max(self.customers - self.inactive, 0.0)
        if not missing:
            return self.weeks / WEEKS_A_MONTH
        if not (self.entered and np.isfinite(missing)):
            return float("inf")
        return (missing / (self.entered / WEEKS) + self.weeks) / WEEKS_A_MONTH


def size_test(returned: float, profit: float, cost: float) -> tuple[float, float, float]:
    """The increase from which texts pay, the one to detect, and the customers of both arms that detect it.

    Args:
        returned: share (0–1) who come back by themselves.
        profit: of one who comes back (money).
        cost: of the texts to one customer (money).

    >>> break_even, difference, customers = size_test(0.05, 20.0, 0.06)
    >>> break_even, round(difference, 6), int(customers)  # 4 · (1.960 + 0.842)² · 0.05 · 0.95 / 0.005²
    (0.003, 0.005, 59652)
    """
    if not (0 < returned < 1 and profit > 0):
        return (float("nan"),) * 3
    break_even = cost / profit
    difference = max(break_even, _SHARE * returned)
    needed = sample_size(difference, math.sqrt(returned * (1 - returned)))
    return break_even, difference, math.ceil(needed)


def plan_win_back(shop: Shop, cuts: Cuts, channel: str) -> WinBackPlan | None:
    """The test for this company; None without orders, or in a log of less than 24 weeks.

    Args:
        shop: the company.
        cuts: of `segmentation.find_cuts`.
        channel: of the texts, for their cost; empty where there are none.
    """
    if not shop.has("orders"):
        return None
    first, then = shop.loaded.tables["orders"].first, shop.as_of - dt.timedelta(weeks=WEEKS)
    if first is None or dt.date.fromisoformat(first) > then - dt.timedelta(weeks=2 * WEEKS):
        return None
    subscribed, before = (
        _inactive(shop, cuts, day, shop.end - dt.timedelta(days=(shop.as_of - day).days)) for day in (shop.as_of, then)
    )
    now = subscribed.semi_join(who_may_be_texted(shop, known_people(shop), channel), "customer_id")
    known = now.anti_join(before, "customer_id")
    sizes = shop.count(ibis.union(
        now.aggregate(what=ibis.literal("inactive"), n=now.count()),
        subscribed.aggregate(what=ibis.literal("subscribed"), n=subscribed.count()),
        known.aggregate(what=ibis.literal("entered"), n=known.count()),
    )).set_index("what")["n"]  # fmt: skip
    counted = _count_returned(shop, before, then, channel)
    watched, returned = int(counted["watched"]), int(counted["returned"])
    untexted, alone = int(counted["untexted"]), int(counted["untexted_returned"])
    share = returned / watched if watched else float("nan")
    without = alone / untexted if untexted else float("nan")
    profit = float(counted["profit"]) / returned if returned else float("nan")
    cost = TEXTS * _mean_cost(shop, channel)
    break_even, difference, customers = size_test(without if alone >= FEW_EVENTS else share, profit, cost)
    return WinBackPlan(
        WEEKS, TEXTS, int(sizes["inactive"]), int(sizes["entered"]), then + dt.timedelta(days=1), shop.as_of, watched,
        share, untexted, without, profit, cost, break_even, difference, customers,
        int(sizes["subscribed"] - sizes["inactive"]),
    )  # fmt: skip


def inactive_customers(
    shop: Shop, cuts: Cuts, *, test: bool, groups: Sequence[str] = INACTIVE, channel: str = ""
) -> ir.Table:  # fmt: skip
    """The table `win_back_customers`: whom texts to win back are for, as an expression for the engine to write.

    Args:
        shop: the company, with orders.
        cuts: of `segmentation.find_cuts`.
        test: whether they are to be in a test.
        groups: RFM groups that they are of.
        channel: of the texts; empty: as `measures.choose_channel` chooses.

    Returns:
        customer_id, rfm_group (`dormant`, `lost`), silent_weeks (since the last purchase), arm (of the test: `texted`
        or `not_texted`, half each, by a hash of the id, so that later runs put nobody into the other; null without a
        test): everybody of the groups on the last day observed who may be texted (see `who_may_be_texted`), by
        customer_id.
    """
    orders = measures.purchases(shop)
    last = orders.group_by(buyer="customer_id").aggregate(last=orders.day.max())
    people = resolve(shop, "rfm_group", cuts=cuts).at(shop.as_of)
    people = people.filter(people.segment.isin(list(groups)))
    people = people.semi_join(who_may_be_texted(shop, known_people(shop), channel), "customer_id")
    rows = people.inner_join(last, people.customer_id == last.buyer)
    silent = ibis.literal(shop.as_of).delta(rows["last"], unit="day") / 7
    halves = ibis.ifelse(hash_group(rows.customer_id, "win-back-test", 2) == 0, "texted", "not_texted")
    arm = halves if test else ibis.null("string")
    return rows.select("customer_id", rfm_group="segment", silent_weeks=silent, arm=arm).order_by("customer_id")


def _inactive(shop: Shop, cuts: Cuts, day: dt.date, end: dt.datetime) -> ir.Table:
    """customer_id of everybody dormant or lost on a day, and subscribed at its end."""
    groups = resolve(shop, "rfm_group", cuts=cuts).at(day)
    there = measures.subscribed(shop, ibis.literal(end), known_people(shop)).rename(member="customer_id")
    groups = groups.filter(groups.segment.isin(INACTIVE))
    return groups.semi_join(there, groups.customer_id == there.member).select("customer_id")


def _count_returned(shop: Shop, people: ir.Table, then: dt.date, channel: str) -> pd.Series:
    """watched, returned, profit; untexted, untexted_returned: of people, in the days after one."""
    orders = measures.purchases(shop)
    orders = orders.filter(orders.day > ibis.literal(then))
    bought = orders.group_by(buyer="customer_id").aggregate(profit=total(orders.profit))
    rows = people.left_join(bought, people.customer_id == bought.buyer)
    if channel:
        sends = measures.every_send(shop)
        sends = sends.filter(sends.channel == channel, shop.day(sends.sent_at.cast("timestamp")) > ibis.literal(then))
        rows = rows.mutate(texted=rows.customer_id.isin(sends.customer_id))
    else:
        rows = rows.mutate(texted=ibis.literal(False))
    cells = rows.aggregate(
        watched=rows.count(), returned=rows.buyer.count(), profit=total(rows.profit).fill_null(0.0),
        untexted=rows.count(where=~rows.texted), untexted_returned=rows.buyer.count(where=~rows.texted),
    )  # fmt: skip
    return shop.count(cells).iloc[0]


def _mean_cost(shop: Shop, channel: str) -> float:
    """What a text costs on average (money); 0 where it is not known."""
    if not channel or not measures.knows_cost(shop):
        return 0.0
    sends = measures.every_send(shop)
    sends = sends.filter(sends.channel == channel)
    found = float(shop.count(sends.aggregate(cost=sends.cost.mean()))["cost"].iloc[0])
    return found if np.isfinite(found) else 0.0
