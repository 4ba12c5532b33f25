"""Cohort triangles: who of those who came in one month bought, or still consented, so many months later.

Age 0 is the month of the first purchase (or of the opt-in) itself. A month that the log does not cover whole has no
row: it would read as a drop. Each customer of a cohort counts once, so the intervals are Wilson's (1927).

A log that begins in the middle of a business makes old customers look new: in its first months most first purchases in
the log are repeat purchases. Where `customers.joined_at` shows it, cohorts are as of the log; else the cohorts that
began within `settle_days` of the log's first day are marked, and kept out of what is said of all cohorts together.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from smsroi_helpers import measures
from smsroi_helpers.retention.counts import (
    count_consent_months,
    count_order_months,
    month_of,
    whole_months,
)
from smsroi_helpers.retention.spells import knows_consent
from smsroi_helpers.source import Shop

__all__ = [
    "Triangle",
    "consent_triangle",
    "order_triangle",
    "pool_ages",
    "rates_by_age",
    "wilson",
]

Kept = Literal["orders", "consent"]


@dataclass(frozen=True)
class Triangle:
    """One triangle; `rows` is empty where the log covers no month whole, or the source does not know."""

    kept: Kept
    """What is retained: `orders` (bought in the month) or `consent` (still given at the end of the month)."""
    rows: pd.DataFrame
    """cohort (first day of the month), age (months), customers (of the cohort), retained, rate, low, high (95 %),
    settled (False for cohorts that may hold old customers)."""
    known: bool = True
    """Whether the source records what is retained at all."""

    @property
    def pooled(self) -> pd.DataFrame:
        """`pool_ages` of the settled cohorts, or of all where none is."""
        settled = self.rows[self.rows["settled"].astype(bool)] if len(self.rows) else self.rows
        return pool_ages(settled if len(settled) else self.rows)


def rates_by_age(rows: pd.DataFrame, cohorts: list[object]) -> pd.DataFrame:
    """The rates of some cohorts (rows), by age (columns); NaN where the triangle has none.

    Args:
        rows: of `Triangle.rows`.
        cohorts: in the order wanted.
    """
    own = rows[rows["cohort"].isin(cohorts)]
    return own.pivot_table(index="cohort", columns="age", values="rate").reindex(cohorts)


def wilson(count: pd.Series, customers: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """95 % limits of a share (Wilson 1927), which contain the share whatever the rounding."""
    n = customers.to_numpy(float)
    share = count.to_numpy(float) / np.where(n > 0, n, np.nan)
    low, high = proportion_confint(np.where(n > 0, count, 0), np.where(n > 0, n, 1), method="wilson")
    return np.minimum(low, share), np.maximum(high, share)


def order_triangle(shop: Shop, settle_days: int) -> Triangle:
    """Who bought again so many calendar months after the month of the first purchase.

    Args:
        shop: the company; without orders there are no rows.
        settle_days: cohorts that begin within so many days of the log's first day may hold old customers.
    """
    first = shop.loaded.tables["orders"].first if shop.has("orders") else None
    if first is None:
        return Triangle("orders", _rows("orders", []), known=False)
    begins, ends = whole_months(dt.date.fromisoformat(first), shop.as_of)
    cells = count_order_months(shop)
    settles = dt.date.min if began_with_log(shop) else dt.date.fromisoformat(first) + dt.timedelta(days=settle_days)
    found = []
    for cohort, own in cells[cells["cohort"] >= begins].groupby("cohort"):
        bought = own.set_index("month")["customers"]
        size = int(bought.get(cohort, 0))
        for age in range(ends - int(cohort) + 1):
            found.append((month_of(int(cohort)), age, size, int(bought.get(cohort + age, 0)), settles))
    return Triangle("orders", _rows("orders", found))


def began_with_log(shop: Shop) -> bool:
    """Whether the source shows that customers are as new as the log: nobody who bought had joined before it began."""
    first = shop.loaded.tables["orders"].first if shop.has("orders") else None
    if first is None or not shop.has("customers", "joined_at"):
        return False
    bought = measures.purchases(shop)
    people = shop.customers.semi_join(bought, "customer_id")
    people = people.filter(people.joined_at.notnull())
    counted = shop.count(
        people.aggregate(
            known=people.count(),
            old=people.count(where=people.joined_at < shop.start_of(dt.date.fromisoformat(first))),
        )
    ).iloc[0]
    return bool(counted["known"]) and not counted["old"]


def consent_triangle(shop: Shop) -> Triangle:
    """Who still consented at the end of the month, so many calendar months after the month of the opt-in.

    Only customers who opted in after the log began are in it, so every cohort is settled.
    """
    cells = count_consent_months(shop)
    if not len(cells):
        return Triangle("consent", _rows("consent", []), known=knows_consent(shop))
    ends = whole_months(shop.as_of, shop.as_of)[1]
    found = []
    for cohort, own in cells.groupby("cohort"):
        size = int(own["customers"].sum())
        for age in range(ends - int(cohort) + 1):
            left = int(own.loc[own["ended"] <= cohort + age, "customers"].sum())
            found.append((month_of(int(cohort)), age, size, size - left, dt.date.min))
    return Triangle("consent", _rows("consent", found))


def _rows(kept: Kept, found: list[tuple[dt.date, int, int, int, dt.date]]) -> pd.DataFrame:
    rows = pd.DataFrame(found, columns=["cohort", "age", "customers", "retained", "settles"])
    settled = [cohort >= settles for cohort, settles in zip(rows["cohort"], rows["settles"], strict=True)]
    rows = rows.drop(columns="settles")
    if not len(rows):
        return rows.assign(rate=[], low=[], high=[], settled=[])
    low, high = wilson(rows["retained"], rows["customers"])
    rows = rows.assign(rate=rows["retained"] / rows["customers"], low=low, high=high, settled=settled)
    if kept == "orders":  # who bought first in a month has bought in it: there is nothing to estimate
        rows.loc[rows["age"] == 0, ["low", "high"]] = np.nan
    return rows


def pool_ages(rows: pd.DataFrame) -> pd.DataFrame:
    """All cohorts together, by age: age, cohorts, customers, retained, rate, low, high.

    Older ages come from older cohorts alone, so a change between cohorts reads as a change with age: see the triangle.
    """
    sums = rows.groupby("age", as_index=False).agg(
        cohorts=("cohort", "nunique"), customers=("customers", "sum"), retained=("retained", "sum")
    )
    if not len(sums):
        return sums.assign(rate=[], low=[], high=[])
    low, high = wilson(sums["retained"], sums["customers"])
    return sums.assign(rate=sums["retained"] / sums["customers"], low=low, high=high)
