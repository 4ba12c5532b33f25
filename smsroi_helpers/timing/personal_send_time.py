"""Customers' active hours, and whether texts at a customer's own hours are clicked more.

The model: a customer's daily pattern is the segment's, shifted by δ hours. δ is estimated from the customer's visits,
orders and clicks on days without a text; on other days they may follow the sender's hours. It is the mean hour of the
customer's events less the segment's mean, shrunken towards 0 (a random effect with variances by the method of moments:
Searle, Casella & McCulloch 1992, Variance Components, section 3.6).

Two tests decide whether δ is used. First, the segment's pattern shifted by δ must predict later events better. Second,
in a test of hours, clicks must follow the segment's response curve shifted by δ. With r the curve, h the randomly
assigned hour, and x = r(h − δ)/r(h) − 1 less its mean over the hours that might have been assigned, the click rate is
r(h)·(1 + βx). β is 0 if own hours do not matter, and 1 if customers' curves are the segment's curve shifted. It is
above 1 if customers' curves are steeper than the segment's, which is their mixture. Own hours are used only where both
tests pass. Being active at an hour does not imply reading texts then: in simulated companies a Dirichlet–multinomial
model of own events by hour predicted later events but lost clicks.
"""

import datetime as dt
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.segmentation import EVERYBODY, period_of, segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group, jackknife, jackknife_ratio
from smsroi_helpers.timing.best_hours import Timing
from smsroi_helpers.timing.counts import Sends, TimingTest, label_test, rows_of_test
from smsroi_helpers.timing.response import ALL, HourResponse, rate_by_hour

__all__ = [
    "DayFit",
    "Estimate",
    "PersonalHours",
    "analyse_personal_send_times",
    "contrasts",
    "estimate_slope",
    "fit_days",
    "how_much_likelier",
    "middle_of",
    "shift_bins",
]

HELD_OUT = "timing-personal-jackknife"
BUCKETS = (1, 3, 6, 11, 21)
"""Lower bounds of the bins of own events in the comparison."""
STEP = 0.25
"""δ is rounded to this many hours, so that the engine can look it up in a table."""
MOST_STEPS = 16
"""The largest |δ| in steps (four hours)."""
BINS = np.arange(-MOST_STEPS, MOST_STEPS + 1)
_MOST_WEEKS = 65


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval; NaN where not known."""

    estimate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class DayFit:
    """Variance components of customers' daily patterns around their segment's."""

    means: pd.Series
    """Segment → the mean place of its events in the day (hours since the cut)."""
    within: float
    """Variance of one customer's events (hours²)."""
    between: float
    """Variance of customers' own means (hours²), 0 where they do not differ."""

    @property
    def weight(self) -> float:
        """k: the number of events that the segment's mean is equivalent to; infinite where customers do not differ."""
        return self.within / self.between if self.between > 0 else float("inf")


@dataclass(frozen=True)
class PersonalHours:
    """Whether customers' own daily patterns are used, and the data for using them."""

    rows: ir.Table
    """customer_id, segment, bin (δ in steps of a quarter hour) of customers with own events; kept in the engine."""
    people: pd.DataFrame
    """segment, bin, customers: counts of `rows`."""
    held_out: pd.DataFrame
    """own (lower bound of own events), events (later ones), gain, low, high: the mean log ratio of the probability of a
    later event under the shifted pattern ÷ under the segment's pattern."""
    overall: Estimate
    """The gain over all rows of `held_out`."""
    slope: Estimate
    """β; NaN without a test of hours."""
    curves: dict[str, pd.DataFrame]
    """Segment → hour, until, rate of the windows tested, in order; `all` for all customers."""

    @property
    def used(self) -> bool:
        """Whether own hours are used: they predict later events better, and texts at them are clicked more."""
        return self.overall.low > 0 and self.slope.low > 0


# --- variance components ---------------------------------------------------------------------------------------------


