"""What another text would be worth in place of those that the plan chose: the price of a wrong choice.

Each text in turn replaces the plan's own for everybody, with hours, weekdays and frequencies as planned. Its policies,
learned from either half of the customers, are valued by the other half, so that the plan's own text has no advantage
from having been chosen for looking good. Limits hold for all texts at once (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from smsroi_helpers.send_plan.policy import Policy
from smsroi_helpers.send_plan.valuation import Candidate, Estimate, revalue
from smsroi_helpers.statistics import ALPHA, GROUPS, t_quantile

__all__ = ["OtherText", "TextChoice", "compare_texts"]


@dataclass(frozen=True)
class OtherText:
    """A text sent to everybody instead."""

    text: str
    gain: Estimate
    """Its long-run value less that of the plan's texts: money per customer, with limits for all texts at once."""


@dataclass(frozen=True)
class TextChoice:
    """The plan's choice of texts against every other one."""

    chosen: tuple[str, ...]
    """The texts of the plan, in no order."""
    others: tuple[OtherText, ...]
    """Those not chosen for everybody, the highest upper limit first."""

    @property
    def as_good(self) -> tuple[OtherText, ...]:
        """Texts that may be worth as much or more."""
        return tuple(each for each in self.others if each.gain.high > 0)

    @property
    def most_lost(self) -> float:
        """What the choice costs per customer at most, in the long run (money); 0 where no other text may be better."""
        return max((each.gain.high for each in self.as_good), default=0.0)


def compare_texts(chosen: Candidate, doses: Sequence[float], texts: Sequence[str]) -> TextChoice | None:
    """The plan with every other text; None where it sends none, or there is no other.

    Args:
        chosen: the plan.
        doses: texts a week by the number of an action's dose.
        texts: all that were tried.
    """
    own = {action.text for _part, action, share in chosen.policy.parts() if share > 0 and doses[action.dose] > 0}
    if not own or len(texts) < 2:
        return None
    others = [number for number in range(len(texts)) if own != {number}]
    wider = float(t_quantile(1 - ALPHA / len(others), GROUPS - 1) / t_quantile(1 - ALPHA, GROUPS - 1))
    base = revalue(chosen, chosen.economics, chosen.learned, chosen.policy).long_run
    found = []
    for number in others:
        other = revalue(
            chosen, chosen.economics, [_with_text(each, number) for each in chosen.learned],
            _with_text(chosen.policy, number),
        )  # fmt: skip
        gain = chosen.estimate(other.long_run - base)
        down, up = wider * (gain.value - gain.low), wider * (gain.high - gain.value)
        found.append(OtherText(texts[number], Estimate(gain.value, gain.value - down, gain.value + up)))
    found.sort(key=lambda each: -each.gain.high)
    return TextChoice(tuple(texts[number] for number in sorted(own)), tuple(found))


def _with_text(policy: Policy, text: int) -> Policy:
    """The same frequencies, hours and weekdays with one text."""
    actions = {cell: replace(action, text=text) for cell, action in policy.actions.items()}
    split = policy.split and replace(policy.split, action=replace(policy.split.action, text=text))
    return Policy(actions, split)
