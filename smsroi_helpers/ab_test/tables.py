"""Tables of `05_ab_test`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.ab_test.effects import ArmEffect, is_count, is_money
from smsroi_helpers.ab_test.profit_over_time import hide_alike
from smsroi_helpers.ab_test.shared_wording import effect_rows_words, running_p_words
from smsroi_helpers.ab_test.study import Evaluated, FalseAlarms
from smsroi_helpers.experiments import count_assigned, count_late
from smsroi_helpers.locale import _, day, joined, listed, money, month, number, percent, sentence
from smsroi_helpers.pages import (
    Html,
    arm_name,
    compact_words,
    cost_unknown_words,
    experiment_name,
    lift_words,
    metric_words,
    note,
    p_words,
    problem_words,
    question_words,
    table,
)
from smsroi_helpers.statistics import ALPHA

__all__ = [
    "best_table",
    "broken_days_table",
    "capped_table",
    "cost_note",
    "difference_words",
    "exclusions_table",
    "experiments_table",
    "monthly_profit_table",
    "others_table",
    "overlaps_table",
    "peeking_note",
    "reason_words",
    "results_table",
    "validity_table",
]


MANY_ARMS = 4
"""For tests with more arms, rows without a significant effect are left out of tables and counted."""


def _kind_words(kind: str) -> str:
    return {
        "holdout": _("texting or not"),
        "frequency": _("how often"),
        "timing": _("when"),
        "content": _("which text"),
    }.get(kind, kind)


def reason_words(reason: str) -> str:
    """`ArmEffect.reason` in words; empty for none."""
    return {
        "no_customers": _("an arm has fewer than two customers"),
        "no_messages": _("an arm was sent nothing"),
        "no_variance": _("all customers are alike in it"),
        "few_events": _("too few events in an arm"),
        "few_clusters": _("too few households or stores in an arm"),
    }.get(reason, "")


def difference_words(metric: str, estimate: tuple[float, float, float], currency: str, reason: str = "") -> str:
    """A difference with its interval, in money, orders or percentage points; the reason where there is none.

    Args:
        metric: its name.
        estimate: difference, low, high.
        currency: the source's.
        reason: `ArmEffect.reason`.
    """
    value, low, high = estimate
    if not np.isfinite([value, low, high]).all():
        return reason_words(reason) or "–"
    in_money, in_orders = is_money(metric), is_count(metric)
    scale = 1.0 if in_money or in_orders else 100.0
    shown = compact_words(scale * value, scale * low, scale * high, currency if in_money else "")
    if in_orders:
        return _("{numbers} orders").format(numbers=shown)
    return shown if in_money else _("{numbers} points").format(numbers=shown)


def _mean(metric: str, value: float, currency: str) -> str:
    if is_money(metric):
        return money(value, currency)
    return number(value, 3) if is_count(metric) else percent(value, 2)


def cost_note(known: bool, *, has_orders: bool = True) -> Html:
    """Whether profit is after or before message costs, or not known.

    Args:
        known: of `measures.knows_cost`.
        has_orders: whether the source has orders.
    """
    if not has_orders:
        return note(
            _(
                "This source has no orders. So profit, revenue and the share who order are not known and not evaluated,"
                " nor is anything made of them: value over time, segments, targeting rules, the size of the next test."
                " Clicks, replies and opt-outs are evaluated."
            )
        )
    return note(_("Profit is after what the messages cost.") if known else cost_unknown_words())


def exclusions_table(exclusions: pd.DataFrame) -> Html:
    """The assignments rejected, and why.

    Args:
        exclusions: of `Run.exclusions`.
    """
    return table(exclusions, caption=_("Assignments rejected, and why"))


def experiments_table(evaluated: Sequence[Evaluated]) -> Html:
    """Every experiment with its arms, customers and time.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        experiment = each.experiment
        end = _("until {day}").format(day=day(experiment.last)) if experiment.state == "ended" else _("running")
        rows.append({
            _("Test"): experiment_name(experiment.name),
            _("About"): _kind_words(experiment.kind),
            _("Control"): arm_name(experiment.control),
            _("Against it"): listed(arm_name(arm) for arm in experiment.treated),
            _("Customers"): count_assigned(experiment),
            _("Left out (too late)"): count_late(experiment),
            _("Weeks counted"): number(experiment.weeks, 1),
            _("Since"): day(experiment.started),
            _("State"): end,
            _("Answered under"): question_words(each.decided_in),
        })  # fmt: skip
    caption = _("The tests, and how long the customers’ outcomes were counted on average")
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def validity_table(evaluated: Sequence[Evaluated]) -> Html:
    """The validity of each experiment, check by check.

    Args:
        evaluated: of `ab_test.analyse`.
    """
    rows = []
    for each in evaluated:
        validity = each.validity
        rows.append({
            _("Test"): experiment_name(each.experiment.name),
            _("Split as planned (p)"): p_words(validity.split.p_value),
            _("Same before the test (p)"): p_words(validity.balance_p)
            if np.isfinite(validity.balance_p)
            else _("not known"),
            _("Control messaged (tested channel)"): percent(validity.control_messaged, 1)
            if np.isfinite(validity.control_messaged) else _("as planned"),
            _("Result"): listed(problem_words(one) for one in validity.problems) if validity.broken else _("valid"),
            _("Caveats"): listed(problem_words(one) for one in validity.warnings) or "–",
        })  # fmt: skip
    caption = _(
        "Whether each test is valid. A test is broken if p is below 0.01 for its split, or below 0.001"
        " for the comparison of the arms before the test"
    )
    return table(pd.DataFrame(rows), caption=caption)


