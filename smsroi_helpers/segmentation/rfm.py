"""Recency, frequency and money of every customer on any day, with scores from 1 to 5.

All of it is counted in the engine and depends on the orders up to the day alone: not on the order of rows, on files or
on the machine. Days are dates on the source's clock, money is in its currency; refunds are no purchases and do not
reduce spend.

References:
    Hughes (1994), Strategic Database Marketing: scores by fifths of recency, frequency and money.
"""

import datetime as dt
from typing import TypeAlias

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import contract, measures
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop, once

__all__ = [
    "JACKKNIFE",
    "SCORES",
    "Until",
    "bought_once",
    "keys_of",
    "known_people",
    "orders_by_day",
    "rfm_rows",
    "score_table",
    "up_to",
]

SCORES = 5
"""Scores go from 1 to 5."""
JACKKNIFE = "segmentation-jackknife"
"""The hash purpose of this stage's groups of customers."""
_NEVER = dt.date(9999, 12, 31)
_DIGITS = 6
"""Of money, as of `engine.total`."""
Until: TypeAlias = dt.date | ir.Table
"""The last day that counts, or a table of such days (label_day) that are all asked at once; `rfm_rows` and
`messages_by_customer` take one with customer_id too, for some customers of each day only."""


def up_to(rows: ir.Table, day: ir.DateValue, last: Until) -> ir.Table:
    """The rows of days up to the last one that counts; of a table of days, the rows of each with its label_day."""
    if isinstance(last, ir.Table):
        return rows.join(last, day <= last.label_day)
    return rows.filter(day <= ibis.literal(last))


def keys_of(last: Until | None) -> tuple[str, ...]:
    """Columns that tell results of one day from those of others: none for a single day."""
    return ("label_day",) if isinstance(last, ir.Table) else ()


# --- one row per customer --------------------------------------------------------------------------------------------


def known_people(shop: Shop, at: dt.date | None = None) -> ir.Table:
    """customer_id of everybody known by a day: in `customers` and joined by then, or with an order by then.

    In a source without orders, who was sent a message or assigned in an experiment by then is known too.

    Args:
        shop: the company.
        at: the day (inclusive); None for the last one observed. Who is in `customers` without a known day of joining
            counts as known.
    """
    last = ibis.literal(at or shop.as_of)
    seen = _seen_by(shop, last)
    if not shop.has("customers"):
        return shop.keep(seen.distinct())
    people = shop.customers
    if shop.has("customers", "joined_at"):
        people = people.filter(people.joined_at.isnull() | (shop.day(people.joined_at) <= last))
    return shop.keep(ibis.union(people.select("customer_id"), seen, distinct=True))


def _seen_by(shop: Shop, last: ir.DateScalar) -> ir.Table:
    """customer_id of those with an order by a day; without orders, of those with a message or an assignment by then."""
    # Who has only been given money back is known too.
    names = ("orders",) if shop.has("orders") else ("messages", "assignments")
    parts = []
    for name in filter(shop.has, names):
        rows = getattr(shop, name)
        parts.append(rows.filter(shop.day(rows[contract.TABLES[name].event_time]) <= last).select("customer_id"))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def rfm_rows(shop: Shop, at: Until | None = None) -> ir.Table:
    """One row per customer with a purchase by a day: how lately, how often and for how much, with scores.

    A score is 1 + the number of whole fifths of the customers who lie strictly below: score 4 says that at least three
    fifths are less recent (or buy less often, or spend less). Equal values get equal scores, so no tie is ever split;
    where many are equal, scores between are empty.

    Args:
        shop: the company.
        at: the last day that counts, None for the last one observed; or a table of days, with customer_id for some
            customers of each day only. Their scores are those among all.

    Returns:
        label_day, for a table of days; customer_id; first_day; recency_days, from the last purchase to the day after
        `at` (1 for today's buyer);
        tenure_days, likewise from the first; frequency, orders; purchase_days; monetary, money spent; r_score, f_score,
        m_score (1–5).
    """
    last = shop.as_of if at is None else at
    keys = keys_of(last)
    sums = _bought_on_each(shop, last) if isinstance(last, ir.Table) else _bought_by(shop, last)
    day = ibis.literal(last) if isinstance(last, dt.date) else sums.label_day
    rows = sums.select(
        *keys,
        "customer_id",
        "first_day",
        recency_days=day.delta(sums.last_day, unit="day").cast("int64") + 1,
        tenure_days=day.delta(sums.first_day, unit="day").cast("int64") + 1,
        frequency=sums.frequency.cast("int64"),
        purchase_days=sums.purchase_days.cast("int64"),
        monetary=sums.monetary,
    )
    everybody = rows.count().over(ibis.window(group_by=keys))
    below = {"r": ibis.desc("recency_days"), "f": "frequency", "m": "monetary"}
    scores = {
        f"{name}_score": (ibis.rank().over(ibis.window(group_by=keys, order_by=order)) * SCORES // everybody + 1).cast(
            "int64"
        )
        for name, order in below.items()
    }
    rows = rows.mutate(**scores)
    if isinstance(last, ir.Table) and "customer_id" in last.columns:
        rows = rows.semi_join(last, ["customer_id", "label_day"])
    return shop.keep(rows)


