"""What a plan is worth before it is sent: cross-fitted, with the customer as the unit of its error.

Customers are divided into halves by hash. The policy learned from one half is valued by the response of the other, so
that what looked good by chance is not counted as gained. `comparison` values all candidates by one response.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from smsroi_helpers.send_plan.cells import Cells
from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.send_plan.policy import (
    NOTHING,
    Economics,
    Policy,
    choose_policy,
    today_levels,
    value_policy,
    value_today,
)
from smsroi_helpers.send_plan.response import Response, fit_response
from smsroi_helpers.send_plan.today import Today
from smsroi_helpers.statistics import GROUPS, Floats, t_quantile

__all__ = [
    "Candidate",
    "Design",
    "Estimate",
    "GroupResponse",
    "hold_if_worthless",
    "revalue",
    "together",
    "value_candidate",
]

FOLDS = 2
FOLD_OF_GROUP = np.arange(GROUPS) % FOLDS
"""The half of each group of customers."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval: money per customer of the plan's audience, if nothing else is said."""

    value: float
    low: float
    high: float

    @classmethod
    def of_replicates(cls, replicates: Floats) -> "Estimate":
        """From an estimate and the same without each group of customers: (1 + 64,)."""
        half = float(t_quantile(0.95, GROUPS - 1)) * float(standard_error(replicates))
        return cls(float(replicates[0]), float(replicates[0]) - half, float(replicates[0]) + half)

    @classmethod
    def of_rates(cls, replicates: Floats) -> "Estimate":
        """The same of rates, on the log scale, so that the interval stays above 0; as it is where one of them is 0."""
        if not (replicates > 0).all():
            return cls.of_replicates(replicates)
        found = cls.of_replicates(np.log(replicates))
        return cls(float(replicates[0]), float(np.exp(found.low)), float(np.exp(found.high)))


@dataclass(frozen=True)
class Design:
    """What every candidate is fitted and valued with."""

    tested: tuple[float, ...]
    doses: Floats
    window_mix: Floats
    text_mix: Floats
    economics: Economics
    masks: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class GroupResponse:
    """What one text a week does to a group of customers, at today's level."""

    group: str
    customers: float
    """In the plan's audience."""
    clicks: Estimate
    """Per text (0–1)."""
    opt_outs: Estimate
    """That texts cause, per customer and week (0–1)."""
    profit_per_click: Estimate
    """Money."""


@dataclass(frozen=True)
class Candidate:
    """One grouping, with the policy learned from all customers and its honest value."""

    cells: Cells
    today: Today
    response: Response
    """Of all customers, at today's level."""
    halves: tuple[Response, ...]
    """Of each half of the customers; the policy learned from one is valued by the other."""
    policy: Policy
    learned: tuple[Policy, ...]
    """The policies of the halves, which the other half values."""
    economics: Economics
    long_run: Floats
    """(1 + 64, L): cross-fitted V of the plan per customer, by rate of loss: the estimate, and without each group of
    customers."""
    cash: Floats
    """(1 + 64, L): the same of the horizon's profit."""
    today_long_run: Floats
    today_cash: Floats
    promised: float
    """V of the plan by the response that it was learned from: too high, because it was chosen for being high."""

    @property
    def name(self) -> str:
        """Of the grouping."""
        return self.cells.grouping.name

    def replicates(self, by_loss: Floats) -> Floats:
        """(1 + 64,): an amount by rate of loss (1 + 64, L), at the rates that are expected."""
        return np.asarray(by_loss @ self.economics.usual_loss)

    def estimate(self, by_loss: Floats) -> Estimate:
        """An amount by rate of loss (1 + 64, L) with its interval.

        Errors of sampling, by Student's t, and of the rates of loss, by their draws, are combined by MOVER (Zou &
        Donner 2008, Statistics in Medicine 27).
        """
        found = Estimate.of_replicates(self.replicates(by_loss))
        low, high = np.quantile(by_loss[0] @ self.economics.loss_shares, [0.025, 0.975]) - found.value
        down, up = np.hypot(found.value - found.low, low), np.hypot(found.high - found.value, high)
        return Estimate(found.value, found.value - float(down), found.value + float(up))

    def response_by_group(self) -> tuple[GroupResponse, ...]:
        """The response of every group of the grouping at one text a week."""
        response, grouping = self.response, self.cells.grouping
        customers = self.today.customers.sum(axis=1) @ grouping.membership
        dose = int(np.searchsorted(response.doses, 1.0))
        clicks = response.clicks[:, :, dose] * response.click_level
        opt_outs = response.opt_outs[:, :, dose] * response.opt_out_level[:, None]
        return tuple(
            GroupResponse(
                name, float(customers[k]), Estimate.of_rates(clicks[:, k]), Estimate.of_rates(opt_outs[:, k]),
                Estimate.of_replicates(response.click_profit[:, k]),
            )
            for k, name in enumerate(grouping.class_names)
        )  # fmt: skip

    @property
    def gain(self) -> Estimate:
        """V of the plan less V of today's practice."""
        return self.estimate(self.long_run - self.today_long_run)

    @property
    def cash_gain(self) -> Estimate:
        """The same of cash."""
        return self.estimate(self.cash - self.today_cash)


