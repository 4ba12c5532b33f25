"""Which hours are best, and the gain of each compared with today's hours.

Multiple comparisons find the hours that are not distinguishable from the best. Today's schedule is compared with the
most likely best hour; its confidence limits are simultaneous over all hours in that set.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.measures import OTHER_CHANNELS, Practice
from smsroi_helpers.statistics import ALPHA, Floats, adjust, best_set
from smsroi_helpers.timing.counts import Sends, TimingTest
from smsroi_helpers.timing.places import Schedule, gains_of_places, read_practice, send_policies, with_uncovered
from smsroi_helpers.timing.response import (
    ALL,
    DF,
    HourResponse,
    columns_of,
    hours_differ_p,
    rate_by_hour,
    t_quantile,
)
from smsroi_helpers.timing.response_curve import Curves

__all__ = [
    "Answer",
    "Timing",
    "adjust_in_sequence",
    "best_windows",
    "compare_with_today",
    "find_best_hours",
    "practice_of",
]

_SEQUENCE = 0.8
"""Share of ALPHA for the sequence of all customers, then segments; the rest is for segments tested on their own."""
_LEAST_PLACE = 0.01
"""The smallest share of today's sends (0–1) whose places must allow a window for it to be a candidate."""


@dataclass(frozen=True)
class Timing:
    """All results on hours."""

    sends: Sends
    tests: list[TimingTest]
    randomised: HourResponse | None
    observational: HourResponse | None
    practice: pd.DataFrame
    """Of `counts.count_practice`: today's messages by hour."""
    volume: pd.DataFrame
    """Of `counts.count_volume`: today's texts per week."""
    click: ClickValue
    allowed: Floats
    """(24,): the share of customers (0–1) who may be texted at each local hour."""
    home: tuple[str, str] = ("", "")
    """The source's jurisdiction and time zone."""
    own_hours: tuple[int, int] | None = None
    """The sender's own allowed hours, half-open."""
    today: Practice | None = None
    """The weeks that are called today."""
    assigned_weekdays: HourResponse | None = None
    """The response in an experiment that assigns weekdays; None without one."""
    knows_orders: bool = True
    """Whether the source has orders."""
    channel: str = "sms"
    """Of the messages counted."""

    @property
    def ruled(self) -> bool:
        """Whether the rules on hours, which are on texts and calls, apply to the channel."""
        return self.channel not in OTHER_CHANNELS

    @property
    def test(self) -> TimingTest | None:
        """The experiment that is used; None without a valid one."""
        return self.tests[0] if self.randomised is not None else None

    @property
    def main(self) -> HourResponse | None:
        """The response used for decisions: the experiment's, else the observational one."""
        return self.randomised or self.observational

    @property
    def priced(self) -> bool:
        """Whether a click has a known value above 0, so that gains are in money."""
        return self.click.known and self.click.estimate > 0