def broken_days_table(days: pd.DataFrame) -> Html:
    """The days of assignment on which a broken split deviates.

    Args:
        days: of `ab_test.locate_broken_days`.
    """
    rows = [
        {
            _("Test"): experiment_name(row.experiment_id),
            _("Assigned on"): day(row.name), _("Customers"): row.customers,
            _("Arm"): arm_name(row.arm), _("Share"): percent(row.share, 1), _("Planned"): percent(row.planned, 1),
            _("Adjusted p"): p_words(row.adjusted_p),
        }
        for row in days.itertuples()
    ]  # fmt: skip
    if not rows:
        return note(_("No day of assignment stands out for its split."))
    caption = _("Where a broken split went wrong: days on which it was off by more than chance (it locates, no more)")
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def overlaps_table(overlaps: pd.DataFrame) -> Html:
    """Customers in two tests at once, and whether the arms are independent.

    Args:
        overlaps: of `ab_test.map_overlaps`.
    """
    rows = [
        {
            _("Test"): experiment_name(row.one),
            _("And"): experiment_name(row.two),
            _("Customers in both"): row.customers,
            _("Of the smaller one"): percent(row.share),
            _("Arms independent (p)"): _("not tested: households or stores were assigned") if row.clustered
            else p_words(row.p_value) if np.isfinite(row.p_value) else _("only one arm of one of them"),
        }
        for row in overlaps.itertuples()
    ]  # fmt: skip
    if not rows:
        return note(_("Nobody was in two tests at once."))
    caption = _(
        "Customers in two tests at once. As long as the arms of one are spread evenly over the arms of"
        " the other, each difference is valid: an average over the other’s arms"
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0, fold=True)


