"""Merge the rows of a gateway that logs one row per billing segment into one row per message."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import EVENTS_AFTER
from smsroi_helpers.engine import local_time

__all__ = [
    "merge_segments",
]

_SMALL = 200_000
_PARTS = 16
_MOST_SEGMENTS = 10
"""Longest text that carriers take, in segments; more rows of one second are something else."""
_FEWEST_LONG = 0.2
"""Smallest share of a campaign's messages with several rows. A text has several segments for most of its recipients; a
few rows of the same second are messages that were sent twice."""
_MOST_MIXED = 0.1
"""Largest share of groups whose rows differ in clicks, replies or opt-outs, which are those of a whole message."""


def merge_segments(rows: ir.Table, zone: str) -> ir.Table | None:
    """Return one row per message with its number of `segments`; None if every row is a message.

    Rows of one recipient, campaign, variant, channel and second are segments of one message, if many of a campaign's
    messages have several rows. They differ in their ids. If rows of such groups differ in clicks or other answers, they
    are messages of their own. So are rows at midnight, whose time may be unknown. A source with a column `segments` has
    one row per message.

    The merged row has the smallest id, the sum of the costs, and the first of each event; it was delivered with its
    last segment, or not at all if a segment was not.

    Args:
        rows: valid messages, typed.
        zone: time zone of the source.
    """
    if "segments" in rows.columns:
        return None
    second = rows.sent_at.truncate("s")
    parts = [
        "customer_id",
        "campaign_id",
        *(name for name in ("channel", "variant", "plan_id") if name in rows.columns),
    ]
    some = rows
    if rows.count().execute() > _SMALL:  # if texts have several segments, a part of the customers shows it
        some = rows.filter(rows.customer_id.hash() % _PARTS == 0)
    timed = some.filter(~_is_midnight(some, zone))
    hashed = timed.select(key=_hash_of(timed, parts))
    counts = hashed.aggregate(n=hashed.count(), distinct=hashed.key.nunique()).to_pyarrow().to_pylist()[0]
    if counts["n"] == counts["distinct"]:
        return None
    keyed = rows.mutate(second__=second, own__=ibis.ifelse(_is_midnight(rows, zone), rows.message_id, ""))
    long = _campaigns_of_segments(keyed, [*parts, "second__", "own__"])
    if not long:
        return None
    keyed = keyed.mutate(own__=ibis.ifelse(keyed.campaign_id.isin(long), keyed.own__, keyed.message_id))
    grouped = keyed.group_by([*parts, "second__", "own__"])
    return grouped.aggregate(**_merged(keyed, parts)).select([*rows.columns, "segments"])


def _is_midnight(rows: ir.Table, zone: str) -> ir.BooleanValue:
    local = local_time(rows.sent_at, zone)
    return local == local.truncate("D")


def _campaigns_of_segments(rows: ir.Table, group: list[str]) -> list[str]:
    """Return the campaigns of which the rows are billing segments."""
    answers = [name for name in EVENTS_AFTER if name in rows.columns and name != "delivered_at"]
    differ = [rows[name].count().between(1, rows.count() - 1) for name in answers]
    found = rows.group_by(group).aggregate(n=rows.count(), mixed=ibis.or_(ibis.literal(False), *differ))
    campaigns = found.group_by("campaign_id").aggregate(
        messages=found.count(),
        several=(found.n > 1).sum(),
        most=found.n.max(),
        mixed=found.mixed.cast("int64").sum(),
    )
    long = campaigns.filter(
        campaigns.several >= _FEWEST_LONG * campaigns.messages,
        campaigns.several > 0,
        campaigns.most <= _MOST_SEGMENTS,
        campaigns.mixed <= _MOST_MIXED * campaigns.several,
    )
    return list(long.order_by("campaign_id").campaign_id.execute())


def _hash_of(rows: ir.Table, parts: list[str]) -> ir.IntegerValue:
    key = rows.sent_at.truncate("s").hash()
    for name in parts:
        key = key ^ rows[name].hash()
    return key


def _merged(rows: ir.Table, parts: list[str]) -> dict[str, ir.Value]:
    merged: dict[str, ir.Value] = {"segments": rows.count()}
    for name in rows.columns:
        if name in parts or name.endswith("__"):
            continue
        column = rows[name]
        if name == "cost":
            merged[name] = column.sum()
        elif name == "delivered_at":
            merged[name] = ibis.ifelse(column.count() == rows.count(), column.max(), ibis.null("timestamp"))
        else:
            merged[name] = column.min()
    return merged
