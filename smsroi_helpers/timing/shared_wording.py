"""Sentences of `03_timing` that several answers share: what a number counts, and today's texts at forbidden hours."""

from collections.abc import Sequence
from dataclasses import replace

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, enumerated, joined, number, percent
from smsroi_helpers.pages import segment_name
from smsroi_helpers.statistics import ALPHA
from smsroi_helpers.timing.best_hours import Answer
from smsroi_helpers.timing.decision import HourDecision, share_of_texts
from smsroi_helpers.timing.todays_hours import rule_unknown

__all__ = ["count_heading", "forbidden_sentence", "number_words", "rate_heading", "reconcile"]


def number_words(unit: str, outcome: str) -> str:
    """What a number that is not money is: responses of all texts in a week, compared with today; empty for money.

    Args:
        unit: of the decision.
        outcome: what is counted, of `Sends.outcome`: `click` or `order`.
    """
    if unit != "count":
        return ""
    if outcome == "click":
        return _("clicks a week from all texts together, compared with today")
    return _("orders a week from all texts together, compared with today")


def count_heading(outcome: str) -> str:
    """The heading of a column of counts of an outcome, of `Sends.outcome`."""
    return _("Clicks") if outcome == "click" else _("Orders")


def rate_heading(outcome: str, *, weekday: bool = False) -> str:
    """The heading of a column of the outcome’s rates, at the hour or on the weekday that the row names."""
    if weekday:
        return _("Click rate on that day") if outcome == "click" else _("Order rate on that day")
    return _("Click rate at that hour") if outcome == "click" else _("Order rate at that hour")


def forbidden_sentence(answer: Answer) -> str:
    """The share of today's texts at hours that are not allowed, or may not be where the rule is not known."""
    share = percent(answer.forbidden_share, 1)
    if not rule_unknown(answer):
        return _("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(share=share)
    return _(
        "{share} of today’s texts go out at hours that may not be legal. The source does not say where these customers"
        " live, so the strictest hours are assumed. If they live in one country or state, set `jurisdiction` in"
        " source.yml, such as CN or US-TX; else give each customer’s time zone and region."
    ).format(share=share)


def reconcile(found: Sequence[HourDecision], words: Sequence[Decision]) -> list[Decision]:
    """The decisions in words, where a better hour is shown for all customers together and not for each segment alone.

    Args:
        found: the decisions; that for all customers first.
        words: the same decisions in words.
    """
    following = len([one for one in found if one.follows_all])
    if not following:
        return list(words)
    said = [
        replace(one, action=_following_action(own)) if own.follows_all else one
        for one, own in zip(words, found, strict=True)
    ]
    own = found[1:]
    undecided = len([one for one in own if one.outcome != "do"])
    why = _(
        "All customers together decide this; {n} of the {segments} segments alone do not. In {following} of them,"
        " the segment’s own texts neither show nor rule out a worthwhile gain; they follow the answer for all."
    )
    if undecided == len(own):
        why = _(
            "All customers together decide this; no segment alone does. In {following} of the {segments}, the segment’s"
            " own texts neither show nor rule out a worthwhile gain; they follow the answer for all."
        )
    why = why.format(n=number(undecided), segments=number(len(own)), following=number(following))
    return [replace(said[0], text=joined(said[0].text, why, _kept_sentence(found[0], own))), *said[1:]]


def _following_action(one: HourDecision) -> str:
    """What a segment does that follows all customers, and why its own interval does not decide."""
    if not one.low > 0 or one.answer is None:
        return _("Follow the answer for all customers: this segment alone does not decide yet")
    if one.answer.adjusted_p >= ALPHA:
        return _(
            "Follow the answer for all customers: this segment’s own gain is not shown once several segments are"
            " allowed for"
        )
    return _(
        "Follow the answer for all customers: this segment’s own gain is shown, but may be too small to be worth a"
        " change"
    )


def _kept_sentence(whole: HourDecision, own: Sequence[HourDecision]) -> str:
    """The segments that keep today's hours, and their share of the texts that the amount for all customers is for."""
    kept = [one for one in own if one.outcome != "do" and not one.follows_all]
    if not kept:
        return ""
    names = enumerated(_("“{segment}”").format(segment=segment_name(one.segment)) for one in kept)
    if whole.answer is None or not whole.answer.messages_per_week > 0:
        return _("Today’s hours stay for {segments}.").format(segments=names)
    return _(
        "Today’s hours stay for {segments}, as their rows say. The amount is for all texts, {share} of which are"
        " theirs."
    ).format(segments=names, share=percent(share_of_texts(kept, whole)))
