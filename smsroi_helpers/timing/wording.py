"""The decisions of `03_timing` in words, and wording that its figures and tables share."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.locale import _, enumerated, joined, listed, number, percent, rounded_digits
from smsroi_helpers.measures import state_unknown
from smsroi_helpers.pages import experiment_words, p_words, practice_dates, rule_place
from smsroi_helpers.statistics import ALPHA, MOST_TIMES
from smsroi_helpers.timing import decision
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.best_weekdays import WeekdayAnswer
from smsroi_helpers.timing.decision import CASH_WEEKS, HourDecision, WeekdayDecision
from smsroi_helpers.timing.response import ALL
from smsroi_helpers.timing.shared_wording import (
    forbidden_sentence,
    number_words,
    reconcile,
)
from smsroi_helpers.timing.todays_hours import rule_unknown, todays_hours

__all__ = [
    "best_days_words",
    "clicks_words",
    "decide",
    "exclusion_words",
    "hours_words",
    "put_in_words",
    "rules_words",
    "shared_fields",
    "uncompared_words",
    "value_words",
    "weekday_name",
    "weekdays_words",
    "window_words",
]


_SMALLEST_PLACE = 0.005
"""Share (0–1) of today's texts from which places with another best window are named."""


# --- words shared with figures and tables ----------------------------------------------------------------------------


def exclusion_words(reason: str, window_hours: int) -> str:
    """A reason of `Sends.exclusions` in words."""
    return {
        "received": _("As they came"),
        "other_channel": _("Of another channel"),
        "not_delivered": _("Not delivered"),
        "too_recent": _("Sent so lately that what follows has not been seen for {hours} hours").format(
            hours=window_hours
        ),
    }[reason]


def window_words(hour: int, until: int) -> str:
    """A window of local hours: `16:00–17:00`."""
    return _("{start}–{end}").format(start=f"{int(hour)}:00", end=f"{int(until)}:00")


def weekday_name(weekday: int) -> str:
    """The name of a weekday (0 = Monday)."""
    return (
        _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"),
    )[weekday]  # fmt: skip


def weekdays_words(weekdays: Iterable[int]) -> str:
    """Weekdays in words, three or more in a row joined: `Monday to Friday`."""
    days = sorted(int(day) for day in weekdays)
    if len(days) == 7:
        return _("every day")
    if not days:
        return _("never")
    spans: list[list[int]] = []
    for day in days:
        if spans and spans[-1][-1] == day - 1:
            spans[-1].append(day)
        else:
            spans.append([day])
    words: list[str] = []
    for span in spans:
        if len(span) >= 3:
            words.append(_("{first} to {last}").format(first=weekday_name(span[0]), last=weekday_name(span[-1])))
        else:
            words += map(weekday_name, span)
    return enumerated(words)


def rules_words(rules: str) -> str:
    """Rules of `Answer.places` in words: their names, or the first and how many more; all places where none applies."""
    names = rules.split()
    if not names:
        return _("All places")
    if state_unknown(names):
        return _("US, state not known ({n} rules)").format(n=number(len(names)))
    return _(", ").join(map(rule_place, names))


def hours_words(answer: Answer) -> str:
    """The windows that are not distinguishable from the best, adjacent ones joined."""
    spans: list[list[int]] = []
    for row in answer.windows[answer.chosen].itertuples():
        if spans and spans[-1][1] == row.hour:
            spans[-1][1] = int(row.until)
        else:
            spans.append([int(row.hour), int(row.until)])
    return listed(window_words(*span) for span in spans)


def clicks_words(value: float, low: float, high: float) -> str:
    """Clicks per message as clicks per 1,000 messages, with their interval."""
    digits = max(rounded_digits(1000 * low, 1000 * high), 0)
    shown = (number(1000 * x, digits) for x in (value, low, high))
    return _("{value} (95% interval {low} to {high})").format(**dict(zip(("value", "low", "high"), shown, strict=True)))


def value_words(click: ClickValue, outcome: str) -> str:
    """Why clicks have a known value, or why not."""
    if outcome != "click":
        return _("This source records no clicks: hours are compared by orders, and no price is put on them.")
    if click.known and click.estimate <= 0:
        return _("By {test} a click brings no profit, so the answer is in clicks, not in money.").format(
            test=enumerated(map(experiment_words, click.experiments))
        )
    return {
        "": _("A click is priced by what customers randomly assigned in {test} brought."),
        "no_test": _(
            "No test whose arms differ in messages says what a click brings, so the answer is in clicks, not in money."
        ),
        "weak": _("The tests there are do not say clearly what a click brings, so the answer is in clicks."),
        "no_clicks": _("Without recorded clicks nothing says what one brings."),
        "no_orders": _(
            "This source has no orders, so what a click brings is not known, and the answer is in clicks, not in money."
        ),
    }[click.reason].format(test=enumerated(map(experiment_words, click.experiments)))


