"""Whether to send at another hour or on another weekday: the decisions of `03_timing`, typed and without words.

The money per week of the answer box and the index is clicks gained per text (`best_hours`) × value of a click
(`click_value`) × texts per week (`_per_week`). `gains_table` shows the same money as what today's hours lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from smsroi_helpers.contract import Design, Evidence, evidence_of_model
from smsroi_helpers.experiments import price_clicks
from smsroi_helpers.measures import RULES
from smsroi_helpers.statistics import ALPHA, LEAST_COVERED, MOST_TIMES, error_of_interval, times_to_settle
from smsroi_helpers.timing.best_hours import Answer, Timing, practice_of
from smsroi_helpers.timing.best_weekdays import WeekdayAnswer
from smsroi_helpers.timing.response import ALL, HourResponse, smoothness_p

__all__ = [
    "CASH_WEEKS",
    "HourDecision",
    "HourReason",
    "HourWarning",
    "HoursFound",
    "WeekdayDecision",
    "WeekdayReason",
    "cash_of",
    "count_texted",
    "decide",
    "decide_weekdays",
    "forbidden_today",
    "gain_per_week",
    "gains_by_place",
    "mark_followers",
    "place_rows",
    "regret_per_week",
    "responses_per_week",
    "share_of_texts",
]

HourReason = Literal[
    "better_hour", "not_allowed", "no_gain_possible", "observational", "no_price_shown", "undecided", "not_covered",
    "not_compared", "nothing_to_compare",
]  # fmt: skip
"""Why this is decided: a better hour is shown; texts of today go out at hours that are not allowed; no hour can have a
worthwhile gain; only observational data; more clicks are shown but not more profit; the interval is undecided; the
test had too few members like today's customers; today's texts are in no window that was tried and is allowed; too few
responses, or all at one hour."""
HoursFound = Literal["no_difference", "all_alike", "best_set"]
"""Result for the hours tested: not shown to differ; none distinguishable from another; some are better."""
HourWarning = Literal["unpriced", "untried_hours", "forbidden_hours", "days_off", "rough_curve", "observational"]
"""Caveats: clicks have no known value; today's texts go out at hours that were not tested, or that are not allowed;
some places allow no texts on public holidays; the counts depart from the smooth curve; the hours were not randomised.
"""

_ROUGH = 0.01
"""Below this p-value the counts are taken to depart from the smooth curve."""
_UNTRIED_SHARE, _FORBIDDEN_SHARE = 0.01, 0.001
"""Shares (0–1) of today's texts from which a warning is reported."""
_FEWEST_SHOWN = 10
"""Segments of fewer customers are left out of the saved table."""
PLACE_COLUMNS = (
    "segment", "rules", "share", "hour", "until", "weekdays", "messages_per_week", "clicks", "clicks_low",
    "clicks_high", "evidence", "money", "money_low", "money_high", "money_evidence",
)  # fmt: skip
CASH_WEEKS = 12
"""The coming weeks whose cash is counted."""
Interval = tuple[float, float, float]
_MATERIAL = 0.01
"""Share (0–1) of today's texts at hours that are not allowed from which the advice is to move them."""


@dataclass(frozen=True)
class HourDecision:
    """The decision on one segment's hours, and the numbers behind it; NaN where a number is not known."""

    segment: str
    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: HourReason
    evidence: Evidence
    """Of `value`: a curve over the hours of a test, times a price, is `modelled`. `descriptive` where today's texts at
    hours that are not allowed are the finding."""
    customers: int
    """Whose outcomes are the evidence."""
    tested: HourReason = "nothing_to_compare"
    """What the comparison of hours says; `reason` is another where texts of today are at hours that are not allowed."""
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
    """Times as many texts that give a decision with 80 % power if the estimate is true; infinite above `MOST_TIMES`."""
    warnings: tuple[HourWarning, ...] = ()
    """Only for all customers."""
    texted: int = 0
    """Customers who were sent today's messages: those the value is for."""
    cash: Interval | None = None
    """Profit of the same change in the coming `cash_weeks`, at today's number of texts; None without a price."""
    cash_weeks: int = CASH_WEEKS
    running: bool = False
    """Whether the test of hours still runs."""
    follows_all: bool = False
    """Whether this segment alone is undecided and follows all customers together, for whom a better hour is shown: it
    has fewer texts than they have, so its own interval is wider."""


