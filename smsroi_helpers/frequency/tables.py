"""Tables of `04_frequency`: the data and the result; its checks are in `check_tables`."""

from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers.experiments import count_assigned
from smsroi_helpers.frequency import outputs
from smsroi_helpers.frequency.arms import compare_with_smallest
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.lifetime import summarise_draws
from smsroi_helpers.frequency.policy import (
    NOT_ADVISED,
    NOT_KNOWN,
    OTHERS,
    TIE_CHANCE,
    TIE_SHARE,
    share_without_texts,
    texts_per_week,
)
from smsroi_helpers.frequency.shared_wording import (
    frequency_words,
    is_change,
    loss_sentence,
    money_words,
    no_test_words,
    open_words,
    opt_out_sentence,
    other_words,
)
from smsroi_helpers.frequency.study import Study, count_exclusions, in_order
from smsroi_helpers.locale import _, day, enumerated, joined, number, percent, sentence
from smsroi_helpers.pages import (
    Html,
    carried_words,
    compact_words,
    cost_unknown_words,
    experiment_words,
    note,
    p_words,
    percent_range,
    problem_words,
    segment_name,
    table,
)
from smsroi_helpers.pages import practice_table as practice

__all__ = [
    "arms_table",
    "exclusions_table",
    "loss_note",
    "policy_table",
    "practice_table",
    "response_table",
    "rule_note",
    "test_note",
]


def _frequency_number(dose: float) -> str:
    """Texts a week, formatted for a table cell."""
    return number(dose, 0 if float(dose).is_integer() else 1)


def _share_words(value: float, low: float, high: float, digits: int = 2) -> str:
    if not np.isfinite([value, low, high]).all():
        return "–" if not np.isfinite(value) else percent(value, digits)
    return percent_range(value, low, high)


# --- data ------------------------------------------------------------------------------------------------------------


def test_note(study: Study) -> Html:
    """Which test is used, or why there is none; whether profit is before message costs."""
    costs = "" if study.cost_known else cost_unknown_words()
    if study.no_test or study.experiment is None or study.validity is None:
        return note(
            joined(no_test_words(study), _("What follows is read off the log and shows no effect of messages."), costs)
        )
    each = study.experiment
    words = _(
        "Frequencies were tested in {test}, from {start} on, with {n} customers; the split is as planned (p {p})."
    ).format(
        test=experiment_words(each.name),
        start=day(each.started),
        n=number(count_assigned(each)),
        p=p_words(study.validity.split.p_value),
    )
    carried = ""
    if study.carried is not None:
        everybody = study.carried.transport.segments.iloc[0]
        carried = carried_words(everybody["then"], everybody["now"], everybody["overlap"])
    warnings = (sentence(problem_words(warning)) for warning in study.validity.warnings)
    return note(joined(words, *warnings, carried, _level_words(study), costs))


def _level_words(study: Study) -> str:
    """How often today's subscribers click and opt out, compared with the test's members."""
    level = None if study.fit is None else study.fit.level
    if level is None:
        return ""
    clicks, opt_outs = _(
        "From {first} to {last}, the weeks of today, they clicked {times} times (95% interval {low} to {high}) as"
        " often per text as the test predicts. The profit of texts below is at today’s level."
    ), _(
        "From {first} to {last}, the weeks of today, they opted out {times} times (95% interval {low} to {high}) as"
        " often as the test predicts. The opt-outs caused by texts below are at today’s level."
    )  # fmt: skip
    weeks = study.logs.practice
    words = []
    for words_of, factor in ((clicks, level.clicks[0]), (opt_outs, level.opt_outs[0])):
        if np.ptp(factor) > 0:  # known
            times, low, high = (number(x, 2) for x in summarise_draws(factor))
            words.append(
                words_of.format(
                    first=day(weeks.first_day), last=day(weeks.last_day), times=times, low=low, high=high,
                )
            )  # fmt: skip
    return joined(*words)


def exclusions_table(study: Study) -> Html:
    """Which customers of the test are included and excluded."""
    if not study.sound or not len(study.cells):
        return note(_("No test’s customers are counted."))
    words = {
        "assigned": _("Assigned"),
        "late": _("Assigned too late to have an outcome"),
        "no_consent": _("Did not consent when assigned"),
    }
    rows = [(words[step], out, left) for step, out, left in count_exclusions(study)]
    columns = [_("Reason"), _("Customers out"), _("Customers left")]
    return table(pd.DataFrame(rows, columns=columns), caption=_("Whose outcomes count, and whose do not"), digits=0)


