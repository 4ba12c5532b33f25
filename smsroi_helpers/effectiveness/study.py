"""What the messages of the last months achieved, counted once for the whole notebook."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.activity import count_activity, estimate_activity
from smsroi_helpers.effectiveness.calibration import (
    campaign_profit,
    choose_calibration,
    count_overlap,
    find_own_tests,
)
from smsroi_helpers.effectiveness.counts import (
    EXCLUSIONS,
    SUMS,
    Known,
    Sends,
    collect_sends,
    count_campaigns,
    count_sends,
)
from smsroi_helpers.effectiveness.incremental import Comparison, compare_attribution
from smsroi_helpers.effectiveness.kpis import estimate_kpis, of_campaigns
from smsroi_helpers.source import Shop

__all__ = [
    "Effectiveness",
    "analyse",
]


@dataclass(frozen=True)
class Effectiveness:
    """The KPIs of a source, attributed beside incremental."""

    known: Known
    sends: Sends | None
    """None where the source has no messages."""
    cells: pd.DataFrame
    """Of `counts.count_sends`."""
    kpis: pd.DataFrame
    """Of `kpis.estimate_kpis` and `activity.estimate_activity`."""
    campaigns: pd.DataFrame
    """Of `kpis.of_campaigns`, with name (of the table campaigns, else the id), channel, first and last (days); and
    incremental_profit, low, high, evidence of `calibration.campaign_profit`."""
    overlap: pd.DataFrame
    """Of `calibration.count_overlap`; empty without orders and messages."""
    comparisons: tuple[Comparison, ...]
    """Of `incremental.compare_attribution`; empty without a valid test that has an arm without messages."""
    attribution_hours: int
    channel: str
    """The channel that the comparisons are of."""

    @property
    def exclusions(self) -> pd.DataFrame:
        """reason, out, messages: what was left out; all 0 without messages."""
        none = pd.DataFrame({"reason": EXCLUSIONS, "out": 0, "messages": 0})
        return self.sends.exclusions if self.sends else none

    @property
    def calibration(self) -> Comparison | None:
        """The test whose factor corrects attributed revenue."""
        return choose_calibration(self.comparisons)


def analyse(
    shop: Shop,
    *,
    attribution_hours: int = 72,
    log_months: int = 12,
    segment_by: str = "rfm_group",
    channel: str = "",
    budgets: Mapping[str, float] | None = None,
) -> Effectiveness:
    """Count, divide, and compare attribution with the randomised tests.

    Args:
        shop: the company.
        attribution_hours: elapsed hours after the delivery within which a click, an order or an opt-out counts.
        log_months: calendar months up to the last day observed.
        segment_by: the grouping of customers, as for `segmentation.resolve`.
        channel: of the comparison with randomised tests, as for `measures.choose_channel`.
        budgets: expected cost (money) by campaign_id.
    """
    known = Known.of(shop)
    activity = estimate_activity(count_activity(shop, log_months=log_months, segment_by=segment_by), known)
    if not known.messages:
        cells = pd.DataFrame(columns=["dimension", "value", "group", *SUMS])
        campaigns = of_campaigns(cells, activity)
        campaigns = campaigns.assign(name="", channel="", first=None, last=None, incremental_profit=0.0, low=0.0,
                                     high=0.0, evidence="")  # fmt: skip
        return Effectiveness(known, None, cells, activity, campaigns, pd.DataFrame(), (), attribution_hours, "")
    sends = collect_sends(shop, window_hours=attribution_hours, log_months=log_months, segment_by=segment_by)
    cells = count_sends(shop, sends)
    kpis = estimate_kpis(cells, known, budgets)
    comparisons = compare_attribution(shop, attribution_hours, channel)
    chosen = measures.choose_channel(shop, channel)
    campaigns = of_campaigns(cells, kpis).merge(count_campaigns(shop, sends), on="campaign_id")
    profit = campaign_profit(
        campaigns, comparisons, find_own_tests(shop, comparisons), attribution_hours, chosen
    )  # fmt: skip
    campaigns = campaigns.merge(profit, on="campaign_id").sort_values(["first", "campaign_id"], ignore_index=True)
    parts = [part for part in (kpis, activity) if len(part)]
    return Effectiveness(
        known, sends, cells, pd.concat(parts, ignore_index=True) if parts else kpis, campaigns,
        count_overlap(shop, sends) if known.orders else pd.DataFrame(), tuple(comparisons), attribution_hours, chosen,
    )  # fmt: skip
