"""Messages sent, with all optional columns."""

import ibis.expr.types as ir

from smsroi_helpers.measures.columns import optional
from smsroi_helpers.source import Shop

__all__ = [
    "EVENTS",
    "every_send",
]

EVENTS = ("opened", "clicked", "replied", "opted_out")
"""Events that may follow a message, each with a column `…_at`."""


def every_send(shop: Shop) -> ir.Table:
    """Messages with all optional columns.

    `delivered_at` is `sent_at` where the source records no deliveries; `channel` is in lower case, `sms` where empty.
    """
    messages = shop.messages
    return messages.select(
        ["message_id", "customer_id", "campaign_id", "sent_at"],
        channel=optional(messages, "channel", "string").lower().fill_null("sms"),
        variant=optional(messages, "variant", "string"),
        plan_id=optional(messages, "plan_id", "string"),
        cost=optional(messages, "cost", "float64").fill_null(shop.settings.message_cost or 0.0),
        delivered_at=messages.delivered_at if "delivered_at" in messages.columns else messages.sent_at,
        **{f"{event}_at": optional(messages, f"{event}_at", "timestamp") for event in EVENTS},
    )
