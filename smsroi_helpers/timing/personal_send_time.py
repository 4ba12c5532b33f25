"""When a person is about, whether texts at people's own hours are clicked more, and each customer's hour.

People's days run earlier or later than their segment's. By how much, δ hours, is read off their own visits, orders and
clicks on days without a text (what they did on others may follow the sender's hours): the mean hour of a customer's
events less the segment's, drawn towards 0 the more, the fewer the events (a random effect whose variances are found by
moments: Searle, Casella & McCulloch 1992, Variance Components, section 3.6).

Two things are asked of it. Of later events, whether the segment's day shifted by δ makes them likelier. And of a test
of hours, whether texts are clicked as if the segment's response curve were shifted by δ too: with r the curve, h the
hour drawn by lot and x = r(h − δ)/r(h) − 1, less its mean over the hours the customer might have drawn, clicks are
r(h)·(1 + βx): β is 0 if own hours do not matter, 1 if customers' curves are the segment's shifted, and more if they
are steeper than the mixture of them that the segment's is. Only if both are shown does anybody have an hour of their
own. That someone who is about at an hour reads then must not be taken for granted: in simulated companies a tilt of
each hour by own events, a Dirichlet–multinomial, made later events likelier, and clicks fewer.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.engine import hash_group, total
from smsroi_helpers.measures import allowed, count_places, parse_rule
from smsroi_helpers.segmentation import period_of, segments
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import GROUPS, Floats, by_group, jackknife, jackknife_ratio
from smsroi_helpers.timing.best_hours import Timing
from smsroi_helpers.timing.counts import Sends, TimingTest, rows_of_test
from smsroi_helpers.timing.response import ALL, HourResponse, rate_by_hour

__all__ = [
    "DayFit",
    "PersonalHours",
    "Span",
    "analyse_personal_send_times",
    "contrasts",
    "customer_send_hours",
    "fit_days",
    "share_moved",
    "shift_bins",
    "slope_by_lot",
]

HELD_OUT = "timing-personal-jackknife"
BUCKETS = (1, 3, 6, 11, 21)
"""Own events from which a row of the comparison begins."""
STEP = 0.25
"""Hours: δ is rounded to quarters, so that the engine can look up what follows from it."""
MOST = 16
"""Steps: nobody's day is taken to be more than four hours off."""
BINS = np.arange(-MOST, MOST + 1)
_MOST_WEEKS = 65


@dataclass(frozen=True)
class Span:
    """A number with its 95 % interval; NaN where nothing is known."""

    estimate: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class DayFit:
    """How customers' days differ from their segment's."""

    means: pd.Series
    """Segment → the mean place of its events in the day (hours from the cut)."""
    within: float
    """Variance of one customer's events (hours²)."""
    between: float
    """Variance of customers' own means (hours²), 0 where they do not differ."""

    @property
    def weight(self) -> float:
        """k: as many events as the segment's mean is worth; infinite where customers do not differ."""
        return self.within / self.between if self.between > 0 else float("inf")


@dataclass(frozen=True)
class PersonalHours:
    """Whether customers' own days tell more than the segment's, and what is needed to use them."""

    rows: ir.Table
    """customer_id, segment, bin (δ in steps of a quarter hour), of who has own events; kept in the engine."""
    people: pd.DataFrame
    """segment, bin, customers: the same, counted."""
    held_out: pd.DataFrame
    """own (events from which the row begins), events (later ones), gain, low, high: ln of the chance that the shifted
    day gives a later event ÷ that by the segment's day, on average."""
    together: Span
    """The gain over all rows."""
    by_lot: Span
    """β; NaN without a test of hours."""
    curves: dict[str, pd.DataFrame]
    """Segment → hour, until, rate of the windows that were tried, in order; everybody's is `all`."""

    @property
    def used(self) -> bool:
        """Whether customers have hours of their own: later events are likelier by them, and texts clicked more."""
        return self.together.low > 0 and self.by_lot.low > 0


