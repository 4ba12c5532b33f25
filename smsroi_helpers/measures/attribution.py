"""Orders attributed to messages, by last touch or any touch. Attribution shows correlation, not causation."""

from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import hours_between, latest_instant, left_join_columns
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.profit import valued_orders
from smsroi_helpers.measures.sends import every_send
from smsroi_helpers.source import Shop

__all__ = [
    "Touch",
    "attributed_orders",
    "message_outcomes",
    "touches_per_order",
]

Touch = Literal["last", "any"]


# --- attribution -----------------------------------------------------------------------------------------------------


def attributed_orders(shop: Shop, window_hours: int = 72, touch: Touch = "last") -> ir.Table:
    """Orders within `window_hours` after a delivered message, with the message they are credited to.

    An order at the instant of delivery counts, because timestamps may be rounded to seconds; an order whose date has no
    time counts after all messages of that day. An order exactly
    `window_hours` later does not, so that the windows 0–12 h and 12–24 h partition the orders of 0–24 h. Without a
    column `delivered_at`, sent messages count as delivered. Refunds are not attributed; they name no order, so amounts
    are gross of refunds. Attributed orders are not incremental orders.

    Args:
        shop: the company.
        window_hours: elapsed hours, above 0. The orders of a shorter window are those of a longer one with
            `hours_after` below the shorter length.
        touch: `last` credits an order to the last such message only, so that credits sum to the orders; of messages
            delivered at the same instant, the one with the greatest message_id is the last. `any` credits it in full to
            every such message: one row per order and message, so sums count an order several times.

    Returns:
        order_id, customer_id, ordered_at (UTC), amount, discount, order_profit (margin × (amount + discount) −
        discount, before message cost), message_id, campaign_id, channel, variant, delivered_at (UTC), hours_after
        (0 ≤ hours_after < window_hours), revenue (the amount, gross of refunds).

    Raises:
        ValueError: window_hours is not above 0, or touch is unknown.
        DataError: the source has no messages.
    """
    if window_hours <= 0:
        raise ValueError(f"window_hours must be above 0, not {window_hours}")
    if touch not in ("last", "any"):
        raise ValueError(f"touch must be 'last' or 'any', not {touch!r}")
    sends = every_send(shop).filter(ibis._.delivered_at.notnull())
    touches = sends.select("message_id", "campaign_id", "channel", "variant", "delivered_at", addressee="customer_id")
    orders = _purchases(shop)
    latest = latest_instant(shop, orders.ordered_at, "orders", "ordered_at")
    if touch == "any":
        pairs = _within(orders.mutate(latest_at=latest), touches, window_hours)
    else:
        pairs = _within(*_by_period(orders.mutate(latest_at=latest), touches, window_hours), window_hours)
        newest = ibis.window(group_by="order_id", order_by=[ibis.desc("delivered_at"), ibis.desc("message_id")])
        pairs = pairs.mutate(place=ibis.row_number().over(newest)).filter(ibis._.place == 0)
    credited = pairs.select(
        [*orders.columns, "message_id", "campaign_id", "channel", "variant", "delivered_at"],
        hours_after=ibis.greatest(hours_between(pairs.delivered_at, pairs.ordered_at), 0.0),
        revenue=pairs.amount,
    )
    return shop.keep(credited) if touch == "last" else credited  # at most one row per order


def _purchases(shop: Shop) -> ir.Table:
    return valued_orders(shop).filter(ibis._.amount >= 0)


def _within(orders: ir.Table, touches: ir.Table, window_hours: int) -> ir.Table:
    """The pairs of an order and a message to the buyer whose window includes it; joined by `period` too, if any."""
    same = [orders.customer_id == touches.addressee]
    same += [orders.period == touches.of_period] if "period" in orders.columns else []
    pairs = orders.join(touches, same)
    until = pairs.delivered_at + ibis.interval(hours=window_hours)
    return pairs.filter(pairs.delivered_at <= pairs.latest_at, pairs.ordered_at < until)


def _by_period(orders: ir.Table, touches: ir.Table, window_hours: int) -> tuple[ir.Table, ir.Table]:
    """Orders and messages with the period in which to look for each other, which a hash join can use.

    Periods are as long as the window and the day that a date without a time may mean. So the deliveries that count lie
    in the order's period or the one before: an order is compared with a few messages, however many its buyer has been
    sent. Spark has no as-of join, and a window over all messages and orders would sort them.
    """
    seconds = 3_600 * (window_hours + 25)  # a day may have 25 hours

    def period(instant: ir.TimestampValue) -> ir.IntegerValue:
        return (instant.cast("timestamp").epoch_seconds() / seconds).floor().cast("int64")

    own = orders.mutate(period=period(orders.latest_at))
    both = ibis.union(own, own.mutate(period=own.period - 1))
    return both, touches.mutate(of_period=period(touches.delivered_at))


def touches_per_order(shop: Shop, window_hours: int = 72) -> ir.Table:
    """One row per purchase, attributed or not, with the number of messages whose window includes it.

    Returns:
        order_id, customer_id, ordered_at (UTC), amount, discount, order_profit; touches: delivered messages whose
        window (as in `attributed_orders`) includes the order; campaigns: the number of their campaigns; attributed:
        whether there is any; revenue (the amount, gross of refunds).
    """
    pairs = attributed_orders(shop, window_hours, "any")
    claims = pairs.group_by("order_id").aggregate(touches=pairs.count(), campaigns=pairs.campaign_id.nunique())
    orders = left_join_columns(_purchases(shop), claims, "order_id")
    return orders.fill_null({"touches": 0, "campaigns": 0}).mutate(attributed=ibis._.touches > 0, revenue=ibis._.amount)


def message_outcomes(shop: Shop, window_hours: int = 72) -> ir.Table:
    """One row per message sent, with its orders by last touch, for rates by hour, campaign or creative.

    Returns:
        the columns of `local_sends`, and attributed_orders, attributed_revenue (money, gross of refunds),
        attributed_profit (margin × (amount + discount) − discount − the message's cost). Without an order these are 0,
        0 and −cost; attributed_profit is null where the cost is not known. For messages with observed_hours below
        `window_hours` the window has not ended yet.
    """
    credited = attributed_orders(shop, window_hours, "last")
    sums = credited.group_by("message_id").aggregate(
        attributed_orders=credited.count(),
        attributed_revenue=total(credited.amount),
        attributed_profit=total(credited.order_profit),
    )
    rows = left_join_columns(local_sends(shop), sums, "message_id").fill_null(dict.fromkeys(sums.columns[1:], 0))
    return rows.mutate(attributed_profit=rows.attributed_profit - rows.cost)
