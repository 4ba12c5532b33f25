"""Profit of orders and messages: margin × (amount + discount) − discount − message cost."""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import latest_instant
from smsroi_helpers.measures.sends import every_send
from smsroi_helpers.source import Shop

__all__ = [
    "ProfitShare",
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


@dataclass(frozen=True)
class ProfitShare:
    """Profit before message cost per unit of money paid, refunds deducted."""

    value: float
    """Of what a customer pays, the part that is left as profit; may be negative."""
    error: float = 0.0
    """Its standard error, with the customer as unit."""
    refunds: float = 0.0
    """The profit that refunds take away, per unit of money paid; `value` is without it."""
    refunded: float = 0.0
    """Money refunded ÷ money paid, ≥ 0."""

    @property
    def before_refunds(self) -> float:
        """Profit per unit of money paid, if nothing were refunded."""
        return self.value + self.refunds


def profit_share(shop: Shop) -> ProfitShare:
    """Profit before message cost per unit of money paid: the source's margin, less discounts and refunds.

    It is Σ (margin × (amount + discount) − discount) over all orders and refunds ÷ Σ amount over all purchases.
    Example: with a margin of 30 % and a discount of 20 %, it is .3 × 1.25 − .25 = .125; if a tenth of what is paid is
    refunded as well, .125 − .3 × .1 = .095. Without discounts and refunds, or if all purchases were free, it is the
    margin. Its error is that of a ratio of two sums over customers (Cochran 1977, Sampling techniques, eq. 2.39).
    Refunds of the last orders that are still to come are not in it.
    """
    orders = valued_orders(shop)
    is_purchase = orders.amount >= 0
    people = orders.group_by("customer_id").aggregate(
        paid=total(orders.amount, where=is_purchase),
        profit=total(orders.order_profit),
        taken=-total(orders.order_profit, where=~is_purchase),
        refunded=-total(orders.amount, where=~is_purchase),
    )
    people = people.fill_null({"paid": 0.0, "taken": 0.0, "refunded": 0.0})
    sums = shop.count(people.aggregate(
        n=people.count(), **{name: total(people[name]) for name in ("paid", "profit", "taken", "refunded")},
        paid_2=total(people.paid * people.paid, 4), profit_2=total(people.profit * people.profit, 4),
        both=total(people.paid * people.profit, 4),
    )).iloc[0]  # fmt: skip
    n, paid = float(sums["n"]), float(sums["paid"] or 0.0)
    if not paid > 0:
        return ProfitShare(float(shop.settings.margin))
    value = float(sums["profit"]) / paid
    squares = float(sums["profit_2"]) - 2 * value * float(sums["both"]) + value**2 * float(sums["paid_2"])
    error = (max(squares, 0.0) * n / (n - 1)) ** 0.5 / paid if n > 1 else 0.0
    return ProfitShare(value, error, float(sums["taken"]) / paid, float(sums["refunded"]) / paid)


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
        customer_id, at (UTC), latest_at (UTC: the end of the day of an order whose date has no time, else `at`),
        profit = margin × (amount + discount) − discount, purchase (1; of a refund 0).
    """
    orders = valued_orders(shop)
    return orders.select(
        "customer_id",
        at=orders.ordered_at.cast("timestamp"),
        latest_at=latest_instant(shop, orders.ordered_at, "orders", "ordered_at").cast("timestamp"),
        profit=orders.order_profit,
        purchase=(orders.amount >= 0).cast("int64"),
    )
