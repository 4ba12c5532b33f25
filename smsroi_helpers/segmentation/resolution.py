"""The segmentation that a value of `segment_by` names, the same in every stage; `response` is chosen from the tests."""

import datetime as dt

import ibis.expr.types as ir

from smsroi_helpers.segmentation.by_response import choose_by_response, labels_of
from smsroi_helpers.segmentation.clusters import Clusters
from smsroi_helpers.segmentation.cutoffs import Cuts
from smsroi_helpers.segmentation.membership import RESPONSE, Segmentation, groups_differ, resolve_named
from smsroi_helpers.source import Shop

__all__ = ["groups_by_response", "resolve", "segments"]


def resolve(
    shop: Shop,
    segment_by: str = "rfm_group",
    *,
    cuts: Cuts | None = None,
    clusters: Clusters | None = None,
) -> Segmentation:
    """The segmentation that a value of `segment_by` names, the same in every notebook.

    Args:
        shop: the company.
        segment_by: `rfm_group`, `cluster`, `lifecycle_stage`, `recency`, a column of `customers` that groups them
            (attr_…, region, acquisition_channel), or `response`: what `by_response.choose_by_response` chooses.
        cuts: the result of `cutoffs.find_cuts`; None finds them.
        clusters: the result of `find_clusters`; None finds them where they are asked for.

    Without a table orders, groups that are made of purchases are one group: `EVERYBODY`.

    Raises:
        UsageError: there is no such segmentation.
        NotEnoughData: clusters are asked for and none is accepted.
    """
    if segment_by != RESPONSE or not groups_differ(shop, segment_by):
        return resolve_named(shop, segment_by, cuts=cuts, clusters=clusters)
    choice = choose_by_response(shop)
    if choice.rule is None:  # one of the others
        return resolve_named(shop, choice.chosen, cuts=cuts)
    return Segmentation(shop, RESPONSE, rule=choice.rule, parts=labels_of(shop, choice.rule.columns))


def segments(
    shop: Shop,
    segment_by: str = "rfm_group",
    at: dt.date | None = None,
    *,
    cuts: Cuts | None = None,
    clusters: Clusters | None = None,
) -> ir.Table:
    """customer_id and segment of everybody known by a day: `resolve`, then `Segmentation.at`."""
    return resolve(shop, segment_by, cuts=cuts, clusters=clusters).at(at)


def groups_by_response(shop: Shop) -> Segmentation | None:
    """The groups chosen, for the column response_group; None where none is shown to separate responses."""
    return resolve(shop, "response") if choose_by_response(shop).reason == "separates" else None
