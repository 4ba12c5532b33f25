"""What the recipient's clock shows."""

import ibis.expr.types as ir

from smsroi_helpers import engine
from smsroi_helpers.measures.columns import left_join_columns, optional
from smsroi_helpers.source import Shop

__all__ = [
    "local_time",
    "with_zone",
]


def with_zone(shop: Shop, rows: ir.Table) -> ir.Table:
    """The rows, which have a customer_id, with `timezone`: the customer's own, or else the source's."""
    if shop.has("customers", "timezone"):
        rows = left_join_columns(rows, shop.customers.select("customer_id", "timezone"), "customer_id")
    return rows.mutate(timezone=optional(rows, "timezone", "string").fill_null(shop.settings.timezone))


def local_time(shop: Shop, instant: ir.TimestampValue, zone: ir.StringValue) -> ir.TimestampValue:
    """What a clock of the zone shows at an instant (UTC): a timestamp without a zone."""
    return engine.local_time(instant, zone, shop.common_zones)
