"""KPIs of customers by month and segment: active customers, repurchase, revenue, acquisition cost, recommendation."""

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.counts import ALL, BETWEEN, Known, first_month, label_by_month
from smsroi_helpers.effectiveness.kpis import KPI_COLUMNS, without_error
from smsroi_helpers.engine import total
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import by_group, jackknife_rate, jackknife_ratio

__all__ = [
    "ACTIVITY_KPIS",
    "REPURCHASE_DAYS",
    "count_activity",
    "estimate_activity",
]

ACTIVITY_KPIS: dict[str, tuple[str, str, bool]] = {
    "repurchase_rate": ("bought_again", "bought", True),
    "dau_mau": ("active_share", "active", True),
    "arpu": ("revenue", "active", False),
    "cac": ("acquisition_cost", "acquired", False),
    "nps": ("promoters_less_detractors", "respondents", False),
}
"""KPI → numerator, denominator, whether it is a share.

One row per customer and month: `active` (a purchase, a click of a person or a visit), `active_share` (days active ÷
days of the month), `bought` (in a month since whose end `REPURCHASE_DAYS` have passed), `bought_again` (within
`REPURCHASE_DAYS` of the month's first purchase), `revenue` (less refunds); `acquired` (joined, with a known cost);
`respondents` (their last score of the month)."""
_SUMS = tuple(dict.fromkeys(name for top, bottom, _share in ACTIVITY_KPIS.values() for name in (top, bottom)))
REPURCHASE_DAYS = 90
"""Every buyer of a month is followed for as long, whatever the age of the log; months that are not yet have no rate."""
PROMOTER, DETRACTOR = 9, 6
"""Scores from 9 on recommend, scores up to 6 do not (Reichheld 2003, Harvard Business Review 81(12))."""


def count_activity(shop: Shop, *, log_months: int = 12, segment_by: str = "rfm_group") -> pd.DataFrame:
    """Sums of customer-months by everything they are given by, and group of customers.

    Args:
        shop: the company.
        log_months: calendar months up to the last day observed.
        segment_by: the grouping of customers, as of the day before each month.

    Returns:
        dimension (`all`, `month`, `segment`, `segment_month`), value, group, customers, the sums of `ACTIVITY_KPIS`.
    """
    first = first_month(shop.as_of, log_months)
    parts = [part for part in (_active(shop, first), _orders(shop, first), _joined(shop, first), _scores(shop, first))
             if part is not None]  # fmt: skip
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    rows = rows.group_by("customer_id", "month").aggregate(**{name: rows[name].sum() for name in _SUMS})
    rows = shop.keep(label_by_month(shop, rows, segment_by))
    keys = {"all": ibis.literal(ALL), "month": rows.month.strftime("%Y-%m"), "segment": rows.segment,
            "segment_month": rows.segment + BETWEEN + rows.month.strftime("%Y-%m")}  # fmt: skip
    cells = []
    for name, key in keys.items():
        each = rows.mutate(dimension=ibis.literal(name), value=key)
        cells.append(
            each.group_by("dimension", "value", "group").aggregate(
                customers=each.customer_id.nunique(), **{column: total(each[column]) for column in _SUMS}
            )
        )
    return shop.count(ibis.union(*cells).order_by("dimension", "value", "group"))


def _row(rows: ir.Table, **columns: ir.Value) -> ir.Table:
    """customer_id, month and every sum, those not named 0."""
    zero = {name: ibis.literal(0.0) for name in _SUMS}
    return rows.select("customer_id", "month", **{**zero, **{k: v.cast("float64") for k, v in columns.items()}})


def _active(shop: Shop, first: dt.date) -> ir.Table:
    days = []
    if shop.has("orders"):
        days.append(measures.purchase_days(shop).select("customer_id", "day"))
    if shop.has("messages"):
        clicks = measures.human_clicks(shop)
        clicks = clicks.filter(clicks.human_click_at.notnull())
        days.append(clicks.select("customer_id", day=shop.day(clicks.human_click_at)))
    if shop.has("visits"):
        days.append(shop.visits.select("customer_id", day=shop.day(shop.visits.visited_at)))
    rows = ibis.union(*days) if len(days) > 1 else days[0]
    rows = rows.filter(rows.day >= ibis.literal(first)).distinct()
    rows = rows.mutate(month=rows.day.truncate("M"))
    rows = rows.group_by("customer_id", "month").aggregate(days=rows.count())
    end = ibis.literal(shop.as_of + dt.timedelta(days=1))
    following = (rows.month.cast("timestamp") + ibis.interval(months=1)).date()
    length = ibis.least(following, end).delta(rows.month, unit="day")
    return _row(rows, active=ibis.literal(1), active_share=rows.days / length)


