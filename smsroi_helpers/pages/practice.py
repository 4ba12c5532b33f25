"""The weeks that pages call today: their dates, and what was sent in them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from smsroi_helpers.locale import _, day, joined, listed, number, percent, sentence
from smsroi_helpers.pages.markup import Html, note
from smsroi_helpers.pages.names import channel_name, segment_name
from smsroi_helpers.pages.table import FEWEST_SHOWN, table

__all__ = [
    "not_compared_words",
    "practice_dates",
    "practice_table",
]


def not_compared_words(left_out: Sequence[tuple[str, int]]) -> str:
    """The segments that get texts today and are compared nowhere in the log, and why; empty without any.

    Args:
        left_out: their keys and customers.
    """
    if not left_out:
        return ""
    return _(
        "Not compared: {segments}. The log is read by the segments of its first day, and then these got no texts, or"
        " too few."
    ).format(
        segments=listed(
            _("{segment} ({n} customers)").format(
                segment=segment_name(name), n=number(n) if n >= FEWEST_SHOWN else f"<{FEWEST_SHOWN}"
            )
            for name, n in left_out
        )
    )


class PracticeWeeks(Protocol):
    """The fields of a `measures.Practice` that are shown."""

    @property
    def channel(self) -> str: ...
    @property
    def first_day(self) -> dt.date: ...
    @property
    def last_day(self) -> dt.date: ...
    @property
    def weeks_covered(self) -> int: ...
    @property
    def messages(self) -> int: ...
    @property
    def customers(self) -> int: ...
    @property
    def aside(self) -> int: ...
    @property
    def planned(self) -> int: ...
    @property
    def plan_began(self) -> dt.date | None: ...
    @property
    def plan_first_text(self) -> dt.date | None: ...
    @property
    def before_plan(self) -> "PracticeWeeks | None": ...


def practice_dates(practice: PracticeWeeks) -> str:
    """The first and the last day of the weeks that are called today."""
    return _("{first} to {last}").format(first=day(practice.first_day), last=day(practice.last_day))


def practice_table(practice: PracticeWeeks, more: Mapping[str, Sequence[str]] | None = None) -> Html:
    """What was sent in the weeks that are called today; if that followed a plan, also in those before it.

    Args:
        practice: of `measures.find_practice`.
        more: further columns, with a value for today and one for the weeks before the plan.
    """
    if not practice.channel:
        return note(_("The source has no messages, so what is done today is not known."))
    shown = {_("Today"): practice}
    if practice.before_plan is not None:
        shown[_("Before the plan")] = practice.before_plan
    rows = [
        {
            _("Weeks"): name,
            _("From"): day(weeks.first_day),
            _("To"): day(weeks.last_day),
            _("Complete weeks"): weeks.weeks_covered,
            _("Customers"): weeks.customers,
            _("Messages"): weeks.messages,
            _("Messages a week"): number(weeks.messages / weeks.weeks_covered),
        }
        for name, weeks in shown.items()
    ]
    frame = pd.DataFrame(rows)
    for name, values in (more or {}).items():
        frame[name] = list(values)[: len(frame)]
    sentences = [
        _("“Today” on this page means {dates}: what was sent in these weeks, whatever planned it ({channel})").format(
            dates=practice_dates(practice), channel=channel_name(practice.channel)
        )
    ]
    if practice.aside:
        sentences.append(
            _("{n} further messages of these weeks went to the arms of experiments and are not counted").format(
                n=number(practice.aside)
            )
        )
    if practice.planned and practice.plan_began is not None:
        sentences.append(
            _("{share} of the messages followed a send plan; the first one began on {day}").format(
                share=percent(practice.planned / practice.messages), day=day(practice.plan_began)
            )
        )
        if practice.plan_first_text is not None and practice.plan_first_text < practice.plan_began:
            sentences.append(
                _(
                    "Its first messages went out on {day} in the data’s time zone, because it follows the recipients’"
                    " clocks; the weeks before the plan end the day before"
                ).format(day=day(practice.plan_first_text))
            )
    caption = joined(*(sentence(each) for each in sentences))
    return table(frame, caption=caption, suppress=_("Customers"), digits=0)