# --- how days differ -------------------------------------------------------------------------------------------------


def fit_days(sums: pd.DataFrame) -> DayFit:
    """A customer's own mean as a random effect around the segment's, by the moments of an analysis of variance.

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
    spare = n.sum() - customers
    within = float((ss - s2n).sum() / spare) if spare > 0 else float("nan")
    effective = float(n.sum() - (n2 / n).sum())
    between = float(((s2n - s**2 / n).sum() - (customers - segments_) * within) / effective) if effective > 0 else 0.0
    return DayFit(means, within, max(between, 0.0) if np.isfinite(between) else 0.0)


def shift_bins(n: ir.NumericValue, s: ir.NumericValue, mean: ir.NumericValue, weight: float) -> ir.IntegerValue:
    """δ in steps of a quarter hour, of customers with n events whose places in the day add up to s."""
    if not np.isfinite(weight):
        return (n * 0).cast("int64")
    steps = ((s - n * mean) / (n + weight) / STEP).round().cast("int64")
    return ibis.greatest(ibis.least(steps, MOST), -MOST)


def _events(shop: Shop, sends: Sends) -> ir.Table:
    """customer_id, at, place: each day's first visit, order or click, on days without a text.

    The place is the hour on the recipient's clock, counted from the hour at which least happens.
    """
    parts = [measures.purchases(shop).select("customer_id", at=ibis._.ordered_at.cast("timestamp"))]
    if shop.has("visits"):
        parts.append(shop.visits.select("customer_id", at=ibis._.visited_at.cast("timestamp")))
    if sends.outcome == "click":
        clicked = sends.rows.filter(sends.rows.happened)
        parts.append(clicked.select("customer_id", at=clicked.human_click_at.cast("timestamp")))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    start = ibis.literal(shop.end - dt.timedelta(weeks=_MOST_WEEKS))
    rows = rows.filter(rows["at"] >= start)
    rows = measures.with_zone(shop, rows)
    rows = rows.select("customer_id", "at", local=measures.local_time(shop, rows["at"], rows.timezone))
    texted = sends.rows.select(told="customer_id", on="local_date")
    # A visit that ends in an order is one event: of a day the first counts.
    rows = rows.group_by("customer_id", day=rows.local.date()).aggregate(
        at=rows["at"].min(), hour=rows.local.min().hour().cast("int64")
    )
    rows = shop.keep(
        rows.anti_join(texted, [rows.customer_id == texted.told, rows.day == texted["on"]]).drop("day")
    )  # fmt: skip
    found = shop.count(rows.group_by("hour").aggregate(n=rows.count()).order_by("hour"))
    by_hour = found.set_index("hour")["n"].reindex(range(24), fill_value=0)
    cut = int(by_hour.to_numpy().argmin())
    return rows.select("customer_id", "at", place=(rows.hour + 24 - cut) % 24)


def _shifts(shop: Shop, events: ir.Table, groups: ir.Table) -> tuple[ir.Table, DayFit]:
    """customer_id, segment, own (events), bin; and how customers differ.

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
    told = ibis.memtable(
        pd.DataFrame({"of": fit.means.index.astype(str), "mean": fit.means.to_numpy(float)}),
        schema={"of": "string", "mean": "float64"},
    )
    people = people.join(told, people.segment == told["of"])
    bins = shift_bins(people.own.cast("float64"), people.s.cast("float64"), people["mean"], fit.weight)
    return shop.keep(people.select("customer_id", "segment", "own", bin=bins)), fit


# --- what later events say -------------------------------------------------------------------------------------------