def share_of_texts(kept: Sequence[HourDecision], whole: HourDecision) -> float:
    """Share (0–1) of the texts that the amount for all customers is for, of some segments; NaN where not known."""
    texts = whole.answer.messages_per_week if whole.answer is not None else 0.0
    theirs = sum(one.answer.messages_per_week for one in kept if one.answer is not None)
    return theirs / texts if texts > 0 else float("nan")


def decide(timing: Timing, answers: Sequence[Answer], cash_weeks: int = CASH_WEEKS) -> list[HourDecision]:
    """Decide for all customers, then for each segment.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
        cash_weeks: the coming weeks whose cash is counted.
    """
    if not answers:
        texted = count_texted(timing, ALL)
        if forbidden_today(timing) >= _MATERIAL:  # which needs no responses
            return [HourDecision(ALL, "do", "not_allowed", "descriptive", texted, texted=texted)]
        return [HourDecision(ALL, "not_enough_evidence", "nothing_to_compare", "none", texted, texted=texted)]
    return mark_followers([_decide_segment(timing, answer, cash_weeks) for answer in answers])


def forbidden_today(timing: Timing) -> float:
    """Share (0–1) of today's texts at hours that are not allowed where they arrive.

    0 without texts, and where the rule is not known for most of them (as `todays_hours.rule_unknown` says).
    """
    if not len(timing.practice) or not timing.practice["messages"].sum() > 0:
        return 0.0
    every_hour = pd.DataFrame({"hour": range(24), "until": range(1, 25)})
    found = practice_of(timing, ALL, every_hour)
    known = [" " not in rules and rules != "careful" for rules in found.rules]
    return float(found.forbidden) if found.messages[known].sum() > found.messages.sum() / 2 else 0.0


def mark_followers(found: Sequence[HourDecision]) -> list[HourDecision]:
    """The decisions, with `follows_all` set.

    Args:
        found: that for all customers first.
    """
    if found[0].segment != ALL or found[0].reason != "better_hour":
        return list(found)
    return [replace(one, follows_all=one.segment != ALL and one.reason == "undecided") for one in found]


def _decide_segment(timing: Timing, answer: Answer, cash_weeks: int) -> HourDecision:
    gain = answer.gain()
    known = bool(np.isfinite(gain).all())
    value, low, high = _per_week(timing, answer, gain)
    tested = _tested(timing, answer, known, low)
    forbidden = answer.forbidden_share >= _MATERIAL and tested != "better_hour"
    reason: HourReason = "not_allowed" if forbidden else tested
    shown = known and not forbidden  # what is not allowed is a finding about today's texts, with no money of its own
    amounts: dict[str, Any] = {"value": value, "low": low, "high": high} if shown else {}
    return HourDecision(
        segment=answer.segment,
        outcome="do"
        if reason in ("better_hour", "not_allowed")
        else "dont"
        if reason == "no_gain_possible"
        else "not_enough_evidence",
        reason=reason,
        evidence="descriptive" if reason == "not_allowed" else evidence_of_model(answer.evidence),
        customers=answer.customers,
        tested=tested,
        **amounts,
        unit=("money_per_week" if timing.priced else "count") if shown else "",
        answer=answer,
        hours=_hours_found(answer, known),
        times=_times_to_settle(answer) if tested == "undecided" else float("nan"),
        warnings=_warnings(timing, answer) if answer.segment == ALL else (),
        texted=count_texted(timing, answer.segment),
        cash=cash_of(timing, (value, low, high), cash_weeks) if shown else None,
        cash_weeks=cash_weeks,
        running=bool(timing.tests) and timing.randomised is not None and timing.tests[0].experiment.state == "running",
    )


def cash_of(timing: Timing, per_week: Interval, weeks: int) -> Interval | None:
    """The profit of the coming weeks at so much a week, undiscounted; None where clicks have no price."""
    return (per_week[0] * weeks, per_week[1] * weeks, per_week[2] * weeks) if timing.priced else None


def count_texted(timing: Timing, segment: str) -> int:
    """Customers of a segment (or all) who were sent today's messages: those whom another hour concerns."""
    rows = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    return int(rows["customers"].sum())


def _tested(timing: Timing, answer: Answer, known: bool, low: float) -> HourReason:
    """What the comparison of hours says, whatever is allowed; `low` is the gain's lower limit, in money if priced."""
    if answer.evidence == "randomised" and not known:
        return "not_compared"
    if answer.evidence == "randomised" and not _covered(timing.randomised, answer):
        return "not_covered"
    found = answer.outcome if known else "open"
    if found == "move" and answer.evidence == "randomised":
        return "better_hour" if not timing.priced or low > 0 else "no_price_shown"
    if found == "flat" and _no_gain_in_money(timing, answer.regret(), answer.smallest_gain):
        return "no_gain_possible"
    return "observational" if answer.evidence == "observational" else "undecided"


