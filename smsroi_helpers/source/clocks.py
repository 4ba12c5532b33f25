"""Recognise events that are written on another clock than the texts: their hours are shifted as a whole."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.contract import EVENT_BEFORE_MIDNIGHT
from smsroi_helpers.engine import local_time
from smsroi_helpers.source.loaded import Finding, LoadedTable, finding_of, last_day_seen

__all__ = [
    "daytime_without_orders",
    "find_future",
    "find_other_clocks",
    "find_scheduled",
    "hours_behind",
]

_FEWEST_EVENTS = 20
_FEWEST_ORDERS = 500
_LONGEST_SHIFT = 27
"""Hours between the clocks furthest apart (UTC−12 and UTC+14), and one more."""
_QUICK_SHARE = 0.02
"""Largest share of events in the first hours for these to count as empty. Of real clicks, a third or more come in the
first hour."""
_BULK_SHARE = 0.2
"""Smallest share of events in the hour after these."""
_NIGHT_HOURS = 6
_QUIET_SHARE = 0.04
"""Largest share of orders in the quietest six hours of a day with a night; without a rhythm they have 0.25."""
_DAYTIME = range(10, 22)


def find_other_clocks(tables: Mapping[str, ir.Table], zone: str) -> list[Finding]:
    """Return a warning for each column that seems to be written on another clock than `messages.sent_at`.

    Args:
        tables: the valid tables, with instants in UTC.
        zone: time zone of the source.
    """
    if "messages" not in tables:
        return []
    messages = tables["messages"]
    findings = []
    for name in ("opened_at", "clicked_at", "replied_at"):
        if name in messages.columns:
            counts = _quarters_after(messages, name, zone)
            if hours := hours_behind(counts):
                findings.append(_on_other_clock(messages, name, hours, int(counts.sum()), zone))
    orders = _by_local_hour(tables["orders"].ordered_at, zone) if "orders" in tables else pd.Series(dtype="int64")
    if (start := daytime_without_orders(orders)) is not None:
        sends = _by_local_hour(messages.sent_at, zone)
        rule, n = "on another clock than people's days", int(orders.sum())
        shown = {"start": str(start), "end": str((start + _NIGHT_HOURS) % 24), "zone": zone}
        usual = str(int(sends.idxmax())) if len(sends) else "–"
        findings.append(finding_of("orders", "ordered_at", rule, n, n, "warning", send=usual, **shown))
    return findings


def find_scheduled(loaded: Mapping[str, LoadedTable], tables: Mapping[str, ir.Table], zone: str) -> list[Finding]:
    """Return a note if messages without any event are later than everything that was recorded.

    Args:
        loaded: the tables read.
        tables: the valid tables, with instants in UTC.
        zone: time zone of the source.
    """
    messages = loaded.get("messages")
    if messages is None or not messages.last_seen or not messages.last:
        return []
    day = last_day_seen(loaded, zone)
    if messages.last <= day:
        return []
    later = local_time(tables["messages"].sent_at, zone).date() > ibis.date(day)
    return [finding_of("messages", "sent_at", "scheduled, not sent", int(later.sum().execute()), messages.rows_in)]


def find_future(loaded: Mapping[str, LoadedTable], zone: str) -> list[Finding]:
    """Return a warning for each log of which every row is later than today.

    Args:
        loaded: the tables read.
        zone: time zone of the source.
    """
    today = dt.datetime.now(zoneinfo.ZoneInfo(zone)).date().isoformat()
    times = {"orders": "ordered_at", "messages": "sent_at"}
    return [
        finding_of(name, times[name], "all in the future", table.rows_out, table.rows_in, "warning", day=table.first)
        for name, table in loaded.items()
        if name in times and table.first and table.first > today
    ]


def hours_behind(counts: "pd.Series[int]") -> int:
    """Return by how many whole hours events follow the texts as a whole; 0 if they do not.

    People answer within minutes. If the first answers come only after some hours, but then at once, the clocks differ.

    Args:
        counts: events by the quarters of an hour after the sending (index 0, 1, …).
    """
    total = int(counts.sum())
    if total < _FEWEST_EVENTS:
        return 0
    shares = counts.reindex(range(4 * (_LONGEST_SHIFT + 1)), fill_value=0) / total
    first = next((int(quarter) for quarter, share in shares.cumsum().items() if share > _QUICK_SHARE), 0)
    return first // 4 if first % 4 == 0 and shares[first : first + 3].sum() >= _BULK_SHARE else 0


def daytime_without_orders(counts: "pd.Series[int]") -> int | None:
    """Return the first of the six hours in a row with fewest orders, if they are daytime; None if not, or unknown.

    Args:
        counts: orders by hour of the day (0–23) on the source's clock.
    """
    total = int(counts.sum())
    if total < _FEWEST_ORDERS:
        return None
    by_hour = counts.reindex(range(24), fill_value=0)
    windows = {start: sum(int(by_hour[(start + k) % 24]) for k in range(_NIGHT_HOURS)) for start in range(24)}
    start = min(windows, key=lambda hour: windows[hour])
    quiet = windows[start] <= _QUIET_SHARE * total
    return start if quiet and (start + _NIGHT_HOURS // 2) % 24 in _DAYTIME else None


def _quarters_after(messages: ir.Table, name: str, zone: str) -> "pd.Series[int]":
    """Count the events that have a time by quarters of an hour after the sending."""
    end_of_day = local_time(messages[name], zone) + ibis.interval(microseconds=EVENT_BEFORE_MIDNIGHT)
    rows = messages.filter(messages[name].notnull(), end_of_day != end_of_day.truncate("D"))
    quarters = (rows[name].epoch_seconds() - rows.sent_at.epoch_seconds()) // 900
    counts = rows.select(quarter=quarters).group_by("quarter").aggregate(n=ibis._.count()).order_by("quarter")
    return counts.filter(counts.quarter < 4 * (_LONGEST_SHIFT + 1)).execute().set_index("quarter")["n"]


def _by_local_hour(instants: ir.TimestampValue, zone: str) -> "pd.Series[int]":
    """Count rows by hour of the day on the source's clock; midnights, which may be dates, are left out."""
    local = local_time(instants, zone)
    rows = instants.as_table().select(hour=local.hour(), midnight=local == local.truncate("D"))
    counts = rows.filter(~rows.midnight).group_by("hour").aggregate(n=ibis._.count()).order_by("hour")
    return counts.execute().set_index("hour")["n"]


def _on_other_clock(messages: ir.Table, name: str, hours: int, n: int, zone: str) -> Finding:
    first = messages.sent_at.min().execute()
    instant = pd.Timestamp(first).to_pydatetime().replace(tzinfo=dt.UTC)
    offset = instant.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() or dt.timedelta()
    sent_clock = _offset_name(offset - dt.timedelta(hours=hours))
    shown = {"hours": str(hours), "zone": zone, "sent_clock": sent_clock, "name": name}
    return finding_of("messages", name, "on another clock than sent_at", n, None, "warning", **shown)


def _offset_name(offset: dt.timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")
