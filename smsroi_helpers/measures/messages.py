"""Messages sent, with all optional columns."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.measures.columns import optional, without_time
from smsroi_helpers.source import Shop

__all__ = [
    "EVENTS",
    "every_send",
]

EVENTS = ("opened", "clicked", "replied", "opted_out")
"""Events that may follow a message, each with a column `…_at`."""


def every_send(shop: Shop) -> ir.Table:
    """Messages with all optional columns.

    `channel` is in lower case, `sms` where empty. `delivered_at` is `sent_at` where the source records no deliveries,
    where only the date of the delivery is known, and where a click or a reply shows a delivery without a receipt.
    """
    messages = shop.messages
    return messages.select(
        ["message_id", "customer_id", "campaign_id", "sent_at"],
        channel=optional(messages, "channel", "string").lower().fill_null("sms"),
        variant=optional(messages, "variant", "string"),
        plan_id=optional(messages, "plan_id", "string"),
        cost=optional(messages, "cost", "float64").fill_null(shop.settings.message_cost or 0.0),
        delivered_at=_delivered_at(shop),
        **{f"{event}_at": optional(messages, f"{event}_at", "timestamp") for event in EVENTS},
    )


def _delivered_at(shop: Shop) -> ir.TimestampValue:
    messages = shop.messages
    if "delivered_at" not in messages.columns:
        return messages.sent_at
    sent, delivered = messages.sent_at.cast("timestamp"), messages.delivered_at.cast("timestamp")
    answers = [messages[name].notnull() for name in ("clicked_at", "replied_at") if name in messages.columns]
    shown = delivered.isnull() & ibis.or_(ibis.literal(False), *answers)
    return ibis.ifelse(shown | without_time(shop, delivered, "messages", "delivered_at"), sent, delivered)
