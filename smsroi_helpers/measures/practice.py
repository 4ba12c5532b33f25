"""Today's practice: what was really sent in the last complete weeks, whatever planned it, experiments' arms aside.

A week is a block of seven days, and the last one ends with the last day observed; where the messages end a week or more
before it, with the day of the last one. So no week is cut off, and each weekday counts equally often. An experiment's
arms are the customers whose frequency or hour it set on any of these days: all of a frequency or timing test, and the
untreated arm of a holdout. Content tests change neither, so their customers stay. Who explores for a plan, or is held
out by it, is part of the plan. Where experiments have every message of these weeks, the weeks before them are today's
practice, with their own dates.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers.measures.columns import optional
from smsroi_helpers.measures.consent import subscribed
from smsroi_helpers.measures.exposure import untreated_arms
from smsroi_helpers.measures.messages import choose_channel
from smsroi_helpers.measures.plans import find_first_plan
from smsroi_helpers.measures.sends import every_send
from smsroi_helpers.source import Shop

__all__ = [
    "PRACTICE_WEEKS",
    "Practice",
    "customers_in_experiments",
    "experiment_spells",
    "find_practice",
    "last_sending_day",
    "practice_instants",
    "practice_sends",
    "subscriber_weeks",
]

PRACTICE_WEEKS = 4
"""How many weeks are today: about a month, so that a monthly campaign or payday is in it once. In more weeks, a change
of practice, such as a plan of an earlier run, would be mixed with what it replaced."""


@dataclass(frozen=True)
class Practice:
    """The weeks that are called today (or those before a plan), and what was sent in them."""

    channel: str
    """Of the messages counted; empty where the source has none."""
    first_day: dt.date
    last_day: dt.date
    """Both included, in the source's time zone."""
    weeks_covered: int
    """Complete weeks since the channel's first message, at most those asked for. A log younger than a week counts as
    one week, because a first day's sends are no daily habit."""
    messages: int = 0
    """Sent to customers outside experiments, delivered or not."""
    customers: int = 0
    """Customers with any of these messages."""
    aside: int = 0
    """Messages of the same days to experiments' arms, which are not counted."""
    planned: int = 0
    """Of `messages`, those that followed a plan of an earlier run."""
    plan_began: dt.date | None = None
    """First day of the plan that messages followed first (`plans.day_of_plan`); None if none of these weeks' did."""
    plan_first_text: dt.date | None = None
    """Day of the first message that followed a plan, in the source's time zone; None likewise."""
    before_plan: "Practice | None" = None
    """As many weeks up to the day before `plan_first_text`; None without a plan, or where the log begins with it."""

    @property
    def first_days(self) -> tuple[dt.date, ...]:
        """The first day of each week, the earliest first."""
        return tuple(self.first_day + dt.timedelta(weeks=k) for k in range(self.weeks_covered))


def practice_instants(shop: Shop, practice: Practice) -> tuple[dt.datetime, dt.datetime]:
    """Start and end of these weeks (UTC, half-open)."""
    return shop.start_of(practice.first_day), shop.start_of(practice.last_day + dt.timedelta(days=1))


def find_practice(shop: Shop, weeks: int = PRACTICE_WEEKS, channel: str = "") -> Practice:
    """The weeks that are called today in the whole run, and what was sent in them.

    Args:
        shop: the company.
        weeks: how many complete weeks up to the last day observed.
        channel: as for `choose_channel`.
    """
    channel = choose_channel(shop, channel)
    if not channel:
        return _weeks_until("", shop.as_of, weeks, None)
    sends = every_send(shop)
    sends = sends.filter(sends.channel == channel)
    earliest = shop.count(sends.aggregate(first=shop.day(sends.sent_at.min())))["first"].iloc[0]
    first, last = None if pd.isna(earliest) else pd.Timestamp(earliest).date(), last_sending_day(shop, channel)
    practice = _outside_experiments(shop, _count(shop, _weeks_until(channel, last, weeks, first)), weeks, first)
    plan = find_first_plan(shop, sends) if practice.planned else None
    if plan is None:
        return practice
    earlier = plan.first_text - dt.timedelta(days=1)
    covered = first is not None and first + dt.timedelta(days=6) <= earlier
    before = _count(shop, _weeks_until(channel, earlier, weeks, first)) if covered else None
    return Practice(
        **{**vars(practice), "plan_began": plan.began, "plan_first_text": plan.first_text, "before_plan": before}
    )


def last_sending_day(shop: Shop, channel: str) -> dt.date:
    """The last day observed; where the channel's messages end a week or more before it, the day of the last one."""
    sends = every_send(shop)
    sends = sends.filter(sends.channel == channel)
    latest = shop.count(sends.aggregate(last=shop.day(sends.sent_at.max())))["last"].iloc[0]
    day = shop.as_of if pd.isna(latest) else pd.Timestamp(latest).date()
    return day if day <= shop.as_of - dt.timedelta(days=7) else shop.as_of


