"""Which action each profile gets, and what that is worth.

An action is a number of texts a week, a window of local hours, weekdays and a text, kept up. Of a class,

    m = d · (clicks · v · R − cost),   V = m / (1 − (1 − H₀)(1 − h)(1 − c) / (1 + δ))

with H₀ the natural opt-outs, h those that the texts cause, c the loss of readers and δ the weekly discount rate: this
week's profit less P(opt-out) × the value of a subscriber under the plan, solved for a policy that goes on. A profile's
value is the mean over its classes, and over the rates at which readers are lost: readers differ in c, and it is not
known exactly. Cash of T weeks is m · Σ_t s^t with s the share that stays. Values are kept by rate of loss (last axis)
until `Economics` weights them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.mixture_rates import fit_rates
from smsroi_helpers.send_plan.response import Response
from smsroi_helpers.send_plan.today import DOSE_STEP, HALVES, Today
from smsroi_helpers.send_plan.weekdays import best_weekdays, weekday_shares
from smsroi_helpers.statistics import Floats, Ints

Flags = NDArray[np.bool_]

__all__ = [
    "Action",
    "ActionValues",
    "Economics",
    "Policy",
    "Split",
    "choose_policy",
    "today_levels",
    "value_action",
    "value_members",
    "value_policy",
    "value_today",
]

_LEVEL_EVENTS = 25.0
"""Today's level of opt-outs counts as much as the tests' would with so many opt-outs more."""


@dataclass(frozen=True)
class Economics:
    """What the value of an action depends on beside the response; money."""

    windows: tuple[tuple[int, int], ...]
    cost: Floats
    """(C,): of one text."""
    loss_rates: Floats
    """(L,): weekly rates c at which readers may be lost, without opt-outs."""
    loss_shares: Floats
    """(L, draws): shares of readers lost at each, summing to 1, in draws of what is known of them."""
    discount: float
    """δ, weekly."""
    horizon_weeks: int
    most_texts: float
    """The frequency cap, texts a week."""

    @property
    def usual_loss(self) -> Floats:
        """(L,): the mean of the draws."""
        return np.asarray(self.loss_shares.mean(axis=1))


@dataclass(frozen=True)
class Action:
    """What one profile gets in one set of allowed hours; at 0 texts the rest is without meaning."""

    dose: int
    """Number in `Response.doses`."""
    window: int
    text: int
    weekdays: tuple[int, ...]
    """Over which the customers' texts are spread (`weekdays.turned_weekdays`)."""


NOTHING = Action(0, 0, 0, ())


@dataclass(frozen=True)
class Split:
    """Some customers of one profile and set of allowed hours get another action, so that a budget is used up."""

    profile: int
    mask: int
    action: Action
    share: float
    """0–1, of these customers."""


@dataclass(frozen=True)
class Policy:
    """(profile, mask) → action; one of them may be split."""

    actions: dict[tuple[int, int], Action]
    split: Split | None = None

    def parts(self) -> Iterator[tuple[tuple[int, int, int], Action, float]]:
        """(profile, mask, part), action, and the share of these customers who get it; part 1 is that of the split."""
        split = self.split
        for (profile, mask), action in self.actions.items():
            if split is None or (split.profile, split.mask) != (profile, mask):
                yield (profile, mask, 0), action, 1.0
            else:
                yield (profile, mask, 0), action, 1.0 - split.share
                yield (profile, mask, 1), split.action, split.share


@dataclass(frozen=True)
class _Mix:
    """The clicks' multipliers of what is sent: (R, K), and the profit that a click brings: (R, K)."""

    clicks: Floats
    profit: Floats
    opt_outs: Floats
    """(R,): the same of opt-outs."""
    cost: float


