"""Which weekdays are best, and the gain of each compared with today's weekdays.

Experiments on hours assign hours, rarely weekdays. Without one that does (`weekday_test`), weekdays are compared in the
observational data, within campaigns (`counts.count_log`), and what is found is observational, whatever is known of the
hours. Weekday effects are part of the response curve and partially pooled over segments as the hours are.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from smsroi_helpers.contract import evidence_of_model
from smsroi_helpers.statistics import ALPHA, Floats, adjust, best_set
from smsroi_helpers.timing.basis import WEEKDAY_COLUMNS, weekday_basis
from smsroi_helpers.timing.best_hours import Timing, adjust_in_sequence, compare_with_today, practice_of
from smsroi_helpers.timing.places import Schedule, send_policies, share_of_places, with_uncovered
from smsroi_helpers.timing.response import (
    ALL,
    DF,
    FEWEST_EVENTS,
    HourResponse,
    columns_of,
    t_quantile,
    weekdays_differ_p,
)
from smsroi_helpers.timing.response_curve import Curves

__all__ = [
    "WeekdayAnswer",
    "find_best_weekdays",
    "weekday_rows",
    "weekdays_compared",
    "weekdays_of",
]

_LEAST_PLACE = 0.01
"""The smallest share of today's sends (0–1) whose places must allow a weekday for it to be a candidate."""
_FEWEST_SHOWN = 10
"""Segments of fewer customers are left out of the saved table."""
_SAVED = (
    "segment", "weekday", "today_share", "rate", "low", "high", "set_of_best", "gain", "gain_low", "gain_high",
    "evidence",
)  # fmt: skip


@dataclass(frozen=True)
class WeekdayAnswer:
    """The estimates for one segment's weekdays."""

    segment: str
    evidence: Literal["randomised", "observational"]
    days: pd.DataFrame
    """weekday (0 = Monday; those allowed somewhere), rate, low, high; allowed_share (the share of today's sends that go
    to places which allow the weekday at their hour); set_of_best; gain, gain_low, gain_high (clicks per message,
    compared with today's weekdays, of sending on this one where it is allowed and on the best allowed one elsewhere;
    limits are simultaneous over the set of the best)."""
    today: Floats
    """(7,): each weekday's share of today's sends at hours that are allowed where they arrive."""
    customers: int
    clicks: float
    messages_per_week: float
    p_value: float
    """For the hypothesis that no weekday in the set is better than today's by more than the smallest gain."""
    all_days_p: float
    """The same over all weekdays."""
    adjusted_p: float = float("nan")
    """Adjusted for all segments as the hours are."""
    days_differ_p: float = float("nan")
    """For no difference between weekdays; of segments adjusted by Holm."""
    smallest_gain: float = 0.0
    """Clicks per message below which a gain is not worth a change."""

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Which weekdays are not distinguishable from the best."""
        return self.days["set_of_best"].to_numpy(bool)

    @property
    def best(self) -> int:
        """The row of the weekday that is most likely the best."""
        return int(np.where(self.chosen, self.days["rate"].to_numpy(float), -np.inf).argmax())

    def gain(self) -> tuple[float, float, float]:
        """Clicks per message of the most likely best weekday less today's weekdays: estimate, low, high."""
        row = self.days.iloc[self.best]
        return float(row["gain"]), float(row["gain_low"]), float(row["gain_high"])

    @property
    def most(self) -> float:
        """The upper limit of what today's weekdays lose to the truly best one, in clicks per message."""
        return float(max(self.days.loc[self.chosen, "gain_high"].max(), 0.0))

    @property
    def outcome(self) -> Literal["move", "flat", "open"]:
        """`move`: another weekday has a worthwhile gain; `flat`: no weekday can have one; `open`: undecided."""
        if self.gain()[1] > self.smallest_gain and self.adjusted_p < ALPHA and not self.chosen.all():
            return "move"
        return "flat" if len(self.days) > 1 and self.most <= self.smallest_gain else "open"


def weekdays_compared(response: HourResponse | None) -> bool:
    """Whether enough responses are in strata (campaigns) that went out on more than one weekday."""
    if response is None:
        return False
    cells = response.cells[response.cells["messages"] > 0]
    several = cells.groupby(["segment", "stratum"])["weekday"].transform("nunique") > 1
    return bool(cells.loc[several, "clicks"].sum() >= FEWEST_EVENTS)


