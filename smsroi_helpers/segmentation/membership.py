"""Who is in which segment, on any day: named groups, clusters, stages, recency, or a column of the user's own.

Every stage that groups customers asks `resolution.resolve` for a `Segmentation`, so that `segment_by` accepts the same
values and means the same groups in all of them. Rules on recency, frequency and money are in `rules`, k-means in
`clusters`, the test whether there are any clusters in `cluster_test`.
"""

import datetime as dt
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

import ibis
import ibis.expr.types as ir
import numpy as np

from smsroi_helpers import contract, measures
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.measures import left_join_columns
from smsroi_helpers.segmentation.cluster_test import ClusterTest, from_text, run_cluster_test, to_text
from smsroi_helpers.segmentation.clusters import (
    UNKNOWN,
    Clusters,
    Sample,
    attribute_columns,
    cluster_of,
    fit_clusters,
    take_sample,
)
from smsroi_helpers.segmentation.cutoffs import Cuts, find_cuts
from smsroi_helpers.segmentation.response_rule import Label, ResponseRule
from smsroi_helpers.segmentation.rfm import Until, keys_of, known_people, rfm_rows
from smsroi_helpers.segmentation.rules import (
    BUYER_GROUPS,
    NEVER,
    PROSPECT,
    RECENCY_GROUPS,
    STAGES,
    group_of,
    recency_group_of,
    stage_of,
    with_advocates,
)
from smsroi_helpers.source import Shop

__all__ = [
    "DATED",
    "EVERYBODY",
    "MOST_SEGMENTS",
    "PAST_CLICKS",
    "RESPONSE",
    "REST",
    "Grouping",
    "Segmentation",
    "check_buyers",
    "check_segment_by",
    "column_value",
    "count_members",
    "customer_segments",
    "find_clusters",
    "find_grouping",
    "groups_differ",
    "label_customers",
    "no_clusters",
    "outcome_column",
    "period_of",
    "resolve_named",
    "segment_order",
]

MOST_SEGMENTS = 30
"""More groups than a reader takes in: a column with more values is no segmentation."""
USUAL_PERIOD_DAYS = 91
"""A quarter: long enough for most to come back, short enough for the outcome to be near."""
DATED = ("rfm_group", "cluster", "lifecycle_stage", "recency")
"""The segmentations made from behaviour, so that a customer's segment changes; any other is a column of `customers`."""
RESPONSE = "response"
"""The grouping that `by_response` chooses from the source's tests."""
EVERYBODY = "everybody"
"""The one segment of a source without orders, where `segment_by` asks for groups that are made of purchases."""
PAST_CLICKS = "past_clicks"
"""Groups by clicks so far (`past_clicks`): a part of the groups of `response`, and no segmentation alone."""
REST = {"rfm_group": PROSPECT, "cluster": PROSPECT, "lifecycle_stage": STAGES[0], "recency": NEVER}
"""The segment of customers without a purchase."""


_CLUSTERS: "weakref.WeakKeyDictionary[Shop, dict[int, tuple[ClusterTest, Clusters | None, Sample]]]" = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True)
class Grouping:
    """Everything that says who is in which segment."""

    cuts: Cuts
    tested: ClusterTest
    clusters: Clusters | None
    """None where no clustering is accepted."""
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
        raise NotEnoughData("There are no purchases up to the last day observed, so there are no customers to group.")
    return buyers


