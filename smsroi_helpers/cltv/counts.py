"""What the engine counts for customer value: cells of customers who share a purchase history, by the day.

A cell is a frequency (repeat purchase days), a recency (first to last purchase) and an age (first purchase to the last
day observed), in days. The models are fitted to cells, so that their cost grows with cells and not with customers.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.cltv.forecast import KEYS
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = [
    "FEWEST_REPEATERS",
    "FEWEST_WEEKS",
    "RepeatPurchases",
    "count_cells",
    "count_groups",
    "count_value_cells",
    "histories",
    "summarise_repeats",
]

FEWEST_REPEATERS = 30
"""With fewer repeat customers, the intervals of four parameters span orders of magnitude."""
FEWEST_WEEKS = 8
"""A shorter log cannot be split into weeks to fit and weeks to test."""


# --- count -----------------------------------------------------------------------------------------------------------


def histories(shop: Shop, until: dt.date | None = None, recent_weeks: int = 0) -> ir.Table:
    """`measures.purchase_history`, computed once per run: every count of this stage uses it."""
    return shop.keep(measures.purchase_history(shop, until, recent_weeks))


def count_cells(
    shop: Shop,
    until: dt.date | None = None,
    keep: Callable[[ir.Table], ir.BooleanValue] | None = None,
    *,
    recent_weeks: int = 0,
) -> pd.DataFrame:
    """Count the customers who share a purchase history, by the day.

    Args:
        shop: the company.
        until: the last day of the history; None for the last day observed.
        keep: a filter on the rows of `purchase_history`; None for all customers.
        recent_weeks: of `histories`, so that they need not be computed again; the cells do not depend on it.

    Returns:
        One row per (frequency, recency_days, T_days): recency_weeks, T_weeks; customers; repeat_spend and
        repeat_spend_squared, summed over the customers; later_purchases, their purchase days after `until`.

    Raises:
        NotEnoughData: fewer than 30 customers have bought again, or the log is shorter than 8 weeks.
    """
    history = histories(shop, until, recent_weeks)
    history = history if keep is None else history.filter(keep)
    cells = history.group_by(*KEYS).aggregate(
        customers=history.count(),
        repeat_spend=total(history.repeat_spend),
        repeat_spend_squared=total(history.repeat_spend * history.repeat_spend, 4),
        later_purchases=history.later_purchases.sum().cast("int64"),
    )
    frame = shop.count(cells.order_by(*KEYS))
    repeaters = int(frame.loc[frame["frequency"] > 0, "customers"].sum())
    if repeaters < FEWEST_REPEATERS:
        raise NotEnoughData(
            "Only {n} customers have bought on a second day; a purchase model needs {least}. Use a longer log.",
            n=repeaters,
            least=FEWEST_REPEATERS,
        )
    if (days := int(frame["T_days"].max())) < 7 * FEWEST_WEEKS:
        if until is not None:
            raise NotEnoughData(
                "Before the weeks of the test the log covers {days} days; a purchase model needs {least} weeks. Use a"
                " longer log.",
                days=days,
                least=FEWEST_WEEKS,
            )
        raise NotEnoughData(
            "The log covers {days} days; a purchase model needs {least} weeks. Use a longer log.",
            days=days,
            least=FEWEST_WEEKS,
        )
    return frame.assign(recency_weeks=frame["recency_days"] / 7, T_weeks=frame["T_days"] / 7)


@dataclass(frozen=True)
class RepeatPurchases:
    """Repeat purchases of all customers, free ones included."""

    customers: int
    """Who bought again."""
    mean: float
    """What a repeat purchase brought on average (money)."""


def summarise_repeats(cells: pd.DataFrame) -> RepeatPurchases:
    """Repeat purchases over the cells of `count_cells`.

    >>> rows = {"frequency": [0, 1, 3], "customers": [5, 2, 1], "repeat_spend": [0.0, 20.0, 40.0]}
    >>> summarise_repeats(pd.DataFrame(rows))  # 60 over 2 · 1 + 1 · 3 purchases
    RepeatPurchases(customers=3, mean=12.0)
    """
    again = cells[cells["frequency"] > 0]
    purchases = float((again["frequency"] * again["customers"]).sum())
    return RepeatPurchases(int(again["customers"].sum()), float(again["repeat_spend"].sum()) / purchases)


def count_unpaid(repeats: RepeatPurchases, paying: float) -> float:
    """Who bought again and paid nothing for any repeat purchase.

    Args:
        repeats: of `summarise_repeats`.
        paying: customers with a repeat purchase that cost something: `customers` of the Gamma–Gamma fit.
    """
    return repeats.customers - paying


def count_value_cells(shop: Shop, until: dt.date | None = None, *, recent_weeks: int = 0) -> pd.DataFrame:
    """Count the repeat customers with the same frequency and mean value: the cells for Gamma–Gamma.

    Arguments: as of `count_cells`.

    Returns:
        One row per frequency (≥ 1) and bin, 0.01 wide, of the log of a customer's mean repeat value: customers, and
        log_mean_value, the mean of that log over them. Customers whose repeat purchases add up to zero are left out.
        No rows where every repeat purchase has the amount 0: the value of a purchase is not known.
    """
    history = histories(shop, until, recent_weeks)
    repeaters = history.filter(history.frequency > 0, history.repeat_spend > 0)
    repeaters = repeaters.mutate(log_mean=(repeaters.repeat_spend / repeaters.frequency).ln())
    repeaters = repeaters.mutate(bin=(repeaters.log_mean * 100).floor().cast("int64"))
    cells = repeaters.group_by("frequency", "bin").aggregate(
        customers=repeaters.count(), log_mean_value=repeaters.log_mean.mean().round(12)
    )
    return shop.count(cells.order_by("frequency", "bin"))


def count_groups(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    """Count the customers of each cell in each group, in the form that `add_up` takes.

    Args:
        shop: the company.
        rows: one per customer: group, the cells' keys, repeat_spend.
    """
    cells = rows.group_by("group", *KEYS).aggregate(
        customers=rows.count(),
        repeat_spend=total(rows.repeat_spend),
        repeat_spend_squared=total(rows.repeat_spend * rows.repeat_spend, 4),
    )
    return shop.count(cells.order_by("group", *KEYS))
