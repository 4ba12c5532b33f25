"""From fitted candidates to a plan within its limits, on cells: who explores, what is chosen, which texts go out when.

`make_plan` limits the plan once and writes its messages; `what_if` does so again with other prices and limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.send_plan.budget import Choice, find_all_steps, rechoose, split_customers
from smsroi_helpers.send_plan.capacity import CapacityUse, count_units, find_openings, fit_capacity
from smsroi_helpers.send_plan.comparison import Compared, choose_candidate, compare
from smsroi_helpers.send_plan.evidence import Evidence
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.members import Explored, Members, count_explored, count_members
from smsroi_helpers.send_plan.policy import value_action
from smsroi_helpers.send_plan.schedule import (
    Calendar,
    Exploration,
    Money,
    Roles,
    assign_actions,
    count_turns,
    divide_customers,
    find_slots,
    policy_rows,
)
from smsroi_helpers.send_plan.text_choice import open_options
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.send_plan.valuation import Candidate, Design, hold_if_worthless
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = ["LimitedPlan", "Limits", "PlanInputs", "choose_plan", "divide", "fit_to_gateway", "limit_plan"]

_STEP = 0.5
"""Texts a week that are always explored, beside those that were tested."""


@dataclass(frozen=True)
class Limits:
    """What may be sent at most."""

    budget: float = 0.0
    """Money for the texts of the plan's weeks, those explored with included; 0: none."""
    capacity_per_hour: int = 0
    """Texts in an hour of UTC; 0: none."""


@dataclass(frozen=True)
class PlanInputs:
    """What does not change with prices and limits."""

    shop: Shop
    evidence: Evidence
    audience: Audience
    calendar: Calendar
    roles: Roles
    """As wanted; a small budget leaves fewer to explore with."""
    customers: Floats
    """(codes, masks): of `count_audience`."""


@dataclass(frozen=True)
class LimitedPlan:
    """A plan within its limits, before its messages are written."""

    roles: Roles
    exploration: Exploration
    members: Members
    explored: Explored
    candidates: tuple[Candidate, ...]
    compared: Compared
    """The candidates, valued by one response."""
    chosen: Candidate
    choice: Choice | None
    """Within the budget; None without one, or where no texts are worth their cost."""
    split: pd.DataFrame
    """Of `split_customers`."""
    actions: pd.DataFrame
    """Of `policy_rows`."""
    slots: pd.DataFrame
    """Of `find_slots`, within the capacity."""
    turns: pd.DataFrame
    """Of `count_turns`, of all slots."""
    capacity: CapacityUse

    @property
    def decided(self) -> int:
        """Customers in the role `plan`, counted."""
        return int(self.members.by_code.sum())


def limit_plan(inputs: PlanInputs, candidates: Sequence[Candidate], design: Design, limits: Limits) -> LimitedPlan:
    """Choose within the budget, then place the texts within the gateway's capacity.

    Args:
        inputs: what is given.
        candidates: of `value_candidate`.
        design: what all candidates share.
        limits: of money and of the gateway.
    """
    return fit_to_gateway(inputs, choose_plan(inputs, candidates, design, limits.budget), limits.capacity_per_hour)


def choose_plan(
    inputs: PlanInputs, candidates: Sequence[Candidate], design: Design, budget: float, known: LimitedPlan | None = None
) -> LimitedPlan:
    """Choose within the budget.

    Exploring and its cost come first; where the budget is smaller than this cost, fewer are explored with. Customers
    are grouped as they would be without a budget, so that plans with several budgets differ in nothing else.

    Args:
        inputs: what is given.
        candidates: of `value_candidate`.
        design: what all candidates share.
        budget: money for all texts; 0: none.
        known: another plan of the same inputs: its hours and texts are explored, and its counts of customers are used
            where they are the same.
    """
    compared = compare(candidates, inputs.customers)
    unlimited = choose_candidate(candidates, compared)
    exploration = (
        replace(known.exploration, doses=_explored_doses(inputs, design)) if known
        else find_exploration(inputs, design, unlimited)
    )  # fmt: skip
    roles, members, explored = _count(inputs, candidates[0].cells.grouping, exploration, design, budget, known)
    best, choice = unlimited, None
    if budget:
        left = budget - float(explored.within(roles.explore)[0] @ design.economics.cost)
        found = [
            rechoose(each, design.economics, find_all_steps(each, design.economics, design.masks, members), left)
            for each in candidates
        ]
        best, choice = next(each for each in found if each[0].name == unlimited.name)
        candidates = [each for each, _choice in found]
        compared = compare(candidates, inputs.customers)
    chosen, choice, gains = _hold(best, choice, unlimited)
    grouping, economics = chosen.cells.grouping, design.economics
    wanted = [cell for cell, action in unlimited.policy.actions.items() if design.doses[action.dose] > 0]
    actions = policy_rows(
        chosen.policy, design.doses, inputs.evidence.creatives, _money(chosen, design),
        wanted if budget and gains else (),
    )  # fmt: skip
    split = pd.DataFrame(columns=["profile", "place", "customers"])
    if choice:
        split = split_customers(choice, design.doses, economics, grouping, members)
    slots = find_slots(inputs.audience, actions, exploration, inputs.evidence.windows, inputs.calendar)
    return LimitedPlan(
        roles, exploration, members, explored, tuple(candidates), compared, chosen, choice, split, actions, slots,
        count_turns(slots), CapacityUse(limit=0, busiest=0),
    )  # fmt: skip