def period_of(shop: Shop, period_days: int = 0) -> int:
    """How long the period behind and before the split is, in days: a quarter, or a third of a shorter log.

    The log is that of orders; without a table orders, of messages.
    """
    first = shop.loaded.tables["orders" if shop.has("orders") else "messages"].first
    log_days = (shop.as_of - dt.date.fromisoformat(first)).days + 1 if first else 1
    return min(period_days or USUAL_PERIOD_DAYS, max(log_days // 3, 1))


def find_clusters(shop: Shop, cuts: Cuts) -> tuple[ClusterTest, Clusters | None, Sample]:
    """Look for clusters, test them against one population, and fit them where the test accepts them; asked once.

    Its random numbers depend on the seed of the shop alone, so that every notebook of a run finds the same clusters.

    Args:
        shop: the company.
        cuts: the result of `cutoffs.find_cuts`; half the days after which a customer is dormant is taken for a usual
            pause.
    """
    found, pause = _CLUSTERS.setdefault(shop, {}), cuts.dormant_after_days // 2
    if pause not in found:
        found[pause] = _find_clusters(shop, pause)
    return found[pause]


def _find_clusters(shop: Shop, pause: int) -> tuple[ClusterTest, Clusters | None, Sample]:
    sample = take_sample(shop, pause, attributes=attribute_columns(shop))
    smallest = shop.settings.segments.smallest_cluster_share

    def test() -> str:
        return to_text(run_cluster_test(sample, np.random.default_rng([shop.seed, 1]), smallest_share=smallest))

    tested = from_text(shop.recall(f"segmentation-clusters-{pause}", test))
    return tested, fit_clusters(sample, tested.k, shop.seed) if tested.accepted else None, sample


def find_grouping(shop: Shop) -> Grouping:
    """Cut-offs and clusters as of the last day observed."""
    check_buyers(shop)
    cuts = find_cuts(shop)
    tested, clusters, sample = find_clusters(shop, cuts)
    return Grouping(cuts, tested, clusters, sample)


# --- who is in which segment -----------------------------------------------------------------------------------------


def label_customers(shop: Shop, cuts: Cuts, clusters: Clusters | None = None, at: dt.date | None = None) -> ir.Table:
    """One row for everybody known by a day, with all that is known of their purchases, and every label.

    Returns:
        customer_id; the columns of `rfm.rfm_rows` (null for who has not bought); rfm_group (`prospect` for them),
        cluster (null where no clustering is accepted, `prospect` likewise), lifecycle_stage (`awareness`).
    """
    bought = with_advocates(shop, rfm_rows(shop, at), at)
    stage = stage_of(bought, cuts, bought.advocate)
    bought = bought.mutate(rfm_group=group_of(bought, cuts), lifecycle_stage=stage).drop("advocate")
    if clusters is None:
        bought = bought.mutate(cluster=ibis.null("string"))
    else:
        nearest = cluster_of(shop, clusters, at).rename(member_id="customer_id")
        bought = bought.left_join(nearest, bought.customer_id == nearest.member_id).drop("member_id")
    people = known_people(shop, at).rename(person="customer_id")
    rows = people.left_join(bought, people.person == bought.customer_id)
    never = rows.customer_id.isnull()
    return rows.mutate(
        customer_id=rows.person,
        rfm_group=ibis.ifelse(never, PROSPECT, rows.rfm_group),
        lifecycle_stage=ibis.ifelse(never, STAGES[0], rows.lifecycle_stage),
        cluster=rows.cluster if clusters is None else ibis.ifelse(never, PROSPECT, rows.cluster),
    ).drop("person")


def customer_segments(shop: Shop, grouping: Grouping, response: "Segmentation | None" = None) -> ir.Table:
    """The table `customer_segments`, one row for everybody known, as an expression for the engine to write.

    Args:
        shop: the company.
        grouping: the result of `find_grouping`.
        response: the groups that `by_response` chose; None leaves response_group empty.
    """
    rows = label_customers(shop, grouping.cuts, grouping.clusters)
    if response is None:
        rows = rows.mutate(response_group=ibis.null("string"))
    else:
        groups = response.label(rows).select(member="customer_id", response_group="segment")
        rows = rows.left_join(groups, rows.customer_id == groups.member).drop("member")
    return rows.select(*contract.OUTPUTS["customer_segments"], "first_day", "tenure_days").order_by("customer_id")


@dataclass(frozen=True)
class Segmentation:
    """One way of grouping customers, resolved once: who is in which segment on any day."""

    shop: Shop
    name: str
    """The value of `segment_by`."""
    cuts: Cuts | None = None
    """Of `rfm_group` and `lifecycle_stage`."""
    clusters: Clusters | None = None
    """The result of `cluster`."""
    rule: ResponseRule | None = None
    """Of `response`, where its groups are those of no other segmentation."""
    parts: tuple[Label, ...] = ()
    """Of the rule: how each of its columns labels customers."""

    @property
    def dated(self) -> bool:
        """Whether a customer's segment depends on the day; a column of `customers` has no date."""
        columns = (self.name,) if self.rule is None else self.rule.columns
        return any(name in DATED or name == PAST_CLICKS for name in columns)

    def at(self, day: dt.date | None = None) -> ir.Table:
        """customer_id and segment of everybody known by a day.

        For a decision ask for the day before it: a segment of a later day is an outcome. For an experiment,
        `experiments.label_when_assigned` asks for the day before each customer's assignment. Cut-offs and clusters are
        those of the last day observed, so that a change of segment is a change of the customer.

        Args:
            day: the last day that counts; None for the last one observed.
        """
        return self.label(known_people(self.shop, day), day)

    def label(self, people: ir.Table, at: Until | None = None) -> ir.Table:
        """customer_id and segment of these customers as of a day, known by then or not.

        Args:
            people: a table with customer_id, one row each; with label_day too, for a table of days.
            at: the last day that counts; None for the last one observed; or a table of all days in `people`.

        Returns:
            label_day, for a table of days; customer_id, segment.
        """
        keys = (*keys_of(at), "customer_id")
        if self.rule is not None:
            return self.rule.label(people, self.parts, at)
        if self.name == EVERYBODY:
            return people.select(*keys, segment=ibis.literal(EVERYBODY))
        members = self._members(people.select(*keys) if isinstance(at, ir.Table) else at)
        rows = left_join_columns(people.select(*keys), members, *(keys if self.dated else ("customer_id",)))
        return rows.select(*keys, segment=rows.segment.fill_null(REST.get(self.name, UNKNOWN)))

    def order(self, found: Iterable[str]) -> list[str]:
        """The segments found, in the order in which a reader wants them."""
        return segment_order(self.name, list(found))

    def _members(self, at: Until | None) -> ir.Table:
        """customer_id (and label_day) and segment of those with a purchase by the day, or of those in `customers`.

        Args:
            at: as of `rfm.rfm_rows`.
        """
        shop = self.shop
        if not self.dated:
            return shop.customers.select("customer_id", segment=column_value(shop, self.name))
        keys = (*keys_of(at), "customer_id")
        if self.clusters is not None:
            rows = cluster_of(shop, self.clusters, at)
            return rows.select(*keys, segment=rows.cluster)
        rows = rfm_rows(shop, at)
        if self.cuts is None:
            segment = recency_group_of(rows)
        elif self.name == "rfm_group":
            segment = group_of(rows, self.cuts)
        else:
            days = at.select("label_day").distinct() if isinstance(at, ir.Table) else at
            rows = with_advocates(shop, rows, days)
            segment = stage_of(rows, self.cuts, rows.advocate)
        return rows.select(*keys, segment=segment)


def column_value(shop: Shop, column: str) -> ir.StringValue:
    """A column of `customers` as the names of segments; null where it is. Tables use `all` for the row of everybody."""
    value = shop.customers[column].cast("string")
    return ibis.ifelse(value == "all", "“all”", value)


def resolve_named(
    shop: Shop,
    segment_by: str,
    *,
    cuts: Cuts | None = None,
    clusters: Clusters | None = None,
) -> Segmentation:
    """`resolution.resolve` for every grouping but `response`.

    Raises:
        UsageError: there is no such segmentation.
        NotEnoughData: clusters are asked for and none is accepted.
    """
    if not groups_differ(shop, segment_by):
        return Segmentation(shop, EVERYBODY)
    if segment_by not in DATED:
        _check_column(shop, segment_by)
        return Segmentation(shop, segment_by)
    if segment_by == "recency":
        return Segmentation(shop, segment_by)
    if segment_by != "cluster":
        return Segmentation(shop, segment_by, cuts=cuts or find_cuts(shop))
    if clusters is None:
        clusters = find_clusters(shop, cuts or find_cuts(shop))[1]
    return Segmentation(shop, segment_by, clusters=clusters or no_clusters())


def groups_differ(shop: Shop, segment_by: str) -> bool:
    """Whether customers can be grouped so: without orders, only columns of `customers` divide them."""
    return shop.has("orders") or segment_by not in (*DATED, RESPONSE)


def count_members(shop: Shop, rows: ir.Table) -> dict[str, int]:
    """How many customers each segment has.

    Args:
        shop: the company.
        rows: customer_id and segment, of `resolution.segments`.
    """
    counted = shop.count(rows.group_by("segment").aggregate(customers=rows.count()).order_by("segment"))
    return {str(row.segment): int(row.customers) for row in counted.itertuples()}


def outcome_column(segment_by: str) -> str:
    """The column of a segmentation beside outcomes, of which one is called `response` too."""
    return "by_response" if segment_by == RESPONSE else segment_by


def no_clusters() -> NoReturn:
    """Refuse to group by clusters where none is accepted.

    Raises:
        NotEnoughData: always.
    """
    raise NotEnoughData(
        "segment_by: these data do not support clusters, so customers cannot be grouped by cluster; use rfm_group"
    )


def check_segment_by(segment_by: str, columns: Iterable[str], response: str = "") -> None:
    """Refuse a value of `segment_by` that names no groups.

    Args:
        segment_by: the value.
        columns: those of `customers`; empty without the table.
        response: the column that holds the response (source.yml, segments), which groups nobody.

    Raises:
        UsageError: it is no grouping made from behaviour, and no column that groups customers.
    """
    known = tuple(columns)
    if segment_by in (*DATED, RESPONSE):
        return
    if segment_by not in known or segment_by in contract.CUSTOMER_ID_COLUMNS or segment_by.endswith("_at"):
        own = [name for name in known if name.startswith("attr_") and name != response]
        choices = [*DATED, RESPONSE, *own, *(name for name in contract.GROUPING_COLUMNS if name in known)]
        raise UsageError(f"segment_by: {segment_by!r} names no groups here; use one of {', '.join(choices)}")
    if segment_by == response:
        raise UsageError(
            f"segment_by: {segment_by!r} is the response (source.yml, segments), an outcome; use a column that is known"
            " before the messages"
        )


def _check_column(shop: Shop, column: str) -> None:
    """Raise where a column of `customers` is missing, names single customers or moments, or has too many values."""
    known = shop.customers.columns if shop.has("customers") else ()
    check_segment_by(column, known, shop.settings.segments.response)
    levels = int(shop.count(shop.customers.aggregate(n=shop.customers[column].nunique()))["n"].iloc[0])
    if levels > MOST_SEGMENTS:
        raise UsageError(
            f"segment_by: column {column} has {levels} values, and a page can tell of {MOST_SEGMENTS}; group them in a"
            " .sql mapping"
        )


def segment_order(segment_by: str, found: list[str]) -> list[str]:
    """The segments found, in the order in which a reader wants them: the named ones as listed, others by name."""
    orders = {"rfm_group": (*BUYER_GROUPS, PROSPECT), "lifecycle_stage": STAGES, "recency": RECENCY_GROUPS}
    named = orders.get(segment_by, ())
    if segment_by == RESPONSE:  # which may have chosen one of these
        named = next((order for order in orders.values() if set(found) <= set(order)), ())
    rest = sorted(set(found) - set(named), key=lambda name: (name in (PROSPECT, UNKNOWN), name))
    return [*(name for name in named if name in found), *rest]
