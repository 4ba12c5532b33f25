"""The difference in profit between two arms, from its parts: clicks and opt-outs at their prices, or measured profit.

Each part has an interval of its own. Limits of products and sums are those of `statistics.product_interval` and
`statistics.sum_interval`, so they are not symmetric.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from smsroi_helpers.ab_test.effects import ALL, CLICK_PROFIT, UNKNOWN, ArmEffect, ArmEffects, measure_effects
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.statistics import (
    ALPHA,
    FEW_EVENTS,
    UNEQUAL,
    always_valid_half_width,
    always_valid_p,
    expected_loss,
    probability_best,
    product_interval,
    sum_interval,
)

__all__ = [
    "Interval",
    "PricedDifference",
    "infer",
    "measure_with_opt_outs",
    "negative",
]

Interval = tuple[float, float, float]
_Z = float(norm.ppf(0.975))
_MOST_Z = 12.0


@dataclass(frozen=True)
class PricedDifference:
    """One arm's differences from the control, per customer, each with 95 % limits."""

    opt_outs: Interval | None
    """None where opt-outs are not recorded, or a subscriber has no known value."""
    subscriber: Interval
    """The value of a subscriber (money)."""
    measured: Interval | None = None
    """Profit itself, after message costs; then clicks and cost are not used."""
    clicks: Interval = (0.0, 0.0, 0.0)
    click: Interval = (0.0, 0.0, 0.0)
    """The value of a click (money)."""
    cost: Interval = (0.0, 0.0, 0.0)
    """Of messages."""
    correlation: float = 0.0
    """Of the differences in clicks and in opt-outs."""

    def profit(self, of_test: float = 1.0, of_prices: float = 1.0) -> Interval:
        """The profit with limits; the arguments widen the limits of the parts (1: 95 %)."""
        if self.measured is not None:
            return self._without_lost(_widen(self.measured, of_test), 0.0, of_test, of_prices)
        sold = product_interval(_widen(self.clicks, of_test), _widen(self.click, of_prices))
        total = self._without_lost(sold, -self.correlation, of_test, of_prices)
        return sum_interval(total, negative(_widen(self.cost, of_test)))

    def _without_lost(self, total: Interval, correlation: float, of_test: float, of_prices: float) -> Interval:
        """The total less what opt-outs cost in the long run."""
        if self.opt_outs is None:
            return total
        stayed = product_interval(negative(_widen(self.opt_outs, of_test)), _widen(self.subscriber, of_prices))
        return sum_interval(total, stayed, correlation)

    def z(self) -> float:
        """How many standard errors of its parts the profit is from 0: at which the limits just hold 0."""
        at = self.profit()[0]
        if not abs(at) > 0:
            return 0.0

        def nearer_limit(z: float) -> float:
            """The distance from 0 to the limit on its side, in the direction of the estimate."""
            _estimate, lowest, highest = self.profit(z / _Z, z / _Z)
            return lowest if at > 0 else -highest

        if nearer_limit(_MOST_Z) > 0:
            return float(np.copysign(_MOST_Z, at))
        return float(np.copysign(brentq(nearer_limit, 0.0, _MOST_Z, xtol=1e-11), at))


def _widen(interval: Interval, factor: float) -> Interval:
    value, low, high = interval
    return value, value - factor * (value - low), value + factor * (high - value)


def negative(interval: Interval) -> Interval:
    """The interval of the opposite."""
    value, low, high = interval
    return -value, -high, -low


