"""The heading of the index and the sentences below it: the one thing to do, and what it is worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from smsroi_helpers import locale
from smsroi_helpers.locale import _
from smsroi_helpers.pages import Amount

__all__ = ["find_lead", "is_decided_test", "is_recommended_plan"]


def is_recommended_plan(row: Mapping[str, Any]) -> bool:
    """Whether the row is the send plan, and advises to follow it: it answers the other questions together."""
    return bool(row["stage"] == "send_plan" and row["outcome"] == "do")


def is_decided_test(row: Mapping[str, Any]) -> bool:
    """Whether a randomised test recommends a change in its own metric, where money is not known."""
    is_test = row["stage"] in ("ab_test", "content") and row["css"] == "randomised"
    return is_test and row["kind"] == "fact" and row["outcome"] == "do" and bool(row["numbers"])


def find_lead(
    rows: Sequence[dict[str, Any]],
    of_kind: Mapping[str, Sequence[dict[str, Any]]],
    tests: Sequence[dict[str, Any]] = (),
) -> tuple[str, Markup]:
    """Return the heading of the page and its lead: texting does not pay, a change to make, or no change.

    Args:
        rows: all questions.
        of_kind: those with an amount, by kind.
        tests: tests that recommend a change, where money is not known.
    """
    gains, worths, forecasts = (of_kind[kind] for kind in ("gain", "worth", "forecast"))
    recommended, paying, losing = (
        sorted(
            (row for row in listed if row["outcome"] == outcome),
            key=lambda row: (
                not is_recommended_plan(row),
                row["unit"] != "money_per_week",
                -(row["numbers"][0] if row["numbers"] else -math.inf),
            ),
        )
        for listed, outcome in ((gains, "do"), (worths, "do"), (worths, "dont"))
    )
    against_none = _("Against no texts at all that is worth {worth}.")
    if losing and not paying:
        worth = _worth_sentence(against_none, losing[0]["worth"])
        return _("Texting does not pay"), _together(_action_sentence(losing[0]["action"]), worth)
    if tests and not any(row["numbers"] for row in recommended):
        shown = _worth_sentence(
            _("The test showed {worth}. What that is worth in money is not known."), tests[0]["worth"]
        )
        findings = [_action_sentence(row["action"]) for row in recommended]
        return _("What to do next"), _together(_action_sentence(tests[0]["action"]), shown, *findings)
    if recommended:
        best = recommended[0]
        is_plan = is_recommended_plan(best)
        # A total is that of a test, whose period and control stand with the number.
        against = _against(best["money"], is_total=best["unit"] == "money" and not is_plan)
        worth = _worth_sentence(against, best["worth"])
        if is_plan:
            # That its amount and those of the other questions do not add up stands below them.
            return _("What to do next"), _together(_action_sentence(best["action"]), worth, best["cash"])
        more = (
            ""
            if len(recommended) == 1
            else _("One more change is worth making.")
            if len(recommended) == 2
            else _("{n} more changes are worth making.").format(n=locale.number(len(recommended) - 1))
        )
        return _("What to do next"), _together(_action_sentence(best["action"]), worth, more)
    if gains or worths:
        nothing = _("No change has been shown to be worth making. Each question below says what would settle it.")
        if any(row["only_segments"] for row in gains):
            nothing = _(
                "A change is shown to be worth making for some customers only: the questions below say for whom."
            )
        if not paying:
            return _("Nothing to change yet"), Markup.escape(nothing)
        worth = _worth_sentence(against_none, paying[0]["worth"])
        return _("Texting pays"), _together(_action_sentence(paying[0]["action"]), worth, nothing if gains else "")
    if forecasts:
        limit = _(
            "These data do not show what a message adds: that takes a randomly assigned group without"
            " messages. They show this:"
        )
        worth = _worth_sentence(_("Expected: {worth}."), forecasts[0]["worth"])
        return _("What to expect"), _together(limit, _action_sentence(forecasts[0]["action"]), worth)
    if rows:
        return _("Findings"), Markup.escape(_("No question about money could be answered in this run."))
    return _("No answer yet"), Markup.escape(_("No question could be answered in this run. The reasons are below."))


def _against(money: str, *, is_total: bool) -> str:
    """The sentence on the worth of a change, with a place for the amount."""
    if is_total:
        return {
            "cash": _("It brought {worth}, in cash."),
            "long_run": _("It brought {worth}, in the long run."),
        }.get(money, _("It brought {worth}."))
    return {
        "cash": _("Compared with today, that is worth {worth} in cash."),
        "long_run": _("Compared with today, that is worth {worth} in the long run."),
    }.get(money, _("Compared with today, that is worth {worth}."))


def _together(*sentences: str) -> Markup:
    """Join sentences; plain text is escaped."""
    return Markup.escape(locale.gap()).join(one for one in sentences if one)


def _action_sentence(action: str) -> Markup:
    return Markup.escape(_("{sentence}.")).format(sentence=Markup("<b>{}</b>").format(action.rstrip(".。")))


def _worth_sentence(sentence: str, worth: Amount) -> Markup:
    if not worth.value:
        return Markup("")
    text = Markup("<b>{}</b>").format(f"{worth.value.removeprefix('+')} {worth.unit}".strip())
    if worth.interval:
        words = Markup.escape(_("{amount} (95% interval {interval})"))
        text = words.format(amount=text, interval=worth.interval)
    return Markup.escape(sentence).format(worth=text)
