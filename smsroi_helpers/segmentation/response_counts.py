"""What customers of randomised tests did, by arm and by every grouping that distinguishes them: cells.

A customer's outcome is what the texts brought a week: clicks × value of a click − message cost − opt-outs × value of a
subscriber. It varies far less than orders do. Groups are those of the day before the assignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments import (
    ClickValue,
    Experiment,
    find_click_value,
    find_subscriber_value,
    find_valid_tests,
)
from smsroi_helpers.segmentation.response_gain import ResponseCells
from smsroi_helpers.segmentation.response_labels import STRATUM, Groupings, label_together
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Ints, weekly_rate

__all__ = [
    "Labelled",
    "Unit",
    "count_cells",
    "count_singles",
    "label_responses",
]

Unit = Literal["money", "clicks", "profit"]
"""`money`: clicks and opt-outs priced. `clicks`: a click has no known value, and tests of equally many texts are
compared by clicks. `profit`: no clicks are known."""
FOLD = "segmentation-response"
"""The hash purpose of the groups that arms are chosen and compared on."""
USUAL_LOSS = (0.005, 0.002, 0.01)
"""Subscribers lost a week without opting out, roughly: to choose a grouping, an opt-out needs no exact price."""
YEARLY_DISCOUNT = 0.1
_EQUAL_TEXTS = ("timing", "content")


@dataclass(frozen=True)
class Labelled:
    """The customers of the usable tests with outcome and level of each grouping, kept in the engine."""

    rows: ir.Table
    """experiment_id, arm, fold (0–63), outcome; level_0, level_1 … in the order of `names`."""
    names: tuple[str, ...]
    tests: tuple[Experiment, ...]
    weights: tuple[float, ...]
    """Of each test: those of one kind of decision share 1, by their customers."""
    unit: Unit


def label_responses(shop: Shop, groupings: Groupings) -> Labelled | None:
    """The outcome of every customer of the valid tests, with their groups when assigned.

    Of holdouts, only those of sources without a test of frequencies are used, since they answer a part of its question.
    Where clicks are known, the mean outcome of a customer's stratum (by clicks before the assignment) in the test is
    subtracted, which takes away what differs between customers and not between arms.

    Args:
        shop: the company.
        groupings: what customers are grouped by.

    Returns:
        None where no valid test can be used.
    """
    sound = [each for each in find_valid_tests(shop) if (each.customers >= 2).all()]
    if not sound:
        return None
    click = find_click_value(shop)
    unit, tests = _choose_unit(shop, click, [each for each in sound if len(each.arms) > 1 and each.weeks > 0])
    if not tests:
        return None
    outcome = _outcomes(shop, tests, unit, click)
    labelled = shop.keep(label_together(shop, groupings, [each.name for each in tests]))
    labelled = labelled.rename(of_experiment="experiment_id", member="customer_id")
    rows = outcome.join(
        labelled, (outcome.experiment_id == labelled.of_experiment) & (outcome.customer_id == labelled.member)
    )
    if groupings.past_clicks is not None:
        usual = rows.outcome.mean().over(ibis.window(group_by=["experiment_id", STRATUM]))
        rows = rows.mutate(outcome=(rows.outcome - usual).round(9))
    levels = {f"level_{k}": rows[name] for k, name in enumerate(groupings.names)}
    kept = shop.keep(rows.select("experiment_id", "arm", "fold", "outcome", **levels))
    return Labelled(kept, groupings.names, tuple(tests), _weigh(tests), unit)


def _choose_unit(shop: Shop, click: ClickValue, sound: Sequence[Experiment]) -> tuple[Unit, list[Experiment]]:
    """What outcomes are measured in, and the tests of which they are known."""
    dosed = [each for each in sound if each.kind == "frequency"]
    dosed = dosed or [each for each in sound if each.kind == "holdout"]
    equal = [each for each in sound if each.kind in _EQUAL_TEXTS]
    if click.known and click.estimate > 0:
        return "money", [*equal, *dosed]
    if equal and measures.knows_clicks(shop):
        return "clicks", equal
    return "profit", [*equal, *dosed]


def _outcomes(shop: Shop, tests: Sequence[Experiment], unit: Unit, click: ClickValue) -> ir.Table:
    """experiment_id, arm, customer_id, fold and outcome (a week) of the customers who consented when assigned."""
    rows = measures.arm_outcomes(shop)
    rows = rows.filter(
        rows.outcome_days > 0,
        rows.experiment_id.isin([each.name for each in tests]),
        rows.consenting.fill_null(1) == 1,
    )
    if unit == "money":
        value = find_subscriber_value(shop, USUAL_LOSS, weekly_rate(YEARLY_DISCOUNT))
        lost = value.value[0] if value.known else 0.0
        outcome = (
            rows.clicked_messages.fill_null(0) * click.estimate
            - rows.message_cost.fill_null(0.0)
            - rows.opted_out.fill_null(0) * lost
        )
    elif unit == "clicks":
        outcome = rows.clicked_messages.fill_null(0).cast("float64")
    else:
        outcome = ibis.coalesce(rows.profit, rows.order_profit)
    weeks = ibis.cases(*((rows.experiment_id == each.name, each.weeks) for each in tests), else_=1.0)
    return rows.select(
        "experiment_id", "arm", "customer_id", fold=hash_group(rows.customer_id, FOLD, GROUPS), outcome=outcome / weeks
    )


def _weigh(tests: Sequence[Experiment]) -> tuple[float, ...]:
    customers = pd.Series([float(each.customers.sum()) for each in tests])
    kind = pd.Series([each.kind for each in tests])
    return tuple(float(share) for share in customers / customers.groupby(kind).transform("sum"))


def count_singles(shop: Shop, labelled: Labelled) -> dict[str, list[ResponseCells]]:
    """The tests by the levels of each grouping, counted in one query."""
    levels = [f"level_{k}" for k in range(len(labelled.names))]
    rows = labelled.rows.pivot_longer(levels, names_to="grouping", values_to="level")
    frame = shop.count(_sums(rows, ("grouping", "experiment_id", "arm", "fold", "level")))
    return {
        name: _to_cells(frame[frame["grouping"] == level], ["level"], labelled)[0]
        for name, level in zip(labelled.names, levels, strict=True)
    }


def count_cells(
    shop: Shop, labelled: Labelled, columns: Sequence[int]
) -> tuple[list[ResponseCells], Ints, list[list[str]]]:
    """The tests by combination of the levels of some groupings.

    Args:
        shop: the company.
        labelled: of `label_responses`.
        columns: numbers of the groupings.

    Returns:
        the cells of each test; (combinations, columns), the number of each combination's level; the levels of each
        column by name, in the order of their numbers.
    """
    names = [f"level_{k}" for k in columns]
    frame = shop.count(_sums(labelled.rows, ("experiment_id", "arm", "fold", *names)))
    return _to_cells(frame, names, labelled)


def _sums(rows: ir.Table, by: Sequence[str]) -> ir.Table:
    cells = rows.group_by(*by).aggregate(n=rows.count(), y=total(rows.outcome), yy=total(rows.outcome * rows.outcome))
    return cells.order_by(*by)


def _to_cells(
    frame: pd.DataFrame, names: list[str], labelled: Labelled
) -> tuple[list[ResponseCells], Ints, list[list[str]]]:
    levels = [sorted(frame[name].unique()) for name in names]
    combinations = frame[names].drop_duplicates().sort_values(names, ignore_index=True)
    place = pd.MultiIndex.from_frame(combinations).get_indexer(pd.MultiIndex.from_frame(frame[names]))
    numbers = np.stack([np.searchsorted(own, combinations[name]) for own, name in zip(levels, names, strict=True)], 1)
    found = []
    for test, weight in zip(labelled.tests, labelled.weights, strict=True):
        own = (frame["experiment_id"] == test.name).to_numpy()
        arm = pd.Index(test.arms).get_indexer(frame.loc[own, "arm"])
        shape = (len(combinations), len(test.arms), GROUPS)
        flat = np.ravel_multi_index((place[own], arm, frame.loc[own, "fold"].to_numpy(int)), shape)
        n, y, yy = (
            np.bincount(flat, frame.loc[own, name].to_numpy(float), int(np.prod(shape))).astype(float).reshape(shape)
            for name in ("n", "y", "yy")
        )
        found.append(ResponseCells(test.name, test.kind, test.arms, weight, n, y, yy))
    return found, numbers, levels
