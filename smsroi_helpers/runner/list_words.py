"""What is said beside the link of a list of customers: what its column value is, of which day it is, and which list
goes before which.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from smsroi_helpers.locale import _, joined, listed, money, money_range, number, percent, rounded_digits
from smsroi_helpers.pages import FEWEST_SHOWN
from smsroi_helpers.runner.frame import day_words

__all__ = [
    "beside_words",
    "expected_value",
    "follow_words",
    "frequency_value",
    "hours_value",
    "left_out_words",
    "mailing_value",
    "measured_value",
    "moves_words",
    "no_customer_value",
    "no_plan_words",
    "plan_words",
    "service_words",
    "sum_words",
    "together_words",
    "value_at_risk",
    "value_to_be_tested",
    "warned_words",
]


# --- the column value ------------------------------------------------------------------------------------------------


def _value(currency: str, said: str) -> str:
    """The sentence on the column value, with its unit."""
    return _("Column `value` ({currency}): {said}").format(currency=currency or _("the source’s currency"), said=said)


def _weeks(weeks: Any) -> str:
    """A number of weeks, with a decimal unless whole."""
    if weeks is None or not math.isfinite(float(weeks)):
        return "?"
    return number(float(weeks), 0 if float(weeks).is_integer() else 1)


def expected_value(currency: str, weeks: Any, *, known: bool) -> str:
    """Of a list of customers with what each is expected to bring."""
    if not known:
        return _("Column `value` is empty: what a purchase brings is not known.")
    said = _("expected profit in the next {n} weeks, before the cost of messages (forecast).")
    return _value(currency, said.format(n=_weeks(weeks)))


def no_customer_value() -> str:
    """Of a list in a run that has not estimated what customers are worth."""
    return _("Column `value` is empty: the page on customer value, which estimates it, is not part of this run.")


def hours_value(currency: str, weeks: Any, *, known: bool) -> str:
    """Of the list of hours."""
    if not known:
        return _("Column `value` is empty: what a click brings in money is not known.")
    said = _(
        "profit in the next {n} weeks compared with today’s hours, on average of the customers decided together, all"
        " at the same hours; empty for those who keep their hours."
    )
    return _value(currency, said.format(n=_weeks(weeks)))


def frequency_value(currency: str, *, known: bool) -> str:
    """Of the list of texts per week."""
    if not known:
        return _("Column `value` is empty: what the change brings in money is not known.")
    said = _("profit a week in the long run compared with today’s frequency, on average per subscriber.")
    return _value(currency, said)


def measured_value(currency: str, weeks: Any, *, known: bool) -> str:
    """Of a list whose test measured what a customer brings."""
    if not known:
        return _("Column `value` is empty: the incremental profit of texting is not known.")
    said = _("mean incremental profit of texting per customer in the {n} weeks of the test, after the cost of texts.")
    return _value(currency, said.format(n=_weeks(weeks)))


def value_to_be_tested() -> str:
    """Of the list of a test."""
    return _("Column `value` is empty: the test is to show what a text brings.")


def value_at_risk(currency: str, weeks: Any, *, known: bool) -> str:
    """Of the list of warnings."""
    if not known:
        return _("Column `value` is empty: what a purchase brings is not known.")
    said = _(
        "profit at risk: what the customer would bring in the next {n} weeks if still one, times the probability of"
        " having left (forecast)."
    )
    return _value(currency, said.format(n=_weeks(weeks)))


def sum_words(name: str, currency: str, total: float, answer: tuple[float, float, float]) -> str:
    """Why the values of a list do not add up to the amount of its answer; empty where they do, as it is shown.

    Args:
        name: of the list.
        currency: of the source; empty if not known.
        total: of the column value.
        answer: its amount, with limits.
    """
    digits = rounded_digits(*answer[1:])
    if abs(total - answer[0]) <= 0.5 * 10.0**-digits:
        return ""
    shown = money_range(*answer, currency, digits)[0] if currency else number(round(answer[0], digits), max(digits, 0))
    why = {
        "timing": _(
            "The values add up to {total}; the answer’s {amount} is for all of today’s texts, those of customers"
            " included who keep today’s hours or are not on the list."
        ),
        "frequency": _(
            "The values add up to {total} a week; the answer’s {amount} is for all its subscribers, those included who"
            " are not on the list."
        ),
        "win_back": _(
            "The values add up to {total}; the answer’s {amount} is of the customers of the test, not of this list."
        ),
    }
    whole = money(total, currency, 0) if currency else number(total, 0)
    return why[name].format(total=whole, amount=shown)


def mailing_value(currency: str, *, known: bool) -> str:
    """Of the list of one mailing."""
    if not known:
        return _("Column `value` is empty: what a message brings in money is not known.")
    return _value(currency, _("what the mailing brings per customer who gets it, on average."))


# --- the list --------------------------------------------------------------------------------------------------------


def plan_words(currency: str, as_of: str, exploring: int, added: float, *, advised: bool) -> tuple[str, ...]:
    """Of the send plan's list, on which `exploring` customers are of the exploring share; values add up to `added`."""
    value = _value(currency, _(
        "expected profit of the customer’s texts in the weeks of the plan, compared with no texts (modelled); empty"
        " where they are drawn at random, to learn what they bring."
    ))  # fmt: skip
    whole = _("One row per customer, with the local times of all texts; opt-outs as of {day}.").format(
        day=day_words(as_of)
    )
    if advised:
        share = _(
            "Exploring share: {n} of these customers, whose texts are drawn at random; who drew no texts is not listed."
        ).format(n=number(exploring))
        total = _("The values add up to {total}, against no texts; the answer’s cash is against today’s practice.")
        return whole, share, value, total.format(total=money(added, currency, 0) if currency else number(added, 0))
    return _("The exploring share only: everybody else goes on as today."), whole, value