def practice_table(study: Study) -> Html:
    """The weeks that are called today, and texts per subscriber in them; where they follow a plan, also before it."""
    every = [study.logs.today, *([study.logs.before_plan] if len(study.logs.before_plan) else [])]
    if not study.logs.practice.channel or not len(study.logs.today):
        return practice(study.logs.practice)
    more = {
        _("Texts each a week"): [_known(texts_per_week(weeks), 2) for weeks in every],
        _("Customer-weeks without any"): [_known(share_without_texts(weeks), None) for weeks in every],
    }
    return practice(study.logs.practice, more)


def _known(value: float, digits: int | None) -> str:
    """A number with so many decimals, or a share (None); a dash where there are no whole weeks."""
    if not np.isfinite(value):
        return "–"
    return percent(value) if digits is None else number(value, digits)


# --- result ----------------------------------------------------------------------------------------------------------


def arms_table(study: Study, currency: str) -> Html:
    """The arms without a model."""
    if not len(study.arms):
        return note(_("There are no arms to show."))
    rows = study.arms[study.arms["segment"] == ALL]
    zero = 0.0 in study.texts_per_week.values()
    frame = pd.DataFrame({
        _("Texts a week planned"): [frequency_words(x) for x in rows["messages_per_week"]],
        _("Sent a week"): [number(x, 2) for x in rows["sent"]],
        _("Customers"): rows["customers"].to_numpy(),
        _("Orders each"): [number(x, 2) for x in rows["orders"]],
        _("Clicks a week"): [
            compact_words(*row) if np.isfinite(row).all() and row[2] > row[1] else number(row[0], 2)
            for row in rows[["clicks", "clicks_low", "clicks_high"]].to_numpy(float)
        ],
        _("Opt-outs a week"): [
            _share_words(*row) for row in rows[["hazard", "hazard_low", "hazard_high"]].to_numpy(float)
        ],
    })  # fmt: skip
    if zero:
        frame[_("Profit a week against none")] = [
            money_words(*row, currency=currency) for row in rows[["profit", "low", "high"]].to_numpy(float)
        ]
    else:
        compared = compare_with_smallest(study.cells, study.texts_per_week)
        frame[_("Profit against the smallest frequency")] = [
            money_words(*row, currency=currency) for row in compared[["difference", "low", "high"]].to_numpy(float)
        ]
    caption = _(
        "The arms as they are, randomised, with 95% intervals: per subscribed customer and week, orders over the whole"
        " test. Opt-outs include those that would have come anyway"
    )
    return table(frame, caption=caption, suppress=_("Customers"))


def response_table(study: Study, currency: str) -> Html:
    """Profit and opt-outs of each frequency by segment: pooled estimates beside each arm's own."""
    if study.fit is None:
        return note(_("Without a test that had an arm without messages, what a frequency brings is not known."))
    plain = study.arms.set_index(["segment", "messages_per_week"])
    pooled = outputs.response_table(study)
    pooled = pooled[pooled["messages_per_week"] > 0].set_index("segment")
    rows, without = [], []
    for name in in_order(study, study.fit.names):
        for row in pooled.loc[[name]].itertuples():
            arm = (
                plain.loc[(name, row.messages_per_week), ["profit", "low", "high"]].to_numpy(float)
                if (name, row.messages_per_week) in plain.index
                else [np.nan] * 3
            )
            if row.tested and not np.isfinite(arm[0]):
                without.append(segment_name(name))
            value = (row.long_run_profit, row.long_run_low, row.long_run_high)
            rows.append({
                _("Segment"): segment_name(name), _("Texts a week"): frequency_words(row.messages_per_week),
                _("Evidence"): _("tested") if row.tested else _("not tested"),
                _("Test’s customers used"): row.customers,
                _("Profit a week, arm alone"): money_words(*arm, currency=currency),
                _("Profit a week, pooled"): money_words(row.profit_per_week, row.low, row.high, currency=currency),
                _("Opt-outs caused a week"): _share_words(row.opt_out_per_week, row.opt_out_low, row.opt_out_high),
                _("Long-run value per subscriber"): money_words(*value, currency=currency),
            })  # fmt: skip
    caption = _(
        "What each frequency brings per subscriber and week against none, how many it makes opt out, and"
        " the long-run value per subscriber at this frequency; 95% intervals. Segments are today’s, and the"
        " test’s customers are weighted to be like them; an arm alone is of those in the segment when"
        " assigned. Pooled estimates are drawn together as far as segments differ by chance. Not tested:"
        " interpolated from the arms above and below"
    )
    if without:
        caption = joined(
            sentence(caption),
            _(
                "No arm alone of {segments}: none of the test’s customers, or too few, were in the segment when"
                " assigned."
            ).format(segments=enumerated(dict.fromkeys(without))),
        )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Test’s customers used"))


