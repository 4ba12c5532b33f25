"""What several stages count, each as one expression over a shop's tables: nothing here is brought into memory.

Windows are half-open, `[from, until)`: windows that meet neither overlap nor leave a gap. Hours and weeks are elapsed
time, so that a day on which the clocks change makes no window longer or shorter. Money is in the source's currency.
The expressions keep to what DuckDB and Spark read alike (of `last` over a window, one skips nulls and one does not).
"""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import local_time, total
from smsroi_helpers.shop import Shop

__all__ = [
    "Touch",
    "Window",
    "arm_moments",
    "arm_moments_together",
    "arm_outcomes",
    "attributed_orders",
    "every_send",
    "local_sends",
    "message_outcomes",
    "order_events",
    "outcome_windows",
    "profit_events",
    "purchase_days",
    "purchase_history",
    "touches_per_order",
    "with_zone",
]

Touch = Literal["last", "any"]
Window = Literal["outcome", "treatment"]
"""Until when an experiment's outcomes count: its `outcome_until`, or no longer than it treats (`ended_at`)."""
_EVENTS = ("opened", "clicked", "replied", "opted_out")


# --- purchases -------------------------------------------------------------------------------------------------------


def purchase_days(shop: Shop) -> ir.Table:
    """One row per customer and day with a purchase: customer_id, day (on the source's clock), value (money).

    Orders of one day are one purchase; refunds (negative amounts) are none, and do not lessen the day's value.
    """
    orders = shop.orders.filter(shop.orders.amount >= 0)
    orders = orders.mutate(day=shop.day(orders.ordered_at))
    return orders.group_by("customer_id", "day").aggregate(value=total(orders.amount))


def purchase_history(shop: Shop, until: dt.date | None = None, recent_weeks: int = 0) -> ir.Table:
    """One row per customer with a purchase: what BG/NBD and Gamma–Gamma need to know of them.

    Args:
        shop: the company.
        until: the last day that counts (inclusive); None for the last day observed. Customers whose first purchase is
            later are left out.
        recent_weeks: how many weeks up to `until` recent_purchases counts.

    Returns:
        customer_id; first_day; frequency = days with a purchase − 1; recency_days = last − first; T_days = until −
        first (whole days); first_spend = money spent on the first day; repeat_spend = on days after it;
        recent_purchases = days with a repeat purchase in the last `recent_weeks`; later_purchases and later_spend =
        days with a purchase, and money spent, after `until` (none where it is the last day observed).
    """
    last = until or shop.as_of
    days = purchase_days(shop)
    until_then = days.day <= ibis.literal(last)
    recent = ibis.literal(last - dt.timedelta(weeks=recent_weeks))
    history = days.group_by("customer_id").aggregate(
        first_day=days.day.min(where=until_then),
        last_day=days.day.max(where=until_then),
        frequency=days.count(where=until_then) - 1,
        total_spend=total(days.value, where=until_then),
        first_spend=days.value.argmin(days.day),
        recent_days=days.count(where=until_then & (days.day > recent)),
        later_purchases=days.count(where=~until_then),
        later_spend=total(days.value, where=~until_then).fill_null(0.0),
    )
    history = history.filter(history.first_day.notnull())
    return history.select(
        "customer_id",
        "first_day",
        "frequency",
        recency_days=history.last_day.delta(history.first_day, unit="day").cast("int64"),
        T_days=ibis.literal(last).delta(history.first_day, unit="day").cast("int64"),
        first_spend=history.first_spend,
        repeat_spend=ibis.ifelse(history.frequency > 0, history.total_spend - history.first_spend, 0.0),
        recent_purchases=history.recent_days - (history.first_day > recent).cast("int64"),
        later_purchases=history.later_purchases,
        later_spend=history.later_spend,
    )


def _valued_orders(shop: Shop) -> ir.Table:
    """Orders and refunds with order_profit = margin × (amount + discount) − discount: profit before message cost.

    Without a column `discount`, or where it is null, nothing was let off. A refund takes back margin × amount; what
    stands beside it as a discount is not counted, since it was granted with the order.
    """
    orders = shop.orders
    let_off = orders.discount.fill_null(0.0) if "discount" in orders.columns else ibis.literal(0.0)
    discount = ibis.ifelse(orders.amount < 0, 0.0, let_off)
    profit = (orders.amount + discount) * shop.settings.margin - discount
    return orders.select("order_id", "customer_id", "ordered_at", "amount", discount=discount, order_profit=profit)


