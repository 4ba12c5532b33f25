"""When a person is about: own visits, orders and clicks, shrunk to the segment's day; and each customer's hour.

Of a customer's n events n_h fell in hour h. With the segment's day p and a concentration κ the chance of the next one
is (n_h + κ·p_h) ÷ (n + κ): a Dirichlet–multinomial (Minka 2000, Estimating a Dirichlet distribution), its κ found by
likelihood. Whether own events tell more than the segment's day is asked of later events. Days on which a text went to
the customer are left out: what they did then may follow the text, and so the sender's hours rather than their own.

That someone who is about at an hour reads then is assumed: the person's tilt multiplies the segment's response curve.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from smsroi_helpers.allowed_hours import allowed, count_places, parse_rule
from smsroi_helpers.engine import hash_group, local_time, total
from smsroi_helpers.hour_responses import ALL
from smsroi_helpers.intervals import by_group, jackknife_ratio
from smsroi_helpers.segments import period_of, segments
from smsroi_helpers.send_hours import Sends
from smsroi_helpers.shop import Shop
from smsroi_helpers.timing import Answer

__all__ = ["PersonalHours", "customer_send_hours", "fit_concentration", "look_at_persons"]

Floats = NDArray[np.float64]
HELD_OUT = "timing-personal-jackknife"
BUCKETS = (1, 3, 6, 11, 21)
"""Own events from which a row of the comparison begins."""
_MOST_WEEKS = 65


@dataclass(frozen=True)
class PersonalHours:
    """Whether a customer's own hours tell more than the segment's, and what is needed to use them."""

    rows: ir.Table
    """customer_id, hour, n: all events of each customer, kept in the engine."""
    days: pd.DataFrame
    """segment, hour, share: the segment's day."""
    concentration: float
    """κ: as many events as the segment's day is worth; NaN where nothing is known."""
    held_out: pd.DataFrame
    """own (events from which the row begins), events (later ones), gain, low, high: ln of the chance that own hours
    give a later event ÷ that by the segment's day, on average."""

    @property
    def fewest(self) -> int | None:
        """Own events from which own hours are used: all rows from there on gain; None where they never do."""
        found = None
        for row in self.held_out.iloc[::-1].itertuples():
            if not row.low > 0:
                break
            found = int(row.own)
        return found


def _events(shop: Shop, sends: Sends) -> ir.Table:
    """customer_id, day and hour (the recipient's), at: each day's first visit, order or click, on days without text."""
    parts = [shop.orders.filter(shop.orders.amount >= 0).select("customer_id", at=ibis._.ordered_at.cast("timestamp"))]
    if shop.has("visits"):
        parts.append(shop.visits.select("customer_id", at=ibis._.visited_at.cast("timestamp")))
    if sends.outcome == "click":
        clicked = sends.rows.filter(sends.rows.happened)
        parts.append(clicked.select("customer_id", at=clicked.clicked_at.cast("timestamp")))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    start = ibis.literal(shop.end - dt.timedelta(weeks=_MOST_WEEKS))
    rows = rows.filter(rows["at"] >= start)
    zone: ibis.Value = ibis.literal(shop.settings.timezone)
    if shop.has("customers", "timezone"):
        homes = shop.customers.select(home="customer_id", zone="timezone")
        rows = rows.left_join(homes, rows.customer_id == homes.home)
        zone = rows.zone.fill_null(shop.settings.timezone)
    rows = rows.select("customer_id", "at", local=local_time(rows["at"], zone, shop.common_zones))
    texted = sends.rows.select(told="customer_id", on="local_date")
    # A visit that ends in an order is one event: of a day the first counts.
    rows = rows.group_by("customer_id", day=rows.local.date()).aggregate(
        at=rows["at"].min(), hour=rows.local.min().hour().cast("int64")
    )
    return rows.anti_join(texted, [rows.customer_id == texted.told, rows.day == texted["on"]])


