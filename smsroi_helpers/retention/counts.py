"""What `07_retention` counts in the engine: cohorts by month, and customers by how long they stayed.

A month is a calendar month of the source's clock. Every result has one row per cell, however many customers there are.
"""

import datetime as dt
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import total
from smsroi_helpers.retention.spells import consent_spells
from smsroi_helpers.source import Shop

__all__ = [
    "ALL",
    "count_consent_months",
    "count_durations",
    "count_order_months",
    "month_number",
    "month_of",
    "whole_months",
]

ALL = "all"


def month_number(day: dt.date) -> int:
    """The months from the year 0 to a day's month.

    >>> month_number(dt.date(2010, 1, 31)) - month_number(dt.date(2009, 12, 1))
    1
    """
    return 12 * day.year + day.month - 1


def month_of(number: int) -> dt.date:
    """The first day of a month by its number.

    >>> month_of(month_number(dt.date(2009, 12, 9)))
    datetime.date(2009, 12, 1)
    """
    return dt.date(number // 12, number % 12 + 1, 1)


def whole_months(first: dt.date, last: dt.date) -> tuple[int, int]:
    """The numbers of the first and the last calendar month that a log covers whole; the last may be the smaller one.

    >>> found = whole_months(dt.date(2009, 12, 1), dt.date(2010, 12, 9))
    >>> [month_of(number).isoformat() for number in found]
    ['2009-12-01', '2010-11-01']
    """
    begins = month_number(first) + (first.day > 1)
    return begins, month_number(last + dt.timedelta(days=1)) - 1


def _number(day: ir.DateValue) -> ir.IntegerValue:
    return (12 * day.year() + day.month() - 1).cast("int64")


def _first_days(shop: Shop) -> ir.Table:
    days = measures.purchase_days(shop)
    return days.group_by(buyer="customer_id").aggregate(first_day=days.day.min())


def count_order_months(shop: Shop) -> pd.DataFrame:
    """Customers who bought, by the month of their first purchase and the month.

    Returns:
        cohort, month (numbers of `month_number`), customers (of the cohort with a purchase in the month), purchases
        (days with one), profit (before message costs, refunds deducted in the month they were paid), sorted.
    """
    first = _first_days(shop)
    events = measures.order_events(shop)
    events = events.mutate(day=shop.day(events["at"]))
    rows = events.join(first, events.customer_id == first.buyer)
    rows = rows.mutate(cohort=_number(rows.first_day), month=_number(rows.day))
    rows = rows.mutate(bought_on=ibis.ifelse(rows.purchase == 1, rows.day, ibis.null("date")))
    each = rows.group_by("cohort", "month", "customer_id").aggregate(
        purchases=rows.bought_on.nunique(), profit=total(rows.profit)
    )
    cells = each.group_by("cohort", "month").aggregate(
        customers=each.count(where=each.purchases > 0),
        purchases=each.purchases.sum().cast("int64"),
        profit=total(each.profit),
    )
    return shop.count(cells.order_by("cohort", "month"))


def count_consent_months(shop: Shop) -> pd.DataFrame:
    """Customers who gave consent, by the months in which it began and ended: cohort, ended (null: not yet), customers.

    Only spells observed from their beginning are counted; see `spells`. No rows where consent is not known.
    """
    spells = consent_spells(shop)
    if spells is None:
        return pd.DataFrame(columns=["cohort", "ended", "customers"])
    spells = spells.filter(spells.began >= spells.entered)
    rows = spells.select(cohort=_number(spells.began), ended=_number(spells.ended))
    cells = rows.group_by("cohort", "ended").aggregate(customers=rows.count())
    return shop.count(cells.order_by("cohort", "ended"))


def count_durations(shop: Shop, rows: ir.Table, keys: Sequence[str] = ("segment",)) -> pd.DataFrame:
    """Customers by how long they were observed, and how that ended: what Kaplan and Meier's estimate needs.

    Args:
        shop: the company.
        rows: days (of the end or of the last observation, ≥ 0), event (whether it is the end), perhaps entry (days at
            which the observation began), and the columns of `keys`, which name groups.
        keys: none for all customers together.

    Returns:
        the columns of `keys`, days, event (0 or 1), entry, customers.
    """
    if "entry" not in rows.columns:
        rows = rows.mutate(entry=ibis.literal(0, "int64"))
    rows = rows.mutate(event=rows.event.cast("int64"))
    by = (*keys, "days", "event", "entry")
    return shop.count(rows.group_by(*by).aggregate(customers=rows.count()).order_by(*by))