def _purchases(shop: Shop) -> ir.Table:
    """Orders that are no refunds, with their order_profit."""
    return _valued_orders(shop).filter(ibis._.amount >= 0)


# --- messages --------------------------------------------------------------------------------------------------------


def _optional(table: ir.Table, column: str, kind: str) -> ir.Value:
    """The column, or a null of its kind where the source has no such column."""
    return table[column] if column in table.columns else ibis.null(kind)


def every_send(shop: Shop) -> ir.Table:
    """Messages with every column that is asked of them; delivered_at is sent_at where the log tells no deliveries."""
    messages = shop.messages
    return messages.select(
        ["message_id", "customer_id", "campaign_id", "sent_at"],
        channel=_optional(messages, "channel", "string").fill_null("sms"),
        variant=_optional(messages, "variant", "string"),
        plan_id=_optional(messages, "plan_id", "string"),
        cost=_optional(messages, "cost", "float64").fill_null(shop.settings.message_cost or 0.0),
        delivered_at=messages.delivered_at if "delivered_at" in messages.columns else messages.sent_at,
        **{f"{event}_at": _optional(messages, f"{event}_at", "timestamp") for event in _EVENTS},
    )


def with_zone(shop: Shop, rows: ir.Table) -> ir.Table:
    """The rows, which have a customer_id, with `timezone`: the customer's own, or else the source's."""
    if shop.has("customers", "timezone"):
        rows = _beside(rows, shop.customers.select("customer_id", "timezone"), "customer_id")
    return rows.mutate(timezone=_optional(rows, "timezone", "string").fill_null(shop.settings.timezone))


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
        for name in _EVENTS
    }
    return sends.mutate(
        delivered=sends.delivered_at.notnull(),
        observed_hours=_hours(since, ibis.literal(shop.end)),
        local_date=sends.local_at.date(),
        weekday=sends.local_at.day_of_week.index().cast("int64"),
        hour=sends.local_at.hour().cast("int64"),
        **events,
    )


def _hours(start: ir.TimestampValue, end: ir.TimestampValue) -> ir.FloatingValue:
    """Elapsed hours between two instants; in microseconds first, since coarser units count the boundaries crossed."""
    return end.delta(start, unit="microsecond") / 3_600_000_000


# --- attribution -----------------------------------------------------------------------------------------------------


def attributed_orders(shop: Shop, window_hours: int = 72, touch: Touch = "last") -> ir.Table:
    """Orders within `window_hours` after a delivered message, with the message they are credited to.

    An order at d counts for a message delivered at d (clocks that show only seconds, or days, cannot tell them apart);
    one at d + `window_hours` does not, so that the windows 0–12 h and 12–24 h part the orders of 0–24 h. Without
    a column `delivered_at` a sent message counts as delivered. Refunds are not attributed, and since they name no
    order, lessen none: the amounts are gross of them. This is correlation: attributed, never lift.

    Args:
        shop: the company.
        window_hours: elapsed hours, above 0. The orders of a shorter window are those of a longer one whose
            `hours_after` is below the shorter.
        touch: `last` credits an order to the last such message alone, so that credits add up to the orders; of messages
            delivered at one instant that with the greatest message_id is the last. `any` credits it in full to every
            such message: one row per order and message, whose sums count an order several times.

    Returns:
        order_id, customer_id, ordered_at (UTC), amount, discount, order_profit (margin × (amount + discount) −
        discount, before message cost), message_id, campaign_id, channel, variant, delivered_at (UTC), hours_after
        (0 ≤ hours_after < window_hours).

    Raises:
        ValueError: a window or touch that cannot be meant.
        DataError: the source has no messages.
    """
    if window_hours <= 0:
        raise ValueError(f"window_hours must be above 0, not {window_hours}")
    if touch not in ("last", "any"):
        raise ValueError(f"touch must be 'last' or 'any', not {touch!r}")
    sends = every_send(shop).filter(ibis._.delivered_at.notnull())
    touches = sends.select("message_id", "campaign_id", "channel", "variant", "delivered_at", addressee="customer_id")
    orders = _purchases(shop)
    window = ibis.interval(hours=window_hours)
    if touch == "any":
        pairs = orders.join(touches, orders.customer_id == touches.addressee)
        within = (pairs.delivered_at <= pairs.ordered_at) & (pairs.ordered_at < pairs.delivered_at + window)
        pairs = pairs.filter(within)
    else:
        last = _last_deliveries(orders, sends)
        last = last.filter(last["at"] < last.last_delivery + window)
        tied = touches.join(last, (touches.addressee == last.buyer) & (touches.delivered_at == last.last_delivery))
        place = ibis.row_number().over(ibis.window(group_by="order_id", order_by=ibis.desc("message_id")))
        pairs = orders.join(tied.mutate(place=place).filter(ibis._.place == 0), "order_id")
    return pairs.select(
        [*orders.columns, "message_id", "campaign_id", "channel", "variant", "delivered_at"],
        hours_after=_hours(pairs.delivered_at, pairs.ordered_at),
    )


