"""Outcomes of the customers of an experiment's arms."""

import datetime as dt
import zoneinfo
from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import earliest_instant, hours_between, latest_instant, left_join_columns, optional
from smsroi_helpers.measures.consent import consents, earliest_opt_out, opt_in_times, opt_outs
from smsroi_helpers.measures.messages import knows_cost
from smsroi_helpers.measures.moments import CLUSTER
from smsroi_helpers.measures.profit import valued_orders
from smsroi_helpers.measures.sends import human_clicks
from smsroi_helpers.source import Shop, once

__all__ = [
    "Window",
    "arm_outcomes",
    "compute_outcomes",
    "left_early",
    "outcome_windows",
]
Window = Literal["outcome", "treatment"]
"""The end of an experiment's outcome window: its `outcome_until`, or the end of treatment (`ended_at`)."""


def arm_outcomes(shop: Shop, experiment_id: str | None = None, window: Window = "outcome") -> ir.Table:
    """One row per assigned customer and experiment, treated or not (intention to treat).

    The window starts at `assigned_at` (included) and ends at `outcome_until`, else `ended_at`, else the end of the last
    day observed, and never after it (the end is excluded). An order that is a date without a time means the whole day:
    on the assignment's day it counts as after it. Orders, messages and opt-outs before the assignment are not outcomes.
    All of a customer's messages count, from any campaign, because the log does not link messages to experiments.

    Args:
        shop: the company.
        experiment_id: one experiment; None for all.
        window: `treatment` ends at `ended_at` instead, for rates per week of treatment.

    Returns:
        experiment_id, arm, customer_id, assigned_at, assigned_day (in the source's time zone), outcome_end (UTC),
        outcome_days (elapsed; 0 where the assignment came after the end); cluster_id, where the source has it.

        Orders, null where the source has none: ordered (0 or 1), orders (refunds not counted), same_day_orders (of
        them, those of the assignment's day that are dates without a time: some may have come before the assignment),
        revenue (money, less the refunds made within the window), refunds (≥ 0), discount, order_profit (margin ×
        (amount + discount) − discount).

        Messages, null where the source has none: messages (sent within the window), message_cost (null where not
        known), clicked_messages and replied_messages (of them, clicked by a human or replied to before its end; null
        without `clicked_at`, `replied_at`), click_known_messages (of them, those without a machine click), profit =
        order_profit − message_cost (before message costs where these are not known: see `knows_cost`; null without
        orders).

        Visits, null where the source has none: visited (0 or 1, within the window).

        Consent: consenting (0 or 1, at the assignment, by the rule of `consents`; null where the source records
        neither opt-ins nor opt-outs); null where it records no opt-outs: opted_out (0 or 1: an opt-out within the
        window, from `customers` or `messages`), opted_out_at (the first one), subscribed_weeks (within the window,
        until the first opt-out; 0 for customers who did not consent at the assignment).

        The equally long period just before the assignment: pre_ordered, pre_orders, pre_revenue, pre_order_profit; null
        where the order log does not cover it.

    Raises:
        DataError: the source has no experiments or no assignments.
    """
    every = _every_outcome(shop) if window == "outcome" else _every_treatment_outcome(shop)
    return every if experiment_id is None else every.filter(every.experiment_id == experiment_id)


@once
def _every_outcome(shop: Shop) -> ir.Table:
    return shop.keep(compute_outcomes(shop, "outcome"))


@once
def _every_treatment_outcome(shop: Shop) -> ir.Table:
    return shop.keep(compute_outcomes(shop, "treatment"))


def compute_outcomes(shop: Shop, window: Window) -> ir.Table:
    """The rows of `arm_outcomes` for all experiments, which it keeps: one pass over the messages for all queries."""
    people = outcome_windows(shop, window=window)
    rows = _with_orders(shop, people)
    rows = _with_messages(shop, people, rows)
    rows = _with_visits(shop, people, rows)
    return _with_consent(shop, people, rows).drop("pre_start")


def left_early(rows: ir.Table) -> ir.BooleanValue:
    """Whether a customer of `arm_outcomes` opted out in the first half of the window; false where that is not known."""
    return ((rows.opted_out == 1) & (rows.subscribed_weeks < rows.outcome_days / 14)).fill_null(False)


_PERSON = ("experiment_id", "customer_id")