def _effect_rows(each: Evaluated, rows: Sequence[ArmEffect], currency: str, *, looks: bool) -> list[dict[str, object]]:
    """Rows of effects (of arms other than the control) as a table shows them.

    Args:
        each: the experiment.
        rows: of its effects.
        currency: the source's.
        looks: with a column for the always-valid interval.
    """
    shown = []
    running = each.experiment.state == "running"
    for row in rows:
        metric = row.metric
        control = each.effects.find(metric, each.experiment.control)
        assert control is not None
        any_look = difference_words(metric, row.always_valid, currency, row.reason) if running else "–"
        shown.append({
            _("Test and arm"): _("{test}: {arm}").format(
                test=experiment_name(each.experiment.name), arm=arm_name(row.arm)
            ),
            _("What"): metric_words(metric),
            _("Customers"): row.customers,
            _("Mean (control)"): _("{mean} ({control})").format(
                mean=_mean(metric, row.mean, currency), control=_mean(metric, control.mean, currency)
            ),
            _("Difference"): difference_words(metric, row.interval, currency, row.reason),
            **({_("At any look"): any_look} if looks else {}),
            _("Relative lift"): lift_words(*row.lift),
            _("p-value"): p_words(row.adjusted_p),
        })  # fmt: skip
    return shown


def results_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """By arm: the deciding metric, the test's own metric, and opt-outs where they changed.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    looks = any(each.experiment.state == "running" for each in evaluated if not each.validity.broken)
    shown = []
    for each in evaluated:
        rows = [row for row in each.effects.overall() if _is_shown(each, row)]
        shown += _effect_rows(each, rows, currency, looks=looks)
    if not shown:
        return note(
            _("No test can be believed, so no difference is shown.")
            if all(each.validity.broken for each in evaluated)
            else _("The metrics of the valid tests are not known in this source, so no difference is shown.")
        )
    adjusted = any(row.method == "adjusted" for each in evaluated for row in each.effects)
    caption = joined(
        _("Arms against their control, with 95% intervals."),
        _("The column “At any look” is valid at any number of readings of a running test.") if looks else "",
        _("Adjusted for what the same customers did before.") if adjusted else "",
        running_p_words(evaluated),
        effect_rows_words(clicks=any(row[_("What")] == metric_words("click_rate") for row in shown)),
    )
    return table(pd.DataFrame(shown), caption=caption, suppress=_("Customers"))


def _is_shown(each: Evaluated, row: ArmEffect) -> bool:
    """Whether to show a row: the deciding metric, the own one (of many arms, if significant), significant opt-outs."""
    moved = row.adjusted_p < ALPHA
    if row.metric == each.decision.metric or (moved and row.metric == "opt_out_rate"):
        return True
    return row.metric == each.experiment.primary and (moved or len(each.experiment.treated) <= MANY_ARMS)


def others_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """Significant effects on the exploratory metrics.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    shown, tried = [], 0
    for each in evaluated:
        decides = (each.decision.metric, each.experiment.primary, "opt_out_rate")
        rows = [row for row in each.effects.overall() if row.metric not in decides]
        tried += sum(not np.isnan(row.p_value) for row in rows)
        shown += _effect_rows(each, [row for row in rows if row.adjusted_p < ALPHA], currency, looks=False)
    if not tried:
        return note(_("There is nothing else to compare."))
    if not shown:
        return note(_("None of {n} other comparisons is clear of chance.").format(n=number(tried)))
    caption = _(
        "What else moved: {n} of {all} further comparisons (p below 0.05 by Benjamini and Hochberg’s correction). They"
        " say where to look; none decides"
    ).format(n=number(len(shown)), all=number(tried))
    caption = joined(sentence(caption), running_p_words(evaluated))
    return table(pd.DataFrame(shown), caption=caption, suppress=_("Customers"))


