"""How long customers stay: spells of custom and of consent, one row per customer, as expressions for the engine.

Custom. No customer says when custom ends. A customer counts as gone after a silence of `gone_after_days`, within which
a stated share of all repeat purchases come (`segmentation.find_cuts`). The end is the last purchase before the first
such silence. It becomes known only after the silence, so a customer first seen less than `gone_after_days` ago says
nothing yet, and one seen T days ago is observed up to T − gone_after_days: nobody is counted as staying because the log
ends.
Who buys again after such a silence has come back; the first spell has ended all the same, and `came_back` says so.
Somebody with many pauses is likelier to have a long one among them, so the silence must be one after which few have
come back (`study.choose_silence`).

Consent. It begins with the opt-in, or with the first text where the source records no opt-ins. It ends with the first
opt-out after that (`measures.opt_outs`). Customers who opted in before the log began are observed from its first day
only (delayed entry): those who had left before are not in the log.
"""

import datetime as dt

import ibis
import ibis.expr.types as ir

from smsroi_helpers import measures
from smsroi_helpers.source import Shop

__all__ = [
    "consent_spells",
    "custom_after",
    "custom_spells",
    "first_campaigns",
    "first_text_day",
    "knows_consent",
]


def knows_consent(shop: Shop) -> bool:
    """Whether the source shows how long consent lasts: when it ends, and when it began (an opt-in, or a text)."""
    return measures.opt_outs(shop) is not None and (measures.opt_in_times(shop) is not None or shop.has("messages"))


def custom_spells(shop: Shop, gone_after_days: int) -> ir.Table:
    """The first spell of custom of everybody who has bought.

    Args:
        shop: the company, with orders.
        gone_after_days: the silence (days, ≥ 1) after which a customer counts as gone.

    Returns:
        customer_id; first_day; last_day (the last purchase before the first silence of that length; the last purchase
        so far where there was none); gone (whether there was one); came_back (whether a purchase followed it);
        observed_days (T: from the first day to the last day observed).
    """
    days = measures.purchase_days(shop).select("customer_id", "day")
    following = days.day.lead().over(ibis.window(group_by="customer_id", order_by="day"))
    after = ibis.literal(shop.as_of + dt.timedelta(days=1))
    days = days.mutate(silence=ibis.coalesce(following, after).delta(days.day, unit="day").cast("int64"))
    long = days.silence > gone_after_days
    spells = days.group_by("customer_id").aggregate(
        first_day=days.day.min(), latest=days.day.max(), ended=days.day.min(where=long)
    )
    return spells.select(
        "customer_id",
        "first_day",
        last_day=ibis.coalesce(spells.ended, spells.latest),
        gone=spells.ended.notnull(),
        came_back=(spells.ended < spells.latest).fill_null(False),
        observed_days=shop.days_until_as_of(spells.first_day).cast("int64"),
    )


def custom_after(shop: Shop, gone_after_days: int, starts: ir.Table) -> ir.Table:
    """Custom from a day of each customer's own on (a landmark) to the last purchase before the first long silence.

    Who does not buy after the day, and is known to be gone, ends on it: the share on day 0 is that of customers who
    bought again. As in `custom_spells`, an end is known only after the silence, so nobody is observed for the last
    `gone_after_days`.

    Args:
        shop: the company, with orders.
        gone_after_days: as for `custom_spells`.
        starts: customer_id, start (a day), one row each.

    Returns:
        the columns of `starts` of those who had bought by their day and were not gone then, where the day is at least
        `gone_after_days` before the last one observed; days (until the last purchase, or until the end can be known),
        event (whether the customer is gone).
    """
    spells = custom_spells(shop, gone_after_days).rename(buyer="customer_id")
    rows = starts.join(spells, starts.customer_id == spells.buyer).drop("buyer")
    known = ibis.literal(shop.as_of - dt.timedelta(days=gone_after_days))
    known_gone = (rows.last_day + ibis.interval(days=gone_after_days)).cast("date")
    rows = rows.filter(rows.first_day <= rows.start, ~(rows.gone & (known_gone <= rows.start)), rows.start <= known)
    end = ibis.ifelse(rows.gone, ibis.greatest(rows.last_day, rows.start), known)
    return rows.select(*starts.columns, days=end.delta(rows.start, unit="day").cast("int64"), event=rows.gone)


def consent_spells(shop: Shop) -> ir.Table | None:
    """The last known spell of consent of every customer who has given it; None where consent is not known.

    Returns:
        customer_id; began, ended (days; null where it has not ended); entered: the day from which it was observed.
    """
    withdrawn, opt_ins = measures.opt_outs(shop), measures.opt_in_times(shop)
    if withdrawn is None or not knows_consent(shop):
        return None
    if opt_ins is None:
        sends = measures.every_send(shop)
        given = sends.group_by("customer_id").aggregate(consent_at=sends.sent_at.cast("timestamp").min())
    else:
        given = opt_ins.filter(opt_ins.consent_at.notnull())
    later = withdrawn.rename(person="customer_id")
    later = given.join(later, [given.customer_id == later.person, later.opt_out_at >= given.consent_at])
    first = later.group_by(person="customer_id").aggregate(opt_out_at=later.opt_out_at.min())
    rows = given.left_join(first, given.customer_id == first.person)
    began = shop.day(rows.consent_at)
    return rows.select(
        "customer_id",
        began=began,
        ended=shop.day(rows.opt_out_at),
        entered=ibis.greatest(began, ibis.literal(_log_start(shop))),
    )


def _log_start(shop: Shop) -> dt.date:
    """The first day of the log of messages, else of orders; opt-outs before it may be missing."""
    found = [shop.loaded.tables[name].first for name in ("messages", "orders") if shop.has(name)]
    days = [dt.date.fromisoformat(first) for first in found if first is not None]
    return days[0] if days else shop.as_of


def first_text_day(shop: Shop, channel: str) -> ir.Table:
    """customer_id and start: the day of each customer's first text in a channel."""
    sends = measures.every_send(shop)
    sends = sends.filter(sends.channel == channel)
    return sends.group_by("customer_id").aggregate(start=shop.day(sends.sent_at.cast("timestamp").min()))


def first_campaigns(shop: Shop, channel: str, most: int = 8) -> ir.Table:
    """customer_id, start (day of the first text), segment: its campaign; all but the `most` common ones are one group.

    Who is compared by the first campaign is followed from its day on: a customer has to stay until then to get it.
    """
    sends = measures.every_send(shop)
    sends = sends.filter(sends.channel == channel)
    firsts = sends.group_by("customer_id").aggregate(
        sent_at=sends.sent_at.cast("timestamp").min(), campaign=sends.campaign_id.argmin(sends.sent_at)
    )
    sizes = firsts.group_by("campaign").aggregate(n=firsts.count()).order_by(ibis.desc("n"), "campaign").limit(most)
    names = list(shop.count(sizes)["campaign"])
    return firsts.select(
        "customer_id",
        start=shop.day(firsts.sent_at),
        segment=ibis.ifelse(firsts.campaign.isin(names), firsts.campaign, "all others"),
    )
