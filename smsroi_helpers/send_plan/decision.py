"""The decision of `09_send_plan`, typed and without words."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.previous_plans import PromiseFactor
from smsroi_helpers.send_plan.valuation import Estimate

__all__ = ["PlanDecision", "correct", "decide_plan"]


@dataclass(frozen=True)
class PlanDecision:
    """Whether to send by the plan instead of as today."""

    outcome: Literal["do", "dont", "not_enough_evidence"]
    long_run: Estimate
    """Plan − today, of the customers whom the plan decides for."""
    cash: Estimate
    """The same of the plan's weeks."""
    customers: int
    """In the role `plan`, counted: those whose list has what the plan chooses."""
    factor: PromiseFactor | None
    """By which both amounts have been multiplied; None where promises are not corrected."""


def decide_plan(plan: SendPlan, factor: PromiseFactor | None = None) -> PlanDecision:
    """`do` where the interval of plan − today lies above 0, `dont` where it lies below; else too little is known.

    Amounts are those of the customers in the role `plan`: nobody else gets what the plan recommends. Where earlier
    plans kept another part of their promise than all of it, amounts are multiplied by that part.

    Args:
        plan: of `make_plan`.
        factor: of earlier plans; None: there is none.
    """
    customers = plan.limited.decided
    gain, cash = plan.chosen.gain, plan.chosen.cash_gain
    if factor is not None and factor.corrects:
        gain, cash = correct(gain, factor), correct(cash, factor)
    else:
        factor = None
    outcome: Literal["do", "dont", "not_enough_evidence"] = "not_enough_evidence"
    if gain.low > 0:
        outcome = "do"
    elif gain.high < 0:
        outcome = "dont"

    def of_all(each: Estimate) -> Estimate:
        return Estimate(customers * each.value, customers * each.low, customers * each.high)

    return PlanDecision(outcome, of_all(gain), of_all(cash), customers, factor)


def correct(promise: Estimate, factor: PromiseFactor) -> Estimate:
    """A promise times the part that earlier plans kept.

    The two are independent; the distances to the limits are combined as in MOVER (Zou & Donner 2008, Statistics in
    Medicine 27), to the first order of the product: (f·Δg)² + (g·Δf)².

    >>> from smsroi_helpers.send_plan.past_comparison import Estimate as Part
    >>> correct(Estimate(10.0, 6.0, 14.0), PromiseFactor(0.5, Part(0.5, 0.2, 0.8), 1))
    Estimate(value=5.0, low=1.3944487245360109, high=8.60555127546399)
    """
    f, kept = factor.value, factor.estimate
    g, down, up = promise.value, promise.value - promise.low, promise.high - promise.value
    less, more = (
        (kept.value - kept.low, kept.high - kept.value) if g >= 0 else (kept.high - kept.value, kept.value - kept.low)
    )
    low, high = np.hypot(f * down, g * less), np.hypot(f * up, g * more)
    return Estimate(f * g, f * g - float(low), f * g + float(high))