def _worth(response: Response, economics: Economics, texts: float, mix: _Mix, rows: Floats) -> tuple[Floats, Floats]:
    """V and cash of the horizon, (R, L), of a membership (K,) at any texts a week, above 0."""
    dose = _dose_weights(response, texts)
    clicks = (response.clicks @ _per_text(dose, response)) * response.click_level * mix.clicks
    m = texts * (clicks * mix.profit - mix.cost)
    h = np.clip((response.opt_outs @ dose) * (response.opt_out_level * mix.opt_outs)[:, None], 0.0, 1.0)
    subscribed = (1 - response.natural_opt_outs[:, None]) * (1 - h)
    stays = subscribed[..., None] * (1 - economics.loss_rates)
    weeks = (1 - stays**economics.horizon_weeks) / np.maximum(1 - stays, 1e-12)
    discounted = 1 / (1 - stays / (1 + economics.discount))
    return np.einsum("rk,rkl->rl", m * rows, discounted), np.einsum("rk,rkl->rl", m * rows, weeks)


def _hour_curve(response: Response, windows: tuple[tuple[int, int], ...]) -> Floats:
    """(R, K, 24): the windows' effects at every hour, interpolated between their middles, constant outside."""
    middle = np.array([(start + end - 1) / 2 for start, end in windows])
    order = np.argsort(middle)
    hours = np.arange(24.0)
    at = np.clip(np.searchsorted(middle[order], hours), 1, max(len(middle) - 1, 1))
    if len(middle) == 1:
        return np.repeat(response.window, 24, axis=2)
    left, right = order[at - 1], order[at]
    share = np.clip((hours - middle[left]) / (middle[right] - middle[left]), 0, 1)
    return np.asarray((1 - share) * response.window[..., left] + share * response.window[..., right])


def _dose_weights(response: Response, texts: float) -> Floats:
    """(D,): weights that interpolate `doses` at any texts a week; above the highest, the highest."""
    doses = response.doses
    at = float(np.clip(texts, doses[0], doses[-1]))
    right = int(np.clip(np.searchsorted(doses, at), 1, len(doses) - 1))
    share = (at - doses[right - 1]) / (doses[right] - doses[right - 1])
    weights = np.zeros(len(doses))
    weights[right - 1], weights[right] = 1 - share, share
    return weights


def _per_text(weights: Floats, response: Response) -> Floats:
    """Weights for clicks per text: a week without texts has no text to click."""
    kept = np.where(response.doses > 0, weights, 0.0)
    return kept / kept.sum() if kept.sum() > 0 else kept


def choose_policy(response: Response, grouping: Grouping, economics: Economics, masks: tuple[Flags, ...]) -> Policy:
    """The action with the highest long-run value for each profile and set of allowed hours, by the estimate.

    Args:
        response: of `fit_response`, at today's level.
        grouping: whose profiles.
        economics: prices, limits.
        masks: (7, 24) each, of `Audience`.
    """
    values, found = ActionValues(response, economics), {}
    for p, rows in enumerate(grouping.membership):
        for number, mask in enumerate(masks):
            value, days = values.of(rows, mask)
            d, w, c = (int(at) for at in np.unravel_index(int(value.argmax()), value.shape))
            found[p, number] = Action(d, w, c, days[d, w]) if value[d, w, c] > 0 else NOTHING
    return Policy(found)


