"""Is anything off: each day's numbers against their expected range, and the level of the last weeks against before.

A series is a metric of a channel or of a campaign. Channels, and campaigns with enough days, are compared with their
own past (`statistics.daily_band`); shorter campaigns with what their channel's past predicts for the day. The chance of
a false alarm per test is chosen so that all tests of all series together raise the stated number a month.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.monitoring_counts import METRICS, DailyCells, count_days, daily_numbers
from smsroi_helpers.effectiveness.silent_days import SilentDays, silence_of, silent_alerts
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import DRIFT_DAYS, LEAST_DAYS, DailyNumbers, Floats, Watched, chance_per_test, watch

__all__ = ["FALSE_ALARMS", "WATCHED_DAYS", "Monitoring", "Series", "first_alert_day", "monitor", "monitor_cells"]

WATCHED_DAYS = 28
FALSE_ALARMS = 1.0
FIRST_RUN_DAYS = 7
"""Without an earlier run, alerts that became known in these last days are new."""
_LEAST_EVENTS = 30
"""A rate with fewer events, or non-events, in all days before those watched has no expected range."""
_ALERT_COLUMNS = (
    "at", "metric", "scope", "value", "expected_low", "expected_high", "expected", "kind", "test", "texts", "known_on",
    "new",
)  # fmt: skip
Kind = Literal["channel", "campaign"]


@dataclass(frozen=True)
class Series:
    """One metric of a channel or a campaign, watched."""

    metric: str
    kind: Kind
    scope: str
    """The channel or the campaign_id."""
    first: dt.date
    """The first day of `watched.numbers`."""
    watched: Watched
    compared_with: Literal["itself", "channel"] = "itself"

    @property
    def texts(self) -> float:
        """Of all days, where the number is a share of texts."""
        return float(self.watched.numbers.size.sum())

    @property
    def values(self) -> Floats:
        """(days,): the share (0–1) of each day, 0 on a day without trials, or the quantity."""
        numbers = self.watched.numbers
        return numbers.value / np.maximum(numbers.size, 1) if numbers.kind == "share" else numbers.value

    @property
    def drifts(self) -> bool:
        """Whether the level is tested on any day watched, so that a slow drift would be seen."""
        return bool(np.isfinite(self.watched.level_z[self.watched.start :]).any())


@dataclass(frozen=True)
class Monitoring:
    """What was watched, and what raised an alarm."""

    alerts: pd.DataFrame
    """at (the day, or the last day of the level), metric, scope, value, expected_low, expected_high, expected; kind
    (`channel`, `campaign`), test (`day`, `level`), texts (of the day), known_on (the day whose end completed the
    number), new (known since the last run). Newest first.
    """
    series: tuple[Series, ...]
    unwatched: pd.DataFrame
    """metric, kind, scope, days (with a number), days_needed (NaN where events are lacking), events, events_needed."""
    unknown: tuple[str, ...]
    """Metrics that the source does not record."""
    complete: dict[str, dt.date]
    """Metric → the last day whose number is complete."""
    chance: float
    """Of a false alarm per test."""
    tests: int
    """In the days watched."""
    false_alarms: float
    """Stated number a month, over all series together."""
    days: int
    largest_revenue: float = float("nan")
    silence: tuple[SilentDays, ...] = ()
    """Channels with usual days: a day without any text is an alert."""
    plan: measures.PlanStart | None = None
    """The earliest send plan that messages followed; None without one."""

    @property
    def shown_channel(self) -> str:
        """The channel with the most alerts, else the most texts; empty where none is watched."""
        alerts = self.alerts["scope"].value_counts()
        texts: dict[str, float] = {}
        for each in self.series:
            if each.kind == "channel":
                texts[each.scope] = max(each.texts, texts.get(each.scope, 0.0))
        return max(texts, key=lambda scope: (int(alerts.get(scope, 0)), texts[scope]), default="")

    def alert_days(self, series: Series) -> np.ndarray:
        """(days,): the days on which the number or the level of a series is off."""
        by_day, by_level = series.watched.alarms(self.chance)
        return (by_day | by_level) & series.watched.numbers.known

    @property
    def after_plan(self) -> pd.Series:
        """Of each alert, whether all days of its number are on or after the day of the plan's first message."""
        if self.plan is None:
            return pd.Series(data=False, index=self.alerts.index)
        days_before = self.alerts["test"].eq("level") * (DRIFT_DAYS - 1)
        first = pd.to_datetime(self.alerts["at"]) - pd.to_timedelta(days_before, unit="D")
        return first >= pd.Timestamp(self.plan.first_text)


def monitor(
    shop: Shop,
    attribution_hours: int = 72,
    *,
    false_alarms: float = FALSE_ALARMS,
    days: int = WATCHED_DAYS,
    since: dt.date | None = None,
) -> Monitoring:
    """Watch the last complete days of every metric, by channel and by campaign.

    Args:
        shop: the company.
        attribution_hours: the window of clicks and orders after delivery.
        false_alarms: stated number a month over all series together, above 0.
        days: how many days are watched, at least 1.
        since: the last day observed of the last run; None: there is none.
    """
    cells = count_days(shop, attribution_hours)
    found = monitor_cells(cells, false_alarms=false_alarms, days=days, since=since)
    plan = measures.find_first_plan(shop, shop.messages) if shop.has("messages", "plan_id") else None
    return replace(found, plan=plan)