# --- the answer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The estimates for one segment's hours."""

    segment: str
    evidence: Literal["randomised", "observational"]
    windows: pd.DataFrame
    """hour, until (tried, and allowed somewhere), rate, low, high; allowed_share (the share of today's sends that go to
    places which allow the window); set_of_best; gain, gain_low, gain_high (clicks per message, compared with today's
    schedule, of sending at this window where it is allowed and at the best allowed one elsewhere; limits are
    simultaneous over all windows in the set of the best)."""
    places: pd.DataFrame
    """Recipients with the same rules, the largest group first: rules, share, counted, hour, until, weekdays, gain,
    gain_low, gain_high, of `places.gains_of_places`; their gains add up to that of the most likely best window."""
    today: Floats
    """Each window's share of today's sends that are in a window allowed where they arrive."""
    untried_share: float
    """Share of today's sends at hours that were not tested, or are not allowed where they arrive."""
    forbidden_share: float
    """Share of today's sends at hours that are not allowed."""
    customers: int
    clicks: float
    messages_per_week: float
    """Recent volume × the share at tested hours; the gain is multiplied by it."""
    p_value: float
    """For the hypothesis that no window is better than today's schedule by more than the smallest gain."""
    adjusted_p: float = float("nan")
    """Adjusted for all segments: see `find_best_hours`."""
    all_windows_p: float = float("nan")
    """As p_value, over all windows."""
    hours_differ_p: float = float("nan")
    """For no difference between hours over all customers."""
    smallest_gain: float = 0.0
    """Clicks per message below which a gain is not worth a change."""
    click: ClickValue | None = field(default=None, repr=False)

    @property
    def best(self) -> int:
        """The row of the window that is most likely the best."""
        return int(np.where(self.chosen, self.windows["rate"].to_numpy(float), -np.inf).argmax())

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Which windows are not distinguishable from the best."""
        return self.windows["set_of_best"].to_numpy(bool)

    def gain(self) -> tuple[float, float, float]:
        """Clicks per message of the most likely best window less today's schedule: estimate, low, high."""
        row = self.windows.iloc[self.best]
        return float(row["gain"]), float(row["gain_low"]), float(row["gain_high"])

    def regret(self) -> tuple[float, float, float]:
        """Clicks per message that today's schedule loses to the truly best window (≥ 0): estimate, low, high."""
        w = self.windows[self.chosen]
        return (
            float(max(w["gain"].max(), 0.0)),
            float(max(w["gain_low"].max(), 0.0)),
            float(max(w["gain_high"].max(), 0.0)),
        )

    @property
    def outcome(self) -> Literal["move", "flat", "open"]:
        """`move`: another hour has a worthwhile gain; `flat`: no hour can have one; `open`: undecided.

        A single window leaves no choice, so it is never `flat`.
        """
        _, low, _ = self.gain()
        if low > self.smallest_gain and self.adjusted_p < ALPHA:
            return "move"
        return "flat" if len(self.windows) > 1 and self.regret()[2] <= self.smallest_gain else "open"


def find_best_hours(
    timing: Timing, rng: np.random.Generator, *, smallest_gain: float = 0.0, smallest_click_gain: float = 0.0
) -> list[Answer]:
    """Estimate the best hours of all customers and of each segment, from the experiment or else from the log.

    Args:
        timing: of `analyse`.
        rng: of critical values.
        smallest_gain: profit per message below which a change is not worth making; used where a click has a value.
        smallest_click_gain: clicks per message below which it is not; used where a click has no known value.

    Returns:
        All customers first, then each segment with an event. P-values are adjusted along a fixed sequence (Westfall &
        Krishen 2001): all customers first, then Holm over the segments, none below that of all customers. Segments
        with opposite patterns may cancel out over all customers, so they are also tested by Holm alone, and the smaller
        adjusted p-value counts. The first procedure gets four fifths of the error rate, the second one fifth.
    """
    response = timing.main
    if response is None:
        return []
    smallest = smallest_gain / timing.click.estimate if timing.priced else smallest_click_gain
    found: list[Answer] = []
    for segment in response.segments:
        curves = response.curves(segment)
        at = curves.index(segment)
        if curves.events[at] < 1 or not np.isfinite(curves.level[at]):
            continue
        answer = _answer(timing, response, segment, rng, smallest, found[0] if found else None)
        if answer is not None:
            found.append(answer)
    if not found:
        return []
    adjusted = adjust_in_sequence([each.p_value for each in found], [each.all_windows_p for each in found])
    differ_p = hours_differ_p(response)
    return [
        dataclasses.replace(each, adjusted_p=float(p), hours_differ_p=differ_p, click=timing.click)
        for each, p in zip(found, adjusted, strict=True)
    ]


def adjust_in_sequence(p_values: Sequence[float], alone: Sequence[float]) -> Floats:
    """Adjusted p-values of all customers, who come first, and of the segments: see `find_best_hours`.

    Args:
        p_values: in the sequence.
        alone: those of the segments tested on their own.
    """
    adjusted = np.array(p_values, float)
    adjusted[1:] = np.maximum(adjust(adjusted[1:], "holm"), adjusted[0])
    adjusted = np.minimum(adjusted / _SEQUENCE, 1.0)
    adjusted[1:] = np.minimum(adjusted[1:], adjust(alone[1:], "holm") / (1 - _SEQUENCE))
    return adjusted


