"""What another text or hour would be worth in place of those that the plan chose: the price of a wrong choice.

Each option in turn replaces the plan's own for everybody, with all else as planned. Its policies, learned from either
half of the customers, are valued by the other half, so that the plan's own option has no advantage from having been
chosen for looking good. Limits hold for all options at once (Bonferroni).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from smsroi_helpers.send_plan.policy import Action, Policy
from smsroi_helpers.send_plan.valuation import Candidate, Estimate, revalue
from smsroi_helpers.statistics import ALPHA, GROUPS, t_quantile

__all__ = ["OtherText", "TextChoice", "compare_texts", "open_options"]

Lever = Literal["window", "text"]
"""Part of an action."""


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
    own = {action.text for action in _sent(chosen, doses)}
    if not own or len(texts) < 2:
        return None
    gains = _gains(chosen, "text", [number for number in range(len(texts)) if own != {number}])
    found = [OtherText(texts[number], gain) for number, gain in gains.items()]
    found.sort(key=lambda each: -each.gain.high)
    return TextChoice(tuple(texts[number] for number in sorted(own)), tuple(found))


def open_options(chosen: Candidate, doses: Sequence[float], lever: Lever, options: Sequence[int]) -> tuple[int, ...]:
    """Those of a lever's options that the plan uses, or that may be as good for everybody; all where it sends nothing.

    An option shown to be worth less would cost money to explore, and teach what is known.

    Args:
        chosen: the plan.
        doses: texts a week by the number of an action's dose.
        lever: which part of an action.
        options: numbers of the windows or texts to choose from.
    """
    own = {getattr(action, lever) for action in _sent(chosen, doses)}
    if not own:
        return tuple(options)
    gains = _gains(chosen, lever, [number for number in options if own != {number}])
    return tuple(number for number in options if number in own or gains[number].high > 0)


def _sent(chosen: Candidate, doses: Sequence[float]) -> list[Action]:
    """The actions of the plan that send texts."""
    return [action for _part, action, share in chosen.policy.parts() if share > 0 and doses[action.dose] > 0]


def _gains(chosen: Candidate, lever: Lever, others: Sequence[int]) -> dict[int, Estimate]:
    """What each other option of a lever would bring in place of the plan's, with limits for all of them at once."""
    if not others:
        return {}
    wider = float(t_quantile(1 - ALPHA / len(others), GROUPS - 1) / t_quantile(1 - ALPHA, GROUPS - 1))
    base = revalue(chosen, chosen.economics, chosen.learned, chosen.policy).long_run
    found = {}
    for number in others:
        learned = [_with_option(each, lever, number) for each in chosen.learned]
        other = revalue(chosen, chosen.economics, learned, _with_option(chosen.policy, lever, number))
        gain = chosen.estimate(other.long_run - base)
        down, up = wider * (gain.value - gain.low), wider * (gain.high - gain.value)
        found[number] = Estimate(gain.value, gain.value - down, gain.value + up)
    return found


def _with_option(policy: Policy, lever: Lever, number: int) -> Policy:
    """The same actions with one window, or with one text."""

    def changed(action: Action) -> Action:
        return replace(action, window=number) if lever == "window" else replace(action, text=number)

    actions = {cell: changed(action) for cell, action in policy.actions.items()}
    return Policy(actions, policy.split and replace(policy.split, action=changed(policy.split.action)))