def no_plan_words(*, opt_outs_unknown: bool) -> str:
    """Why the send plan has no list: the source records no opt-outs, or there is no text."""
    if opt_outs_unknown:
        return _(
            "No list: the source records no opt-outs, so customers who have opted out would be texted. The command"
            " below writes one with --no-suppression; apply the gateway’s own list of opt-outs before sending."
        )
    return _("No list: nobody is to be texted by the plan.")


def warned_words(as_of: str, warned: int, scored: Mapping[str, Any]) -> str:
    """Of which day the warnings are, and how a list as long did on later weeks.

    Args:
        as_of: the last day observed (ISO).
        warned: customers warned of.
        scored: the row `alive` of the table `warning_quality`; empty without one.
    """
    today = _("As of {day}: {n} customers are warned of; those who may be texted are listed.").format(
        day=day_words(as_of), n=_few(warned)
    )
    precision = scored.get("precision")
    if scored.get("listed") != warned or precision is None or not math.isfinite(precision):
        return joined(today, _("How often a list as long is right was not measured."))
    tested = _(
        "Of a list as long on {then} (the same share of the customers), {precision} (95% interval {low} to {high})"
        " bought nothing in the next {weeks} weeks."
    ).format(
        then=day_words(scored["warned_on"]), precision=percent(precision), low=percent(scored["precision_low"]),
        high=percent(scored["precision_high"]), weeks=number(scored["weeks"]),
    )  # fmt: skip
    return joined(today, tested)


def moves_words(moving: int, keeping: int, personal: int) -> str:
    """How many of a list of hours move to another hour, and to their own; numbers too small to be shown are left out.

    Args:
        moving: customers whose texts move.
        keeping: customers who keep today's hours.
        personal: of those who move, to hours of their own.
    """
    parts = []
    if not keeping:
        parts.append(_("All of them are to be texted at the hour listed."))
    elif min(moving, keeping) >= FEWEST_SHOWN:
        moved = _("{n} are to be texted at the hour listed, {kept} keep today’s hours (their rows say so).")
        parts.append(moved.format(n=number(moving), kept=number(keeping)))
    if personal >= FEWEST_SHOWN and (moving == personal or moving - personal >= FEWEST_SHOWN):
        own = _(
            "Of those who are to be texted at the hour listed, {n} have hours of their own, at which customers clicked"
            " more in the test."
        )
        parts.append(own.format(n=number(personal)))
    return joined(*parts)


