"""Tables of `03_timing`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smsroi_helpers.figures.style import Html, note, table
from smsroi_helpers.locale import _, day, interval, listed, number, percent
from smsroi_helpers.timing import Answer, Timing
from smsroi_helpers.timing_decisions import clicks_words, hours_words, in_money, value_words, window_words

__all__ = ["cleaning_table", "exclusions_table", "gains_table", "tests_table", "value_note", "windows_table"]


def exclusions_table(timing: Timing) -> Html:
    """Which messages count, and which do not.

    Args:
        timing: of `timing.look_at_hours`.
    """
    rows = timing.sends.exclusions
    frame = pd.DataFrame(
        {_("Reason"): rows["reason"], _("Messages out"): rows["out"], _("Messages left"): rows["messages"]}
    )
    return table(frame, caption=_("Which messages are looked at"), digits=0)


def cleaning_table(timing: Timing) -> Html:
    """Clicks of machines, and the share clicked with and without them."""
    if timing.sends.outcome != "click":
        told = _("This source records no clicks: orders within {hours} hours after a text stand in for them.")
        return note(told.format(hours=timing.sends.window_hours))
    words = {
        "none": _("By people"),
        "fast": _("Within seconds of delivery"),
        "burst": _("With many others of the campaign in the same second"),
        "everything": _("By who clicks all there is"),
    }
    rows = timing.sends.cleaning.set_index("machine").reindex(list(words)).fillna(0)
    clicks, messages = rows["clicks"].to_numpy(float), rows["messages"].to_numpy(float)
    everything = messages.sum()
    frame = pd.DataFrame({_("Clicks"): list(words.values()), _("Number"): clicks})
    caption = _(
        "Whose clicks they are. With all of them {all} of the texts were clicked; without the machines’, and without"
        " the texts that a machine clicked first, {people}"
    ).format(all=percent(clicks.sum() / everything, 2), people=percent(clicks[0] / messages[0], 2))
    return table(frame, caption=caption, digits=0)


def tests_table(timing: Timing) -> Html:
    """The experiments that try hours, and whether they can be believed."""
    if not timing.tests:
        return note(
            _(
                "No experiment tries hours here: all that follows is read from the records, where who is sent when is"
                " no chance."
            )
        )
    rows = [
        {
            _("Test"): test.experiment.name,
            _("Hours tried"): listed(window_words(row.hour, row.until) for row in test.windows.itertuples())
            if len(test.windows) <= 4
            else _("{n} windows, {first} to {last}").format(
                n=number(len(test.windows)), first=f"{test.windows['hour'].min()}:00",
                last=f"{test.windows['until'].max()}:00",
            ),
            _("Customers"): test.experiment.customers.sum(),
            _("Since"): day(test.experiment.started),
            _("Split as planned (p)"): number(test.split_p, 2),
            _("Used"): _("yes") if timing.test is test else _("no"),
        }
        for test in timing.tests
    ]  # fmt: skip
    return table(pd.DataFrame(rows), caption=_("Experiments that try hours"), suppress=_("Customers"))


def windows_table(answers: Sequence[Answer]) -> Html:
    """The windows that cannot be told from the best, by segment.

    Args:
        answers: of `timing.answer_all`.
    """
    if not answers:
        return note(_("There is nothing to choose from."))
    rows = []
    for answer in answers:
        best = answer.windows.iloc[answer.best]
        rows.append({
            _("Segment"): answer.segment,
            _("Customers"): answer.customers,
            _("Responses"): answer.clicks,
            _("Perhaps the best"): _("all of them") if answer.chosen.all() else hours_words(answer),
            _("Likeliest"): window_words(best["hour"], best["until"]),
            _("Response there"): _("{share} ({low} to {high})").format(
                share=percent(best["rate"], 1), low=percent(best["low"], 1), high=percent(best["high"], 1)
            ),
        })  # fmt: skip
    caption = _("Windows that cannot be told from the best: in 95 of 100 cases the truly best one is among them")
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def gains_table(timing: Timing, answers: Sequence[Answer], currency: str) -> Html:
    """What today's schedule forgoes against the best window, in clicks and in money.

    Args:
        timing: of `timing.look_at_hours`.
        answers: of `timing.answer_all`.
        currency: the source's.
    """
    shown = [answer for answer in answers if np.isfinite(answer.gain()).all()]
    if not shown:
        return note(_("What is sent today falls at no hour that was tried, so nothing can be set against it."))
    priced = timing.click.known and timing.click.estimate > 0
    rows = []
    for answer in shown:
        regret = answer.regret()
        money = [x * answer.messages_per_week for x in in_money(regret, timing.click)] if priced else [np.nan] * 3
        rows.append({
            _("Segment"): answer.segment,
            _("Customers"): answer.customers,
            _("Texts a week"): answer.messages_per_week,
            _("Clicks forgone per 1,000 texts"): clicks_words(*regret),
            _("Forgone a week"): interval(money[0], money[1], money[2], currency) if priced else _("no price"),
        })  # fmt: skip
    caption = _(
        "What today’s hours forgo against the best one: the limits hold for all hours at once, and never below 0"
    )
    return table(pd.DataFrame(rows), caption=caption, suppress=_("Customers"), digits=0)


def value_note(timing: Timing, currency: str) -> Html:
    """What a click is worth, and why that is assumed of other hours too."""
    click = timing.click
    if not click.known:
        return note(value_words(click, timing.sends.outcome))
    return note(
        _(
            "A click by a person goes with {value} of profit before message costs, by {test} ({n} customers put by lot"
            " into arms that differ in messages). It prices another hour if that works only through people taking"
            " notice."
        ).format(
            value=interval(click.estimate, click.low, click.high, currency), test=click.experiment,
            n=number(click.customers),
        )
    )  # fmt: skip
