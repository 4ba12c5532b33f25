"""Messages with the recipients' local time."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.measures.columns import hours_between
from smsroi_helpers.measures.messages import EVENTS
from smsroi_helpers.measures.sends import sends_with_clock
from smsroi_helpers.source import Shop, once

__all__ = ["local_sends"]


@once
def local_sends(shop: Shop) -> ir.Table:
    """One row per message sent, delivered or not, with the recipient's local time of sending.

    Returns:
        message_id, customer_id, campaign_id, channel (`sms` where the source does not say), variant, plan_id; cost
        (money; as `every_send` has it); sent_at, delivered_at (UTC; the same
        where the source has no deliveries, null = not delivered), delivered; observed_hours: from delivery (else
        sending) to the end of the last day observed, to leave out messages whose outcome window has not ended;
        timezone (the recipient's, else the source's); local_at, local_date, weekday (0 = Monday) and hour (0–23) of
        sending, which the sender chooses, unlike delivery; opened_at, clicked_at, replied_at, opted_out_at (UTC),
        and whether each happened as opened, clicked, replied, opted_out: null where the source has no such column
        (unknown); machine, click_known, any_click_at and human_click_at as `human_clicks` has
        them; opt_out_at (UTC), the opt-out that the gateway linked to the message.
    """
    sends = sends_with_clock(shop)
    since = ibis.coalesce(sends.delivered_at, sends.sent_at)
    events = {
        name: sends[f"{name}_at"].notnull() if shop.has("messages", f"{name}_at") else ibis.null("boolean")
        for name in EVENTS
    }
    return sends.mutate(
        opt_out_at=sends.opted_out_at,
        delivered=sends.delivered_at.notnull(),
        observed_hours=hours_between(since, ibis.literal(shop.end)),
        local_date=sends.local_at.date(),
        weekday=sends.local_at.day_of_week.index().cast("int64"),
        hour=sends.local_at.hour().cast("int64"),
        **events,
    )
