"""Messages and what followed them, by campaign, channel, segment and month: one query of the engine.

A message counts once its attribution window has passed: younger ones would look worse than they are. The segment is
that of the day before the message's month, because a segment of a later day is itself an outcome.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures, segmentation
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.source import Shop

__all__ = [
    "ALL",
    "BETWEEN",
    "DIMENSIONS",
    "EXCLUSIONS",
    "JACKKNIFE",
    "RECORDED",
    "SUMS",
    "Known",
    "Sends",
    "collect_sends",
    "count_campaigns",
    "count_sends",
    "first_month",
    "label_by_month",
]

ALL = "all"
JACKKNIFE = "effectiveness-jackknife"
BETWEEN = " | "
"""Between the segment and the month of a value of `segment_month`."""
DIMENSIONS = ("all", "campaign", "channel", "segment", "month", "segment_month")
"""What the KPIs are given by."""
SUMS = (
    "messages", "customers", "delivered", "reached", "click_known", "clicked", "reply_known", "replied",
    "opt_out_known", "opted_out", "converted", "cost", "expected_cost", "attributed_revenue", "attributed_profit",
    "paid_profit", "order_profit",
)  # fmt: skip
"""The sums of `count_sends`."""
RECORDED = {
    "clicks": ("clicked", "click_known"), "replies": ("replied", "reply_known"),
    "opt_outs": ("opted_out", "opt_out_known"), "cost": ("cost", "paid_profit"),
}  # fmt: skip
"""Field of `Known` → the columns that say nothing of a channel that does not record it."""
EXCLUSIONS = ("received", "too_old", "too_recent")
"""All messages, then the reasons for leaving some out, in this order."""


@dataclass(frozen=True)
class Known:
    """What the source records; what it does not is unknown and never 0."""

    messages: bool
    orders: bool
    deliveries: bool
    clicks: bool
    replies: bool
    opt_outs: bool
    cost: bool
    tariff: bool
    """Whether source.yml states `message_cost`, what a billing segment should cost."""
    campaigns: bool
    """Whether campaigns have names: a table campaigns."""
    visits: bool
    acquisition_cost: bool
    feedback: bool

    @classmethod
    def of(cls, shop: Shop) -> "Known":
        """What a source records."""
        return cls(
            messages=shop.has("messages"),
            orders=shop.has("orders"),
            deliveries=shop.has("messages", "delivered_at"),
            clicks=shop.has("messages") and measures.knows_clicks(shop),
            replies=measures.knows_event(shop, "replied"),
            opt_outs=measures.knows_event(shop, "opted_out"),
            cost=shop.has("messages") and measures.knows_cost(shop),
            tariff=shop.has("messages", "cost") and shop.settings.message_cost is not None,
            campaigns=shop.has("campaigns"),
            visits=shop.has("visits"),
            acquisition_cost=shop.has("customers", "acquisition_cost"),
            feedback=shop.has("feedback"),
        )


@dataclass(frozen=True)
class Sends:
    """The messages that count, as a table of the engine, and how many were left out."""

    rows: ir.Table
    """One row per message: customer_id, campaign_id, channel, month, segment, group, day (of sending), weekday and
    hour (local); delivered, click_known, clicked, reply_known, replied, opt_out_known, opted_out, converted (0 or 1);
    cost, expected_cost, attributed_revenue, attributed_profit (after the cost), paid_profit (the same, in channels that
    cost something), order_profit (before the cost). Null: not recorded."""
    exclusions: pd.DataFrame
    """reason (of `EXCLUSIONS`), out, messages (left); the last row counts what is used."""
    window_hours: int
    first: dt.date
    """The first day that counts."""
    unrecorded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of `RECORDED` → the channels of which not one such event (or no cost above 0) is recorded, although the
    source has the column: there it is unknown, and a cost is 0."""

    @property
    def messages(self) -> int:
        """How many are used."""
        return int(self.exclusions["messages"].iloc[-1])


