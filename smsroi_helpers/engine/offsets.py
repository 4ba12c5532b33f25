"""Local time by the offsets of a zone, which takes a tenth of the time of the engine's own function."""

import datetime as dt
import functools

import duckdb
import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine.duckdb import local_time

__all__ = ["local_time_within"]

Span = tuple[dt.datetime, dt.datetime]


def local_time_within(instant: ir.TimestampValue, zone: str, span: Span) -> ir.TimestampValue:
    """Return the local time of instants in one zone, as `local_time` does.

    Within the span it is the instant plus the zone's offset, of which a year has one or two; outside, `local_time`.

    Args:
        instant: instants in UTC, stored without a zone.
        zone: its name.
        span: the first instant (UTC) of those that are converted by offsets, and the first after them.
    """
    if zone == "UTC":
        return instant
    start, stop = span
    at = instant.cast("timestamp")
    latest_first = [
        (at >= ibis.literal(since), at + ibis.interval(seconds=seconds)) for since, seconds in offsets(zone, span)[::-1]
    ]
    *later, (_, earliest) = latest_first
    local = ibis.cases(*later, else_=earliest) if later else earliest
    inside = (at >= ibis.literal(start)) & (at < ibis.literal(stop))
    return ibis.ifelse(inside, local, local_time(instant, zone))


@functools.cache
def offsets(zone: str, span: Span) -> tuple[tuple[dt.datetime, int], ...]:
    """Return the engine's offsets of a zone in a span: from which instant (UTC), and seconds ahead of UTC.

    Clocks are set at most once a day, and at a quarter of an hour.

    >>> for since, seconds in offsets("Europe/Berlin", (dt.datetime(2024, 1, 1), dt.datetime(2024, 12, 31))):
    ...     print(since, seconds)
    2024-01-01 00:00:00 3600
    2024-03-31 01:00:00 7200
    2024-10-27 01:00:00 3600
    """
    start, stop = span
    query = """
        WITH steps AS (SELECT unnest(range($since, $until, $step)) AS instant),
        ahead AS (SELECT instant, epoch(timezone($zone, timezone('UTC', instant)) - instant)::BIGINT AS s FROM steps)
        SELECT instant, s FROM ahead QUALIFY s IS DISTINCT FROM lag(s) OVER (ORDER BY instant) ORDER BY instant"""
    day, quarter = dt.timedelta(days=1), dt.timedelta(minutes=15)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")

        def changes(since: dt.datetime, until: dt.datetime, step: dt.timedelta) -> list[tuple[dt.datetime, int]]:
            return con.execute(query, {"zone": zone, "since": since, "until": until, "step": step}).fetchall()

        first, *later = changes(start, stop + day, day)
        return (first, *(changes(at - day, at + quarter, quarter)[-1] for at, _ in later))
