"""The long run checked: later profit of tests, beside what their first weeks and the plan's model predict.

The plan's long-run value adds up weeks that nobody has seen yet. Tests that are old enough have seen some of them. For
each arm, against the arm with the fewest texts, these figures of the same later weeks stand side by side, in profit of
orders before message costs (which are known and need no prediction), per customer assigned and week:

- observed: the difference of mean later profit Y; randomised, intention to treat.
- by the index: β'(S̄ − S̄₀), with E[Y | S] = α + β'S the surrogate index (Athey, Chetty, Imbens & Kang 2019, The
  Surrogate Index, NBER 26463; Yang, Eckles, Dhillon & Aral 2020, Targeting for Long-Term Outcomes). S is what the first
  weeks showed (`SURROGATES`) and what was known before the assignment (`BEFORE`: else the index would take customers
  who buy much anyway for an effect of texts). β is of customers: who clicked more, earned more later.
- by clicks: γ(C̄ − C̄₀), with C̄ the mean clicks of the first weeks and γ = Σ n ΔC̄ ΔȲ ÷ Σ n (ΔC̄)² over the other arms: the
  slope between arms, with the assignment as instrument.
- by the plan's model (`response`): d · q · v · sᵗ averaged over the later weeks t, with d the arm's texts a week, q
  clicks per text, v what a click brings and s the share that stays, at the tests' own level, hours and texts.

What is estimated while texts go on. An arm keeps its frequency, so its later profit has two sources: what the first
texts left behind, and the later texts themselves. The effect here is that of the frequency kept up, as in the plan's
value; not that of the first weeks' texts alone. Surrogacy (Prentice 1989, Statistics in Medicine 8: treatment acts on Y
through S only) is not supported for this effect by clicks, orders and opt-outs alone: of two customers with the same
clicks, the one with more texts to come earns more. It is plausible only because S has the texts of the first weeks,
which stand for those to come. Two difficulties remain. First, a customer's few clicks are a noisy measure of the rate
at which they click. Their slope is therefore too small, and texts stand in for them, in proportion: the index then
does not know that a higher frequency tires. The slope between arms does not have this fault, since means of arms have
little noise. Second, texts differ mostly between arms, and an index that had learned from the arm's own later weeks
would repeat them instead of predicting them. So with three or more arms everything is fitted to the other arms: it then
predicts a frequency whose later weeks nobody saw, which is what a plan asks of it; and it is fitted to one half of the
customers and applied to the other. With two arms the index must be fitted to both, and agreement says little
(`LaterEffect.own_arm`); by clicks there is then no figure. Where a prediction differs from what was observed, there are
effects that it does not carry.

Follow-up and variables: `surrogate_counts`. Intervals are those of the delete-a-group jackknife (64 groups).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.send_plan.plan import SendPlan
from smsroi_helpers.send_plan.policy import Economics
from smsroi_helpers.send_plan.surrogate_counts import LATER_WEEKS, VARIABLES, TestSums, Unready, count_later
from smsroi_helpers.send_plan.valuation import FOLD_OF_GROUP, FOLDS, Candidate, Design, Estimate
from smsroi_helpers.statistics import ALPHA, GROUPS, Floats, t_quantile

__all__ = ["Later", "LaterEffect", "LongRunCheck", "check_long_run", "estimate_later", "last_modelled_week"]

_STRONG = 4.0
"""Clicks predict only if those of the other arms differ from the control's by more than so many standard errors."""
_RIDGE = 1e-8
"""Of each variable's variance: for variables that never vary, or always together."""

Outcome = Literal["contradicted", "supported", "imprecise", "no_frequency", "not_yet"]


@dataclass(frozen=True)
class LaterEffect:
    """One arm against the arm with the fewest texts: profit of orders per customer assigned and week, later weeks."""

    test: str
    kind: str
    arm: str
    control: str
    first_week: int
    """Of the later weeks, counted from the assignment, from 1."""
    last_week: int
    members: int
    control_members: int
    observed: Estimate
    index: Estimate
    index_gap: Estimate
    """Index − observed."""
    by_clicks: Estimate | None
    """None with two arms, or where clicks hardly differ."""
    clicks_gap: Estimate | None
    """By clicks − observed."""
    own_arm: bool
    """Whether the index was fitted to this arm too, because the test has two arms."""
    model: Estimate | None
    """None where the arm's frequency is not stated, or above those that the plan considers."""
    model_gap: Estimate | None
    """Model − observed."""


