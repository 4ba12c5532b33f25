"""Texts sent and what followed, by creative: cells from the engine, all from one table of messages.

A text counts once its outcome window has passed. Segments are those of the day before the log that is read begins.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.content.texts import Texts
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.segmentation import segments
from smsroi_helpers.source import Shop

__all__ = [
    "Sends",
    "collect_sends",
    "count_answers",
    "count_billed",
    "count_cells",
    "count_customers",
    "count_exposures",
    "count_recipients",
    "count_today",
]

JACKKNIFE = "content-jackknife"
MOST_TIMES_SEEN = 6
"""From this time on, a creative's exposures are taken together."""
EXCLUSIONS = ("received", "other_channel", "not_delivered", "too_recent", "too_old", "no_text")
"""All messages, then the reasons for leaving some out, in this order."""


@dataclass(frozen=True)
class Sends:
    """The messages whose texts are known and whose outcomes count, as a table of the engine."""

    rows: ir.Table
    """customer_id, campaign_id, text, segment, source (`test:` and a content test's id, `plan:` and the role in a plan,
    or `log`), group, seen (how often the customer got this content type, this text included), known, clicked, ordered,
    opted_out, replied, cost, discount, order_profit (both of the orders credited to the message).
    """
    exclusions: pd.DataFrame
    """reason (of `EXCLUSIONS`), out, messages (left)."""
    window_hours: int
    first: dt.date
    """The first day of the log that is read."""
    knows_clicks: bool
    knows_orders: bool
    knows_cost: bool

    @property
    def messages(self) -> int:
        """How many are used."""
        return int(self.exclusions["messages"].iloc[-1])


def collect_sends(
    shop: Shop, texts: Texts, *, segment_by: str, window_hours: int = 72, log_weeks: int = 26, channel: str = ""
) -> Sends:
    """Every delivered text of the log whose wording is known and whose outcome window has passed.

    Args:
        shop: the company.
        texts: of `texts.read_texts`.
        segment_by: which grouping.
        window_hours: hours after delivery within which an outcome counts; orders by last touch.
        log_weeks: weeks of the log that are read.
        channel: of the messages counted, as for `measures.choose_channel`.

    Raises:
        NotEnoughData: no message names a text that the table creatives has, and there is no test of texts.
        UsageError: the source has no messages of the channel.
    """
    first = shop.as_of - dt.timedelta(days=7 * log_weeks - 1)
    rows = measures.local_sends(shop)
    of_channel = rows.channel == measures.choose_channel(shop, channel)
    used = _with_text(rows.filter(of_channel, rows.delivered), texts)
    recent = used.sent_at >= ibis.literal(shop.start_of(first))
    used = _with_outcomes(shop, used.filter(used.observed_hours >= window_hours, recent), window_hours)
    groups = segments(shop, segment_by, first - dt.timedelta(days=1)).rename(member="customer_id")
    used = used.left_join(groups, used.customer_id == groups.member)
    used = _with_source(shop, used)
    kept = shop.keep(used.select(
        "customer_id", "campaign_id", "text", "source", "known", "clicked", "ordered", "opted_out", "replied", "cost",
        "discount", "order_profit", "seen", segment=used.segment, group=hash_group(used.customer_id, JACKKNIFE),
    ))  # fmt: skip
    exclusions = _count_exclusions(shop, rows, of_channel, first, window_hours, kept)
    if not exclusions["messages"].iloc[-1] and not _has_tests(shop):  # a test of texts is decided all the same
        raise NotEnoughData(
            "No text of the last {weeks} weeks can be matched with the table creatives by campaign_id and variant.",
            weeks=log_weeks,
        )
    return Sends(
        kept, exclusions, window_hours, first, measures.knows_clicks(shop), shop.has("orders"),
        measures.knows_cost(shop),
    )  # fmt: skip