def _last_deliveries(orders: ir.Table, sends: ir.Table) -> ir.Table:
    """order_id, buyer, at, last_delivery: when the last message up to the order (at) came to its buyer; null for none.

    It is the running maximum over messages and orders in the order of time, since Spark has no as-of join.
    """
    # The cast gives both one type: a column keeps its file's precision, or not, as the source's other columns have it.
    ordered_at, delivered_at = orders.ordered_at.cast("timestamp"), sends.delivered_at.cast("timestamp")
    moments = ibis.union(
        orders.select("order_id", buyer="customer_id", at=ordered_at, delivery=ibis.null("timestamp")),
        sends.select(order_id=ibis.null("string"), buyer="customer_id", at=delivered_at, delivery=delivered_at),
    )
    is_order = moments.order_id.notnull()  # false comes first: of one instant, the message before the order
    so_far = ibis.window(group_by="buyer", order_by=["at", is_order], rows=(None, 0))
    return moments.mutate(last_delivery=moments.delivery.max().over(so_far)).filter(is_order).drop("delivery")


def touches_per_order(shop: Shop, window_hours: int = 72) -> ir.Table:
    """One row per purchase, attributed or not, with the number of messages that could claim it.

    Returns:
        order_id, customer_id, ordered_at (UTC), amount, discount, order_profit; touches: delivered messages whose
        window (as in `attributed_orders`) holds the order; campaigns: how many different ones they belong to;
        attributed: whether there is any.
    """
    pairs = attributed_orders(shop, window_hours, "any")
    claims = pairs.group_by("order_id").aggregate(touches=pairs.count(), campaigns=pairs.campaign_id.nunique())
    orders = _beside(_purchases(shop), claims, "order_id")
    return orders.fill_null({"touches": 0, "campaigns": 0}).mutate(attributed=ibis._.touches > 0)


def message_outcomes(shop: Shop, window_hours: int = 72) -> ir.Table:
    """One row per message sent, with what last touch attributes to it: for rates by hour, campaign or creative.

    Returns:
        the columns of `local_sends`, and attributed_orders, attributed_revenue (money, gross of refunds),
        attributed_profit (margin × (amount + discount) − discount − the message's cost): zero orders where none came,
        and a profit of −cost. Messages with observed_hours below `window_hours` have not had their whole window.
    """
    credited = attributed_orders(shop, window_hours, "last")
    sums = credited.group_by("message_id").aggregate(
        attributed_orders=credited.count(),
        attributed_revenue=total(credited.amount),
        attributed_profit=total(credited.order_profit),
    )
    rows = _beside(local_sends(shop), sums, "message_id").fill_null(dict.fromkeys(sums.columns[1:], 0))
    return rows.mutate(attributed_profit=rows.attributed_profit - rows.cost)


def _beside(rows: ir.Table, more: ir.Table, *keys: str) -> ir.Table:
    """Every row, and beside it the columns of `more` (at most one row a key); null where it has no such key."""
    more = more.rename({f"{key}__more": key for key in keys})
    joined = rows.left_join(more, [rows[key] == more[f"{key}__more"] for key in keys])
    return joined.drop(*(f"{key}__more" for key in keys))


def profit_events(shop: Shop) -> ir.Table:
    """What made or cost money, and when: one row per order or refund, and per message that is not free.

    Returns:
        customer_id, at (UTC), profit: margin × (amount + discount) − discount of an order, −cost of a message.

    Raises:
        DataError: the source has no messages.
    """
    orders, sends = _valued_orders(shop), every_send(shop)
    sends = sends.filter(sends.cost > 0)
    return ibis.union(
        orders.select("customer_id", at=orders.ordered_at.cast("timestamp"), profit=orders.order_profit),
        sends.select("customer_id", at=sends.sent_at.cast("timestamp"), profit=-sends.cost),
    )


