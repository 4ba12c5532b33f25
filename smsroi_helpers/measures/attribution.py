"""Orders after messages, credited by last touch or any touch: attributed, never caused."""

from typing import Literal

import ibis
import ibis.expr.types as ir

from smsroi_helpers.engine import total
from smsroi_helpers.measures.columns import hours_between, left_join_columns
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.messages import every_send
from smsroi_helpers.measures.profit import valued_orders
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
        hours_after=hours_between(pairs.delivered_at, pairs.ordered_at),
    )


def _purchases(shop: Shop) -> ir.Table:
    return valued_orders(shop).filter(ibis._.amount >= 0)


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
    orders = left_join_columns(_purchases(shop), claims, "order_id")
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
    rows = left_join_columns(local_sends(shop), sums, "message_id").fill_null(dict.fromkeys(sums.columns[1:], 0))
    return rows.mutate(attributed_profit=rows.attributed_profit - rows.cost)
