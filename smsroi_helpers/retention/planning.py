"""The win-back test that would decide: how many inactive customers it needs, and how many there are.

Outcome: the share who buy within the test's weeks. Those who come back by themselves are counted in the weeks just
behind, among customers inactive when these began. Texts pay where profit per returning customer × the increase of that
share is more than the texts cost; a test has to detect that increase, or a tenth of the share if that is more.
"""

import datetime as dt
import math
from dataclasses import dataclass

import ibis
import numpy as np

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.retention.texting import INACTIVE
from smsroi_helpers.segmentation import Cuts, known_people, resolve
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import sample_size

__all__ = [
    "WinBackPlan",
    "plan_win_back",
    "size_test",
]

WEEKS, TEXTS = 8, 4
"""Of the test proposed: its length, and texts to each customer of the treated half."""
_SHARE = 0.1


@dataclass(frozen=True)
class WinBackPlan:
    """A randomised test of texts to inactive customers, half of whom get none."""

    weeks: int
    texts: int
    inactive: int
    """Customers dormant or lost on the last day observed who may be texted."""
    watched: int
    """Customers dormant or lost when the weeks just behind began."""
    returned: float
    """Share (0–1) of these who bought within the weeks."""
    profit: float
    """Mean profit of those, in the weeks (money); NaN where none returned."""
    cost: float
    """Of the texts to one customer (money); 0 where it is not known."""
    break_even: float
    """The increase of the share (0–1) from which texts pay; 0 where they cost nothing."""
    difference: float
    """The increase that the test detects with 80 % power."""
    customers: float
    """That the test needs in both arms together; NaN where nobody returned."""

    @property
    def enough(self) -> bool:
        """Whether there are as many as the test needs."""
        return bool(self.customers <= self.inactive)


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
    groups = resolve(shop, "rfm_group", cuts=cuts)
    now = groups.at(shop.as_of)
    there = measures.subscribed(shop, ibis.literal(shop.end), known_people(shop)).rename(member="customer_id")
    now = now.filter(now.segment.isin(INACTIVE)).semi_join(there, now.customer_id == there.member)
    inactive = int(shop.count(now.aggregate(n=now.count()))["n"].iloc[0])
    before = groups.at(then)
    before = before.filter(before.segment.isin(INACTIVE))
    orders = measures.purchases(shop)
    orders = orders.filter(orders.day > ibis.literal(then))
    bought = orders.group_by(buyer="customer_id").aggregate(profit=total(orders.profit))
    rows = before.left_join(bought, before.customer_id == bought.buyer)
    counted = shop.count(
        rows.aggregate(watched=rows.count(), returned=rows.buyer.count(), profit=total(rows.profit).fill_null(0.0))
    ).iloc[0]
    watched, returned = int(counted["watched"]), int(counted["returned"])
    share = returned / watched if watched else float("nan")
    profit = float(counted["profit"]) / returned if returned else float("nan")
    cost = TEXTS * _mean_cost(shop, channel)
    break_even, difference, customers = size_test(share, profit, cost)
    return WinBackPlan(WEEKS, TEXTS, inactive, watched, share, profit, cost, break_even, difference, customers)


def _mean_cost(shop: Shop, channel: str) -> float:
    """What a text costs on average (money); 0 where it is not known."""
    if not channel or not measures.knows_cost(shop):
        return 0.0
    sends = measures.every_send(shop)
    sends = sends.filter(sends.channel == channel)
    found = float(shop.count(sends.aggregate(cost=sends.cost.mean()))["cost"].iloc[0])
    return found if np.isfinite(found) else 0.0
