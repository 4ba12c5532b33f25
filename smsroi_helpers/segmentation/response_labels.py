"""The level of every assigned customer in many groupings at once, as of the day before the assignment.

The same levels as `Segmentation.label` gives for each grouping alone; but all days and all groupings are asked in a few
queries, since the text of a query takes longer to write than most queries take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis.expr.types as ir

from smsroi_helpers.experiments import find_label_days
from smsroi_helpers.measures import left_join_columns
from smsroi_helpers.segmentation.clusters import UNKNOWN, Clusters, cluster_of, messages_by_customer
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.membership import PAST_CLICKS, REST, column_value
from smsroi_helpers.segmentation.past_clicks import PastClicks
from smsroi_helpers.segmentation.rfm import rfm_rows
from smsroi_helpers.segmentation.rules import group_of, recency_group_of, stage_of, with_advocates
from smsroi_helpers.source import Shop

__all__ = ["STRATUM", "Groupings", "label_together"]

STRATUM = "stratum"


@dataclass(frozen=True)
class Groupings:
    """What groups customers, found once as of the last day observed."""

    cuts: Cuts
    columns: tuple[str, ...]
    """Of `customers`."""
    clusters: Clusters | None = None
    """None where no clustering is accepted."""
    past_clicks: tuple[PastClicks, PastClicks] | None = None
    """Groups and strata (`find_past_clicks`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The groupings that are compared: values of `segment_by`, or `past_clicks`."""
        clusters = ("cluster",) if self.clusters is not None else ()
        clicks = (PAST_CLICKS,) if self.past_clicks is not None else ()
        return ("rfm_group", "lifecycle_stage", "recency", *clusters, *self.columns, *clicks)


def label_together(shop: Shop, groupings: Groupings, experiments: Sequence[str]) -> ir.Table:
    """Every customer of some experiments with the level of each grouping when assigned.

    Args:
        shop: the company, with assignments.
        groupings: what groups customers.
        experiments: by experiment_id.

    Returns:
        experiment_id, customer_id, one column for each of `groupings.names`, stratum (where clicks are known): one row
        per assigned customer and experiment.
    """
    rows = find_label_days(shop, experiments)
    days = shop.keep(rows.select("label_day").distinct())
    rows = left_join_columns(rows, _buyers(shop, groupings, days), "customer_id", "label_day")
    if groupings.clusters is not None:
        rows = left_join_columns(rows, cluster_of(shop, groupings.clusters, days), "customer_id", "label_day")
    if groupings.columns:
        values = {name: column_value(shop, name) for name in groupings.columns}
        rows = left_join_columns(rows, shop.customers.select("customer_id", **values), "customer_id")
    if groupings.past_clicks is not None:
        sent = messages_by_customer(shop, days).rename(customer_id="member_id")
        rows = left_join_columns(rows, sent, "customer_id", "label_day")
        groups, strata = groupings.past_clicks
        rows = rows.mutate(**{PAST_CLICKS: groups.group_of(rows), STRATUM: strata.group_of(rows)})
    filled = {name: rows[name].fill_null(REST.get(name, UNKNOWN)) for name in groupings.names}
    stratum = {STRATUM: rows[STRATUM]} if groupings.past_clicks is not None else {}
    return rows.select("experiment_id", "customer_id", **filled, **stratum)


def _buyers(shop: Shop, groupings: Groupings, days: ir.Table) -> ir.Table:
    """label_day, customer_id and the named group, stage and recency group of those with a purchase by the day."""
    rows = with_advocates(shop, rfm_rows(shop, days), days)
    labels: Mapping[str, ir.StringValue] = {
        "rfm_group": group_of(rows, groupings.cuts),
        "lifecycle_stage": stage_of(rows, groupings.cuts, rows.advocate),
        "recency": recency_group_of(rows),
    }
    return rows.select("label_day", "customer_id", **labels)
