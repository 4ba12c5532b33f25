"""The parameters of a company of the second simulator, and the people in it.

Every customer has a rate of buying, a readiness to click and a readiness to leave: log-normal, correlated, and varying
between four classes that no table names. The j-th text of a calendar week is clicked with probability

    1 − exp(−click · hour · weekday · creative · j^(−wear))

and, independently, answered with an opt-out with probability 1 − exp(−leave · annoyance(j) · creative · hour). A click
is followed by an additional order with a probability of the customer's own, and may move the next order of the customer
forward. Beside this people are lost for other reasons: they no longer click or buy through texts, and most stop buying
altogether, but the log has no opt-out. Few withdraw consent of themselves.

Units: rates per week, money in the source's currency, hours of the recipient's local time.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASSES",
    "CREATIVES",
    "DAYS",
    "DELIVERED",
    "DOSES",
    "GRID",
    "LEVELS",
    "MOST_TEXTS",
    "TRIED_HOURS",
    "WINDOWS",
    "ZONES",
    "People",
    "Slot",
    "World",
    "draw_people",
    "draw_world",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = ("devoted", "hunters", "browsers", "weary")
ZONES = ("Europe/Paris", "America/New_York", "America/Sao_Paulo")
"""The first has the company's clock; the last lies in a country without a rule in `measures.quiet_hours`."""
ZONE_SHARES = (0.45, 0.3, 0.25)
WINDOWS = ((9, 11), (12, 14), (15, 17), (18, 20))
"""Arms of the timing test: local hours, half-open."""
TRIED_HOURS = tuple(hour for first, end in WINDOWS for hour in range(first, end))
DOSES = (0, 1, 2, 4)
"""Arms of the frequency test: texts a week."""
GRID = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Texts a week at which the truth is usually asked for."""
CREATIVES = ("news", "gift", "ask")
DAYS = 6
"""Texts go out from Monday to Saturday."""
MOST_TEXTS = 6
DELIVERED = 0.98
LEVELS = ("blue", "silver", "gold", "black")
_OF_LEVEL = 0.62
"""Probability that the member level is the one that goes with the class; else any."""
CHANGED_NUMBER = 0.35
"""Share of the lost who go on buying, without texts."""

_RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "share": ((0.2, 0.3), (0.2, 0.3), (0.22, 0.35), (0.18, 0.28)),
    "buy": ((0.09, 0.14), (0.05, 0.08), (0.03, 0.05), (0.015, 0.03)),
    "click": ((0.07, 0.12), (0.10, 0.16), (0.06, 0.10), (0.03, 0.06)),
    "leave": ((0.003, 0.007), (0.004, 0.009), (0.005, 0.010), (0.008, 0.016)),
    "loss": ((0.002, 0.005), (0.003, 0.007), (0.005, 0.010), (0.007, 0.013)),
    "withdraw": ((0.0003, 0.0008),) * 4,
    "convert": ((0.10, 0.18), (0.10, 0.16), (0.08, 0.14), (0.04, 0.08)),
    "moved": ((0.08, 0.2),) * 4,
    "order_mean": ((45.0, 60.0), (28.0, 40.0), (35.0, 50.0), (30.0, 45.0)),
    "wear": ((0.2, 0.45), (0.3, 0.6), (0.5, 0.9), (0.6, 1.1)),
    "noon_at": ((12.4, 13.4),) * 4,
    "noon_width": ((0.5, 0.9),) * 4,
    "morning": ((0.0, 0.25),) * 4,
}
_ANNOYANCE = {
    "even": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "threshold": (0.7, 0.8, 3.0, 4.5, 5.0, 5.0),
    "growing": (0.8, 1.4, 2.2, 3.2, 4.4, 5.8),
    "first": (1.6, 0.6, 0.4, 0.3, 0.3, 0.3),
}
"""Opting out after the j-th text of a week, relative to `leave`; a class has one of these, drawn without repetition."""
LATE_OR_EARLY = 1.6
"""Opting out after a text before 9 or from 20 on, relative to other hours."""


@dataclass(frozen=True)
class Slot:
    """One campaign of the practice's week."""

    weekday: int
    hour: int
    local: bool
    """Whether the hour is each recipient's; else the company's clock, for everybody at the same instant."""


