"""The value of a click from randomised tests: incremental profit of more messages ÷ their incremental clicks.

Arms that differ in messages differ in clicks and in profit. The ratio of the two differences (Wald 1940; an
instrumental variable, Angrist & Imbens 1994) is the profit, before message costs, per additional human click. It
values the clicks of another hour or text under one assumption: hour and text change profit only by changing how many
people notice the message, and in the same proportion as they change clicks. All stages use this one value.

All valid tests whose arms differ in messages are pooled. With d_a the messages of arm a, p_a its share of the members,
ȳ_a its mean profit, c̄_a its mean clicks and x̄_a its mean profit of the equally long period before the assignment,

    top = Σ p_a (d_a − d̄) (ȳ_a − θ x̄_a),   bottom = Σ p_a (d_a − d̄) c̄_a,   v = Σ w top ÷ Σ w bottom,

θ by least squares within arms (CUPED; Deng and others 2013, WSDM) and w = bottom ÷ Var(top − v · bottom), which weights
the tests' ratios by their precision. Errors are those of the delete-a-group jackknife over the units of randomisation,
so tests may share customers. The interval is Fieller's (1954): the values β at which Σ w (top − β · bottom) is not
significantly different from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.experiments.checked import find_valid_tests
from smsroi_helpers.experiments.registry import Experiment
from smsroi_helpers.source import Shop, once
from smsroi_helpers.statistics import GROUPS, Floats, Ints, by_group, product_interval, t_quantile

__all__ = [
    "CLICK_VALUE_GROUP",
    "ClickValue",
    "ClickValueSums",
    "count_click_value",
    "estimate_click_value",
    "find_click_value",
    "price_clicks",
    "replicate_click_value",
    "strong_tests",
]

_STRONG = 4.0
"""A test counts only if its arms' clicks follow their messages by more than this many standard errors."""
_TINY = 1e-12
_EVERY = np.arange(GROUPS)
CLICK_VALUE_GROUP = "click-value"
"""Purpose of the hash that divides the units of randomisation into groups."""
_SUMS = ("n", "profit", "clicks", "before", "profit_before", "before_before")


@dataclass(frozen=True)
class ClickValue:
    """Profit before message costs per additional human click; NaN where no experiment shows it."""

    experiments: tuple[str, ...]
    """The tests that are pooled; of a value that is not known, those that were too weak."""
    estimate: float
    low: float
    high: float
    customers: int
    """Members of these tests; a member of two counts once."""
    clicks_z: float
    """The difference in clicks between the arms, in standard errors."""
    reason: str = ""
    """Why there is no value: `no_test`, `no_clicks`, `no_orders` (so no profit is known), `weak`."""

    @property
    def known(self) -> bool:
        """Whether there is a value with an interval."""
        return bool(np.isfinite([self.estimate, self.low, self.high]).all())


@dataclass(frozen=True)
class ClickValueSums:
    """One test's sums over members, by arm and group of customers."""

    experiment: str
    messages: Floats
    """(arms,): planned, in any unit."""
    sums: Floats
    """(6, arms, 64): members; profit y, human clicks, profit before x; y · x, x²."""

    @classmethod
    def of_members(
        cls, arm: Ints, messages: Floats, profit: Floats, clicks: Floats, before: Floats
    ) -> "ClickValueSums":
        """From one row per member, divided into groups in turn.

        Args:
            arm: (n,): numbers of arms.
            messages: (arms,).
            profit: (n,).
            clicks: (n,).
            before: (n,): profit before the assignment.
        """
        sums = np.zeros((len(_SUMS), len(messages), GROUPS))
        place = (arm, np.arange(len(arm)) % GROUPS)
        for total_of, each in zip(
            sums, (np.ones(len(arm)), profit, clicks, before, profit * before, before**2), strict=True
        ):
            np.add.at(total_of, place, each)
        return cls("", messages, sums)


def replicate_click_value(tests: Sequence[ClickValueSums], groups: Ints = _EVERY) -> Floats:
    """The value of a click from some groups of customers, then without each of them: (1 + groups,), NaN if not known.

    Args:
        tests: of `count_click_value`.
        groups: numbers of the groups of customers.
    """
    top, bottom = _pool(strong_tests(tests), groups)
    return np.asarray(top / bottom)


