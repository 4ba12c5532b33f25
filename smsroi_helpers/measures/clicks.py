"""Clicks of people, told from those of previews and scanners.

Handsets, carriers and security software open links by themselves: at once, or everything a customer is sent, or a
whole campaign in the same second. Where the first click of a message was a machine's, a person's later one was not
recorded: of such a message it is not known whether somebody clicked, so it counts neither as clicked nor as sent.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.errors import UsageError

__all__ = [
    "Cleaning",
    "judge_clicks",
]


@dataclass(frozen=True)
class Cleaning:
    """What tells a machine's click."""

    fast_seconds: float = 5.0
    """Nobody takes out a telephone, reads and opens a link in less: clicks sooner after delivery are a machine's."""
    everything_share: float = 0.9
    """Who clicks this share of at least `everything_messages` messages has a machine that does."""
    everything_messages: int = 10
    burst_clicks: int = 20
    """So many clicks of one campaign in one second, and ten times as many as in the seconds of the minute around."""
    burst_times: float = 10.0

    def __post_init__(self) -> None:
        if self.fast_seconds < 0 or not 0 < self.everything_share <= 1:
            raise UsageError("fast_click_seconds must be 0 or more")


def judge_clicks(sends: ir.Table, rules: Cleaning) -> ir.Table:
    """The messages with `machine`: none (no click, or a person's), `fast`, `burst` or `everything`.

    Args:
        sends: message rows with customer_id, campaign_id, delivered_at, clicked_at.
        rules: what tells a machine's click.
    """
    seconds = sends.clicked_at.delta(sends.delivered_at, unit="microsecond") / 1_000_000
    sends = sends.mutate(fast=(seconds < rules.fast_seconds).fill_null(False))
    slow = sends.filter(sends.clicked_at.notnull(), ~sends.fast)
    slow = slow.mutate(second=slow.clicked_at.truncate("s"), minute=slow.clicked_at.truncate("m"))
    by_second = slow.group_by("campaign_id", "second", "minute").aggregate(clicks=slow.count())
    minute = ibis.window(group_by=["campaign_id", "minute"])
    by_second = by_second.mutate(others=(by_second.clicks.sum().over(minute) - by_second.clicks) / 59)
    bursts = by_second.filter(
        by_second.clicks >= rules.burst_clicks, by_second.clicks >= rules.burst_times * by_second.others
    ).select(burst_campaign="campaign_id", burst_second="second")
    people = sends.group_by("customer_id").aggregate(n=sends.count(), clicked=sends.clicked_at.notnull().sum())
    people = people.filter(
        people.n >= rules.everything_messages, people.clicked >= rules.everything_share * people.n
    ).select(clicker="customer_id")
    sends = sends.mutate(click_second=sends.clicked_at.truncate("s"))
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
    return sends.mutate(machine=machine).drop("fast", "click_second", "burst_campaign", "burst_second", "clicker")