def _answer(
    timing: Timing, response: HourResponse, segment: str, rng: np.random.Generator, smallest: float,
    everybody: Answer | None,
) -> Answer | None:  # fmt: skip
    """One segment's answer; None where no window tried is allowed in places with at least 1 % of today's sends.

    Args:
        timing: of `analyse`.
        response: the response it is based on.
        segment: which segment.
        rng: of critical values.
        smallest: clicks per message below which a gain is not worth a change.
        everybody: the answer for all customers, on which a segment's depends; None for all customers themselves.
    """
    tried = response.windows
    practice = practice_of(timing, segment, tried)
    is_allowed = practice.allowed_share >= _LEAST_PLACE
    curves = response.curves(segment)
    if not is_allowed.any():
        return None
    logits, covariance = curves.contrast(segment, columns_of(tried[is_allowed]))
    chosen = best_windows(logits, covariance, rng, alpha=_alpha_of_differing(response, everybody))
    rate, of_rates = _rates(curves, segment, tried)
    today = practice.shares.sum(axis=0)
    policies, window_of_place = send_policies(practice.masks, practice.shares.sum(axis=1), rate)
    among = is_allowed.copy()
    among[is_allowed] = chosen
    gain, low, high, p_value = compare_with_today(rate, of_rates, today, among, smallest, rng, policies=policies)
    p_of_all = compare_with_today(rate, of_rates, today, is_allowed, smallest, rng, policies=policies)[-1]
    best = int(np.where(among, rate, -np.inf).argmax())
    advised = policies[best] - today
    error = float(np.sqrt(max(advised @ of_rates @ advised, 0.0)))
    c = (high[best] - gain[best]) / error if error > 0 else t_quantile()
    overlap = response.overlap(segment)
    windows = rate_by_hour(response, segment).assign(
        gain=gain, gain_low=low, gain_high=high, allowed_share=practice.allowed_share
    )
    places = gains_of_places(practice, window_of_place[:, best], rate, of_rates, c, tried)
    volume = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    return Answer(
        segment=segment,
        evidence=response.evidence,
        windows=with_uncovered(windows[is_allowed].reset_index(drop=True).assign(set_of_best=chosen), overlap),
        places=with_uncovered(places, overlap),
        today=today,
        untried_share=practice.untried,
        forbidden_share=practice.forbidden,
        customers=response.customers(segment),
        clicks=float(curves.events[curves.index(segment)]),
        messages_per_week=float(volume["messages_per_week"].sum()) * (1 - np.nan_to_num(practice.untried)),
        # All customers are tested first in the sequence: their p-value must hold whichever window is chosen.
        p_value=p_of_all if everybody is None else p_value,
        all_windows_p=p_of_all,
        smallest_gain=smallest,
    )


def practice_of(timing: Timing, segment: str, windows: pd.DataFrame) -> Schedule:
    """Today's sends of a segment by place.

    Args:
        timing: of `analyse`.
        segment: which segment, or `all`.
        windows: hour, until; those tried.
    """
    sent = timing.practice if segment == ALL else timing.practice[timing.practice["segment"] == segment]
    return read_practice(sent, windows, *timing.home, timing.own_hours, timing.allowed, timing.ruled)


def _alpha_of_differing(response: HourResponse, everybody: Answer | None) -> float:
    """The α for claiming that hours differ; 1 for a segment once they differ over all customers."""
    if everybody is None:
        return ALPHA * _SEQUENCE
    return 1.0 if not everybody.chosen.all() else ALPHA * (1 - _SEQUENCE) / len(response.by_segment.segments)


def _rates(curves: Curves, segment: str, windows: pd.DataFrame) -> tuple[Floats, Floats]:
    """The response rate in each window, and their joint covariance (delta method)."""
    logits, joint = curves.logits(segment, columns_of(windows))
    rate = expit(logits)
    slope = rate * (1 - rate)
    return rate, joint * slope[:, None] * slope


