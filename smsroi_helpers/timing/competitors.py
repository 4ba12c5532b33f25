"""At which hours competitors send: a description of the competitor messages observed."""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop
from smsroi_helpers.timing.best_hours import Answer

__all__ = [
    "Crowding",
    "count_competitors",
    "measure_crowding",
]


@dataclass(frozen=True)
class Crowding:
    """How many texts of competitors come at the hours that may be the best."""

    messages: int
    """Of competitors, at any hour."""
    hours: tuple[int, ...]
    """The hours (0–23) in the set of the best; empty where no hour is distinguishable from another."""
    share: float
    """Share (0–1) of competitors' messages at these hours."""
    even: float
    """The share (0–1) if competitors' messages were spread evenly over the day."""


def measure_crowding(competitors: pd.DataFrame, answers: Sequence[Answer]) -> Crowding:
    """Competitors' messages at the hours that may be the best for all customers.

    Args:
        competitors: of `count_competitors`.
        answers: of `best_hours.find_best_hours`; the first is that of all customers.
    """
    hours: set[int] = set()
    if answers and not answers[0].chosen.all():
        windows = answers[0].windows[answers[0].chosen]
        hours = {hour for row in windows.itertuples() for hour in range(row.hour, row.until)}
    share = float(competitors.set_index("hour")["share"].reindex(sorted(hours)).sum())
    return Crowding(int(competitors["messages"].sum()), tuple(sorted(hours)), share, len(hours) / 24)


def count_competitors(shop: Shop) -> pd.DataFrame | None:
    """By hour (0–23): messages, share of all competitors' messages observed; None where the source has none.

    The hour is in the most common time zone of the region's customers where a region is given, else in the source's.
    """
    if not shop.has("competitor_messages"):
        return None
    rows = shop.competitor_messages
    zone: ibis.Value = ibis.literal(shop.settings.timezone)
    if shop.has("competitor_messages", "region") and shop.has("customers", "region", "timezone"):
        people = shop.customers.filter(shop.customers.timezone.notnull())
        sizes = people.group_by("region", "timezone").aggregate(n=people.count())
        place = ibis.row_number().over(ibis.window(group_by="region", order_by=[ibis.desc("n"), "timezone"]))
        zones = sizes.mutate(place=place).filter(ibis._.place == 0).select(home="region", zone="timezone")
        rows = rows.left_join(zones, rows.region == zones.home)
        zone = rows.zone.fill_null(shop.settings.timezone)
    rows = rows.mutate(dated=measures.without_time(shop, rows.sent_at, "competitor_messages", "sent_at"))
    rows = rows.filter(~rows.dated)  # a date without a time tells no hour
    rows = rows.mutate(hour=measures.local_time(shop, rows.sent_at, zone).hour().cast("int64"))
    found = shop.count(rows.group_by("hour").aggregate(messages=rows.count()).order_by("hour"))
    if not len(found):
        return None
    found = found.set_index("hour")["messages"].reindex(range(24), fill_value=0).rename_axis("hour").reset_index()
    return found.assign(share=found["messages"] / found["messages"].sum())