def order_events(shop: Shop) -> ir.Table:
    """What orders and refunds brought, and when, before the cost of messages.

    Returns:
        customer_id, at (UTC), profit = margin × (amount + discount) − discount, purchase (1; of a refund 0).
    """
    orders = _valued_orders(shop)
    return orders.select(
        "customer_id",
        at=orders.ordered_at.cast("timestamp"),
        profit=orders.order_profit,
        purchase=(orders.amount >= 0).cast("int64"),
    )


# --- experiments -----------------------------------------------------------------------------------------------------


def arm_outcomes(shop: Shop, experiment_id: str | None = None, window: Window = "outcome") -> ir.Table:
    """One row per assigned customer and experiment, whatever became of them (intention to treat).

    Outcomes are counted from `assigned_at` (which counts) until `outcome_until`, else `ended_at`, else the end of the
    last day observed, and never beyond it (the end itself does not count). Orders, messages and opt-outs before the
    assignment are no outcomes. All of a customer's messages count, whichever campaign sent them: the log does not tie
    a message to an experiment.

    Args:
        shop: the company.
        experiment_id: this experiment alone; None for all.
        window: `treatment` counts until `ended_at` instead: for rates per week of treatment.

    Returns:
        experiment_id, arm, customer_id, assigned_at, assigned_day (on the source's clock), outcome_end (UTC),
        outcome_days (elapsed; 0 where the assignment came after the end).

        Orders: ordered (0 or 1), orders (refunds not counted), revenue (money, less the refunds made within the
        window), refunds (≥ 0), discount, order_profit (margin × (amount + discount) − discount).

        Messages, null where the source has none: messages (sent within the window), message_cost, clicked_messages and
        replied_messages (of them, clicked or replied to before its end; null without `clicked_at`, `replied_at`),
        profit = order_profit − message_cost.

        Visits, null where the source has none: visited (0 or 1, within the window).

        Consent, null where the source tells no opt-outs: opted_out (0 or 1: an opt-out within the window, from
        `customers` or `messages`), opted_out_at (the first such), consenting (0 or 1, at the assignment: no opt-out
        since the known opt-in, and none of it still to come), subscribed_weeks (within the window, until the first
        opt-out; 0 for who did not consent at the assignment).

        The equally long time just before the assignment: pre_ordered, pre_orders, pre_revenue, pre_order_profit; null
        where the log of orders does not reach back so far.

    Raises:
        DataError: the source has no experiments or no assignments.
    """
    people = outcome_windows(shop, experiment_id, window)
    rows = _with_orders(shop, people)
    rows = _with_messages(shop, people, rows)
    rows = _with_visits(shop, people, rows)
    return _with_consent(shop, people, rows).drop("pre_start")


_PERSON = ("experiment_id", "customer_id")


def outcome_windows(shop: Shop, experiment_id: str | None = None, window: Window = "outcome") -> ir.Table:
    """Assigned customers with the windows of their outcomes, as `arm_outcomes` has them.

    Returns:
        experiment_id, arm, customer_id, assigned_at, assigned_day, outcome_end, outcome_days, and pre_start: as long
        before the assignment.
    """
    experiments, assignments = shop.experiments, shop.assignments
    if experiment_id is not None:
        experiments = experiments.filter(experiments.experiment_id == experiment_id)
    end = ibis.literal(shop.end)
    ended = _optional(experiments, "ended_at", "timestamp")
    until = _optional(experiments, "outcome_until", "timestamp") if window == "outcome" else ended
    stated = ibis.coalesce(until, ended, end)
    ends = experiments.select(of_experiment="experiment_id", stated_end=ibis.least(stated, end))
    people = assignments.join(ends, assignments.experiment_id == ends.of_experiment)
    people = people.mutate(outcome_end=ibis.greatest(people.stated_end, people.assigned_at))
    return people.select(
        ["experiment_id", "arm", "customer_id", "assigned_at", "outcome_end"],
        assigned_day=shop.day(people.assigned_at),
        outcome_days=_hours(people.assigned_at, people.outcome_end) / 24,
        pre_start=people.assigned_at - (people.outcome_end - people.assigned_at),
    )