def fit_concentration(days: pd.DataFrame, customers: pd.DataFrame, hits: pd.DataFrame) -> float:
    """κ at which the Dirichlet–multinomial is likeliest, between .5 and 2,000.

    Args:
        days: segment, hour, share.
        customers: n (events of a customer), count (of such customers).
        hits: segment, hour, n (events of a customer in that hour, 1 or more), count.
    """
    share = hits.merge(days, on=["segment", "hour"])
    n, people = (customers[name].to_numpy(float) for name in ("n", "count"))
    k, p, times = (share[name].to_numpy(float) for name in ("n", "share", "count"))

    def against(log_kappa: float) -> float:
        kappa = np.exp(log_kappa)
        whole = people @ (gammaln(kappa) - gammaln(kappa + n))
        return -float(whole + times @ (gammaln(kappa * p + k) - gammaln(kappa * p)))

    return float(np.exp(minimize_scalar(against, bounds=(np.log(0.5), np.log(2_000)), method="bounded").x))


def _day_of(cells: pd.DataFrame) -> pd.DataFrame:
    """segment, hour, share from segment, hour, n, count; every hour has a share above 0."""
    names = sorted(cells["segment"].unique())
    grid = pd.MultiIndex.from_product([names, range(24)], names=["segment", "hour"])
    told = (cells["n"] * cells["count"]).groupby([cells["segment"], cells["hour"]]).sum()
    told = told.reindex(grid, fill_value=0.0) + 0.5
    return (told / told.groupby("segment").transform("sum")).rename("share").reset_index()


def look_at_persons(shop: Shop, sends: Sends, segment_by: str) -> PersonalHours:
    """Fit customers' own hours on earlier events, and try them on later ones (a quarter, or a third of a short log).

    Args:
        shop: the company.
        sends: of `send_hours.collect_sends`.
        segment_by: which grouping; here as of the day before the later events.
    """
    later_days = dt.timedelta(days=period_of(shop))
    split = shop.end - later_days
    groups = segments(shop, segment_by, shop.as_of - later_days).rename(member="customer_id")
    events = _events(shop, sends)
    events = events.mutate(later=events["at"] >= ibis.literal(split))
    events = shop.keep(events.group_by("customer_id", "hour", "later").aggregate(n=events.count()))
    rows = events.group_by("customer_id", "hour").aggregate(n=events.n.sum())
    with_segment = events.join(groups, events.customer_id == groups.member).drop("member")
    early = with_segment.filter(~with_segment.later)
    hits = shop.count(
        early.group_by("segment", "hour", "n").aggregate(count=early.count()).order_by("segment", "hour", "n")
    )
    nothing = pd.DataFrame({name: pd.Series(dtype=float) for name in ("own", "events", "gain", "low", "high")})
    if not len(hits):
        return PersonalHours(rows, hits.assign(share=0.0)[["segment", "hour", "share"]], float("nan"), nothing)
    of_person = early.group_by("customer_id").aggregate(own=early.n.sum())
    sizes = of_person.group_by(n="own").aggregate(count=of_person.count())
    days = _day_of(hits)
    kappa = fit_concentration(days, shop.count(sizes.order_by("n")), hits)
    later = with_segment.filter(with_segment.later).drop("later").rename(times="n")
    before = early.select(person="customer_id", at_hour="hour", hits="n")
    later = later.left_join(before, [later.customer_id == before.person, later.hour == before.at_hour])
    later = later.drop("person", "at_hour")
    sizes_of = of_person.rename(person="customer_id")
    later = later.join(sizes_of, later.customer_id == sizes_of.person)
    table = ibis.memtable(days.rename(columns={"segment": "of", "hour": "day_hour"}))
    later = later.join(table, [later.segment == table["of"], later.hour == table.day_hour])
    chance = (later.hits.fill_null(0) + kappa * later.share) / (later.own + kappa)
    later = later.mutate(
        gain=(chance / later.share).ln() * later.times,
        bucket=ibis.cases(*((later.own >= first, first) for first in reversed(BUCKETS)), else_=0),
        group=hash_group(later.customer_id, HELD_OUT),
    )
    sums = later.group_by("bucket", "group").aggregate(gain=total(later.gain), events=later.times.sum())
    keys, (gain, tried) = by_group(shop.count(sums.order_by("bucket", "group")), ["bucket"], ["gain", "events"])
    if not len(keys):
        return PersonalHours(rows, days, kappa, nothing)
    told = jackknife_ratio(gain, tried)
    held = pd.DataFrame({
        "own": keys["bucket"].to_numpy(), "events": tried.sum(axis=-1), "gain": told.estimate, "low": told.low,
        "high": told.high,
    })  # fmt: skip
    return PersonalHours(rows, days, kappa, held)