@dataclass(frozen=True)
class World:
    """Every parameter of a company; arrays have one entry for each of `CLASSES`."""

    seed: int
    null: bool
    share: Floats
    buy: Floats
    """Median orders a week without texts."""
    click: Floats
    """Median hazard of a click on a first text at hour, weekday and creative effects of 1."""
    leave: Floats
    """Median hazard of an opt-out at `annoyance` 1."""
    loss: Floats
    """Median hazard a week of being lost without a trace in the consent."""
    withdraw: Floats
    """Median hazard a week of an opt-out without a text."""
    convert: Floats
    """Probability that a click is followed by an additional order, for a customer who buys at the median rate."""
    moved: Floats
    """Probability that a click moves the customer's next order forward, if it is due within six weeks."""
    order_mean: Floats
    wear: Floats
    noon_at: Floats
    noon_width: Floats
    morning: Floats
    noon: Floats
    evening: Floats
    """Heights (log) of the daily pattern in the morning, around noon and after work."""
    weekday: Floats
    """(classes, 7): log effects on clicks, Monday first."""
    creative: Floats
    """(classes, creatives): the same."""
    creative_annoyance: Floats
    """(creatives,): log effects on opting out."""
    annoyance: Floats
    """(classes, `MOST_TEXTS`): opting out after the j-th text of a week, relative to `leave`."""
    spread: Floats
    """(classes, 3): standard deviations of log buying, clicking and leaving."""
    correlation: Floats
    """(3, 3) of the same."""
    season: float
    slots: tuple[Slot, ...]
    """The practice's week."""
    margin: float = 0.35
    cost: float = 0.02
    """Of one text."""
    yearly_discount: float = 0.1

    @property
    def weekly_discount(self) -> float:
        """Discount rate per week."""
        return float((1 + self.yearly_discount) ** (7 / 365.25) - 1)

    def hour_effects(self) -> Floats:
        """(classes, 24): the effect of the hour on clicks: a narrow peak around noon, broad ones at 9 and at 18:30."""
        if self.null:
            return np.ones((len(CLASSES), 24))
        middle = np.arange(24) + 0.5

        def bump(at: Floats, width: Floats) -> Floats:
            return np.exp(-(((middle - at[:, None]) / width[:, None]) ** 2) / 2)

        none = np.zeros(len(CLASSES))
        height = self.noon[:, None] * bump(self.noon_at, self.noon_width)
        height = height + self.evening[:, None] * bump(none + 18.7, none + 1.4)
        height = height + self.morning[:, None] * bump(none + 9.5, none + 1.2)
        return np.asarray(np.exp(height - 0.3 * ((middle < 8) | (middle > 21))))

    def click_effects(self) -> Floats:
        """(classes, 24 hours, 7 weekdays, creatives): product of the effects on the hazard of a click."""
        week, text = np.exp(self.weekday), np.exp(self.creative)
        return np.asarray(self.hour_effects()[:, :, None, None] * week[:, None, :, None] * text[:, None, None, :])

    def annoyance_effects(self) -> Floats:
        """(24 hours, creatives): product of the effects on the hazard of an opt-out."""
        hour = np.arange(24)
        at_hour = np.where((hour < 9) | (hour >= 20), LATE_OR_EARLY, 1.0)
        return np.asarray(at_hour[:, None] * np.exp(self.creative_annoyance))


