"""Customers of a simulated company, their organic orders, and its experiments.

Customers place organic orders (BG/NBD, with a faster clock in the season) and orders caused by messages
(`ground_truth`). In the company's practice (`texting`) recent buyers get more texts, more often in the evening. It also
runs randomised experiments: a permanent holdout, frequencies, hours, texts, and a plan that partly explores. `write`
creates the tables.

Days count from the company's first day, in each customer's time zone. The response to a message depends on the segment,
the customer's daily pattern, a latent responsiveness, and the messages of the last six days. It does not depend on the
intention to buy or on churn; this simplification gives the truth a closed form.
"""

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smsroi_helpers.simulation.ground_truth import (
    CREATIVES,
    FREQUENCIES,
    HOUR_SHIFT_SHARES,
    HOUR_SHIFTS,
    HOURS,
    MARKET_SHARES,
    MARKETS,
    SEGMENTS,
    World,
    season,
)

__all__ = [
    "CLOCK",
    "DAY",
    "LAST_DAY",
    "NEVER",
    "PLAN_HOUR",
    "PLAN_ROLES",
    "PLAN_WEEKS",
    "TESTED_CREATIVES",
    "ZONES",
    "ZONE_HEAD",
    "Company",
    "Customers",
    "SimulatedArm",
    "SimulatedExperiment",
    "draw_categories",
    "draw_customers",
    "draw_organic_orders",
    "draw_purchases",
    "draw_seconds",
    "plan_company",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LAST_DAY = dt.date(2026, 6, 28)
"""Last day of the log, a Sunday; a log of W weeks begins on a Monday."""
CLOCK = "America/New_York"
ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Asia/Shanghai", "Asia/Urumqi")
_ZONE_MARKET = np.array([0, 0, 0, 1, 1])
ZONE_HEAD = np.array([0, 0, 0, 3, 3])
"""Zone whose local time sets the bulk sends of a market."""
_ZONE_SHARES = ((0.5, 0.2, 0.3, 0.0, 0.0), (0.0, 0.0, 0.0, 0.9, 0.1))
NEVER = np.iinfo(np.int64).max
DAY = 86_400
_BUYING_HOURS = np.array(
    [2, 1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 9, 10, 9, 7, 6, 6, 7, 8, 10, 12, 11, 8, 4], float
)  # fmt: skip


def draw_purchases(rates: Floats, dropout: Floats, weeks: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Draw repeat purchases from BG/NBD, given the parameters of each customer.

    Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, section 3: exponential times between purchases,
    and drop-out after each repeat purchase with probability `dropout`.

    Args:
        rates: (customers,): purchases per week while active, > 0.
        dropout: (customers,): probability of drop-out, 0–1.
        weeks: (customers,): length of observation after the first purchase (time 0, not among the results).
        rng: random generator.

    Returns:
        Customer (row number) and time (weeks), sorted by both.
    """
    active = np.arange(len(rates))
    now = np.zeros(len(rates))
    customers, times = [], []
    while len(active):
        now = now + rng.exponential(1.0, len(active)) / rates[active]
        seen = now < weeks[active]
        active, now = active[seen], now[seen]
        customers.append(active)
        times.append(now)
        stays = rng.random(len(active)) >= dropout[active]
        active, now = active[stays], now[stays]
    customer, time = np.concatenate(customers), np.concatenate(times)
    order = np.lexsort((time, customer))
    return customer[order], time[order]


# --- company ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SimulatedArm:
    """One arm of an experiment, and its treatment."""

    name: str
    share: float
    messages_per_week: float | None = None
    hour: int | None = None
    variant: str | None = None


@dataclass(frozen=True)
class SimulatedExperiment:
    """An experiment with the customers who consent at its start."""

    name: str
    kind: str
    control: str
    first_week: int
    weeks: int
    outcome_weeks: int
    """Weeks after the end in which outcomes are counted."""
    arms: tuple[SimulatedArm, ...]
    metric: str = "profit"

    @property
    def first_day(self) -> int:
        """First day."""
        return 7 * self.first_week

    @property
    def end_day(self) -> int:
        """Day after the last day."""
        return 7 * (self.first_week + self.weeks)


TESTED_CREATIVES = ("new_in", "sale_20", "story")


def place_experiments(weeks: int) -> dict[str, SimulatedExperiment]:
    """Return the experiments by kind, for a log of that many weeks."""
    at = [int(share * weeks) for share in (0.25, 0.45, 0.5, 0.6)]
    dose_weeks = max(6, int(0.23 * weeks))
    return {
        "holdout": SimulatedExperiment(
            "always-on", "holdout", "held_out", at[0], weeks - at[0], 0,
            (SimulatedArm("texted", 0.9), SimulatedArm("held_out", 0.1))
        ),
        "frequency": SimulatedExperiment(
            "how-often", "frequency", "none", at[1], dose_weeks, min(6, weeks - 4 - at[1] - dose_weeks),
            tuple(
                SimulatedArm(f"{d}_a_week" if d else "none", 1 / len(FREQUENCIES), messages_per_week=d)
                for d in FREQUENCIES
            ),
        ),
        "timing": SimulatedExperiment(
            "which-hour", "timing", "10h", at[2], int(0.85 * weeks) - at[2], 0,
            tuple(SimulatedArm(f"{h:02}h", 1 / len(HOURS), hour=h) for h in HOURS), "click_rate",
        ),
        "content": SimulatedExperiment(
            "which-text", "content", "new_in", at[3], int(0.8 * weeks) - at[3], 1,
            tuple(SimulatedArm(v, 1 / len(TESTED_CREATIVES), variant=v) for v in TESTED_CREATIVES),
        ),
    }  # fmt: skip


PLAN_WEEKS = 4
PLAN_ROLES = (("plan", 0.8), ("explore", 0.1), ("holdout", 0.1))
PLAN_HOUR = 18


@dataclass(frozen=True)
class Company:
    """The properties common to all customers: calendar, experiments, and the texts of each week."""

    world: World
    weeks: int
    first_day: dt.date
    offsets: Ints
    """(zones, days and one month more): offset of local time from UTC, in seconds."""
    organic_pace: Floats
    """(days + 1,): cumulative purchase intensity at the start of each day, in average days."""
    pairs: Ints
    """(weeks, 2): the two creatives of each week, later ones included."""
    experiments: dict[str, SimulatedExperiment]
    later_weeks: int = 0
    """Weeks after the log, whose texts a given plan decides; the tables end with them."""

    @property
    def days(self) -> int:
        """Length of the log."""
        return 7 * self.weeks

    @property
    def all_days(self) -> int:
        """Length of the log and the later weeks."""
        return 7 * (self.weeks + self.later_weeks)

    @functools.cached_property
    def midnight(self) -> int:
        """Midnight UTC of the first day, in seconds since 1970."""
        return int(dt.datetime.combine(self.first_day, dt.time(), dt.UTC).timestamp())

    @functools.cached_property
    def end(self) -> int:
        """End of the log (exclusive), midnight in the company's time zone, in seconds since 1970."""
        return self.midnight_of(self.days)

    @functools.cached_property
    def seen_until(self) -> int:
        """End of the tables, likewise: of the log, or of the last later week."""
        return self.midnight_of(self.all_days)

    def midnight_of(self, day: int) -> int:
        """Return the start of a day on the company's clock, in seconds since 1970."""
        date = self.first_day + dt.timedelta(days=day)
        return int(dt.datetime.combine(date, dt.time(), zoneinfo.ZoneInfo(CLOCK)).timestamp())

    def instant(self, zone: Ints, day: Ints, second: Ints | int) -> Ints:
        """Convert a second of a day in a zone to seconds since 1970."""
        return np.asarray(self.midnight + day * DAY + second - self.offsets[zone, day])


def plan_company(world: World, weeks: int, later_weeks: int = 0) -> Company:
    """Return a company whose log has that many weeks and ends on `LAST_DAY`; later weeks do not change the log."""
    first_day = LAST_DAY - dt.timedelta(days=7 * weeks - 1)
    days = range(7 * (weeks + later_weeks) + 31)
    noons = [dt.datetime.combine(first_day + dt.timedelta(days=d), dt.time(12)) for d in days]
    zones = [zoneinfo.ZoneInfo(name) for name in ZONES]
    offsets = [[int(zone.utcoffset(noon).total_seconds()) for noon in noons] for zone in zones]  # type: ignore[union-attr]
    organic_pace = np.append(0.0, np.cumsum(season(world, first_day, 7 * weeks)))
    rng = np.random.default_rng([world.seed, 2])
    pairs = np.array([rng.choice(len(CREATIVES), 2, replace=False) for _ in range(weeks + later_weeks)])
    experiments = place_experiments(weeks)
    return Company(world, weeks, first_day, np.array(offsets), organic_pace, pairs, experiments, later_weeks)


# --- customers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Customers:
    """A chunk of customers; days count from the company's first day, in the customer's time zone."""

    number: Ints
    """Number in the company, from 0."""
    segment: Ints
    zone: Ints
    hour_shift: Ints
    responsiveness: Floats
    rate: Floats
    dropout: Floats
    value_rate: Floats
    """ν of Gamma–Gamma."""
    joined: Ints
    buyer: Flags
    """Whether the customer joined with a first order; others only gave their number."""
    consented: Ints
    """Day of consent, or `NEVER`."""
    bad_number: Flags
    scanner: Flags
    """Whether the handset or carrier opens links automatically."""
    email: Flags

    @property
    def market(self) -> Ints:
        """Number in `MARKETS`."""
        return np.asarray(_ZONE_MARKET[self.zone])


def draw_categories(shares: Any, segment: Ints, rng: np.random.Generator) -> Ints:
    """Draw a category for each customer, with the shares in the row of its segment."""
    cumulative = np.cumsum(np.asarray(shares, float), axis=1)
    return np.asarray(
        (rng.random(len(segment))[:, None] > cumulative[segment] / cumulative[segment][:, -1:]).sum(axis=1)
    )


def draw_customers(company: Company, first: int, n: int, rng: np.random.Generator) -> Customers:
    """Draw `n` customers, numbered from `first`."""
    world = company.world
    segment = rng.choice(len(SEGMENTS), n, p=world.share)
    market = rng.choice(len(MARKETS), n, p=MARKET_SHARES)
    joined = (0.75 * company.days * rng.beta(0.8, 1.8, n)).astype(np.int64)
    consent_timing = rng.choice(3, n, p=(0.72, 0.1, 0.18))  # consent on joining, some weeks later, never
    consents_later = joined + 7 + rng.integers(0, 60, n)
    return Customers(
        number=np.arange(first, first + n),
        segment=segment,
        zone=draw_categories(_ZONE_SHARES, market, rng),
        hour_shift=rng.choice(len(HOUR_SHIFTS), n, p=HOUR_SHIFT_SHARES),
        responsiveness=0.5 + rng.beta(2, 2, n),
        rate=rng.gamma(world.r[segment]) / world.alpha[segment],
        dropout=rng.beta(world.a[segment], world.b[segment]),
        value_rate=rng.gamma(world.value_q[segment]) / world.value_v[segment],
        joined=joined,
        buyer=rng.random(n) < 0.94,
        consented=np.select([consent_timing == 0, consent_timing == 1], [joined, consents_later], NEVER),
        bad_number=rng.random(n) < world.bad_numbers[segment],
        scanner=rng.random(n) < 0.08,
        email=rng.random(n) < 0.7,
    )


def draw_seconds(customers: Customers, customer: Ints, rng: np.random.Generator) -> Ints:
    """Draw a second of the day for each of these customers, following the daily pattern of purchases and visits."""
    hour_of_own_clock = rng.choice(24, len(customer), p=_BUYING_HOURS / _BUYING_HOURS.sum())
    hour = (hour_of_own_clock + np.array(HOUR_SHIFTS)[customers.hour_shift[customer]]) % 24
    return np.asarray(hour * 3600 + rng.integers(0, 3600, len(customer)))


def draw_organic_orders(company: Company, customers: Customers, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw the organic orders, including the first: customer and day, sorted by both."""
    start = customers.joined + rng.random(len(customers.joined))
    organic_pace_at = np.interp(start, np.arange(company.days + 1), company.organic_pace)
    buyers = np.flatnonzero(customers.buyer)
    customer, time = draw_purchases(
        customers.rate[buyers], customers.dropout[buyers], (company.organic_pace[-1] - organic_pace_at[buyers]) / 7, rng
    )
    customer = buyers[customer]
    day = np.interp(organic_pace_at[customer] + 7 * time, company.organic_pace, np.arange(company.days + 1)).astype(
        np.int64
    )
    customer = np.concatenate([buyers, customer])
    day = np.minimum(np.concatenate([customers.joined[buyers], day]), company.days - 1)
    order = np.lexsort((day, customer))
    return customer[order], day[order]
