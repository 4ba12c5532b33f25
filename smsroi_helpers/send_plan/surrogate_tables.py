"""The check of the plan's long run by old tests: a sentence and a table."""

import pandas as pd

from smsroi_helpers.locale import _, joined, money, number
from smsroi_helpers.pages import Html, arm_name, compact_words, experiment_name, note, table
from smsroi_helpers.send_plan.surrogate_counts import FEWEST_MEMBERS, LATER_WEEKS
from smsroi_helpers.send_plan.surrogate_index import LaterEffect, LongRunCheck, last_modelled_week
from smsroi_helpers.send_plan.valuation import Estimate

__all__ = ["describe_long_run", "later_table", "long_run_note"]


def long_run_note(check: LongRunCheck, currency: str) -> Html:
    """Whether the plan's long-run figure agrees with what old tests earned later.

    Args:
        check: of `surrogate_index.check_long_run`.
        currency: the source's.
    """
    return note(describe_long_run(check, currency))


def later_table(check: LongRunCheck, currency: str) -> Html:
    """Later profit of every arm of the tests that are old enough: observed, by the index, by the plan's model.

    Args:
        check: of `surrogate_index.check_long_run`.
        currency: the source's.
    """
    if not check.effects:
        return long_run_note(check, currency)
    rows = [
        {
            _("Test"): experiment_name(each.test),
            _("Arm"): arm_name(each.arm),
            _("Later weeks"): _("{first} to {last}").format(first=number(each.first_week), last=number(each.last_week)),
            _("Customers"): each.members,
            _("Profit of orders"): name,
            _("Amount"): _amount(amount, currency),
            _("Less observed"): _amount(gap, currency),
        }
        for each in check.effects
        for name, amount, gap in (
            (_("Observed"), each.observed, None),
            (_("By the index"), each.index, each.index_gap),
            (_("By clicks"), each.by_clicks, each.clicks_gap),
            (_("By the plan’s model"), each.model, each.model_gap),
        )
    ]
    caption = _(
        "Profit of orders per customer and week in the later weeks of tests, before message costs, over the arm with"
        " the fewest texts; every arm kept its frequency. Observed: randomised; the others are predictions. 95%"
        " intervals, each alone; the sentence above compares all rows at once"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), fold=True)


def _amount(found: Estimate | None, currency: str) -> str:
    return "–" if found is None else compact_words(found.value, found.low, found.high, currency)


def describe_long_run(check: LongRunCheck, currency: str) -> str:
    """The check in words.

    Args:
        check: of `surrogate_index.check_long_run`.
        currency: the source's.
    """
    if check.outcome == "not_yet":
        return _not_yet_words(check)
    return joined(_model_words(check, currency), _index_words(check, currency))


def _not_yet_words(check: LongRunCheck) -> str:
    needed, weeks = check.needed_weeks, check.longest_weeks
    if weeks >= needed:
        return _(
            "The long run is not checked: tests are old enough, but an arm has fewer than {n} customers who were"
            " followed for long enough."
        ).format(n=number(FEWEST_MEMBERS))
    return _(
        "The long run is not checked: no test is old enough. A test must treat its customers for {needed} weeks, the"
        " {horizon} of the plan and {later} more. So far the longest has {weeks}; {missing} are missing."
    ).format(
        needed=number(needed), horizon=number(check.horizon_weeks), later=number(LATER_WEEKS), weeks=number(weeks),
        missing=number(check.missing_weeks),
    )  # fmt: skip


def _model_words(check: LongRunCheck, currency: str) -> str:
    if check.model is None or check.model_gap is None:
        needed, weeks = check.needed_weeks, check.longest_weeks
        if 0 < weeks < needed:
            return _(
                "No test of frequencies is old enough to check the plan’s model. It must treat its customers for"
                " {needed} weeks. So far the longest has {weeks}; {missing} are missing."
            ).format(needed=number(needed), weeks=number(weeks), missing=number(check.missing_weeks))
        return _(
            "The tests that are old enough do not state a frequency that the plan considers, so its model has no figure"
            " to compare."
        )
    last = last_modelled_week(check.effects)
    unseen = _("The texts of these tests ended with week {last}; the long run goes on after it.").format(
        last=number(last)
    )
    if check.contradicted:
        return joined(
            _("The plan’s long-run figure is contradicted by what tests earned later."),
            *(_gap_words(effect, gap, currency) for effect, gap in check.contradicted),
            unseen,
        )
    words = {
        "supported": _(
            "The plan’s long-run figure is not contradicted by what tests earned later: on average over their arms its"
            " model expects a profit of orders of {model} per customer and week, and model − observed is {gap}."
        ),
        "imprecise": _(
            "The tests are too small to check the plan’s long-run figure: on average over their arms its model expects"
            " a profit of orders of {model} per customer and week, and model − observed is {gap}."
        ),
    }[check.outcome]
    return joined(
        words.format(model=money(check.model.value, currency), gap=_amount(check.model_gap, currency)), unseen
    )


def _gap_words(effect: LaterEffect, gap: Estimate, currency: str) -> str:
    """By how much the model is wrong; the limits are those of the comparison of all arms."""
    expected = effect.model.value if effect.model is not None else float("nan")
    if gap.value > 0:
        words = _(
            "For {arm} ({test}, weeks {first} to {last}) its model expects a profit of orders of"
            " {model} per customer and week. That is {gap} too high; limits are adjusted for the number of arms."
        )
    else:
        words = _(
            "For {arm} ({test}, weeks {first} to {last}) its model expects a profit of orders of"
            " {model} per customer and week. That is {gap} too low; limits are adjusted for the number of arms."
        )
    return words.format(
        arm=arm_name(effect.arm), test=experiment_name(effect.test),
        first=number(effect.first_week), last=number(effect.last_week),
        model=money(expected, currency), gap=_size(gap, currency),
    )  # fmt: skip


def _size(gap: Estimate, currency: str) -> str:
    """A difference without its sign."""
    low, high = sorted((abs(gap.low), abs(gap.high)))
    return compact_words(abs(gap.value), low, high, currency)


def _index_words(check: LongRunCheck, currency: str) -> str:
    wrong = [_wrong_words(effect, gap, currency, clicks=False) for effect, gap in check.index_contradicted]
    wrong += [_wrong_words(effect, gap, currency, clicks=True) for effect, gap in check.clicks_contradicted]
    if wrong:
        words = joined(
            *wrong,
            _("So what the first weeks showed does not predict all that followed."),
        )
    else:
        words = _(
            "Predictions from clicks, orders, opt-outs and texts of the first weeks are not distinguishable"
            " from what followed."
        )
    two_arms = _("In a test with two arms the index has learned from both, so agreement there says little.")
    return joined(words, two_arms if any(each.own_arm for each in check.effects) else "")


def _wrong_words(effect: LaterEffect, gap: Estimate, currency: str, *, clicks: bool) -> str:
    if clicks:
        high = _("For {arm} ({test}) the prediction by clicks is {gap} too high.")
        low = _("For {arm} ({test}) the prediction by clicks is {gap} too low.")
    else:
        high = _("For {arm} ({test}) the index is {gap} too high.")
        low = _("For {arm} ({test}) the index is {gap} too low.")
    words = high if gap.value > 0 else low
    return words.format(arm=arm_name(effect.arm), test=experiment_name(effect.test), gap=_size(gap, currency))