def best_table(evaluated: Sequence[Evaluated], currency: str) -> Html:
    """For tests with several arms that this stage decides: each arm's chance of being best, and its expected loss.

    Args:
        evaluated: of `ab_test.analyse`.
        currency: the source's.
    """
    rows = []
    for each in evaluated:
        # Raw arms in cash may rank otherwise than the page that decides the test: one answer per question.
        if each.validity.broken or len(each.experiment.arms) < 3 or each.decided_in != "ab_test":
            continue
        for row in each.likeliest_best[:4]:
            rows.append({
                _("Test"): experiment_name(each.experiment.name),
                _("Arm"): arm_name(row.arm), _("Customers"): row.customers,
                _("Chance of being best"): percent(row.probability_best, 1),
                _("Loss on average, if taken"): _mean(row.metric, row.expected_loss, currency),
            })  # fmt: skip
    if not rows:
        return note(_("No valid test that is decided on this page has more than one arm besides its control."))
    caption = _(
        "For who must choose an arm now: the likeliest ones, and what is lost on average per customer if another is"
        " better. A model’s reading (flat prior, normal errors), no proof"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def capped_table(capped: pd.DataFrame, currency: str) -> Html:
    """Whether the difference depends on a few very large profits.

    Args:
        capped: of `ab_test.cap_profit`.
        currency: the source's.
    """
    listed_arms, alike = hide_alike(capped, MANY_ARMS)
    rows = [
        {
            _("Test"): experiment_name(row.experiment_id),
            _("Arm"): arm_name(row.arm),
            _("Cap"): money(row.cap, currency),
            _("As it is"): difference_words("profit", (row.difference, row.low, row.high), currency),
            _("With the cap"): difference_words(
                "profit", (row.capped_difference, row.capped_low, row.capped_high), currency
            ),
        }
        for row in listed_arms.itertuples()
    ]
    if not rows and len(capped):
        return note(
            _("A cap on the largest profits changes nothing: no arm is clear of its control only with or without it.")
        )
    if not rows:
        return note(_("Without profit there is nothing to cap."))
    caption = _(
        "The difference in profit per customer, and the same with nobody’s profit above a cap that is one for all arms:"
        " what only 1 in 100 buyers of the test exceed. Where they disagree, a few customers make the difference"
    )
    if alike:
        caption = joined(
            sentence(caption),
            _("Of tests with many arms, {n} arms that are as clear, or as open, with the cap are not listed").format(
                n=number(alike)
            ),
        )
    return table(pd.DataFrame(rows), caption=caption, fold=True)


def monthly_profit_table(months: pd.DataFrame, totals: pd.DataFrame, currency: str) -> Html:
    """Incremental profit and the cost of holding out, by month and in total.

    Args:
        months: of `ab_test.estimate_monthly_profit`.
        totals: of `ab_test.estimate_total_profit`.
        currency: the source's.
    """
    rows = [
        {
            _("Test"): experiment_name(row.experiment_id),
            _("Month"): month(pd.Timestamp(row.month).date()),
            _("Assigned to texts"): row.treated,
            _("Held out"): row.control,
            _("Earned"): compact_words(row.earned, row.earned_low, row.earned_high, currency),
            _("Lost by holding out"): compact_words(row.lost, row.lost_low, row.lost_high, currency),
        }
        for row in months.itertuples()
    ]
    if not rows:
        return note(
            _(
                "So there is no incremental profit by month: it takes orders, and a tenth of the customers held"
                " out of every campaign."
            )
        )
    caption = _(
        "Incremental profit by month from the standing holdout, and the profit lost by holding customers out. Customers"
        " assigned to texts count whether or not a text reached them in the month (intention to treat)"
    )
    for row in totals.itertuples():
        caption = joined(
            sentence(caption),
            _("All months together ({test}), adjusted by the time before: {earned} earned, {lost} lost").format(
                test=experiment_name(row.experiment_id),
                earned=compact_words(row.earned, row.earned_low, row.earned_high, currency),
                lost=compact_words(row.lost, row.lost_low, row.lost_high, currency),
            ),
        )
    return table(pd.DataFrame(rows), caption=caption, digits=0, fold=True)


def peeking_note(found: FalseAlarms) -> Html:
    """The false-alarm rates of daily looks with the fixed and the always-valid interval.

    Args:
        found: of `ab_test.simulate_daily_looks`.
    """
    return note(
        _(
            "Why two intervals: in simulated tests nothing differs, and somebody looks every day for {days} days. The"
            " usual interval calls {naive} of them significant, the one used here while a test runs {ours}. It"
            " promises at most {alpha}, for however long one looks."
        ).format(
            days=number(found.days),
            naive=percent(found.fixed),
            ours=percent(found.always_valid, 1),
            alpha=percent(found.level),
        )
    )