def _with_text(rows: ir.Table, texts: Texts) -> ir.Table:
    """The rows whose text is known, with its number, and how often the customer got its content type so far."""
    kinds = [each.kind or each.creative for each in texts.texts]
    where = texts.used.assign(kind=[kinds[number] for number in texts.used["text"]])
    known = ibis.memtable(where.rename(columns={"campaign_id": "of_campaign", "variant": "of_variant"}))
    found = rows.join(known, (rows.campaign_id == known.of_campaign) & (rows.variant == known.of_variant))
    so_far = ibis.window(group_by=["customer_id", "kind"], order_by=["sent_at", "message_id"])
    return found.mutate(seen=ibis.least(ibis.row_number().over(so_far) + 1, MOST_TIMES_SEEN))


def _with_reactions(shop: Shop, rows: ir.Table, window_hours: int) -> ir.Table:
    """The rows with known, clicked, opted_out and replied."""
    until = rows.delivered_at + ibis.interval(hours=window_hours)
    no = ibis.literal(False)
    clicked = measures.earliest_click(shop, rows.any_click_at) < until if measures.knows_clicks(shop) else no
    return rows.mutate(
        known=rows.click_known.fill_null(True) if measures.knows_clicks(shop) else ibis.literal(True),
        clicked=(clicked & rows.click_known).fill_null(False),
        opted_out=(measures.earliest_opt_out(shop, rows.opt_out_at) < until).fill_null(False),
        replied=rows.replied.fill_null(False),
    )


def _with_outcomes(shop: Shop, rows: ir.Table, window_hours: int) -> ir.Table:
    """The rows with reactions and with ordered, discount and order_profit."""
    rows = _with_reactions(shop, rows, window_hours)
    no = ibis.literal(False)
    if not shop.has("orders"):
        return rows.mutate(ordered=no, discount=ibis.literal(0.0), order_profit=ibis.literal(0.0))
    credited = measures.attributed_orders(shop, window_hours)
    sums = credited.group_by(of_message="message_id").aggregate(
        credited=credited.count(), discount=total(credited.discount), order_profit=total(credited.order_profit)
    )
    found = rows.left_join(sums, rows.message_id == sums.of_message)
    return found.mutate(
        ordered=found.credited.notnull(), discount=found.discount.fill_null(0.0),
        order_profit=found.order_profit.fill_null(0.0),
    )  # fmt: skip


def _has_experiments(shop: Shop) -> bool:
    return all(shop.has(table) for table in ("experiments", "arms", "assignments"))


def _has_tests(shop: Shop) -> bool:
    if not _has_experiments(shop):
        return False
    tests = shop.experiments.filter(shop.experiments.kind == "content")
    return bool(shop.count(tests.aggregate(n=tests.count()))["n"].iloc[0])


def _with_source(shop: Shop, rows: ir.Table) -> ir.Table:
    """With source: texts to members of a test of texts, of a plan in each of its roles, and all others, apart.

    Who explores for a plan gets all texts at all hours, others get its few at its own: together they would mislead.
    """
    rows = _with_role(shop, rows)
    source = ibis.ifelse(rows.plan_id.notnull(), "plan:" + rows.role, "log")
    if not _has_experiments(shop):
        return rows.mutate(source=source)
    experiments = shop.experiments
    ended = experiments.ended_at if "ended_at" in experiments.columns else ibis.null("timestamp")
    tests = experiments.filter(experiments.kind == "content").select(of="experiment_id", ended=ended)
    people = shop.assignments.join(tests, shop.assignments.experiment_id == tests.of)
    people = people.mutate(end=people.ended.fill_null(ibis.literal(shop.end)))
    # One test per customer, the first: a customer of two at once would count twice.
    place = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=["assigned_at", "experiment_id"]))
    people = people.mutate(place=place).filter(ibis._.place == 0)
    people = people.select(subject="customer_id", test="experiment_id", since="assigned_at", end="end")
    rows = rows.left_join(people, rows.customer_id == people.subject)
    inside = (rows.sent_at >= rows.since) & (rows.sent_at < rows.end)
    return rows.mutate(source=ibis.ifelse(inside.fill_null(False), "test:" + rows.test, source))