def _hold(best: Candidate, choice: Choice | None, unlimited: Candidate) -> tuple[Candidate, Choice | None, bool]:
    """No texts where they are worth nothing; and whether they would be worth something without a budget."""
    gains = hold_if_worthless(unlimited) is unlimited
    if choice is not None and gains and choice.cost == 0:  # no money is left, which says nothing of the texts
        return best, choice, gains
    chosen = hold_if_worthless(best)
    return chosen, choice if chosen is best else None, gains


def divide(inputs: PlanInputs, limited: LimitedPlan, *, ranked: bool) -> ir.Table:
    """The customers of a limited plan, see `divide_customers`."""
    codes, calendar = inputs.evidence.codes["code"], inputs.calendar
    grouping = limited.chosen.cells.grouping
    assigned = assign_actions(
        inputs.shop, inputs.audience, grouping, codes, limited.roles, limited.exploration, calendar
    )
    return divide_customers(inputs.shop, assigned, calendar, limited.turns, limited.split, ranked=ranked)


def fit_to_gateway(inputs: PlanInputs, limited: LimitedPlan, limit: int) -> LimitedPlan:
    """The plan with every hour within the gateway's capacity; its value without the texts that fall away.

    Args:
        inputs: what is given.
        limited: of `limit_plan`.
        limit: texts an hour of UTC; 0: none.
    """
    units = count_units(inputs.shop, divide(inputs, limited, ranked=limit > 0))
    openings = find_openings(inputs.audience, inputs.evidence.windows, inputs.calendar) if limit else {}
    slots, use = fit_capacity(limited.slots, units, openings, limit)
    chosen = limited.chosen
    if use.dropped:
        many = units.groupby(["place", "action"])["n"].sum().rename("n")
        plain = limited.slots.join(many, on=["of_place", "of_action"]).dropna(subset=["n", "cash"])
        long_run, cash = (float((plain["n"] * plain[name].astype(float)).sum()) for name in ("long_run", "cash"))
        chosen = replace(
            chosen, long_run=chosen.long_run * _kept(use.lost_long_run, long_run),
            cash=chosen.cash * _kept(use.lost_cash, cash),
        )  # fmt: skip
    return replace(limited, slots=slots, capacity=use, chosen=chosen)


def _kept(lost: float, whole: float) -> float:
    return 1.0 - lost / whole if whole > lost else 1.0


def _explored_doses(inputs: PlanInputs, design: Design) -> tuple[float, ...]:
    tried = {float(np.round(dose * 2) / 2) for dose in inputs.evidence.doses} | {_STEP}
    return tuple(sorted(dose for dose in tried if np.ceil(dose) <= design.economics.most_texts))


def find_exploration(inputs: PlanInputs, design: Design, unlimited: Candidate) -> Exploration:
    """What is tried at random: frequencies that were tested or are small, windows open for everybody, and texts.

    Windows and texts that are shown to be worth less than the plan's are left out.
    """
    evidence, audience, allowed = inputs.evidence, inputs.audience, _explored_doses(inputs, design)
    everywhere = np.logical_and.reduce([mask for mask in audience.masks if mask.any()])
    days = np.array([everywhere[:, start:end].all(axis=1).sum() for start, end in evidence.windows])
    windows = [int(w) for w in np.flatnonzero(days >= np.ceil(max(allowed)))]
    doses = design.doses.tolist()
    return Exploration(
        allowed, open_options(unlimited, doses, "window", windows) or (0,),
        open_options(unlimited, doses, "text", range(len(evidence.creatives))), tuple(evidence.creatives),
    )  # fmt: skip


def _count(
    inputs: PlanInputs,
    grouping: Grouping,
    exploration: Exploration,
    design: Design,
    budget: float,
    known: LimitedPlan | None,
) -> tuple[Roles, Members, Explored]:  # fmt: skip
    """Roles that the budget allows, and the customers in them."""
    shop, audience, calendar = inputs.shop, inputs.audience, inputs.calendar
    codes, roles = inputs.evidence.codes["code"], inputs.roles
    same = known if known is not None and known.exploration == exploration else None

    def assign() -> ir.Table:
        return assign_actions(shop, audience, grouping, codes, roles, exploration, calendar)

    explored = (
        same.explored if same
        else count_explored(shop, assign(), audience, exploration, inputs.evidence.windows, calendar)
    )  # fmt: skip
    if budget:
        roles = Roles(roles.holdout, explored.affordable(roles.explore, design.economics.cost, budget))
    if same and roles == same.roles:
        return roles, same.members, explored
    return roles, count_members(shop, assign(), codes, audience, calendar), explored


def _money(chosen: Candidate, design: Design) -> dict[tuple[int, int, int], Money]:
    """What each action is expected to bring a customer, so that all of them together bring what the plan is worth.

    By the response that the plan was chosen by it is worth something else: more in the long run, as it was chosen for
    that, and more or less in cash. Amounts are multiplied by what makes them the cross-fitted ones.
    """
    found, cash = {}, 0.0
    for part, action, share in chosen.policy.parts():
        rows = chosen.cells.grouping.membership[part[0]]
        worth = value_action(chosen.response, rows, design.economics, action)
        long_run, own = (float(each[0] @ design.economics.usual_loss) for each in worth)
        found[part] = Money(own, long_run)
        cash += float(chosen.today.customers[part[:2]]) * share * own
    honest_cash, honest = (float(chosen.replicates(each)[0]) for each in (chosen.cash, chosen.long_run))
    of_long_run = float(np.clip(honest / chosen.promised, 0.0, 1.0)) if chosen.promised > 0 else 0.0
    of_cash = honest_cash * float(chosen.today.customers.sum()) / cash if honest_cash * cash > 0 else of_long_run
    return {part: Money(of_cash * each.cash, of_long_run * each.long_run) for part, each in found.items()}