def fit_days(sums: pd.DataFrame) -> DayFit:
    """Fit customers' mean hours as random effects around the segment's mean, by the ANOVA method of moments.

    Args:
        sums: one row per segment: customers, n (events), s and ss (sums of their place in the day and its square),
            s2n (Σ over customers of s²/n), n2 (Σ of n²).

    >>> names = ["segment", "customers", "n", "s", "ss", "s2n", "n2"]
    >>> fit = fit_days(pd.DataFrame([["a", 2, 4, 48, 592, 592, 8]], columns=names))  # one twice at 10, one twice at 14
    >>> fit.means["a"], fit.within, fit.between
    (np.float64(12.0), 0.0, 8.0)
    """
    n, s, ss, s2n, n2 = (sums[name].to_numpy(float) for name in ("n", "s", "ss", "s2n", "n2"))
    customers, segments_ = float(sums["customers"].sum()), len(sums)
    means = pd.Series(s / n, index=sums["segment"], dtype=float)
    df_within = n.sum() - customers
    within = float((ss - s2n).sum() / df_within) if df_within > 0 else float("nan")
    effective = float(n.sum() - (n2 / n).sum())
    between = float(((s2n - s**2 / n).sum() - (customers - segments_) * within) / effective) if effective > 0 else 0.0
    return DayFit(means, within, max(between, 0.0) if np.isfinite(between) else 0.0)


def shift_bins(n: ir.NumericValue, s: ir.NumericValue, mean: ir.NumericValue, weight: float) -> ir.IntegerValue:
    """δ in steps of a quarter hour, for customers with n events whose places in the day sum to s."""
    if not np.isfinite(weight):
        return (n * 0).cast("int64")
    steps = ((s - n * mean) / (n + weight) / STEP).round().cast("int64")
    return ibis.greatest(ibis.least(steps, MOST_STEPS), -MOST_STEPS)


def _events(shop: Shop, sends: Sends, channel: str) -> ir.Table:
    """customer_id, at, place: each day's first visit, order or click, on days without a text.

    The place is the recipient's local hour, counted from the hour with the fewest events. Dates without a time are no
    events.
    """
    parts = []
    if shop.has("orders"):
        orders = measures.purchases(shop)
        orders = orders.filter(~orders.without_time)
        parts.append(orders.select("customer_id", at=orders.ordered_at.cast("timestamp")))
    if shop.has("visits"):
        visits = shop.visits
        visits = visits.filter(~measures.without_time(shop, visits.visited_at, "visits", "visited_at"))
        parts.append(visits.select("customer_id", at=visits.visited_at.cast("timestamp")))
    if sends.outcome == "click":
        clicked = sends.rows.filter(sends.rows.happened)
        clicked = clicked.filter(~measures.click_without_time(shop, clicked.human_click_at))
        parts.append(clicked.select("customer_id", at=clicked.human_click_at.cast("timestamp")))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    start = ibis.literal(shop.end - dt.timedelta(weeks=_MOST_WEEKS))
    rows = rows.filter(rows["at"] >= start)
    rows = measures.with_zone(shop, rows)
    rows = rows.select("customer_id", "at", local=measures.local_time(shop, rows["at"], rows.timezone))
    texts = measures.local_sends(shop)  # those of the last days, too, whose outcome window has not passed
    texts = texts.filter(texts.channel == measures.choose_channel(shop, channel), texts.delivered)
    texted = texts.select(member_id="customer_id", on="local_date")
    # A visit that ends in an order is one event: the first event of a day counts.
    rows = rows.group_by("customer_id", day=rows.local.date()).aggregate(
        at=rows["at"].min(), hour=rows.local.min().hour().cast("int64")
    )
    rows = shop.keep(
        rows.anti_join(texted, [rows.customer_id == texted.member_id, rows.day == texted["on"]]).drop("day")
    )  # fmt: skip
    found = shop.count(rows.group_by("hour").aggregate(n=rows.count()).order_by("hour"))
    by_hour = found.set_index("hour")["n"].reindex(range(24), fill_value=0)
    cut = int(by_hour.to_numpy().argmin())
    return rows.select("customer_id", "at", place=(rows.hour + 24 - cut) % 24)


