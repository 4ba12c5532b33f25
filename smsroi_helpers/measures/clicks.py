"""Human clicks, separated from machine clicks of link previews and scanners.

Handsets, carriers and security software open links automatically: immediately after delivery, every link of a customer,
or many links of a campaign in the same second. Only the first click of a message is recorded, so a machine click hides
a later human one. Whether a human clicked such a message is unknown: it counts neither as clicked nor as sent.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.measures.columns import earliest_instant, without_time
from smsroi_helpers.source import Shop

__all__ = [
    "MachineRules",
    "classify_clicks",
    "click_without_time",
    "earliest_click",
    "knows_clicks",
]


@dataclass(frozen=True)
class MachineRules:
    """The rules by which a click is classified as a machine's."""

    fast_seconds: float
    """Clicks sooner after delivery are machine clicks: `fast_click_seconds` of source.yml."""
    everything_share: float = 0.9
    """All clicks of a customer are machine clicks if at least this share of their messages has one."""
    everything_messages: int = 10
    """The fewest messages of a customer for which `everything_share` is applied."""
    burst_clicks: int = 20
    """At least this many clicks of one campaign in one second are a burst, if `burst_times` is exceeded too."""
    burst_times: float = 10.0
    """Clicks of the second ÷ the mean of the other seconds of its minute, from which it is a burst."""


def knows_clicks(shop: Shop) -> bool:
    """Whether the source records clicks."""
    return shop.has("messages", "clicked_at")


def click_without_time(shop: Shop, clicked_at: ir.TimestampValue) -> ir.BooleanValue:
    """Whether each click, human or machine, is known by its date alone."""
    return without_time(shop, clicked_at, "messages", "clicked_at")


def earliest_click(shop: Shop, clicked_at: ir.TimestampValue) -> ir.TimestampValue:
    """The earliest instant (UTC) that each click may mean: the start of the day if its date has no time."""
    return earliest_instant(shop, clicked_at, "messages", "clicked_at")


def classify_clicks(shop: Shop, sends: ir.Table) -> ir.Table:
    """Messages with the click of each classified as human or machine.

    Args:
        shop: the company.
        sends: all messages, as `written_sends` has them.

    Returns:
        their columns and machine, click_known, any_click_at, human_click_at, as `human_clicks` has them.
    """
    if not knows_clicks(shop):
        return sends.mutate(
            machine=ibis.literal("none"),
            click_known=ibis.literal(False),
            any_click_at=ibis.null("timestamp"),
            human_click_at=ibis.null("timestamp"),
        )
    rules = MachineRules(shop.settings.fast_click_seconds)
    # A click whose date has no time says nothing about a machine, except that its owner clicks everything.
    dated = click_without_time(shop, sends.clicked_at)
    sends = sends.mutate(timed_click=ibis.ifelse(dated, ibis.null("timestamp"), sends.clicked_at.cast("timestamp")))
    since = ibis.coalesce(sends.delivered_at, sends.sent_at)
    seconds = sends.timed_click.delta(since, unit="microsecond") / 1_000_000
    sends = sends.mutate(fast=(seconds < rules.fast_seconds).fill_null(False))
    bursts, people = shop.keep(_bursts(sends, rules)), shop.keep(_clickers_of_everything(sends, rules))
    sends = sends.mutate(click_second=sends.timed_click.truncate("s"))
    sends = sends.left_join(
        bursts, [sends.campaign_id == bursts.burst_campaign, sends.click_second == bursts.burst_second]
    )
    sends = sends.left_join(people, sends.customer_id == people.clicker)
    machine = ibis.cases(
        (sends.clicked_at.isnull(), "none"),
        (sends.fast, "fast"),
        (sends.burst_second.notnull(), "burst"),
        (sends.clicker.notnull(), "everything"),
        else_="none",
    )
    sends = sends.mutate(machine=machine).drop(
        "fast", "timed_click", "click_second", "burst_campaign", "burst_second", "clicker"
    )
    known = sends.machine == "none"
    return sends.mutate(
        click_known=known,
        any_click_at=sends.clicked_at.cast("timestamp"),
        human_click_at=ibis.ifelse(known, sends.clicked_at.cast("timestamp"), ibis.null("timestamp")),
    )


def _bursts(sends: ir.Table, rules: MachineRules) -> ir.Table:
    """burst_campaign, burst_second: seconds with more clicks on a campaign than humans could make."""
    slow = sends.filter(sends.timed_click.notnull(), ~sends.fast)
    slow = slow.mutate(second=slow.timed_click.truncate("s"), minute=slow.timed_click.truncate("m"))
    by_second = slow.group_by("campaign_id", "second", "minute").aggregate(clicks=slow.count())
    minute = ibis.window(group_by=["campaign_id", "minute"])
    by_second = by_second.mutate(others=(by_second.clicks.sum().over(minute) - by_second.clicks) / 59)
    return by_second.filter(
        by_second.clicks >= rules.burst_clicks, by_second.clicks >= rules.burst_times * by_second.others
    ).select(burst_campaign="campaign_id", burst_second="second")


def _clickers_of_everything(sends: ir.Table, rules: MachineRules) -> ir.Table:
    """clicker: customers with clicks on nearly all their messages."""
    reached = sends.filter(sends.delivered_at.notnull())
    people = reached.group_by("customer_id").aggregate(n=reached.count(), clicked=reached.clicked_at.notnull().sum())
    return people.filter(
        people.n >= rules.everything_messages, people.clicked >= rules.everything_share * people.n
    ).select(clicker="customer_id")
