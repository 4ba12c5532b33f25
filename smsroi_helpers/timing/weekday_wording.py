"""The decision of `03_timing` on weekdays in words."""

from collections.abc import Sequence

from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, joined, number
from smsroi_helpers.timing import decision
from smsroi_helpers.timing.best_hours import Timing
from smsroi_helpers.timing.best_weekdays import WeekdayAnswer
from smsroi_helpers.timing.decision import CASH_WEEKS, WeekdayDecision
from smsroi_helpers.timing.wording import best_days_words, clicks_words, shared_fields, weekday_name

__all__ = ["decide_weekdays", "put_weekdays_in_words"]


def decide_weekdays(timing: Timing, answers: Sequence[WeekdayAnswer], cash_weeks: int = CASH_WEEKS) -> list[Decision]:
    """The decision of `decision.decide_weekdays` in words.

    Args:
        timing: of `study.analyse`.
        answers: of `best_weekdays.find_best_weekdays`.
        cash_weeks: the coming weeks whose cash is counted.
    """
    return [put_weekdays_in_words(decision.decide_weekdays(timing, answers, cash_weeks), timing)]


def put_weekdays_in_words(found: WeekdayDecision, timing: Timing) -> Decision:
    """The decision on weekdays in words.

    Args:
        found: of `decision.decide_weekdays`.
        timing: the results it was decided from.
    """
    return Decision(
        question=_("On which weekday should a text go out?"),
        topic="weekday",
        action=_weekday_action(found),
        text=_weekday_text(found, timing),
        next_test=_(
            "Send one campaign on every weekday at the same local hours, the weekday drawn at random for each customer."
        )
        if found.outcome != "dont" and found.evidence != "randomised"
        else "",
        caveat=_("Weekdays were not randomly assigned: what differs between them may have other causes.")
        if found.evidence == "observational"
        else "",
        **shared_fields(found, timing),
    )


def _weekday_action(found: WeekdayDecision) -> str:
    if found.answer is not None and found.reason in ("better_weekday", "observational"):
        text = (
            _("Send on {days}")
            if found.reason == "better_weekday"
            else _("Assign weekdays at random before you move texts to {days}")
        )
        return text.format(days=weekday_name(int(found.answer.days["weekday"].iloc[found.answer.best])))
    return {
        "no_gain_possible": _("Keep the weekdays as they are"),
        "undecided": _("Keep the weekdays as they are; no better one is shown"),
        "nothing_to_compare": _("Send each campaign on several weekdays, assigned at random, to compare them"),
    }[found.reason]


def _weekday_text(found: WeekdayDecision, timing: Timing) -> str:
    answer = found.answer
    if answer is None:
        return _("Weekdays cannot be compared: too few clicks or orders for campaigns sent on more than one weekday.")
    clicks = timing.sends.outcome == "click"
    days = (
        _("No weekday is distinguishable from another (95% confidence).")
        if answer.chosen.all()
        else _("The best weekday is among {days} (95% confidence).").format(days=best_days_words(answer))
    )
    if not found.unit:
        return days
    if found.reason == "no_gain_possible":
        most = (
            _("No weekday can bring more than {most} clicks per 1,000 texts beyond today’s: not worth a change.")
            if clicks
            else _("No weekday can bring more than {most} orders per 1,000 texts beyond today’s: not worth a change.")
        )
        return joined(days, most.format(most=number(1000 * answer.most, 1)))
    gain = (
        _("Texts on {day} have {gain} more clicks per 1,000 than texts on today’s weekdays.")
        if clicks
        else _("Texts on {day} have {gain} more orders per 1,000 than texts on today’s weekdays.")
    )
    best = weekday_name(int(answer.days["weekday"].iloc[answer.best]))
    amount = _("The amount is for all texts on {day}.").format(day=best) if found.unit == "money_per_week" else ""
    return joined(days, gain.format(day=best, gain=clicks_words(*answer.gain())), amount)
