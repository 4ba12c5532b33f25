"""What exploring teaches, in money, and what it costs: the expected value of sample information by exploring share.

The response is known with an error, so some actions of the plan are not the best ones. Customers explored with narrow
the error. A lever (frequency, hour, text, opt-outs, profit per click) is estimated from tests with covariance Σ, by the
jackknife. If exploring adds m times the information of these tests, the next estimate is distributed around today's
with covariance Σ · m / (1 + m) (preposterior analysis: Raiffa & Schlaifer 1961, Applied Statistical Decision Theory,
section 5.4). Levers are drawn so, the value V of every action is computed anew, and the best action is taken:

    EVSI(share) = E[max V after] − max V today

per customer, see Heath, Manolopoulou & Baio 2017, Medical Decision Making 37. With m → ∞ it is the expected value of
perfect information, the ceiling. Estimates are taken for posterior means, as they are drawn towards each other already.

**Money.** Exploring lasts for one plan. Its knowledge is used from the end of this plan on, for as long as today's
customers can be texted: V is the value of a policy that goes on, so a better policy is counted once, not once a plan.
It is discounted to the plan's first day, and those who are lost until its last day do not count. Customers who join
later are not counted. The cost is the difference between the plan's action for all weeks, and random actions in the
plan's weeks with the plan's action afterwards; opt-outs that the random actions cause are included.

**Held fixed.** Today's level of clicks and opt-outs is learned from every plan, explored or not. Weekdays are
drawn at random, too, but nothing is counted for learning which are better. Where a lever was never tested, its error is
not known and nothing is counted for learning it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.policy import Action, ActionValues, Economics, Flags, Policy
from smsroi_helpers.send_plan.response import Response
from smsroi_helpers.send_plan.sample_information import (
    Kept,
    draw_noise,
    draw_response,
    learnt_shares,
    mean_and_error,
)
from smsroi_helpers.send_plan.schedule import SLICES, Exploration
from smsroi_helpers.send_plan.valuation import hold_if_worthless
from smsroi_helpers.send_plan.weekdays import weekday_shares
from smsroi_helpers.statistics import Floats, Ints

__all__ = ["Learning", "ShareWorth", "cost_of_exploring", "expected_gain", "gains_of_learning", "size_exploration"]

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Shares of those not held out that are compared."""
_SEARCHED = 128
"""So many draws find the actions that may become the best."""
_SAME = 0.5 / SLICES + 1e-9
"""The plan's own share is taken for one of `SHARES` if it is as near as the hash that draws it can be."""


@dataclass(frozen=True)
class ShareWorth:
    """Exploring with one share for one plan; money, of the whole audience, in the long run."""

    share: float
    """Of those not held out."""
    teaches: float
    """What the better choices of later plans are expected to bring."""
    error: float
    """Monte Carlo standard error of `teaches`, and of `net`."""
    cost: float
    """What random actions bring less than the plan's."""

    @property
    def net(self) -> float:
        """`teaches` less `cost`."""
        return self.teaches - self.cost


@dataclass(frozen=True)
class Learning:
    """What each share teaches and costs."""

    rows: tuple[ShareWorth, ...]
    """By share; none where the plan sends no texts, so that there are no choices to improve."""
    own: float
    """The plan's own share; 0 where nobody is explored with."""
    best: float
    """The share with the highest net amount."""
    enough: float
    """The smallest share whose net amount is not below the best by more than a Monte Carlo standard error."""
    perfect: float
    """Expected value of perfect information: what knowing the levers' effects exactly would bring, money."""
    perfect_error: float
    """Its Monte Carlo standard error."""
    customers: float
    """Of the audience, not held out: they use what is learned."""

    def row(self, share: float) -> ShareWorth:
        """The row of a share."""
        return next(each for each in self.rows if each.share == share)


# --- values of actions -----------------------------------------------------------------------------------------------


def expected_gain(today: Floats, drawn: Floats) -> Floats:
    """(N,): in each draw the value of the action that is then the best, less that of the best one today; ≥ 0.

    Each action's draws are moved so that their mean is its value today: an estimate is not expected to move. So the
    mean is E[max after] − max today.

    Args:
        today: (A,): value of each action.
        drawn: (A, N): the same after learning.

    >>> expected_gain(np.array([1.0, 0.0]), np.array([[3.0, -1.0], [0.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    after = _centred(today, drawn)
    return np.asarray(after.max(axis=0) - after[int(today.argmax())])


def _centred(today: Floats, drawn: Floats) -> Floats:
    """Draws whose mean is today's value."""
    return np.asarray(drawn + (today - drawn.mean(axis=1))[:, None])