def outcome_windows(shop: Shop, experiment_id: str | None = None, window: Window = "outcome") -> ir.Table:
    """Assigned customers with the windows of their outcomes, as in `arm_outcomes`.

    Returns:
        experiment_id, arm, customer_id, assigned_at, assigned_day, outcome_end, outcome_days; pre_start: the start of
        the equally long period before the assignment; cluster_id, where the source has it (null: none stated).
    """
    experiments, assignments = shop.experiments, shop.assignments
    if experiment_id is not None:
        experiments = experiments.filter(experiments.experiment_id == experiment_id)
    end = ibis.literal(shop.end)
    ended = optional(experiments, "ended_at", "timestamp")
    until = optional(experiments, "outcome_until", "timestamp") if window == "outcome" else ended
    stated = ibis.coalesce(until, ended, end)
    ends = experiments.select(of_experiment="experiment_id", stated_end=ibis.least(stated, end))
    people = assignments.join(ends, assignments.experiment_id == ends.of_experiment)
    people = people.mutate(outcome_end=ibis.greatest(people.stated_end, people.assigned_at))
    clusters = [CLUSTER] if CLUSTER in people.columns else []
    return people.select(
        ["experiment_id", "arm", "customer_id", "assigned_at", "outcome_end", *clusters],
        assigned_day=shop.day(people.assigned_at),
        outcome_days=hours_between(people.assigned_at, people.outcome_end) / 24,
        pre_start=people.assigned_at - (people.outcome_end - people.assigned_at),
    )


_ORDER_COLUMNS = {
    **dict.fromkeys(("ordered", "orders", "same_day_orders", "pre_ordered", "pre_orders"), "int64"),
    **dict.fromkeys(
        ("revenue", "refunds", "discount", "order_profit", "pre_revenue", "pre_order_profit"), "float64"
    ),
}  # fmt: skip
"""Columns of `arm_outcomes` that are counted from orders, and their types."""


def _with_orders(shop: Shop, people: ir.Table) -> ir.Table:
    if not shop.has("orders"):
        return people.mutate(**{name: ibis.null(kind) for name, kind in _ORDER_COLUMNS.items()})
    orders = valued_orders(shop)
    latest = latest_instant(shop, orders.ordered_at, "orders", "ordered_at")
    orders = orders.select("ordered_at", "amount", "discount", "order_profit", buyer="customer_id", latest_at=latest)
    theirs = people.join(orders, people.customer_id == orders.buyer)
    theirs = theirs.filter(theirs.latest_at >= theirs.pre_start, theirs.ordered_at < theirs.outcome_end)
    after, is_order = theirs.latest_at >= theirs.assigned_at, theirs.amount >= 0
    sums = theirs.group_by(*_PERSON).aggregate(
        orders=theirs.count(where=after & is_order),
        same_day_orders=theirs.count(
            where=after & is_order & (theirs.latest_at > theirs.ordered_at) & (theirs.ordered_at <= theirs.assigned_at)
        ),
        revenue=total(theirs.amount, where=after),
        refunds=total(-theirs.amount, where=after & ~is_order),
        discount=total(theirs.discount, where=after),
        order_profit=total(theirs.order_profit, where=after),
        pre_orders=theirs.count(where=~after & is_order),
        pre_revenue=total(theirs.amount, where=~after),
        pre_order_profit=total(theirs.order_profit, where=~after),
    )
    rows = left_join_columns(people, sums, *_PERSON).fill_null(dict.fromkeys(sums.columns[2:], 0))
    rows = rows.mutate(ordered=(rows.orders > 0).cast("int64"), pre_ordered=(rows.pre_orders > 0).cast("int64"))
    known = rows.pre_start >= ibis.literal(_log_start(shop))
    before = ("pre_ordered", "pre_orders", "pre_revenue", "pre_order_profit")
    return rows.mutate(**{name: ibis.ifelse(known, rows[name], ibis.null(rows[name].type())) for name in before})


def _log_start(shop: Shop) -> dt.datetime:
    """The start (UTC) of the first day of the order log, in the source's time zone."""
    if (first := shop.loaded.tables["orders"].first) is None:
        return shop.end
    midnight = dt.datetime.fromisoformat(first).replace(tzinfo=zoneinfo.ZoneInfo(shop.settings.timezone))
    return midnight.astimezone(dt.UTC).replace(tzinfo=None)


