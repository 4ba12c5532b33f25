"""Local time in the recipient's time zone."""

import datetime as dt
import zoneinfo

import ibis
import ibis.expr.types as ir

from smsroi_helpers import engine
from smsroi_helpers.measures.columns import left_join_columns, optional
from smsroi_helpers.source import Shop

__all__ = [
    "instant_of",
    "local_time",
    "with_zone",
]


def with_zone(shop: Shop, rows: ir.Table) -> ir.Table:
    """Add `timezone` to rows with a customer_id: the customer's own, else the source's."""
    if shop.has("customers", "timezone"):
        rows = left_join_columns(rows, shop.customers.select("customer_id", "timezone"), "customer_id")
    return rows.mutate(timezone=optional(rows, "timezone", "string").fill_null(shop.settings.timezone))


def local_time(shop: Shop, instant: ir.TimestampValue, zone: ir.StringValue) -> ir.TimestampValue:
    """Convert an instant (UTC) to local time in a zone: a timestamp without a zone."""
    read = engine.local_time(instant, zone)
    common = [(zone == name, engine.local_time_within(instant, name, shop.span)) for name in shop.common_zones]
    return ibis.cases(*common, else_=read) if common else read


def instant_of(day: dt.date, hour: int, zone: str) -> dt.datetime:
    """The instant (UTC, without a zone) of an hour (0–24) of a local day; 24 is the midnight that ends it.

    >>> instant_of(dt.date(2026, 10, 25), 4, "Europe/Berlin")
    datetime.datetime(2026, 10, 25, 3, 0)
    """
    clock = dt.datetime.combine(day, dt.time()) + dt.timedelta(hours=hour)
    return clock.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC).replace(tzinfo=None)