def _shifts(shop: Shop, events: ir.Table, groups: ir.Table) -> tuple[ir.Table, DayFit]:
    """customer_id, segment, own (events), bin; and the variance components.

    Args:
        shop: the company.
        events: customer_id, place.
        groups: member, segment.
    """
    people = events.group_by("customer_id").aggregate(
        own=events.count(), s=events.place.sum(), ss=(events.place * events.place).sum()
    )
    people = shop.keep(people.join(groups, people.customer_id == groups.member).drop("member"))
    n, s = people.own.cast("float64"), people.s.cast("float64")
    sums = people.group_by("segment").aggregate(
        customers=people.count(), n=people.own.sum(), s=people.s.sum(), ss=people.ss.sum(),
        s2n=total(s * s / n), n2=(people.own * people.own).sum(),
    )  # fmt: skip
    fit = fit_days(shop.count(sums.order_by("segment")))
    fitted = ibis.memtable(
        pd.DataFrame({"of": fit.means.index.astype(str), "mean": fit.means.to_numpy(float)}),
        schema={"of": "string", "mean": "float64"},
    )
    people = people.join(fitted, people.segment == fitted["of"])
    bins = shift_bins(people.own.cast("float64"), people.s.cast("float64"), people["mean"], fit.weight)
    return shop.keep(people.select("customer_id", "segment", "own", bin=bins)), fit


# --- prediction of later events --------------------------------------------------------------------------------------


def _log_ratios(cells: pd.DataFrame) -> pd.DataFrame:
    """Columns of (segment), step, at_place, ratio: the log ratio of the shifted pattern ÷ the segment's pattern.

    Args:
        cells: segment, place, n (events).
    """
    rows = []
    places = np.arange(24)
    for segment, own in cells.groupby("segment"):
        day = own.groupby("place")["n"].sum().reindex(places, fill_value=0).to_numpy(float) + 0.5
        day /= day.sum()
        for step in BINS:
            at = (places - step * STEP) % 24
            low = np.floor(at).astype(int)
            shifted = day[low] * (1 - (at - low)) + day[(low + 1) % 24] * (at - low)
            rows.append(pd.DataFrame({"of": segment, "step": step, "at_place": places, "ratio": np.log(shifted / day)}))
    return pd.concat(rows, ignore_index=True)


def _hold_out(shop: Shop, events: ir.Table, segment_by: str) -> tuple[pd.DataFrame, Estimate]:
    """Patterns fitted on earlier events and tested on later ones (a quarter, or a third of a short log)."""
    later_days = dt.timedelta(days=period_of(shop))
    split = ibis.literal(shop.end - later_days)
    groups = segments(shop, segment_by, shop.as_of - later_days).rename(member="customer_id")
    early, later = events.filter(events["at"] < split), events.filter(events["at"] >= split)
    nothing = pd.DataFrame({name: pd.Series(dtype=float) for name in ("own", "events", "gain", "low", "high")})
    with_segment = early.join(groups, early.customer_id == groups.member)
    cells = shop.count(
        with_segment.group_by("segment", "place").aggregate(n=with_segment.count()).order_by("segment", "place")
    )
    if not len(cells):
        return nothing, Estimate()
    people, _fit = _shifts(shop, early, groups)
    keys, (gain, tested) = by_group(
        _score_later(shop, later, people, _log_ratios(cells)), ["bucket"], ["gain", "events"]
    )
    if not len(keys):
        return nothing, Estimate()
    found, overall = jackknife_ratio(gain, tested), jackknife_ratio(gain.sum(axis=0), tested.sum(axis=0))
    held = pd.DataFrame({
        "own": keys["bucket"].to_numpy(), "events": tested.sum(axis=-1), "gain": found.estimate, "low": found.low,
        "high": found.high,
    })  # fmt: skip
    return held, Estimate(float(overall.estimate), float(overall.low), float(overall.high))