class ActionValues:
    """V of every action, by the estimate; what does not depend on a membership is computed once."""

    def __init__(self, response: Response, economics: Economics) -> None:
        """Prepare the values.

        Args:
            response: of `fit_response`, at today's level.
            economics: prices, limits.
        """
        self._response, self._economics = response, economics
        doses = response.doses[:, None]
        h = response.opt_outs[0][..., None] * response.opt_out_level[0] * response.text_opt_outs[0]  # (K, D, C)
        subscribed = (1 - response.natural_opt_outs[0]) * (1 - np.clip(h, 0.0, 1.0))
        stays = subscribed[..., None] * (1 - economics.loss_rates) / (1 + economics.discount)
        weeks = doses * ((1 / (1 - stays)) @ economics.usual_loss)  # texts until the subscriber is lost
        clicks = (response.clicks[0] * response.click_level[0][:, None])[..., None] * response.text[0][:, None, :]
        self._earned = weeks * clicks * (response.click_profit[0][:, None] * response.text_profit[0])[:, None, :]
        self._paid = weeks * economics.cost
        needed = np.ceil(response.doses).astype(int)
        self._doses = [(d, int(n)) for d, n in enumerate(needed) if 0 < n <= economics.most_texts]

    def of(self, rows: Floats, mask: Flags) -> tuple[Floats, dict[tuple[int, int], tuple[int, ...]]]:
        """V of every action of a membership, each on its best weekdays.

        Args:
            rows: (K,): how likely each class is.
            mask: (7, 24): allowed hours.

        Returns:
            V (D, W, C), −∞ where the action is not allowed; (dose, window) → weekdays.
        """
        response, windows = self._response, self._economics.windows
        by_weekday = response.weekday[0]
        weekday = rows @ by_weekday
        slots = np.full((response.classes, len(response.doses), len(windows)), np.nan)
        days: dict[tuple[int, int], tuple[int, ...]] = {}
        by_open_days: dict[bytes, list[tuple[int, tuple[int, ...], Floats]]] = {}  # most windows are open on the same
        for w, (start, end) in enumerate(windows):
            is_open = mask[:, start:end].all(axis=1)
            if (key := is_open.tobytes()) not in by_open_days:
                open_days = np.flatnonzero(is_open)
                by_open_days[key] = [
                    (d, chosen, by_weekday @ weekday_shares(chosen))
                    for d, needed in self._doses
                    if (chosen := best_weekdays(weekday, open_days, needed))
                ]
            for d, chosen, effect in by_open_days[key]:
                days[d, w] = chosen
                slots[:, d, w] = response.window[0][:, w] * effect
        earned = np.einsum("k,kdw,kdc->dwc", rows, slots, self._earned, optimize=True)
        value = earned - np.einsum("k,kdc->dc", rows, self._paid)[:, None, :]
        return np.where(np.isnan(value), -np.inf, value), days


def _first(response: Response, one: slice) -> Response:
    """The estimate alone, without replicates."""
    return Response(response.doses, *(getattr(response, name)[one] for name in (
        "clicks", "opt_outs", "natural_opt_outs", "window", "weekday", "text", "text_opt_outs", "click_profit",
        "text_profit", "click_level", "opt_out_level",
    )))  # fmt: skip


def value_action(response: Response, rows: Floats, economics: Economics, action: Action) -> tuple[Floats, Floats]:
    """V and cash of the horizon, (R, L) each, of one action.

    Args:
        response: of `fit_response`, at today's level.
        rows: (K,): how likely each class is.
        economics: prices.
        action: what is sent.
    """
    if response.doses[action.dose] <= 0:
        none = np.zeros((len(response.clicks), len(economics.loss_rates)))
        return none, none
    mix = _Mix(
        response.window[..., action.window]
        * (response.weekday @ weekday_shares(action.weekdays))
        * response.text[..., action.text],
        response.click_profit * response.text_profit[:, None, action.text],
        response.text_opt_outs[:, action.text],
        float(economics.cost[action.text]),
    )
    return _worth(response, economics, float(response.doses[action.dose]), mix, rows)


def value_policy(
    response: Response, grouping: Grouping, economics: Economics, policy: Policy, customers: Floats
) -> tuple[Floats, Floats]:
    """V and cash per customer, (R, L) each, of a policy.

    Args:
        response: that the policy is valued by.
        grouping: whose profiles.
        economics: prices.
        policy: of `choose_policy`.
        customers: (P, masks).
    """
    return value_members(response, customers[:, :, None] * grouping.membership[:, None, :], economics, policy)


