"""Tables of `03_timing`."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from smsroi_helpers.contract import evidence_of_model
from smsroi_helpers.experiments import count_assigned
from smsroi_helpers.locale import _, day, enumerated, interval, joined, listed, number, percent, sentence
from smsroi_helpers.pages import (
    Html,
    carried_words,
    evidence_label,
    experiment_name,
    experiment_words,
    not_compared_words,
    note,
    segment_name,
    table,
)
from smsroi_helpers.pages import practice_table as practice
from smsroi_helpers.timing.best_hours import Answer, Timing
from smsroi_helpers.timing.best_weekdays import WeekdayAnswer
from smsroi_helpers.timing.counts import click_rates
from smsroi_helpers.timing.customer_hours import share_moved
from smsroi_helpers.timing.decision import CASH_WEEKS, cash_of, count_texted, gain_per_week, regret_per_week
from smsroi_helpers.timing.holidays import SpecialDays
from smsroi_helpers.timing.outputs import carried_segments, count_responses, span_of_windows
from smsroi_helpers.timing.personal_send_time import PersonalHours, how_much_likelier
from smsroi_helpers.timing.response import HourResponse, observational_gap
from smsroi_helpers.timing.shared_wording import count_heading, rate_heading
from smsroi_helpers.timing.wording import (
    best_days_words,
    clicks_words,
    exclusion_words,
    hours_words,
    uncompared_words,
    value_words,
    weekday_name,
    window_words,
)

__all__ = [
    "cleaning_table",
    "days_table",
    "exclusions_table",
    "gains_table",
    "gap_table",
    "personal_table",
    "practice_table",
    "tests_table",
    "value_note",
    "weekdays_table",
    "windows_table",
]


def exclusions_table(timing: Timing) -> Html:
    """Which messages are included and excluded.

    Args:
        timing: of `study.analyse`.
    """
    rows = timing.sends.exclusions
    frame = pd.DataFrame(
        {
            _("Reason"): [exclusion_words(reason, timing.sends.window_hours) for reason in rows["reason"]],
            _("Messages out"): rows["out"],
            _("Messages left"): rows["messages"],
        }
    )
    return table(frame, caption=_("Which messages are looked at"), digits=0)


def practice_table(timing: Timing) -> Html:
    """The weeks that are called today, and what was sent in them."""
    return practice(timing.today) if timing.today is not None else note(_("What is done today is not known."))


def cleaning_table(timing: Timing) -> Html:
    """Clicks of machines, and the click rate with and without them."""
    if timing.sends.outcome != "click":
        text = _("This source records no clicks: orders within {hours} hours after a text stand in for them.")
        return note(text.format(hours=timing.sends.window_hours))
    words = {
        "none": _("By people"),
        "fast": _("Within seconds of delivery"),
        "burst": _("With many others of the campaign in the same second"),
        "everything": _("By recipients who click nearly every text"),
    }
    rows = timing.sends.cleaning.set_index("machine").reindex(list(words)).fillna(0)
    rates = click_rates(timing.sends)
    frame = pd.DataFrame({_("Clicks"): list(words.values()), _("Number"): rows["clicks"].to_numpy(float)})
    caption = _(
        "Whose clicks they are. With all of them {all} of the texts were clicked; without the machines’, and without"
        " the texts that a machine clicked first, {people}"
    ).format(all=percent(rates.raw, 2), people=percent(rates.human, 2))
    return table(frame, caption=caption, digits=0)


def tests_table(timing: Timing) -> Html:
    """The experiments that test hours, and whether their split is valid."""
    if not timing.tests:
        return note(
            _("No experiment tested hours: what follows is observational, since who was texted when was not random.")
        )
    rows = [
        {
            _("Test"): experiment_name(test.experiment.name),
            _("Hours tried"): listed(window_words(row.hour, row.until) for row in test.windows.itertuples())
            if len(test.windows) <= 4
            else _("{n} windows, {first} to {last}").format(
                n=number(len(test.windows)), first=f"{span_of_windows(test.windows)[0]}:00",
                last=f"{span_of_windows(test.windows)[1]}:00",
            ),
            _("Customers"): count_assigned(test.experiment),
            _("Since"): day(test.experiment.started),
            _("Split as planned (p)"): number(test.split_p, 2),
            _("Used"): _("yes") if timing.test is test else _("no"),
        }
        for test in timing.tests
    ]  # fmt: skip
    caption = _("Experiments that try hours")
    if timing.randomised is not None and timing.randomised.transport is not None:
        everybody = timing.randomised.transport.segments.iloc[0]
        carried = carried_words(
            everybody["then"], everybody["now"], everybody["overlap"], has_orders=timing.knows_orders
        )
        caption = joined(sentence(caption), carried)
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"))


def windows_table(answers: Sequence[Answer], timing: Timing) -> Html:
    """The windows that are not distinguishable from the best, by segment.

    Args:
        answers: of `best_hours.find_best_hours`.
        timing: of `study.analyse`.
    """
    if not answers or timing.main is None:
        return note(_("There is nothing to choose from."))
    rows = []
    for answer in answers:
        best = answer.windows.iloc[answer.best]
        rows.append({
            _("Segment"): segment_name(answer.segment),
            _customers_heading(timing.main): answer.customers,
            count_heading(timing.sends.outcome): count_responses(timing.main, answer.segment),
            _("May be the best"): _("all of them") if answer.chosen.all() else hours_words(answer),
            _("Likeliest"): window_words(best["hour"], best["until"]),
            rate_heading(timing.sends.outcome): _("{share} ({low} to {high})").format(
                share=percent(best["rate"], 1), low=percent(best["low"], 1), high=percent(best["high"], 1)
            ),
        })  # fmt: skip
    caption = joined(
        sentence(_("Windows not distinguishable from the best: in 95 of 100 cases the truly best one is among them")),
        _carried_sentence(timing.main, answers),
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_customers_heading(timing.main), digits=0)


def _customers_heading(response: HourResponse) -> str:
    return _("Test’s customers used") if response.evidence == "randomised" else _("Customers")


def _carried_sentence(response: HourResponse, answers: Sequence[Answer | WeekdayAnswer]) -> str:
    """Names the segments whose rows rest on the test's customers of other segments; empty without any."""
    carried = carried_segments(response)
    names = [segment_name(answer.segment) for answer in answers if answer.segment in carried]
    if not names:
        return ""
    return _(
        "The counts are of a segment’s own customers. The test had no customers in {segments}, or too few;"
        " there the result is carried over from customers of all segments who are like today’s, and they are counted in"
        " their own segments, too."
    ).format(segments=enumerated(names))