def _log_ratios(cells: pd.DataFrame) -> pd.DataFrame:
    """segment, bin, place, ratio: ln of the segment's day shifted ÷ the segment's day itself.

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


def _hold_out(shop: Shop, events: ir.Table, segment_by: str) -> tuple[pd.DataFrame, Span]:
    """Days fitted on earlier events and tried on later ones (a quarter, or a third of a short log)."""
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
        return nothing, Span()
    people, _fit = _shifts(shop, early, groups)
    told = ibis.memtable(_log_ratios(cells))
    people = people.rename(person="customer_id")
    rows = later.join(people, later.customer_id == people.person)
    rows = rows.join(told, [rows.segment == told["of"], rows.bin == told.step, rows.place == told.at_place])
    rows = rows.mutate(
        bucket=ibis.cases(*((rows.own >= first, first) for first in reversed(BUCKETS)), else_=0),
        group=hash_group(rows.customer_id, HELD_OUT),
    )
    sums = rows.group_by("bucket", "group").aggregate(gain=total(rows.ratio), events=rows.count())
    keys, (gain, tried) = by_group(shop.count(sums.order_by("bucket", "group")), ["bucket"], ["gain", "events"])
    if not len(keys):
        return nothing, Span()
    found, together = jackknife_ratio(gain, tried), jackknife_ratio(gain.sum(axis=0), tried.sum(axis=0))
    held = pd.DataFrame({
        "own": keys["bucket"].to_numpy(), "events": tried.sum(axis=-1), "gain": found.estimate, "low": found.low,
        "high": found.high,
    })  # fmt: skip
    return held, Span(float(together.estimate), float(together.low), float(together.high))


# --- what a test of hours says ---------------------------------------------------------------------------------------


def contrasts(rate: Floats, middle: Floats, share: Floats) -> Floats:
    """(bins, windows): x, how much more a shifted curve has at a window, less its mean over what might be drawn.

    Args:
        rate: (windows,) of the segment's curve, above 0.
        middle: (windows,) of each window, rising (hours).
        share: (windows,) of customers drawn into each; they add up to 1.

    >>> x = contrasts(np.array([0.05, 0.1, 0.05]), np.array([9.5, 10.5, 11.5]), np.full(3, 1 / 3))
    >>> x[MOST + 4].round(3).tolist()  # a day later by an hour: at ten as others at nine, at eleven as others at ten
    [-0.167, -0.667, 0.833]
    """
    x = np.interp(middle[None, :] - BINS[:, None] * STEP, middle, rate) / rate - 1
    return x - x @ share[:, None]


def slope_by_lot(cells: pd.DataFrame) -> Span:
    """β: within segment and hour, how clicks rise with x (1: as the shifted curve says, 0: not at all).

    Σ over cells of (Σxy − ΣxΣy/n) ÷ Σ of ȳ(Σx² − (Σx)²/n): least squares for y = r(1 + βx) with r of each cell by
    itself, with a jackknife over groups of customers.

    Args:
        cells: segment, hour, until, group; messages, clicks, x, xx and xy (sums over messages of x, x² and of x where
            it was clicked).
    """
    keys, sums = by_group(cells, ["segment", "hour", "until"], ["messages", "x", "xx", "clicks", "xy"])

    def slope(flat: Floats) -> Floats:
        n, x, xx, y, xy = flat.reshape(5, len(keys), *flat.shape[1:])
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = np.where(n > 0, xy - x * y / n, 0.0).sum(axis=0)
            expected = np.where(n > 0, y / n * (xx - x**2 / n), 0.0).sum(axis=0)
            return np.asarray(np.where(expected > 1e-12, seen / expected, np.nan))

    found = jackknife(slope, sums.reshape(-1, GROUPS))
    return Span(float(found.estimate), float(found.low), float(found.high))


def _curves(response: HourResponse | None) -> dict[str, pd.DataFrame]:
    if response is None:
        return {}
    found = {}
    for segment in response.segments:
        rows = rate_by_hour(response, segment)[["hour", "until", "rate"]]
        rows = rows.assign(middle=(rows["hour"] + rows["until"]) / 2).sort_values(["middle", "hour"])
        found[segment] = rows.drop_duplicates("middle").drop(columns="middle").reset_index(drop=True)
    return found


def _middle(windows: pd.DataFrame) -> Floats:
    return ((windows["hour"] + windows["until"]) / 2).to_numpy(float)


def _try_by_lot(
    shop: Shop, events: ir.Table, sends: Sends, test: TimingTest, response: HourResponse, segment_by: str
) -> Span:
    """β from the texts of a test, δ from what its customers did before they were assigned."""
    groups = segments(shop, segment_by, test.day_before).rename(member="customer_id")
    texts = rows_of_test(shop, sends, test)
    texts = texts.filter(texts.known)
    assigned = texts.group_by(subject="customer_id").aggregate(since=texts.since.min())
    before = events.join(assigned, events.customer_id == assigned.subject)
    before = before.filter(before["at"] < before.since).select("customer_id", "place")
    people, _fit = _shifts(shop, before, groups)
    planned = test.experiment.customers / test.experiment.customers.sum()
    share = pd.Series(planned, index=list(test.experiment.arms)).reindex(test.windows["arm"]).to_numpy(float)
    middle = _middle(test.windows)
    rows = []
    for segment, curve in _curves(response).items():
        at = _middle(curve)
        drawn = np.array([share[middle == m].sum() for m in at])
        x = contrasts(curve["rate"].to_numpy(float), at, drawn / drawn.sum())
        rows += [(segment, step, m, x[i, j]) for i, step in enumerate(BINS.tolist()) for j, m in enumerate(at.tolist())]
    told = ibis.memtable(pd.DataFrame(rows, columns=["of", "step", "middle", "x"]))
    texts = texts.join(groups, texts.customer_id == groups.member).drop("member")
    own = people.select(person="customer_id", bin="bin")
    texts = texts.left_join(own, texts.customer_id == own.person)
    texts = texts.mutate(bin=texts.bin.fill_null(0), at_middle=(texts.hour + texts.until) / 2)
    texts = texts.join(told, [texts.segment == told["of"], texts.bin == told.step, texts.at_middle == told.middle])
    x, clicked = texts.x, texts.happened.cast("int64")
    cells = texts.group_by("segment", "hour", "until", "group").aggregate(
        messages=texts.count(), clicks=clicked.sum(), x=total(x), xx=total(x * x), xy=total(x * clicked)
    )
    return slope_by_lot(shop.count(cells.order_by("segment", "hour", "until", "group")))


def analyse_personal_send_times(shop: Shop, hours: Timing, segment_by: str) -> PersonalHours:
    """How customers' days differ from their segment's, and what later events and a test of hours say of it.

    Args:
        shop: the company.
        hours: of `best_hours.analyse`.
        segment_by: which grouping; as of the split of the log, of the test's first day, and of the last day observed.
    """
    events = _events(shop, hours.sends)
    held_out, together = _hold_out(shop, events, segment_by)
    by_lot = Span()
    if hours.test is not None and hours.randomised is not None:
        by_lot = _try_by_lot(shop, events, hours.sends, hours.test, hours.randomised, segment_by)
    groups = segments(shop, segment_by, shop.as_of).rename(member="customer_id")
    rows, _fit = _shifts(shop, events, groups)
    people = shop.count(rows.group_by("segment", "bin").aggregate(customers=rows.count()).order_by("segment", "bin"))
    return PersonalHours(rows.drop("own"), people, held_out, together, by_lot, _curves(hours.main))


# --- each customer's hour --------------------------------------------------------------------------------------------


def _shifted(curve: pd.DataFrame) -> Floats:
    """(bins, windows): the curve at each window's middle less δ, level beyond the first and the last window."""
    middle = _middle(curve)
    return np.interp(middle[None, :] - BINS[:, None] * STEP, middle, curve["rate"].to_numpy(float))