@dataclass(frozen=True)
class LongRunCheck:
    """What old tests say of the plan's long run."""

    horizon_weeks: int
    effects: tuple[LaterEffect, ...]
    unready: tuple[Unready, ...]
    model: Estimate | None
    """The mean over arms that the model has a figure of."""
    model_gap: Estimate | None
    """Model − observed, the mean over the same arms."""

    @property
    def contradicted(self) -> tuple[tuple[LaterEffect, Estimate], ...]:
        """Arms where model − observed excludes 0, with limits adjusted for the number of arms (Bonferroni)."""
        found = [(each, each.model_gap) for each in self.effects if each.model_gap is not None]
        return _excluding_zero(found)

    @property
    def index_contradicted(self) -> tuple[tuple[LaterEffect, Estimate], ...]:
        """The same of index − observed."""
        return _excluding_zero([(each, each.index_gap) for each in self.effects])

    @property
    def clicks_contradicted(self) -> tuple[tuple[LaterEffect, Estimate], ...]:
        """The same of by clicks − observed."""
        return _excluding_zero([(each, each.clicks_gap) for each in self.effects if each.clicks_gap is not None])

    @property
    def outcome(self) -> Outcome:
        """`imprecise`: the interval of model − observed is wider on each side than the model's figure itself."""
        if not self.effects:
            return "not_yet"
        if self.model is None or self.model_gap is None:
            return "no_frequency"
        if self.contradicted:
            return "contradicted"
        wide = self.model_gap.high - self.model_gap.value > abs(self.model.value)
        return "imprecise" if wide else "supported"

    @property
    def needed_weeks(self) -> int:
        """Weeks of treatment that a test needs."""
        return self.horizon_weeks + LATER_WEEKS

    @property
    def longest_weeks(self) -> int:
        """That any test treated its customers, of those that cannot check the long run."""
        return max((each.weeks for each in self.unready), default=0)

    @property
    def missing_weeks(self) -> int:
        """Weeks of treatment that the longest test still needs."""
        return self.needed_weeks - self.longest_weeks


def _excluding_zero(gaps: Sequence[tuple[LaterEffect, Estimate]]) -> tuple[tuple[LaterEffect, Estimate], ...]:
    if not gaps:
        return ()
    wider = float(t_quantile(1 - ALPHA / len(gaps), GROUPS - 1) / t_quantile(1 - ALPHA, GROUPS - 1))
    adjusted = [
        (effect, Estimate(
            gap.value, gap.value - wider * (gap.value - gap.low), gap.value + wider * (gap.high - gap.value)
        ))
        for effect, gap in gaps
    ]  # fmt: skip
    return tuple((effect, gap) for effect, gap in adjusted if gap.low > 0 or gap.high < 0)


def check_long_run(plan: SendPlan) -> LongRunCheck:
    """Later profit of every test that is old enough, by the index and by the plan's model.

    Args:
        plan: of `make_plan`.
    """
    horizon = plan.calendar.weeks
    counted, unready = count_later(plan.evidence, horizon)
    effects: list[LaterEffect] = []
    models: list[Floats] = []
    gaps: list[Floats] = []
    for sums in counted:
        for later in estimate_later(sums):
            by_loss = _predict(plan.chosen, plan.design, sums, later.arm)
            effects.append(_effect(plan.chosen, sums, later, by_loss))
            if by_loss is not None:
                models.append(by_loss)
                gaps.append(by_loss - later.observed[:, None])
    mean = [plan.chosen.estimate(np.mean(each, axis=0)) for each in (models, gaps)] if models else [None, None]
    return LongRunCheck(horizon, tuple(effects), tuple(unready), *mean)


def _effect(chosen: Candidate, sums: TestSums, later: "Later", by_loss: Floats | None) -> LaterEffect:
    gap = None if by_loss is None else by_loss - later.observed[:, None]
    clicks = None if later.by_clicks is None else Estimate.of_replicates(later.by_clicks)
    clicks_gap = None if later.by_clicks is None else Estimate.of_replicates(later.by_clicks - later.observed)
    return LaterEffect(
        sums.test, sums.kind, sums.arms[later.arm], sums.arms[sums.control], sums.horizon_weeks + 1, sums.weeks,
        int(sums.members[later.arm]), int(sums.members[sums.control]), Estimate.of_replicates(later.observed),
        Estimate.of_replicates(later.index), Estimate.of_replicates(later.index - later.observed), clicks, clicks_gap,
        later.own_arm,
        None if by_loss is None else chosen.estimate(by_loss), None if gap is None else chosen.estimate(gap),
    )  # fmt: skip


# --- the index -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Later:
    """Replicates of one arm's effect: the estimate, then without each group of customers."""

    arm: int
    observed: Floats
    """(1 + 64,)."""
    index: Floats
    """(1 + 64,)."""
    by_clicks: Floats | None
    own_arm: bool


