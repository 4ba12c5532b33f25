"""How likely the whole decision rule is to ship an arm that truly gains: the power of the decision, not of one test.

An arm is shipped if its interval lies above the smallest worthwhile gain, at least 20 customers bought in each arm, and
the increase of opt-outs is shown to be below the margin (`decision_rule`). The power is the product of the three
chances, which are taken as independent. The arm's profit varies more than the control's in proportion to its mean: it
has more orders, not larger ones.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from smsroi_helpers.statistics import ALPHA, FEW_EVENTS, POWER

__all__ = [
    "Outcomes",
    "chance_to_ship",
    "customers_to_ship",
    "smallest_shipped_gain",
]

_MOST_CUSTOMERS = 1e12


@dataclass(frozen=True)
class Outcomes:
    """What customers do in the weeks of a test, without the change."""

    profit: float
    """Mean per customer (money)."""
    deviation: float
    """The standard deviation of a customer's profit, adjusted for the customer's past."""
    base_rate: float
    """The share who order (0–1)."""
    opt_out_rate: float = float("nan")
    """The share who opt out (0–1); NaN where it is not known, so that no margin is asked for."""


def chance_to_ship(
    gain: float, customers: float, outcomes: Outcomes, *, arms: int = 1, smallest_gain: float = 0.0,
    opt_out_margin: float = float("nan"),
) -> float:  # fmt: skip
    """The probability that an arm with a true gain is shipped at the test's end (0–1).

    Args:
        gain: the true difference in profit per customer (money, over the test).
        customers: in each arm; the control has as many.
        outcomes: without the change.
        arms: the number of arms compared with the control, each at `ALPHA` ÷ arms.
        smallest_gain: below which a change is not worth making (money per customer, over the test).
        opt_out_margin: the largest acceptable increase of the share who opt out (0–1, over the test).
    """
    more = gain / outcomes.profit if outcomes.profit > 0 else 0.0
    error = outcomes.deviation * np.sqrt((2 + max(more, -1.0)) / customers)
    shown = norm.sf(norm.ppf(1 - ALPHA / 2 / arms) - (gain - smallest_gain) / error)
    enough = poisson.sf(FEW_EVENTS - 1, customers * outcomes.base_rate) ** 2
    held = 1.0
    if np.isfinite(outcomes.opt_out_rate) and np.isfinite(opt_out_margin):
        of_rate = np.sqrt(2 * outcomes.opt_out_rate * (1 - outcomes.opt_out_rate) / customers)
        held = norm.cdf(opt_out_margin / of_rate - norm.ppf(1 - ALPHA / 2)) if of_rate > 0 else 1.0
    return float(shown * enough * held)


def smallest_shipped_gain(
    customers: float, outcomes: Outcomes, *, arms: int = 1, smallest_gain: float = 0.0,
    opt_out_margin: float = float("nan"), power: float = POWER,
) -> float:  # fmt: skip
    """The smallest true gain that is shipped with this power; NaN where no gain is, however large.

    Args:
        customers: in each arm.
        outcomes: as `chance_to_ship` takes them, with the other arguments.
        arms: as there.
        smallest_gain: as there.
        opt_out_margin: as there.
        power: the wanted power (0–1).
    """

    def lacking(gain: float) -> float:
        return power - chance_to_ship(
            gain, customers, outcomes, arms=arms, smallest_gain=smallest_gain, opt_out_margin=opt_out_margin
        )

    error = outcomes.deviation * np.sqrt(2 / customers)
    high = smallest_gain + error
    for _double in range(60):
        if lacking(high) <= 0:
            return float(brentq(lacking, smallest_gain, high, xtol=1e-9 * max(high, 1e-12)))
        if high - smallest_gain > 1e6 * error:
            break
        high = smallest_gain + 2 * (high - smallest_gain)
    return float("nan")


def customers_to_ship(
    gain: float, outcomes: Outcomes, *, arms: int = 1, smallest_gain: float = 0.0,
    opt_out_margin: float = float("nan"), power: float = POWER,
) -> float:  # fmt: skip
    """The customers needed in each arm so that a true gain is shipped with this power; infinite where none suffice.

    Args:
        gain: as `chance_to_ship` takes it, with the other arguments.
        outcomes: as there.
        arms: as there.
        smallest_gain: as there.
        opt_out_margin: as there.
        power: the wanted power (0–1).
    """
    if not gain > smallest_gain:
        return float("inf")

    def lacking(log_customers: float) -> float:
        return power - chance_to_ship(
            gain, float(np.exp(log_customers)), outcomes, arms=arms, smallest_gain=smallest_gain,
            opt_out_margin=opt_out_margin,
        )  # fmt: skip

    low, high = np.log(2.0), np.log(_MOST_CUSTOMERS)
    return float("inf") if lacking(high) > 0 else float(np.exp(brentq(lacking, low, high, xtol=1e-9)))