def _score_later(shop: Shop, later: ir.Table, people: ir.Table, log_ratios: pd.DataFrame) -> pd.DataFrame:
    """Columns bucket (lower bound of own events), group; gain (sum of log ratios of the later events), events.

    Args:
        shop: the company.
        later: customer_id, place of the later events.
        people: of `_shifts`, from the earlier ones.
        log_ratios: of `_log_ratios`.
    """
    people = people.rename(person="customer_id")
    ratios = ibis.memtable(log_ratios)
    rows = later.join(people, later.customer_id == people.person)
    rows = rows.join(ratios, [rows.segment == ratios["of"], rows.bin == ratios.step, rows.place == ratios.at_place])
    rows = rows.mutate(
        bucket=ibis.cases(*((rows.own >= first, first) for first in reversed(BUCKETS)), else_=0),
        group=hash_group(rows.customer_id, HELD_OUT),
    )
    sums = rows.group_by("bucket", "group").aggregate(gain=total(rows.ratio), events=rows.count())
    return shop.count(sums.order_by("bucket", "group"))


# --- the slope in a test of hours ------------------------------------------------------------------------------------


def contrasts(rate: Floats, middle: Floats, share: Floats) -> Floats:
    """(bins, windows): x, the relative change of a shifted curve in a window, less its mean over the assignment.

    Args:
        rate: (windows,) of the segment's curve, above 0.
        middle: (windows,) of each window (hours), ascending.
        share: (windows,) of customers assigned to each; they sum to 1.

    >>> x = contrasts(np.array([0.05, 0.1, 0.05]), np.array([9.5, 10.5, 11.5]), np.full(3, 1 / 3))
    >>> x[MOST_STEPS + 4].round(3).tolist()  # δ = 1 hour: at ten as others at nine
    [-0.167, -0.667, 0.833]
    """
    x = np.interp(middle[None, :] - BINS[:, None] * STEP, middle, rate) / rate - 1
    return x - x @ share[:, None]


def estimate_slope(cells: pd.DataFrame) -> Estimate:
    """β: the slope of clicks on x within segment and hour (1: as predicted by the shifted curve, 0: no relation).

    Σ over cells of (Σxy − ΣxΣy/n) ÷ Σ of ȳ(Σx² − (Σx)²/n): least squares for y = r(1 + βx) with a separate r in each
    cell. The interval is a jackknife over groups of customers.

    Args:
        cells: segment, hour, until, group; messages, clicks, x, xx and xy (sums over messages of x, x² and of x·click).
    """
    keys, sums = by_group(cells, ["segment", "hour", "until"], ["messages", "x", "xx", "clicks", "xy"])

    def slope(flat: Floats) -> Floats:
        n, x, xx, y, xy = flat.reshape(5, len(keys), *flat.shape[1:])
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = np.where(n > 0, xy - x * y / n, 0.0).sum(axis=0)
            expected = np.where(n > 0, y / n * (xx - x**2 / n), 0.0).sum(axis=0)
            return np.asarray(np.where(expected > 1e-12, seen / expected, np.nan))

    found = jackknife(slope, sums.reshape(-1, GROUPS))
    return Estimate(float(found.estimate), float(found.low), float(found.high))


def _curves(response: HourResponse | None) -> dict[str, pd.DataFrame]:
    if response is None:
        return {}
    found = {}
    for segment in response.segments:
        rows = rate_by_hour(response, segment)[["hour", "until", "rate"]]
        rows = rows.assign(middle=(rows["hour"] + rows["until"]) / 2).sort_values(["middle", "hour"])
        found[segment] = rows.drop_duplicates("middle").drop(columns="middle").reset_index(drop=True)
    if EVERYBODY in response.by_segment.segments:
        found[EVERYBODY] = found[ALL]
    return found


