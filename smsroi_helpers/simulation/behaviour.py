"""What happens in a simulated company: who its customers are, what they buy, and what it texts them.

Customers buy by themselves (BG/NBD, its clock running faster in the season) and because of messages (`world`). The
company texts as companies do, those who bought lately more often and in the evening, and tries things out at random:
a standing holdout, doses, hours, texts, and a plan of which a part explores. `simulate` makes tables of it.

Days count from the company's first, on each customer's own clock. Simplified, so that the truth has a closed form:
responding hangs on the segment, the time of day a customer keeps, a responsiveness that nothing shows, and the messages
of the last six days; not on being about to buy, or having left for good.
"""

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from smsroi_helpers.simulation.ground_truth import (
    CREATIVES,
    DOSES,
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
    "PLAN_ROLES",
    "PLAN_WEEKS",
    "ZONES",
    "Arm",
    "Assigned",
    "Company",
    "Experiment",
    "People",
    "choose",
    "draw_messages",
    "draw_own_orders",
    "draw_people",
    "draw_purchases",
    "draw_seconds",
    "plan_company",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LAST_DAY = dt.date(2026, 6, 28)
"""A Sunday; a company of W weeks began on the Monday W weeks before it ended."""
CLOCK = "America/New_York"
ZONES = ("America/New_York", "America/Chicago", "America/Los_Angeles", "Asia/Shanghai", "Asia/Urumqi")
_ZONE_MARKET = np.array([0, 0, 0, 1, 1])
_ZONE_HEAD = np.array([0, 0, 0, 3, 3])
"""The zone whose clock a market's blasts follow."""
_ZONE_SHARES = ((0.5, 0.2, 0.3, 0.0, 0.0), (0.0, 0.0, 0.0, 0.9, 0.1))
NEVER = np.iinfo(np.int64).max
DAY = 86_400
_BUYING_HOURS = np.array(
    [2, 1, 1, 1, 1, 1, 2, 4, 6, 7, 8, 9, 10, 9, 7, 6, 6, 7, 8, 10, 12, 11, 8, 4], float
)  # fmt: skip


def draw_purchases(rates: Floats, dropout: Floats, weeks: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """The repeat purchases of customers who buy at random until they leave: BG/NBD given each customer's parameters.

    Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, section 3: exponential gaps, and after each
    repeat purchase the customer leaves for good with probability `dropout`.

    Args:
        rates: (customers,): purchases a week while active, > 0.
        dropout: (customers,): 0–1.
        weeks: (customers,): how long each is observed after the first purchase, which is time 0 and not among these.
        rng: of the draws.

    Returns:
        customer (row number) and time (weeks), sorted by both.
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


# --- what all customers share ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """One arm of an experiment: what who is in it gets."""

    name: str
    share: float
    messages_per_week: float | None = None
    hour: int | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment on customers who consent when it starts."""

    name: str
    kind: str
    control: str
    first_week: int
    weeks: int
    outcome_weeks: int
    """How long outcomes are counted after its end."""
    arms: tuple[Arm, ...]
    metric: str = "profit"

    @property
    def first_day(self) -> int:
        """The day it starts."""
        return 7 * self.first_week

    @property
    def end_day(self) -> int:
        """The day after its last."""
        return 7 * (self.first_week + self.weeks)


TESTED_CREATIVES = ("new_in", "sale_20", "story")


def place_experiments(weeks: int) -> dict[str, Experiment]:
    """The company's experiments by kind, placed in a log of that many weeks."""
    at = [int(share * weeks) for share in (0.25, 0.45, 0.5, 0.6)]
    dose_weeks = max(6, int(0.23 * weeks))
    return {
        "holdout": Experiment(
            "always-on", "holdout", "held_out", at[0], weeks - at[0], 0, (Arm("texted", 0.9), Arm("held_out", 0.1))
        ),
        "frequency": Experiment(
            "how-often", "frequency", "none", at[1], dose_weeks, min(6, weeks - 4 - at[1] - dose_weeks),
            tuple(Arm(f"{d}_a_week" if d else "none", 1 / len(DOSES), messages_per_week=d) for d in DOSES),
        ),
        "timing": Experiment(
            "which-hour", "timing", "10h", at[2], int(0.85 * weeks) - at[2], 0,
            tuple(Arm(f"{h:02}h", 1 / len(HOURS), hour=h) for h in HOURS), "click_rate",
        ),
        "content": Experiment(
            "which-text", "content", "new_in", at[3], int(0.8 * weeks) - at[3], 1,
            tuple(Arm(v, 1 / len(TESTED_CREATIVES), variant=v) for v in TESTED_CREATIVES),
        ),
    }  # fmt: skip


PLAN_WEEKS = 4
PLAN_ROLES = (("plan", 0.8), ("explore", 0.1), ("holdout", 0.1))
PLAN_HOUR = 18


@dataclass(frozen=True)
class Company:
    """What all customers share: the calendar, the experiments, what is sent in which week."""

    world: World
    weeks: int
    first_day: dt.date
    offsets: Ints
    """(zones, days and a month more): seconds that local time is ahead of UTC."""
    own_pace: Floats
    """(days + 1,): days of steady buying that have passed by the start of each day."""
    pairs: Ints
    """(weeks, 2): the two texts of each week."""
    experiments: dict[str, Experiment]

    @property
    def days(self) -> int:
        """How long the log is."""
        return 7 * self.weeks

    @functools.cached_property
    def midnight(self) -> int:
        """Seconds from 1970 to midnight UTC of the first day."""
        return int(dt.datetime.combine(self.first_day, dt.time(), dt.UTC).timestamp())

    @functools.cached_property
    def end(self) -> int:
        """Seconds from 1970 to the first instant no longer observed: midnight on the company's clock."""
        after = self.first_day + dt.timedelta(days=self.days)
        return int(dt.datetime.combine(after, dt.time(), zoneinfo.ZoneInfo(CLOCK)).timestamp())

    def instant(self, zone: Ints, day: Ints, second: Ints | int) -> Ints:
        """Seconds from 1970 at which a zone's clock shows that second of that day."""
        return np.asarray(self.midnight + day * DAY + second - self.offsets[zone, day])

    def clock(self, day: int) -> int:
        """Seconds from 1970 to the start of a day on the company's clock."""
        return int(self.instant(np.array(0), np.array(day), 0))


def plan_company(world: World, weeks: int) -> Company:
    """The calendar of a company that ends on `LAST_DAY` after that many weeks."""
    first_day = LAST_DAY - dt.timedelta(days=7 * weeks - 1)
    noons = [dt.datetime.combine(first_day + dt.timedelta(days=d), dt.time(12)) for d in range(7 * weeks + 31)]
    zones = [zoneinfo.ZoneInfo(name) for name in ZONES]
    offsets = [[int(zone.utcoffset(noon).total_seconds()) for noon in noons] for zone in zones]  # type: ignore[union-attr]
    pace = np.append(0.0, np.cumsum(season(world, first_day, 7 * weeks)))
    rng = np.random.default_rng([world.seed, 2])
    pairs = np.array([rng.choice(len(CREATIVES), 2, replace=False) for _ in range(weeks)])
    return Company(world, weeks, first_day, np.array(offsets), pace, pairs, place_experiments(weeks))


# --- one chunk of customers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """A chunk of customers; days count from the company's first, on the customer's own clock."""

    number: Ints
    """In the whole company, from 0."""
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
    """Joined with a first order; the others only left their number."""
    consented: Ints
    """The day, or never."""
    bad_number: Flags
    scanner: Flags
    """Has a handset or carrier that opens links by itself."""
    email: Flags

    @property
    def market(self) -> Ints:
        """Number in `MARKETS`."""
        return np.asarray(_ZONE_MARKET[self.zone])


def choose(shares: Any, segment: Ints, rng: np.random.Generator) -> Ints:
    """For each customer a number drawn with the shares of the customer's row (of `segment`)."""
    edges = np.cumsum(np.asarray(shares, float), axis=1)
    return np.asarray((rng.random(len(segment))[:, None] > edges[segment] / edges[segment][:, -1:]).sum(axis=1))


def draw_people(company: Company, first: int, n: int, rng: np.random.Generator) -> People:
    """`n` customers, numbered from `first`."""
    world = company.world
    segment = rng.choice(len(SEGMENTS), n, p=world.share)
    market = rng.choice(len(MARKETS), n, p=MARKET_SHARES)
    joined = (0.75 * company.days * rng.beta(0.8, 1.8, n)).astype(np.int64)
    waits = rng.choice(3, n, p=(0.72, 0.1, 0.18))  # consents on joining, some weeks later, never
    later = joined + 7 + rng.integers(0, 60, n)
    return People(
        number=np.arange(first, first + n),
        segment=segment,
        zone=choose(_ZONE_SHARES, market, rng),
        hour_shift=rng.choice(len(HOUR_SHIFTS), n, p=HOUR_SHIFT_SHARES),
        responsiveness=0.5 + rng.beta(2, 2, n),
        rate=rng.gamma(world.r[segment]) / world.alpha[segment],
        dropout=rng.beta(world.a[segment], world.b[segment]),
        value_rate=rng.gamma(world.value_q[segment]) / world.value_v[segment],
        joined=joined,
        buyer=rng.random(n) < 0.94,
        consented=np.select([waits == 0, waits == 1], [joined, later], NEVER),
        bad_number=rng.random(n) < world.bad_numbers[segment],
        scanner=rng.random(n) < 0.08,
        email=rng.random(n) < 0.7,
    )


def draw_seconds(people: People, who: Ints, rng: np.random.Generator) -> Ints:
    """A second of the day at which each of these customers buys or looks around."""
    usual = rng.choice(24, len(who), p=_BUYING_HOURS / _BUYING_HOURS.sum())
    hour = (usual + np.array(HOUR_SHIFTS)[people.hour_shift[who]]) % 24
    return np.asarray(hour * 3600 + rng.integers(0, 3600, len(who)))


def draw_own_orders(company: Company, people: People, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Who buys on which day without any message, the first order included; sorted by customer and day."""
    start = people.joined + rng.random(len(people.joined))
    pace = np.interp(start, np.arange(company.days + 1), company.own_pace)
    buyers = np.flatnonzero(people.buyer)
    who, when = draw_purchases(
        people.rate[buyers], people.dropout[buyers], (company.own_pace[-1] - pace[buyers]) / 7, rng
    )
    who = buyers[who]
    day = np.interp(pace[who] + 7 * when, company.own_pace, np.arange(company.days + 1)).astype(np.int64)
    who = np.concatenate([buyers, who])
    day = np.minimum(np.concatenate([people.joined[buyers], day]), company.days - 1)
    order = np.lexsort((day, who))
    return who[order], day[order]


@dataclass(frozen=True)
class Assigned:
    """Who was put where: arm numbers, −1 for nobody's; the day of assignment, or never."""

    arm: dict[str, Ints]
    day: dict[str, Ints]
    role: Ints
    """Number in `PLAN_ROLES`, −1 before the plan or outside it."""


# What a week's texting follows: the first that holds.
_PRACTICE, _FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT = range(6)

Drawn = dict[str, NDArray[Any]]


def _assign(experiment: Experiment, eligible: Flags, rng: np.random.Generator) -> Ints:
    arms = rng.choice(len(experiment.arms), len(eligible), p=[arm.share for arm in experiment.arms])
    return np.where(eligible, arms, -1)


def draw_messages(
    company: Company, people: People, own: tuple[Ints, Ints], rng: np.random.Generator
) -> tuple[Drawn, Assigned, Ints, Drawn]:
    """The company's weeks of texting: messages, assignments, the day each subscription ended, and today's practice.

    Messages are columns of equal length: who, day, second (of the recipient's day), variant, delivered, heeded,
    clicked, scanned, replied, left, buys, plan. The practice is counted by segment: customer_weeks, messages, profit
    and opt_outs, as expected when each message went out.
    """
    world, experiments = company.world, company.experiments
    n = len(people.number)
    segment, market = people.segment, people.market
    attention, opting_out = world.attention_logit(), world.opt_out_logit()
    buys, order_profit, costs = world.buys_more(), world.order_profit(), world.costs
    interactive = np.array([c.content_type == "interactive" for c in CREATIVES])
    ones = np.array([bin(mask).count("1") for mask in range(128)])

    lost = people.consented + (7 * rng.exponential(1.0, n) / world.weekly_loss[segment]).astype(np.int64) + 1
    lost = np.where(people.consented == NEVER, NEVER, lost)
    last_order = people.joined.copy()
    order_weeks = own[1] // 7
    by_week = np.argsort(order_weeks, kind="stable")
    week_starts = np.searchsorted(order_weeks[by_week], np.arange(company.weeks + 1))
    pending: list[list[tuple[Ints, Ints]]] = [[] for _ in range(company.weeks + 3)]

    arm = {kind: np.full(n, -1) for kind in experiments}
    assigned_on = {kind: np.full(n, NEVER) for kind in experiments}
    role = np.full(n, -1)
    slot = rng.random(n)
    in_slot = {"frequency": slot < 0.45, "timing": (slot >= 0.45) & (slot < 0.9), "content": slot >= 0.3}
    steady_days = rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
    recent = np.zeros(n, np.int64)
    practice = {name: np.zeros(len(SEGMENTS)) for name in ("customer_weeks", "messages", "profit", "opt_outs")}
    found: list[Drawn] = []

    for week in range(company.weeks):
        first = 7 * week
        subscribed = (people.consented < first) & (lost >= first)
        # --- who is put into which experiment this week
        if week >= experiments["holdout"].first_week:
            new = subscribed & (arm["holdout"] < 0)
            arm["holdout"] = np.where(new, _assign(experiments["holdout"], new, rng), arm["holdout"])
            assigned_on["holdout"][new] = first
        free = subscribed & (arm["holdout"] != 1)
        for kind in ("frequency", "timing", "content"):
            if week == experiments[kind].first_week:
                eligible = free & in_slot[kind] & ((kind != "content") | (arm["frequency"] < 0))
                arm[kind] = _assign(experiments[kind], eligible, rng)
                assigned_on[kind][eligible] = first
        if week == company.weeks - PLAN_WEEKS:
            role = np.where(free, rng.choice(3, n, p=[share for _, share in PLAN_ROLES]), -1)

        # --- what each is sent this week
        follows = np.full(n, _PRACTICE)
        for kind, what in (("timing", _TIMING), ("frequency", _FREQUENCY)):
            experiment = experiments[kind]
            if experiment.first_week <= week < experiment.first_week + experiment.weeks:
                follows[arm[kind] >= 0] = what
        follows[role == 0], follows[role == 1] = _PLAN, _EXPLORE
        follows[~subscribed | (arm["holdout"] == 1) | (role == 2)] = _SILENT
        running = week < experiments["content"].first_week + experiments["content"].weeks
        text_arm = arm["content"] if running else np.full(n, -1)

        since = first - last_order
        dose = np.select([since < 14, since < 42, since < 91], [3, 2, 1], rng.integers(0, 2, n))
        evening = rng.random(n) < np.where(dose >= 2, 0.85, 0.2)
        dose = np.clip(dose + rng.choice(3, n, p=(0.2, 0.6, 0.2)) - 1, 0, 5)
        dose = np.select(
            [follows == what for what in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE, _SILENT)],
            [np.array(DOSES)[arm["frequency"]], 2, 1, np.array(DOSES)[rng.integers(0, len(DOSES), n)], 0],
            dose,
        )
        blast = 9 + (company.offsets[people.zone, first] - company.offsets[_ZONE_HEAD[people.zone], first]) // 3600
        hour = np.where(evening, 19, blast) + rng.integers(-1, 2, n)
        hour = np.select(
            [follows == what for what in (_FREQUENCY, _TIMING, _PLAN, _EXPLORE)],
            [-1, np.array(HOURS)[arm["timing"]], PLAN_HOUR, -1],
            hour,
        )
        shuffled = rng.random((n, 7)).argsort(axis=1).argsort(axis=1)
        days = np.where((follows == _FREQUENCY)[:, None], steady_days, shuffled) < dose[:, None]
        counted = segment[follows == _PRACTICE]
        practice["customer_weeks"] += np.bincount(counted, minlength=len(SEGMENTS))

        for day in range(first, first + 7):
            recent = (recent << 1) & 127
            who = np.flatnonzero(days[:, day - first] & (lost > day))
            if not len(who):
                continue
            before = ones[recent[who] >> 1]
            recent[who] |= 1
            s, m = segment[who], market[who]
            at = np.where(hour[who] < 0, rng.choice(HOURS, len(who)), hour[who])
            text = company.pairs[week][rng.integers(0, 2, len(who))]
            tested = text_arm[who] >= 0
            text[tested] = _TESTED[text_arm[who][tested]]
            text = np.where(follows[who] == _EXPLORE, rng.integers(0, len(CREATIVES), len(who)), text)
            heeding = expit(attention[s, people.hour_shift[who], at, day % 7, text] - world.fatigue[s] * before)
            heeding *= people.responsiveness[who]
            leaving = expit(opting_out[s, at, text] + world.opt_out_fatigue[s] * before)

            delivered = ~people.bad_number[who] & (rng.random(len(who)) >= world.not_delivered)
            heeded = delivered & (rng.random(len(who)) < heeding)
            left = delivered & (rng.random(len(who)) < leaving)
            lost[who[left]] = day
            today = {
                "who": who,
                "day": np.full(len(who), day),
                "second": at * 3600 + rng.integers(0, 3600, len(who)),
                "variant": text,
                "delivered": delivered,
                "heeded": heeded,
                "clicked": heeded & (rng.random(len(who)) < world.click_share[s]),
                "scanned": delivered & people.scanner[who] & (rng.random(len(who)) < 0.6),
                "replied": heeded & interactive[text] & (rng.random(len(who)) < 0.3),
                "left": left,
                "buys": heeded & (rng.random(len(who)) < buys[s, text]),
                "plan": (follows[who] == _PLAN) | (follows[who] == _EXPLORE),
            }
            found.append(today)

            by_habit = follows[who] == _PRACTICE
            arrives = ~people.bad_number[who] * (1 - world.not_delivered)
            gain = arrives * heeding * buys[s, text] * order_profit[s, text] - costs[text, m]
            for name, values in (("messages", 1.0 * by_habit), ("profit", gain * by_habit),
                                 ("opt_outs", arrives * leaving * by_habit)):  # fmt: skip
                practice[name] += np.bincount(s, values, minlength=len(SEGMENTS))
            bought = who[today["buys"]]
            pending[week + 1].append((bought, np.full(len(bought), day + 1)))

        # --- who has bought lately, as the company sees it when it plans the next week
        rows = by_week[week_starts[week] : week_starts[week + 1]]
        for buyers, bought_on in [(own[0][rows], own[1][rows]), *pending[week + 1]]:
            np.maximum.at(last_order, buyers, bought_on)

    sent = {name: np.concatenate([today[name] for today in found]) for name in found[0]}
    return sent, Assigned(arm, assigned_on, role), lost, practice


_TESTED = np.array([[c.variant for c in CREATIVES].index(variant) for variant in TESTED_CREATIVES])