def beside_words(alone: int) -> str:
    """Of a list beside that of a recommended send plan: for how many customers it decides."""
    if not alone:
        return _("Do not use it beside the send plan’s list: for all of these customers another list decides.")
    return _(
        "Do not use it beside the send plan’s list; use it for the {n} customers whom the plan does not cover."
    ).format(n=_few(alone))


def left_out_words(*, plan: bool) -> str:
    """Whom a list of texts leaves out."""
    reached = _("Subscribers only, without those whose texts were never delivered.")
    if plan:
        return joined(
            reached,
            _(
                "Customers in a running test of hours or frequencies are left out, and those whom an experiment or the"
                " send plan leaves without texts."
            ),
        )
    return joined(
        reached,
        _(
            "Customers in a running test of hours or frequencies are left out, and those whom an experiment leaves"
            " without texts."
        ),
    )


def service_words(without: int | None) -> str:
    """Of the list of the most valuable: what is done for them, and how many of them no list of texts may have.

    Args:
        without: customers whom no list of texts may have; None where no page of the run says.
    """
    what = _("For better service; a high value does not show that more texts pay.")
    if without is None:
        return joined(what, _("Not all of them may be texted; no page of this run says who."))
    if not without:
        return joined(what, _("All of them may be texted."))
    on_none = _(
        "{n} of them are on no list of texts (column `may_be_texted`): they have not subscribed, no text reaches them,"
        " a running experiment decides about their texts, or the send plan leaves them without."
    ).format(n=_few(without))
    return joined(what, on_none)


def _few(n: int) -> str:
    return number(n) if n >= FEWEST_SHOWN or not n else f"<{FEWEST_SHOWN}"


# --- several lists ---------------------------------------------------------------------------------------------------


def follow_words(which: str) -> str:
    """What the column follow says of a customer: `this`, a list, or of no list `today` (texts go on) or `none`."""
    return {
        "this": _("this list"),
        "send_plan": _("the send plan’s list"),
        "win_back": _("the win-back list"),
        "retention": _("the churn list"),
        "timing": _("the list of hours"),
        "frequency": _("the list of texts per week"),
        "today": _("texts as today"),
        "none": _("no list of texts"),
    }[which]


def together_words(lists: Sequence[str], *, advised: bool, winning_back: bool) -> str:
    """How the lists of a run go together; empty where no two of them act on texts.

    Args:
        lists: those of the run, in their order.
        advised: whether the send plan is recommended.
        winning_back: whether customers on the win-back list are texted.
    """
    names = {
        "send_plan": _("the send plan’s list"),
        "win_back": _("the win-back list"),
        "retention": _("the churn list, once its test is drawn"),
        "timing": _("the list of hours"),
        "frequency": _("the list of texts per week"),
        "segmentation": _("the list by segment"),
    }
    there = [name for name in names if name in lists]
    if len(there) < 2:
        return ""
    parts, others = [], [name for name in there if name != "send_plan"]
    if "send_plan" in there:
        parts.append(
            _("Use the send plan’s list alone for the customers on it: it already sets hour, frequency and text.")
            if advised
            else _("Send the exploring share by the send plan’s list, and use no other list for it.")
        )
        parts.append(_("Customers whom the plan holds out or gives no text are on no list of texts."))
    if len(others) > 1:
        order = _("For everybody else the first of these lists decides: {lists}.")
        if "send_plan" not in there:
            order = _("A customer can be on several lists. The first of these decides: {lists}.")
        parts.append(order.format(lists=listed(names[name] for name in others)))
    if {"timing", "frequency"} <= set(there):
        parts.append(_("Hours and texts per week go together, for the same customers: when, and how often."))
    if {"win_back", "timing"} <= set(there) and winning_back:
        parts.append(_("A text to win back goes out at the hour that the list of hours has for the customer."))
    if "segmentation" in there:
        parts.append(_("The list by segment adds no text: it says what a text or an offer should be for."))
    parts.append(_("Column `follow` of each list says which one decides about a customer’s texts."))
    return joined(*parts)