def share_moved(personal: PersonalHours) -> float:
    """Share of the customers with own events whose best hour is another than their segment's; NaN where none has any.

    Of all windows tried, whichever of them the law allows a customer.
    """
    best = {segment: _shifted(curve).argmax(axis=1) for segment, curve in personal.curves.items()}
    people = personal.people
    of_each = [best.get(row.segment, best[ALL])[[row.bin + MOST, MOST]] for row in people.itertuples()]
    moved = np.array([own != usual for own, usual in of_each], float)
    customers = people["customers"].to_numpy(float)
    return float(customers @ moved / customers.sum()) if customers.sum() else float("nan")


def _candidates(shop: Shop, curves: Mapping[str, pd.DataFrame], own_hours: str, bins: Sequence[int]) -> pd.DataFrame:
    """zone, land, of (segment), step, hour: the best allowed window where, for whom, by how the own day runs."""
    own = parse_rule(own_hours)
    worth = {segment: _shifted(curve) for segment, curve in curves.items()}
    rows = []
    for place in count_places(shop).itertuples():
        week = np.asarray(allowed(place.rules.split(), own).all(axis=0))
        for segment, curve in curves.items():
            may = np.array([week[w.hour : w.until].all() for w in curve.itertuples()])
            if not may.any():
                continue
            hours = curve["hour"].to_numpy(int)
            for step in bins:
                best = int(np.where(may, worth[segment][step + MOST], -np.inf).argmax())
                rows.append((place.timezone, place.region, segment, step, int(hours[best])))
    return pd.DataFrame(rows, columns=["zone", "land", "of", "step", "hour"])


