"""Groups by how often customers have clicked so far, as of any day: a grouping that only tests of texts make use of."""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers import measures
from smsroi_helpers.segmentation.clusters import PRIOR_MESSAGES, messages_by_customer
from smsroi_helpers.source import Shop

__all__ = ["CLICK_GROUPS", "PastClicks", "find_past_clicks"]

CLICK_GROUPS = ("often", "sometimes", "rarely", "no texts yet")
"""The thirds of those who were texted, by clicks per message, and who never was."""


@dataclass(frozen=True)
class PastClicks:
    """Cut-offs of the last day observed: clicks per message, smoothed."""

    shop: Shop
    rate: float
    """The company's clicks per delivered message."""
    low: float
    high: float

    def label(self, people: ir.Table, day: dt.date | None = None) -> ir.Table:
        """customer_id and segment (of `CLICK_GROUPS`) of these customers as of a day."""
        sent = messages_by_customer(self.shop, day or self.shop.as_of)
        rows = people.select(person="customer_id")
        rows = rows.left_join(sent, rows.person == sent.member_id)
        often, sometimes, rarely, never = CLICK_GROUPS
        smoothed = _smoothed(rows, self.rate)
        segment = ibis.cases(
            (rows.delivered.fill_null(0) == 0, never),
            (smoothed > self.high, often),
            (smoothed > self.low, sometimes),
            else_=rarely,
        )
        return rows.select(customer_id="person", segment=segment)


def _smoothed(rows: ir.Table, rate: float) -> ir.FloatingValue:
    return (rows.clicked + PRIOR_MESSAGES * rate) / (rows.delivered + PRIOR_MESSAGES)


def find_past_clicks(shop: Shop) -> PastClicks | None:
    """The cut-offs that divide the customers texted so far into thirds; None where there are no clicks to count."""
    if not measures.knows_clicks(shop):
        return None
    sent = messages_by_customer(shop, shop.as_of)
    sums = shop.count(sent.aggregate(clicked=sent.clicked.sum(), delivered=sent.delivered.sum())).iloc[0]
    if not (sums["delivered"] > 0 and sums["clicked"] > 0):
        return None
    rate = float(sums["clicked"] / sums["delivered"])
    texted = sent.filter(sent.delivered > 0)
    smoothed = _smoothed(texted, rate)
    cuts = shop.count(texted.aggregate(low=smoothed.quantile(1 / 3), high=smoothed.quantile(2 / 3))).iloc[0]
    return PastClicks(shop, rate, float(cuts["low"]), float(cuts["high"]))