def value_members(
    response: Response, members: Floats, economics: Economics, policy: Policy
) -> tuple[Floats, Floats]:  # fmt: skip
    """V and cash per customer, (R, L) each, of a policy whose profiles need not be those of the response.

    Args:
        response: that the policy is valued by.
        members: (P, masks, K): expected customers of each class of the response, by profile of the policy.
        economics: prices.
        policy: of `choose_policy`.
    """
    found = [np.zeros((len(response.clicks), len(economics.loss_rates))) for _ in range(2)]
    for (p, mask, _part), action, share in policy.parts():
        if (rows := members[p, mask]).any():
            each = value_action(response, rows, economics, action)
            for k in range(2):
                found[k] = found[k] + share * each[k]
    return found[0] / members.sum(), found[1] / members.sum()


def value_today(response: Response, grouping: Grouping, economics: Economics, today: Today) -> tuple[Floats, Floats]:
    """V and cash per customer, (R, L) each, of going on as today."""
    curve = _hour_curve(response, economics.windows)
    size = today.customers.sum(axis=1)
    found = [np.zeros((len(response.clicks), len(economics.loss_rates))) for _ in range(2)]
    for p, rows in enumerate(grouping.membership):
        if not size[p]:
            continue
        texts = today.texts[p]
        of_text = response.text @ texts
        profit = response.click_profit * ((response.text * response.text_profit[:, None]) @ texts) / of_text
        opt_outs = response.text_opt_outs @ texts
        mix = _Mix((curve @ today.hours[p]) * of_text, profit, opt_outs, float(economics.cost @ texts))
        for half in range(1, HALVES):
            if share := today.doses[p, half]:
                each = _worth(response, economics, half * DOSE_STEP, mix, rows)
                for k in range(2):
                    found[k] = found[k] + size[p] * share * each[k]
    return found[0] / size.sum(), found[1] / size.sum()


def today_levels(
    response: Response, grouping: Grouping, today: Today, windows: tuple[tuple[int, int], ...], groups: Ints
) -> tuple[Floats, Floats]:
    """Today's clicks by class (R, K), and opt-outs (R,), over those that the response predicts for today's texts.

    Args:
        response: of `fit_response`, at the tests' level.
        grouping: whose profiles.
        today: of `count_today`.
        windows: of the evidence.
        groups: numbers of the groups of customers.
    """
    estimate = _first(response, slice(0, 1))
    curve = _hour_curve(estimate, windows)[0]
    halves = np.arange(HALVES) * DOSE_STEP
    weights = np.array([_dose_weights(estimate, texts) for texts in halves])
    per_text = np.array([_per_text(weight, estimate) for weight in weights])
    q = estimate.clicks[0] @ per_text.T  # (K, halves)
    predicted = (today.recent_doses @ q.T) * (today.recent_hours @ curve.T)
    predicted *= today.recent_creatives @ estimate.text[0].T
    parts = grouping.membership * predicted
    expected = parts.sum(axis=1)
    clicks, texts = today.recent_clicks[groups], today.recent_texts[groups]
    repeats = len(response.clicks)
    if not clicks.sum() > 0:
        return np.ones((repeats, response.classes)), np.ones(repeats)
    share = parts / np.maximum(expected, 1e-12)[:, None]
    fit = fit_rates(clicks[..., None], (texts * expected)[..., None], share)
    level = np.exp(np.concatenate([fit.log_rate[None], fit.replicates]))[..., 0]
    h = estimate.opt_outs[0] @ weights.T  # (K, halves)
    of_text = today.recent_creatives @ estimate.text_opt_outs[0]  # (P,)
    caused = np.einsum("gpd,p,pk,kd->g", today.recent_weeks[groups], of_text, grouping.membership, h)
    left = caused + estimate.natural_opt_outs[0] * today.recent_weeks[groups].sum(axis=(1, 2))
    seen = today.recent_opt_outs[groups]
    both = [(seen.sum(), left.sum()), *zip(seen.sum() - seen, left.sum() - left, strict=True)]
    lost = np.array([(a + _LEVEL_EVENTS) / (b + _LEVEL_EVENTS) for a, b in both])
    return level, lost
