"""Purchases, refunds, and the purchase history of each customer."""

import datetime as dt

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import latest_instant, without_time
from smsroi_helpers.measures.profit import valued_orders
from smsroi_helpers.source import Shop, once

__all__ = [
    "purchase_days",
    "purchase_history",
    "purchases",
    "refunds",
]


@once
def purchases(shop: Shop) -> ir.Table:
    """One row per purchase: an order that is not a refund. A free order (amount 0) is a purchase.

    Returns:
        order_id, customer_id, ordered_at (UTC), latest_at (UTC: the end of the day if the date has no time, else
        ordered_at), without_time (whether the date has no time), day (in the source's time zone), spend (money ≥ 0,
        after discount), discount (≥ 0), profit (margin × (spend + discount) − discount, before message cost).
    """
    orders = valued_orders(shop)
    orders = orders.filter(orders.amount >= 0)
    return orders.select(
        "order_id",
        "customer_id",
        "ordered_at",
        latest_at=latest_instant(shop, orders.ordered_at, "orders", "ordered_at"),
        without_time=without_time(shop, orders.ordered_at, "orders", "ordered_at"),
        day=shop.day(orders.ordered_at),
        spend=orders.amount,
        discount=orders.discount,
        profit=orders.order_profit,
    )


def refunds(shop: Shop) -> ir.Table:
    """One row per refund (a negative amount).

    Returns:
        order_id, customer_id, refunded_at (UTC), day (in the source's time zone), refunded (money > 0), profit (≤ 0).
    """
    orders = valued_orders(shop)
    orders = orders.filter(orders.amount < 0)
    return orders.select(
        "order_id",
        "customer_id",
        refunded_at=orders.ordered_at,
        day=shop.day(orders.ordered_at),
        refunded=-orders.amount,
        profit=orders.order_profit,
    )


def purchase_days(shop: Shop) -> ir.Table:
    """One row per customer and day with a purchase: customer_id, day (in the source's time zone), value (money).

    Orders of one day are one purchase. Refunds (negative amounts) are not purchases and do not reduce the day's value.
    """
    orders = purchases(shop)
    return orders.group_by("customer_id", "day").aggregate(value=total(orders.spend))


def purchase_history(shop: Shop, until: dt.date | None = None, recent_weeks: int = 0) -> ir.Table:
    """One row per customer with a purchase: the inputs of BG/NBD and Gamma–Gamma.

    Args:
        shop: the company.
        until: the last day that counts (inclusive); None for the last day observed. Customers whose first purchase is
            later are left out.
        recent_weeks: the number of weeks up to `until` for recent_purchases.

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
