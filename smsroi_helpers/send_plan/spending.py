"""What the planned texts cost, counted by the engine, and the curve of profit against budget."""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers import measures
from smsroi_helpers.send_plan.budget import Step, find_all_steps, rechoose
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.schedule import SLICES
from smsroi_helpers.send_plan.valuation import Estimate, hold_if_worthless
from smsroi_helpers.statistics import Floats

__all__ = ["BudgetCurve", "BudgetPoint", "Spending", "count_spending", "find_curve", "of_customers"]

_SHARES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.5)
"""Of the cost at which the next text loses money."""


@dataclass(frozen=True)
class Spending:
    """Texts of the plan's weeks and their cost, money."""

    budget: float
    """0: none."""
    texts: int
    cost: float
    """Of all planned texts."""
    explored_texts: int
    explored_cost: float
    """Of those explored with."""
    explored: float
    """Share of the customers not held out who are explored with (0–1)."""
    wanted: float
    """The share that was asked for; it is larger where the budget is smaller than its cost."""
    price: float
    """Long-run profit that the next unit of money would bring, modelled; 0 where no text more would gain."""
    unlimited: float
    """What the texts would cost without a budget, with as many explored with."""
    left_out: int
    """Customers who get no text because of the budget."""

    @property
    def shrunk(self) -> bool:
        """Whether the budget leaves fewer to explore with than wanted."""
        return self.explored < self.wanted


@dataclass(frozen=True)
class BudgetPoint:
    """The plan within one budget."""

    budget: float
    """Money, exploring included."""
    price: float
    """Long-run profit that the next unit of money brings; below 0 where it loses."""
    long_run: Estimate
    """Of all customers whom the plan decides for, against no texts; cross-fitted."""
    cash: Estimate
    """The same of the plan's weeks."""
    modelled: float
    """The long run by the response that the plan was chosen by: it is concave in the budget."""


@dataclass(frozen=True)
class BudgetCurve:
    """Profit against budget, by the grouping of the plan."""

    points: tuple[BudgetPoint, ...]
    """By budget; the first spends on exploring alone."""
    best: float
    """Budget at which the next text loses money in the long run: more is not worth spending."""
    explored: float
    """Cost of exploring."""

    @property
    def nearest_best(self) -> BudgetPoint:
        """The point whose budget is nearest to `best`."""
        return min(self.points, key=lambda each: abs(each.budget - self.best))


def count_spending(plan: SendPlan) -> Spending | None:
    """What the plan's messages cost; None where the source does not say what a text costs.

    Args:
        plan: of `make_plan`.
    """
    if not measures.knows_cost(plan.shop):
        return None
    rows = plan.messages
    counted = rows.group_by("role", "reason", "variant").aggregate(
        texts=rows.count(where=rows.send_at.notnull()), customers=rows.customer_id.nunique()
    )
    found = plan.shop.count(counted.order_by("role", "reason", "variant"))
    price = dict(zip(plan.evidence.creatives, plan.design.economics.cost.tolist(), strict=True))
    cost = found["texts"] * found["variant"].fillna("").map(price)
    explored = found["role"] == "explore"
    explored_cost = float(cost[explored].sum())
    choice, held_back = plan.limited.choice, (found["reason"] == "budget").to_numpy()
    return Spending(
        plan.limits.budget, int(found["texts"].sum()), float(cost.sum()), int(found.loc[explored, "texts"].sum()),
        explored_cost, plan.roles.explore / SLICES, plan.inputs.roles.explore / SLICES,
        float(choice.price) if choice else 0.0,
        explored_cost + float(choice.unlimited_cost) if choice else float(cost.sum()),
        int(found.loc[held_back, "customers"].sum()),
    )  # fmt: skip


def of_customers(each: Estimate, customers: float) -> Estimate:
    """Money per customer as that of so many."""
    return Estimate(customers * each.value, customers * each.low, customers * each.high)


def find_curve(plan: SendPlan) -> BudgetCurve | None:
    """The curve; None where texts cost nothing, their cost is not known, or none is worth its cost.

    Args:
        plan: of `make_plan`.
    """
    limited, economics = plan.limited, plan.design.economics
    fitted = plan.unlimited
    if not measures.knows_cost(plan.shop) or not economics.cost.any() or hold_if_worthless(fitted) is not fitted:
        return None
    steps = find_all_steps(fitted, economics, plan.design.masks, limited.members)
    best = sum(step.cost for step in steps.whole if step.value > 0)
    most = sum(step.cost for step in steps.whole)
    explored = float(limited.explored.within(plan.roles.explore)[0] @ economics.cost)
    customers = plan.limited.decided
    points = []
    for share in (0.0, *(each for each in _SHARES if each * best <= most)):
        lose = share > 1
        within, choice = rechoose(fitted, economics, steps, share * best * (1 + 1e-9), lose=lose)
        if share == 1.0:
            # The plan without a budget, as every other table values it: its halves may spend what each finds worth it.
            within = fitted
        long_run, cash = (within.estimate(each) for each in (within.long_run, within.cash))
        points.append(
            BudgetPoint(
                float(explored + share * best), _price(steps.whole, share * best), of_customers(long_run, customers),
                of_customers(cash, customers), float(choice.value),
            )
        )  # fmt: skip
    return BudgetCurve(tuple(points), float(explored + best), explored)


def _price(steps: list[Step], spent: float) -> float:
    """λ of the step that the next unit of money pays for."""
    ends: Floats = np.cumsum([step.cost for step in steps])
    at = int(np.searchsorted(ends, spent * (1 + 1e-9), side="right"))
    return float(steps[at].price) if at < len(steps) else 0.0
