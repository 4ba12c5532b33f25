"""When the send plans began that messages followed: one definition for all pages."""

import datetime as dt
import re
from dataclasses import dataclass

import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.source import Shop

__all__ = ["PlanStart", "day_of_plan", "find_first_plan"]

_DAY = re.compile(r"(?:^|\D)(\d{4})-?(\d{2})-?(\d{2})$")


@dataclass(frozen=True)
class PlanStart:
    """The start of the earliest plan that messages followed."""

    began: dt.date
    """The plan's first day, of `day_of_plan`."""
    first_text: dt.date
    """Day of its first message in the source's time zone. It is the day before `began` where customers live in time
    zones ahead of the source's, because a plan's days are the recipients'."""


def day_of_plan(plan_id: str, first_text: dt.date | None = None) -> dt.date | None:
    """The first day of a plan: the date that its name ends in, else the day of its first message.

    Args:
        plan_id: of the plan.
        first_text: day of its first message in the source's time zone; None where that is not known.

    >>> day_of_plan("plan-20260601", dt.date(2026, 5, 31)), day_of_plan("spring", dt.date(2026, 5, 31))
    (datetime.date(2026, 6, 1), datetime.date(2026, 5, 31))
    >>> day_of_plan("spring 2026-03-02"), day_of_plan("plan-20261301"), day_of_plan("spring")
    (datetime.date(2026, 3, 2), None, None)
    """
    match = _DAY.search(plan_id)
    try:
        return dt.date(*map(int, match.groups())) if match else first_text
    except ValueError:
        return first_text


def find_first_plan(shop: Shop, sends: ir.Table) -> PlanStart | None:
    """The earliest plan that messages followed; None where they followed none.

    Args:
        shop: the company.
        sends: sent_at, plan_id (null where a message followed no plan).
    """
    followed = sends.filter(sends.plan_id.notnull())
    by_plan = followed.group_by("plan_id").aggregate(first=shop.day(followed.sent_at.min()))
    starts = [
        PlanStart(day_of_plan(str(row.plan_id), first) or first, first)
        for row in shop.count(by_plan.order_by("plan_id")).itertuples()
        for first in [pd.Timestamp(row.first).date()]
    ]
    return min(starts, key=lambda start: (start.first_text, start.began), default=None)
