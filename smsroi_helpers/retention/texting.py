"""Does texting retain: measured in randomised tests that left some customers without texts.

Every valid test with an untreated arm counts, by intention to treat. A customer is retained who bought in the last
`active_days` of the test; customers assigned later than that before its end are left out, whatever they did.
"""

from dataclasses import dataclass
from typing import Literal

import ibis
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.experiments import (
    Experiment,
    arms_without_messages,
    find_valid_tests,
)
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import (
    ALPHA,
    always_valid_half_width,
    difference_of_rates,
    information,
)

__all__ = [
    "Retained",
    "assigned_by_day",
    "find_holdouts",
    "measure_retention",
]

Interval = tuple[float, float, float]
_Arm = tuple[int, int]
"""Customers with the outcome, and all."""
_UNKNOWN: Interval = (float("nan"),) * 3


@dataclass(frozen=True)
class Retained:
    """What texts did to retention in one test: the arms with texts together against those without."""

    experiment: str
    what: Literal["custom", "consent"]
    """Bought in the last days of the test, or was still subscribed at its end."""
    days: float
    """The last days of the test in which a purchase counts; of consent, the mean days of the test."""
    customers: tuple[int, int]
    """With texts, without."""
    rates: tuple[float, float]
    """Retained (0–1), likewise."""
    difference: Interval
    """The limits that decide: at once for all tests of the kind, and at any number of readings where `always_valid`."""
    comparisons: int = 1
    """Tests of the kind: the limits are at the level 1 − 0.05 ÷ comparisons (Bonferroni)."""
    always_valid: bool = False
    """Whether the test still runs, so that the limits are always-valid ones."""

    @property
    def members(self) -> int:
        """Customers with texts and without."""
        return sum(self.customers)


def find_holdouts(shop: Shop) -> list[tuple[Experiment, tuple[str, ...]]]:
    """The valid tests with an arm that was to get no texts, and these arms; none without experiments or orders."""
    found = [(one, arms_without_messages(one)) for one in find_valid_tests(shop, "orders")]
    return [(one, without) for one, without in found if without and set(one.arms) - set(without)]


# --- does texting retain ---------------------------------------------------------------------------------------------


def measure_retention(
    shop: Shop, holdouts: list[tuple[Experiment, tuple[str, ...]]], active_days: int
) -> list[Retained]:
    """The effect of texts on custom and on consent at the end of each test.

    Args:
        shop: the company.
        holdouts: of `find_holdouts`.
        active_days: the last days of a test in which a purchase counts; at most half of the test.
    """
    counted: list[tuple[Experiment, str, float, _Arm, _Arm]] = []
    for experiment, without in holdouts:
        days = min(active_days, max(((experiment.last - experiment.started).days + 1) // 2, 1))
        arms = _count_retained(shop, experiment.name, days).set_index("arm")
        arms = arms.reindex(list(experiment.arms)).fillna(0.0)
        untreated = arms.index.isin(without)
        treated, control = arms[~untreated].sum(), arms[untreated].sum()
        mean_days = float(treated["test_days"] / max(treated["customers"], 1))
        for what, events, people in (("custom", "bought", "customers"), ("consent", "kept", "consenting")):
            one, other = ((int(part[events]), int(part[people])) for part in (treated, control))
            if min(one[1], other[1]) > 0:
                counted.append((experiment, what, float(days) if what == "custom" else mean_days, one, other))
    kinds = [what for _experiment, what, *_rest in counted]
    return [
        Retained(
            experiment.name, what, days, (one[1], other[1]),  # type: ignore[arg-type]
            (one[0] / one[1], other[0] / other[1]), _deciding(experiment, one, other, 1 - ALPHA / kinds.count(what)),
            kinds.count(what), experiment.state == "running",
        )
        for experiment, what, days, one, other in counted
    ]  # fmt: skip


def _deciding(experiment: Experiment, treated: _Arm, control: _Arm, level: float) -> Interval:
    """Miettinen and Nurminen's interval of the difference, or the always-valid one of a test that still runs.

    A difference of shares lies within ±1, whatever is known: these are the limits before a running test has others.
    """
    (x1, n1), (x0, n0) = treated, control
    if experiment.state != "running":
        effect = difference_of_rates([x1], [n1], [x0], [n0], level)
        return float(effect.estimate[0]), float(effect.low[0]), float(effect.high[0])
    difference = x1 / n1 - x0 / n0
    error = np.sqrt(x1 * (n1 - x1) / n1**3 + x0 * (n0 - x0) / n0**3)
    half_width = float(always_valid_half_width(error, information(assigned_by_day(experiment), experiment.last), level))
    if not half_width > 0:  # nobody, or everybody, in both arms; or the first week
        return difference, -1.0, 1.0
    return difference, max(difference - half_width, -1.0), min(difference + half_width, 1.0)


def assigned_by_day(experiment: Experiment) -> pd.DataFrame:
    """Customers by the day of their assignment: day, n."""
    return experiment.assigned.groupby("day", as_index=False)["n"].sum()


def _count_retained(shop: Shop, experiment: str, days: int) -> pd.DataFrame:
    """By arm: customers, bought (in the last days), test_days; consenting (when assigned), kept (no opt-out since)."""
    people = measures.arm_outcomes(shop, experiment)
    people = people.filter(people.outcome_days >= days)
    orders = measures.purchases(shop).select(buyer="customer_id", bought_at="ordered_at")
    theirs = people.join(orders, people.customer_id == orders.buyer)
    theirs = theirs.filter(
        theirs.bought_at < theirs.outcome_end, theirs.bought_at >= theirs.outcome_end - ibis.interval(days=days)
    )
    active = theirs.select("customer_id").distinct()
    rows = people.mutate(active=people.customer_id.isin(active.customer_id))
    consenting = (rows.consenting == 1) & rows.opted_out.notnull()
    cells = rows.group_by("arm").aggregate(
        customers=rows.count(), bought=rows.count(where=rows.active), test_days=rows.outcome_days.sum(),
        consenting=rows.count(where=consenting), kept=rows.count(where=consenting & (rows.opted_out == 0)),
    )  # fmt: skip
    return shop.count(cells.order_by("arm"))
