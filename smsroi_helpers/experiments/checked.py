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

__all__ = ["check_experiments", "find_valid_tests", "texts_set_by_tests", "who_may_be_texted"]

_SETTING = ("frequency", "timing")
"""Kinds of experiments all of whose arms say how often, or at which hours, their customers are texted."""
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


def texts_set_by_tests(shop: Shop, *, ending: str = "") -> ir.Table | None:
    """customer_id of everybody whose texts a running experiment sets; None where there is none.

    That is everybody in a test of frequencies or hours, whatever the arm, and whom an experiment leaves without texts.
    The texted arm of a holdout is texted like everybody else, and a test of texts sets neither hour nor frequency. An
    experiment that is not valid so far is respected too: nobody has decided yet that it has ended. `ending` is one that
    a decision is to end.
    """
    arms = {
        one.name: one.arms if one.kind in _SETTING else arms_without_messages(one)
        for one, _validity in _every(shop)
        if one.state == "running" and one.name != ending
    }
    rows = shop.assignments if any(arms.values()) else None
    if rows is None:
        return None
    chosen = [(rows.experiment_id == name) & rows.arm.isin(list(own)) for name, own in arms.items() if own]
    return rows.filter(ibis.or_(*chosen)).select("customer_id").distinct()


def who_may_be_texted(shop: Shop, people: ir.Table, channel: str = "", *, ending: str = "") -> ir.Table:
    """customer_id of those subscribed when the log ends whom texts reach, and whose texts no running experiment sets.

    Args:
        shop: the company.
        people: a column customer_id, each customer once.
        channel: of the texts; empty: as `measures.choose_channel` chooses.
        ending: an experiment that a decision is to end: it no longer sets its customers' texts.

    Raises:
        UsageError: there are messages, but none of the channel.
    """
    rows = measures.subscribed(shop, ibis.literal(shop.end), people)
    if shop.has("messages"):
        rows = rows.anti_join(measures.never_reached(shop, measures.choose_channel(shop, channel)), "customer_id")
    tested = texts_set_by_tests(shop, ending=ending)
    return rows if tested is None else rows.anti_join(tested, "customer_id")


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