def strong_tests(tests: Sequence[ClickValueSums]) -> list[ClickValueSums]:
    """Those whose clicks clearly follow their messages."""
    return [each for each in tests if _strength(_contrasts(each, _EVERY)[1]) > _STRONG]


def estimate_click_value(tests: Sequence[ClickValueSums], level: float = 0.95) -> tuple[float, float, float, float]:
    """The pooled value of a click, with Fieller's interval.

    Args:
        tests: of `count_click_value`.
        level: of the interval.

    Returns:
        estimate, low, high (money per click), and the number of standard errors by which clicks follow the messages.
        The first three are NaN where clicks do not clearly follow them in any test.
    """
    nan = float("nan")
    strong = strong_tests(tests)
    if not strong:
        return nan, nan, nan, max((_strength(_contrasts(each, _EVERY)[1]) for each in tests), default=nan)
    parts = _pool(strong, _EVERY)
    (top, bottom), covariance, clicks_z = parts[:, 0], _covariance(parts), _strength(parts[1])
    q = float(t_quantile(level, GROUPS - 1)) ** 2
    a, b, d = bottom**2 - q * covariance[1, 1], top * bottom - q * covariance[0, 1], top**2 - q * covariance[0, 0]
    if not a > 0:
        return nan, nan, nan, clicks_z
    root = np.sqrt(max(b**2 - a * d, 0.0))
    return float(top / bottom), float((b - root) / a), float((b + root) / a), clicks_z


def _pool(tests: Sequence[ClickValueSums], groups: Ints) -> Floats:
    """(2, 1 + groups): Σ w top and Σ w bottom, with w from all groups; NaN without tests."""
    if not tests:
        return np.full((2, 1 + len(groups)), np.nan)
    whole = [_contrasts(test, _EVERY) for test in tests]
    value = 0.0  # a first one, with which the noise of top − value · bottom is found
    for _ in range(2):
        weights = [each[1, 0] / max(_variance(each[0] - value * each[1]), _TINY) for each in whole]
        top, bottom = sum(weight * each[:, 0] for weight, each in zip(weights, whole, strict=True))
        value = top / bottom
    return np.asarray(sum(w * _contrasts(test, groups) for w, test in zip(weights, tests, strict=True)))


def _contrasts(test: ClickValueSums, groups: Ints) -> Floats:
    """(2, 1 + groups): top and bottom of one test, from some groups of customers, then without each of them."""
    chosen = test.sums[:, :, groups]
    whole = chosen.sum(axis=2, keepdims=True)
    n, y, c, x, yx, xx = np.concatenate([whole, whole - chosen], axis=2)
    members = np.maximum(n, 1.0)
    square = (xx - x * x / members).sum(axis=0)
    theta = np.where(square > 1e-9 * np.maximum(xx.sum(axis=0), 1e-12), (yx - y * x / members).sum(axis=0), 0.0)
    theta = theta / np.where(theta == 0.0, 1.0, square)
    share = n / np.maximum(n.sum(axis=0), 1.0)
    away = share * (test.messages[:, None] - (share * test.messages[:, None]).sum(axis=0))
    return np.stack([(away * (y - theta * x) / members).sum(axis=0), (away * c / members).sum(axis=0)])


def _covariance(replicates: Floats) -> Floats:
    """(2, 2), by the delete-a-group jackknife."""
    without = replicates[:, 1:]
    moved = without - without.mean(axis=1, keepdims=True)
    return np.asarray((without.shape[1] - 1) / without.shape[1] * moved @ moved.T)


def _variance(replicates: Floats) -> float:
    return float(_covariance(replicates[None])[0, 0])


def _strength(bottom: Floats) -> float:
    """By how many standard errors clicks follow the messages; 0 where they do not vary."""
    error = np.sqrt(_variance(bottom))
    return float(bottom[0]) / error if error > 0 else 0.0


def _messages_by_arm(experiment: Experiment) -> list[float] | None:
    """Planned messages of each arm, relative to the others; None where the arms do not differ, or no number is known.

    Of a holdout, the untreated arm has none.
    """
    if experiment.kind == "holdout":
        return [0.0 if arm == experiment.control else 1.0 for arm in experiment.arms]
    planned = experiment.plan.get("messages_per_week")
    if experiment.kind != "frequency" or planned is None or planned.isna().any():
        return None
    messages = [float(planned[arm]) for arm in experiment.arms]
    return messages if len(set(messages)) > 1 else None


