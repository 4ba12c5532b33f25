"""Merge the rows of a gateway that logs one row per billing segment into one row per message."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract import EVENTS_AFTER
from smsroi_helpers.engine import local_time

__all__ = [
    "merge_segments",
]

_MOST_SEGMENTS = 10
"""Longest text that carriers take, in segments; more rows of one second are something else."""
_MOST_MIXED = 0.1
"""Largest share of groups whose rows differ in clicks, replies or opt-outs, which are those of a whole message."""


def merge_segments(rows: ir.Table, zone: str) -> ir.Table | None:
    """Return one row per message with its number of `segments`; None if every row is a message.

    Rows of one recipient, campaign, variant, channel and second are segments of one message. They differ in their ids.
    If rows of such groups differ in clicks or other answers, they are messages of their own. So are rows at midnight,
    whose time may be unknown. A source with a column `segments` has one row per message.

    The merged row has the smallest id, the sum of the costs, and the first of each event; it was delivered with its
    last segment, or not at all if a segment was not.

    Args:
        rows: valid messages, typed.
        zone: time zone of the source.
    """
    if "segments" in rows.columns:
        return None
    second = rows.sent_at.truncate("s")
    parts = ["customer_id", "campaign_id", *(name for name in ("channel", "variant", "plan_id") if name in rows.columns)]
    local = local_time(rows.sent_at, zone)
    timed = rows.filter(local != local.truncate("D"))
    hashed = timed.select(key=_hash_of(timed, parts))
    counts = hashed.aggregate(n=hashed.count(), distinct=hashed.key.nunique()).to_pyarrow().to_pylist()[0]
    if counts["n"] == counts["distinct"]:
        return None
    answers = [name for name in EVENTS_AFTER if name in rows.columns and name != "delivered_at"]
    place = ibis.ifelse(local == local.truncate("D"), rows.message_id, "")
    keyed = rows.mutate(second__=second, own__=place)
    group = [*parts, "second__", "own__"]
    found = keyed.group_by(group).aggregate(
        n=keyed.count(),
        mixed=ibis.or_(
            ibis.literal(False),
            *(keyed[name].count().between(1, keyed.count() - 1) for name in answers),
        ),
    )
    found = found.filter(found.n > 1)
    groups = found.aggregate(
        n=found.count(), most=found.n.max(), mixed=found.mixed.cast("int64").sum()
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    if not groups["n"] or groups["most"] > _MOST_SEGMENTS or groups["mixed"] > _MOST_MIXED * groups["n"]:
        return None
    return keyed.group_by(group).aggregate(**_merged(keyed, parts)).select([*rows.columns, "segments"])


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
