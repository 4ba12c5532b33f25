"""The numbers of each day by channel and campaign: cells from the engine.

A day is that of sending, on the source's clock. What follows a text counts within its window, and the day's number is
complete when the window of its last text has passed. Opt-outs count on the day of the text, so that they are complete
at once.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import DailyNumbers, Floats

__all__ = ["METRICS", "DailyCells", "count_days", "daily_numbers"]

METRICS = ("delivery_rate", "click_rate", "conversion_rate", "opt_out_rate", "revenue_per_text")
_COLUMNS = ("campaign_id", "channel", "day")
_HISTORY_DAYS = 3 * 366
_FEWEST_TEXTS = 10
"""A day of a series with fewer texts has no number: no rate of fewer people is shown."""
_LARGEST_ORDERS = 0.99
"""The revenue of a text above this quantile of those that brought any counts as the quantile."""


@dataclass(frozen=True)
class DailyCells:
    """What was counted, and which metrics the source has."""

    rows: pd.DataFrame
    """campaign_id, channel, day; sent, delivered, click_texts (delivered, and known whether a human clicked), clicks,
    opt_outs (on the same day), buys (texts with an attributed order), paid (those with revenue), revenue and
    revenue_squared (money; capped).
    """
    first: dt.date
    last: dt.date
    complete: Mapping[str, dt.date]
    """Metric → the last day whose number is complete; a metric that the source does not have is missing."""
    largest_revenue: float
    """The cap of a text's revenue; NaN without orders."""


def count_days(shop: Shop, attribution_hours: int = 72) -> DailyCells:
    """Count texts and what followed by campaign, channel and day, over at most three years.

    Args:
        shop: the company.
        attribution_hours: the window of clicks and orders after delivery.
    """
    if not shop.has("messages"):
        return DailyCells(pd.DataFrame(columns=list(_COLUMNS)), shop.as_of, shop.as_of, {}, float("nan"))
    first = shop.as_of - dt.timedelta(days=_HISTORY_DAYS)
    orders = shop.has("orders")
    rows = measures.message_outcomes(shop, attribution_hours) if orders else measures.local_sends(shop)
    rows = rows.filter(rows.sent_at >= ibis.literal(shop.start_of(first)))
    day = shop.day(rows.sent_at)
    clicked = measures.earliest_click(shop, rows.human_click_at) < rows.delivered_at + ibis.interval(
        hours=attribution_hours
    )
    left = shop.day(rows.opt_out_at) <= day
    rows = rows.select(
        "campaign_id", "channel", "delivered", "click_known",
        day=day,
        clicked=clicked.fill_null(False),
        opted_out=left.fill_null(False),
        bought=rows.attributed_orders > 0 if orders else ibis.literal(False),
        revenue=rows.attributed_revenue if orders else ibis.literal(0.0),
    )  # fmt: skip
    cap = float("nan")
    if orders:
        found = shop.count(rows.aggregate(cap=rows.revenue.quantile(_LARGEST_ORDERS, where=rows.revenue > 0)))
        cap = float(found["cap"].iloc[0])
        rows = rows.mutate(revenue=ibis.least(rows.revenue, cap if cap == cap else 0.0))
    keys = ["campaign_id", "channel", "day"]
    cells = shop.count(
        rows.group_by(keys)
        .aggregate(
            sent=rows.count(),
            delivered=rows.count(where=rows.delivered),
            click_texts=rows.count(where=rows.delivered & rows.click_known),
            clicks=rows.count(where=rows.delivered & rows.click_known & rows.clicked),
            opt_outs=rows.count(where=rows.delivered & rows.opted_out),
            buys=rows.count(where=rows.bought),
            paid=rows.count(where=rows.revenue > 0),
            revenue=rows.revenue.sum().fill_null(0.0),
            revenue_squared=(rows.revenue * rows.revenue).sum().fill_null(0.0),
        )
        .order_by(keys)
    )
    cells["day"] = pd.to_datetime(cells["day"])
    first_day = cells["day"].min().date() if len(cells) else shop.as_of
    return DailyCells(cells, first_day, shop.as_of, _complete(shop, attribution_hours), cap)


def _complete(shop: Shop, attribution_hours: int) -> dict[str, dt.date]:
    hours: dict[str, float] = {}
    if shop.has("messages", "delivered_at"):
        hours["delivery_rate"] = 0
    if measures.knows_clicks(shop):
        hours["click_rate"] = attribution_hours
    if shop.has("orders"):
        hours["conversion_rate"] = hours["revenue_per_text"] = attribution_hours
    if measures.opt_outs(shop) is not None:
        hours["opt_out_rate"] = 0
    return {name: shop.as_of - dt.timedelta(days=math.ceil(hours[name] / 24)) for name in METRICS if name in hours}


def daily_numbers(cells: pd.DataFrame, metric: str, first: dt.date, last: dt.date) -> DailyNumbers:
    """One series: a metric of these cells, by day from first to last.

    Revenue per delivered text is an amount: its relative variance on a day with k texts that brought any is
    E(x²) ÷ (k E(x)²), over the revenue x of such texts on all days (a compound Poisson sum).

    Args:
        cells: rows of `DailyCells`, of one channel or campaign.
        metric: of `METRICS`.
        first: the first day.
        last: the last day.
    """
    events, trials = {
        "delivery_rate": ("delivered", "sent"),
        "click_rate": ("clicks", "click_texts"),
        "conversion_rate": ("buys", "delivered"),
        "opt_out_rate": ("opt_outs", "delivered"),
        "revenue_per_text": ("revenue", "delivered"),
    }[metric]
    days = (last - first).days + 1
    at = ((cells["day"] - pd.Timestamp(first)) // pd.Timedelta(days=1)).to_numpy(np.int64)
    inside = (at >= 0) & (at < days)

    def by_day(name: str) -> Floats:
        return np.bincount(at[inside], cells[name].to_numpy(float)[inside], days).astype(float)

    value, size = by_day(events), by_day(trials)
    enough = size >= _FEWEST_TEXTS
    if metric != "revenue_per_text":
        return DailyNumbers("share", first.weekday(), value, np.where(enough, size, 0.0))
    paid, total = by_day("paid"), value.sum()
    relative = by_day("revenue_squared").sum() * paid.sum() / total**2 if total > 0 else 1.0
    enough &= paid > 0
    return DailyNumbers(
        "quantity", first.weekday(), np.where(enough, value / np.maximum(size, 1.0), 1.0),
        np.where(enough, paid / relative, 0.0),
    )  # fmt: skip
