"""What will each customer be worth, and how sure are we: BG/NBD (or a rival) for orders, Gamma–Gamma for money.

The engine counts day cells, the models are fitted to the cells (`fitting`), say what is to come
(`forecast`), are tested on later weeks (`holdout`) and on what they assume (`assumptions`); the engine
writes each customer's value by joining the cells' scores back. What follows for segments, channels and retention is in
`implications`. Time is in weeks, money in the source's currency.
"""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.cltv.forecast import KEYS
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = [
    "FEWEST_REPEATERS",
    "count_cells",
    "count_groups",
    "count_value_cells",
    "histories",
]

if TYPE_CHECKING:
    pass

FEWEST_REPEATERS = 30
"""Fewer customers who came back than this leave four parameters to chance: their intervals span orders of magnitude."""
FEWEST_WEEKS = 8
"""A shorter log cannot be split into a past to learn from and a future to be tested on."""


# --- count -----------------------------------------------------------------------------------------------------------


def histories(shop: Shop, until: dt.date | None = None, recent_weeks: int = 0) -> ir.Table:
    """`measures.purchase_history`, computed once in a run: every count of this stage rests on it."""
    return shop.keep(measures.purchase_history(shop, until, recent_weeks))


def count_cells(
    shop: Shop, until: dt.date | None = None, keep: Callable[[ir.Table], ir.BooleanValue] | None = None
) -> pd.DataFrame:
    """How many customers share a purchase history, by the day.

    Args:
        shop: the company.
        until: the last day that counts as past; None for the last day observed.
        keep: of which customers, by the rows of `purchase_history`; None for all.

    Returns:
        One row per (frequency, recency_days, T_days): recency_weeks, T_weeks; customers; repeat_spend and
        repeat_spend_squared, summed over them; later_purchases, their purchase days after `until`.

    Raises:
        NotEnoughData: fewer than 30 customers came back, or the log is shorter than 8 weeks.
    """
    history = histories(shop, until)
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
            "Only {n} customers have bought on a second day; a purchase model needs {least}. Come back with a"
            " longer log.",
            n=repeaters,
            least=FEWEST_REPEATERS,
        )
    if (days := int(frame["T_days"].max())) < 7 * FEWEST_WEEKS:
        raise NotEnoughData(
            "The log covers {days} days; a purchase model needs {least} weeks.", days=days, least=FEWEST_WEEKS
        )
    return frame.assign(recency_weeks=frame["recency_days"] / 7, T_weeks=frame["T_days"] / 7)


def count_value_cells(shop: Shop, until: dt.date | None = None) -> pd.DataFrame:
    """How many repeat customers spend alike: cells for Gamma–Gamma.

    Returns:
        One row per frequency (≥ 1) and bin, 0.01 wide, of the log of a customer's mean repeat value: customers, and
        log_mean_value, the mean of that log over them. Customers whose repeat purchases cost nothing are left out.
    """
    history = histories(shop, until)
    repeaters = history.filter(history.frequency > 0, history.repeat_spend > 0)
    repeaters = repeaters.mutate(log_mean=(repeaters.repeat_spend / repeaters.frequency).ln())
    repeaters = repeaters.mutate(bin=(repeaters.log_mean * 100).floor().cast("int64"))
    cells = repeaters.group_by("frequency", "bin").aggregate(
        customers=repeaters.count(), log_mean_value=repeaters.log_mean.mean().round(12)
    )
    return shop.count(cells.order_by("frequency", "bin"))


def count_groups(shop: Shop, rows: ir.Table) -> pd.DataFrame:
    """How many customers of each kind a group has, as `add_up` asks for.

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