def monitor_cells(
    cells: DailyCells, *, false_alarms: float = FALSE_ALARMS, days: int = WATCHED_DAYS, since: dt.date | None = None
) -> Monitoring:
    """As `monitor`, of cells already counted."""
    series: list[Series] = []
    unwatched: list[dict[str, object]] = []
    for metric in METRICS:
        if metric in cells.complete:
            for channel in sorted(cells.rows["channel"].unique()):
                _watch_channel(cells, metric, channel, days, series, unwatched)
    silence = silence_of(cells.rows, cells.last, days) if len(cells.rows) else []
    tests = sum(each.watched.tests for each in series) + sum(each.tests for each in silence)
    chance = chance_per_test(false_alarms, tests, days)
    since = since or cells.last - dt.timedelta(days=FIRST_RUN_DAYS)
    found = [row for each in series for row in _alerts(each, chance, cells.last - cells.complete[each.metric], since)]
    found += [row for each in silence for row in silent_alerts(each, chance, since)]
    alerts = pd.DataFrame(found, columns=list(_ALERT_COLUMNS))
    if len(alerts):
        alerts = alerts.sort_values(
            ["at", "kind", "metric", "scope", "test"], ascending=[False, False, True, True, True]
        )
    columns = ["metric", "kind", "scope", "days", "days_needed", "events", "events_needed"]
    return Monitoring(
        alerts.reset_index(drop=True), tuple(series), pd.DataFrame(unwatched, columns=columns),
        tuple(metric for metric in METRICS if metric not in cells.complete), dict(cells.complete), chance, tests,
        false_alarms, days, cells.largest_revenue, tuple(silence),
    )  # fmt: skip


def _watch_channel(
    cells: DailyCells, metric: str, channel: str, days: int, series: list[Series], unwatched: list[dict[str, object]]
) -> None:
    """Watch a channel and its campaigns in one metric."""
    last = cells.complete[metric]
    rows = cells.rows[(cells.rows["channel"] == channel) & (cells.rows["day"] <= pd.Timestamp(last))]
    if not len(rows):
        return
    first = rows["day"].min().date()
    numbers = daily_numbers(rows, metric, first, last)
    if lacking := _lacking(numbers, days):
        unwatched.append({"metric": metric, "kind": "channel", "scope": channel, **lacking})
        return
    own = Series(metric, "channel", channel, first, watch(numbers, days))
    series.append(own)
    by_campaign = dict(tuple(rows.groupby("campaign_id")))
    if len(by_campaign) < 2:
        return  # it is the channel
    short: dict[str, DailyNumbers] = {}
    for campaign, its in by_campaign.items():
        numbers = daily_numbers(its, metric, first, last)
        begun = its["day"].min().date()
        alone = daily_numbers(its, metric, begun, last)
        if not _lacking(alone, days):
            series.append(Series(metric, "campaign", str(campaign), begun, watch(alone, days)))
        elif numbers.known.any():
            short[str(campaign)] = numbers
    compared = own.watched.compare(list(short.values()))
    for campaign, watched in zip(short, compared, strict=True):
        if watched.tests:
            series.append(Series(metric, "campaign", campaign, first, watched, "channel"))


def _lacking(numbers: DailyNumbers, days: int) -> dict[str, float]:
    """What a series lacks to be watched; empty: nothing."""
    known = numbers.known
    before = known[: max(len(known) - days, 0)]
    value, size = numbers.value[: len(before)][before], numbers.size[: len(before)][before]
    events = min(value.sum(), (size - value).sum()) if numbers.kind == "share" else float(before.sum())
    short, rare = before.sum() < LEAST_DAYS, events < _LEAST_EVENTS
    if not (short or rare):
        return {}
    return {
        "days": int(known.sum()),
        "days_needed": LEAST_DAYS + days if short else float("nan"),
        "events": float(events),
        "events_needed": _LEAST_EVENTS if rare else float("nan"),
    }


def _alerts(each: Series, chance: float, lag: dt.timedelta, since: dt.date) -> list[dict[str, object]]:
    """Rows of `Monitoring.alerts`."""
    watched, numbers = each.watched, each.watched.numbers
    by_day, by_level = watched.alarms(chance)
    if not (by_day.any() or by_level.any()):
        return []
    rows: list[dict[str, object]] = []
    observed = numbers.value / np.where(numbers.kind == "share", np.maximum(numbers.size, 1), 1)
    low, expected, high = watched.day_range(chance)
    level, level_low, level_expected, level_high = watched.level_range(chance)
    for test, alarms, values in (
        ("day", by_day, (observed, low, expected, high)),
        ("level", by_level, (level, level_low, level_expected, level_high)),
    ):
        for i in np.flatnonzero(alarms):
            at = each.first + dt.timedelta(days=int(i))
            value, lowest, middle, highest = (float(x[i]) for x in values)
            texts = float(numbers.size[i]) if numbers.kind == "share" else float("nan")
            rows.append({
                "at": at, "metric": each.metric, "scope": each.scope, "value": value, "expected_low": lowest,
                "expected_high": highest, "expected": middle, "kind": each.kind, "test": test, "texts": texts,
                "known_on": at + lag, "new": at + lag > since,
            })  # fmt: skip
    return rows


def first_alert_day(alerts: pd.DataFrame) -> dt.date:
    """The day of the first of these alerts."""
    first: dt.date = alerts["at"].min()
    return first
