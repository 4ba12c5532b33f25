"""Messages sent, with all optional columns; what the source records of them; the channel that is counted."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures.columns import optional, without_time
from smsroi_helpers.source import Shop, once

__all__ = [
    "EVENTS",
    "choose_channel",
    "knows_cost",
    "knows_event",
    "recorded_events",
    "written_sends",
]

EVENTS = ("opened", "clicked", "replied", "opted_out")
"""Events that may follow a message, each with a column `…_at`."""


@once
def written_sends(shop: Shop) -> ir.Table:
    """The columns of `every_send`, computed from the source's messages."""
    messages = shop.messages
    stated = (shop.settings.message_cost or 0.0) if knows_cost(shop) else None
    cost = optional(messages, "cost", "float64")
    segments = optional(messages, "segments", "int64").fill_null(1)
    return messages.select(
        ["message_id", "customer_id", "campaign_id", "sent_at"],
        channel=_channel(messages),
        variant=optional(messages, "variant", "string"),
        plan_id=optional(messages, "plan_id", "string"),
        cost=cost if stated is None else cost.fill_null(segments * stated),
        delivered_at=_delivered_at(shop),
        **{f"{event}_at": optional(messages, f"{event}_at", "timestamp") for event in EVENTS},
    )


def knows_cost(shop: Shop) -> bool:
    """Whether the source says what messages cost: by a column `cost`, or a `message_cost` in source.yml.

    Else profit is before message costs, and pages say so.
    """
    return shop.has("messages", "cost") or shop.settings.message_cost is not None


def knows_event(shop: Shop, event: str) -> bool:
    """Whether messages record an event of `EVENTS`; without the column it is unknown whether it happened."""
    return shop.has("messages", f"{event}_at")


def recorded_events(shop: Shop, sends: ir.Table) -> dict[str, ir.IntegerScalar]:
    """Messages with a time of delivery, and of a click (machines' too), as counts for an aggregate.

    Args:
        shop: the company.
        sends: of `every_send`.

    Returns:
        `delivered` and `clicked`, those that the source records.
    """
    times = {"delivered": sends.delivered_at, "clicked": sends.clicked_at}
    return {event: at.count() for event, at in times.items() if knows_event(shop, event)}


def choose_channel(shop: Shop, wanted: str = "") -> str:
    """The channel whose messages are counted: `wanted`; else `sms`; else the channel with most messages.

    The case of `wanted` does not matter. Empty where the source has no messages.

    Raises:
        UsageError: there are messages, but none of the channel wanted.
    """
    if not shop.has("messages"):
        return ""
    messages = shop.messages.select(channel=_channel(shop.messages))
    found = shop.count(messages.group_by("channel").aggregate(n=messages.count()).order_by(ibis.desc("n"), "channel"))
    names, name = list(found["channel"]), wanted.strip().lower()
    if name and names and name not in names:
        raise UsageError(f"channel={wanted!r}: the source has no messages of it; choose one of {', '.join(names)}")
    return name if name in names else "sms" if "sms" in names else str(names[0]) if names else ""


def _channel(messages: ir.Table) -> ir.StringValue:
    return optional(messages, "channel", "string").lower().fill_null("sms")


def _delivered_at(shop: Shop) -> ir.TimestampValue:
    messages = shop.messages
    if "delivered_at" not in messages.columns:
        return messages.sent_at
    sent, delivered = messages.sent_at.cast("timestamp"), messages.delivered_at.cast("timestamp")
    answers = [messages[name].notnull() for name in ("clicked_at", "replied_at") if name in messages.columns]
    shown = delivered.isnull() & ibis.or_(ibis.literal(False), *answers)
    return ibis.ifelse(shown | without_time(shop, delivered, "messages", "delivered_at"), sent, delivered)
