"""Every experiment of a source with its validity, checked in the same way for all stages."""

import weakref

import pandas as pd

from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.experiments.exposure import count_exposure, count_overlaps
from smsroi_helpers.experiments.registry import Experiment, count_outcomes, list_experiments
from smsroi_helpers.experiments.validity import Validity, check, check_overlaps
from smsroi_helpers.source import Shop

__all__ = ["check_experiments", "find_valid_tests"]

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
    if not all(shop.has(name) for name in ("experiments", "arms", "assignments", *tables)):
        return []
    try:
        return [one for one, validity in check_experiments(shop) if not validity.broken]
    except NotEnoughData:
        return []


def _check(shop: Shop) -> list[tuple[Experiment, Validity]]:
    found = list_experiments(shop)
    counted = count_outcomes(shop)
    exposure = count_exposure(shop) if shop.has("messages") else pd.DataFrame(columns=["experiment_id"])
    overlaps = check_overlaps(count_overlaps(shop), found)
    return [(experiment, check(experiment, counted, exposure, overlaps)) for experiment in found]
