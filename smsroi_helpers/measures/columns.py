"""Expressions shared by the measures: optional columns, left joins, elapsed time, dates without a time."""

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from smsroi_helpers.contract import EVENT_BEFORE_MIDNIGHT, EVENTS_AFTER
from smsroi_helpers.engine import local_time, utc_from_local
from smsroi_helpers.source import Shop

__all__ = [
    "earliest_instant",
    "hours_between",
    "latest_instant",
    "left_join_columns",
    "mostly_dates",
    "optional",
    "without_time",
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


def without_time(shop: Shop, instants: ir.TimestampValue, table: str, column: str) -> ir.BooleanValue:
    """Whether each instant of a column is a date without a time.

    Clicks and what else follows a message are read as `contract.EVENT_BEFORE_MIDNIGHT`. In other columns a date is read
    as its midnight: if more than half of the values are midnights in the source's time zone, each midnight is a date
    without a time. A single order at midnight is none.

    Args:
        shop: the company.
        instants: values of that column (UTC).
        table: its table.
        column: its name.
    """
    if column not in EVENTS_AFTER:
        return _is_midnight(shop, instants) if mostly_dates(shop, table, column) else ibis.literal(False)
    found = 0
    for name in ("messages", "customers"):
        if shop.has(name, column):
            rows = getattr(shop, name)
            found += int(
                shop.count(rows.aggregate(n=_is_end_of_day(shop, rows[column]).sum().fill_null(0)))["n"].iloc[0]
            )
    return _is_end_of_day(shop, instants) if found else ibis.literal(False)


def mostly_dates(shop: Shop, table: str, column: str) -> bool:
    """Whether more than half of a column's values are midnights in the source's time zone."""
    rows = getattr(shop, table)
    rows = rows.filter(rows[column].notnull())
    counts = shop.count(rows.aggregate(n=rows.count(), midnights=_is_midnight(shop, rows[column]).sum())).iloc[0]
    return bool(counts["n"]) and bool(2 * counts["midnights"] > counts["n"])


def latest_instant(shop: Shop, instants: ir.TimestampValue, table: str, column: str) -> ir.TimestampValue:
    """The latest instant (UTC) that each value may mean: the end of its day for a date `without_time`, else itself."""
    dated = without_time(shop, instants, table, column)
    if isinstance(dated.op(), ops.Literal):
        return instants
    zone = shop.settings.timezone
    end_of_day = local_time(instants, zone).truncate("D") + ibis.interval(days=1) - ibis.interval(microseconds=1)
    return ibis.ifelse(dated, utc_from_local(end_of_day, zone), instants)


def earliest_instant(shop: Shop, instants: ir.TimestampValue, table: str, column: str) -> ir.TimestampValue:
    """The earliest instant (UTC) that each value may mean: the start of its day for a date `without_time`, else itself.

    A window that ends within a day includes what is known to have happened on that day.
    """
    dated = without_time(shop, instants, table, column)
    if isinstance(dated.op(), ops.Literal):
        return instants
    return ibis.ifelse(dated, _start_of_day(shop, instants), instants)


def _start_of_day(shop: Shop, instants: ir.TimestampValue) -> ir.TimestampValue:
    """The first instant (UTC) of the day: later than midnight where the clock skips it."""
    zone = shop.settings.timezone
    return utc_from_local(local_time(instants, zone).truncate("D"), zone)


def _is_end_of_day(shop: Shop, instants: ir.TimestampValue) -> ir.BooleanValue:
    clock = local_time(instants, shop.settings.timezone)
    end_of_day = clock.truncate("D") + ibis.interval(days=1) - ibis.interval(microseconds=EVENT_BEFORE_MIDNIGHT)
    # Clocks of time zones differ by whole seconds.
    end_of_second = instants.truncate("s") + ibis.interval(microseconds=1_000_000 - EVENT_BEFORE_MIDNIGHT)
    return _if_possible(instants == end_of_second, clock == end_of_day)


def _is_midnight(shop: Shop, instants: ir.TimestampValue) -> ir.BooleanValue:
    possible = (instants == instants.truncate("m")) | (instants < _WHOLE_MINUTES)
    return _if_possible(possible, instants == _start_of_day(shop, instants))


def _if_possible(possible: ir.BooleanValue, exact: ir.BooleanValue) -> ir.BooleanValue:
    """`exact`, computed only where it is possible: a local time takes far longer than a part of a timestamp."""
    return ibis.ifelse(possible, exact, possible)


_WHOLE_MINUTES = ibis.timestamp("1973-01-01")
"""Since then all time zones differ by whole minutes (tz database: Africa/Monrovia was the last, on 1972-01-07)."""
