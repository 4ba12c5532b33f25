"""Whom to treat: targeting rules that beat random out of sample, as decisions.

A rule becomes a decision if its ranking gains more than treating as many at random: the interval of the area between
its curve and that of random targeting excludes 0 after Holm's correction over all rules, arms and tests of the source.

- `only`: treat only the first fifths. The policy is also shown to be better than treating nobody and better than
  treating everybody, each at the same corrected level. Its value is the gain over the better one of these two.
- `first`: if not everybody is treated, start with the first fifths. Treating them is shown to be better than treating
  nobody; that leaving out the others gains anything is not shown. Its value is the gain over as many at random.

There is one decision a test: the rule, and of several arms the arm, with the largest gain. Tests of hours and of texts
per week are decided by segment in `timing` and `frequency`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from smsroi_helpers.ab_test.decision import compares_with_no_texts
from smsroi_helpers.ab_test.effects import is_count, is_money
from smsroi_helpers.ab_test.gain_curve import FIFTHS, Estimate, Policy
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.ab_test.uplift import Ranking
from smsroi_helpers.experiments import Experiment
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "TargetingAnswer",
    "decide_targeting",
    "form_of",
]

_TRAITS = 3
_LEAST_APART = 0.2
"""A trait is named only if the chosen and the others differ by this many standard deviations (Cohen's small effect)."""


@dataclass(frozen=True)
class TargetingAnswer:
    """One targeting rule that beats random, with the numbers behind it."""

    experiment: Experiment
    arm: str
    rule: str
    form: Literal["only", "first"]
    fifths: int
    """How many of the five are treated (1–4), the first ones."""
    metric: str
    effects: pd.DataFrame
    """fifth, customers, effect, low, high: of `Ranking.fifths`."""
    traits: pd.DataFrame
    """Of `Ranking.traits`: what sets the first fifths most apart, at most three."""
    compared_with: Literal["everybody", "nobody", "random"]
    """What the gain is a gain over."""
    gain: tuple[float, float, float]
    """Per customer of the list and over the test's window, with an interval that allows for all rules compared."""
    compared: int
    """Rules × arms × tests that were compared."""
    listed: int
    """Customers of today's list."""
    against_no_texts: bool
    """Whether the control is not texted."""

    @property
    def customers(self) -> int:
        """Today's customers whose treatment the rule changes: those left out, or else those treated."""
        share = self.fifths if self.compared_with != "everybody" else FIFTHS - self.fifths
        return round(self.listed * share / FIFTHS)

    @property
    def share_first(self) -> float:
        """Share (0–1) of the customers who are treated, those ranked first."""
        return self.fifths / FIFTHS

    @property
    def share_last(self) -> float:
        """Share (0–1) of the others."""
        return 1 - self.share_first

    @property
    def evidence_customers(self) -> float:
        """Customers of the test."""
        return float(self.effects["customers"].sum())

    @property
    def unit(self) -> Literal["money_per_week", "money", "share", "count"]:
        """Money of all customers of today's list, a week's or of a window as long as the test's; or a share."""
        if not is_money(self.metric):
            return "count" if is_count(self.metric) else "share"
        return "money_per_week" if self.against_no_texts else "money"

    @property
    def value(self) -> tuple[float, float, float]:
        """The gain in `unit`, with its interval."""
        scale = float(self.listed) if is_money(self.metric) else 1.0
        if self.unit == "money_per_week":
            scale /= self.experiment.weeks
        value, low, high = (scale * number for number in self.gain)
        return value, low, high

    @property
    def evidence(self) -> Literal["randomised", "modelled"]:
        """`modelled`: carried from the test's customers to today's list, or computed from clicks."""
        return "modelled" if is_money(self.metric) else "randomised"


def decide_targeting(
    evaluated: Sequence[Evaluated], rankings: Sequence[Ranking], listed: int
) -> tuple[TargetingAnswer, ...]:
    """The targeting rules that beat random, at most one per experiment.

    Args:
        evaluated: of `ab_test.analyse`.
        rankings: of `ab_test.rank_responders`.
        listed: customers who can be texted today.
    """
    compared = int(sum(ranking.rules["p_value"].notna().sum() for ranking in rankings))
    found = []
    for each in evaluated:
        own = [
            answer
            for ranking in rankings
            if ranking.experiment == each.experiment.name
            for answer in _answers(each, ranking, listed, compared)
        ]
        if own:
            found.append(max(own, key=lambda answer: (answer.form == "only", answer.gain[0])))
    return tuple(found)


def _answers(each: Evaluated, ranking: Ranking, listed: int, compared: int) -> list[TargetingAnswer]:
    """The answers of one arm's rules."""
    found = []
    for row in ranking.rules.itertuples():
        if not row.better:
            continue
        policy, form = ranking.policies[row.rule], form_of(row)
        if not form:
            continue
        compared_with, gain = _baseline(form, policy, ranking.gains[row.rule])
        p, adjusted = (row.p_value, row.adjusted_p) if form == "first" else (row.p_policy, row.adjusted_p_policy)
        traits = ranking.traits[ranking.traits["rule"] == row.rule]
        traits = traits[traits["apart"].abs() >= _LEAST_APART]
        traits = traits.iloc[(-traits["apart"].abs()).argsort(kind="stable")].drop_duplicates("column")
        found.append(TargetingAnswer(
            experiment=each.experiment, arm=ranking.arm, rule=row.rule, form=form, fifths=policy.fifths,
            metric=ranking.metric, effects=ranking.fifths[ranking.fifths["rule"] == row.rule].drop(columns="rule"),
            traits=traits.head(_TRAITS), compared_with=compared_with, gain=_interval(gain, p, adjusted),
            compared=compared, listed=listed,
            against_no_texts=compares_with_no_texts(each.experiment, each.validity),
        ))  # fmt: skip
    return found


def form_of(row: object) -> Literal["only", "first", ""]:
    """The form of the decision for a row of `Ranking.rules` that beats random; empty for none."""
    if row.adjusted_p_policy < ALPHA:  # type: ignore[attr-defined]
        return "only"
    return "first" if row.adjusted_p_none < ALPHA else ""  # type: ignore[attr-defined]


def _baseline(
    form: Literal["only", "first"], policy: Policy, over_random: Estimate
) -> tuple[Literal["everybody", "nobody", "random"], Estimate]:
    """What the rule is compared with, and the gain over it; of two policies without a ranking, the better one."""
    if form == "first":
        return "random", over_random
    if policy.over_none.value < policy.over_everybody.value:
        return "nobody", policy.over_none
    return "everybody", policy.over_everybody


def _interval(gain: Estimate, p: float, adjusted_p: float) -> tuple[float, float, float]:
    """The interval at the level at which Holm tested the p-value: it excludes 0 where adjusted_p is below .05."""
    times = max(adjusted_p / p, 1.0) if p > 0 else 1.0
    return gain.interval(1 - ALPHA / times)
