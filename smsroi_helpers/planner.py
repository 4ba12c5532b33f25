"""How large a test must be, and what a given list can show: sample size, power, and the smallest effect seen.

Two arms are compared, treated and control, by the two-sided test at .05 (each at .05 ÷ arms where several are compared
with one control), as `effects.compare` does it. For orders that is the difference of two shares; for profit, of two
means whose spread comes from the order rate and from how much orders differ.

Reference: Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2; statsmodels' NormalIndPower.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower

from smsroi_helpers.errors import UsageError

__all__ = ["Plan", "plan_test", "power_of", "smallest_effect"]

ALPHA = 0.05


@dataclass(frozen=True)
class Plan:
    """What a list of customers can show, and what would be needed to show a wanted gain."""

    customers: int
    """Treated and control together, all arms."""
    arms: int
    """Treated arms."""
    per_arm: int
    control: int
    base_rate: float
    """Share of customers who order within the test's time without the change (0–1)."""
    smallest_rate: float
    """The smallest rise of that share which shows with the wanted power (0–1)."""
    smallest_profit: float
    """The smallest difference in profit per customer which does, message cost taken off already (money)."""
    breakeven_rate: float
    """The rise of the share at which an order's profit pays for the messages (0–1)."""
    power_at_gain: float
    """The power to show the wanted gain; NaN where none was given."""
    customers_for_gain: float
    """Customers needed to show the wanted gain with the wanted power; infinite where it is no gain after all costs."""
    times_for_gain: float
    """How many times as long this list would have to be tested instead; the same customers, order by order anew."""


def power_of(difference: float, spread: float, per_arm: float, control: float, comparisons: int = 1) -> float:
    """The chance that a true difference shows.

    Args:
        difference: true, treated − control.
        spread: standard deviation of one customer's outcome.
        per_arm: customers of the treated arm.
        control: customers of the control.
        comparisons: arms compared with the control.

    >>> round(power_of(0.02, 0.3, 3532, 3532), 3)  # the textbook's 80 %
    0.8
    """
    effect = abs(difference) / spread
    return float(NormalIndPower().power(effect, per_arm, ALPHA / comparisons, ratio=control / per_arm))


def smallest_effect(spread: float, per_arm: float, control: float, power: float = 0.8, comparisons: int = 1) -> float:
    """The smallest true difference that shows with this power: (z₁₋α/₂ₖ + z_power) · spread · √(1/n₁ + 1/n₀).

    >>> round(smallest_effect(0.3, 3532, 3532), 4)
    0.02
    """
    z = norm.ppf(1 - ALPHA / 2 / comparisons) + norm.ppf(power)
    return float(z * spread * np.sqrt(1 / per_arm + 1 / control))


def plan_test(
    *,
    customers: int,
    base_rate: float,
    profit_per_order: float,
    order_spread: float = 1.0,
    cost_per_customer: float = 0.0,
    arms: int = 1,
    control_share: float = 0.5,
    gain: float = float("nan"),
    power: float = 0.8,
) -> Plan:
    """What a list of this size can show in a test, in orders and in money.

    Where the test runs for several such times, gains add up and the spread grows with the root of the time, so that
    `times_for_gain` is as many times the customers as are needed. Customers who keep their habits differ by more than
    that, and it takes longer.

    Args:
        customers: on the list, ≥ 20.
        base_rate: share of them who order within the test's time anyway, 0 < rate < 1.
        profit_per_order: what an order brings on average, > 0 (money).
        order_spread: standard deviation of an order's profit ÷ its mean, ≥ 0.
        cost_per_customer: what the treatment costs each treated customer, ≥ 0 (money).
        arms: how many treatments are compared with the one control.
        control_share: of all customers, 0–1.
        gain: profit per customer, after that cost, which one would like to see shown (money).
        power: how often it should show, 0–1.

    Raises:
        UsageError: numbers that cannot be meant.
    """
    if not (customers >= 20 and 0 < base_rate < 1 and profit_per_order > 0 and arms >= 1):
        raise UsageError("a test needs 20 customers, a rate between 0 and 1, a profit per order above 0, and an arm")
    if not (0 < control_share < 1 and 0 < power < 1 and cost_per_customer >= 0 and order_spread >= 0):
        raise UsageError("control share and power lie between 0 and 1; cost and spread are not below 0")
    control = control_share * customers
    per_arm = (customers - control) / arms
    rate_spread = float(np.sqrt(base_rate * (1 - base_rate)))
    # Var(orders × worth) for an order or none: p·E w² − (p·E w)²
    money_spread = profit_per_order * float(np.sqrt(base_rate * (1 + order_spread**2) - base_rate**2))
    share = 1 / per_arm + 1 / control
    z = norm.ppf(1 - ALPHA / 2 / arms) + norm.ppf(power)
    wanted = np.isfinite(gain)
    needed = float("nan")
    if wanted:
        needed = customers * share * (z * money_spread / gain) ** 2 if gain > 0 else float("inf")
    return Plan(
        customers=customers,
        arms=arms,
        per_arm=int(per_arm),
        control=int(control),
        base_rate=base_rate,
        smallest_rate=smallest_effect(rate_spread, per_arm, control, power, arms),
        smallest_profit=smallest_effect(money_spread, per_arm, control, power, arms),
        breakeven_rate=cost_per_customer / profit_per_order,
        power_at_gain=power_of(gain, money_spread, per_arm, control, arms) if wanted else float("nan"),
        customers_for_gain=float(np.ceil(needed)) if np.isfinite(needed) else needed,
        times_for_gain=needed / customers,
    )