def count_click_value(shop: Shop) -> tuple[ClickValueSums, ...]:
    """The sums that the value of a click is estimated from, of every valid test whose arms differ in messages.

    Messages that a machine clicked first are assumed to have the same human click rate as the others of the arm.

    Args:
        shop: the company, with clicks, orders, experiments, arms and assignments.
    """
    usable = [one for one in find_valid_tests(shop) if (one.customers >= 2).all()]
    planned = {one.name: (one, messages) for one in usable if (messages := _messages_by_arm(one)) is not None}
    if not planned:
        return ()
    people = _members(shop, list(planned))
    before, profit = (people[name].fill_null(0.0).cast("float64") for name in ("pre_order_profit", "order_profit"))
    sent, judged = (people[name].fill_null(0) for name in ("messages", "click_known_messages"))
    rows = people.select(
        "experiment_id", "arm", group=hash_group(measures.unit_of(people), CLICK_VALUE_GROUP, GROUPS), profit=profit,
        clicks=people.clicked_messages.fill_null(0), sent=sent, judged=judged, before=before,
        profit_before=profit * before, before_before=before * before,
    )  # fmt: skip
    sums = {name: total(rows[name].cast("float64")) for name in (*_SUMS[1:], "sent", "judged")}
    by = ("experiment_id", "arm", "group")
    counted = shop.count(rows.group_by(*by).aggregate(n=rows.count(), **sums).order_by(*by))
    arms = counted.groupby(["experiment_id", "arm"])[["sent", "judged"]].transform("sum")
    counted["clicks"] *= (arms["sent"] / arms["judged"].clip(lower=1)).where(arms["judged"] > 0, 1.0)
    return tuple(_sums_of(counted, *each) for each in planned.values())


def _members(shop: Shop, tests: Sequence[str]) -> ir.Table:
    """The outcomes of the members of these tests: one row per test and customer."""
    people = measures.arm_outcomes(shop)
    return people.filter(people.outcome_days > 0, people.experiment_id.isin(list(tests)))


def _count_members(shop: Shop, tests: Sequence[str]) -> int:
    """Customers in any of these tests."""
    people = _members(shop, tests)
    return int(shop.count(people.aggregate(n=people.customer_id.nunique()))["n"].iloc[0])


def _sums_of(counted: pd.DataFrame, experiment: Experiment, messages: Sequence[float]) -> ClickValueSums:
    keys, sums = by_group(counted[counted["experiment_id"] == experiment.name], ["arm"], _SUMS)
    found = np.zeros((len(_SUMS), len(experiment.arms), GROUPS))
    found[:, [list(experiment.arms).index(arm) for arm in keys["arm"]]] = sums
    return ClickValueSums(experiment.name, np.array(messages), found)


def price_clicks(clicks: tuple[float, float, float], click: ClickValue) -> tuple[float, float, float]:
    """Clicks × the value of a click, with an interval that includes both errors (`statistics.product_interval`).

    Args:
        clicks: estimate, low, high.
        click: of `find_click_value`, known.

    Returns:
        estimate, low, high, in money.
    """
    return product_interval(clicks, (click.estimate, click.low, click.high))


@once
def find_click_value(shop: Shop) -> ClickValue:
    """The value of a click from all valid tests whose arms differ in messages."""
    nan = float("nan")

    def unknown(reason: str, tests: Sequence[str] = (), customers: int = 0, clicks_z: float = nan) -> ClickValue:
        return ClickValue(tuple(tests), nan, nan, nan, customers, clicks_z, reason)

    if not measures.knows_clicks(shop):
        return unknown("no_clicks")
    if not shop.has("orders"):
        return unknown("no_orders")
    if not all(shop.has(table) for table in ("experiments", "arms", "assignments")):
        return unknown("no_test")
    tests = count_click_value(shop)
    if not tests:
        return unknown("no_test")
    used = strong_tests(tests) or tests
    names = tuple(each.experiment for each in used)
    customers = _count_members(shop, names)
    estimate, low, high, clicks_z = estimate_click_value(used)
    if not np.isfinite([estimate, low, high]).all():
        return unknown("weak", names, customers, clicks_z)
    return ClickValue(names, estimate, low, high, customers, clicks_z)
