"""The plan under a budget for its texts: each unit of money goes where the next one brings most.

For each profile and set of allowed hours, actions are points (cost of the plan's weeks, long-run value). Those that are
best at some price λ of money are the corners of the upper concave hull, and at λ the action taken maximises V − λ·cost
(Everett 1963, Operations Research 11). The steps between corners, of all profiles together, in the order of value per
cost, are the curve of value against budget: its slope is λ. Where the budget ends within a step, so many customers of
that profile as can be paid for take it, and the others do not.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.members import Members
from smsroi_helpers.send_plan.policy import NOTHING, Action, ActionValues, Economics, Flags, Policy, Split
from smsroi_helpers.send_plan.response import Response
from smsroi_helpers.send_plan.valuation import Candidate, revalue
from smsroi_helpers.statistics import Floats, Ints

__all__ = [
    "Choice",
    "Step",
    "Steps",
    "choose_within",
    "concave_hull",
    "find_all_steps",
    "find_steps",
    "rechoose",
    "split_customers",
]

_ROUNDING = 1e-9
"""Of the budget: sums of prices are not exact."""


@dataclass(frozen=True)
class Step:
    """From one action of a profile to the next dearer one."""

    profile: int
    mask: int
    action: Action
    cost: float
    """More money for texts in the plan's weeks; above 0 but for the first step."""
    value: float
    """More long-run value."""

    @property
    def price(self) -> float:
        """λ: value per cost."""
        return self.value / self.cost if self.cost > 0 else np.inf


@dataclass(frozen=True)
class Choice:
    """A policy within a budget."""

    policy: Policy
    cost: float
    """Of texts in the plan's weeks, in the role `plan`."""
    value: float
    """Long run, of all customers in the role `plan`, by the response that it was chosen by."""
    price: float
    """λ: what the next unit of money would bring in the long run; 0 where no text more would gain."""
    unlimited_cost: float
    """What the plan without a budget costs."""
    spare: float
    """Money for those of the split; it is left of the budget."""


def concave_hull(cost: Floats, value: Floats) -> Ints:
    """Numbers of the points of the upper concave hull, by cost; it starts with the best of the cheapest.

    >>> concave_hull(np.array([0.0, 1, 2, 3, 3]), np.array([0.0, 5, 6, 11, 2])).tolist()
    [0, 1, 3]
    """
    order = np.lexsort((-value, cost))
    order = order[np.append(True, np.diff(cost[order]) > 0)]
    found: list[int] = []
    for k in order.tolist():
        while len(found) > 1:
            i, j = found[-2:]
            if (value[j] - value[i]) * (cost[k] - cost[j]) > (value[k] - value[j]) * (cost[j] - cost[i]):
                break
            found.pop()
        found.append(k)
    return np.array(found)


def find_steps(
    response: Response, grouping: Grouping, economics: Economics, masks: Sequence[Flags], members: Members
) -> list[Step]:
    """Every step of every profile, in the order of value per cost; those at the end lose.

    Args:
        response: that the policy is chosen by.
        grouping: whose profiles.
        economics: prices, limits.
        masks: of `Audience`.
        members: of `count_members`.
    """
    customers = members.by_profile(grouping)
    values, steps = ActionValues(response, economics), []
    for p, rows in enumerate(grouping.membership):
        for number, mask in enumerate(masks):
            places = np.flatnonzero((members.masks == number) & (customers[p] > 0))
            if not len(places):
                continue
            value, days = values.of(rows, mask)
            texts = np.zeros(value.shape[:2])
            for (d, w), weekdays in days.items():
                each = [members.texts(int(k), float(response.doses[d]), weekdays) for k in places]
                texts[d, w] = customers[p, places] @ each
            shape = value.shape
            usable = np.flatnonzero(np.isfinite(value))
            cost = np.append(0.0, (texts[..., None] * economics.cost).ravel()[usable])
            worth = np.append(0.0, customers[p, places].sum() * value.ravel()[usable])
            corners = concave_hull(cost, worth)
            before = 0
            for k in corners.tolist():
                if k == before:
                    continue
                d, w, c = (int(at) for at in np.unravel_index(usable[k - 1], shape))
                action = Action(d, w, c, days[d, w])
                steps.append(Step(p, number, action, cost[k] - cost[before], worth[k] - worth[before]))
                before = k
    return sorted(steps, key=lambda step: -step.price)


