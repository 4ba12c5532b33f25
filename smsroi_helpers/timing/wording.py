"""The decisions of `03_timing` in words, and wording that its figures and tables share."""

from collections.abc import Sequence

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.locale import _, joined, listed, number, percent, rounded_digits
from smsroi_helpers.pages import practice_dates
from smsroi_helpers.timing import decision
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.decision import HourDecision
from smsroi_helpers.timing.response import ALL

__all__ = [
    "clicks_words",
    "decide",
    "exclusion_words",
    "hours_words",
    "put_in_words",
    "uncompared_words",
    "value_words",
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
            test=click.experiment
        )
    return {
        "": _("A click is priced by what customers put by lot into {test} brought."),
        "no_test": _(
            "No test whose arms differ in messages says what a click brings, so the answer is in clicks, not in money."
        ),
        "weak": _("The tests there are do not say clearly what a click brings, so the answer is in clicks."),
        "no_clicks": _("Without recorded clicks nothing says what one brings."),
    }[click.reason].format(test=click.experiment)


def uncompared_words(timing: Timing) -> str:
    """Why no hour can be compared with today's."""
    if timing.today is not None and not timing.today.messages:
        return _(
            "No messages went to customers outside experiments from {dates}, so today’s hours are not known."
        ).format(dates=practice_dates(timing.today))
    return _("What is sent today falls at no hour that was tried, so nothing can be set against it.")


# --- the decision ----------------------------------------------------------------------------------------------------


def decide(timing: Timing, answers: Sequence[Answer]) -> list[Decision]:
    """The decisions of `decision.decide` in words: all customers first, then each segment.

    Args:
        timing: of `best_hours.analyse`.
        answers: of `best_hours.find_best_hours`.
    """
    return [put_in_words(found, timing) for found in decision.decide(timing, answers)]


def put_in_words(found: HourDecision, timing: Timing) -> Decision:
    """One decision in words.

    Args:
        found: of `decision.decide`.
        timing: the results it was decided from.
    """
    return Decision(
        stage="timing",
        question=_("When should a text go out?"),
        outcome=found.outcome,
        action=_action(found),
        text=_text(found, timing),
        evidence=found.evidence,
        customers=found.texted if found.unit else found.customers,
        evidence_customers=found.customers,
        value=found.value,
        low=found.low,
        high=found.high,
        unit=found.unit,
        kind="gain",
        segment=found.segment,
        caveat=_caveat(found, timing),
    )


def _best_window(answer: Answer) -> str:
    best = answer.windows.iloc[answer.best]
    return window_words(best["hour"], best["until"])


def _action(found: HourDecision) -> str:
    if found.reason == "better_hour" and found.answer is not None:
        return _("Send at {window}, the recipient’s time").format(window=_best_window(found.answer))
    if found.reason == "undecided":
        return (
            _("Keep today’s hours and let the test of hours run on")
            if np.isfinite(found.times)
            else _("Keep today’s hours: a test would have to be far larger to tell them from the best")
        )
    return {
        "nothing_to_compare": _("Send at several hours, drawn by lot, and look again"),
        "not_allowed": _("Send only at the hours that are allowed where the text arrives"),
        "no_gain_possible": _("Leave the hours as they are: take the cheapest allowed one"),
        "observational": _("Try hours on customers drawn by lot before changing any"),
        "no_price_shown": _("Learn first what a click brings: let the test of messages run on"),
    }[found.reason]


def _text(found: HourDecision, timing: Timing) -> str:
    answer = found.answer
    if answer is None:
        return _("The records hold too few responses, or all at one hour: hours cannot be compared.")
    return joined(_hours_sentence(found, answer, timing), *_gain_sentences(found, answer, timing))


def _hours_sentence(found: HourDecision, answer: Answer, timing: Timing) -> str:
    """The result for the hours tested."""
    if found.hours == "no_difference":
        tried = timing.main.windows if timing.main else answer.windows
        return _("No best hour is supported: that the {n} hours tried differ at all is not shown (p = {p}).").format(
            n=number(len(tried)), p=number(answer.hours_differ_p, 2)
        )
    if found.hours == "all_alike":
        return _("No best hour is supported: of the {n} windows tried, none can be told from another.").format(
            n=number(len(answer.windows))
        )
    words = _("Of the {n} windows tried, the best is among {hours}; the likeliest is {window}.").format(
        n=number(len(answer.windows)), hours=hours_words(answer), window=_best_window(answer)
    )
    return joined(words, _elsewhere_sentence(answer))


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
                window=window_words(row.hour, row.until), rules=row.rules, share=percent(row.share, 1)
            )
            for row in others.itertuples()
        )
    )


def _gain_sentences(found: HourDecision, answer: Answer, timing: Timing) -> tuple[str, ...]:
    """The gain of another hour compared with today's, and how much more data a decision needs."""
    if found.reason == "not_allowed":
        return (_("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(
            share=percent(answer.forbidden_share, 1)
        ),)  # fmt: skip
    if not found.unit:
        return (uncompared_words(timing),)
    if found.reason == "no_gain_possible":
        return (_no_gain_sentence(answer, timing),)
    if answer.evidence == "randomised":
        gain = _("Against today’s hours {window} brings {gain} more clicks per 1,000 texts.")
    elif timing.sends.outcome == "click":
        gain = _("In the records texts at {window} have {gain} more clicks per 1,000 than today’s mixture of hours.")
    else:
        gain = _("In the records texts at {window} have {gain} more orders per 1,000 than today’s mixture of hours.")
    gain = gain.format(window=_best_window(answer), gain=clicks_words(*answer.gain()))
    if found.reason == "no_price_shown":
        return gain, _("More clicks are shown; that they bring money is not.")
    return (gain, _settling_sentence(found.times)) if found.reason == "undecided" else (gain,)


def _no_gain_sentence(answer: Answer, timing: Timing) -> str:
    most = number(1000 * answer.regret()[2], 1)
    return (
        _("No hour tried can bring more than {most} clicks per 1,000 texts beyond today’s: not worth a change.")
        if timing.sends.outcome == "click"
        else _("No hour tried can bring more than {most} orders per 1,000 texts beyond today’s: not worth a change.")
    ).format(most=most)


def _settling_sentence(times: float) -> str:
    """How much more data would show the difference, if the estimate stays as it is."""
    if not np.isfinite(times):
        return _("If it stays as it looks, no test of a bearable size would show it.")
    return _("If it stays as it looks, about {factor} times as many texts in the test would settle it.").format(
        factor=number(times, 1)
    )


def _caveat(found: HourDecision, timing: Timing) -> str:
    answer = found.answer
    if answer is None:
        return ""
    sentences = {
        "unpriced": value_words(timing.click, timing.sends.outcome),
        "untried_hours": _(
            "{share} of today’s texts go out at hours that were not tried or are not allowed; the gain is of the"
            " others."
        ).format(share=percent(answer.untried_share)),
        "forbidden_hours": _("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(
            share=percent(answer.forbidden_share, 1)
        ),
        "rough_curve": _(
            "The counts depart from the smooth curve by more than chance makes likely: a peak of less than three"
            " hours may be hidden in it. Look at the dots."
        ),
        "observational": _("Who is sent when is no chance: the records can mislead by more than hours differ."),
    }
    dates = ""
    if found.segment == ALL and timing.today is not None:
        dates = _("Today means {dates}.").format(dates=practice_dates(timing.today))
    return joined(dates, *(sentences[warning] for warning in found.warnings))
