"""Messages as they were sent, with the recipient's clock and what followed."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import local_time
from smsroi_helpers.measures.columns import beside, hours_between, optional
from smsroi_helpers.source import Shop

__all__ = [
    "EVENTS",
    "every_send",
    "local_sends",
    "with_zone",
]
EVENTS = ("opened", "clicked", "replied", "opted_out")


def every_send(shop: Shop) -> ir.Table:
    """Messages with every column that is asked of them; delivered_at is sent_at where the log tells no deliveries."""
    messages = shop.messages
    return messages.select(
        ["message_id", "customer_id", "campaign_id", "sent_at"],
        channel=optional(messages, "channel", "string").fill_null("sms"),
        variant=optional(messages, "variant", "string"),
        plan_id=optional(messages, "plan_id", "string"),
        cost=optional(messages, "cost", "float64").fill_null(shop.settings.message_cost or 0.0),
        delivered_at=messages.delivered_at if "delivered_at" in messages.columns else messages.sent_at,
        **{f"{event}_at": optional(messages, f"{event}_at", "timestamp") for event in EVENTS},
    )


def with_zone(shop: Shop, rows: ir.Table) -> ir.Table:
    """The rows, which have a customer_id, with `timezone`: the customer's own, or else the source's."""
    if shop.has("customers", "timezone"):
        rows = beside(rows, shop.customers.select("customer_id", "timezone"), "customer_id")
    return rows.mutate(timezone=optional(rows, "timezone", "string").fill_null(shop.settings.timezone))


def local_sends(shop: Shop) -> ir.Table:
    """One row per message sent, delivered or not, with the time at which its recipient's clock showed it sent.

    Returns:
        message_id, customer_id, campaign_id, channel (`sms` where the source does not say), variant, plan_id; cost
        (money; the source's `message_cost`, else 0, where a message carries none); sent_at, delivered_at (UTC; the same
        where the source has no deliveries, null = not delivered), delivered; observed_hours: from delivery (else
        sending) to the end of the last day observed, so that messages younger than an outcome's window can be left out;
        timezone (the recipient's, else the source's); local_at, local_date, weekday (0 = Monday) and hour (0–23) of
        sending: it is what a sender chooses, delivery is not; opened_at, clicked_at, replied_at, opted_out_at (UTC),
        and whether each happened as opened, clicked, replied, opted_out: null where the source has no such column
        (unknown).
    """
    sends = with_zone(shop, every_send(shop))
    sends = sends.mutate(local_at=local_time(sends.sent_at, sends.timezone, shop.common_zones))
    since = ibis.coalesce(sends.delivered_at, sends.sent_at)
    events = {
        name: sends[f"{name}_at"].notnull() if shop.has("messages", f"{name}_at") else ibis.null("boolean")
        for name in EVENTS
    }
    return sends.mutate(
        delivered=sends.delivered_at.notnull(),
        observed_hours=hours_between(since, ibis.literal(shop.end)),
        local_date=sends.local_at.date(),
        weekday=sends.local_at.day_of_week.index().cast("int64"),
        hour=sends.local_at.hour().cast("int64"),
        **events,
    )
