"""When should a message go out: what a timing experiment shows, what the logs suggest, what another hour is worth.

The engine counts (`send_hours`), curves are fitted to the cells (`hour_curves`), hours that cannot be told from the best
are found by multiple comparisons with the best, and today's schedule is held against them. What a click is worth comes
from other experiments (`click_value`), when a person is about from `personal_hours`, what is allowed from
`allowed_hours`.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from scipy.stats import t

from smsroi_helpers.allowed_hours import allowed, parse_rule, rule_of
from smsroi_helpers.click_value import ClickValue, find_click_value
from smsroi_helpers.clicks import Cleaning
from smsroi_helpers.hour_curves import Curves, design, fit_curves, group_scores
from smsroi_helpers.intervals import GROUPS, adjust, best_set
from smsroi_helpers.segments import segment_order
from smsroi_helpers.send_hours import (
    Sends,
    TimingTest,
    collect_sends,
    count_log,
    count_log_people,
    count_practice,
    count_test,
    count_test_people,
    count_volume,
    find_tests,
    log_scores,
)
from smsroi_helpers.shop import Shop

__all__ = [
    "NEEDS",
    "PARAMETERS",
    "Answer",
    "Response",
    "Timing",
    "answer_all",
    "gap_to_records",
    "hours_allowed",
    "look_at_hours",
    "rate_by_hour",
    "response_rows",
]

Floats = NDArray[np.float64]
NEEDS = ("orders", "messages")
PARAMETERS: dict[str, Any] = {
    "segment_by": str,
    "window_hours": Annotated[int, Field(gt=0, le=24 * 30)],
    "fast_click_seconds": Annotated[float, Field(ge=0, le=3600)],
    "log_weeks": Annotated[int, Field(gt=0, le=520)],
    "smallest_gain": Annotated[float, Field(ge=0)],
    "smallest_click_gain": Annotated[float, Field(ge=0, lt=1)],
    "own_hours": str,
}
ALL = "all"
DF = GROUPS - 1
ALPHA = 0.05
FEWEST_EVENTS = 20
"""Fewer than this in all say nothing of hours."""


@dataclass(frozen=True)
class Response:
    """One way of learning how the response runs over the week: curves by segment, and of everybody."""

    evidence: Literal["randomised", "observational"]
    cells: pd.DataFrame
    by_segment: Curves
    everybody: Curves
    windows: pd.DataFrame
    """hour, until: what was tried, in order."""
    people: pd.DataFrame = field(repr=False)
    """segment, customers."""

    def customers(self, segment: str) -> int:
        """How many people a segment's curve rests on."""
        rows = self.people if segment == ALL else self.people[self.people["segment"] == segment]
        return int(rows["customers"].sum())

    def curves(self, segment: str) -> Curves:
        """The curves that hold a segment, or everybody."""
        return self.everybody if segment == ALL else self.by_segment

    @property
    def segments(self) -> tuple[str, ...]:
        """Everybody first."""
        return (ALL, *self.by_segment.segments)


@dataclass(frozen=True)
class Timing:
    """All that the page tells."""

    sends: Sends
    tests: list[TimingTest]
    randomised: Response | None
    observational: Response | None
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
    def main(self) -> Response | None:
        """What the answer rests on: the experiment, else the logs."""
        return self.randomised or self.observational


# --- looking ---------------------------------------------------------------------------------------------------------


def _everybody(cells: pd.DataFrame) -> pd.DataFrame:
    return cells.assign(segment=ALL)


def _fit(cells: pd.DataFrame) -> tuple[Curves, Curves]:
    names = list(dict.fromkeys(cells["segment"]))
    by_segment = fit_curves(cells, group_scores(cells, "clicks", "messages", names))
    together = _everybody(cells)
    return by_segment, fit_curves(together, group_scores(together, "clicks", "messages", [ALL]))