def _with_orders(shop: Shop, people: ir.Table) -> ir.Table:
    orders = _valued_orders(shop)
    orders = orders.select("ordered_at", "amount", "discount", "order_profit", buyer="customer_id")
    theirs = people.join(orders, people.customer_id == orders.buyer)
    theirs = theirs.filter(theirs.ordered_at >= theirs.pre_start, theirs.ordered_at < theirs.outcome_end)
    after, is_order = theirs.ordered_at >= theirs.assigned_at, theirs.amount >= 0
    sums = theirs.group_by(*_PERSON).aggregate(
        orders=theirs.count(where=after & is_order),
        revenue=total(theirs.amount, where=after),
        refunds=total(-theirs.amount, where=after & ~is_order),
        discount=total(theirs.discount, where=after),
        order_profit=total(theirs.order_profit, where=after),
        pre_orders=theirs.count(where=~after & is_order),
        pre_revenue=total(theirs.amount, where=~after),
        pre_order_profit=total(theirs.order_profit, where=~after),
    )
    rows = _beside(people, sums, *_PERSON).fill_null(dict.fromkeys(sums.columns[2:], 0))
    rows = rows.mutate(ordered=(rows.orders > 0).cast("int64"), pre_ordered=(rows.pre_orders > 0).cast("int64"))
    known = rows.pre_start >= ibis.literal(_log_start(shop))
    before = ("pre_ordered", "pre_orders", "pre_revenue", "pre_order_profit")
    return rows.mutate(**{name: ibis.ifelse(known, rows[name], ibis.null(rows[name].type())) for name in before})


def _log_start(shop: Shop) -> dt.datetime:
    """The midnight, on the source's clock, with which the first day of the log of orders began; in UTC."""
    if (first := shop.loaded.tables["orders"].first) is None:
        return shop.end
    midnight = dt.datetime.fromisoformat(first).replace(tzinfo=zoneinfo.ZoneInfo(shop.settings.timezone))
    return midnight.astimezone(dt.UTC).replace(tzinfo=None)


