"""What the messages of the last months achieved, counted once for the whole notebook."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from smsroi_helpers.effectiveness.counts import (
    EXCLUSIONS,
    SUMS,
    Known,
    Sends,
    collect_sends,
    count_campaigns,
    count_sends,
)
from smsroi_helpers.effectiveness.kpis import estimate_kpis, of_campaigns
from smsroi_helpers.source import Shop

__all__ = [
    "Effectiveness",
    "analyse",
]


@dataclass(frozen=True)
class Effectiveness:
    """The KPIs of a source, and what they are made from."""

    known: Known
    sends: Sends | None
    """None where the source has no messages."""
    cells: pd.DataFrame
    """Of `counts.count_sends`."""
    kpis: pd.DataFrame
    """Of `kpis.estimate_kpis`."""
    campaigns: pd.DataFrame
    """Of `kpis.of_campaigns`, with name (of the table campaigns, else the id), channel, first and last (days)."""

    @property
    def exclusions(self) -> pd.DataFrame:
        """reason, out, messages: what was left out; all 0 without messages."""
        none = pd.DataFrame({"reason": EXCLUSIONS, "out": 0, "messages": 0})
        return self.sends.exclusions if self.sends else none


def analyse(
    shop: Shop,
    *,
    attribution_hours: int = 72,
    log_months: int = 12,
    segment_by: str = "rfm_group",
    budgets: Mapping[str, float] | None = None,
) -> Effectiveness:
    """Count and divide.

    Args:
        shop: the company.
        attribution_hours: elapsed hours after the delivery within which a click, an order or an opt-out counts.
        log_months: months up to the last day observed.
        segment_by: the grouping of customers, as for `segmentation.resolve`.
        budgets: expected cost (money) by campaign_id.
    """
    known = Known.of(shop)
    if not known.messages:
        cells = pd.DataFrame(columns=["dimension", "value", "group", *SUMS])
        kpis = estimate_kpis(cells, known)
        campaigns = of_campaigns(cells, kpis).assign(name="", channel="", first=None, last=None)
        return Effectiveness(known, None, cells, kpis, campaigns)
    sends = collect_sends(shop, window_hours=attribution_hours, log_months=log_months, segment_by=segment_by)
    cells = count_sends(shop, sends)
    kpis = estimate_kpis(cells, known, budgets)
    campaigns = of_campaigns(cells, kpis).merge(count_campaigns(shop, sends), on="campaign_id")
    return Effectiveness(known, sends, cells, kpis, campaigns.sort_values(["first", "campaign_id"], ignore_index=True))
