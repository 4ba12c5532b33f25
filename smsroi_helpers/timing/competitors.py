"""At which hours competitors send: a description of the competitor messages observed."""

import ibis
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop

__all__ = [
    "count_competitors",
]


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
