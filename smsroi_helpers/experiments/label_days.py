"""The segment of each customer of an experiment when assigned: a segment of a later day would be an outcome."""

import datetime as dt
from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.source import Shop

__all__ = ["MOST_LABEL_DAYS", "find_label_days", "label_together_when_assigned", "label_when_assigned"]

MOST_LABEL_DAYS = 26
"""The most days at which the customers of one experiment are labelled: one a week for half a year of enrolment."""


def label_when_assigned(
    shop: Shop, label: Callable[[ir.Table, dt.date], ir.Table], experiment_id: str | None = None
) -> ir.Table:
    """The segment of each customer of an experiment when assigned, as used by all stages.

    Customers are labelled as of the day before their own assignment.
    Where an experiment assigns for longer than 26 days, the days are divided into at most 26 equal intervals, and
    customers are labelled as of the day before their interval.

    Args:
        shop: the company, with assignments.
        label: takes a table of customers (customer_id) and a day, and gives customer_id and segment of each of them as
            of that day: `segmentation.Segmentation.label`.
        experiment_id: one experiment; None for all.

    Returns:
        of_experiment, member (the customer), segment: one row per assigned customer and experiment.
    """
    people = find_label_days(shop, None if experiment_id is None else [experiment_id])
    parts = []
    for found in shop.count(people.select("label_day").distinct().order_by("label_day"))["label_day"]:
        day = pd.Timestamp(found).date()
        members = people.filter(people.label_day == ibis.literal(day))
        parts.append(label(members.select("customer_id").distinct(), day).mutate(label_day=ibis.literal(day)))
    return _named(shop, people, ibis.union(*parts) if len(parts) > 1 else parts[0])


def label_together_when_assigned(shop: Shop, label: Callable[[ir.Table, ir.Table], ir.Table]) -> ir.Table:
    """The same of all experiments, with all days in one query.

    Args:
        shop: the company, with assignments.
        label: takes a table of customers (customer_id, label_day) and a table of these days, and gives customer_id,
            label_day and segment: `segmentation.Segmentation.label`.
    """
    people = find_label_days(shop)
    days = shop.keep(people.select("label_day").distinct())
    return _named(shop, people, label(people.select("customer_id", "label_day").distinct(), days))


def _named(shop: Shop, people: ir.Table, labelled: ir.Table) -> ir.Table:
    """The rows of `label_when_assigned`."""
    rows = measures.left_join_columns(people, labelled, "customer_id", "label_day")
    return shop.keep(rows.select(of_experiment="experiment_id", member="customer_id", segment="segment"))


def _label_intervals(shop: Shop, people: ir.Table) -> list[tuple[str, dt.date, dt.date]]:
    """Experiment, first day and the day after the last of each interval of `label_when_assigned`."""
    days = people.group_by("experiment_id").aggregate(first=people.day.min(), last=people.day.max())
    found = []
    for row in shop.count(days.order_by("experiment_id")).itertuples():
        first, last = pd.Timestamp(row.first).date(), pd.Timestamp(row.last).date()
        step = dt.timedelta(days=-(-((last - first).days + 1) // MOST_LABEL_DAYS))
        start = first
        while start <= last:
            found.append((row.experiment_id, start, start + step))
            start += step
    return found


def find_label_days(shop: Shop, experiments: Sequence[str] | None = None) -> ir.Table:
    """The day as of which each customer of some experiments is labelled, as by `label_when_assigned`.

    Args:
        shop: the company, with assignments.
        experiments: by experiment_id; None for all.

    Returns:
        experiment_id, customer_id, label_day: one row per assigned customer and experiment.
    """
    people = shop.assignments.mutate(day=shop.day(shop.assignments.assigned_at))
    if experiments is not None:
        people = people.filter(people.experiment_id.isin(list(experiments)))
    days = [
        (
            (people.experiment_id == name) & (people.day >= ibis.literal(start)) & (people.day < ibis.literal(end)),
            ibis.literal(start - dt.timedelta(days=1)),
        )
        for name, start, end in _label_intervals(shop, people)
    ]
    rows = people.select("experiment_id", "customer_id", label_day=ibis.cases(*days))
    return shop.keep(rows.distinct())