def _bought_by(shop: Shop, last: dt.date) -> ir.Table:
    """customer_id, first_day, last_day, frequency, purchase_days, monetary of those with a purchase by a day."""
    per_day = orders_by_day(shop)
    per_day = up_to(per_day, per_day.day, last)
    return per_day.group_by("customer_id").aggregate(
        first_day=per_day.day.min(),
        last_day=per_day.day.max(),
        frequency=per_day.orders.sum(),
        purchase_days=per_day.count(),
        monetary=total(per_day.spent),
    )


def _bought_on_each(shop: Shop, asked: ir.Table) -> ir.Table:
    """label_day, and the columns of `_bought_by` as of that day.

    What a customer has bought stays the same until the next purchase, so each day finds it without adding it up anew.
    """
    per_day = orders_by_day(shop)
    so_far = ibis.window(group_by="customer_id", order_by="day", preceding=None, following=0)
    stays = per_day.select(
        "customer_id",
        last_day="day",
        until=per_day.day.lead().over(ibis.window(group_by="customer_id", order_by="day")).fill_null(_NEVER),
        first_day=per_day.day.min().over(so_far),
        frequency=per_day.orders.sum().over(so_far),
        purchase_days=per_day.count().over(so_far),
        monetary=per_day.spent.sum().over(so_far).round(_DIGITS),
    )
    days = asked.select("label_day").distinct()
    return stays.join(days, [stays.last_day <= days.label_day, days.label_day < stays.until]).drop("until")


@once
def orders_by_day(shop: Shop) -> ir.Table:
    """customer_id, day, orders and spent of every day with a purchase: what all of this is counted from."""
    orders = measures.purchases(shop)
    return shop.keep(orders.group_by("customer_id", "day").aggregate(orders=orders.count(), spent=total(orders.spend)))


def score_table(shop: Shop) -> pd.DataFrame:
    """What each score stands for: measure (recency_days, frequency, monetary), score, customers, least, most.

    Raises:
        NotEnoughData: nobody has bought.
    """
    rows = rfm_rows(shop)
    parts = []
    for measure, column in (("recency_days", "r_score"), ("frequency", "f_score"), ("monetary", "m_score")):
        cells = rows.group_by(score=rows[column]).aggregate(
            customers=rows.count(), least=rows[measure].min().cast("float64"), most=rows[measure].max().cast("float64")
        )
        parts.append(shop.count(cells.order_by("score")).assign(measure=measure))
    table = pd.concat(parts, ignore_index=True)[["measure", "score", "customers", "least", "most"]]
    if table.empty:
        raise NotEnoughData("There are no purchases up to the last day observed, so there are no customers to group.")
    return table


def bought_once(scores: pd.DataFrame) -> float:
    """Share (0–1) of customers who have ordered once; 0 without customers.

    Args:
        scores: of `score_table`.
    """
    often = scores[scores["measure"] == "frequency"]
    return float(often.loc[often["most"] <= 1, "customers"].sum() / max(often["customers"].sum(), 1))