def estimate_later(found: TestSums) -> list[Later]:
    """Every arm's later profit less that of the arm with the fewest texts, observed and by the index.

    Args:
        found: of `count_later`.
    """
    n, sums, products = (_by_half(each) for each in (found.n, found.sums, found.products))
    means = sums / n[..., None]
    effects = means - means[:, :, [found.control]]
    arms = np.arange(len(found.arms))
    own_arm = len(arms) == 2
    estimates = []
    for arm in arms[arms != found.control]:
        known = arms if own_arm else arms[arms != arm]
        slopes = _fit(*(each[:, :, known].sum(axis=2) for each in (n, sums, products)))
        # Each half's effects, by the slopes of the other half.
        index = np.einsum("rhv,rhv->r", slopes[:, ::-1], effects[:, :, arm, :-1]) / FOLDS
        others = known[(known != found.control) & (known != arm)]
        clicks = _by_clicks(n[:, :, others], effects[:, :, others], effects[:, :, arm]) if len(others) else None
        estimates.append(Later(int(arm), effects[:, :, arm, -1].mean(axis=1), index, clicks, own_arm))
    return estimates


def _by_clicks(n: Floats, others: Floats, own: Floats) -> Floats | None:
    """(1 + 64,): the arm's clicks, at the later profit per click of the other arms in the other half of the customers.

    Args:
        n: (1 + 64, halves, arms): members of the other arms.
        others: (1 + 64, halves, arms, V): their effects.
        own: (1 + 64, halves, V): the arm's.
    """
    at = VARIABLES.index("clicks")
    clicks, later = others[..., at], others[..., -1]
    together = (n * clicks).sum(axis=(1, 2)) / n.sum(axis=(1, 2))
    if not together[0] > _STRONG * standard_error(together):
        return None
    slope = (n * clicks * later).sum(axis=2) / (n * clicks**2).sum(axis=2)
    return np.asarray((slope[:, ::-1] * own[..., at]).mean(axis=1))


def _by_half(each: Floats) -> Floats:
    """From (arms, 64, …) to (1 + 64, halves, arms, …): sums of each half, then without each group of customers."""
    halves = np.stack([each[:, fold == FOLD_OF_GROUP].sum(axis=1) for fold in range(FOLDS)])
    found = np.repeat(halves[None], GROUPS + 1, axis=0)
    found[1 + np.arange(GROUPS), FOLD_OF_GROUP] -= np.moveaxis(each, 1, 0)
    return found


def _fit(n: Floats, sums: Floats, products: Floats) -> Floats:
    """(…, V − 1): slopes of the last variable on the others, with an intercept, from moments."""
    mean = sums / n[..., None]
    covariance = products / n[..., None, None] - mean[..., :, None] * mean[..., None, :]
    matrix = covariance[..., :-1, :-1].copy()
    diagonal = np.einsum("...ii->...i", matrix)
    scale = np.sqrt(np.maximum(diagonal, 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    matrix /= scale[..., :, None] * scale[..., None, :]
    np.einsum("...ii->...i", matrix)[...] = 1.0 + _RIDGE
    right = covariance[..., :-1, -1] / scale
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0] / scale)


# --- the plan's model ------------------------------------------------------------------------------------------------


def _predict(chosen: Candidate, design: Design, sums: TestSums, arm: int) -> Floats | None:
    """(1 + 64, L): later profit per customer and week of an arm less that of the control, by rate of loss."""
    values = [_predict_dose(chosen, design, sums, dose) for dose in (sums.doses[arm], sums.doses[sums.control])]
    return None if values[0] is None or values[1] is None else values[0] - values[1]


def _predict_dose(chosen: Candidate, design: Design, sums: TestSums, dose: float) -> Floats | None:
    at = np.flatnonzero(np.isclose(design.doses, dose))
    own = [number for number, (test, _arm) in enumerate(chosen.cells.arms) if test == sums.test]
    if not len(at):
        return None
    response, d = chosen.response, int(at[0])
    members = chosen.cells.people[..., own].sum(axis=2)
    members = np.concatenate([members.sum(axis=0)[None], members.sum(axis=0) - members])
    rows = members / members.sum(axis=1, keepdims=True) @ chosen.cells.grouping.membership
    earned = dose * response.clicks[..., d] * response.click_profit
    stays = (1 - response.natural_opt_outs[:, None]) * (1 - np.clip(response.opt_outs[..., d], 0.0, 1.0))
    return np.einsum("rk,rkl->rl", earned * rows, _mean_share(stays, design.economics, sums.horizon_weeks, sums.weeks))


def _mean_share(stays: Floats, economics: Economics, start: int, end: int) -> Floats:
    """(…, L): mean over the weeks start … end − 1 of the share that is left, by rate of loss."""
    each = stays[..., None] * (1 - economics.loss_rates)
    return np.asarray(np.mean([each**week for week in range(start, end)], axis=0))


def last_modelled_week(effects: Sequence[LaterEffect]) -> int:
    """The last week of the effects that the plan's model predicts."""
    return max(each.last_week for each in effects if each.model is not None)