def best_windows(
    value: Floats, covariance: Floats, rng: np.random.Generator, level: float = 0.95, draws: int = 10_000, *,
    alpha: float = ALPHA,
) -> NDArray[np.bool_]:  # fmt: skip
    """The set of windows that contains the best one with probability `level`.

    All windows, unless multiple comparisons with the best exclude one (Hsu 1996; `statistics.best_set`). Then hours
    differ, and the set is the smallest that contains the best window with this probability under the curves' joint
    distribution. Whether hours differ is tested over all customers first, because a segment's curve is pooled with
    theirs. The joint distribution includes the pooling uncertainty, which a bootstrap leaves out. How often the set
    contains the best is tested in `benchmarks/claims/timing.py`.

    Args:
        value: of each window.
        covariance: joint, of the values.
        rng: of the simulation.
        level: the probability.
        draws: how many.
        alpha: the error rate of claiming that hours differ; 1 where this is already shown over all customers.

    >>> best_windows(np.array([1.0, 0.9, 0.0]), np.eye(3) * 0.01, np.random.default_rng(1)).tolist()
    [True, True, False]
    """
    if alpha < 1 and best_set(value, covariance, rng, df=DF, level=1 - alpha, draws=draws).chosen.all():
        return np.ones(len(value), bool)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    noise = (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))) @ rng.standard_normal((len(value), draws))
    drawn = value[:, None] + noise / np.sqrt(rng.chisquare(DF, draws) / DF)
    wins = np.bincount(drawn.argmax(axis=0), minlength=len(value)) / draws
    order = np.argsort(-wins, kind="stable")
    chosen = np.zeros(len(value), bool)
    chosen[order[: int(np.searchsorted(wins[order].cumsum(), level)) + 1]] = True
    return chosen


def compare_with_today(
    rate: Floats, covariance: Floats, today: Floats, among: NDArray[np.bool_], smallest: float,
    rng: np.random.Generator, draws: int = 10_000, *, policies: Floats | None = None,
) -> tuple[Floats, Floats, Floats, float]:  # fmt: skip
    """The gain of each window compared with today's mixture of windows, with simultaneous limits.

    G_h = Σ p_hj r_j − Σ q_j r_j, with limits G_h ± c·s.e. The critical value c is the quantile of the largest |t| over
    the windows in `among`, simulated from their joint covariance.

    Args:
        rate: of each window.
        covariance: joint, of the rates.
        today: q, today's shares; NaN where they are not known.
        among: the windows among which one is chosen.
        smallest: the smallest worthwhile gain.
        rng: of the simulation.
        draws: how many.
        policies: p, windows × windows, of `places.send_policies`; None (the identity) where every window is allowed
            everywhere.

    Returns:
        gain, low, high of each window, and the p-value for the hypothesis that no window's gain is above `smallest`.
    """
    if not np.isfinite(today).all():
        none = np.full(len(rate), np.nan)
        return none, none, none, float("nan")
    contrasts = (np.eye(len(rate)) if policies is None else policies) - today
    gain = contrasts @ rate
    joint = contrasts @ covariance @ contrasts.T
    error = np.sqrt(np.maximum(np.diag(joint), 0.0))
    varies = error > 1e-12
    if not varies.any():
        return gain, gain, gain, 1.0
    picked = among & varies
    usable = picked if picked.any() else varies  # the only window chosen may be today's only window
    eigenvalues, eigenvectors = np.linalg.eigh(joint[np.ix_(usable, usable)])
    noise = (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))) @ rng.standard_normal((int(usable.sum()), draws))
    noise = noise / np.sqrt(rng.chisquare(DF, draws) / DF) / error[usable, None]
    c = float(np.quantile(np.abs(noise).max(axis=0), 0.95, method="higher"))
    if not picked.any():
        return gain, gain - c * error, gain + c * error, 1.0
    seen = float(((gain - smallest)[usable] / error[usable]).max())
    p_value = float((1 + (noise.max(axis=0) >= seen).sum()) / (1 + draws))
    return gain, gain - c * error, gain + c * error, p_value
