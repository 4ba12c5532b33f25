"""What exploring teaches and costs, in words and as a table."""

import pandas as pd

from smsroi_helpers.locale import _, joined, money, number, percent
from smsroi_helpers.pages import Html, note, table
from smsroi_helpers.send_plan.learning import Learning
from smsroi_helpers.send_plan.plan import SendPlan

__all__ = ["describe_learning", "learning_note", "learning_table"]

_WHOLE = 100.0
"""If any amount is as large, all are shown in whole units of money."""


def learning_note(plan: SendPlan, found: Learning, currency: str) -> Html:
    """Whether the plan's exploring share pays, and which share would pay best."""
    return note(describe_learning(plan, found, currency))


def describe_learning(plan: SendPlan, found: Learning, currency: str) -> str:
    """The same as text.

    Args:
        plan: of `plan.make_plan`.
        found: of `learning.size_exploration`.
        currency: the source's.
    """
    nobody = "" if found.own else _("Nobody is explored with.")
    if not found.rows:
        return joined(
            nobody,
            _("The plan sends no texts, so there are no choices to improve: what exploring would teach is not valued."),
        )
    limits = ""
    if plan.limits.budget or plan.limits.capacity_per_hour:
        limits = _("Limits of money and of the gateway are left out of this comparison.")
    forecast = _("This is a forecast by the plan’s model, not a measurement.")
    return joined(nobody or _own_words(found, currency), _best_words(found, currency), forecast, limits)


def _own_words(found: Learning, currency: str) -> str:
    own = found.row(found.own)
    words = _(
        "Exploring with {share} of the customers in the plan’s weeks is expected to be worth {net} more than it costs:"
        " it teaches {teaches} and costs {cost}."
    )
    if own.net < 0:
        words = _(
            "Exploring with {share} of the customers in the plan’s weeks is expected to be worth {net} less than it"
            " costs: it teaches {teaches} and costs {cost}."
        )
    return words.format(
        share=percent(own.share, _digits(own.share)),
        net=_amount(abs(own.net), found, currency), teaches=_amount(own.teaches, found, currency),
        cost=_amount(own.cost, found, currency),
    )  # fmt: skip


def _best_words(found: Learning, currency: str) -> str:
    best = found.row(found.best)
    if not best.share or best.net <= 0:
        return _("No share that was tried is expected to pay; what exploring would show of change is not counted.")
    enough = ""
    if found.enough != found.best:
        enough = _("A share of {share} is as good within the error of the computation.").format(
            share=percent(found.enough, _digits(found.enough))
        )
    if best.share == found.rows[-1].share:
        enough = joined(enough, _("Larger shares were not tried."))
    if found.best == found.own:
        return joined(_("No other share that was tried is expected to be worth more."), enough)
    words = _("The best of the shares tried is {share}: it is expected to be worth {net} more than it costs.")
    words = words.format(share=percent(best.share, _digits(best.share)), net=_amount(best.net, found, currency))
    return joined(words, enough)


def learning_table(found: Learning, currency: str) -> Html | None:
    """Every share with what it would teach and cost; None where `learning_note` says why there is none.

    Args:
        found: of `learning.size_exploration`.
        currency: the source's.
    """
    if not found.rows:
        return None
    frame = pd.DataFrame({
        _("Explored with"): [percent(each.share, _digits(each.share)) for each in found.rows],
        _("What it would teach"): [_amount(each.teaches, found, currency) for each in found.rows],
        _("What it costs"): [_amount(each.cost, found, currency) for each in found.rows],
        _("Net"): [_amount(each.net, found, currency) for each in found.rows],
        _("Error of the computation"): [_amount(each.error, found, currency) for each in found.rows],
        _("Chosen"): [each.share == found.own for each in found.rows],
    })  # fmt: skip
    caption = _(
        "What exploring in the plan’s weeks would teach and cost, by the share of the {n} customers not held out who"
        " are explored with; long run, forecast by the plan’s model. Knowing every effect exactly would be worth"
        " {perfect}. The error is one standard error of the Monte Carlo computation"
    ).format(
        n=number(round(found.customers)),
        perfect=_amount(found.perfect, found, currency),
    )
    return table(frame, caption=caption)


def _digits(share: float) -> int:
    return 0 if abs(100 * share - round(100 * share)) < 1e-9 else 1


def _amount(value: float, found: Learning, currency: str) -> str:
    largest = max(max(each.teaches, each.cost) for each in found.rows)
    return money(value, currency, 0 if largest >= _WHOLE else None)
