"""Expressions shared by the measures: optional columns, left joins, elapsed time."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import local_time, utc_from_local
from smsroi_helpers.source import Shop

__all__ = [
    "dates_only",
    "hours_between",
    "left_join_columns",
    "midnight_before",
    "optional",
]


def optional(table: ir.Table, column: str, kind: str) -> ir.Value:
    """The column, or a null of type `kind` where the source lacks it."""
    return table[column] if column in table.columns else ibis.null(kind)


def hours_between(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    """Elapsed hours between two instants, from microseconds, because coarser units count boundaries crossed."""
    return end.delta(start, unit="microsecond") / 3_600_000_000


def left_join_columns(rows: ir.Table, more: ir.Table, *keys: str) -> ir.Table:
    """Every row with the columns of `more`, which has at most one row per key; null where the key is missing there."""
    more = more.rename({f"{key}__more": key for key in keys})
    joined = rows.left_join(more, [rows[key] == more[f"{key}__more"] for key in keys])
    return joined.drop(*(f"{key}__more" for key in keys))


def dates_only(shop: Shop, table: str, column: str) -> bool:
    """Whether a timestamp column has dates only: every value is a midnight in the source's time zone."""
    rows = getattr(shop, table)
    clock = local_time(rows[column], shop.settings.timezone)
    with_time = rows.filter(rows[column].notnull() & (clock != clock.truncate("D")))
    return bool(shop.count(with_time.aggregate(n=with_time.count()))["n"].iloc[0] == 0)


def midnight_before(shop: Shop, instant: ir.TimestampValue) -> ir.TimestampValue:
    """The start (UTC) of the day of an instant in the source's time zone."""
    zone = shop.settings.timezone
    return utc_from_local(local_time(instant, zone).truncate("D"), zone)
