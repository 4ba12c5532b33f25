"""Which hours are best, and what each would bring against today's hours.

Multiple comparisons find the hours that are not distinguishable from the best; today's schedule is compared with the
likeliest of them, with limits that hold for all of them at once.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from smsroi_helpers.measures import allowed, hours_allowed, rule_of
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import ALPHA, Floats, adjust, best_set
from smsroi_helpers.timing.basis import design
from smsroi_helpers.timing.click_value import ClickValue, find_click_value
from smsroi_helpers.timing.counts import Sends, TimingTest, collect_sends, count_practice, count_volume, find_tests
from smsroi_helpers.timing.response import (
    ALL,
    DF,
    HourResponse,
    columns_of,
    estimate_from_log,
    estimate_from_test,
    hours_differ_p,
    rate_by_hour,
    t_quantile,
)
from smsroi_helpers.timing.response_curve import Curves

__all__ = [
    "Answer",
    "Timing",
    "analyse",
    "best_windows",
    "find_best_hours",
    "response_rows",
]

_SEQUENCE = 0.8
"""Share of ALPHA for everybody, and then segments; the rest is for segments that stand out by themselves."""
_FEWEST_SHOWN = 10
"""A segment of fewer customers is in no table that leaves the run."""


@dataclass(frozen=True)
class Timing:
    """All that the page tells."""

    sends: Sends
    tests: list[TimingTest]
    randomised: HourResponse | None
    observational: HourResponse | None
    practice: pd.DataFrame
    volume: pd.DataFrame
    click: ClickValue
    allowed: NDArray[np.bool_]
    """(24,): local hours that every rule allows on every weekday."""
    jurisdiction: str = ""

    @property
    def test(self) -> TimingTest | None:
        """The experiment that answers; None without a sound one."""
        return self.tests[0] if self.randomised is not None else None

    @property
    def main(self) -> HourResponse | None:
        """What the answer rests on: the experiment, else the logs."""
        return self.randomised or self.observational

    @property
    def priced(self) -> bool:
        """Whether a click has a price, so that gains are in money."""
        return self.click.known and self.click.estimate > 0


# --- looking ---------------------------------------------------------------------------------------------------------


def analyse(
    shop: Shop,
    *,
    segment_by: str = "rfm_group",
    window_hours: int = 72,
    log_weeks: int = 26,
    own_hours: str = "",
) -> Timing:
    """Everything the engine has to say of hours.

    Args:
        shop: the company.
        segment_by: which grouping.
        window_hours: how long after delivery an outcome counts.
        log_weeks: how much of the log is read for what the company does of itself.
        own_hours: the sender's own allowed hours (`9-18`); empty for none.

    Raises:
        NotEnoughData: no text was delivered.
    """
    sends = collect_sends(shop, window_hours)
    tests = find_tests(shop)
    sound = tests[0] if tests and tests[0].sound else None
    return Timing(
        sends,
        tests,
        estimate_from_test(shop, sends, sound, segment_by) if sound else None,
        estimate_from_log(shop, sends, segment_by, log_weeks),
        count_practice(shop, sends, segment_by, log_weeks),
        count_volume(shop, segment_by),
        find_click_value(shop, sends),
        hours_allowed(shop, own_hours),
        shop.settings.jurisdiction,
    )


# --- rates -----------------------------------------------------------------------------------------------------------


def response_rows(timing: Timing) -> pd.DataFrame:
    """The table `timing_response`: of each kind of evidence, segment, weekday and hour with messages."""
    parts = []
    for response in (timing.randomised, timing.observational):
        if response is None:
            continue
        for segment in response.segments:
            if response.customers(segment) < _FEWEST_SHOWN:
                continue
            cells = response.cells if segment == ALL else response.cells[response.cells["segment"] == segment]
            rows = cells.groupby(["weekday", "hour", "until"], as_index=False)[["messages", "clicks"]].sum()
            rows = rows[rows["messages"] > 0]
            centre, joint = response.curves(segment).logits(segment, design(rows))
            half_width = t_quantile() * np.sqrt(np.diag(joint))
            parts.append(rows.assign(
                segment=segment, rate=expit(centre), low=expit(centre - half_width), high=expit(centre + half_width),
                evidence=response.evidence,
            ))  # fmt: skip
    columns = ["segment", "weekday", "hour", "until", "messages", "clicks", "rate", "low", "high", "evidence"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


# --- the answer ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What is known of one segment's hours."""

    segment: str
    evidence: Literal["randomised", "observational"]
    windows: pd.DataFrame
    """hour, until (tried and allowed), rate, low, high; set_of_best; gain, gain_low, gain_high (clicks per message
    against today's schedule, at once for all windows that may be the best)."""
    today: Floats
    """Share of today's sends in each window, of those in any."""
    untried_share: float
    """Share of today's sends at hours that were not tried, or are not allowed."""
    forbidden_share: float
    """Share of today's sends at hours that are not allowed."""
    customers: int
    clicks: float
    messages_per_week: float
    """Sent of late, times the share at hours that were tried: what the gain is multiplied with."""
    p_value: float
    """For no window being better than today's schedule by more than the smallest gain."""
    adjusted_p: float = float("nan")
    """With all answers reckoned in: see `find_best_hours`."""
    all_windows_p: float = float("nan")
    """As p_value, with all windows taken for possible."""
    hours_differ_p: float = float("nan")
    """For everybody's hours not differing at all."""
    smallest_gain: float = 0.0
    """Clicks per message below which a gain is not worth a change."""
    click: ClickValue | None = field(default=None, repr=False)

    @property
    def best(self) -> int:
        """The row of the likeliest best window."""
        return int(np.where(self.chosen, self.windows["rate"].to_numpy(float), -np.inf).argmax())

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Which windows are not distinguishable from the best."""
        return self.windows["set_of_best"].to_numpy(bool)

    def gain(self) -> tuple[float, float, float]:
        """Clicks per message that the likeliest best window brings more than today's schedule, and its limits."""
        row = self.windows.iloc[self.best]
        return float(row["gain"]), float(row["gain_low"]), float(row["gain_high"])

    def regret(self) -> tuple[float, float, float]:
        """What the truly best window would bring more than today's schedule: never below 0."""
        w = self.windows[self.chosen]
        return (
            float(max(w["gain"].max(), 0.0)),
            float(max(w["gain_low"].max(), 0.0)),
            float(max(w["gain_high"].max(), 0.0)),
        )

    @property
    def outcome(self) -> Literal["move", "flat", "open"]:
        """`move`: another hour is worth it; `flat`: none can be worth it; `open`: not known yet."""
        _, low, _ = self.gain()
        if low > self.smallest_gain and self.adjusted_p < ALPHA:
            return "move"
        return "flat" if self.regret()[2] <= self.smallest_gain else "open"