def infer(row: ArmEffect, difference: PricedDifference, error: float, experiment: Experiment) -> ArmEffect:
    """The row with its difference, limits and p-values.

    Args:
        row: of the arm, without a difference.
        difference: from the control.
        error: the standard error of the experiment alone.
        experiment: which.
    """
    estimate, low, high = difference.profit()
    z, information = difference.z(), experiment.information
    level = 1 - ALPHA / len(experiment.treated)
    fixed = float(norm.ppf((1 + level) / 2)) / _Z
    always_valid, decides = (float("nan"),) * 3, difference.profit(fixed, fixed)
    always_valid_of_z = float("nan")
    if np.isfinite(information):
        always_valid = difference.profit(float(always_valid_half_width(1.0, information)) / _Z)
        always_valid_of_z = float(always_valid_p(z, information))
    if experiment.state == "running":
        of_test = float(always_valid_half_width(1.0, information, level)) / _Z
        decides = difference.profit(of_test, fixed) if np.isfinite(of_test) else (float("nan"),) * 3
    return replace(
        row, difference=estimate, low=low, high=high, standard_error=error, df=float("inf"),
        p_value=float(2 * norm.sf(abs(z))), always_valid_low=always_valid[1], always_valid_high=always_valid[2],
        always_valid_p=always_valid_of_z, decision_low=decides[1], decision_high=decides[2],
    )  # fmt: skip


def measure_with_opt_outs(
    experiment: Experiment, counted: pd.DataFrame, subscriber: Interval, segment: str = ALL
) -> ArmEffects:
    """Profit as measured less what opt-outs cost in the long run, of every arm compared with the control.

    For tests whose clicks have no price. The two differences are taken as independent: a customer who opts out early
    buys a little less in the test's weeks, too, so the limits are too narrow by what that correlation is.

    Args:
        experiment: which.
        counted: of `experiments.count_outcomes`, or with a column segment.
        subscriber: the value of a subscriber with limits (money).
        segment: the segment's name in the rows.

    Returns:
        Rows of the metric `click_profit`; none where an arm lacks one of the two, or where an arm is so much smaller
        than another that its buyers are too few.
    """
    rows: list[ArmEffect] = []
    effects = measure_effects(experiment, counted, ("profit", "opt_out_rate"), segment)
    pairs = [(effects.find("profit", arm, segment), effects.find("opt_out_rate", arm, segment))
             for arm in experiment.arms]  # fmt: skip
    known = [(profit, left) for profit, left in pairs if profit is not None and left is not None]
    if len(known) < len(experiment.arms) or _few_buyers([profit for profit, _left in known]):
        return ArmEffects(experiment.control)
    for profit, left in known:
        row = replace(
            profit, metric=CLICK_PROFIT, mean=profit.mean - subscriber[0] * left.mean, method="priced",
            **UNKNOWN,  # type: ignore[arg-type]
        )  # fmt: skip
        if profit.arm == experiment.control:
            rows.append(row)
            continue
        of_left = (0.0,) * 3 if left.reason == "no_variance" else left.interval
        if not np.isfinite([*profit.interval, *of_left]).all():
            return ArmEffects(experiment.control)
        error = float(np.hypot(profit.standard_error, subscriber[0] * (of_left[2] - of_left[1]) / (2 * _Z)))
        rows.append(infer(row, PricedDifference(of_left, subscriber, profit.interval), error, experiment))
    return ArmEffects(experiment.control, tuple(_with_best(rows)))


def _with_best(rows: list[ArmEffect]) -> list[ArmEffect]:
    """The rows, the control's first, with the chance that each is best and the loss if it is not.

    The variance of a difference is divided between its two arms as if their customers varied alike.
    """
    share = np.array([1 / row.customers for row in rows])
    both = np.array([row.standard_error**2 for row in rows[1:]]) / (share[1:] + share[0])
    error = np.sqrt(np.concatenate([[both.mean()], both]) * share)
    at = np.array([0.0, *(row.difference for row in rows[1:])])
    best, loss = probability_best(at, error), expected_loss(at, error)
    return [
        replace(row, probability_best=float(best[place]), expected_loss=float(loss[place]))
        for place, row in enumerate(rows)
    ]


def _few_buyers(rows: list[ArmEffect]) -> bool:
    """Whether arms are too unequal for the limits of money to hold, or too few customers bought."""
    smaller, larger = min(rows, key=lambda row: row.customers), max(rows, key=lambda row: row.customers)
    return min(row.events for row in rows) < FEW_EVENTS or larger.customers >= UNEQUAL * max(smaller.customers, 1.0)