def uncompared_words(timing: Timing) -> str:
    """Why no hour can be compared with today's."""
    if timing.today is not None and not timing.today.messages:
        return _(
            "No messages went to customers outside experiments from {dates}, so today’s hours are not known."
        ).format(dates=practice_dates(timing.today))
    return _(
        "Today’s texts fall in no window that was tried and is allowed as a whole, so no hour can be compared with"
        " today’s."
    )


def best_days_words(answer: WeekdayAnswer) -> str:
    """The weekdays that are not distinguishable from the best."""
    return weekdays_words(answer.days.loc[answer.chosen, "weekday"])


# --- the decision ----------------------------------------------------------------------------------------------------


def decide(timing: Timing, answers: Sequence[Answer], cash_weeks: int = CASH_WEEKS) -> list[Decision]:
    """The decisions of `decision.decide` in words: all customers first, then each segment.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
        cash_weeks: the coming weeks whose cash is counted.
    """
    found = decision.decide(timing, answers, cash_weeks)
    return reconcile(found, [put_in_words(one, timing) for one in found])


def put_in_words(found: HourDecision, timing: Timing) -> Decision:
    """One decision in words.

    Args:
        found: of `decision.decide`.
        timing: the results it was decided from.
    """
    return Decision(
        question=_("When should a text go out?"),
        action=_action(found),
        text=_text(found, timing),
        segment=found.segment,
        next_test=_("Send one campaign at hours drawn at random for each customer, each hour within the law.")
        if found.evidence in ("observational", "none") or found.outcome == "not_enough_evidence"
        else "",
        caveat=_caveat(found, timing),
        **shared_fields(found, timing),
    )


def shared_fields(found: HourDecision | WeekdayDecision, timing: Timing) -> dict[str, Any]:
    """What hours and weekdays say alike: outcome, evidence, customers, the amount, and its cash in the coming weeks."""
    fields: dict[str, Any] = {
        "stage": "timing", "outcome": found.outcome, "evidence": found.evidence, "customers": found.texted,
        "evidence_customers": found.customers, "value": found.value, "low": found.low, "high": found.high,
        "unit": found.unit, "number_words": number_words(found.unit, timing.sends.outcome), "kind": "gain",
    }  # fmt: skip
    if found.cash is not None:
        cash, low, high = found.cash
        fields |= {"money": "cash", "cash_weeks": found.cash_weeks, "cash_evidence": found.evidence}
        fields |= {"cash": cash, "cash_low": low, "cash_high": high}
    return fields


def _best_window(answer: Answer) -> str:
    best = answer.windows.iloc[answer.best]
    return window_words(best["hour"], best["until"])


def _action(found: HourDecision) -> str:
    if found.reason == "better_hour" and found.answer is not None:
        return _("Send at {window}, the recipient’s time").format(window=_best_window(found.answer))
    if found.reason == "not_allowed":
        return _allowed_only_action(found)
    if found.reason == "undecided":
        if not np.isfinite(found.times):
            return _(
                "Keep today’s hours: a test would need more than {n} times as many texts to tell them from the best"
            ).format(n=number(MOST_TIMES))
        return (
            _("Keep today’s hours and let the test of hours run on")
            if found.running
            else _("Keep today’s hours and repeat the test of hours")
        )
    return {
        "nothing_to_compare": _("Send at several randomly assigned hours, then run this page again"),
        "not_compared": _("Include the hours at which you send in the next test of hours"),
        "not_covered": _("Keep today’s hours, and include customers like today’s in the next test of hours"),
        "no_gain_possible": _("Leave the hours as they are: take the cheapest allowed one"),
        "observational": _("Test hours on randomly assigned customers before changing any"),
        "no_price_shown": _("Keep today’s hours until a larger test of messages tells what a click brings"),
    }[found.reason]


