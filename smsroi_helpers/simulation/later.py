"""Weeks after the log of a simulated company, whose texts a given plan decides.

The log is drawn as without later weeks, so none of its rows changes. What was under way when it ended comes to pass:
clicks, orders that its last texts caused, refunds, subscriptions that end. Customers go on placing organic orders: who
is still a customer is drawn given the orders so far, and all further orders are drawn at once. Each week has its own
seed, so that further weeks do not change it. Experiments are over, and who is held out is texted only if the plan says
so. A text of the log moves no order from after the log.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from smsroi_helpers.errors import UsageError
from smsroi_helpers.simulation.behaviour import (
    DAY,
    Company,
    Customers,
    Flags,
    Floats,
    Ints,
    draw_purchases,
    draw_seconds,
)
from smsroi_helpers.simulation.columns import Batch, ids, instants, words, write_part
from smsroi_helpers.simulation.ground_truth import CREATIVES, season
from smsroi_helpers.simulation.messages import write_messages
from smsroi_helpers.simulation.orders import (
    DISCOUNTED_SHARE,
    ORIGINS,
    draw_caused,
    draw_refunds,
    find_moved,
    round_amounts,
)
from smsroi_helpers.simulation.texting import Columns, Texting
from smsroi_helpers.simulation.visits import write_feedback, write_visits

__all__ = ["MOST_WEEKS", "LaterWeek", "Planned", "draw_alive", "send_later", "write_later"]

MOST_WEEKS = 104
"""Longest time after the log."""
_MARGIN_DAYS = 14
"""Days after the last week whose organic orders a text may move."""
_IN_LOG, _ORGANIC, _CAUSED = range(3)
"""Seeds of orders that the log caused, of organic ones, and (from here on) of those that each later week causes."""


@dataclass(frozen=True)
class Planned:
    """The texts of a plan for one chunk of customers."""

    texts: Columns
    """customer (row of the chunk), sent_at (seconds since 1970), variant (number in `CREATIVES`; −1: either of the
    week's two), plan (number in `plan_ids`)."""
    plan_ids: Sequence[str]

    def by_local_day(self, company: Company, customers: Customers) -> Columns:
        """The texts with their day and second in the recipient's time zone.

        Raises:
            UsageError: a customer has two texts on a day, or a text is in the log or after the last week.
        """
        at, zone = self.texts["sent_at"], customers.zone[self.texts["customer"]]
        if len(at) and (at.min() < company.end or at.max() >= company.seen_until):
            raise UsageError("the plan has texts outside the weeks after the log; leave them out")
        seconds = at - company.midnight
        local = seconds + company.offsets[zone, seconds // DAY]
        day = local // DAY
        if len(np.unique(self.texts["customer"] * (1 << 20) + day)) < len(day):
            raise UsageError("the plan has two texts for a customer on one day; a customer gets one a day at most")
        return self.texts | {"day": day, "second": local % DAY}


@dataclass(frozen=True)
class LaterWeek:
    """What was sent in a week."""

    batch: Batch
    sent: Columns
    """As of `texting.draw_messages`; plan is the number of the plan."""
    sent_at: Ints
    message: Ints
    """Number of each text among the messages of the batch."""
    clicks: Ints
    """Time of each human click, or `NEVER`."""
    opted_out_at: Ints


def send_later(
    company: Company, customers: Customers, texting: Texting, log: Batch, planned: Planned
) -> list[LaterWeek]:
    """Send the texts of a plan to those who are still subscribed, and write the messages.

    Args:
        company: the company, with its later weeks.
        customers: the chunk.
        texting: after its `run`.
        log: the part of the log.
        planned: the texts.
    """
    every = planned.by_local_day(company, customers)
    weeks = []
    for number in range(company.later_weeks):
        rng = np.random.default_rng([company.world.seed, 5, log.chunk, number])
        first = company.days + 7 * number
        batch = dataclasses.replace(log, first_day=first, end_day=first + 7, later_week=number)
        days = []
        for day in range(first, first + 7):
            of_day = every["day"] == day
            texts = {name: column[of_day] for name, column in every.items()}
            sent = texting.send_planned(day, texts, rng)
            position = sent.pop("position")
            days.append(sent | {name: texts[name][position] for name in ("plan", "sent_at")})
        sent = _join(days)
        sent_at = sent.pop("sent_at")
        written = write_messages(company, customers, batch, sent, sent_at, planned.plan_ids, rng)
        weeks.append(LaterWeek(batch, sent, sent_at, *written))
    return weeks


def _join(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# --- orders ----------------------------------------------------------------------------------------------------------


def draw_alive(rates: Floats, dropout: Floats, repeats: Ints, silent_weeks: Floats, rng: np.random.Generator) -> Flags:
    """Draw who is still a customer, given the orders so far and the parameters of each customer.

    Fader, Hardie & Lee (2005), section 3: after the last of x > 0 repeat purchases the customer dropped out with
    probability p, or stayed and bought nothing for the time since, with probability (1 − p) exp(−λ · time). Nobody
    drops out before a repeat purchase.

    Args:
        rates: λ (customers,), purchases per week while active.
        dropout: p (customers,), 0–1.
        repeats: x (customers,).
        silent_weeks: time since the last purchase (customers,).
        rng: random generator.
    """
    stays = (1 - dropout) * np.exp(-rates * silent_weeks)
    return np.asarray((repeats == 0) | (rng.random(len(rates)) * (stays + dropout) < stays))


def _draw_organic(company: Company, customers: Customers, organic: tuple[Ints, Ints], chunk: int) -> Columns:
    """Organic orders after the log, each with its refund, until some days after the last week."""
    rng = np.random.default_rng([company.world.seed, 6, chunk, _ORGANIC])
    n, horizon = len(customers.number), company.days + 7 * MOST_WEEKS
    pace = np.append(0.0, np.cumsum(season(company.world, company.first_day, horizon)))
    orders = np.bincount(organic[0], minlength=n)
    last = np.zeros(n, np.int64)
    last[organic[0]] = organic[1]  # sorted by day
    silent = (pace[company.days] - np.interp(last + 0.5, np.arange(horizon + 1), pace)) / 7
    alive = draw_alive(customers.rate, customers.dropout, orders - 1, silent, rng)
    active = np.flatnonzero(alive & customers.buyer)
    weeks = np.full(len(active), (pace[-1] - pace[company.days]) / 7)
    customer, time = draw_purchases(customers.rate[active], customers.dropout[active], weeks, rng)
    customer = active[customer]
    day = np.interp(pace[company.days] + 7 * time, pace, np.arange(horizon + 1)).astype(np.int64)
    second = draw_seconds(customers, customer, rng)
    drawn = _complete(company, customers, customer, None, rng) | {"day": day, "second": second}
    soon = day < company.all_days + _MARGIN_DAYS
    drawn = {name: column[soon] for name, column in drawn.items()}
    at = company.instant(customers.zone[drawn["customer"]], drawn.pop("day"), drawn.pop("second"))
    return drawn | {"at": np.maximum(at, company.end)}


def _complete(
    company: Company, customers: Customers, customer: Ints, variant: Ints | None, rng: np.random.Generator
) -> Columns:
    """Draw value, discount and refund of orders: organic ones (no variant), or caused by texts."""
    n = len(customer)
    value = rng.gamma(company.world.value_p[customers.segment[customer]]) / customers.value_rate[customer]
    refunded, delay, share = draw_refunds(company, n, rng)
    delays, shares = np.zeros(n, np.int64), np.zeros(n)
    delays[refunded], shares[refunded] = delay, share
    if variant is None:
        discount = 0.1 * (rng.random(n) < DISCOUNTED_SHARE)
    else:
        discount = np.array([c.discount for c in CREATIVES])[variant]
    return {"customer": customer, "list_value": value, "discount": discount, "refund_delay": delays,
            "refund_share": shares, "origin": np.zeros(n, np.int64), "week": np.full(n, -1),
            "message": np.full(n, -1)}  # fmt: skip


def _draw_later_orders(
    company: Company, customers: Customers, chunk: int, organic: tuple[Ints, Ints], log_orders: tuple[Columns, Ints],
    weeks: Sequence[LaterWeek],
) -> Columns:  # fmt: skip
    """Every order after the log, sorted by time; `week` and `message` name the message that moved or caused it."""

    def seed(kind: int) -> np.random.Generator:
        return np.random.default_rng([company.world.seed, 6, chunk, kind])

    under_way, message = log_orders
    first = _complete(company, customers, under_way["customer"], None, seed(_IN_LOG))
    first |= {name: under_way[name] for name in ("at", "list_value", "discount", "origin")}
    first["message"] = np.where(under_way["message_row"] < 0, -1, message[under_way["message_row"]])
    own = _draw_organic(company, customers, organic, chunk)
    due = {"customer": own["customer"], "at": own["at"].copy()}
    blocks = [first, own]
    for number, week in enumerate(weeks):
        rng = seed(_CAUSED + number)
        moved, movers, moved_to = find_moved(company, customers, due, own["origin"] == 0, week.sent, week.sent_at, rng)
        own["at"][moved], own["origin"][moved], own["week"][moved] = moved_to, ORIGINS.index("moved"), number
        own["message"][moved] = week.message[movers]
        caused, at = draw_caused(week.sent, week.sent_at, rng)
        block = _complete(company, customers, week.sent["customer"][caused], week.sent["variant"][caused], rng)
        origin = np.full(len(caused), ORIGINS.index("caused"))
        blocks.append(block | {"at": at, "origin": origin, "week": np.full(len(caused), number),
                               "message": week.message[caused]})  # fmt: skip
    orders = _join(blocks)
    seen = np.flatnonzero(orders["at"] < company.seen_until)
    seen = seen[np.argsort(orders["at"][seen], kind="stable")]
    return {name: column[seen] for name, column in orders.items()}


def write_later(
    company: Company, customers: Customers, log: Batch, organic: tuple[Ints, Ints], *,
    log_orders: tuple[Columns, Ints], log_sent: Columns, weeks: Sequence[LaterWeek],
) -> None:  # fmt: skip
    """Write orders, visits and feedback of the later weeks.

    Args:
        company: the company.
        customers: the chunk.
        log: the part of the log.
        organic: organic orders of the log: customer and day.
        log_orders: orders after the log that its texts caused, and the number of each text of the log.
        log_sent: texts of the log.
        weeks: of `send_later`.
    """
    orders = _draw_later_orders(company, customers, log.chunk, organic, log_orders, weeks)
    _write_orders(company, customers, weeks[0].batch, orders, weeks)
    for number, week in enumerate(weeks):
        rng = np.random.default_rng([company.world.seed, 7, log.chunk, number])
        start, end = company.midnight_of(week.batch.first_day), company.midnight_of(week.batch.end_day)
        of_week = (orders["at"] >= start) & (orders["at"] < end)
        own = {name: orders[name][of_week] for name in ("customer", "at")}
        write_visits(company, customers, week.batch, own, week.clicks, week.sent, rng)
        texts = _join([{name: sent[name] for name in ("customer", "day")}
                       for sent in (log_sent, *(each.sent for each in weeks[: number + 1]))])  # fmt: skip
        write_feedback(company, customers, week.batch, texts, rng)


def _write_orders(
    company: Company, customers: Customers, batch: Batch, orders: Columns, weeks: Sequence[LaterWeek]
) -> None:
    """Write the orders and refunds after the log, by time, and the truth of the orders."""
    amount, discount = round_amounts(orders)
    refund = -np.round(amount * orders["refund_share"], 2)
    refunded_at = orders["at"] + orders["refund_delay"]
    back = np.flatnonzero((refund < 0) & (refunded_at < company.seen_until))
    at = np.concatenate([orders["at"], refunded_at[back]])
    order = np.argsort(at, kind="stable")
    customer = np.concatenate([orders["customer"], orders["customer"][back]])[order]
    order_ids = ids(f"o{batch.chunk:03}l-", np.arange(len(order)), 8)
    write_part(batch, "orders", {
        "order_id": order_ids,
        "customer_id": ids("c", customers.number[customer], 8),
        "ordered_at": instants(at[order], company.seen_until),
        "amount": np.concatenate([amount, refund[back]])[order],
        "discount": np.concatenate([discount, np.zeros(len(back))])[order],
    })  # fmt: skip
    place = np.argsort(order, kind="stable")[: len(amount)]
    names = np.full(len(amount), None, object)
    for number in range(-1, len(weeks)):
        known = np.flatnonzero((orders["week"] == number) & (orders["message"] >= 0))
        prefix = dataclasses.replace(batch, later_week=number).prefix
        names[known] = ids(prefix, orders["message"][known], 9).to_numpy(zero_copy_only=False)
    write_part(batch, "truth/orders", {
        "order_id": order_ids.take(pa.array(place)),
        "origin": words(orders["origin"], ORIGINS),
        "message_id": pa.array(names, pa.string()),
        "list_value": orders["list_value"],
    })  # fmt: skip
