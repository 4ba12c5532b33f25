"""The outcomes that are compared between the arms of experiments."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["CLICK_PAIRS", "METRICS", "ORDER_METRICS", "PAIRS", "Metric"]


@dataclass(frozen=True)
class Metric:
    """An outcome that is compared between arms."""

    name: str
    outcome: str
    """A column of `measures.arm_outcomes`."""
    covariate: str | None
    """The same outcome before the assignment; for a ratio, its denominator."""
    kind: Literal["share", "money", "count", "ratio"]
    more_is_better: bool = True

    @property
    def of_buyers(self) -> bool:
        """Whether only customers who order have a value other than 0 before costs; they are the events."""
        return self.kind in ("money", "count")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("profit", "profit", "pre_order_profit", "money"),
        Metric("revenue", "revenue", "pre_revenue", "money"),
        Metric("orders", "orders", "pre_orders", "count"),
        Metric("order_rate", "ordered", "pre_ordered", "share"),
        Metric("visit_rate", "visited", None, "share"),
        Metric("click_rate", "clicked_messages", "click_known_messages", "ratio"),
        Metric("reply_rate", "replied_messages", "messages", "ratio"),
        Metric("opt_out_rate", "opted_out", None, "share", more_is_better=False),
    )
}
"""By name. Shares are of the customers assigned; orders is the number of orders per customer assigned. reply_rate is
Σ replies ÷ Σ messages sent; click_rate is Σ human clicks ÷ Σ messages sent for which it is known whether a human
clicked."""

PAIRS = {metric.name: (metric.outcome, metric.covariate) for metric in METRICS.values()}
"""Metric → its outcome and covariate, as `measures.arm_moments_together` takes them."""

CLICK_PAIRS: dict[str, tuple[str, str | None]] = {
    "clicks": ("clicked_messages", "opted_out"),
    "judged": ("messages", "click_known_messages"),
    "cost": ("message_cost", None),
    "sent": ("messages", "subscribed_weeks"),
    "discounts": ("discount", "orders"),
}
"""The same of what `ab_test.click_profit` reads."""

ORDER_METRICS = ("profit", "revenue", "orders", "order_rate")
"""Metrics that are counted from orders: not known in a source without them."""
