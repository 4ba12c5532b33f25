"""What is known of hours, in words and money: the decisions of `03_timing`, chosen by the interval."""

from collections.abc import Sequence

import numpy as np

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, joined, listed, number, percent, rounded_digits
from smsroi_helpers.statistics import ALPHA
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.click_value import ClickValue
from smsroi_helpers.timing.response import ALL, runs_smoothly

__all__ = [
    "clicks_words",
    "decide",
    "hours_words",
    "in_money",
    "value_words",
    "window_words",
]


def window_words(hour: int, until: int) -> str:
    """A window of local hours: `16:00–17:00`."""
    return _("{start}–{end}").format(start=f"{int(hour)}:00", end=f"{int(until)}:00")


def hours_words(answer: Answer) -> str:
    """The windows that cannot be told from the best, those that meet put together."""
    spans: list[list[int]] = []
    for row in answer.windows[answer.chosen].itertuples():
        if spans and spans[-1][1] == row.hour:
            spans[-1][1] = int(row.until)
        else:
            spans.append([int(row.hour), int(row.until)])
    return listed(window_words(*span) for span in spans)


def clicks_words(value: float, low: float, high: float) -> str:
    """Clicks per message, told per 1,000 messages, with their interval."""
    digits = max(rounded_digits(1000 * low, 1000 * high), 0)
    shown = (number(1000 * x, digits) for x in (value, low, high))
    return _("{value} (95% interval {low} to {high})").format(**dict(zip(("value", "low", "high"), shown, strict=True)))


def in_money(clicks: tuple[float, float, float], click: ClickValue) -> tuple[float, float, float]:
    """Clicks × what one is worth, with the limits that both errors together leave.

    The products a·b that the two (independent) estimates do not contradict together: those on or within the ellipse
    whose half-axes are the distances to the limits, which is the profile likelihood's interval (Cox & Hinkley 1974,
    section 9.3). Where both intervals lie above 0, so does it.
    """
    turn = np.linspace(0, 2 * np.pi, 1441)
    around = []
    for (value, low, high), share in ((clicks, np.cos(turn)), ((click.estimate, click.low, click.high), np.sin(turn))):
        around.append(value + np.where(share >= 0, high - value, value - low) * share)
    products = around[0] * around[1]
    return clicks[0] * click.estimate, float(products.min()), float(products.max())


def value_words(click: ClickValue, outcome: str) -> str:
    """Why there is money, or why not."""
    if outcome != "click":
        return _("This source records no clicks: hours are compared by orders, and no price is put on them.")
    return {
        "": _("A click is priced by what customers put by lot into {test} brought."),
        "no_test": _(
            "No test whose arms differ in messages says what a click brings, so the answer is in clicks, not in money."
        ),
        "weak": _("The tests there are do not say clearly what a click brings, so the answer is in clicks."),
        "no_clicks": _("Without recorded clicks nothing says what one brings."),
    }[click.reason].format(test=click.experiment)


def decide(timing: Timing, answers: Sequence[Answer]) -> list[Decision]:
    """The answers of the notebook: everybody's first, then one per segment.

    Args:
        timing: of `timing.analyse`.
        answers: of `timing.find_best_hours`.
    """
    if not answers:
        return [_nothing(timing)]
    return [_decision(timing, answer) for answer in answers]


def _question() -> str:
    return _("When should a text go out?")


def _nothing(timing: Timing) -> Decision:
    return Decision(
        stage="timing",
        question=_question(),
        outcome="not_enough_evidence",
        action=_("Send at several hours, drawn by lot, and look again"),
        text=_("The records hold too few responses, or all at one hour: hours cannot be compared."),
        evidence="none",
        customers=int(timing.volume["customers"].sum()),
        kind="gain",
    )


def _decision(timing: Timing, answer: Answer) -> Decision:
    best = answer.windows.iloc[answer.best]
    window = window_words(best["hour"], best["until"])
    click = timing.click
    priced = click.known and click.estimate > 0 and timing.sends.outcome == "click"
    gain = answer.gain()
    known = bool(np.isfinite(gain).all())
    value = tuple(x * answer.messages_per_week for x in (in_money(gain, click) if priced else gain))
    outcome = answer.outcome if known else "open"
    sure = outcome == "move" and answer.evidence == "randomised" and (not priced or value[1] > 0)
    if sure:
        verdict, action = "do", _("Send at {window}, the recipient’s time").format(window=window)
    elif outcome == "flat":
        verdict, action = "dont", _("Leave the hours as they are: take the cheapest allowed one")
    elif answer.evidence == "observational":
        verdict, action = "not_enough_evidence", _("Try hours on customers drawn by lot before changing any")
    elif outcome == "move":
        verdict, action = "not_enough_evidence", _("Learn first what a click brings: let the test of messages run on")
    else:
        verdict, action = (
            "not_enough_evidence",
            (
                _("Keep today’s hours and let the test of hours run on")
                if _factor(answer) <= _BEARABLE
                else _("Keep today’s hours: a test would have to be far larger to tell them from the best")
            ),
        )
    return Decision(
        stage="timing",
        question=_question(),
        outcome=verdict,  # type: ignore[arg-type]
        action=action,
        text=_text(timing, answer, window, outcome, outcome == "move" and not sure),
        evidence=answer.evidence,
        customers=answer.customers,
        **({"value": value[0], "low": value[1], "high": value[2]} if known else {}),
        unit=("money_per_week" if priced else "count") if known else "",
        kind="gain",
        segment=answer.segment,
        caveat=_caveat(timing, answer, priced) if answer.segment == ALL else "",
    )


