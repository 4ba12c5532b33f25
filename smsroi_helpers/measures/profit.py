"""Profit of orders and messages: margin × (amount + discount) − discount − message cost."""

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import latest_instant
from smsroi_helpers.measures.messages import every_send
from smsroi_helpers.source import Shop

__all__ = [
    "knows_profit",
    "order_events",
    "profit_events",
    "profit_share",
    "valued_orders",
]


def knows_profit(shop: Shop) -> bool:
    """Whether the source shows profit: what was ordered, and what was sent. Without either it is unknown, not 0."""
    return shop.has("orders") and shop.has("messages")


def valued_orders(shop: Shop) -> ir.Table:
    """Orders and refunds with order_profit = margin × (amount + discount) − discount: profit before message cost.

    A missing or null `discount` counts as 0. The profit of a refund is margin × amount (< 0). A discount in a refund's
    row is ignored, since it was granted with the order.

    Raises:
        DataError: the source has no orders.
    """
    orders = shop.orders
    granted = orders.discount.fill_null(0.0) if "discount" in orders.columns else ibis.literal(0.0)
    discount = ibis.ifelse(orders.amount < 0, 0.0, granted)
    profit = (orders.amount + discount) * shop.settings.margin - discount
    return orders.select("order_id", "customer_id", "ordered_at", "amount", discount=discount, order_profit=profit)


def profit_share(shop: Shop) -> float:
    """Profit before message cost per unit of money paid: the source's margin, less the cost of discounts.

    It is Σ (margin × (amount + discount) − discount) ÷ Σ amount over all purchases. Example: with a margin of 30 % and
    a discount of 20 %, it is .3 × 1.25 − .25 = .125. Without discounts, or if all purchases were free, it is the
    margin. May be negative.
    """
    orders = valued_orders(shop)
    orders = orders.filter(orders.amount >= 0)
    sums = shop.count(orders.aggregate(profit=total(orders.order_profit), paid=total(orders.amount))).iloc[0]
    return float(sums["profit"] / sums["paid"]) if sums["paid"] > 0 else float(shop.settings.margin)


def profit_events(shop: Shop) -> ir.Table:
    """Profit by event and time: one row per order or refund, and per message that is not free.

    Returns:
        customer_id, at (UTC), latest_at (UTC: the end of the day of an order whose date has no time, else `at`),
        profit: margin × (amount + discount) − discount of an order, −cost of a message (none where costs are not
        known: see `knows_cost`).

    Raises:
        DataError: the source has no messages.
    """
    orders, sends = valued_orders(shop), every_send(shop)
    sends = sends.filter(sends.cost > 0)
    return ibis.union(
        orders.select(
            "customer_id",
            at=orders.ordered_at.cast("timestamp"),
            latest_at=latest_instant(shop, orders.ordered_at, "orders", "ordered_at").cast("timestamp"),
            profit=orders.order_profit,
        ),
        sends.select(
            "customer_id",
            at=sends.sent_at.cast("timestamp"),
            latest_at=sends.sent_at.cast("timestamp"),
            profit=-sends.cost,
        ),
    )


def order_events(shop: Shop) -> ir.Table:
    """Profit of orders and refunds by time, before message costs.

    Returns:
        customer_id, at (UTC), profit = margin × (amount + discount) − discount, purchase (1; of a refund 0).
    """
    orders = valued_orders(shop)
    return orders.select(
        "customer_id",
        at=orders.ordered_at.cast("timestamp"),
        profit=orders.order_profit,
        purchase=(orders.amount >= 0).cast("int64"),
    )