def _with_messages(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    if not shop.has("messages"):
        kinds = dict.fromkeys(("messages", "click_known_messages", "clicked_messages", "replied_messages"), "int64")
        kinds |= {"message_cost": "float64", "profit": "float64"}
        return rows.mutate(**{name: ibis.null(kind) for name, kind in kinds.items()})
    judged = human_clicks(shop)
    sends = judged.select(
        "sent_at", "click_known", "cost", addressee="customer_id",
        click_from=earliest_instant(shop, judged.human_click_at, "messages", "clicked_at"),
        reply_from=earliest_instant(shop, judged.replied_at, "messages", "replied_at"),
    )  # fmt: skip
    theirs = people.join(sends, people.customer_id == sends.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    sums = theirs.group_by(*_PERSON).aggregate(
        messages=theirs.count(),
        message_cost=total(theirs.cost),
        click_known_messages=theirs.count(where=theirs.click_known),
        clicked_messages=theirs.count(where=theirs.click_from < theirs.outcome_end),
        replied_messages=theirs.count(where=theirs.reply_from < theirs.outcome_end),
    )
    rows = left_join_columns(rows, sums, *_PERSON).fill_null(dict.fromkeys(sums.columns[2:], 0))
    rows = rows.mutate(profit=rows.order_profit - rows.message_cost)
    lacking = {"clicked_at": ("click_known_messages", "clicked_messages"), "replied_at": ("replied_messages",)}
    for column, counts in lacking.items():
        if not shop.has("messages", column):
            rows = rows.mutate(**dict.fromkeys(counts, ibis.null("int64")))
    return rows if knows_cost(shop) else rows.mutate(message_cost=ibis.null("float64"))


def _with_visits(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    if not shop.has("visits"):
        return rows.mutate(visited=ibis.null("int64"))
    latest = latest_instant(shop, shop.visits.visited_at, "visits", "visited_at")
    visits = shop.visits.select("visited_at", visitor="customer_id", latest_at=latest)
    theirs = people.join(visits, people.customer_id == visits.visitor)
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs.visited_at < theirs.outcome_end)
    visitors = theirs.select(*_PERSON).distinct().mutate(visited=ibis.literal(1, "int64"))
    return left_join_columns(rows, visitors, *_PERSON).fill_null({"visited": 0})


def _with_consent(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    withdrawn = opt_outs(shop)
    opt_ins = opt_in_times(shop)
    rows = (
        rows.mutate(consent_at=ibis.null("timestamp"))
        if opt_ins is None
        else left_join_columns(rows, opt_ins, "customer_id")
    )
    if withdrawn is None:
        never = ibis.null("timestamp")
        consenting = ibis.null("int64") if opt_ins is None else consents(shop, rows.consent_at, never, rows.assigned_at)
        unknown = {"opted_out": "int64", "opted_out_at": "timestamp", "subscribed_weeks": "float64"}
        unknown = {name: ibis.null(kind) for name, kind in unknown.items()}
        return rows.mutate(consenting=consenting.cast("int64"), **unknown).drop("consent_at")
    events = withdrawn.select(member_id="customer_id", withdrawn_at="opt_out_at")
    theirs = people.join(events, people.customer_id == events.member_id)
    before = theirs.withdrawn_at < theirs.assigned_at
    within = earliest_opt_out(shop, theirs.withdrawn_at) < theirs.outcome_end
    sums = theirs.group_by(*_PERSON).aggregate(
        opted_out_at=theirs.withdrawn_at.min(where=~before & within),
        earlier_opt_out=theirs.withdrawn_at.max(where=before),
    )
    rows = left_join_columns(rows, sums, *_PERSON)
    consenting = consents(shop, rows.consent_at, rows.earlier_opt_out, rows.assigned_at)
    weeks = hours_between(rows.assigned_at, ibis.coalesce(rows.opted_out_at, rows.outcome_end)) / (7 * 24)
    return rows.mutate(
        opted_out=rows.opted_out_at.notnull().cast("int64"),
        consenting=consenting.cast("int64"),
        subscribed_weeks=ibis.ifelse(consenting, weeks, 0.0),
    ).drop("earlier_opt_out", "consent_at")
