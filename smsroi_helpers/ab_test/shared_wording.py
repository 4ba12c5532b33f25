"""Names and numbers in words, shared by the answers, tables and figures of `05_ab_test`."""

from collections.abc import Sequence

from smsroi_helpers.ab_test.effects import is_count, is_money
from smsroi_helpers.ab_test.study import Evaluated
from smsroi_helpers.locale import _, interval, joined, number
from smsroi_helpers.pages import segment_name

__all__ = [
    "difference_in_words",
    "effect_rows_words",
    "gain_words",
    "points",
    "rule_words",
    "running_p_words",
    "segment_words",
    "time_words",
    "weeks_words",
]


def points(value: float, low: float, high: float) -> str:
    """A difference of shares with its interval, in percentage points."""
    return _("{numbers} percentage points").format(numbers=interval(100 * value, 100 * low, 100 * high))


def weeks_words(weeks: float) -> str:
    """Weeks in words, with a decimal unless whole.

    >>> weeks_words(2.0001), weeks_words(16.95)
    ('2', '16.9')
    """
    return number(weeks, 0 if abs(weeks - round(weeks)) < 0.05 else 1)


def time_words(weeks: float) -> str:
    """The mean time for which outcomes were counted, in words."""
    shown = weeks_words(weeks)
    return _("one week") if shown == number(1) else _("{weeks} weeks on average").format(weeks=shown)


def gain_words(metric: str, numbers: tuple[float, float, float], currency: str) -> str:
    """A difference with its interval, in money, orders per customer or percentage points."""
    if is_money(metric):
        return interval(*numbers, currency)
    if is_count(metric):
        return _("{numbers} orders per customer").format(numbers=interval(*numbers))
    return points(*numbers)


def difference_in_words(metric: str, difference: float) -> str:
    """The size of a difference that is not money: orders per customer, or percentage points."""
    if is_count(metric):
        return _("{numbers} orders per customer").format(numbers=number(difference, 3))
    return _("{numbers} percentage points").format(numbers=number(100 * difference, 2))


def running_p_words(evaluated: Sequence[Evaluated]) -> str:
    """Which p-values running tests have in tables of effects; empty where no valid test runs."""
    if not any(each.experiment.state == "running" and not each.validity.broken for each in evaluated):
        return ""
    return _(
        "The p-value of a running test is valid at any look. So it can be large although the interval of the"
        " difference, which is of a single reading, is clear of zero."
    )


def effect_rows_words(*, clicks: bool) -> str:
    """Of the table of effects: its p-values, its rows and, where it has clicks per message, of which messages."""
    rows = _(
        "p is Holm’s over the arms. Opting out is shown where it moved, and so, of tests with many arms, are metrics"
        " that do not decide."
    )
    of_all = _(
        "Clicks per message are of all messages sent, undelivered ones and other channels included. The page on hours"
        " counts delivered texts only."
    )
    return joined(rows, of_all if clicks else "")


def rule_words(rule: str) -> str:
    """The name of a targeting rule on pages."""
    return {
        "uplift": _("predicted effect"),
        "rfm": _("RFM score, best first"),
        "value": _("expected value, largest first"),
        "churn": _("churn risk, greatest first"),
    }[rule]


def segment_words(segment: str) -> str:
    """The name of a segment on this page."""
    return {
        "0-30": _("ordered in the last 30 days"),
        "30-90": _("ordered 30 to 90 days before"),
        "90+": _("ordered more than 90 days before"),
        "never": _("no order before"),
        "": _("not known"),
    }.get(segment, segment_name(segment))