def _covered(test: HourResponse | None, answer: Answer | WeekdayAnswer) -> bool:
    """Whether the test has members like most of today's customers of a segment; true where there is no test."""
    return test is None or test.overlap(answer.segment) >= LEAST_COVERED


def _no_gain_in_money(timing: Timing, clicks: tuple[float, float, float], smallest: float) -> bool:
    """Whether clicks below the smallest gain are below it in money too, whatever a click is worth within its interval.

    Args:
        timing: of `study.analyse`.
        clicks: those that might be gained per message, with limits.
        smallest: the smallest worthwhile gain, in clicks per message at the estimated value of a click.
    """
    return not timing.priced or price_clicks(clicks, timing.click)[2] <= smallest * timing.click.estimate


def _hours_found(answer: Answer, known: bool) -> HoursFound:
    if not (known and answer.outcome == "move") and answer.hours_differ_p >= ALPHA:
        return "no_difference"
    return "all_alike" if answer.chosen.all() else "best_set"


def _per_week(
    timing: Timing, answer: Answer | WeekdayAnswer, clicks: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Convert clicks per message to money a week where a click has a value, else to clicks a week."""
    each = price_clicks(clicks, timing.click) if timing.priced else clicks
    value, low, high = (x * answer.messages_per_week for x in each)
    return value, low, high


def gain_per_week(timing: Timing, answer: Answer) -> tuple[float, float, float]:
    """Money a week that the advised window gains over today's hours, with limits; NaN without a click value."""
    return _per_week(timing, answer, answer.gain()) if timing.priced else (float("nan"),) * 3


def responses_per_week(answer: Answer) -> tuple[float, float, float]:
    """Responses a week that the advised window gains over today's hours, with limits."""
    value, low, high = (gain * answer.messages_per_week for gain in answer.gain())
    return value, low, high


def regret_per_week(timing: Timing, answer: Answer) -> tuple[float, float, float]:
    """Money a week lost by today's hours compared with the best window, with limits; NaN without a click value."""
    if not timing.priced:
        return float("nan"), float("nan"), float("nan")
    return _per_week(timing, answer, answer.regret())


def gains_by_place(timing: Timing, answer: Answer) -> pd.DataFrame:
    """Messages, and the gain of the advised window in clicks and in money, by place; they add up to the segment's.

    Args:
        timing: of `study.analyse`.
        answer: one segment's.

    Returns:
        segment, rules, share (of today's sends), hour, until, weekdays (those on which the window is allowed there);
        messages_per_week (those that the gain is about); clicks, clicks_low, clicks_high, evidence; money, money_low,
        money_high, money_evidence (`modelled`: clicks × the value of a click; `none` without one). All are per week.
        Limits have the width, in standard errors, of the segment's own.
    """
    rows = []
    for place in answer.places.itertuples():
        clicks = (float(place.gain), float(place.gain_low), float(place.gain_high))
        money = _per_week(timing, answer, clicks) if timing.priced else (float("nan"),) * 3
        rows.append({
            "segment": answer.segment, "rules": place.rules, "share": place.share, "hour": place.hour,
            "until": place.until, "weekdays": place.weekdays,
            "messages_per_week": place.counted * answer.messages_per_week,
            "clicks": clicks[0] * answer.messages_per_week, "clicks_low": clicks[1] * answer.messages_per_week,
            "clicks_high": clicks[2] * answer.messages_per_week, "evidence": evidence_of_model(answer.evidence),
            "money": money[0], "money_low": money[1], "money_high": money[2],
            "money_evidence": _evidence_of_money(timing, answer.evidence),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(PLACE_COLUMNS))


def place_rows(timing: Timing, answers: Sequence[Answer]) -> pd.DataFrame:
    """The table `timing_places`: `gains_by_place` of every segment of at least 10 customers.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
    """
    parts = [gains_by_place(timing, answer) for answer in answers if answer.customers >= _FEWEST_SHOWN]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(PLACE_COLUMNS))


def _evidence_of_money(timing: Timing, evidence: Design) -> Evidence:
    """Clicks of a test × the value of a click are modelled; the money of observational clicks stays observational."""
    return evidence_of_model(evidence) if timing.priced else "none"


def _times_to_settle(answer: Answer) -> float:
    """How many times as many texts would put the gain's lower limit above the smallest worthwhile gain.

    With a power of 80 %, if the estimate is true. Infinite above `MOST_TIMES`, and where the estimate is not above the
    smallest worthwhile gain.
    """
    gain, low, _high = answer.gain()
    gap = gain - answer.smallest_gain
    if not gap > 0:
        return float("inf")
    times = times_to_settle(error_of_interval(low, 2 * gain - low), gap)
    # Holm's correction over the segments needs a little more than the interval alone.
    times = times if answer.adjusted_p < ALPHA else max(times, 1.2) * 1.3
    return times if times <= MOST_TIMES else float("inf")


def _warnings(timing: Timing, answer: Answer) -> tuple[HourWarning, ...]:
    found: list[HourWarning] = []
    if not timing.priced:
        found.append("unpriced")
    if answer.untried_share >= _UNTRIED_SHARE:
        found.append("untried_hours")
    if answer.forbidden_share >= _FORBIDDEN_SHARE:
        found.append("forbidden_hours")
    if any(not RULES[name].holidays for rules in answer.places["rules"] for name in rules.split()):
        found.append("days_off")
    if timing.randomised is not None and smoothness_p(timing.randomised) < _ROUGH:
        found.append("rough_curve")
    if answer.evidence == "observational":
        found.append("observational")
    return tuple(found)


# --- weekdays --------------------------------------------------------------------------------------------------------


WeekdayReason = Literal["better_weekday", "no_gain_possible", "observational", "undecided", "nothing_to_compare"]
"""Why this is decided: a better weekday is shown by randomisation; no weekday can have a worthwhile gain; a weekday is
better in observational data only; the interval is undecided; campaigns do not go out on several weekdays."""


@dataclass(frozen=True)
class WeekdayDecision:
    """The decision on the weekdays of all customers, and the numbers behind it; NaN where a number is not known."""

    outcome: Literal["do", "dont", "not_enough_evidence"]
    reason: WeekdayReason
    evidence: Evidence
    customers: int
    value: float = float("nan")
    """The gain of the most likely best weekday compared with today's, with its 95 % interval, in `unit`."""
    low: float = float("nan")
    high: float = float("nan")
    unit: Literal["money_per_week", "count", ""] = ""
    answer: WeekdayAnswer | None = None
    texted: int = 0
    """As for hours."""
    cash: Interval | None = None
    """As for hours."""
    cash_weeks: int = CASH_WEEKS


def decide_weekdays(timing: Timing, answers: Sequence[WeekdayAnswer], cash_weeks: int = CASH_WEEKS) -> WeekdayDecision:
    """Decide on the weekdays of all customers; only randomised weekdays are ever recommended.

    Args:
        timing: of `study.analyse`.
        answers: of `best_weekdays.find_best_weekdays`.
        cash_weeks: the coming weeks whose cash is counted.
    """
    if not answers:
        texted = count_texted(timing, ALL)
        return WeekdayDecision("not_enough_evidence", "nothing_to_compare", "none", texted, texted=texted)
    answer = answers[0]
    gain = answer.gain()
    known = bool(np.isfinite(gain).all())
    value, low, high = _per_week(timing, answer, gain)
    reason = _weekday_reason(timing, answer, known, low)
    return WeekdayDecision(
        outcome="do"
        if reason == "better_weekday"
        else "dont"
        if reason == "no_gain_possible"
        else "not_enough_evidence",
        reason=reason,
        evidence=evidence_of_model(answer.evidence),
        customers=answer.customers,
        **({"value": value, "low": low, "high": high} if known else {}),
        unit=("money_per_week" if timing.priced else "count") if known else "",
        answer=answer,
        texted=count_texted(timing, ALL),
        cash=cash_of(timing, (value, low, high), cash_weeks) if known else None,
        cash_weeks=cash_weeks,
    )


def _weekday_reason(timing: Timing, answer: WeekdayAnswer, known: bool, low: float) -> WeekdayReason:
    found = answer.outcome if known and _covered(timing.assigned_weekdays, answer) else "open"
    if found == "flat" and _no_gain_in_money(timing, (0.0, 0.0, answer.most), answer.smallest_gain):
        return "no_gain_possible"
    if found in ("flat", "open"):
        return "undecided"
    if answer.evidence != "randomised":
        return "observational"
    return "better_weekday" if not timing.priced or low > 0 else "undecided"