def weekdays_table(answers: Sequence[WeekdayAnswer], timing: Timing) -> Html:
    """The weekdays that are not distinguishable from the best, by segment, and their gain in clicks.

    Args:
        answers: of `best_weekdays.find_best_weekdays`.
        timing: of `study.analyse`.
    """
    response = timing.assigned_weekdays or timing.observational
    if not answers or response is None:
        return note(
            _("Weekdays cannot be compared: too few clicks or orders for campaigns sent on more than one weekday.")
        )
    rows = []
    for answer in answers:
        best = answer.days.iloc[answer.best]
        rows.append({
            _("Segment"): segment_name(answer.segment),
            _customers_heading(response): answer.customers,
            count_heading(timing.sends.outcome): count_responses(response, answer.segment),
            _("May be the best"): _("all of them") if answer.chosen.all() else best_days_words(answer),
            _("Most likely best"): weekday_name(int(best["weekday"])),
            rate_heading(timing.sends.outcome, weekday=True): _("{share} ({low} to {high})").format(
                share=percent(best["rate"], 1), low=percent(best["low"], 1), high=percent(best["high"], 1)
            ),
            _("More clicks per 1,000 texts than on today’s weekdays")
            if timing.sends.outcome == "click"
            else _("More orders per 1,000 texts than on today’s weekdays"): clicks_words(*answer.gain())
            if np.isfinite(answer.gain()).all()
            else _("unknown"),
            _("Evidence"): evidence_label(evidence_of_model(answer.evidence)),
        })  # fmt: skip
    caption = _(
        "Weekdays that are not distinguishable from the best (95% confidence), compared within campaigns. Weekdays were"
        " not randomly assigned, so differences may have other causes"
    )
    if answers[0].evidence == "randomised":
        caption = joined(
            sentence(
                _("Weekdays that are not distinguishable from the best (95% confidence); they were randomly assigned")
            ),
            _carried_sentence(response, answers),
        )
    compared = {answer.segment for answer in answers}
    volume = timing.volume[(timing.volume["segment"] != "") & ~timing.volume["segment"].isin(compared)]
    left_out = [(str(row.segment), int(row.customers)) for row in volume.itertuples()]
    if left_out and answers[0].evidence != "randomised":
        caption = joined(sentence(caption), not_compared_words(left_out))
    return table(pd.DataFrame(rows), caption=caption, suppress=_customers_heading(response), digits=0)