@dataclass(frozen=True)
class _Cell:
    """Customers of one profile, with the same allowed hours; A actions of frequency, window and text."""

    customers: float
    rows: Floats
    """(K,): membership."""
    earned: Floats
    """(K, A): membership × the effect of the action's weekdays."""
    actions: Ints
    """(A, 3): dose, window, text."""

    def only(self, kept: Ints) -> "_Cell":
        """With some of the actions."""
        return replace(self, earned=self.earned[:, kept], actions=self.actions[kept])

    def values(self, worth: "_Worth") -> Floats:
        """(A + 1, N): V of each action; of no texts last."""
        dose, window, text = self.actions.T
        found = np.zeros((len(self.actions) + 1, worth.window.shape[-1]))
        for k, share in enumerate(self.rows):
            if share > 0:
                found[:-1] += self.earned[k][:, None] * worth.window[k, window] * worth.earned[k, dose, text]
                found[:-1] -= share * worth.paid[k, dose, text]
        return found


@dataclass(frozen=True)
class _Worth:
    """V of a class's texts in N draws, from the next plan on."""

    earned: Floats
    """(K, D, C, N): profit of clicks, but for the effects of hour and weekday."""
    paid: Floats
    """(K, D, C, N): cost of texts."""
    window: Floats
    """(K, W, N)."""

    @classmethod
    def of(cls, draws: Response, economics: Economics, later: Floats) -> "_Worth":
        """From draws of the response and the weights of the rates of loss."""
        caused = draws.opt_outs[..., None] * (draws.opt_out_level[0] * draws.text_opt_outs)[:, None, None, :]
        stays = (1 - draws.natural_opt_outs[:, None, None, None]) * (1 - np.clip(caused, 0.0, 1.0))
        stays = stays / (1 + economics.discount)
        weeks = np.zeros(stays.shape)
        for share, rate in zip(later, economics.loss_rates, strict=True):
            weeks += share / (1 - stays * (1 - rate))
        texts = weeks * draws.doses[:, None]
        of_text = draws.text * draws.text_profit[:, None] * (draws.click_level * draws.click_profit)[..., None]
        parts = texts * draws.clicks[..., None] * of_text[:, :, None], texts * economics.cost, draws.window
        return cls(*(np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in parts))


def _find_cells(
    response: Response, economics: Economics, membership: Floats, masks: tuple[Flags, ...], customers: Floats
) -> list[_Cell]:
    values = ActionValues(response, economics)
    size: dict[tuple[int, tuple[tuple[tuple[int, int], tuple[int, ...]], ...]], float] = {}
    for (p, number), many in np.ndenumerate(customers):
        days = values.of(membership[p], masks[number])[1] if many else {}
        if days:
            key = p, tuple(days.items())
            size[key] = size.get(key, 0.0) + float(many)
    texts = response.text.shape[2]
    found = []
    for (p, chosen), together in size.items():
        shares = [weekday_shares(days) for _pair, days in chosen]
        weekday = response.weekday[0] @ np.stack(shares, axis=1)
        pairs = np.repeat([pair for pair, _days in chosen], texts, axis=0)
        actions = np.column_stack([pairs, np.tile(np.arange(texts), len(chosen))])
        earned = np.repeat(membership[p][:, None] * weekday, texts, axis=1)
        found.append(_Cell(together, membership[p], earned, actions))
    return found


def _later(economics: Economics, natural: float) -> Floats:
    """(L,): weights of the rates of loss: how many are still subscribed after the plan's weeks, discounted."""
    stays = (1 - natural) * (1 - economics.loss_rates) / (1 + economics.discount)
    return np.asarray(economics.usual_loss * stays**economics.horizon_weeks)


