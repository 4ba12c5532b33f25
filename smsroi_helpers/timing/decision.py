"""Whether to send at another hour: the decisions of `03_timing`, typed and without words.

The money per week of the answer box and the index is clicks gained per text (`best_hours`) × value of a click
(`click_value`) × texts per week (`_per_week`). `gains_table` shows the same money as what today's hours lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smsroi_helpers.experiments import price_clicks
from smsroi_helpers.statistics import ALPHA, MOST_TIMES
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.response import ALL, smoothness_p

__all__ = [
    "HourDecision",
    "HourReason",
    "HourWarning",
    "HoursFound",
    "count_texted",
    "decide",
    "regret_per_week",
]

HourReason = Literal[
    "better_hour", "not_allowed", "no_gain_possible", "observational", "no_price_shown", "undecided",
    "nothing_to_compare",
]  # fmt: skip
"""Why this is decided: a better hour is shown; most of today's texts go out at hours that are not allowed; no hour can
have a worthwhile gain; only observational data; more clicks are shown but not more profit; the interval is undecided;
too few responses, or all at one hour."""
HoursFound = Literal["no_difference", "all_alike", "best_set"]
"""Result for the hours tested: not shown to differ; none distinguishable from another; some are better."""
HourWarning = Literal["unpriced", "untried_hours", "forbidden_hours", "rough_curve", "observational"]
"""Caveats: clicks have no known value; today's texts go out at hours that were not tested, or that are not allowed; the
counts depart from the smooth curve; the hours were not randomised."""

_ROUGH = 0.01
"""Below this p-value the counts are taken to depart from the smooth curve."""
_UNTRIED_SHARE, _FORBIDDEN_SHARE = 0.01, 0.001
"""Shares (0–1) of today's texts from which a warning is reported."""
_MOSTLY = 0.5
"""Share (0–1) of today's texts at hours that are not allowed from which that is the finding."""


@dataclass(frozen=True)
class HourDecision:
    """The decision on one segment's hours, and the numbers behind it; NaN where a number is not known."""

    segment: str
    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: HourReason
    evidence: Literal["randomised", "observational", "none"]
    customers: int
    """Whose outcomes are the evidence."""
    value: float = float("nan")
    """The gain of the most likely best window compared with today's hours, with its 95 % interval, in `unit`."""
    low: float = float("nan")
    high: float = float("nan")
    unit: Literal["money_per_week", "count", ""] = ""
    """`count`: responses a week."""
    answer: Answer | None = None
    """The estimates; None where hours cannot be compared."""
    hours: HoursFound = "no_difference"
    times: float = float("nan")
    """Times as many texts that would give a decision if the estimate stays as it is; infinite above `MOST_TIMES`."""
    warnings: tuple[HourWarning, ...] = ()
    """Only for all customers."""
    texted: int = 0
    """Customers who were sent today's messages: those the value is for."""


def decide(timing: Timing, answers: Sequence[Answer]) -> list[HourDecision]:
    """Decide for all customers, then for each segment.

    Args:
        timing: of `best_hours.analyse`.
        answers: of `best_hours.find_best_hours`.
    """
    if not answers:
        customers = int(timing.volume["customers"].sum())
        return [HourDecision(ALL, "not_enough_evidence", "nothing_to_compare", "none", customers)]
    return [_decide_segment(timing, answer) for answer in answers]


def _decide_segment(timing: Timing, answer: Answer) -> HourDecision:
    gain = answer.gain()
    known = bool(np.isfinite(gain).all())
    value, low, high = _per_week(timing, answer, gain)
    reason = _reason(timing, answer, known, low)
    known = known and reason != "not_allowed"  # a finding about today's texts, with no money of its own
    return HourDecision(
        segment=answer.segment,
        outcome="do"
        if reason in ("better_hour", "not_allowed")
        else "dont"
        if reason == "no_gain_possible"
        else "not_enough_evidence",
        reason=reason,
        evidence="none" if reason == "not_allowed" else answer.evidence,
        customers=answer.customers,
        **({"value": value, "low": low, "high": high} if known else {}),
        unit=("money_per_week" if timing.priced else "count") if known else "",
        answer=answer,
        hours=_hours_found(answer, known),
        times=_times_to_settle(answer) if reason == "undecided" else float("nan"),
        warnings=_warnings(timing, answer) if answer.segment == ALL else (),
        texted=count_texted(timing, answer.segment),
    )


def count_texted(timing: Timing, segment: str) -> int:
    """Customers of a segment (or all) who were sent today's messages: those whom another hour concerns."""
    rows = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    return int(rows["customers"].sum())


def _reason(timing: Timing, answer: Answer, known: bool, low: float) -> HourReason:
    found = answer.outcome if known else "open"
    if answer.forbidden_share > _MOSTLY and not (found == "move" and answer.evidence == "randomised"):
        return "not_allowed"
    if found == "move" and answer.evidence == "randomised":
        return "better_hour" if not timing.priced or low > 0 else "no_price_shown"
    if found == "flat":
        return "no_gain_possible"
    return "observational" if answer.evidence == "observational" else "undecided"


def _hours_found(answer: Answer, known: bool) -> HoursFound:
    if not (known and answer.outcome == "move") and answer.hours_differ_p >= ALPHA:
        return "no_difference"
    return "all_alike" if answer.chosen.all() else "best_set"


def _per_week(timing: Timing, answer: Answer, clicks: tuple[float, float, float]) -> tuple[float, float, float]:
    """Convert clicks per message to money a week where a click has a value, else to clicks a week."""
    each = price_clicks(clicks, timing.click) if timing.priced else clicks
    value, low, high = (x * answer.messages_per_week for x in each)
    return value, low, high


def regret_per_week(timing: Timing, answer: Answer) -> tuple[float, float, float]:
    """Money a week lost by today's hours compared with the best window, with limits; NaN without a click value."""
    if not timing.priced:
        return float("nan"), float("nan"), float("nan")
    return _per_week(timing, answer, answer.regret())


def _times_to_settle(answer: Answer) -> float:
    """How many times as many texts would put the gain's lower limit above the smallest worthwhile gain.

    Assumes that the estimate stays as it is. Infinite above `MOST_TIMES`, and where the estimate is not above the
    smallest worthwhile gain.
    """
    gain, low, _high = answer.gain()
    half_width, gap = gain - low, gain - answer.smallest_gain
    if not gap > 0:
        return float("inf")
    times = (half_width / gap) ** 2
    # Holm's correction over the segments needs a little more than the interval alone.
    times = max(times, 1.0) if answer.adjusted_p < ALPHA else max(times, 1.2) * 1.3
    return times if times <= MOST_TIMES else float("inf")


def _warnings(timing: Timing, answer: Answer) -> tuple[HourWarning, ...]:
    found: list[HourWarning] = []
    if not timing.priced:
        found.append("unpriced")
    if answer.untried_share >= _UNTRIED_SHARE:
        found.append("untried_hours")
    if answer.forbidden_share >= _FORBIDDEN_SHARE:
        found.append("forbidden_hours")
    if timing.randomised is not None and smoothness_p(timing.randomised) < _ROUGH:
        found.append("rough_curve")
    if answer.evidence == "observational":
        found.append("observational")
    return tuple(found)