def policy_table(
    policy: pd.DataFrame, currency: str, by: Literal["segment", "stage"] = "segment", cash_weeks: int = 12
) -> Html:
    """The recommended texts per week of each group compared with today's, in cash and in the long run."""
    if not len(policy):
        return note(_("No frequency can be advised."))
    words = {"change": _("change"), "stay": _("stay"), "not_enough": _("not enough evidence")}
    grouping = "lifecycle_stage" if by == "stage" else ""
    rows = [
        {
            _("Segment"): segment_name(row.segment, grouping),
            _("Test’s customers used"): row.customers,
            _("Subscribers"): row.subscribed,
            _("Today"): number(row.today, 1) if np.isfinite(row.today) else _("not known"),
            _("Best in a test week"): "–" if row.reason in NOT_ADVISED else _frequency_number(row.short_run),
            _("Recommended"): "–" if row.reason in NOT_ADVISED else _frequency_number(row.messages_per_week),
            _("May be as good"): "–" if row.reason in NOT_KNOWN
            else _(", ").join(_frequency_number(x) for x in row.not_worse),
            _("Cash, next {n} weeks").format(n=number(cash_weeks)): money_words(
                row.cash, row.cash_low, row.cash_high, currency=currency
            ) if is_change(row) else "–",
            _("Long run, a week"): money_words(row.gain, row.gain_low, row.gain_high, currency=currency)
            if is_change(row) else "–",
            _("If left, for the best other one: long run, a week"): _("{dose}: {gain}").format(
                dose=other_words(row.leave_for),
                gain=money_words(row.leave, row.leave_low, row.leave_high, currency=currency),
            ) if np.isfinite(row.leave) else "–",
            _("If left: cash, next {n} weeks").format(n=number(cash_weeks)): money_words(
                row.leave_cash, row.leave_cash_low, row.leave_cash_high, currency=currency
            ) if np.isfinite(row.leave_cash) else "–",
            _("Test next"): frequency_words(row.try_next)
            if np.isfinite(row.try_next) and row.reason not in NOT_ADVISED else "–",
            _("Result"): _("{result}: {why}").format(result=words[row.outcome], why=open_words(row.reason))
            if open_words(row.reason) and row.outcome == "not_enough" else words[row.outcome],
        }
        for row in policy.itertuples()
    ]  # fmt: skip
    caption = _policy_caption(policy) if by == "segment" else _("The same by lifecycle stage")
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Test’s customers used"), digits=0)


def _policy_caption(policy: pd.DataFrame) -> str:
    """What the columns of `policy_table` are, of those it has."""
    return joined(
        _(
            "The frequency of each segment: today’s, the tested one that is best in a week of the test, and the one"
            " recommended for the long run by the rule below. The rule prefers fewer texts in a tie, so another may"
            " have a higher estimate. Cash of the next weeks and the long run are different money and are never added."
        ),
        _(
            "Segments’ changes add up, since no customer is in two; they replace the row of all customers."
        ) if any(is_change(row) for row in policy.itertuples()) else "",
        _(
            "“If left” is what a change from today’s frequency to the best of the others tested would bring; it is not"
            " recommended."
        ) if np.isfinite(policy["leave"]).any() else "",
        _(
            "“May be as good” compares all frequencies at once, with wider intervals than a comparison of one"
            " frequency with no texts alone."
        ),
        _(
            "Subscribers are those who may be texted: not those whose texts another running test sets, nor those whom"
            " no text has ever reached."
        ),
    )  # fmt: skip


def loss_note(study: Study) -> Html:
    """What ends the value of a subscriber besides the texts."""
    return note(loss_sentence(study) or _("Without such a test a subscriber’s value is not estimated."))


def rule_note(study: Study) -> Html:
    """The rule that chooses the texts per week, and how ties are broken."""
    if study.fit is None:
        return note(_("Without such a test no rule chooses a frequency."))
    return note(
        joined(
            _(
                "The rule: the tested frequency with the highest long-run profit is chosen. A smaller one is chosen"
                " instead on three conditions. It is not distinguishable from the best (multiple comparisons with the"
                " best, 95%). Its estimate is lower by at most {share}, or by the smallest gain worth having. It is"
                " as good with a probability of at least {chance}. So a tie goes to fewer texts, and a clear best is"
                " not overruled."
                " A change is recommended where the whole interval of its long-run gain is above the smallest gain"
                " worth having. More than {others} of the subscribers must not be sent that number evenly already."
            ).format(share=percent(TIE_SHARE), chance=percent(TIE_CHANCE), others=percent(OTHERS)),
            opt_out_sentence(study),
        )
    )