def draw_world(seed: int, null: bool = False, text_effects: float = 1.0) -> World:
    """Draw the parameters of a company; the same seed gives the same company.

    Args:
        seed: of the parameters.
        null: texts cause nothing and cost nothing; every text is clicked alike; opt-outs have other reasons.
        text_effects: how many times as far apart (log) the texts are, in clicks and in opt-outs.
    """
    rng = np.random.default_rng([seed, 21])
    drawn = {name: rng.uniform(*np.array(ranges).T) for name, ranges in _RANGES.items()}
    drawn["share"] = drawn["share"] / drawn["share"].sum()
    classes = len(CLASSES)
    noon, evening = rng.uniform(0.5, 1.0, classes), rng.uniform(0.0, 0.35, classes)
    at_night_reader = int(rng.integers(classes))  # one class answers best after work
    noon[at_night_reader], evening[at_night_reader] = rng.uniform(0.05, 0.2), rng.uniform(0.5, 0.8)
    weekday = rng.normal(0, 0.15, (classes, 7))
    creative = rng.normal(0, 0.22, len(CREATIVES)) + rng.normal(0, 0.1, (classes, len(CREATIVES)))
    correlation = np.eye(3)
    for (a, b), (low, high) in {(0, 1): (0.2, 0.5), (0, 2): (-0.4, -0.1), (1, 2): (-0.3, 0.2)}.items():
        correlation[a, b] = correlation[b, a] = rng.uniform(low, high)
    shapes = [list(_ANNOYANCE.values())[i] for i in rng.permutation(len(_ANNOYANCE))]
    days = rng.permutation(DAYS)[: int(rng.integers(2, 4))]
    slots = tuple(
        Slot(int(day), int(rng.choice((9, 10, 16, 19, 20))), True)
        if i % 3
        else Slot(int(day), int(rng.choice((10, 13, 16, 19))), False)
        for i, day in enumerate(sorted(days))
    )
    world = World(
        seed,
        null,
        **drawn,
        noon=noon,
        evening=evening,
        weekday=weekday - weekday.mean(axis=1, keepdims=True),
        creative=text_effects * (creative - creative.mean(axis=1, keepdims=True)),
        creative_annoyance=text_effects * rng.normal(0, 0.25, len(CREATIVES)),
        annoyance=np.array(shapes),
        spread=rng.uniform((0.5, 0.6, 0.6), (0.8, 0.9, 1.0), (classes, 3)),
        correlation=correlation,
        season=float(rng.uniform(0.05, 0.25)),
        slots=slots,
    )
    if not null:
        return world
    none = np.zeros(classes)
    return dataclasses.replace(
        world, convert=none, moved=none, wear=none, weekday=np.zeros_like(weekday), creative=np.zeros_like(creative),
        creative_annoyance=np.zeros(len(CREATIVES)), annoyance=np.zeros_like(world.annoyance), cost=0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class People:
    """The customers of a company; days count from the log's first Monday, and may be negative or beyond the log."""

    kind: Ints
    """Number in `CLASSES`."""
    zone: Ints
    """Number in `ZONES`."""
    level: Ints
    """Number in `LEVELS`; tells the class with an error."""
    age_band: Ints
    joined: Ints
    consents: NDArray[np.bool_]
    buy: Floats
    click: Floats
    leave: Floats
    loss: Floats
    """Hazard a week."""
    withdraw: Floats
    convert: Floats
    lost_on: Floats
    """Day from which texts are no longer read."""
    stops_on: Floats
    """Day from which the customer buys no more."""
    withdraws_on: Floats
    """Day of an opt-out without a text."""

    def __len__(self) -> int:
        """Number of customers."""
        return len(self.kind)


def draw_people(world: World, customers: int, weeks: int, rng: np.random.Generator) -> People:
    """Draw customers: four in five joined before the log begins, the others in its first half."""
    kind = rng.choice(len(CLASSES), customers, p=world.share)
    root = np.linalg.cholesky(world.correlation)
    own = np.exp(rng.standard_normal((customers, 3)) @ root.T * world.spread[kind])
    buy, click, leave = own.T
    joined = np.where(rng.random(customers) < 0.8, -1, rng.integers(0, 7 * weeks // 2, customers))
    seen_from = np.maximum(joined, 0)
    loss, withdraw = world.loss[kind] * leave, world.withdraw[kind] * leave
    lost_on = seen_from + 7 * rng.exponential(1.0, customers) / loss
    level = np.where(rng.random(customers) < _OF_LEVEL, kind, rng.integers(0, len(LEVELS), customers))
    return People(
        kind=kind,
        zone=rng.choice(len(ZONES), customers, p=ZONE_SHARES),
        level=level,
        age_band=np.clip(kind + rng.integers(-2, 3, customers), 0, 4),
        joined=joined,
        consents=rng.random(customers) < 0.94,
        buy=world.buy[kind] * buy,
        click=world.click[kind] * click,
        leave=world.leave[kind] * leave,
        loss=loss,
        withdraw=withdraw,
        convert=np.minimum(world.convert[kind] * buy**0.3, 0.8),
        lost_on=lost_on,
        stops_on=np.where(rng.random(customers) < CHANGED_NUMBER, np.inf, lost_on),
        withdraws_on=seen_from + 7 * rng.exponential(1.0, customers) / withdraw,
    )
