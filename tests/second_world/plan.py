"""The calendar of a company of the second simulator: the practice's campaigns, its experiments, the zones' clocks."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.second_world.world import CREATIVES, DOSES, WINDOWS, ZONES, World

__all__ = ["DAY", "LAST_DAY", "Arm", "Plan", "Trial", "make_plan"]

LAST_DAY = dt.date(2026, 5, 31)
"""Last day of the log, a Sunday."""
DAY = 86_400
FEWEST_WEEKS = 38
"""Shortest log that has room for the experiments."""


@dataclass(frozen=True)
class Arm:
    """One arm of an experiment."""

    name: str
    share: float
    dose: int | None = None
    window: tuple[int, int] | None = None
    creative: int | None = None


@dataclass(frozen=True)
class Trial:
    """One experiment; weeks count from the log's first."""

    name: str
    kind: str
    control: str
    first_week: int
    end_week: int | None
    outcome_end_week: int | None
    arms: tuple[Arm, ...]
    customers: float
    """Share of the eligible customers in it."""
    first_of_kind: bool = False
    """An earlier test of the same kind as a later one."""

    @property
    def key(self) -> str:
        """Its kind; `first_content` for the earlier test of texts."""
        return f"first_{self.kind}" if self.first_of_kind else self.kind


@dataclass(frozen=True)
class Plan:
    """The calendar of a company."""

    weeks: int
    first_day: dt.date
    offsets: NDArray[np.int64]
    """(zones, days): seconds that local time is ahead of UTC, at noon."""
    hours: NDArray[np.int64]
    """(weeks, slots, zones): the local hour of the practice's campaigns."""
    creatives: NDArray[np.int64]
    """(weeks, slots): their text."""
    trials: tuple[Trial, ...]
    later_weeks: int = 0
    """Weeks after the log, whose texts are given; there are no campaigns in them."""

    @property
    def days(self) -> int:
        """Length of the log and the later weeks."""
        return 7 * (self.weeks + self.later_weeks)

    def trial(self, key: str) -> Trial:
        """The experiment with a key."""
        return next(trial for trial in self.trials if trial.key == key)

    def instant(self, zone: NDArray[np.int64], day: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Unix seconds of a local time."""
        start = int(dt.datetime.combine(self.first_day, dt.time(), dt.UTC).timestamp())
        at = np.clip(day, 0, self.offsets.shape[1] - 1)
        return np.asarray(start + day * DAY + second - self.offsets[zone, at])


def _trials(world: World, weeks: int) -> tuple[Trial, ...]:
    """A standing holdout, a test of doses and one of hours at the same time, one of texts before and one after them."""
    first = weeks - 26
    texts = CREATIVES[: 2 + world.seed % 2]
    doses = tuple(Arm(f"dose-{dose}", 0.25, dose=dose) for dose in DOSES)
    hours = tuple(Arm(f"{a:02d}-{b:02d}", 0.25, window=(a, b)) for a, b in WINDOWS)
    creatives = tuple(Arm(text, 1 / len(texts), creative=i) for i, text in enumerate(texts))
    before = tuple(Arm(CREATIVES[i], 0.5, creative=i) for i in (2, 0))
    holdout = (Arm("texted", 0.92), Arm("silent", 0.08))
    return (
        Trial("standing-holdout", "holdout", "texted", 2, None, None, holdout, 1.0),
        Trial("which-tone", "content", CREATIVES[2], first - 9, first - 1, None, before, 0.8, first_of_kind=True),
        Trial("how-often", "frequency", "dose-0", first, first + 10, first + 16, doses, 0.45),
        Trial("which-window", "timing", hours[world.seed % 4].name, first, first + 8, None, hours, 0.45),
        Trial("which-text", "content", texts[0], first + 10, first + 18, None, creatives, 0.7),
    )


def make_plan(world: World, weeks: int, later_weeks: int = 0) -> Plan:
    """Draw the calendar of a company whose log has a number of weeks; later weeks do not change it."""
    if weeks < FEWEST_WEEKS:
        raise ValueError(f"the log needs at least {FEWEST_WEEKS} weeks")
    rng = np.random.default_rng([world.seed, 22])
    first_day = LAST_DAY - dt.timedelta(days=7 * weeks - 1)
    zones = [zoneinfo.ZoneInfo(name) for name in ZONES]
    noons = [
        dt.datetime.combine(first_day + dt.timedelta(days=day), dt.time(12))
        for day in range(7 * (weeks + later_weeks) + 14)
    ]
    offsets = np.array([[int(z.utcoffset(noon).total_seconds()) for noon in noons] for z in zones])  # type: ignore[union-attr]
    hours = np.empty((weeks, len(world.slots), len(ZONES)), np.int64)
    for week in range(weeks):
        for at, slot in enumerate(world.slots):
            later = (offsets[:, 7 * week + slot.weekday] - offsets[0, 7 * week + slot.weekday]) // 3600
            hours[week, at] = slot.hour + (0 if slot.local else later)
    creatives = rng.integers(0, len(CREATIVES), (weeks, len(world.slots)))
    return Plan(weeks, first_day, offsets, hours, creatives, _trials(world, weeks), later_weeks)