def _ordered(cells: pd.DataFrame, segment_by: str) -> pd.DataFrame:
    names = segment_order(segment_by, list(cells["segment"].unique()))
    at = {name: i for i, name in enumerate(names)}
    return cells.sort_values("segment", key=lambda column: column.map(at), kind="stable", ignore_index=True)


def _test_response(shop: Shop, sends: Sends, test: TimingTest, segment_by: str) -> Response | None:
    cells = _ordered(count_test(shop, sends, test, segment_by), segment_by)
    if not len(cells) or cells["clicks"].sum() < FEWEST_EVENTS or cells["hour"].nunique() < 2:
        return None
    by_segment, everybody = _fit(cells)
    windows = test.windows[["hour", "until"]].drop_duplicates().reset_index(drop=True)
    return Response("randomised", cells, by_segment, everybody, windows, count_test_people(shop, test, segment_by))


def _log_response(shop: Shop, sends: Sends, segment_by: str, weeks: int) -> Response | None:
    cells, kept = count_log(shop, sends, segment_by, weeks)
    cells = _ordered(cells, segment_by)
    if not len(cells) or cells["clicks"].sum() < FEWEST_EVENTS or cells["hour"].nunique() < 2:
        return None
    names = tuple(dict.fromkeys(cells["segment"]))
    by_segment = fit_curves(cells, log_scores(shop, kept, "clicks", "messages", names))
    # Everybody: campaigns stay strata of their own within each segment, so that recency does not pass for the hour.
    together = cells.assign(stratum=cells["segment"] + "\x1f" + cells["stratum"].astype(str), segment=ALL)
    kept_together = kept.mutate(stratum=kept.segment + "\x1f" + kept.stratum, segment=_literal(ALL))
    everybody = fit_curves(together, log_scores(shop, kept_together, "clicks", "messages", (ALL,)))
    used = cells.groupby(["hour", "until"], as_index=False)["messages"].sum()
    windows = used[used["messages"] >= 0.002 * used["messages"].sum()][["hour", "until"]].reset_index(drop=True)
    people = count_log_people(shop, sends, segment_by, weeks)
    return Response("observational", cells, by_segment, everybody, windows, people)


def _literal(text: str) -> Any:
    return ibis.literal(text)


def hours_allowed(shop: Shop, own: str = "") -> NDArray[np.bool_]:
    """(24,): local hours allowed on all weekdays for everybody: by every rule that at least 1 % of customers are under.

    Args:
        shop: the company.
        own: the sender's own hours (`9-18`); empty for none.
    """
    where = count_places(shop)
    share = where.groupby("rules")["customers"].sum() / max(where["customers"].sum(), 1)
    names = {rule for rules in share[share >= 0.01].index for rule in rules.split()}
    return np.asarray(allowed(names, parse_rule(own)).all(axis=0))


def count_places(shop: Shop) -> pd.DataFrame:
    """timezone, region, rules (names of `allowed_hours.RULES`, parted by blanks), customers."""
    jurisdiction = shop.settings.jurisdiction
    if not shop.has("customers"):
        rules = " ".join(rule_of(shop.settings.timezone, None, jurisdiction))
        return pd.DataFrame({"timezone": [""], "region": [""], "rules": [rules], "customers": [1]})
    people = shop.customers
    blank = _literal("")
    people = people.select(
        timezone=people.timezone.fill_null("") if "timezone" in people.columns else blank,
        region=people.region.fill_null("") if "region" in people.columns else blank,
    )
    found = shop.count(
        people.group_by("timezone", "region").aggregate(customers=people.count()).order_by("timezone", "region")
    )
    rules = [
        " ".join(rule_of(row.timezone or shop.settings.timezone, row.region, jurisdiction))
        for row in found.itertuples()
    ]
    return found.assign(rules=rules)