def find_best_hours(
    timing: Timing, rng: np.random.Generator, *, smallest_gain: float = 0.0, smallest_click_gain: float = 0.0
) -> list[Answer]:
    """What is known of everybody's hours and of each segment's, by the experiment where there is one, else by the logs.

    Args:
        timing: of `analyse`.
        rng: of critical values.
        smallest_gain: profit per message below which a change is not worth making; counts where a click has a price.
        smallest_click_gain: clicks per message, where it has none.

    Returns:
        Everybody first, then each segment with any event. P-values are those of a fixed sequence (Westfall & Krishen
        2001), everybody's, then Holm's over the segments, none below everybody's; or Holm's over the segments by
        themselves, for those whose days oppose each other. Four fifths of the error go to the one, a fifth to the
        other.
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
    adjusted, alone = (np.array([getattr(each, name) for each in found]) for name in ("p_value", "all_windows_p"))
    adjusted[1:] = np.maximum(adjust(adjusted[1:], "holm"), adjusted[0])
    adjusted = np.minimum(adjusted / _SEQUENCE, 1.0)
    adjusted[1:] = np.minimum(adjusted[1:], adjust(alone[1:], "holm") / (1 - _SEQUENCE))
    differ_p = hours_differ_p(response)
    return [
        dataclasses.replace(each, adjusted_p=float(p), hours_differ_p=differ_p, click=timing.click)
        for each, p in zip(found, adjusted, strict=True)
    ]


def _shares_of_today(timing: Timing, segment: str, windows: pd.DataFrame) -> tuple[Floats, float, float]:
    rows = timing.practice if segment == ALL else timing.practice[timing.practice["segment"] == segment]
    by_hour = rows.groupby("hour")["messages"].sum().reindex(range(24)).fillna(0.0).to_numpy(float)
    everything = by_hour.sum()
    if not everything:
        return np.full(len(windows), np.nan), float("nan"), float("nan")
    # Windows that meet share an hour's messages evenly.
    cover = np.array([[row.hour <= h < row.until for h in range(24)] for row in windows.itertuples()], float)
    inside = cover.sum(axis=0)
    shares = (cover / np.maximum(inside, 1)) @ by_hour
    within = shares.sum()
    shares = shares / within if within else np.full(len(windows), np.nan)
    return shares, float(1 - within / everything), _share_forbidden(rows, timing.jurisdiction)


def _share_forbidden(rows: pd.DataFrame, jurisdiction: str) -> float:
    """Share of messages at hours that the recipient's own rules do not allow."""
    forbidden = 0.0
    for (zone, region), own in rows.groupby(["timezone", "region"]):
        week = allowed(rule_of(zone, region, jurisdiction))
        forbidden += float(own["messages"][~week[own["weekday"].to_numpy(int), own["hour"].to_numpy(int)]].sum())
    return forbidden / float(rows["messages"].sum())


