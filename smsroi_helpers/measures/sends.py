"""Messages as all stages read them: computed once per run, with human clicks and the recipients' local time."""

import ibis.expr.types as ir

from smsroi_helpers.measures.clicks import classify_clicks
from smsroi_helpers.measures.local_time import local_time, with_zone
from smsroi_helpers.measures.messages import written_sends
from smsroi_helpers.source import Shop, once

__all__ = [
    "every_send",
    "human_clicks",
    "never_reached",
    "sends_with_clock",
]

_UNDELIVERED = 3
"""Fewer texts, none delivered, show no dead number: a phone may be off for a while."""


@once
def sends_with_clock(shop: Shop) -> ir.Table:
    """The columns of `human_clicks`, the recipient's timezone (else the source's), and local_at, the time of sending.

    It is one pass over the messages, which every other query of them then need not repeat: only the columns that a
    query names are read.
    """
    sends = with_zone(shop, classify_clicks(shop, written_sends(shop)))
    return shop.keep(sends.mutate(local_at=local_time(shop, sends.sent_at, sends.timezone)))


@once
def human_clicks(shop: Shop) -> ir.Table:
    """Every message with its click classified as human or machine: the definition of a click for all stages.

    All messages of the source are classified, whatever their channel and age, so that a message has the same
    classification wherever it is counted.

    Args:
        shop: the company, with messages.

    Returns:
        the columns of `every_send`; machine (`none`: no click, or a human one; `fast`, `burst`, `everything`);
        click_known (false where a machine click may hide a human one, or the source records no clicks);
        any_click_at (UTC; human or machine); human_click_at (UTC; null where no human clicked, or it is not known).

    Raises:
        DataError: the source has no messages.
    """
    return sends_with_clock(shop).drop("timezone", "local_at")


@once
def every_send(shop: Shop) -> ir.Table:
    """Messages with all optional columns.

    `channel` is in lower case, `sms` where empty. `cost` is the source's `message_cost` per segment where a message has
    none, else 0; null where neither is known (see `knows_cost`). `delivered_at` is `sent_at` where the
    source records no deliveries, where only the date of the delivery is known, and where a click or a reply shows a
    delivery without a receipt.

    Raises:
        DataError: the source has no messages.
    """
    return sends_with_clock(shop).select(written_sends(shop).columns)


def never_reached(shop: Shop, channel: str) -> ir.Table:
    """customer_id of everybody who was sent at least three messages in a channel, and to whom none was delivered.

    A text to them costs money and reaches nobody. Where the source records no deliveries there are none.

    Args:
        shop: the company, with messages.
        channel: in lower case, as of `choose_channel`.

    Raises:
        DataError: the source has no messages.
    """
    sends = every_send(shop)
    sends = sends.filter(sends.channel == channel)
    each = sends.group_by("customer_id").aggregate(
        sent=sends.count(), arrived=sends.count(where=sends.delivered_at.notnull())
    )
    return each.filter(each.sent >= _UNDELIVERED, each.arrived == 0).select("customer_id")