def _with_role(shop: Shop, rows: ir.Table) -> ir.Table:
    """With role: the one that the customer has in the message's plan; `plan` where it is not known."""
    if not shop.has("plans"):
        return rows.mutate(role=ibis.literal("plan"))
    roles = shop.plans.group_by(of_plan="plan_id", planned_for="customer_id").aggregate(own_role=shop.plans.role.min())
    found = rows.left_join(roles, [rows.plan_id == roles.of_plan, rows.customer_id == roles.planned_for])
    return found.mutate(role=found.own_role.fill_null("plan"))


def _count_exclusions(
    shop: Shop, rows: ir.Table, of_channel: ir.BooleanValue, first: dt.date, window_hours: int, kept: ir.Table
) -> pd.DataFrame:
    delivered = of_channel & rows.delivered
    old = delivered & (rows.observed_hours >= window_hours)
    within = old & (rows.sent_at >= ibis.literal(shop.start_of(first)))
    every = shop.count(rows.aggregate(
        received=rows.count(), channel=rows.count(where=of_channel), delivered=rows.count(where=delivered),
        old=rows.count(where=old), within=rows.count(where=within),
    )).iloc[0]  # fmt: skip
    left = [int(every[name]) for name in ("received", "channel", "delivered", "old", "within")]
    left.append(int(shop.count(kept.aggregate(n=kept.count()))["n"].iloc[0]))
    gone = [0, *(before - after for before, after in pairwise(left))]
    return pd.DataFrame({"reason": EXCLUSIONS, "out": gone, "messages": left})


# --- cells -----------------------------------------------------------------------------------------------------------


def count_cells(shop: Shop, sends: Sends) -> pd.DataFrame:
    """campaign_id, source, segment, text, group; sent, messages (whose click is known), clicks, orders, opt_outs,
    replies, cost, discount, order_profit.
    """
    rows = sends.rows
    keys = ["campaign_id", "source", "segment", "text", "group"]
    cells = rows.group_by(keys).aggregate(
        sent=rows.count(),
        messages=rows.count(where=rows.known),
        clicks=rows.count(where=rows.clicked),
        orders=rows.count(where=rows.ordered),
        opt_outs=rows.count(where=rows.opted_out),
        replies=rows.count(where=rows.replied),
        cost=total(rows.cost).fill_null(0.0),
        discount=total(rows.discount.cast("float64")).fill_null(0.0),
        order_profit=total(rows.order_profit.cast("float64")).fill_null(0.0),
    )
    return shop.count(cells.order_by(keys))


def count_customers(shop: Shop, sends: Sends, texts: Texts, creatives: Collection[str]) -> int:
    """Customers of known segments with a text of these creatives: those whose outcomes compare them.

    Args:
        shop: the company.
        sends: of `collect_sends`.
        texts: of `texts.read_texts`.
        creatives: their names.
    """
    own = [at for at, each in enumerate(texts.texts) if each.creative in creatives]
    rows = sends.rows.filter(sends.rows.segment.notnull(), sends.rows.text.isin(own))
    return int(shop.count(rows.aggregate(n=rows.customer_id.nunique()))["n"].iloc[0])


def count_exposures(shop: Shop, sends: Sends) -> pd.DataFrame:
    """campaign_id, source, segment, text, seen, group; messages, clicks."""
    rows = sends.rows
    keys = ["campaign_id", "source", "segment", "text", "seen", "group"]
    cells = rows.group_by(keys).aggregate(messages=rows.count(where=rows.known), clicks=rows.count(where=rows.clicked))
    return shop.count(cells.order_by(keys))


def count_billed(shop: Shop, texts: Texts, weeks: int, channel: str = "") -> pd.DataFrame:
    """Every text sent in the last weeks, delivered or not: campaign_id, text; sent, cost (money), campaigns' first day.

    Args:
        shop: the company.
        texts: of `texts.read_texts`.
        weeks: how many weeks up to the last day observed.
        channel: as for `measures.choose_channel`.
    """
    rows = _billed(shop, texts, weeks, channel)
    cells = rows.group_by("campaign_id", "text").aggregate(sent=rows.count(), cost=total(rows.cost))
    return shop.count(cells.order_by("campaign_id", "text"))