def look_at_hours(
    shop: Shop,
    *,
    segment_by: str = "rfm_group",
    window_hours: int = 72,
    fast_click_seconds: float = 5.0,
    log_weeks: int = 26,
    own_hours: str = "",
) -> Timing:
    """Everything the engine has to say of hours.

    Args:
        shop: the company.
        segment_by: which grouping.
        window_hours: how long after delivery an outcome counts.
        fast_click_seconds: clicks sooner after delivery are a machine's.
        log_weeks: how much of the log is read for what the company does of itself.
        own_hours: the sender's own allowed hours (`9-18`); empty for none.

    Raises:
        NotEnoughData: no text was delivered.
    """
    sends = collect_sends(shop, window_hours, Cleaning(fast_seconds=fast_click_seconds))
    tests = find_tests(shop)
    sound = tests[0] if tests and tests[0].sound else None
    return Timing(
        sends,
        tests,
        _test_response(shop, sends, sound, segment_by) if sound else None,
        _log_response(shop, sends, segment_by, log_weeks),
        count_practice(shop, sends, segment_by, log_weeks),
        count_volume(shop, segment_by),
        find_click_value(shop, sends),
        hours_allowed(shop, own_hours),
        shop.settings.jurisdiction,
    )


# --- rates -----------------------------------------------------------------------------------------------------------


def _columns(windows: pd.DataFrame) -> Floats:
    """The columns of windows on an average weekday."""
    x = design(windows.assign(weekday=0))
    x[:, -6:] = 0.0
    return x


def rate_by_hour(response: Response, segment: str, windows: pd.DataFrame | None = None) -> pd.DataFrame:
    """The smooth curve: hour, until, rate, low, high (95 %, each hour by itself), on an average weekday."""
    windows = response.windows if windows is None else windows
    centre, joint = response.curves(segment).logits(segment, _columns(windows))
    reach = _t() * np.sqrt(np.diag(joint))
    return windows.assign(rate=expit(centre), low=expit(centre - reach), high=expit(centre + reach))


def _t() -> float:
    return float(t.ppf(0.975, DF))