def choose_within(
    steps: Sequence[Step], cells: Sequence[tuple[int, int]], budget: float, *, lose: bool = False
) -> Choice:
    """The policy that is worth most within a budget.

    Args:
        steps: of `find_steps`.
        cells: every (profile, mask).
        budget: money for the texts of the role `plan`; ∞: none.
        lose: whether to go on where texts lose money, to show it.
    """
    actions = dict.fromkeys(cells, NOTHING)
    cost = value = 0.0
    split, price, spare = None, 0.0, 0.0
    unlimited = sum(step.cost for step in steps if step.value > 0)
    for step in steps:
        if step.value <= 0 and not lose:
            break
        left = budget - cost
        if step.cost > left:
            share = max(left, 0.0) / step.cost
            price, spare = step.price, max(left, 0.0)
            if share > 0:
                split = Split(step.profile, step.mask, step.action, share)
                cost, value = cost + share * step.cost, value + share * step.value
            break
        actions[step.profile, step.mask] = step.action
        cost, value = cost + step.cost, value + step.value
    return Choice(Policy(actions, split), cost, value, price, unlimited, spare)


@dataclass(frozen=True)
class Steps:
    """Of one candidate: by the response of all customers, and by that of each half, for cross-fitting."""

    whole: list[Step]
    halves: tuple[list[Step], ...]
    cells: tuple[tuple[int, int], ...]
    """Every (profile, mask)."""


def find_all_steps(candidate: Candidate, economics: Economics, masks: Sequence[Flags], members: Members) -> Steps:
    """The steps of a candidate, also with other prices or limits: the response is not fitted anew."""
    grouping = candidate.cells.grouping
    whole, *halves = (
        find_steps(each, grouping, economics, masks, members) for each in (candidate.response, *candidate.halves)
    )
    cells = itertools.product(range(len(grouping.membership)), range(len(masks)))
    return Steps(whole, tuple(halves), tuple(cells))


def rechoose(
    candidate: Candidate, economics: Economics, steps: Steps, budget: float, *, lose: bool = False
) -> tuple[Candidate, Choice]:
    """The candidate with policies within a budget, valued by cross-fitting.

    Args:
        candidate: of `value_candidate`.
        economics: prices, limits.
        steps: of `find_all_steps`, with the same.
        budget: money for the texts of the role `plan`; ∞: none.
        lose: whether to go on where texts lose money, to show it.
    """
    choice = choose_within(steps.whole, steps.cells, budget, lose=lose)
    halves = [choose_within(each, steps.cells, budget, lose=lose).policy for each in steps.halves]
    return revalue(candidate, economics, halves, choice.policy), choice


def split_customers(
    choice: Choice, doses: Floats, economics: Economics, grouping: Grouping, members: Members
) -> pd.DataFrame:
    """How many customers of the profile that is split get its other action, in each place.

    Args:
        choice: of `choose_within`.
        doses: texts a week, by their number.
        economics: prices.
        grouping: whose profiles.
        members: of `count_members`.

    Returns:
        profile, place, customers; they cost no more than what is spare.
    """
    split = choice.policy.split
    found: list[tuple[int, int, float]] = []
    if split is None:
        return pd.DataFrame(found, columns=["profile", "place", "customers"])
    customers, before = members.by_profile(grouping), choice.policy.actions[split.profile, split.mask]
    for place in np.flatnonzero((members.masks == split.mask) & (customers[split.profile] > 0)).tolist():
        cost = [
            members.texts(place, float(doses[each.dose]), each.weekdays) * float(economics.cost[each.text])
            for each in (before, split.action)
        ]
        found.append((place, int(customers[split.profile, place]), cost[1] - cost[0]))
    many = [min(int(split.share * n), n) for _place, n, _more in found]
    spare = choice.spare - sum(k * more for k, (_place, _n, more) in zip(many, found, strict=True))
    for i, (_place, n, more) in enumerate(found):
        extra = n - many[i] if more <= 0 else int(min(n - many[i], max(spare, 0.0) / more + _ROUNDING))
        if more > 0 > spare:  # others cost less than before, but not all of them fit into the share
            extra = -min(many[i], int(np.ceil(-spare / more - _ROUNDING)))
        many[i] += extra
        spare -= extra * more
    rows = [(split.profile, place, k) for k, (place, _n, _more) in zip(many, found, strict=True)]
    return pd.DataFrame(rows, columns=["profile", "place", "customers"])
