"""Every experiment of a source with its validity, checked in the same way for all stages."""

import weakref

import ibis
import ibis.expr.types as ir
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments.exposure import count_exposure, count_overlaps
from smsroi_helpers.experiments.registry import Experiment, count_outcomes, list_experiments
from smsroi_helpers.experiments.validity import Validity, arms_without_messages, check, check_overlaps
from smsroi_helpers.source import Shop

__all__ = ["check_experiments", "find_valid_tests", "left_without_texts", "who_may_be_texted"]

_CHECKED: "weakref.WeakKeyDictionary[Shop, tuple[tuple[Experiment, Validity], ...]]" = weakref.WeakKeyDictionary()


def check_experiments(shop: Shop, *, clustered: bool = False) -> list[tuple[Experiment, Validity]]:
    """The experiments with assigned customers, in order of their start, each with what can bias its effects.

    A shop is asked once.

    Args:
        shop: the company.
        clustered: with those that assigned households or stores. Only for estimates whose errors are clustered by them:
            with customers as units, intervals would be too narrow.

    Raises:
        DataError: the source has no experiments, arms or assignments.
        NotEnoughData: no customer has been assigned yet.
    """
    if shop not in _CHECKED:
        _CHECKED[shop] = tuple(_check(shop))
    return [(one, validity) for one, validity in _CHECKED[shop] if clustered or not one.clustered]


def find_valid_tests(shop: Shop, *tables: str) -> list[Experiment]:
    """The experiments of single customers whose effects nothing biases, in order of their start.

    None where the source has no experiments or lacks a table, and where nobody has been assigned yet.

    Args:
        shop: the company.
        tables: that are needed too.
    """
    return [one for one, validity in _every(shop, *tables) if not validity.broken and not one.clustered]


def left_without_texts(shop: Shop) -> ir.Table | None:
    """customer_id of everybody whom a running experiment leaves without texts; None where there is no such arm.

    An experiment that is not valid so far is respected too: nobody has decided yet that it has ended.
    """
    parts = [
        shop.assignments.filter(shop.assignments.experiment_id == one.name, shop.assignments.arm.isin(list(without)))
        for one, _validity in _every(shop)
        if one.state == "running" and (without := arms_without_messages(one))
    ]
    if not parts:
        return None
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return rows.select("customer_id").distinct()


def who_may_be_texted(shop: Shop, people: ir.Table, channel: str = "") -> ir.Table:
    """customer_id of those subscribed when the log ends whom texts reach, and no running experiment leaves without.

    Args:
        shop: the company.
        people: a column customer_id, each customer once.
        channel: of the texts; empty: as `measures.choose_channel` chooses.

    Raises:
        UsageError: there are messages, but none of the channel.
    """
    rows = measures.subscribed(shop, ibis.literal(shop.end), people)
    if shop.has("messages"):
        rows = rows.anti_join(measures.never_reached(shop, measures.choose_channel(shop, channel)), "customer_id")
    alone = left_without_texts(shop)
    return rows if alone is None else rows.anti_join(alone, "customer_id")


def _every(shop: Shop, *tables: str) -> list[tuple[Experiment, Validity]]:
    if not all(shop.has(name) for name in ("experiments", "arms", "assignments", *tables)):
        return []
    try:
        return check_experiments(shop, clustered=True)
    except NotEnoughData:
        return []


def _check(shop: Shop) -> list[tuple[Experiment, Validity]]:
    found = list_experiments(shop)
    counted = count_outcomes(shop)
    exposure = count_exposure(shop) if shop.has("messages") else pd.DataFrame(columns=["experiment_id"])
    overlaps = check_overlaps(count_overlaps(shop), found)
    return [(experiment, check(experiment, counted, exposure, overlaps)) for experiment in found]