# --- each customer's hour --------------------------------------------------------------------------------------------


def _candidates(shop: Shop, answers: Sequence[Answer], days: pd.DataFrame, own_hours: str) -> pd.DataFrame:
    """zone, region, of (segment), hour, worth, share: what may be chosen where, and how good it is for the segment."""
    by_segment = {answer.segment: answer for answer in answers}
    everybody = days.groupby("hour")["share"].mean() if len(days) else pd.Series(1 / 24, index=range(24))
    rows = []
    for place in count_places(shop).itertuples():
        week = np.asarray(allowed(place.rules.split(), parse_rule(own_hours)).all(axis=0))
        for segment, answer in by_segment.items():
            share = days[days["segment"] == segment].set_index("hour")["share"] if len(days) else everybody
            share = share if len(share) else everybody
            windows = answer.windows
            surely = answer.outcome == "move" and answer.evidence == "randomised"
            worth = windows["rate"].to_numpy(float)
            if not surely:  # nothing is known to be better: all alike, the likeliest best first among the allowed
                worth = worth.mean() * (1 + 1e-6 * worth / worth.max())
            for at, window in enumerate(windows.itertuples()):
                if week[window.hour : window.until].all():
                    of_day = float(share.loc[window.hour : window.until - 1].sum())
                    rows.append((place.timezone, place.region, segment, window.hour, window.until, worth[at], of_day))
    columns = ["zone", "land", "of", "window", "until", "worth", "share"]
    return pd.DataFrame(rows, columns=columns)


def customer_send_hours(
    shop: Shop, answers: Sequence[Answer], personal: PersonalHours, segment_by: str, own_hours: str = ""
) -> ir.Table:
    """The table `customer_send_hour`, for the engine to write: nobody at an hour that is not allowed them.

    Args:
        shop: the company.
        answers: of `timing.answer_all`.
        personal: of `look_at_persons`.
        segment_by: which grouping, as of the last day observed.
        own_hours: the sender's own.

    Returns:
        customer_id, hour (local), weekday (null: any), basis (`personal`, `segment`). Who may be sent to at none of
        the hours that were tried has no row.
    """
    told = _candidates(shop, answers, personal.days, own_hours)
    schema = {"zone": "string", "land": "string", "of": "string", "window": "int64", "until": "int64",
              "worth": "float64", "share": "float64"}  # fmt: skip
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
    rows = people.select("customer_id", "of", "zone", "land").join(table, ["of", "zone", "land"])
    kappa, fewest = personal.concentration, personal.fewest
    if fewest is None:
        rows = rows.mutate(score=rows.worth, basis=ibis.literal("segment"))
    else:
        own = personal.rows.rename(person="customer_id")
        sums = own.group_by("person").aggregate(own=own.n.sum())
        rows = rows.left_join(sums, rows.customer_id == sums.person).drop("person")
        hits = own.select(person="person", event_hour="hour", hit="n")
        within = rows.left_join(
            hits,
            [rows.customer_id == hits.person, hits.event_hour >= rows.window, hits.event_hour < rows.until],
        )
        keys = ["customer_id", "window", "worth", "share", "own"]
        rows = within.group_by(keys).aggregate(hit=within.hit.sum().fill_null(0))
        personally = (rows.own >= fewest).fill_null(False)
        tilt = (rows.hit + kappa * rows.share) / (rows.own + kappa) / rows.share
        rows = rows.mutate(
            score=ibis.ifelse(personally, rows.worth * tilt, rows.worth),
            basis=ibis.ifelse(personally, "personal", "segment"),
        )
    first = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=[ibis.desc(rows.score), rows.window]))
    rows = rows.mutate(place=first).filter(ibis._.place == 0)
    return rows.select(
        "customer_id", hour=rows.window, weekday=ibis.null("int64"), basis=rows.basis
    ).order_by("customer_id")  # fmt: skip