def _text(timing: Timing, answer: Answer, window: str, outcome: str, unpaid: bool) -> str:
    if outcome != "move" and answer.differ_p >= ALPHA:
        tried = timing.main.windows if timing.main else answer.windows
        first = _(
            "No best hour is supported: that the {n} hours tried differ at all is not shown (p = {p})."
        ).format(n=number(len(tried)), p=number(answer.differ_p, 2))  # fmt: skip
    elif answer.chosen.all():
        first = _("No best hour is supported: of the {n} windows tried, none can be told from another.").format(
            n=number(len(answer.windows))
        )
    else:
        first = _("Of the {n} windows tried, the best is among {hours}; the likeliest is {window}.").format(
            n=number(len(answer.windows)), hours=hours_words(answer), window=window
        )
    gain = answer.gain()
    if not np.isfinite(gain).all():
        return joined(first, _("What is sent today falls at no hour that was tried, so nothing can be set against it."))
    told = clicks_words(*gain)
    noun = timing.sends.outcome
    if outcome == "flat":
        most = number(1000 * answer.regret()[2], 1)
        second = (
            _("No hour tried can bring more than {most} clicks per 1,000 texts beyond today’s: not worth a change.")
            if noun == "click"
            else _(
                "No hour tried can bring more than {most} orders per 1,000 texts beyond today’s: not worth a change."
            )
        ).format(most=most)
        return joined(first, second)
    if answer.evidence == "randomised":
        second = _("Against today’s hours {window} brings {gain} more clicks per 1,000 texts.")
    elif noun == "click":
        second = _("In the records texts at {window} have {gain} more clicks per 1,000 than today’s mixture of hours.")
    else:
        second = _("In the records texts at {window} have {gain} more orders per 1,000 than today’s mixture of hours.")
    second = second.format(window=window, gain=told)
    if unpaid and answer.evidence == "randomised":
        return joined(first, second, _("More clicks are shown; that they bring money is not."))
    return joined(first, second, _settle(answer) if outcome == "open" else "")


_BEARABLE = 50
"""Nobody makes a test so many times as large."""


def _factor(answer: Answer) -> float:
    """How many times as many texts would put the gain's lower limit above what is worth having, if it stays so."""
    gain, low, _high = answer.gain()
    reach, away = gain - low, gain - answer.smallest
    if not away > 0:
        return float("inf")
    # Holm over the segments asks for a little more than the interval alone.
    return max((reach / away) ** 2, 1.0) if answer.adjusted_p < ALPHA else max((reach / away) ** 2, 1.2) * 1.3


def _settle(answer: Answer) -> str:
    """How much more would show the difference, if it is as it looks."""
    factor = _factor(answer)
    if answer.evidence != "randomised":
        return ""
    if factor > _BEARABLE:
        return _("If it stays as it looks, no test of a bearable size would show it.")
    return _("If it stays as it looks, about {factor} times as many texts in the test would settle it.").format(
        factor=number(factor, 1)
    )


_ROUGH = 0.01
"""Below this p-value the smooth curve is not taken to tell of every hour."""


def _caveat(timing: Timing, answer: Answer, priced: bool) -> str:
    parts = []
    if not priced:
        parts.append(value_words(timing.click, timing.sends.outcome))
    if np.isfinite(answer.outside) and answer.outside >= 0.01:
        parts.append(
            _(
                "{share} of today’s texts go out at hours that were not tried or are not allowed; the gain is of the"
                " others."
            ).format(share=percent(answer.outside))
        )
    if np.isfinite(answer.forbidden) and answer.forbidden >= 0.001:
        parts.append(
            _("{share} of today’s texts go out at hours that are not allowed where they arrive.").format(
                share=percent(answer.forbidden, 1)
            )
        )
    if timing.randomised is not None and runs_smoothly(timing.randomised) < _ROUGH:
        parts.append(
            _(
                "The counts depart from the smooth curve by more than chance makes likely: a peak of less than three"
                " hours may be hidden in it. Look at the dots."
            )
        )
    if answer.evidence == "observational":
        parts.append(_("Who is sent when is no chance: the records can mislead by more than hours differ."))
    return joined(*parts)