def first_month(last: dt.date, months: int) -> dt.date:
    """The first day of the month that is `months` − 1 months before that of `last`.

    >>> first_month(dt.date(2024, 2, 29), 3)
    datetime.date(2023, 12, 1)
    """
    whole = last.year * 12 + last.month - months
    return dt.date(whole // 12, whole % 12 + 1, 1)


def collect_sends(shop: Shop, *, window_hours: int = 72, log_months: int = 12, segment_by: str = "rfm_group") -> Sends:
    """Every message of the last months whose attribution window has passed, with what followed it.

    Args:
        shop: the company, with messages.
        window_hours: elapsed hours after the delivery within which a click, an order or an opt-out counts.
        log_months: months up to the last day observed, the last one possibly unfinished.
        segment_by: the grouping of customers.

    Raises:
        DataError: the source has no messages.
    """
    first = first_month(shop.as_of, log_months)
    if shop.has("orders"):
        every = measures.message_outcomes(shop, window_hours)
    else:
        unknown = {name: ibis.null("float64") for name in ("attributed_orders", "attributed_revenue")}
        every = measures.local_sends(shop).mutate(**unknown, attributed_profit=ibis.null("float64"))
    recent = every.sent_at >= ibis.literal(shop.start_of(first))
    used = every.filter(recent, every.observed_hours >= window_hours)
    until = used.delivered_at + ibis.interval(hours=window_hours)
    clicked = (measures.earliest_click(shop, used.human_click_at) < until).fill_null(False)
    left = (measures.earliest_opt_out(shop, used.opt_out_at) < until).fill_null(False)
    known = Known.of(shop)
    segments = shop.messages.segments.fill_null(1) if shop.has("messages", "segments") else None
    tariff = shop.settings.message_cost or 0.0

    def flag(name: str, value: ir.BooleanValue) -> ir.IntegerValue:
        return value.cast("int64") if getattr(known, name) else ibis.null("int64")

    day = shop.day(used.sent_at)
    rows = used.select(
        "message_id", "customer_id", "campaign_id", "channel", "cost", "attributed_revenue", "attributed_profit",
        "weekday", "hour",
        day=day,
        month=day.truncate("M"),
        delivered=used.delivered.cast("int64"),
        click_known=(used.delivered & used.click_known).cast("int64"),
        clicked=flag("clicks", clicked & used.click_known & used.delivered),
        reply_known=flag("replies", used.delivered),
        replied=flag("replies", used.replied.fill_null(False) & used.delivered),
        opt_out_known=flag("opt_outs", used.delivered),
        opted_out=flag("opt_outs", left & used.delivered),
        converted=flag("orders", (used.attributed_orders > 0).fill_null(False)),
    )  # fmt: skip
    expected: ir.FloatingValue = ibis.literal(tariff) if known.tariff else ibis.null("float64")
    if known.tariff and segments is not None:
        billed = shop.messages.select(billed_id="message_id", billed=segments)
        rows = rows.left_join(billed, rows.message_id == billed.billed_id).drop("billed_id")
        expected = tariff * ibis._.billed
    # Of what is kept, every column is written once for each message: no key, and nothing that follows from others.
    kept = shop.keep(label_by_month(shop, rows.drop("message_id"), segment_by))
    kept = kept.mutate(
        paid_profit=kept.attributed_profit, order_profit=kept.attributed_profit + kept.cost.fill_null(0.0),
        expected_cost=expected,
    )  # fmt: skip
    kept, unrecorded = _leave_out_unrecorded(shop, kept, known)
    found = shop.count(
        every.aggregate(
            received=every.count(),
            recent=every.count(where=recent),
            old=every.count(where=recent & (every.observed_hours >= window_hours)),
        )
    ).iloc[0]
    numbers = [int(found[name]) for name in ("received", "recent", "old")]
    out = [0, *(-np.diff(numbers))]
    exclusions = pd.DataFrame({"reason": EXCLUSIONS, "out": out, "messages": numbers})
    return Sends(kept, exclusions, window_hours, first, unrecorded)


def _leave_out_unrecorded(shop: Shop, rows: ir.Table, known: Known) -> tuple[ir.Table, dict[str, tuple[str, ...]]]:
    """Rows with null where their channel never records an event, and which channels these are.

    A rate of 0 over thousands of messages is a channel that does not record the event. A channel without costs has no
    ROI, and its profit is not part of that of all channels.
    """
    counted = shop.count(
        rows.group_by("channel")
        .aggregate(**{name: total(rows[columns[0]].cast("float64")) for name, columns in RECORDED.items()})
        .order_by("channel")
    )
    unrecorded = {
        name: tuple(str(each) for each in counted.loc[~(counted[name] > 0), "channel"])
        for name in RECORDED
        if getattr(known, name)
    }
    for name, channels in unrecorded.items():
        if channels:
            silent = rows.channel.isin(channels)
            columns = [column for column in RECORDED[name] if column != "cost"]
            rows = rows.mutate(
                **{column: ibis.ifelse(silent, ibis.null(rows[column].type()), rows[column]) for column in columns}
            )
    return rows, {name: channels for name, channels in unrecorded.items() if channels}


def label_by_month(shop: Shop, rows: ir.Table, segment_by: str) -> ir.Table:
    """Add the group of each row's customer, and the segment as of the day before the row's month.

    Both are found once for each customer and month: a hash of each row's customer would take longer than the join.

    Args:
        shop: the company.
        rows: with customer_id and month (a date).
        segment_by: the grouping of customers.
    """
    grouping = segmentation.resolve(shop, segment_by)
    if not grouping.dated:
        labels = _with_group(grouping.label(rows.select("customer_id").distinct()))
        return rows.left_join(labels, rows.customer_id == labels.member).drop("member")
    people = shop.keep(rows.select("customer_id", "month").distinct())
    months = shop.count(people.select("month").distinct().order_by("month"))["month"]
    parts = []
    for month in (pd.Timestamp(value).date() for value in months):
        members = people.filter(people.month == ibis.literal(month)).select("customer_id")
        labels = grouping.label(members, month - dt.timedelta(days=1))
        parts.append(_with_group(labels).mutate(of_month=ibis.literal(month)))
    if not parts:
        return rows.mutate(segment=ibis.literal(segmentation.EVERYBODY), group=hash_group(rows.customer_id, JACKKNIFE))
    labels = ibis.union(*parts) if len(parts) > 1 else parts[0]
    joined = rows.left_join(labels, [rows.customer_id == labels.member, rows.month == labels.of_month])
    return joined.drop("member", "of_month")


def _with_group(labels: ir.Table) -> ir.Table:
    return labels.select(member="customer_id", segment="segment", group=hash_group(labels.customer_id, JACKKNIFE))


def count_sends(shop: Shop, sends: Sends) -> pd.DataFrame:
    """Sums by everything of `DIMENSIONS` and group of customers.

    Returns:
        dimension; value (a campaign_id, channel, segment, a month as YYYY-MM, or a segment and a month); group (0 …
        63); and `SUMS`: messages; customers sent to, of them reached (a message was delivered); delivered messages;
        of them click_known (no machine clicked first), clicked, reply_known and opt_out_known (the channel records
        them), replied, opted_out, converted (an order by last touch); cost, expected_cost, attributed_revenue,
        attributed_profit (after costs), paid_profit (of channels with costs), order_profit (before costs). Money of
        the source. Sums of what is not recorded are NaN. One row per value and group: customers of different
        groups are different people.
    """
    rows = sends.rows
    parts = ["channel", "segment", "month", "group"]
    # Two passes over the messages, then sums of sums. Customers are counted by grouping: a `nunique` of each would
    # take most of the time.
    cells = shop.keep(_cells(rows, ["campaign_id", *parts]))
    people = shop.keep(_people(rows, parts))
    counted = []
    for dimension in DIMENSIONS:
        sums = _by_value(cells, dimension)
        sums = sums.group_by("value", "group").aggregate(
            messages=_whole(sums.messages.sum()),
            **{name: sums[name].sum() for name in _COUNTED},
            **{name: total(sums[name]) for name in _MONEY},
        )
        customers = _people(_by_value(rows if dimension == "campaign" else people, dimension), ["value", "group"])
        customers = customers.group_by(of_value="value", of_group="group").aggregate(
            customers=customers.count(), reached=_whole(customers.delivered.sum())
        )
        both = sums.join(customers, [sums.value.identical_to(customers.of_value), sums.group == customers.of_group])
        counted.append(both.select(
            "value", "group", dimension=ibis.literal(dimension),
            **{name: both[name].cast("float64") if name in _COUNTED else both[name] for name in SUMS},
        ))  # fmt: skip
    found = ibis.union(*counted).select("dimension", "value", "group", *SUMS)
    return shop.count(found.order_by("dimension", "value", "group"))


_COUNTED = (
    "delivered", "click_known", "clicked", "reply_known", "replied", "opt_out_known", "opted_out", "converted",
)  # fmt: skip
_MONEY = ("cost", "expected_cost", "attributed_revenue", "attributed_profit", "paid_profit", "order_profit")


def _whole(number: ir.NumericScalar) -> ir.IntegerScalar:
    """A sum of integers as one, which Ibis takes it for and DuckDB does not."""
    return number.cast("float64").cast("int64")


def _by_value(rows: ir.Table, dimension: str) -> ir.Table:
    """The rows with `value`, that of a dimension."""
    if dimension in ("campaign", "channel", "segment"):
        return rows.mutate(value=rows["campaign_id" if dimension == "campaign" else dimension])
    if dimension == "all":
        return rows.mutate(value=ibis.literal(ALL))
    month = rows.month.strftime("%Y-%m")
    return rows.mutate(value=month if dimension == "month" else rows.segment + BETWEEN + month)


def _cells(rows: ir.Table, keys: list[str]) -> ir.Table:
    """The sums by keys, not rounded."""
    return rows.group_by(keys).aggregate(
        messages=rows.count(), **{name: rows[name].sum() for name in (*_COUNTED, *_MONEY)}
    )


def _people(rows: ir.Table, keys: list[str]) -> ir.Table:
    """customer_id, keys, delivered (1 if any of the customer's messages was delivered)."""
    return rows.group_by("customer_id", *keys).aggregate(delivered=rows.delivered.max())


def count_campaigns(shop: Shop, sends: Sends) -> pd.DataFrame:
    """One row per campaign, in the order of their first message.

    Returns:
        campaign_id, name (of the table campaigns; else the id), channel (`several` where messages went by more than
        one), first, last (days of the first and last message).
    """
    rows = sends.rows
    cells = rows.group_by("campaign_id").aggregate(
        channel=ibis.ifelse(rows.channel.min() != rows.channel.max(), "several", rows.channel.min()),
        first=rows.day.min(),
        last=rows.day.max(),
    )
    if shop.has("campaigns"):
        names = shop.campaigns.select(named="campaign_id", name="name")
        cells = cells.left_join(names, cells.campaign_id == names.named).drop("named")
        cells = cells.mutate(name=ibis.coalesce(cells["name"], cells.campaign_id))
    else:
        cells = cells.mutate(name=cells.campaign_id)
    return shop.count(cells.order_by("first", "campaign_id"))
