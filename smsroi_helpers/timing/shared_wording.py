"""Sentences of `03_timing` that several answers share: what a number counts, and today's texts at forbidden hours."""

from smsroi_helpers.locale import _, percent
from smsroi_helpers.timing.best_hours import Answer

__all__ = ["forbidden_sentence", "number_words", "rule_unknown"]

_MOSTLY = 0.5
"""Share (0–1) of today's texts from which the unknown rule is what there is to say."""


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


def rule_unknown(answer: Answer) -> bool:
    """Whether for most of today's texts it is not known which rule applies: none is known, or one of several may."""
    rules = answer.places["rules"].astype(str)
    unknown = rules.str.contains(" ") | (rules == "careful")
    return bool(answer.places.loc[unknown, "share"].sum() > _MOSTLY)


def forbidden_sentence(answer: Answer) -> str:
    """The share of today's texts at hours that are not allowed, or may not be where the rule is not known."""
    share = percent(answer.forbidden_share, 1)
    if not rule_unknown(answer):
        return _("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(share=share)
    return _(
        "{share} of today’s texts go out at hours that may not be legal. The source does not say where these customers"
        " live, so the strictest hours are assumed. Set `jurisdiction` in source.yml, or fill customers.timezone and"
        " customers.region."
    ).format(share=share)