def _weeks_until(channel: str, last: dt.date, weeks: int, first: dt.date | None) -> Practice:
    """The complete weeks up to `last` that a log since `first` covers, at most `weeks`, without counts."""
    covered = weeks if first is None else max(1, min(weeks, ((last - first).days + 1) // 7))
    return Practice(channel, last - dt.timedelta(days=7 * covered - 1), last, covered)


def _outside_experiments(shop: Shop, practice: Practice, weeks: int, first: dt.date | None) -> Practice:
    """The practice, or the latest one before it where every message of its weeks went to experiments' arms."""
    found = practice
    while first is not None and not found.messages and found.aside and found.first_day >= first + dt.timedelta(days=7):
        found = _count(shop, _weeks_until(found.channel, found.first_day - dt.timedelta(days=1), weeks, first))
    return found if found.messages else practice


def _count(shop: Shop, practice: Practice) -> Practice:
    """The practice with what was sent in its weeks."""
    every, outside = (_in_window(shop, practice), practice_sends(shop, practice))
    sent = int(shop.count(every.aggregate(n=every.count()))["n"].iloc[0])
    counts = outside.aggregate(
        messages=outside.count(), customers=outside.customer_id.nunique(), planned=outside.plan_id.count()
    )
    found = {name: int(n) for name, n in shop.count(counts).iloc[0].items()}
    return Practice(**{**vars(practice), **found, "aside": sent - found["messages"]})


def _in_window(shop: Shop, practice: Practice) -> ir.Table:
    start, end = practice_instants(shop, practice)
    sends = every_send(shop)
    inside = (sends.sent_at >= ibis.literal(start)) & (sends.sent_at < ibis.literal(end))
    return sends.filter(sends.channel == practice.channel, inside)


def practice_sends(shop: Shop, practice: Practice) -> ir.Table:
    """The messages of a practice: the columns of `every_send`, of those sent in its weeks outside experiments.

    Raises:
        DataError: the source has no messages.
    """
    sends = _in_window(shop, practice)
    aside = customers_in_experiments(shop, *practice_instants(shop, practice))
    return sends if aside is None else sends.anti_join(aside, "customer_id")


def subscriber_weeks(shop: Shop, practice: Practice, known: Callable[[dt.date], ir.Table]) -> ir.Table:
    """The weeks of a practice by customer: subscribers at the start of a week, and whoever was texted in it.

    Experiments' arms are left out. A customer's frequency is texts ÷ weeks of the whole weeks only: who opts out or
    joins within a week could be sent only part of that week's texts, and would look like somebody who is texted less.
    Whom a plan of these weeks explores with or holds out has no whole weeks either: that frequency was assigned at
    random, to learn from, and is nothing that a change of practice would end.

    Args:
        shop: the company.
        practice: which weeks.
        known: customer_id of everybody known by the end of a day.

    Returns:
        customer_id, week (0 is the first), messages (sent in it), whole (1 if subscribed at its start and at its end,
        and not exploring or held out).
    """
    sends = practice_sends(shop, practice).select("sent_at", addressee="customer_id")
    aside = customers_in_experiments(shop, *practice_instants(shop, practice))
    learning = _explored_or_held_out(shop, practice)
    weeks = []
    for week, day in enumerate(practice.first_days):
        start, end = (ibis.literal(shop.start_of(day + dt.timedelta(weeks=k))) for k in (0, 1))
        people = subscribed(shop, start, known(day - dt.timedelta(days=1)))
        if aside is not None:
            people = people.anti_join(aside, "customer_id")
        stayed = subscribed(shop, end, people)
        if learning is not None:
            stayed = stayed.anti_join(learning, "customer_id")
        stayed = stayed.select(stayer="customer_id")
        sent = sends.filter(sends.sent_at >= start, sends.sent_at < end)
        messaged = sent.group_by("addressee").aggregate(messages=sent.count())
        everybody = ibis.union(people, messaged.select(customer_id="addressee"), distinct=True)
        rows = everybody.left_join(messaged, everybody.customer_id == messaged.addressee)
        rows = rows.left_join(stayed, rows.customer_id == stayed.stayer)
        weeks.append(rows.select(
            "customer_id", week=ibis.literal(week), messages=rows.messages.fill_null(0),
            whole=rows.stayer.notnull().cast("int64"),
        ))  # fmt: skip
    return ibis.union(*weeks) if len(weeks) > 1 else weeks[0]


def _explored_or_held_out(shop: Shop, practice: Practice) -> ir.Table | None:
    """customer_id of those whom a plan followed in these weeks explores with or holds out; None without a plan."""
    if not (practice.planned and shop.has("plans")):
        return None
    followed = practice_sends(shop, practice)
    followed = followed.filter(followed.plan_id.notnull()).select("plan_id").distinct()
    plans = shop.plans.filter(shop.plans.role.isin(["explore", "holdout"]))
    return plans.semi_join(followed, "plan_id").select("customer_id").distinct()


def customers_in_experiments(shop: Shop, start: dt.datetime, end: dt.datetime) -> ir.Table | None:
    """customer_id of customers whose frequency or hour an experiment set at any time in [start, end).

    They are those of `experiment_spells`. None where the source has no experiments.
    """
    if not (shop.has("experiments") and shop.has("assignments")):
        return None
    rows = experiment_spells(shop)
    runs = (rows.assigned_at < ibis.literal(end)) & (rows.ended_at.isnull() | (rows.ended_at > ibis.literal(start)))
    return rows.filter(runs).select("customer_id").distinct()


def experiment_spells(shop: Shop) -> ir.Table:
    """Customers whose frequency or hour an experiment sets: customer_id, assigned_at, ended_at (null: it runs).

    They are all customers of frequency and timing tests, and those of a holdout's untreated arm.

    Args:
        shop: the company, with experiments and assignments.
    """
    experiments = shop.experiments
    experiments = experiments.select(
        "kind", "control_arm", of="experiment_id", ended_at=optional(experiments, "ended_at", "timestamp")
    )
    rows = shop.assignments.join(experiments, shop.assignments.experiment_id == experiments.of)
    by_exposure = [(rows["of"] == name, arm) for name, arm in sorted(untreated_arms(shop).items())]
    untreated = ibis.cases(*by_exposure, else_=rows.control_arm) if by_exposure else rows.control_arm
    in_experiments = rows.kind.isin(["frequency", "timing"]) | ((rows.kind == "holdout") & (rows.arm == untreated))
    return rows.filter(in_experiments).select("customer_id", "assigned_at", "ended_at")