def _allowed_only_action(found: HourDecision) -> str:
    """The advice where texts of today are at hours that are not allowed, with what the test says of the others."""
    if found.answer is not None and rule_unknown(found.answer):
        return _("Find out which legal hours apply, and send only at those")
    if found.tested == "undecided":
        if not np.isfinite(found.times):
            return _(
                "Send only at the hours that are allowed where the text arrives; no test of a bearable size would tell"
                " which is best"
            )
        return (
            _("Send only at the hours that are allowed where the text arrives, and let the test of hours run on there")
            if found.running
            else _("Send only at the hours that are allowed where the text arrives, and repeat the test of hours there")
        )
    return {
        "not_covered": _(
            "Send only at the hours that are allowed where the text arrives, and include customers like today’s in the"
            " next test of hours"
        ),
        "no_gain_possible": _(
            "Send only at the hours that are allowed where the text arrives, and take the cheapest of them"
        ),
        "observational": _(
            "Send only at the hours that are allowed where the text arrives, and test some of them on randomly"
            " assigned customers"
        ),
        "no_price_shown": _(
            "Send only at the hours that are allowed where the text arrives; learn what a click brings before you"
            " choose among them"
        ),
    }.get(found.tested, _("Send only at the hours that are allowed where the text arrives"))


def _text(found: HourDecision, timing: Timing) -> str:
    answer = found.answer
    if answer is None:
        few = _("There are too few clicks or orders, or all at one hour: hours cannot be compared.")
        forbidden = _("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(
            share=percent(decision.forbidden_today(timing), 1)
        )
        return joined(forbidden, few) if found.reason == "not_allowed" else few
    return joined(_hours_sentence(found, answer, timing), *_gain_sentences(found, answer, timing))


def _hours_sentence(found: HourDecision, answer: Answer, timing: Timing) -> str:
    """The result for the hours tested."""
    if found.hours == "no_difference":
        tried = timing.main.windows if timing.main else answer.windows
        return _("No best hour is supported: that the {n} hours tried differ at all is not shown (p = {p}).").format(
            n=number(len(tried)), p=number(answer.hours_differ_p, 2)
        )
    if found.hours == "all_alike":
        return _("No best hour is supported: of the {n} windows tried, none is distinguishable from another.").format(
            n=number(len(answer.windows))
        )
    words = _("Of the {n} windows tried, the best is among {hours}; the likeliest is {window}.").format(
        n=number(len(answer.windows)), hours=hours_words(answer), window=_best_window(answer)
    )
    return joined(words, _elsewhere_sentence(answer), _weekdays_sentence(answer))


def _elsewhere_sentence(answer: Answer) -> str:
    """The best window of the places that do not allow the most likely best one."""
    best = answer.windows.iloc[answer.best]
    others = answer.places[answer.places["hour"].notna() & (answer.places["hour"] != best["hour"])]
    others = others[others["share"] >= _SMALLEST_PLACE]
    if not len(others):
        return ""
    return _("Where it is not allowed: {windows}.").format(
        windows=listed(
            _("{window} ({rules}; {share} of texts)").format(
                window=window_words(row.hour, row.until), rules=rules_words(row.rules), share=percent(row.share, 1)
            )
            for row in others.itertuples()
        )
    )


def _weekdays_sentence(answer: Answer) -> str:
    """The places that allow their hour on some weekdays only."""
    places = answer.places[answer.places["hour"].notna() & (answer.places["share"] >= _SMALLEST_PLACE)]
    some = [(row, row.weekdays.split()) for row in places.itertuples()]
    parts = [
        _("{days} ({rules}; {share} of texts)").format(
            days=weekdays_words(int(day) for day in days), rules=rules_words(row.rules), share=percent(row.share, 1)
        )
        for row, days in some
        if len(days) < 7
    ]
    return _("These hours are allowed only on: {days}.").format(days=listed(parts)) if parts else ""


def _gain_sentences(found: HourDecision, answer: Answer, timing: Timing) -> tuple[str, ...]:
    """The gain of another hour compared with today's, and how much more data a decision needs."""
    compared = bool(np.isfinite(answer.gain()).all())
    forbidden = forbidden_sentence(answer) if found.reason == "not_allowed" else ""
    others = _("What follows compares the others.") if forbidden and compared else ""
    said = _compared_sentences(found, answer, timing) if compared else (uncompared_words(timing),)
    usual = todays_hours(timing.practice) if answer.segment == ALL else None
    now = ""
    if usual:
        now = _("{share} of today’s texts go out at {window}.").format(
            share=percent(usual[2], 0), window=window_words(*usual[:2])
        )
    return forbidden, now, others, *said


