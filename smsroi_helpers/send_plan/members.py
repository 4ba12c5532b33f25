"""How many customers a plan is for, and how many texts an action is where they live: whole numbers, from the engine.

Limits of money and of the gateway are kept by these counts, so that they hold for the messages written, and not only on
average.
"""

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.send_plan.evidence import cube
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import Policy
from smsroi_helpers.send_plan.schedule import (
    SLICES,
    Calendar,
    Exploration,
    count_turns,
    divide_customers,
    find_slots,
    policy_rows,
    send_dates,
)
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats, Ints

__all__ = ["Explored", "Members", "count_explored", "count_members"]


@dataclass(frozen=True)
class Explored:
    """The texts of those explored with, by the hash that draws them."""

    texts: Floats
    """(256, C): texts planned, by slice of the hash and text."""
    customers: Floats
    """(256,): customers with at least one text."""

    def within(self, slices: int) -> tuple[Floats, int]:
        """Texts (C,) and customers, if customers below a slice are explored with."""
        return self.texts[:slices].sum(axis=0), int(self.customers[:slices].sum())

    def affordable(self, slices: int, cost: Floats, budget: float) -> int:
        """The most slices, up to `slices`, whose texts cost no more than the budget.

        >>> one = Explored(np.ones((256, 1)), np.ones(256))
        >>> one.affordable(26, np.array([0.5]), 100.0), one.affordable(26, np.array([0.5]), 4.2)
        (26, 8)
        """
        spent = np.append(0.0, np.cumsum(self.texts[:slices] @ cost))
        return int(np.flatnonzero(spent <= budget)[-1])


@dataclass(frozen=True)
class Members:
    """The customers for whom the plan decides (role `plan`)."""

    by_code: Ints
    """(codes, places): of each type."""
    masks: Ints
    """(places,): number of the set of allowed hours."""
    closed: tuple[frozenset[dt.date], ...]
    """(places,): days on which nothing is sent there."""
    calendar: Calendar

    def by_profile(self, grouping: Grouping) -> Ints:
        """(P, places)."""
        found = np.zeros((len(grouping.membership), self.by_code.shape[1]), int)
        np.add.at(found, grouping.profile, self.by_code)
        return found

    def texts(self, place: int, texts_per_week: float, weekdays: Sequence[int]) -> int:
        """Texts of the whole plan that one customer in a place gets by an action."""
        return _count_texts(self.calendar, self.closed[place], texts_per_week, tuple(weekdays))


@functools.lru_cache(maxsize=1 << 16)
def _count_texts(calendar: Calendar, closed: frozenset[dt.date], texts: float, weekdays: tuple[int, ...]) -> int:
    return len(send_dates(calendar, closed, texts, weekdays)[0])


def count_members(shop: Shop, assigned: ir.Table, codes: pd.Series, audience: Audience, calendar: Calendar) -> Members:
    """Count the role `plan`.

    Args:
        shop: the company.
        assigned: of `assign_actions`, by any grouping.
        codes: of the evidence, in its order.
        audience: of `find_audience`.
        calendar: the plan's days.
    """
    rows = assigned.filter(assigned.role == "plan")
    counted = shop.count(rows.group_by("code", "place").aggregate(n=rows.count()))
    number = pd.Series(np.arange(len(codes)), index=codes.to_numpy())
    counted = counted.assign(code=number.reindex(counted["code"]).to_numpy())
    closed = tuple(
        frozenset(measures.days_off(rules.split(), calendar.first_day, calendar.days[-1]))
        for rules in audience.places["rules"]
    )
    size = {"code": len(codes), "place": len(audience.places)}
    by_code = cube(counted, "n", size).astype(int)
    return Members(by_code, audience.places["mask"].to_numpy(int), closed, calendar)


def count_explored(
    shop: Shop, assigned: ir.Table, audience: Audience, exploration: Exploration,
    windows: Sequence[tuple[int, int]], calendar: Calendar,
) -> Explored:  # fmt: skip
    """Count the texts of the role `explore`.

    Args:
        shop: the company.
        assigned: of `assign_actions`.
        audience: of `find_audience`.
        exploration: what is explored.
        windows: of the evidence.
        calendar: the plan's days.
    """
    nobody = policy_rows(Policy({}), np.zeros(1), exploration.creatives, {})
    slots = find_slots(audience, nobody, exploration, windows, calendar)
    many = slots.groupby(["of_place", "of_action"]).size().rename("texts").reset_index()
    rows = divide_customers(shop, assigned, calendar, count_turns(slots))
    rows = rows.filter(rows.role == "explore")
    schema = {"of_place": "int64", "of_action": "string", "texts": "int64"}
    table = ibis.memtable(many, schema=schema)
    rows = rows.join(table, (rows.place == table.of_place) & (rows.action == table.of_action))
    counted = shop.count(
        rows.group_by("explored_slice", "text_number").aggregate(texts=rows.texts.sum(), customers=rows.count())
    )
    size = {"explored_slice": SLICES, "text_number": len(exploration.texts)}
    texts = np.zeros((SLICES, len(exploration.creatives)))
    texts[:, exploration.texts] = cube(counted, "texts", size)
    return Explored(texts, cube(counted, "customers", size).sum(axis=1))