def customer_send_hours(shop: Shop, personal: PersonalHours, segment_by: str, own_hours: str = "") -> ir.Table:
    """The table `customer_send_hour`, for the engine to write: nobody at an hour that is not allowed them.

    The likeliest best of the windows tried and allowed, on the segment's curve or on that shifted by the customer's δ.

    Args:
        shop: the company.
        personal: of `analyse_personal_send_times`.
        segment_by: which grouping, as of the last day observed.
        own_hours: the sender's own.

    Returns:
        customer_id, hour (local), weekday (null: any), basis (`personal`, `segment`). Who may be sent to at none of
        the hours that were tried has no row.
    """
    told = _candidates(shop, personal.curves, own_hours, BINS.tolist() if personal.used else [0])
    schema = {"zone": "string", "land": "string", "of": "string", "step": "int64", "hour": "int64"}
    table = ibis.memtable(told, schema=schema)
    people = segments(shop, segment_by, shop.as_of)
    known = sorted(set(told["of"]))
    people = people.mutate(of=ibis.ifelse(people.segment.isin(known), people.segment, ALL) if known else people.segment)
    blank = ibis.literal("")
    if shop.has("customers"):
        homes = shop.customers.select(
            home="customer_id",
            zone=shop.customers.timezone if shop.has("customers", "timezone") else ibis.null("string"),
            land=shop.customers.region if shop.has("customers", "region") else ibis.null("string"),
        )
        people = people.left_join(homes, people.customer_id == homes.home)
        people = people.mutate(zone=people.zone.fill_null(""), land=people.land.fill_null(""))
    else:
        people = people.mutate(zone=blank, land=blank)
    if personal.used:
        own = personal.rows.select(person="customer_id", bin="bin")
        people = people.left_join(own, people.customer_id == own.person)
        people = people.mutate(step=people.bin.fill_null(0))
    else:
        people = people.mutate(step=ibis.literal(0).cast("int64"))
    rows = people.select("customer_id", "of", "zone", "land", "step").join(table, ["of", "zone", "land", "step"])
    return rows.select(
        "customer_id", "hour", weekday=ibis.null("int64"),
        basis=ibis.ifelse(rows.step != 0, "personal", "segment"),
    ).order_by("customer_id")  # fmt: skip