def _compared_sentences(found: HourDecision, answer: Answer, timing: Timing) -> tuple[str, ...]:
    """What the comparison of hours says."""
    if found.tested == "no_gain_possible":
        return (_no_gain_sentence(answer, timing),)
    if answer.evidence == "randomised":
        gain = _("Compared with today’s hours, {window} brings {gain} more clicks per 1,000 texts.")
    elif timing.sends.outcome == "click":
        gain = _(
            "In observational data, texts at {window} have {gain} more clicks per 1,000 than today’s mixture of hours."
        )
    else:
        gain = _(
            "In observational data, texts at {window} have {gain} more orders per 1,000 than today’s mixture of hours."
        )
    gain = gain.format(window=_best_window(answer), gain=clicks_words(*answer.gain()))
    if found.tested == "no_price_shown":
        return gain, _("More clicks are shown; that they bring money is not.")
    if found.tested == "not_covered":
        return gain, _(
            "Few members of the test were, when it began, as these customers are now, so it decides nothing for them."
            " Some of them may have been in it, but had been customers, or silent, for less long then."
        )
    if found.tested != "undecided":
        return (gain,)
    return gain, _by_itself_sentence(answer), _settling_sentence(found.times)


def _by_itself_sentence(answer: Answer) -> str:
    """Why a gain whose interval is above what is worth a change does not decide: it is one of several comparisons."""
    by_itself = answer.gain()[1] > answer.smallest_gain
    if not by_itself or not answer.adjusted_p >= ALPHA:
        return ""
    words = (
        _(
            "By itself this interval lies above what is worth a change. But the window is picked from {n}, and segments"
            " are compared too: such a gain can be chance (p {p}, adjusted for that; 0.05 decides)."
        )
        if answer.segment == ALL
        else _(
            "By itself this interval lies above what is worth a change. But it is one of several segments compared, and"
            " among them such a gain can be chance (p {p}, adjusted for that; 0.05 decides)."
        )
    )
    return words.format(n=number(len(answer.windows)), p=p_words(answer.adjusted_p))


def _no_gain_sentence(answer: Answer, timing: Timing) -> str:
    most = number(1000 * answer.regret()[2], 1)
    return (
        _("No hour tried can bring more than {most} clicks per 1,000 texts beyond today’s: not worth a change.")
        if timing.sends.outcome == "click"
        else _("No hour tried can bring more than {most} orders per 1,000 texts beyond today’s: not worth a change.")
    ).format(most=most)


def _settling_sentence(times: float) -> str:
    """How much more data would show the difference, with 80 % power if the estimate is true."""
    if not np.isfinite(times):
        return _("If the estimate is true, a test with {n} times as many texts may not show it either.").format(
            n=number(MOST_TIMES)
        )
    return _(
        "If the estimate is true, about {factor} times as many texts in the test settle it with 80% power."
    ).format(factor=number(times, 1))


def _caveat(found: HourDecision, timing: Timing) -> str:
    answer = found.answer
    if answer is None:
        return ""
    sentences = {
        "unpriced": value_words(timing.click, timing.sends.outcome),
        "untried_hours": _(
            "{share} of today’s texts fall in no window that was tried and is allowed as a whole; the gain is of the"
            " others."
        ).format(share=percent(answer.untried_share))
        if np.isfinite(answer.gain()).all()
        else "",  # the text says it
        "forbidden_hours": "" if found.reason == "not_allowed" else forbidden_sentence(answer),  # the text says it
        "days_off": _(
            "Skip public holidays where no texts are allowed on them: the table of days to skip has the dates."
        ),
        "rough_curve": _(
            "The counts depart from the smooth curve by more than chance makes likely: a peak of less than three"
            " hours may be hidden in it. Look at the dots."
        ),
        "observational": _(
            "Who was texted when was not random: observational data can mislead by more than the hours differ."
        ),
    }
    dates = ""
    if found.segment == ALL and timing.today is not None:
        dates = _("Today means {dates}.").format(dates=practice_dates(timing.today))
    cash = ""
    if found.segment == ALL and found.cash is not None:
        cash = _(
            "This is cash from clicks alone; the effect of another hour on opt-outs is left out. The page on"
            " tests includes it, so its profit for the same hours can differ. Where texts also sell without"
            " clicks, the amount can be too high."
        )
    return joined(dates, *(sentences[warning] for warning in found.warnings), cash)
