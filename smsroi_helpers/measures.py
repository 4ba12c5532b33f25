"""What several stages count, each as one expression over a shop's tables."""

import datetime as dt

import ibis
import ibis.expr.types as ir

from smsroi_helpers.shop import Shop

__all__ = ["purchase_days", "purchase_history"]


def purchase_days(shop: Shop) -> ir.Table:
    """One row per customer and day with a purchase: customer_id, day (on the source's clock), value (money).

    Orders of one day are one purchase; refunds (negative amounts) are none, and do not lessen the day's value.
    """
    orders = shop.orders.filter(shop.orders.amount >= 0)
    orders = orders.mutate(day=shop.day(orders.ordered_at))
    return orders.group_by("customer_id", "day").aggregate(value=orders.amount.sum())


def purchase_history(shop: Shop, until: dt.date | None = None) -> ir.Table:
    """One row per customer with a purchase: what BG/NBD and Gamma–Gamma need to know of them.

    Args:
        shop: the company.
        until: the last day that counts (inclusive); None for the last day observed. Customers whose first purchase is
            later are left out.

    Returns:
        customer_id; first_day; frequency = days with a purchase − 1; recency_days = last − first; T_days = until −
        first (whole days); repeat_spend = money spent on days after the first; later_purchases = days with a purchase
        after `until` (none where it is the last day observed).
    """
    last = until or shop.as_of
    days = purchase_days(shop)
    until_then = days.day <= ibis.literal(last)
    history = days.group_by("customer_id").aggregate(
        first_day=days.day.min(where=until_then),
        last_day=days.day.max(where=until_then),
        frequency=days.count(where=until_then) - 1,
        total_spend=days.value.sum(where=until_then),
        first_spend=days.value.argmin(days.day),
        later_purchases=days.count(where=~until_then),
    )
    history = history.filter(history.first_day.notnull())
    return history.select(
        "customer_id",
        "first_day",
        "frequency",
        recency_days=history.last_day.delta(history.first_day, unit="day").cast("int64"),
        T_days=ibis.literal(last).delta(history.first_day, unit="day").cast("int64"),
        repeat_spend=ibis.ifelse(history.frequency > 0, history.total_spend - history.first_spend, 0.0),
        later_purchases=history.later_purchases,
    )
