"""Days without any text, where texts are usual: an outage that no rate shows.

A weekday is usual where texts were sent on nine in ten of them. The chance that such a day has none, if nothing has
changed, is estimated from the earlier days: (k + ½) ÷ (n + 1) after k of n days without texts (the predictive
probability under Jeffreys' prior; Gelman et al. 2013, Bayesian Data Analysis, section 2.4).
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers.statistics import LEAST_DAYS, Floats

__all__ = ["MESSAGES_SENT", "SilentDays", "find_silent_days", "silence_of", "silent_alerts"]

MESSAGES_SENT = "messages_sent"
"""The name of the number of texts a day, among the metrics of alerts."""
_USUAL = 0.9


@dataclass(frozen=True)
class SilentDays:
    """The days of a channel on which texts are usual."""

    channel: str
    tests: int
    """Usual days among those watched."""
    days: tuple[dt.date, ...]
    """Those without a text."""
    chance: float
    """Of such a day if nothing has changed (0–1)."""
    low: float
    middle: float
    high: float
    """Texts on earlier usual days: the fewest (days without any apart), the median, the most."""


def find_silent_days(sent: Floats, channel: str, first: dt.date, watched: int) -> SilentDays | None:
    """The usual days among the last ones that have no text; None with fewer than `LEAST_DAYS` usual days before.

    Args:
        sent: texts by day, without gaps.
        channel: its name.
        first: the first of the days.
        watched: how many of the last days are watched, at least 1.

    >>> daily = np.array([50.0] * 365 + [0.0] + [50.0] * 6)
    >>> found = find_silent_days(daily, "sms", dt.date(2025, 1, 1), 7)
    >>> found.days, found.tests, round(found.chance, 5)  # ½ ÷ 366
    ((datetime.date(2026, 1, 1),), 7, 0.00137)
    """
    weekday = (first.weekday() + np.arange(len(sent))) % 7
    before, any_sent = np.arange(len(sent)) < len(sent) - watched, sent > 0
    share = [any_sent[before & (weekday == each)].mean() if (before & (weekday == each)).any() else 0.0
             for each in range(7)]  # fmt: skip
    usual = np.asarray(share)[weekday] >= _USUAL
    earlier = before & usual
    if earlier.sum() < LEAST_DAYS:
        return None
    texts = sent[earlier & any_sent]
    silent = np.flatnonzero(usual & ~before & ~any_sent)
    return SilentDays(
        channel, int((usual & ~before).sum()), tuple(first + dt.timedelta(days=int(i)) for i in silent),
        float(((earlier & ~any_sent).sum() + 0.5) / (earlier.sum() + 1)),
        float(texts.min()), float(np.median(texts)), float(texts.max()),
    )  # fmt: skip


def silent_alerts(found: SilentDays, chance: float, since: dt.date) -> list[dict[str, object]]:
    """Rows of `Monitoring.alerts`, where a silent day is rarer than the chance of a false alarm per test."""
    if found.chance > chance:
        return []
    return [
        {
            "at": day, "metric": MESSAGES_SENT, "scope": found.channel, "value": 0.0, "expected_low": found.low,
            "expected_high": found.high, "expected": found.middle, "kind": "channel", "test": "day", "texts": 0.0,
            "known_on": day, "new": day > since,
        }
        for day in found.days
    ]  # fmt: skip


def silence_of(rows: pd.DataFrame, last: dt.date, watched: int) -> list[SilentDays]:
    """`find_silent_days` of every channel.

    Args:
        rows: of `monitoring_counts.DailyCells`.
        last: the last day observed.
        watched: how many days are watched.
    """
    found = []
    for channel, its in rows.groupby("channel"):
        first = its["day"].min().date()
        by_day = its.groupby("day")["sent"].sum().reindex(pd.date_range(first, last), fill_value=0)
        each = find_silent_days(by_day.to_numpy(float), str(channel), first, watched)
        if each is not None:
            found.append(each)
    return found