def gains_of_learning(
    response: Response, economics: Economics, membership: Floats, masks: tuple[Flags, ...], customers: Floats,
    kept: Sequence[Kept], noise: Floats,
) -> Floats:  # fmt: skip
    """(1 + len(kept), N): V gained per customer in each draw; its mean is the EVSI. The first learns everything.

    Actions that are the best in none of some draws, even if everything is learned, are left out.

    Args:
        response: of `fit_response`, at today's level, with replicates.
        economics: prices, limits.
        membership: (P, K).
        masks: (7, 24) each: allowed hours.
        customers: (P, masks).
        kept: of `learnt_shares`.
        noise: of `draw_noise`.
    """
    later = _later(economics, float(response.natural_opt_outs[0]))
    nothing, everything = (Kept.alike(response, share) for share in (0.0, 1.0))
    now = _Worth.of(draw_response(response, nothing, noise[:1]), economics, later)
    some = _Worth.of(draw_response(response, everything, noise[:: max(len(noise) // _SEARCHED, 1)]), economics, later)
    cells, today = [], []
    for cell in _find_cells(response, economics, membership, masks, customers):
        value = cell.values(now)[:, 0]
        best = np.unique(np.append(_centred(value, cell.values(some)).argmax(axis=0), value.argmax()))
        cells.append(cell.only(best[best < len(cell.actions)]))
        today.append(cells[-1].values(now)[:, 0])
    found = np.zeros((1 + len(kept), len(noise)))
    for row, each in enumerate((everything, *kept)):
        worth = _Worth.of(draw_response(response, each, noise), economics, later)
        for cell, value in zip(cells, today, strict=True):
            found[row] += cell.customers * expected_gain(value, cell.values(worth))
    return found / customers.sum()


# --- what exploring costs --------------------------------------------------------------------------------------------


def cost_of_exploring(
    response: Response, economics: Economics, membership: Floats, masks: tuple[Flags, ...], customers: Floats,
    policy: Policy, exploration: Exploration,
) -> float:  # fmt: skip
    """What a customer explored with brings less than by the plan, in the long run, the plan following; at least 0.

    Args:
        response: of `fit_response`, at today's level.
        economics: prices, limits.
        membership: (P, K).
        masks: (7, 24) each: allowed hours.
        customers: (P, masks).
        policy: of the plan.
        exploration: what is drawn at random instead, every combination equally likely.
    """
    lost = 0.0
    for number, mask in enumerate(masks):
        if not customers[:, number].any():
            continue
        tried = [
            _stays_and_profit(response, economics, action)
            for action in _random_actions(response, economics, exploration, mask)
        ]
        gone = np.mean([1 - stays**economics.horizon_weeks for stays, _profit in tried], axis=0)
        brought = np.mean([_cash(stays, profit, economics) for stays, profit in tried], axis=0)
        for p in np.flatnonzero(customers[:, number]):
            stays, profit = _stays_and_profit(response, economics, policy.actions[int(p), number])
            plan = profit[:, None] / (1 - stays)
            each = (plan * gone - brought) @ economics.usual_loss
            lost += float(customers[p, number] * membership[p] @ each)
    return max(lost / float(customers.sum()), 0.0)


def _random_actions(response: Response, economics: Economics, exploration: Exploration, mask: Flags) -> list[Action]:
    found = []
    for texts in exploration.doses:
        dose = int(np.abs(response.doses - texts).argmin())
        for window in exploration.windows:
            start, end = economics.windows[window]
            days = tuple(np.flatnonzero(mask[:, start:end].all(axis=1)).tolist())
            found += [Action(dose if days else 0, window, text, days) for text in exploration.texts]
    return found


def _stays_and_profit(response: Response, economics: Economics, action: Action) -> tuple[Floats, Floats]:
    """By class, of the estimate: the share that stays a week, discounted (K, L), and a week's profit (K,)."""
    texts = float(response.doses[action.dose])
    caused = response.opt_outs[0, :, action.dose] * response.opt_out_level[0] * response.text_opt_outs[0, action.text]
    stays = (1 - response.natural_opt_outs[0]) * (1 - np.clip(caused, 0.0, 1.0)) / (1 + economics.discount)
    profit = np.zeros(response.classes)
    if texts > 0:
        clicks = response.clicks[0, :, action.dose] * response.click_level[0] * response.window[0, :, action.window]
        weekday = response.weekday[0] @ weekday_shares(action.weekdays)
        clicks = clicks * weekday * response.text[0, :, action.text]
        each = response.click_profit[0] * response.text_profit[0, action.text]
        profit = texts * (clicks * each - economics.cost[action.text])
    return stays[:, None] * (1 - economics.loss_rates), profit


def _cash(stays: Floats, profit: Floats, economics: Economics) -> Floats:
    """(K, L): discounted profit of the plan's weeks."""
    return np.asarray(profit[:, None] * (1 - stays**economics.horizon_weeks) / (1 - stays))


# --- the plan's exploring share --------------------------------------------------------------------------------------


def size_exploration(plan: SendPlan, shares: Sequence[float] = SHARES) -> Learning:
    """What each share teaches and costs, without limits of money and of the gateway.

    Args:
        plan: of `make_plan`.
        shares: of those not held out, 0–1; the plan's own is added.
    """
    fitted, economics, masks = plan.unlimited, plan.design.economics, plan.design.masks
    own = plan.roles.explore / SLICES
    own = next((share for share in shares if abs(share - own) <= _SAME), own)
    customers = plan.customers - plan.in_role("holdout")
    texted = any(plan.design.doses[action.dose] > 0 for action in fitted.policy.actions.values())
    if not texted or hold_if_worthless(fitted) is not fitted:
        return Learning((), own, 0.0, 0.0, 0.0, 0.0, customers)
    tried = sorted({*shares, own})
    kept = [
        learnt_shares(fitted.cells, plan.exploration, share * customers, economics.horizon_weeks) for share in tried
    ]
    noise = draw_noise(len(fitted.response.clicks) - 1)
    given = fitted.response, economics, fitted.cells.grouping.membership, masks, fitted.today.customers
    perfect, *gains = customers * gains_of_learning(*given, kept, noise)
    cost = customers * cost_of_exploring(*given, fitted.policy, plan.exploration)
    rows = tuple(
        ShareWorth(share, *mean_and_error(gain), share * cost) for share, gain in zip(tried, gains, strict=True)
    )
    best = max(range(len(rows)), key=lambda k: rows[k].net)
    behind = [mean_and_error(gains[best] - gain)[1] for gain in gains]
    enough = next(k for k, row in enumerate(rows) if row.net >= rows[best].net - behind[k])
    return Learning(rows, own, rows[best].share, rows[enough].share, *mean_and_error(perfect), customers)