def _answer(
    timing: Timing, response: HourResponse, segment: str, rng: np.random.Generator, smallest: float,
    everybody: Answer | None,
) -> Answer | None:  # fmt: skip
    """One segment's answer; None where no window tried is allowed.

    Args:
        timing: of `analyse`.
        response: what the answer rests on.
        segment: whose.
        rng: of critical values.
        smallest: clicks per message below which a gain is not worth a change.
        everybody: their answer, which a segment's rests on; None for everybody's own.
    """
    tried = response.windows
    is_allowed = np.array([bool(timing.allowed[row.hour : row.until].all()) for row in tried.itertuples()])
    curves = response.curves(segment)
    if not is_allowed.any():
        return None
    logits, covariance = curves.contrast(segment, columns_of(tried[is_allowed]))
    chosen = best_windows(logits, covariance, rng, alpha=_alpha_of_differing(response, everybody))
    rate, of_rates = _rates(curves, segment, tried)
    today = np.zeros(len(tried))
    today[is_allowed], untried, forbidden = _shares_of_today(timing, segment, tried[is_allowed])
    among = is_allowed.copy()
    among[is_allowed] = chosen
    gain, low, high, p_value = compare_with_today(rate, of_rates, today, among, smallest, rng)
    p_of_all = compare_with_today(rate, of_rates, today, is_allowed, smallest, rng)[-1]
    windows = rate_by_hour(response, segment).assign(gain=gain, gain_low=low, gain_high=high)
    volume = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    return Answer(
        segment=segment,
        evidence=response.evidence,
        windows=windows[is_allowed].reset_index(drop=True).assign(set_of_best=chosen),
        today=today,
        untried_share=untried,
        forbidden_share=forbidden,
        customers=response.customers(segment),
        clicks=float(curves.events[curves.index(segment)]),
        messages_per_week=float(volume["messages_per_week"].sum()) * (1 - np.nan_to_num(untried)),
        # Everybody's is the first of the sequence: it holds whichever window is picked.
        p_value=p_of_all if everybody is None else p_value,
        all_windows_p=p_of_all,
        smallest_gain=smallest,
    )


def _alpha_of_differing(response: HourResponse, everybody: Answer | None) -> float:
    """The error allowed in saying that hours differ; 1 for a segment once everybody's are shown to."""
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
    """The windows among which the best is.

    All of them, unless multiple comparisons with the best exclude one (Hsu 1996; `statistics.best_set`): then hours do
    differ, and the set is the smallest that holds the best with this probability, given the curves' joint distribution.
    That hours differ is asked of everybody first: a segment's curve rests on what all have in common.
    That distribution includes the pooling uncertainty, which a bootstrap leaves out; how often the set contains the
    best is tested in `benchmarks/claims/timing.py`.

    Args:
        value: of each window.
        covariance: joint, of the values.
        rng: of the simulation.
        level: the probability.
        draws: how many.
        alpha: the error of saying that hours differ; 1 where it is known of everybody.

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
    rng: np.random.Generator, draws: int = 10_000,
) -> tuple[Floats, Floats, Floats, float]:  # fmt: skip
    """How much more each window brings than today's mixture of windows, with limits that hold for several at once.

    G_h = r_h − Σ q_j r_j; its limits are G_h ± c·s.e., c being the quantile of the largest |t| over the windows among
    which one is picked, simulated from their joint covariance. Where all may be the best these are all of them.

    Args:
        rate: of each window.
        covariance: joint, of the rates.
        today: q, today's shares; NaN where nothing is known of today.
        among: the windows among which one is picked.
        smallest: the gain worth having.
        rng: of the simulation.
        draws: how many.

    Returns:
        gain, low, high of each window, and the p-value for no window's gain being above `smallest`.
    """
    if not np.isfinite(today).all():
        none = np.full(len(rate), np.nan)
        return none, none, none, float("nan")
    contrasts = np.eye(len(rate)) - today
    gain = contrasts @ rate
    joint = contrasts @ covariance @ contrasts.T
    error = np.sqrt(np.maximum(np.diag(joint), 0.0))
    varies = error > 1e-12
    if not varies.any():
        return gain, gain, gain, 1.0
    picked = among & varies
    usable = picked if picked.any() else varies  # the only window picked may be all of today's
    eigenvalues, eigenvectors = np.linalg.eigh(joint[np.ix_(usable, usable)])
    noise = (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))) @ rng.standard_normal((int(usable.sum()), draws))
    noise = noise / np.sqrt(rng.chisquare(DF, draws) / DF) / error[usable, None]
    c = float(np.quantile(np.abs(noise).max(axis=0), 0.95, method="higher"))
    if not picked.any():
        return gain, gain - c * error, gain + c * error, 1.0
    seen = float(((gain - smallest)[usable] / error[usable]).max())
    p_value = float((1 + (noise.max(axis=0) >= seen).sum()) / (1 + draws))
    return gain, gain - c * error, gain + c * error, p_value