def count_recipients(
    shop: Shop, texts: Texts, kinds: Mapping[str, Collection[int]], weeks: int, channel: str = ""
) -> dict[str, int]:
    """Customers who were sent a text of each kind in the last weeks, delivered or not, as `count_billed` counts.

    Args:
        shop: the company.
        texts: of `texts.read_texts`.
        kinds: kind → numbers of its texts.
        weeks: how many weeks up to the last day observed.
        channel: as for `measures.choose_channel`.
    """
    rows = _billed(shop, texts, weeks, channel)
    counted = shop.count(rows.aggregate(
        **{kind: rows.customer_id.nunique(where=rows.text.isin(list(own))) for kind, own in kinds.items() if own}
    )) if any(kinds.values()) else pd.DataFrame()  # fmt: skip
    return {kind: int(counted[kind].iloc[0]) if kind in counted else 0 for kind in kinds}


def _billed(shop: Shop, texts: Texts, weeks: int, channel: str) -> ir.Table:
    """Every text of the last weeks with its number, delivered or not."""
    sends = measures.every_send(shop)
    first = shop.as_of - dt.timedelta(days=7 * weeks - 1)
    of_channel = sends.channel == measures.choose_channel(shop, channel)
    sends = sends.filter(of_channel, sends.sent_at >= ibis.literal(shop.start_of(first)))
    known = ibis.memtable(texts.used.rename(columns={"campaign_id": "of_campaign", "variant": "of_variant"}))
    return sends.join(known, (sends.campaign_id == known.of_campaign) & (sends.variant == known.of_variant))


def count_today(
    shop: Shop, texts: Texts, practice: measures.Practice, segment_by: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is sent today, by segment of today.

    Returns:
        segment, text, messages (of the practice, where the text is known); and segment, customers (with any of them).
    """
    rows = _texts_of(shop, texts, practice, segment_by, shop.as_of)
    cells = shop.count(rows.group_by("segment", "text").aggregate(messages=rows.count()).order_by("segment", "text"))
    people = rows.group_by("segment").aggregate(customers=rows.customer_id.nunique())
    return cells, shop.count(people.order_by("segment"))


def count_answers(
    shop: Shop, texts: Texts, practice: measures.Practice, segment_by: str, window_hours: int = 72
) -> pd.DataFrame:
    """How today's texts are answered, by segment of the day before the practice: a later one would follow the answers.

    Returns:
        segment, text; of the messages delivered whose outcome window has passed: delivered, known (whether a human
        clicked), clicks and opt_outs within the window.
    """
    rows = _texts_of(shop, texts, practice, segment_by, practice.first_day - dt.timedelta(days=1))
    start, _end = measures.practice_instants(shop, practice)
    sent = measures.local_sends(shop)
    sent = sent.filter(sent.sent_at >= start, sent.delivered, sent.observed_hours >= window_hours)
    sent = _with_reactions(shop, sent, window_hours).select("known", "clicked", "opted_out", of_message="message_id")
    found = rows.join(sent, rows.message_id == sent.of_message)
    cells = found.group_by("segment", "text").aggregate(
        delivered=found.count(),
        known=found.count(where=found.known),
        clicks=found.count(where=found.clicked),
        opt_outs=found.count(where=found.opted_out),
    )
    return shop.count(cells.order_by("segment", "text"))


def _texts_of(shop: Shop, texts: Texts, practice: measures.Practice, segment_by: str, day: dt.date) -> ir.Table:
    """message_id, customer_id, segment (of a day) and text of the practice's messages whose text is known."""
    sends = measures.practice_sends(shop, practice)
    known = ibis.memtable(texts.used.rename(columns={"campaign_id": "of_campaign", "variant": "of_variant"}))
    rows = sends.join(known, (sends.campaign_id == known.of_campaign) & (sends.variant == known.of_variant))
    groups = segments(shop, segment_by, day).rename(member="customer_id")
    rows = rows.join(groups, rows.customer_id == groups.member)
    return rows.select("message_id", "customer_id", "segment", "text")
