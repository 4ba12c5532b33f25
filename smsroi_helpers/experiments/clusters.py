"""Experiments that assigned households or stores: their clusters, and customers of one cluster in two arms."""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from smsroi_helpers import measures
from smsroi_helpers.measures import CLUSTER
from smsroi_helpers.source import Shop

__all__ = ["Clusters", "count_clusters", "with_cluster_days"]


@dataclass(frozen=True)
class Clusters:
    """The clusters of one experiment. A customer without a `cluster_id` is a cluster of one."""

    count: int
    customers: int
    largest: int
    """Customers of the largest one."""
    mixed: int
    """Clusters with customers in more than one arm."""
    mixed_customers: int

    @property
    def mean_size(self) -> float:
        """Customers per cluster."""
        return self.customers / self.count


def with_cluster_days(people: ir.Table) -> ir.Table:
    """Customers with the day on which the first of their cluster was assigned as assigned_day.

    So that the days of assignment share no cluster.

    Args:
        people: of `measures.outcome_windows` or `measures.arm_outcomes`; unchanged where the source has no clusters.
    """
    if CLUSTER not in people.columns:
        return people
    people = people.mutate(randomised_unit=measures.unit_of(people))
    together = ibis.window(group_by=["experiment_id", "arm", "randomised_unit"])
    return people.mutate(assigned_day=people.assigned_day.min().over(together)).drop("randomised_unit")


def count_clusters(shop: Shop) -> dict[str, Clusters]:
    """The clusters of each experiment that assigned any, by experiment_id."""
    people = shop.assignments
    if CLUSTER not in people.columns:
        return {}
    people = people.mutate(randomised_unit=measures.unit_of(people))
    units = people.group_by("experiment_id", "randomised_unit").aggregate(
        n=people.count(), arms=people.arm.nunique(), stated=people[CLUSTER].notnull().any()
    )
    mixed = units.arms > 1
    cells = units.group_by("experiment_id").aggregate(
        clusters=units.count(), customers=units.n.sum(), largest=units.n.max(), mixed=units.count(where=mixed),
        mixed_customers=units.n.sum(where=mixed).fill_null(0), stated=units.stated.any(),
    )  # fmt: skip
    rows = shop.count(cells.order_by("experiment_id")).itertuples()
    return {
        row.experiment_id: Clusters(
            int(row.clusters), int(row.customers), int(row.largest), int(row.mixed), int(row.mixed_customers)
        )
        for row in rows
        if row.stated
    }
