"""At which hours today's texts go out, and whether the rule that forbids some of them is known."""

import numpy as np
import pandas as pd

from smsroi_helpers.timing.best_hours import Answer

__all__ = ["rule_unknown", "todays_hours"]

_MOSTLY = 0.5
"""Share (0–1) of today's texts from which the unknown rule is what there is to say."""
_USUAL = 0.8
"""Share (0–1) of today's texts that go out at what are called today's hours."""
_LONGEST = 4
"""More hours than these are not named: today's texts are spread over the day."""


def rule_unknown(answer: Answer) -> bool:
    """Whether for most of today's texts it is not known which rule applies: none is known, or one of several may."""
    rules = answer.places["rules"].astype(str)
    unknown = rules.str.contains(" ") | (rules == "careful")
    return bool(answer.places.loc[unknown, "share"].sum() > _MOSTLY)


def todays_hours(practice: pd.DataFrame) -> tuple[int, int, float] | None:
    """The fewest hours in a row with most of today's texts, and their share (0–1); None where texts are spread more.

    Args:
        practice: of `counts.count_practice`.

    >>> todays_hours(pd.DataFrame({"hour": [9, 18, 18, 19], "messages": [2, 4, 4, 3]}))
    (18, 20, 0.8461538461538461)
    """
    sent = np.bincount(practice["hour"].astype(int), practice["messages"], minlength=24)
    if not sent.sum() > 0:
        return None
    for many in range(1, _LONGEST + 1):
        share = np.convolve(sent, np.ones(many), "valid") / sent.sum()
        if share.max() >= _USUAL:
            first = int(share.argmax())
            return first, first + many, float(share[first])
    return None