def find_best_weekdays(
    timing: Timing, rng: np.random.Generator, *, smallest_gain: float = 0.0, smallest_click_gain: float = 0.0
) -> list[WeekdayAnswer]:
    """Estimate the best weekdays of all customers and of each segment, from an experiment on them or from the log.

    Args:
        timing: of `study.analyse`.
        rng: of critical values.
        smallest_gain: profit per message below which a change is not worth making; used where a click has a value.
        smallest_click_gain: clicks per message below which it is not; used where a click has no known value.

    Returns:
        All customers first, then each segment with an event; none where campaigns do not compare weekdays. P-values are
        adjusted as those of the hours. Multiple comparisons with the best leave out weekdays only where a test shows
        that weekdays differ, over all customers or in the segment (Holm): among seven equal weekdays they alone would
        leave out one in a quarter of companies.
    """
    response = timing.assigned_weekdays or timing.observational
    if response is None or not weekdays_compared(response):
        return []
    smallest = smallest_gain / timing.click.estimate if timing.priced else smallest_click_gain
    differ_p = _differ_p_values(response)
    found = [
        answer for segment in response.segments
        if (answer := _answer(timing, response, segment, rng, smallest, differ_p)) is not None
    ]  # fmt: skip
    if not found or found[0].segment != ALL:
        return []
    adjusted = adjust_in_sequence(
        [found[0].all_days_p, *(each.p_value for each in found[1:])], [each.all_days_p for each in found]
    )
    return [dataclasses.replace(each, adjusted_p=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _differ_p_values(response: HourResponse) -> dict[str, float]:
    """By segment: the p-value for no difference between weekdays; of all customers as it is, of segments by Holm."""
    names = list(response.by_segment.segments)
    own = adjust([weekdays_differ_p(response, name) for name in names], "holm")
    return {ALL: weekdays_differ_p(response), **dict(zip(names, own.tolist(), strict=True))}


def _answer(
    timing: Timing, response: HourResponse, segment: str, rng: np.random.Generator, smallest: float,
    differ_p: dict[str, float],
) -> WeekdayAnswer | None:  # fmt: skip
    """One segment's answer; None without events, or where fewer than two weekdays are allowed."""
    curves = response.curves(segment)
    at = curves.index(segment)
    if curves.events[at] < 1 or not np.isfinite(curves.level[at]):
        return None
    masks, sent, messages, untried = _places(timing, response, segment)
    allowed_share = share_of_places(masks, messages)
    candidates = allowed_share >= _LEAST_PLACE
    if candidates.sum() < 2:
        return None
    logits, joint = curves.logits(segment, _columns(curves, at))
    rate = expit(logits)
    slope = rate * (1 - rate)
    covariance = joint * slope[:, None] * slope
    chosen = candidates.copy()
    if differ_p[ALL] < ALPHA or differ_p[segment] < ALPHA:
        chosen[candidates] = best_set(logits[candidates], joint[np.ix_(candidates, candidates)], rng, df=DF).chosen
    today = sent.sum(axis=0)
    policies, _ = send_policies(masks, sent.sum(axis=1), rate)
    gain, low, high, p = compare_with_today(rate, covariance, today, chosen, smallest, rng, policies=policies)
    p_of_all = compare_with_today(rate, covariance, today, candidates, smallest, rng, policies=policies)[-1]
    half_width = t_quantile() * np.sqrt(np.diag(response.logits(segment, _columns(curves, at))[1]))
    days = pd.DataFrame({
        "weekday": np.arange(7), "rate": rate, "low": expit(logits - half_width), "high": expit(logits + half_width),
        "allowed_share": allowed_share, "set_of_best": chosen, "gain": gain, "gain_low": low, "gain_high": high,
    })  # fmt: skip
    volume = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    return WeekdayAnswer(
        segment=segment,
        evidence=response.evidence,
        days=with_uncovered(days[candidates].reset_index(drop=True), response.overlap(segment)),
        today=today,
        customers=response.customers(segment),
        clicks=float(curves.events[at]),
        messages_per_week=float(volume["messages_per_week"].sum()) * (1 - np.nan_to_num(untried)),
        p_value=p,
        all_days_p=p_of_all,
        days_differ_p=differ_p[segment],
        smallest_gain=smallest,
    )


def _columns(curves: Curves, at: int) -> Floats:
    """The design matrix of the weekdays, at the hours of the segment's messages."""
    x = np.tile(curves.centre[at], (7, 1))
    x[:, -WEEKDAY_COLUMNS:] = weekday_basis()
    return x


def _places(
    timing: Timing, response: HourResponse, segment: str
) -> tuple[NDArray[np.bool_], Floats, Floats, float]:  # fmt: skip
    """Places × 7: whether a weekday is allowed at the place's hour, and its share of today's sends; places' messages;
    the share of sends that is not counted.

    A place's hour is its best allowed one by the curve that decides on hours.
    """
    main = timing.main or response
    practice: Schedule = practice_of(timing, segment, main.windows)
    curve = main.curves(segment) if segment in main.segments else main.everybody
    name = segment if segment in main.segments else ALL
    rate = curve.contrast(name, columns_of(main.windows))[0]
    best = np.where(practice.masks, rate, -np.inf).argmax(axis=1)
    masks = practice.weeks[np.arange(len(best)), :, best]
    return masks, practice.sent.sum(axis=2), practice.messages, practice.untried


def weekdays_of(answers: Sequence[WeekdayAnswer], segment: str) -> WeekdayAnswer | None:
    """The answer for a segment, or for all customers where it has none of its own."""
    by_segment = {answer.segment: answer for answer in answers}
    return by_segment.get(segment, by_segment.get(ALL))


def weekday_rows(answers: Sequence[WeekdayAnswer]) -> pd.DataFrame:
    """The table `timing_weekdays`: a row per segment and weekday; rates and gains are per message.

    Args:
        answers: of `find_best_weekdays`.
    """
    parts = [
        answer.days.assign(
            segment=answer.segment, evidence=evidence_of_model(answer.evidence),
            today_share=answer.today[answer.days["weekday"].to_numpy(int)],
        )
        for answer in answers
        if answer.customers >= _FEWEST_SHOWN
    ]  # fmt: skip
    empty = pd.DataFrame(columns=list(_SAVED))
    return pd.concat(parts, ignore_index=True)[list(_SAVED)] if parts else empty
