"""The decision of `09_send_plan`, typed and without words."""

from dataclasses import dataclass
from typing import Literal

from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.valuation import Estimate

__all__ = ["PlanDecision", "decide_plan"]


@dataclass(frozen=True)
class PlanDecision:
    """Whether to send by the plan instead of as today."""

    outcome: Literal["do", "dont", "not_enough_evidence"]
    long_run: Estimate
    """Plan − today, of the customers whom the plan decides for."""
    cash: Estimate
    """The same of the plan's weeks."""
    customers: int
    """In the role `plan`, on average."""


def decide_plan(plan: SendPlan) -> PlanDecision:
    """`do` where the interval of plan − today lies above 0, `dont` where it lies below; else too little is known.

    Amounts are those of the customers in the role `plan`: nobody else gets what the plan recommends.
    """
    customers = plan.customers * plan.roles.probability("plan")
    gain, cash = plan.chosen.gain, plan.chosen.cash_gain
    outcome: Literal["do", "dont", "not_enough_evidence"] = "not_enough_evidence"
    if gain.low > 0:
        outcome = "do"
    elif gain.high < 0:
        outcome = "dont"

    def of_all(each: Estimate) -> Estimate:
        return Estimate(customers * each.value, customers * each.low, customers * each.high)

    return PlanDecision(outcome, of_all(gain), of_all(cash), round(customers))
