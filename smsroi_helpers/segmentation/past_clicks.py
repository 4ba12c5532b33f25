"""Groups by how often customers have clicked so far, as of any day: a grouping that only tests of texts make use of."""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers import measures
from smsroi_helpers.segmentation.clusters import PRIOR_MESSAGES, messages_by_customer
from smsroi_helpers.segmentation.rfm import Until, keys_of
from smsroi_helpers.source import Shop

__all__ = ["CLICK_GROUPS", "NEVER_TEXTED", "PastClicks", "find_past_clicks"]

CLICK_GROUPS = ("rarely", "sometimes", "often")
"""The thirds of those who were texted, by clicks per message."""
CLICK_STRATA = tuple("0123456789")
"""The tenths of them, likewise."""
NEVER_TEXTED = "no texts yet"


@dataclass(frozen=True)
class PastClicks:
    """Cut-offs of the last day observed: clicks per message, smoothed."""

    shop: Shop
    rate: float
    """The company's clicks per delivered message."""
    cuts: tuple[float, ...]
    """Between the groups, ascending."""
    names: tuple[str, ...]
    """Of the groups, the one that clicks least first."""

    def label(self, people: ir.Table, at: Until | None = None) -> ir.Table:
        """customer_id and segment of these customers as of a day; who was not texted is in `NEVER_TEXTED`.

        With label_day, for a table of days, which `people` has too.
        """
        last = self.shop.as_of if at is None else at
        keys = (*keys_of(last), "customer_id")
        sent = messages_by_customer(self.shop, last).rename(customer_id="member_id")
        rows = measures.left_join_columns(people.select(*keys), sent, *keys)
        return rows.select(*keys, segment=self.group_of(rows))

    def group_of(self, rows: ir.Table) -> ir.StringValue:
        """The group of each row of delivered and clicked messages (null: none)."""
        smoothed = _smoothed(rows, self.rate)
        above = [(smoothed > cut, name) for cut, name in zip(self.cuts, self.names[1:], strict=True)]
        return ibis.cases((rows.delivered.fill_null(0) == 0, NEVER_TEXTED), *reversed(above), else_=self.names[0])


def _smoothed(rows: ir.Table, rate: float) -> ir.FloatingValue:
    # As numbers of one type, so that a customer on a cut-off is on the same side of it in every query.
    return (rows.clicked.cast("float64") + PRIOR_MESSAGES * rate) / (rows.delivered.cast("float64") + PRIOR_MESSAGES)


def find_past_clicks(shop: Shop) -> tuple[PastClicks, PastClicks] | None:
    """Thirds and tenths of the customers texted so far, by clicks per message; None where there are no clicks to count.

    Tenths are strata of customers who click alike, and no grouping to choose arms by.
    """
    if not measures.knows_clicks(shop):
        return None
    sent = messages_by_customer(shop, shop.as_of)
    sums = shop.count(sent.aggregate(clicked=sent.clicked.sum(), delivered=sent.delivered.sum())).iloc[0]
    if not (sums["delivered"] > 0 and sums["clicked"] > 0):
        return None
    rate = float(sums["clicked"] / sums["delivered"])
    texted = sent.filter(sent.delivered > 0)
    smoothed = _smoothed(texted, rate)
    shares = {
        f"{len(names)}_{k}": k / len(names) for names in (CLICK_GROUPS, CLICK_STRATA) for k in range(1, len(names))
    }
    cuts = shop.count(texted.aggregate(**{name: smoothed.quantile(share) for name, share in shares.items()})).iloc[0]

    def divide(names: tuple[str, ...]) -> PastClicks:
        return PastClicks(shop, rate, tuple(float(cuts[f"{len(names)}_{k}"]) for k in range(1, len(names))), names)

    return divide(CLICK_GROUPS), divide(CLICK_STRATA)