def response_rows(timing: Timing) -> pd.DataFrame:
    """The table `timing_response`: of each kind of evidence, segment, weekday and hour with messages."""
    parts = []
    for response in (timing.randomised, timing.observational):
        if response is None:
            continue
        for segment in response.segments:
            cells = response.cells if segment == ALL else response.cells[response.cells["segment"] == segment]
            rows = cells.groupby(["weekday", "hour", "until"], as_index=False)[["messages", "clicks"]].sum()
            rows = rows[rows["messages"] > 0]
            centre, joint = response.curves(segment).logits(segment, design(rows))
            reach = _t() * np.sqrt(np.diag(joint))
            parts.append(rows.assign(
                segment=segment, rate=expit(centre), low=expit(centre - reach), high=expit(centre + reach),
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
    """hour, until (tried and allowed), rate, low, high; perhaps_best; gain, gain_low, gain_high (clicks per message
    against today's schedule, all windows at once)."""
    today: Floats
    """Share of today's sends in each window, of those in any."""
    outside: float
    """Share of today's sends at hours that were not tried, or are not allowed."""
    forbidden: float
    """Share of today's sends at hours that are not allowed."""
    customers: int
    clicks: float
    messages_per_week: float
    """Sent of late, times the share at hours that were tried: what the gain is multiplied with."""
    p_value: float
    """For no window being better than today's schedule by more than the smallest gain."""
    adjusted_p: float = float("nan")
    smallest: float = 0.0
    """Clicks per message below which a gain is not worth a change."""
    click: ClickValue | None = field(default=None, repr=False)

    @property
    def best(self) -> int:
        """The row of the likeliest best window."""
        return int(self.windows["rate"].to_numpy().argmax())

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Which windows cannot be told from the best."""
        return self.windows["perhaps_best"].to_numpy(bool)

    def gain(self) -> tuple[float, float, float]:
        """Clicks per message that the likeliest best window brings more than today's schedule, and its limits."""
        row = self.windows.iloc[self.best]
        return float(row["gain"]), float(row["gain_low"]), float(row["gain_high"])

    def regret(self) -> tuple[float, float, float]:
        """What the truly best window would bring more than today's schedule: never below 0."""
        w = self.windows
        return (
            float(max(w["gain"].max(), 0.0)),
            float(max(w["gain_low"].max(), 0.0)),
            float(max(w["gain_high"].max(), 0.0)),
        )

    @property
    def outcome(self) -> Literal["move", "flat", "open"]:
        """`move`: another hour is worth it; `flat`: none can be worth it; `open`: not known yet."""
        _, low, _ = self.gain()
        if low > self.smallest and self.adjusted_p < ALPHA:
            return "move"
        return "flat" if self.regret()[2] <= self.smallest else "open"


def answer_all(
    timing: Timing, rng: np.random.Generator, *, smallest_gain: float = 0.0, smallest_click_gain: float = 0.0
) -> list[Answer]:
    """What is known of everybody's hours and of each segment's, by the experiment where there is one, else by the logs.

    Args:
        timing: of `look_at_hours`.
        rng: of critical values.
        smallest_gain: profit per message below which a change is not worth making; counts where a click has a price.
        smallest_click_gain: clicks per message, where it has none.

    Returns:
        Everybody first, then each segment with any event. P-values are Holm's over all of them.
    """
    response = timing.main
    if response is None:
        return []
    priced = timing.click.known and timing.click.estimate > 0
    smallest = smallest_gain / timing.click.estimate if priced else smallest_click_gain
    found = []
    for segment in response.segments:
        curves = response.curves(segment)
        at = curves.place(segment)
        if curves.events[at] < 1 or not np.isfinite(curves.level[at]):
            continue
        answer = _answer(timing, response, segment, rng, smallest)
        if answer is not None:
            found.append(answer)
    adjusted = adjust([each.p_value for each in found], "holm")
    return [_replaced(each, adjusted_p=float(p), click=timing.click) for each, p in zip(found, adjusted, strict=True)]


def _replaced(answer: Answer, **changes: Any) -> Answer:
    return dataclasses.replace(answer, **changes)


def _of_today(timing: Timing, segment: str, windows: pd.DataFrame) -> tuple[Floats, float, float]:
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
    wrong = 0.0
    for (zone, region), own in rows.groupby(["timezone", "region"]):
        week = allowed(rule_of(zone, region, jurisdiction))
        wrong += float(own["messages"][~week[own["weekday"].to_numpy(int), own["hour"].to_numpy(int)]].sum())
    return wrong / float(rows["messages"].sum())


def _answer(
    timing: Timing, response: Response, segment: str, rng: np.random.Generator, smallest: float
) -> Answer | None:
    tried = response.windows
    may = [bool(timing.allowed[row.hour : row.until].all()) for row in tried.itertuples()]
    curves = response.curves(segment)
    if not any(may):
        return None
    centre, joint = curves.logits(segment, _columns(tried))
    rate = expit(centre)
    slope = rate * (1 - rate)
    spread = joint * slope[:, None] * slope
    shown = rate_by_hour(response, segment)
    today, outside, forbidden = _of_today(timing, segment, tried)
    gain, low, high, p_value = compare_with_today(rate, spread, today, np.array(may), smallest, rng)
    shown = shown.assign(gain=gain, gain_low=low, gain_high=high)[may].reset_index(drop=True)
    own, covariance = curves.contrast(segment, _columns(shown))
    chosen = best_set(own, covariance, rng, df=DF).chosen
    volume = timing.volume if segment == ALL else timing.volume[timing.volume["segment"] == segment]
    at = curves.place(segment)
    return Answer(
        segment, response.evidence, shown.assign(perhaps_best=chosen), today, outside, forbidden,
        response.customers(segment), float(curves.events[at]),
        float(volume["messages_per_week"].sum()) * (1 - np.nan_to_num(outside)), p_value, smallest=smallest,
    )  # fmt: skip


def compare_with_today(
    rate: Floats, spread: Floats, today: Floats, may: NDArray[np.bool_], smallest: float, rng: np.random.Generator,
    draws: int = 10_000,
) -> tuple[Floats, Floats, Floats, float]:  # fmt: skip
    """How much more each window brings than today's mixture of windows, with limits that hold for all of them at once.

    G_h = r_h − Σ q_j r_j; its limits are G_h ± c·s.e., c being the quantile of the largest |t| over the windows that
    may be chosen, simulated from their joint covariance.

    Args:
        rate: of each window.
        spread: their joint covariance.
        today: q, today's shares; NaN where nothing is known of today.
        may: which windows may be chosen.
        smallest: the gain worth having.
        rng: of the simulation.
        draws: how many.

    Returns:
        gain, low, high of each window, and the p-value for no window's gain being above `smallest`.
    """
    if not np.isfinite(today).all():
        none = np.full(len(rate), np.nan)
        return none, none, none, float("nan")
    against = np.eye(len(rate)) - today
    gain = against @ rate
    joint = against @ spread @ against.T
    error = np.sqrt(np.maximum(np.diag(joint), 0.0))
    usable = may & (error > 1e-12)
    if not usable.any():
        return gain, np.where(may, gain, np.nan), np.where(may, gain, np.nan), 1.0
    strength, direction = np.linalg.eigh(joint[np.ix_(usable, usable)])
    noise = (direction * np.sqrt(np.maximum(strength, 0))) @ rng.standard_normal((int(usable.sum()), draws))
    noise = noise / np.sqrt(rng.chisquare(DF, draws) / DF) / error[usable, None]
    c = float(np.quantile(np.abs(noise).max(axis=0), 0.95, method="higher"))
    seen = float(((gain - smallest)[usable] / error[usable]).max())
    p_value = float((1 + (noise.max(axis=0) >= seen).sum()) / (1 + draws))
    return gain, gain - c * error, gain + c * error, p_value


# --- the gap ---------------------------------------------------------------------------------------------------------


def gap_to_records(randomised: Response, observational: Response, segment: str = ALL) -> pd.DataFrame:
    """What the records say of changing the hour, less what the lot says: for hours that both tell of.

    Both are the change in the share that responds if texts go from the hour the records know best to another one.

    Returns:
        hour, until, reference (the hour compared with); records, lot (response there − at the reference, per message),
        gap, low, high (95 %, of the two as independent: an experiment's customers are in the records only outside of
        it). No row where fewer than two hours are common.
    """
    columns = ["hour", "until", "reference", "records", "lot", "gap", "low", "high"]
    cells = observational.cells if segment == ALL else observational.cells[observational.cells["segment"] == segment]
    sent = cells.groupby(["hour", "until"])["messages"].sum()
    common = observational.windows.merge(randomised.windows, on=["hour", "until"])
    if len(common) < 2:
        return pd.DataFrame(columns=columns)
    order = sent.reindex(pd.MultiIndex.from_frame(common)).fillna(0.0).to_numpy(float)
    base = int(order.argmax())
    told, spreads = [], []
    for response in (observational, randomised):
        centre, joint = response.curves(segment).logits(segment, _columns(common))
        rate = expit(centre)
        slope = rate * (1 - rate)
        spread = joint * slope[:, None] * slope
        told.append(rate - rate[base])
        spreads.append(np.diag(spread) + spread[base, base] - 2 * spread[base])
    reach = _t() * np.sqrt(np.maximum(spreads[0] + spreads[1], 0.0))
    apart = told[0] - told[1]
    found = common.assign(
        reference=int(common["hour"].iloc[base]), records=told[0], lot=told[1], gap=apart, low=apart - reach,
        high=apart + reach,
    )  # fmt: skip
    return found[np.arange(len(found)) != base].reset_index(drop=True)[columns]
