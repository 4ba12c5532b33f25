"""Each lever of the plan by its own test alone: what randomisation says of the frequencies, hours and texts chosen.

The plan's value comes from one model behind all levers. Here each lever's choices, learned from one half of the
customers, are valued by the arms of the other half (`off_policy`), and the model's figure for the same customers stands
beside it. Frequencies are valued in profit after message cost, over members who got no texts; hours and texts in clicks
per text, over the test's mix. A frequency between two tested ones is given as a mixture of both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.send_plan.cells import Rates
from smsroi_helpers.send_plan.off_policy import OffPolicy, evaluate_policy
from smsroi_helpers.send_plan.policy import Action, Policy
from smsroi_helpers.send_plan.valuation import FOLD_OF_GROUP, Candidate, Design, Estimate
from smsroi_helpers.statistics import Floats

__all__ = ["Lever", "LeverCheck", "check_levers"]

Lever = Literal["frequency", "timing", "content"]
Wanted = Callable[[Action], Floats]
"""From an action to the probabilities of a test's arms."""


@dataclass(frozen=True)
class LeverCheck:
    """What a lever's choices bring by their test: money a member and week, or clicks per text."""

    lever: Lever
    test: str
    """Of a frequency; the others pool their tests."""
    reference: Estimate
    """No texts, or the test's mix; doubly robust."""
    gain: Estimate
    """The plan's choices less the reference; doubly robust."""
    gain_ips: Estimate
    gain_snipw: Estimate
    gain_model: float
    members: float
    """Customers, or texts."""
    effective: float
    smallest_share: float
    """Of the members, in the rarest arm that the plan gives (0–1)."""


def check_levers(chosen: Candidate, design: Design) -> tuple[LeverCheck, ...]:
    """Every lever that was tested.

    Args:
        chosen: the plan.
        design: what it was fitted with.
    """
    dosed = zip(chosen.cells.arms, chosen.cells.arm_doses, strict=True)
    tests = dict.fromkeys(test for (test, _arm), dose in dosed if np.isfinite(dose))
    found = [_check_frequency(chosen, design, test) for test in tests]
    cells, response = chosen.cells, chosen.response
    levers: list[tuple[Lever, Rates, Floats]] = [
        ("timing", cells.clicks_by_window, response.window), ("content", cells.clicks_by_text, response.text)
    ]  # fmt: skip
    for lever, rates, effect in levers:
        exposure, events = rates.exposure, rates.events
        if exposure.shape[2] < 2 or not (exposure.sum(axis=(0, 1)) > 0).all():
            continue
        mix = exposure.sum(axis=(0, 1)) / exposure.sum()

        def wanted(action: Action, lever: str = lever, mix: Floats = mix) -> Floats:
            if design.doses[action.dose] == 0:
                return mix
            return np.eye(len(mix))[action.window if lever == "timing" else action.text]

        one = int(np.searchsorted(design.doses, 1.0))
        each = cells.grouping.membership @ (response.clicks[0][:, one, None] * effect[0])
        each *= events.sum() / (exposure.sum(axis=0) * each).sum()
        model = ((_probabilities(chosen, chosen.policy, wanted, len(mix)) - mix) * each).sum(axis=1)
        found.append(_compare(
            lever, "", exposure, events, _by_group(chosen, wanted, len(mix)),
            np.broadcast_to(mix, exposure.shape), float(exposure.sum(axis=(0, 2)) @ model / exposure.sum()),
        ))  # fmt: skip
    return tuple(found)


def _check_frequency(chosen: Candidate, design: Design, test: str) -> LeverCheck:
    cells, response = chosen.cells, chosen.response
    own = [
        number
        for number, (name, _arm) in enumerate(cells.arms)
        if name == test and np.isfinite(cells.arm_doses[number])
    ]
    order = np.argsort([cells.arm_doses[number] for number in own])
    own = [own[k] for k in order]
    doses = np.array([cells.arm_doses[number] for number in own])
    cost = float(design.economics.cost @ design.text_mix)
    members = cells.people[..., own]
    weeks = cells.arm_weeks[own]
    profit = (cells.people_profit[..., own] - cost * cells.people_texts[..., own]) / weeks

    def wanted(action: Action) -> Floats:
        return _between_doses(float(design.doses[action.dose]), doses)

    at = [int(np.argmin(np.abs(design.doses - dose))) for dose in doses]
    m = doses * (response.clicks[0][:, at] * response.click_profit[0][:, None] - cost)
    stays = (1 - response.natural_opt_outs[0]) * (1 - response.opt_outs[0][:, at])
    kept = (1 - stays**weeks) / np.maximum(1 - stays, 1e-12) / weeks
    model = (_probabilities(chosen, chosen.policy, wanted, len(own)) * (cells.grouping.membership @ (m * kept))).sum(1)
    nothing = np.broadcast_to(_between_doses(0.0, doses), members.shape)
    return _compare(
        "frequency", test, members, profit, _by_group(chosen, wanted, len(own)), nothing,
        float(members.sum(axis=(0, 2)) @ model / members.sum()),
    )  # fmt: skip


def _between_doses(texts: float, doses: Floats) -> Floats:
    """(arms,): probabilities that mix the two tested frequencies around it.

    >>> _between_doses(1.5, np.array([0.0, 1.0, 2.0])).tolist()
    [0.0, 0.5, 0.5]
    """
    return np.array([np.interp(texts, doses, row) for row in np.eye(len(doses))])


def _probabilities(chosen: Candidate, policy: Policy, wanted: Wanted, arms: int) -> Floats:
    """(P, arms): what the policy gives the customers of each profile, over their sets of allowed hours."""
    customers = np.maximum(chosen.today.customers, 1e-9)
    found = np.zeros((len(customers), arms))
    for (p, mask), action in policy.actions.items():
        found[p] += customers[p, mask] / customers[p].sum() * wanted(action)
    return found


def _by_group(chosen: Candidate, wanted: Wanted, arms: int) -> Floats:
    """(groups, P, arms): of the policy that was learned from the other half."""
    learned = [_probabilities(chosen, policy, wanted, arms) for policy in chosen.learned]
    return np.stack([learned[1 - fold] for fold in FOLD_OF_GROUP])


def _compare(
    lever: Lever, test: str, members: Floats, outcome: Floats, policy: Floats, reference: Floats,
    model: float,
) -> LeverCheck:  # fmt: skip
    plan, usual = (evaluate_policy(members, outcome, each, FOLD_OF_GROUP) for each in (policy, reference))

    def less(one: OffPolicy, two: OffPolicy, name: str) -> Estimate:
        return Estimate.of_replicates(getattr(one, name) - getattr(two, name))

    return LeverCheck(
        lever, test, Estimate.of_replicates(usual.doubly_robust),
        less(plan, usual, "doubly_robust"), less(plan, usual, "ips"), less(plan, usual, "snipw"), model,
        plan.members, plan.effective, plan.smallest_share,
    )  # fmt: skip