def gains_table(timing: Timing, answers: Sequence[Answer], currency: str, cash_weeks: int = CASH_WEEKS) -> Html:
    """What today's schedule loses compared with the best window, in clicks and in money.

    Args:
        timing: of `study.analyse`.
        answers: of `best_hours.find_best_hours`.
        currency: the source's.
        cash_weeks: the coming weeks whose cash is counted.
    """
    shown = [answer for answer in answers if np.isfinite(answer.gain()).all()]
    if not shown:
        return note(uncompared_words(timing))
    rows = []
    for answer in shown:
        lost = regret_per_week(timing, answer)
        cash = cash_of(timing, gain_per_week(timing, answer), cash_weeks)
        rows.append({
            _("Segment"): segment_name(answer.segment),
            _("Customers"): count_texted(timing, answer.segment),
            _("Texts delivered a week, at hours tried"): answer.messages_per_week,
            _("Clicks lost per 1,000 texts"): clicks_words(*answer.regret()),
            _("Lost a week"): interval(*lost, currency) if timing.priced else _("no price"),
            _("Cash of a change, next {n} weeks").format(n=number(cash_weeks)): _("no price")
            if cash is None
            else interval(*cash, currency),
        })  # fmt: skip
    caption = _(
        "What today’s hours lose compared with the best one, whichever that is: limits hold at once for all hours that"
        " may be the best, in clicks never below 0. The last column is what the hour advised brings, as in the answer."
        " Money is cash: clicks times the value of a click, if as many texts are sent as today. There is no long-run"
        " value: what the hour does to opt-outs is not priced"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def value_note(timing: Timing, currency: str) -> Html:
    """The value of a click, and the assumption under which it applies to other hours."""
    click = timing.click
    if not click.known:
        return note(value_words(click, timing.sends.outcome))
    return note(
        _(
            "A click by a person goes with {value} of profit before message costs, by {test} ({n} customers randomly"
            " assigned into arms that differ in messages). The same value is used at other hours: it is assumed"
            " that an hour changes profit only by changing how many people click."
        ).format(
            value=interval(click.estimate, click.low, click.high, currency),
            test=enumerated(map(experiment_words, click.experiments)),
            n=number(click.customers),
        )
    )  # fmt: skip


def gap_table(timing: Timing) -> Html:
    """The bias of the observational data by hour: see `response.observational_gap`.

    Args:
        timing: of `study.analyse`.
    """
    if timing.randomised is None or timing.observational is None:
        return note(_("There is only one kind of evidence here, so there is no gap between two to show."))
    rows = observational_gap(timing.randomised, timing.observational)
    if not len(rows):
        return note(_("The test and the observational data do not have two hours in common."))
    reference = window_words(int(rows["reference"].iloc[0]), int(rows["reference"].iloc[0]) + 1)
    frame = pd.DataFrame({
        _("Instead of {hour}").format(hour=reference): [window_words(r.hour, r.until) for r in rows.itertuples()],
        _("Observational"): [number(1000 * x, 1) for x in rows["records"]],
        _("Randomised"): [number(1000 * x, 1) for x in rows["lot"]],
        _("Gap"): [clicks_words(r.gap, r.low, r.high) for r in rows.itertuples()],
    })  # fmt: skip
    differing = rows[rows["adjusted_p"] < 0.05]
    conclusion = (
        _("At {n} of {all} hours the gap is more than chance (Holm): there observational data mislead.").format(
            n=number(len(differing)), all=number(len(rows))
        )
        if len(differing)
        else _("No gap is more than chance (Holm): it is not shown whether observational data mislead.")
    )
    caption = (
        _(
            "Clicks per 1,000 texts at another hour, compared with {hour}: observational data and the randomised test."
            " {conclusion}"
        )
        if timing.sends.outcome == "click"
        else _(
            "Orders per 1,000 texts at another hour, compared with {hour}: observational data and the randomised test."
            " {conclusion}"
        )
    )
    return table(frame, caption=caption.format(hour=reference, conclusion=conclusion))


def days_table(days: SpecialDays) -> Html:
    """Holidays and shifted workdays compared with ordinary days.

    Args:
        days: of `holidays.analyse_days`.
    """
    if not len(days.ratios):
        return note(_("No text went out on a public holiday that could be set beside ordinary days of the same month."))
    names = {"holiday": _("public holidays"), "shifted": _("weekend days worked in exchange for a holiday")}
    rows = []
    for row in days.ratios.itertuples():
        known = np.isfinite(row.ratio)
        reading = _("too few to tell") if not known else (
            _("higher") if row.low > 1 else _("lower") if row.high < 1 else _("no difference shown"))  # fmt: skip
        shown = _("{value} (95% interval {low} to {high})").format(
            value=number(row.ratio, 2), low=number(row.low, 2), high=number(row.high, 2)
        )
        rows.append({
            _("Days"): names[row.kind],
            _("Messages"): int(row.messages),
            count_heading(days.outcome): int(row.clicks),
            _("Times the rate of ordinary days"): shown if known else "",
            _("Reading"): reading,
        })  # fmt: skip
    caption = _(
        "Special days beside ordinary ones of the same country, month and weekday; they are few, and what else happened"
        " on them is in the number"
    )
    return table(pd.DataFrame(rows), caption=caption, digits=0)


def personal_table(personal: PersonalHours) -> Html:
    """Whether customers' own patterns predict later events better, and texts at their own hours are clicked more.

    Args:
        personal: of `personal_send_time.analyse_personal_send_times`.
    """
    rows = personal.held_out
    if not len(rows):
        return note(_("Too little is known of when customers are about: everybody has the segment’s hour."))
    first = [int(n) for n in rows["own"]]
    ranges = [
        _("{low} to {high}").format(low=number(n), high=number(after - 1)) if after > n + 1 else number(n)
        for n, after in pairwise(first)
    ]
    ranges.append(_("{n} or more").format(n=number(first[-1])))
    frame = pd.DataFrame({
        _("Own events before"): ranges,
        _("Later events"): rows["events"].astype(int),
        _("Likelier by"): [
            _("{value} (95% interval {low} to {high})").format(
                value=percent(how_much_likelier(row.gain), 1), low=percent(how_much_likelier(row.low), 1),
                high=percent(how_much_likelier(row.high), 1))
            if np.isfinite(row.low) else _("unknown")
            for row in rows.itertuples()
        ],
    })  # fmt: skip
    caption = _(
        "How much likelier a later visit, order or click is at an hour by the customer’s own active hours than by the"
        " segment’s daily pattern. {conclusion}"
    ).format(conclusion=_own_hours_words(personal))
    return table(frame, caption=caption, digits=0)


def _own_hours_words(personal: PersonalHours) -> str:
    """Whether own hours are used, and the result of the test of hours."""
    slope = personal.slope
    if not np.isfinite(slope.low):
        return _("Own hours are used for nobody: no test of hours shows more clicks at them.")
    part = _("{value} (95% interval {low} to {high})").format(
        value=number(slope.estimate, 1), low=number(slope.low, 1), high=number(slope.high, 1)
    )
    if personal.used:
        return _(
            "In the randomised test, the gain in clicks at customers’ own hours was {part} times the predicted gain (0"
            " means no effect). So own hours are used, and give {share} of those with such events another hour than"
            " their segment’s."
        ).format(part=part, share=percent(share_moved(personal)))
    if slope.low > 0:
        return _("Own hours are used for nobody: they do not predict what customers do later.")
    return _(
        "Own hours are used for nobody: the randomised test shows no gain in clicks at customers’ own hours ({part}"
        " times the predicted gain; 0 means no effect)."
    ).format(part=part)
