"""Who is in which segment, on any day: named groups, clusters, stages, or a column of the user's own.

Other stages ask `segments`. Rules on recency, frequency and money are in `rfm`, k-means in `clusters`, the test whether
there is anything to cluster in `cluster_reference`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import contract, measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.locale import _
from smsroi_helpers.segmentation.cluster_test import Trial, try_clusterings
from smsroi_helpers.segmentation.clusters import (
    PURCHASES,
    SAMPLE,
    UNKNOWN,
    Clusters,
    Features,
    Sample,
    attribute_columns,
    cluster_of,
    feature_rows,
    fit_clusters,
    loadings,
    take_sample,
)
from smsroi_helpers.segmentation.rfm import (
    BUYER_GROUPS,
    PROSPECT,
    STAGES,
    Cuts,
    advocates,
    find_cuts,
    group_of,
    known_people,
    rfm_rows,
    stage_of,
)
from smsroi_helpers.source import Shop

__all__ = [
    "MOST_SEGMENTS",
    "RULED",
    "Grouping",
    "check_buyers",
    "customer_segments",
    "factor_loadings",
    "find_clusters",
    "find_grouping",
    "label_customers",
    "no_clusters_words",
    "period_of",
    "segment_order",
    "segments",
]

MOST_SEGMENTS = 30
"""More groups than a reader takes in: a column with more values is no segmentation."""
USUAL_PERIOD_DAYS = 91
"""A quarter: long enough for most to come back, short enough for the outcome to be near."""
RULED = ("rfm_group", "cluster", "lifecycle_stage")
"""The segmentations this stage makes; any other is a column of `customers`."""


@dataclass(frozen=True)
class Grouping:
    """Everything that says who is in which segment."""

    cuts: Cuts
    trial: Trial
    clusters: Clusters | None
    """None where no clustering stands."""
    sample: Sample
    """What clusters were looked for in."""


def check_buyers(shop: Shop) -> int:
    """How many customers have bought.

    Raises:
        NotEnoughData: nobody has.
    """
    orders = measures.purchases(shop)
    buyers = int(shop.count(orders.aggregate(n=orders.customer_id.nunique()))["n"].iloc[0])
    if not buyers:
        raise NotEnoughData("Nobody has bought up to the last day observed: there is nobody to group.")
    return buyers


def period_of(shop: Shop, period_days: int = 0) -> int:
    """How long the period behind and before the split is, in days: a quarter, or a third of a shorter log."""
    first = shop.loaded.tables["orders"].first
    log_days = (shop.as_of - dt.date.fromisoformat(first)).days + 1 if first else 1
    return min(period_days or USUAL_PERIOD_DAYS, max(log_days // 3, 1))


def find_clusters(
    shop: Shop,
    cuts: Cuts,
    *,
    seed: int = 1,
    smallest_cluster_share: float = 0.05,
    leave_out: tuple[str, ...] = (),
) -> tuple[Trial, Clusters | None, Sample]:
    """Look for clusters, test them against one population, and fit them where they stand.

    Its random numbers hang on the seed alone, so that every notebook of a run finds the same clusters.

    Args:
        shop: the company.
        cuts: of `rfm.find_cuts`; half the days after which a customer is dormant is taken for a usual pause.
        seed: of every draw.
        smallest_cluster_share: share (0–1) of customers a cluster must hold to be of use.
        leave_out: columns of `customers` that must not describe people: outcomes, the column segmented by.
    """
    names = attribute_columns(shop, leave_out)
    sample = take_sample(shop, cuts.dormant_after_days // 2, attributes=names)
    trial = try_clusterings(sample, np.random.default_rng([seed, 1]), smallest_share=smallest_cluster_share)
    return trial, fit_clusters(sample, trial.k, seed) if trial.stands else None, sample


def find_grouping(
    shop: Shop,
    *,
    seed: int = 1,
    smallest_cluster_share: float = 0.05,
    response: str = "",
    **cut_settings: Any,
) -> Grouping:
    """Cut-offs and clusters as of the last day observed.

    Args:
        shop: the company.
        seed: of every draw.
        smallest_cluster_share: as for `find_clusters`.
        response: a column of `customers` that is an outcome, and so no feature; empty for none.
        cut_settings: of `rfm.find_cuts`.
    """
    check_buyers(shop)
    cuts = find_cuts(shop, **cut_settings)
    leave_out = (response,) if response else ()
    trial, clusters, sample = find_clusters(
        shop, cuts, seed=seed, smallest_cluster_share=smallest_cluster_share, leave_out=leave_out
    )
    return Grouping(cuts, trial, clusters, sample)


# --- who is in which segment -----------------------------------------------------------------------------------------


def label_customers(shop: Shop, cuts: Cuts, clusters: Clusters | None = None, at: dt.date | None = None) -> ir.Table:
    """One row for everybody known by a day, with all that is known of their purchases, and every label.

    Returns:
        customer_id; the columns of `rfm.rfm_rows` (null for who has not bought); rfm_group (`prospect` for them),
        cluster (null where no clustering stands, `prospect` likewise), lifecycle_stage (`awareness`).
    """
    bought = rfm_rows(shop, at)
    recommends = advocates(shop, at)
    advocate = bought.customer_id.isin(recommends.customer_id) if recommends is not None else ibis.literal(False)
    bought = bought.mutate(rfm_group=group_of(bought, cuts), lifecycle_stage=stage_of(bought, cuts, advocate))
    if clusters is None:
        bought = bought.mutate(cluster=ibis.null("string"))
    else:
        nearest = cluster_of(shop, clusters, at).rename(who="customer_id")
        bought = bought.left_join(nearest, bought.customer_id == nearest.who).drop("who")
    people = known_people(shop, at).rename(person="customer_id")
    rows = people.left_join(bought, people.person == bought.customer_id)
    never = rows.customer_id.isnull()
    return rows.mutate(
        customer_id=rows.person,
        rfm_group=ibis.ifelse(never, PROSPECT, rows.rfm_group),
        lifecycle_stage=ibis.ifelse(never, STAGES[0], rows.lifecycle_stage),
        cluster=rows.cluster if clusters is None else ibis.ifelse(never, PROSPECT, rows.cluster),
    ).drop("person")


def customer_segments(shop: Shop, grouping: Grouping) -> ir.Table:
    """The table `customer_segments`, one row for everybody known, as an expression for the engine to write."""
    rows = label_customers(shop, grouping.cuts, grouping.clusters)
    return rows.select(*contract.OUTPUTS["customer_segments"], "first_day", "tenure_days").order_by("customer_id")


def segments(
    shop: Shop,
    segment_by: str = "rfm_group",
    at: dt.date | None = None,
    *,
    cuts: Cuts | None = None,
    clusters: Clusters | None = None,
    seed: int = 1,
) -> ir.Table:
    """customer_id and segment of everybody known by a day: what every other stage groups by.

    For an experiment ask for the day before its first assignment, for a decision for the day before it: a segment of a
    later day is an outcome. The cut-offs and clusters are those of the last day observed unless given, so that a
    change of segment is a change of the customer.

    Args:
        shop: the company.
        segment_by: `rfm_group`, `cluster`, `lifecycle_stage`, or a column of `customers` (which has no date).
        at: the last day that counts; None for the last one observed.
        cuts: of `rfm.find_cuts`; None finds them.
        clusters: of `find_clusters`; None finds them where they are asked for.
        seed: of the search for clusters.

    Raises:
        UsageError: there is no such segmentation.
        NotEnoughData: clusters are asked for and none stand.
    """
    if segment_by not in RULED:
        return _by_column(shop, segment_by, at)
    cuts = cuts or find_cuts(shop)
    if segment_by == "cluster" and clusters is None:
        clusters = find_clusters(shop, cuts, seed=seed)[1]
        if clusters is None:
            raise NotEnoughData(no_clusters_words())
    people = known_people(shop, at).rename(person="customer_id")
    if segment_by == "cluster":
        assert clusters is not None
        bought = cluster_of(shop, clusters, at)
        bought = bought.select("customer_id", segment=bought.cluster)
    else:
        rows = rfm_rows(shop, at)
        if segment_by == "rfm_group":
            segment = group_of(rows, cuts)
        else:
            recommends = advocates(shop, at)
            who = rows.customer_id.isin(recommends.customer_id) if recommends is not None else ibis.literal(False)
            segment = stage_of(rows, cuts, who)
        bought = rows.select("customer_id", segment=segment)
    joined = people.left_join(bought, people.person == bought.customer_id)
    never = STAGES[0] if segment_by == "lifecycle_stage" else PROSPECT
    return joined.select(customer_id="person", segment=joined.segment.fill_null(never))


def no_clusters_words() -> str:
    """What who asks for clusters is told where none stand."""
    return _("No clustering stands in these data, so nothing can be grouped by cluster: use rfm_group.")


def _by_column(shop: Shop, column: str, at: dt.date | None) -> ir.Table:
    known = shop.customers.columns if shop.has("customers") else ()
    if column not in known or column in contract.NAMES_PEOPLE or column.endswith("_at"):
        choices = [*RULED, *(name for name in known if name.startswith("attr_")), "region", "acquisition_channel"]
        raise UsageError(f"segment_by: {column!r} names no groups here; {', '.join(dict.fromkeys(choices))} may")
    levels = int(shop.count(shop.customers.aggregate(n=shop.customers[column].nunique()))["n"].iloc[0])
    if levels > MOST_SEGMENTS:
        raise UsageError(
            f"segment_by: column {column} has {levels} values, and a page can tell of {MOST_SEGMENTS}; group them in a"
            " .sql mapping"
        )
    value = shop.customers[column].cast("string").fill_null(UNKNOWN)
    told = shop.customers.select("customer_id", segment=value)
    people = known_people(shop, at).rename(person="customer_id")
    joined = people.left_join(told, people.person == told.customer_id)
    return joined.select(customer_id="person", segment=joined.segment.fill_null(UNKNOWN))


def segment_order(segment_by: str, found: list[str]) -> list[str]:
    """The segments found, in the order in which a reader wants them: the named ones as listed, others by name."""
    named = {"rfm_group": (*BUYER_GROUPS, PROSPECT), "lifecycle_stage": STAGES}.get(segment_by, ())
    rest = sorted(set(found) - set(named), key=lambda name: (name in (PROSPECT, UNKNOWN), name))
    return [*(name for name in named if name in found), *rest]


# --- factors ---------------------------------------------------------------------------------------------------------


def factor_loadings(shop: Shop, sample: Sample) -> pd.DataFrame:
    """Which behaviours go together: `clusters.loadings` of the numbers of the sample and of what is no cluster feature.

    Recency, and where the orders tell of them the share of the price let off and the share of money given back.
    """
    return loadings(_behaviour(shop, sample))


def _behaviour(shop: Shop, sample: Sample) -> pd.DataFrame:
    features = sample.features
    # The rate is the number of purchases over the tenure: beside those two it would say nothing new.
    kept = ("orders", *(name for name in features.numbers if name != "rate"))
    rows = feature_rows(shop, Features(kept, {}, features.gap_days, features.click_rate))
    state = rfm_rows(shop).select(
        who="customer_id",
        recency=ibis._.recency_days.cast("float64").ln(),
        tenure=ibis._.tenure_days.cast("float64").ln(),
    )
    rows = rows.join(state, rows.customer_id == state.who).drop("who")
    bought, returned = measures.purchases(shop), measures.refunds(shop)
    spent = bought.group_by(who="customer_id").aggregate(paid=total(bought.spend), let_off=total(bought.discount))
    back = returned.group_by(who="customer_id").aggregate(back=total(returned.refunded))
    rows = rows.join(spent, rows.customer_id == spent.who).drop("who")
    rows = rows.left_join(back, rows.customer_id == back.who).drop("who")
    worth = ibis.greatest(rows.paid.fill_null(0.0) + rows.let_off.fill_null(0.0), 0.01)
    rows = rows.mutate(
        discount=rows.let_off.fill_null(0.0) / worth,
        refunds=ibis.least(rows.back.fill_null(0.0) / worth, 1.0),
    ).drop("paid", "let_off", "back")
    slices = min(256, max(1, round(sample.share * 256)))
    rows = rows.filter(hash_group(rows.customer_id, SAMPLE, 256) < slices)
    return shop.count(rows.order_by("customer_id")).drop(columns=["customer_id", PURCHASES])