def _with_messages(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    if not shop.has("messages"):
        kinds = dict.fromkeys(("messages", "clicked_messages", "replied_messages"), "int64")
        kinds |= {"message_cost": "float64", "profit": "float64"}
        return rows.mutate(**{name: ibis.null(kind) for name, kind in kinds.items()})
    sends = every_send(shop).select("sent_at", "clicked_at", "replied_at", "cost", addressee="customer_id")
    theirs = people.join(sends, people.customer_id == sends.addressee)
    theirs = theirs.filter(theirs.sent_at >= theirs.assigned_at, theirs.sent_at < theirs.outcome_end)
    sums = theirs.group_by(*_PERSON).aggregate(
        messages=theirs.count(),
        message_cost=total(theirs.cost),
        clicked_messages=theirs.count(where=theirs.clicked_at < theirs.outcome_end),
        replied_messages=theirs.count(where=theirs.replied_at < theirs.outcome_end),
    )
    rows = _beside(rows, sums, *_PERSON).fill_null(dict.fromkeys(sums.columns[2:], 0))
    for event in ("clicked", "replied"):
        if not shop.has("messages", f"{event}_at"):
            rows = rows.mutate(**{f"{event}_messages": ibis.null("int64")})
    return rows.mutate(profit=rows.order_profit - rows.message_cost)


def _with_visits(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    if not shop.has("visits"):
        return rows.mutate(visited=ibis.null("int64"))
    visits = shop.visits.select("visited_at", visitor="customer_id")
    theirs = people.join(visits, people.customer_id == visits.visitor)
    theirs = theirs.filter(theirs.visited_at >= theirs.assigned_at, theirs.visited_at < theirs.outcome_end)
    came = theirs.select(*_PERSON).distinct().mutate(visited=ibis.literal(1, "int64"))
    return _beside(rows, came, *_PERSON).fill_null({"visited": 0})


def _with_consent(shop: Shop, people: ir.Table, rows: ir.Table) -> ir.Table:
    withdrawn = [
        getattr(shop, name).select(who="customer_id", withdrawn_at=ibis._.opted_out_at.cast("timestamp"))
        for name in ("customers", "messages")
        if shop.has(name, "opted_out_at")
    ]
    if not withdrawn:
        kinds = {
            "opted_out": "int64",
            "opted_out_at": "timestamp",
            "consenting": "int64",
            "subscribed_weeks": "float64",
        }
        return rows.mutate(**{name: ibis.null(kind) for name, kind in kinds.items()})
    events = ibis.union(*withdrawn) if len(withdrawn) > 1 else withdrawn[0]
    theirs = people.join(events.filter(ibis._.withdrawn_at.notnull()), people.customer_id == events.who)
    before, within = theirs.withdrawn_at < theirs.assigned_at, theirs.withdrawn_at < theirs.outcome_end
    sums = theirs.group_by(*_PERSON).aggregate(
        opted_out_at=theirs.withdrawn_at.min(where=~before & within),
        earlier_opt_out=theirs.withdrawn_at.max(where=before),
    )
    rows = _beside(rows, sums, *_PERSON)
    if shop.has("customers", "opted_in_at"):
        rows = _beside(rows, shop.customers.select("customer_id", "opted_in_at"), "customer_id")
    else:
        rows = rows.mutate(opted_in_at=ibis.null("timestamp"))
    asked = rows.opted_in_at.isnull() | (rows.opted_in_at <= rows.assigned_at)
    kept = rows.earlier_opt_out.isnull() | (rows.earlier_opt_out < rows.opted_in_at).fill_null(False)
    weeks = _hours(rows.assigned_at, ibis.coalesce(rows.opted_out_at, rows.outcome_end)) / (7 * 24)
    return rows.mutate(
        opted_out=rows.opted_out_at.notnull().cast("int64"),
        consenting=(asked & kept).cast("int64"),
        subscribed_weeks=ibis.ifelse(asked & kept, weeks, 0.0),
    ).drop("earlier_opt_out", "opted_in_at")


def arm_moments(
    outcomes: ir.Table, outcome: str, covariate: str | None = None, by: Sequence[str] = ("experiment_id", "arm")
) -> ir.Table:
    """The sums from which means, Welch, CUPED and ratio metrics follow: one row per arm, however many the customers.

    With y the outcome and x the covariate: Welch needs n, Σy, Σy²; CUPED adds Σx, Σx², Σxy; a ratio of sums (clicked
    messages ÷ messages) is y = clicked_messages, x = messages. Where x is null it counts as 0 here, and n_known and
    sum_y_known give the moments of the indicator z = 1 of those customers: Σz = Σz² = n − n_known,
    Σyz = Σy − sum_y_known, Σxz = 0.

    Args:
        outcomes: what `arm_outcomes` returned, perhaps with further columns to group by.
        outcome: the column y. Customers for whom it is null are in no sum, and are counted as n_unknown.
        covariate: the column x; None for none.
        by: what names a row; ("experiment_id", "arm", "assigned_day") stratifies a ramp-up.

    Returns:
        the columns of `by`; n, n_unknown, sum_y, sum_y2; with a covariate also n_known, sum_y_known, sum_x, sum_x2,
        sum_xy. In the order of `by`.
    """
    sums = _moment_sums(outcomes, outcome, covariate)
    return outcomes.group_by(*by).aggregate(**sums).order_by(*by)


def arm_moments_together(
    outcomes: ir.Table,
    pairs: Mapping[str, tuple[str, str | None]],
    by: Sequence[str] = ("experiment_id", "arm"),
) -> ir.Table:
    """`arm_moments` of several outcomes in one pass over the customers.

    Args:
        outcomes: what `arm_outcomes` returned, perhaps with further columns to group by.
        pairs: name → outcome and covariate (None for none).
        by: what names a row.

    Returns:
        the columns of `by`; of each name the columns of `arm_moments` as `<name>__n`, `<name>__sum_y` …; in the order
        of `by`.
    """
    sums = {
        f"{name}__{moment}": value
        for name, (outcome, covariate) in pairs.items()
        for moment, value in _moment_sums(outcomes, outcome, covariate).items()
    }
    return outcomes.group_by(*by).aggregate(**sums).order_by(*by)


def _moment_sums(rows: ir.Table, outcome: str, covariate: str | None) -> dict[str, ir.Scalar]:
    y = rows[outcome].cast("float64")
    sums = {
        "n": rows.count(where=y.notnull()),
        "n_unknown": rows.count(where=y.isnull()),
        "sum_y": total(y),
        "sum_y2": total(y * y),
    }
    if covariate is not None:
        x = rows[covariate].cast("float64")
        known = y.notnull() & x.notnull()
        sums["n_known"] = rows.count(where=known)
        terms = {"sum_y_known": y, "sum_x": x, "sum_x2": x * x, "sum_xy": x * y}
        sums |= {name: total(term, where=known).fill_null(0.0) for name, term in terms.items()}
    return sums