def _orders(shop: Shop, first: dt.date) -> ir.Table | None:
    if not shop.has("orders"):
        return None
    days = measures.purchase_days(shop)
    days = days.mutate(following=days.day.lead().over(ibis.window(group_by="customer_id", order_by="day")))
    days = days.filter(days.day >= ibis.literal(first)).mutate(month=ibis._.day.truncate("M"))
    bought = days.group_by("customer_id", "month").aggregate(
        day=days.day.min(), following=days.following.min(), spent=days.value.sum()
    )
    settled = (bought.month.cast("timestamp") + ibis.interval(months=1)).date() <= ibis.literal(
        shop.as_of - dt.timedelta(days=REPURCHASE_DAYS - 1)
    )
    again = (bought.following <= bought.day + ibis.interval(days=REPURCHASE_DAYS)).fill_null(False)
    purchases = _row(bought, bought=settled, bought_again=settled & again, revenue=bought.spent)
    back = measures.refunds(shop)
    back = back.filter(back.day >= ibis.literal(first)).mutate(month=ibis._.day.truncate("M"))
    return ibis.union(purchases, _row(back, revenue=-back.refunded))


def _joined(shop: Shop, first: dt.date) -> ir.Table | None:
    if not shop.has("customers", "acquisition_cost", "joined_at"):
        return None
    people = shop.customers.filter(shop.customers.acquisition_cost.notnull(), shop.customers.joined_at.notnull())
    people = people.mutate(day=shop.day(people.joined_at))
    people = people.filter(people.day >= ibis.literal(first)).mutate(month=ibis._.day.truncate("M"))
    return _row(people, acquired=ibis.literal(1), acquisition_cost=people.acquisition_cost)


def _scores(shop: Shop, first: dt.date) -> ir.Table | None:
    if not shop.has("feedback"):
        return None
    rows = shop.feedback.mutate(day=shop.day(shop.feedback.responded_at))
    rows = rows.filter(rows.day >= ibis.literal(first)).mutate(month=ibis._.day.truncate("M"))
    last = rows.group_by("customer_id", "month").aggregate(score=rows.score.argmax(rows.responded_at))
    vote = (last.score >= PROMOTER).cast("int64") - (last.score <= DETRACTOR).cast("int64")
    return _row(last, respondents=ibis.literal(1), promoters_less_detractors=vote)


def estimate_activity(cells: pd.DataFrame, known: Known) -> pd.DataFrame:
    """The KPIs of customers, with intervals over customers.

    Args:
        cells: of `count_activity`.
        known: what the source records.

    Returns:
        the columns of `kpis.KPI_COLUMNS`; customers are those of the denominator (at most its customer-months).
    """
    needs = {"repurchase_rate": known.orders, "arpu": known.orders, "cac": known.acquisition_cost,
             "nps": known.feedback, "dau_mau": True}  # fmt: skip
    parts = []
    for dimension in ("all", "month", "segment", "segment_month"):
        own = cells[cells["dimension"] == dimension]
        if not len(own):
            continue
        keys, sums = by_group(own, ["value"], ["customers", *_SUMS])
        of = dict(zip(("customers", *_SUMS), sums, strict=True))
        for name, (top, bottom, share) in ACTIVITY_KPIS.items():
            if not needs[name] or (name == "cac" and dimension.startswith("segment")):
                continue  # a customer who joins has no segment the day before
            people = np.minimum(of["customers"].sum(axis=-1), of[bottom].sum(axis=-1))
            rate = jackknife_rate(of[top], of[bottom], people) if share else None
            found = rate or jackknife_ratio(of[top], of[bottom])
            rows = pd.DataFrame({
                "dimension": dimension, "value": keys["value"], "kpi": name, "numerator": of[top].sum(axis=-1),
                "denominator": of[bottom].sum(axis=-1), "estimate": found.estimate, "low": found.low,
                "high": found.high, "customers": people,
            })  # fmt: skip
            parts.append(rows[rows["denominator"] > 0])
    if not (parts := [part for part in parts if len(part)]):
        return pd.DataFrame(columns=list(KPI_COLUMNS))
    return without_error(pd.concat(parts, ignore_index=True))
