"""Orders of one chunk of customers: organic, moved forward by a message, or caused by one; and refunds."""

from typing import Any

import numpy as np

from smsroi_helpers.simulation.behaviour import DAY, Company, Customers, Flags, Ints, draw_seconds
from smsroi_helpers.simulation.columns import Batch, ids, instants, words, write_part
from smsroi_helpers.simulation.ground_truth import CREATIVES, REFUNDED
from smsroi_helpers.simulation.texting import Columns

__all__ = [
    "DISCOUNTED_SHARE",
    "ORIGINS",
    "draw_caused",
    "draw_orders",
    "draw_refunds",
    "find_moved",
    "round_amounts",
    "write_orders",
]

_MAX_DELAY = 14 * DAY
"""Longest time from a message to the order that it causes or moves, in seconds."""
DISCOUNTED_SHARE = 0.1
"""Share of organic orders with a discount of 10 %."""
ORIGINS = ("own", "moved", "caused")
_REFUND_PROBABILITIES = (2 * (1 - REFUNDED), 2 * REFUNDED - 1)


def find_moved(
    company: Company, customers: Customers, due: Columns, free: Flags, sent: Columns, sent_at: Ints,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """Pull-forward: the customer's next organic order within two weeks is moved towards the first message.

    Args:
        company: the company.
        customers: the chunk.
        due: organic orders: customer, at (seconds since 1970, before any move).
        free: which of them have not been moved.
        sent: messages.
        sent_at: of each message.
        rng: decides which responses move an order, and to when.

    Returns:
        Number of each order that is moved, of the message that moves it, and its new time.
    """
    customer, at = due["customer"], due["at"]
    span = np.int64(1) << 36
    key = customer * span + at
    by_time = np.argsort(key, kind="stable")
    brings_forward = rng.random(len(sent_at)) < company.world.moved_share[customers.segment[sent["customer"]]]
    candidates = np.flatnonzero(sent["responded"] & brings_forward)
    position = np.searchsorted(key[by_time], sent["customer"][candidates] * span + sent_at[candidates], side="right")
    next_order = by_time[np.minimum(position, len(by_time) - 1)]
    waits = at[next_order] - sent_at[candidates]
    can_be_moved = (
        (position < len(by_time))
        & (customer[next_order] == sent["customer"][candidates])
        & (waits <= _MAX_DELAY)
        & (waits > 0)
        & free[next_order]
    )
    orders, first = np.unique(next_order[can_be_moved], return_index=True)
    messages = candidates[can_be_moved][first]
    new = sent_at[messages] + (rng.random(len(messages)) ** 2 * (at[orders] - sent_at[messages])).astype(np.int64)
    return orders, messages, new


def draw_caused(sent: Columns, sent_at: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The messages that cause an order, and the time of the order."""
    caused = np.flatnonzero(sent["buys"])
    delay = rng.exponential(30 * 3600.0, len(caused))
    delay = np.where(delay < _MAX_DELAY, delay, rng.random(len(caused)) * _MAX_DELAY)
    return caused, np.asarray(sent_at[caused] + 60 + delay.astype(np.int64))


def draw_orders(
    company: Company,
    customers: Customers,
    organic: tuple[Ints, Ints],
    sent: Columns,
    sent_at: Ints,
    rng: np.random.Generator,
) -> tuple[Columns, Columns]:
    """Return every order of the log, and the orders that its last messages cause after it, each sorted by time.

    Columns: customer, at (seconds since 1970), list_value, discount (share), origin (number in `ORIGINS`), message_row.
    """
    world = company.world
    customer, day = organic
    at = company.instant(customers.zone[customer], day, draw_seconds(customers, customer, rng))
    origin, message_row = np.zeros(len(customer), np.int64), np.full(len(customer), -1)
    due = {"customer": customer, "at": at}
    moved, movers, moved_to = find_moved(company, customers, due, np.ones(len(at), bool), sent, sent_at, rng)
    at[moved], origin[moved], message_row[moved] = moved_to, 1, movers

    caused, caused_at = draw_caused(sent, sent_at, rng)
    discounts = np.array([c.discount for c in CREATIVES])
    all_customers = np.concatenate([customer, sent["customer"][caused]])
    shape = world.value_p[customers.segment[all_customers]]
    orders = {
        "customer": all_customers,
        "at": np.concatenate([at, caused_at]),
        "list_value": rng.gamma(shape) / customers.value_rate[all_customers],
        "discount": np.concatenate(
            [0.1 * (rng.random(len(customer)) < DISCOUNTED_SHARE), discounts[sent["variant"][caused]]]
        ),
        "origin": np.concatenate([origin, np.full(len(caused), 2)]),
        "message_row": np.concatenate([message_row, caused]),
    }
    order = np.argsort(orders["at"], kind="stable")
    seen = int((orders["at"] < company.end).sum())
    in_log, after = order[:seen], order[seen:]
    return ({name: column[in_log] for name, column in orders.items()},
            {name: column[after] for name, column in orders.items()})  # fmt: skip


def round_amounts(orders: Columns) -> tuple[Any, Any]:
    """Paid amount and discount in money, in cents."""
    discount = np.round(orders["list_value"] * orders["discount"], 2)
    return np.maximum(np.round(orders["list_value"] - discount, 2), 0.01), discount


def draw_refunds(company: Company, orders: int, rng: np.random.Generator) -> tuple[Ints, Ints, Any]:
    """Which of so many orders are refunded, after how many seconds, and which share of the amount."""
    refunded = np.flatnonzero(rng.random(orders) < company.world.refunds)
    delay = rng.integers(DAY, 14 * DAY, len(refunded))
    return refunded, delay, rng.choice((0.5, 1.0), len(refunded), p=_REFUND_PROBABILITIES)


def write_orders(
    company: Company, customers: Customers, batch: Batch, orders: Columns, message: Ints, rng: np.random.Generator
) -> None:
    """Write the table orders, with refunds at its end, and truth/orders: origin and message of each order.

    Refunds after the log, which only a company with later weeks has, are the last of all.
    """
    n = len(orders["at"])
    amount, discount = round_amounts(orders)
    refunded, delay, share = draw_refunds(company, n, rng)
    refunded_at = orders["at"][refunded] + delay
    refund_amount = -np.round(amount[refunded] * share, 2)
    seen = np.flatnonzero((refunded_at < company.seen_until) & (refund_amount < 0))
    seen = seen[np.argsort(refunded_at[seen] >= company.end, kind="stable")]
    customer = np.concatenate([orders["customer"], orders["customer"][refunded[seen]]])
    order_ids = ids(f"o{batch.chunk:03}-", np.arange(len(customer)), 8)
    write_part(batch, "orders", {
        "order_id": order_ids,
        "customer_id": ids("c", customers.number[customer], 8),
        "ordered_at": instants(np.concatenate([orders["at"], refunded_at[seen]]), company.seen_until),
        "amount": np.concatenate([amount, refund_amount[seen]]),
        "discount": np.concatenate([discount, np.zeros(len(seen))]),
    })  # fmt: skip
    write_part(batch, "truth/orders", {
        "order_id": order_ids.slice(0, n),
        "origin": words(orders["origin"], ORIGINS),
        "message_id": ids(batch.prefix, np.where(orders["message_row"] < 0, -1, message[orders["message_row"]]), 9),
        "list_value": orders["list_value"],
    })  # fmt: skip
