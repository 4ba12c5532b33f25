"""How the plan answers to another margin, price, cap, budget or capacity.

Texts are chosen anew by the response already fitted, for the customers as the plan groups them; nothing is learned
anew, and no messages are written.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from smsroi_helpers import measures
from smsroi_helpers.send_plan.limited_plan import LimitedPlan, Limits, choose_plan, fit_to_gateway
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.policy import choose_policy
from smsroi_helpers.send_plan.schedule import plan_key
from smsroi_helpers.send_plan.spending import of_customers
from smsroi_helpers.send_plan.valuation import Candidate, Design, Estimate, revalue

__all__ = ["Change", "WhatIf", "what_if"]

Change = Literal["plan", "margin", "price", "cap", "budget", "capacity"]

_MARGINS, _PRICES, _CAPS = (0.8, 1.2), (0.5, 2.0), (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class WhatIf:
    """The plan with one thing changed."""

    change: Change
    level: float
    """`margin`, `price`: times what it is; `cap`: texts a week; `budget`: money; `capacity`: texts an hour."""
    texts: int
    """Of the plan's weeks, those explored with included."""
    customers: int
    """With at least one text."""
    cost: float
    """Of these texts, money."""
    cash: Estimate
    """Of all customers whom the plan decides for, against no texts, in the plan's weeks; cross-fitted."""
    long_run: Estimate
    """The same in the long run."""


def what_if(plan: SendPlan) -> tuple[WhatIf, ...]:
    """The plan first, then each change.

    Args:
        plan: of `make_plan`.
    """
    fitted = plan.unlimited
    base = _answer(plan, "plan", 0.0, plan.limited)
    found = [base]
    for change, level in _changes(plan, base):
        candidate, design, limits = _changed(plan, fitted, change, level)
        limited = choose_plan(plan.inputs, [candidate], design, limits.budget, plan.limited)
        if limits.capacity_per_hour:
            limited = fit_to_gateway(plan.inputs, limited, limits.capacity_per_hour)
        found.append(_answer(plan, change, level, limited, design))
    return tuple(found)


def _changes(plan: SendPlan, base: WhatIf) -> Iterator[tuple[Change, float]]:
    """What is changed; prices and budgets only where texts are known to cost something."""
    yield from (("margin", level) for level in _MARGINS)
    costs = measures.knows_cost(plan.shop) and bool(plan.design.economics.cost.any())
    if costs:
        yield from (("price", level) for level in _PRICES)
    cap = plan.design.economics.most_texts
    yield from (("cap", level) for level in _CAPS if level <= cap)
    if costs and base.cost:
        yield "budget", (plan.limits.budget or base.cost) / 2
    busiest = plan.limits.capacity_per_hour or plan.limited.capacity.busiest
    if busiest > 1:
        yield "capacity", float(busiest // 2)


def _changed(plan: SendPlan, fitted: Candidate, change: Change, level: float) -> tuple[Candidate, Design, Limits]:
    """What the plan is chosen by, with one thing changed."""
    design, limits = plan.design, plan.limits
    economics = design.economics
    if change == "budget":
        return fitted, design, replace(limits, budget=level)
    if change == "capacity":
        return fitted, design, replace(limits, capacity_per_hour=int(level))
    if change == "margin":
        whole, *halves = (
            replace(each, click_profit=level * each.click_profit) for each in (fitted.response, *fitted.halves)
        )
        fitted = replace(fitted, response=whole, halves=tuple(halves))
    elif change == "price":
        economics = replace(economics, cost=level * economics.cost)
    else:
        economics = replace(economics, most_texts=level)
    grouping = fitted.cells.grouping
    policy, *policies = (
        choose_policy(each, grouping, economics, design.masks) for each in (fitted.response, *fitted.halves)
    )
    return revalue(fitted, economics, policies, policy), replace(design, economics=economics), limits


def _answer(plan: SendPlan, change: Change, level: float, limited: LimitedPlan, design: Design | None = None) -> WhatIf:
    """The totals of a limited plan, from its cells."""
    cost = (design or plan.design).economics.cost
    price = dict(zip(plan.evidence.creatives, cost.tolist(), strict=True))
    size = _sizes(limited)
    explored, customers = limited.explored.within(limited.roles.explore)
    use = limited.capacity
    paid = float(explored @ cost)
    texts = int(explored.sum()) - use.dropped_explored
    paid *= texts / explored.sum() if explored.sum() else 1.0
    slots = limited.slots[limited.slots["cash"].notna()]
    who = list(zip(slots["of_place"].tolist(), slots["of_action"].tolist(), strict=True))
    n = np.array([size.get(each, 0) for each in who], np.int64)
    first, end = (np.minimum(slots[name].to_numpy(np.int64), n) for name in ("first_rank", "end_rank"))
    texts += int((end - first).sum())
    paid += float((end - first) @ np.array([price[each or ""] for each in slots["variant"]], float))
    # Each place and action has ranks of its own, so they are counted apart.
    number = {each: k for k, each in enumerate(dict.fromkeys(who))}
    apart = np.array([number[each] for each in who], np.int64) * (int(n.max(initial=0)) + 1)
    customers += _covered(first + apart, end + apart)
    chosen, people = limited.chosen, limited.decided
    cash, long_run = (of_customers(chosen.estimate(each), people) for each in (chosen.cash, chosen.long_run))
    return WhatIf(change, level, texts, customers, paid, cash, long_run)


def _sizes(limited: LimitedPlan) -> dict[tuple[int, str], int]:
    """(place, action) → customers in the role `plan`, as `divide_customers` gives them their turns."""
    members, policy = limited.members, limited.chosen.policy
    customers = members.by_profile(limited.chosen.cells.grouping)
    found = {
        (place, p, mask, part): int(customers[p, place])
        for (p, mask, part), _action, _share in policy.parts()
        for place in np.flatnonzero(members.masks == mask).tolist()
    }
    for profile, place, many in limited.split.itertuples(index=False):
        mask = int(members.masks[place])
        found[place, profile, mask, 0] -= many
        found[place, profile, mask, 1] = many
    turns = limited.turns.set_index(["of_place", "of_action"])["turns"].to_dict()
    sizes: dict[tuple[int, str], int] = {}
    for (place, *rest), many in found.items():
        key = plan_key(*rest)
        count = turns.get((place, key), 1)
        sizes |= {
            (place, f"{key} {turn}"): (many + count - 1 - (turn - place) % count) // count for turn in range(count)
        }
    return sizes


def _covered(first: np.ndarray, end: np.ndarray) -> int:
    """How many ranks are in any of the ranges.

    >>> _covered(np.array([0, 2, 7]), np.array([3, 5, 9]))
    7
    """
    order = np.argsort(first, kind="stable")
    reached = np.append(0, np.maximum.accumulate(end[order])[:-1])
    return int(np.maximum(end[order] - np.maximum(first[order], reached), 0).sum())