def middle_of(windows: pd.DataFrame) -> Floats:
    """The middle of each window (hours)."""
    return ((windows["hour"] + windows["until"]) / 2).to_numpy(float)


def _slope_from_test(
    shop: Shop, events: ir.Table, sends: Sends, test: TimingTest, response: HourResponse, segment_by: str
) -> Estimate:
    """β from the texts of a test; δ from its customers' events before their assignment."""
    groups = label_test(shop, test.experiment, segment_by)
    texts = rows_of_test(shop, sends, test)
    texts = texts.filter(texts.known)
    assigned = texts.group_by(subject="customer_id").aggregate(since=texts.since.min())
    before = events.join(assigned, events.customer_id == assigned.subject)
    before = before.filter(before["at"] < before.since).select("customer_id", "place")
    people, _fit = _shifts(shop, before, groups)
    contrast = ibis.memtable(_contrast_rows(test, response))
    texts = texts.join(groups, texts.customer_id == groups.member).drop("member")
    own = people.select(person="customer_id", bin="bin")
    texts = texts.left_join(own, texts.customer_id == own.person)
    texts = texts.mutate(bin=texts.bin.fill_null(0), at_middle=(texts.hour + texts.until) / 2)
    texts = texts.join(
        contrast,
        [texts.segment == contrast["of"], texts.bin == contrast.step, texts.at_middle == contrast.middle],
    )
    x, clicked = texts.x, texts.happened.cast("int64")
    cells = texts.group_by("segment", "hour", "until", "group").aggregate(
        messages=texts.count(), clicks=clicked.sum(), x=total(x), xx=total(x * x), xy=total(x * clicked)
    )
    return estimate_slope(shop.count(cells.order_by("segment", "hour", "until", "group")))


def _contrast_rows(test: TimingTest, response: HourResponse) -> pd.DataFrame:
    """Of (segment), step (δ in quarter hours), middle (of the window, hours), x: see `contrasts`."""
    planned = test.experiment.customers / test.experiment.customers.sum()
    share = pd.Series(planned, index=list(test.experiment.arms)).reindex(test.windows["arm"]).to_numpy(float)
    middle = middle_of(test.windows)
    rows = []
    for segment, curve in _curves(response).items():
        at = middle_of(curve)
        assigned = np.array([share[middle == m].sum() for m in at])
        x = contrasts(curve["rate"].to_numpy(float), at, assigned / assigned.sum())
        rows += [(segment, step, m, x[i, j]) for i, step in enumerate(BINS.tolist()) for j, m in enumerate(at.tolist())]
    return pd.DataFrame(rows, columns=["of", "step", "middle", "x"])


def analyse_personal_send_times(shop: Shop, hours: Timing, segment_by: str) -> PersonalHours:
    """Estimate customers' shifts δ, and test them on later events and in a test of hours.

    Args:
        shop: the company.
        hours: of `study.analyse`.
        segment_by: which grouping, as of three days: the split of the log, the assignment, and the last day observed.
    """
    events = _events(shop, hours.sends, hours.channel)
    held_out, overall = _hold_out(shop, events, segment_by)
    slope = Estimate()
    if hours.test is not None and hours.randomised is not None:
        slope = _slope_from_test(shop, events, hours.sends, hours.test, hours.randomised, segment_by)
    groups = segments(shop, segment_by, shop.as_of).rename(member="customer_id")
    rows, _fit = _shifts(shop, events, groups)
    people = shop.count(rows.group_by("segment", "bin").aggregate(customers=rows.count()).order_by("segment", "bin"))
    return PersonalHours(rows.drop("own"), people, held_out, overall, slope, _curves(hours.main))


def how_much_likelier(gain: float) -> float:
    """The relative change of a probability whose logarithm changes by `gain`.

    >>> round(how_much_likelier(0.0953), 3)
    0.1
    """
    return float(np.expm1(gain))