def value_candidate(cells: Cells, today: Today, design: Design) -> Candidate:
    """Learn a policy by one grouping, and value it by cross-fitting.

    Args:
        cells: of `count_cells`.
        today: of `count_today`, by the same grouping.
        design: what all candidates share.
    """
    grouping, economics = cells.grouping, design.economics

    def fit(groups: np.ndarray) -> Response:
        found = fit_response(cells, design.tested, design.doses, design.window_mix, design.text_mix, groups)
        return found.at_level(*today_levels(found, grouping, today, economics.windows, groups))

    halves = _groups_of_halves()
    responses = [fit(groups) for groups in halves]
    policies = [choose_policy(each, grouping, economics, design.masks) for each in responses]
    parts = [value_policy(responses[k], grouping, economics, policies[1 - k], today.customers) for k in range(FOLDS)]
    now = [value_today(each, grouping, economics, today) for each in responses]
    whole = fit(np.arange(GROUPS))
    policy = choose_policy(whole, grouping, economics, design.masks)
    promised = value_policy(whole, grouping, economics, policy, today.customers)[0][0] @ economics.usual_loss
    return Candidate(
        cells=cells,
        today=today,
        response=whole,
        halves=tuple(responses),
        policy=policy,
        learned=tuple(policies),
        economics=economics,
        long_run=together([part[0] for part in parts]),
        cash=together([part[1] for part in parts]),
        today_long_run=together([part[0] for part in now]),
        today_cash=together([part[1] for part in now]),
        promised=float(promised),
    )


def _groups_of_halves() -> list[np.ndarray]:
    """The numbers of the groups of customers in each half."""
    return [np.flatnonzero(fold == FOLD_OF_GROUP) for fold in range(FOLDS)]


def revalue(candidate: Candidate, economics: Economics, policies: Sequence[Policy], policy: Policy) -> Candidate:
    """The same candidate with other policies, valued by cross-fitting.

    Args:
        candidate: of `value_candidate`.
        economics: prices.
        policies: learned from each half.
        policy: learned from all customers.
    """
    grouping, customers = candidate.cells.grouping, candidate.today.customers
    parts = [
        value_policy(each, grouping, economics, policies[FOLDS - 1 - k], customers)
        for k, each in enumerate(candidate.halves)
    ]
    promised = value_policy(candidate.response, grouping, economics, policy, customers)[0][0] @ economics.usual_loss
    return replace(
        candidate,
        policy=policy,
        learned=tuple(policies),
        economics=economics,
        promised=float(promised),
        long_run=together([part[0] for part in parts]),
        cash=together([part[1] for part in parts]),
    )


def together(parts: Sequence[Floats]) -> Floats:
    """(1 + 64, L): the mean over the halves; a group's absence is felt in its own half alone.

    Args:
        parts: of each half (1 + its groups, L).
    """
    found = np.repeat(np.mean([part[0] for part in parts], axis=0)[None], GROUPS + 1, axis=0)
    for part, groups in zip(parts, _groups_of_halves(), strict=True):
        found[1 + groups] += (part[1:] - part[0]) / len(parts)
    return found


def hold_if_worthless(chosen: Candidate) -> Candidate:
    """The same where its plan is worth more than no texts; else with the policy of sending nothing."""
    if chosen.replicates(chosen.long_run)[0] > 0:
        return chosen
    nothing = np.zeros_like(chosen.long_run)
    policy = Policy(dict.fromkeys(chosen.policy.actions, NOTHING))
    return replace(chosen, policy=policy, long_run=nothing, cash=nothing, promised=0.0)
