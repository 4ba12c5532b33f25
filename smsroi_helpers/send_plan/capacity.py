"""The plan within the gateway's capacity: no hour of UTC has more texts than it can send.

Customers of one place and action get the same texts, and are numbered in the order of their times (`rank`). Texts are
placed in the order of their long-run value, those explored with first: each at its own time where there is room, else
in another hour of its window, else on another day of the same week on which the window is open and the customer has no
other text. What then finds no room falls away, so these are texts of the lowest value. Python decides on ranges of
ranks, and the engine applies them.
"""

import datetime as dt
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers import measures
from smsroi_helpers.send_plan.schedule import SLICES, Calendar, window_instants
from smsroi_helpers.send_plan.today import Audience
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Ints

__all__ = ["CapacityUse", "count_units", "find_openings", "fit_capacity"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
_HOUR = 3600
Key = tuple[int, str]
"""Place and action."""


@dataclass(frozen=True)
class CapacityUse:
    """How the texts fit into the hours of UTC."""

    limit: int
    """Texts an hour; 0: none."""
    busiest: int
    """Texts in the fullest hour; 0 before `fit_capacity` has counted them."""
    moved_hours: int = 0
    """Texts sent in another hour of their window than without the limit."""
    moved_days: int = 0
    """Texts sent on another day."""
    dropped: int = 0
    """Texts that fell away."""
    dropped_explored: int = 0
    """Those among them that were to explore; their value is not known."""
    lost_cash: float = 0.0
    """Expected profit of the plan's weeks of the texts that fell away, money."""
    lost_long_run: float = 0.0


@dataclass(frozen=True)
class Opening:
    """A day on which a window is open in a place."""

    day: int
    """Number in the plan."""
    weekday: int
    begins: int
    """Seconds of UTC since 1970."""
    seconds: int

    def hours(self) -> Iterator[tuple[int, int, int]]:
        """Each hour of UTC within: its number since 1970, from which second on, how many seconds."""
        at, end = self.begins, self.begins + self.seconds
        while at < end:
            stop = min((at // _HOUR + 1) * _HOUR, end)
            yield at // _HOUR, at, stop - at
            at = stop


@dataclass
class _Unit:
    """Customers of one place and action."""

    below: Ints
    """(257,): how many have a time slice below each."""
    days: set[int] = field(default_factory=set)
    """On which the action itself has texts."""
    parts: list[tuple[int, int, frozenset[int]]] = field(default_factory=list)
    """Ranks (half-open) with the days to which texts of theirs were moved."""


@dataclass
class _Room:
    """What is left of each hour, and what happened to the texts."""

    limit: int
    used: dict[int, int] = field(default_factory=dict)

    def take(self, hour: int, wanted: int) -> int:
        """Texts that find room."""
        got = min(wanted, self.limit - self.used.get(hour, 0))
        if got > 0:
            self.used[hour] = self.used.get(hour, 0) + got
        return max(got, 0)


def count_units(shop: Shop, divided: ir.Table) -> pd.DataFrame:
    """place, action, time_slice, n: customers of `divide_customers`."""
    rows = divided.filter(divided.role != "holdout")
    return shop.count(rows.group_by("place", "action", "time_slice").aggregate(n=rows.count()))


def find_openings(
    audience: Audience, windows: Sequence[tuple[int, int]], calendar: Calendar
) -> dict[tuple[int, int], tuple[Opening, ...]]:
    """(place, window) → the days on which the window is open there.

    Args:
        audience: of `find_audience`.
        windows: of the evidence.
        calendar: the plan's days.
    """
    found = {}
    for place in audience.places.itertuples():
        closed = set(measures.days_off(place.rules.split(), calendar.first_day, calendar.days[-1]))
        zone = place.timezone or audience.usual_zone
        for w, (start, end) in enumerate(windows):
            open_days = audience.masks[place.mask][:, start:end].all(axis=1)
            each = []
            for k, day in enumerate(calendar.days):
                if open_days[day.weekday()] and day not in closed:
                    begins, seconds = window_instants(day, (start, end), zone)
                    each.append(Opening(k, day.weekday(), int((begins - _EPOCH).total_seconds()), seconds))
            found[int(place.Index), w] = tuple(each)
    return found


def fit_capacity(
    slots: pd.DataFrame, units: pd.DataFrame, openings: dict[tuple[int, int], tuple[Opening, ...]], limit: int
) -> tuple[pd.DataFrame, CapacityUse]:
    """Place every text within the limit.

    Args:
        slots: of `find_slots`.
        units: of `count_units`.
        openings: of `find_openings`.
        limit: texts an hour; 0: none.

    Returns:
        the slots of ranges of ranks (first_rank, end_rank), and what happened.
    """
    known = {key: _unit(rows) for key, rows in units.groupby(["place", "action"])}
    slots = slots[[key in known for key in zip(slots["of_place"], slots["of_action"], strict=True)]]
    begins = ((slots["begins"] - pd.Timestamp(_EPOCH)) // pd.Timedelta(seconds=1)).to_numpy("int64")
    slots = slots.assign(start=begins).reset_index(drop=True)
    load = _own_load(slots, known)
    if not limit or max(load.values(), default=0) <= limit:
        return slots.drop(columns="start"), CapacityUse(limit, max(load.values(), default=0))
    for row in slots.itertuples():
        known[row.of_place, row.of_action].days.add(row.day)
    room = _Room(limit)
    placed: list[tuple[int, ...]] = []
    moved, lost = [0, 0], [0, 0, 0.0, 0.0]
    for row in _by_value(slots).itertuples():
        unit = known[row.of_place, row.of_action]
        left = _place(row, unit, room, openings[row.of_place, row.window], placed, moved)
        explored = row.of_action.startswith("explore")
        lost[0] += left
        lost[1] += left * explored
        if not explored:
            lost[2] += left * float(row.cash)
            lost[3] += left * float(row.long_run)
    found = pd.DataFrame(placed, columns=["slot", "first_rank", "end_rank", "begins", "spread_seconds", "weekday"])
    kept = slots.drop(columns=["first_rank", "end_rank", "begins", "spread_seconds", "weekday", "start"])
    found = found.join(kept, on="slot").drop(columns="slot")
    found["begins"] = pd.to_datetime(found["begins"], unit="s")
    use = CapacityUse(limit, max(room.used.values()), moved[0], moved[1], int(lost[0]), int(lost[1]), lost[2], lost[3])
    return found[list(slots.columns.drop("start"))], use


def _unit(rows: pd.DataFrame) -> _Unit:
    counts = np.bincount(rows["time_slice"].to_numpy(int), rows["n"].to_numpy(float), SLICES).astype(int)
    below = np.append(0, np.cumsum(counts))
    return _Unit(below, parts=[(0, int(below[-1]), frozenset())])


def _by_value(slots: pd.DataFrame) -> pd.DataFrame:
    """Explored first, then by value; equal ones in the order of time, so that all customers lose late texts first."""
    explored = slots["of_action"].str.startswith("explore")
    keys = slots.assign(later=~explored, worth=-slots["long_run"].astype(float).fillna(0.0))
    return keys.sort_values(["later", "worth", "start", "of_place", "of_action"], kind="stable")


@functools.lru_cache(maxsize=4096)
def _cuts(phase: int, seconds: int) -> tuple[tuple[int, int, int], ...]:
    """Time slices (half-open) within one hour of UTC, and that hour, for a window that opens `phase` seconds past one.

    >>> _cuts(1800, 3600)
    ((0, 128, 0), (128, 256, 1))
    """
    hours = (phase + np.arange(SLICES) * seconds // SLICES) // _HOUR
    cuts = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), SLICES]
    return tuple((a, b, int(hours[a])) for a, b in itertools.pairwise(cuts))


def _own_pieces(start: int, seconds: int, below: Ints) -> list[tuple[int, int, int]]:
    """Ranks (half-open) and the hour of UTC of texts at their own times, see `write_messages`."""
    hour, phase = divmod(start, _HOUR)
    found = [(int(below[a]), int(below[b]), hour + k) for a, b, k in _cuts(phase, seconds)]
    return [each for each in found if each[1] > each[0]]


def _own_load(slots: pd.DataFrame, known: dict[Key, _Unit]) -> dict[int, int]:
    load: dict[int, int] = {}
    for row in slots.itertuples():
        below = known[row.of_place, row.of_action].below
        for low, high, hour in _own_pieces(row.start, row.spread_seconds, below):
            load[hour] = load.get(hour, 0) + high - low
    return load


def _place(
    row: Any, unit: _Unit, room: _Room, openings: tuple[Opening, ...], placed: list[tuple[int, ...]],
    moved: list[int],
) -> int:  # fmt: skip
    """Place one text of every customer of a unit; those that find no room are counted."""
    dropped, parts = 0, []
    own = _own_pieces(row.start, row.spread_seconds, unit.below)
    for first, end, away in unit.parts:
        for low, high, hour in ((max(a, first), min(b, end), hour) for a, b, hour in own):
            if low >= high:
                continue
            got = room.take(hour, high - low)
            if got:
                placed.append((row.Index, low, low + got, row.start, row.spread_seconds, row.weekday))
                parts.append((low, low + got, away))
            low += got
            for day, at in _alternatives(row, hour, unit, away, openings):
                if low >= high:
                    break
                for other, start, seconds in at:
                    got = room.take(other, high - low)
                    if got:
                        placed.append((row.Index, low, low + got, start, seconds, day.weekday))
                        parts.append((low, low + got, away if day.day == row.day else away | {day.day}))
                        moved[day.day != row.day] += got
                        low += got
            if low < high:
                parts.append((low, high, away))
                dropped += high - low
    unit.parts = _joined(parts)
    return dropped


def _joined(parts: list[tuple[int, int, frozenset[int]]]) -> list[tuple[int, int, frozenset[int]]]:
    """Neighbouring ranks with the same days as one range."""
    found: list[tuple[int, int, frozenset[int]]] = []
    for first, end, away in sorted(parts, key=lambda part: part[0]):
        if found and found[-1][1] == first and found[-1][2] == away:
            found[-1] = (found[-1][0], end, away)
        else:
            found.append((first, end, away))
    return found


def _alternatives(
    row: Any, hour: int, unit: _Unit, away: frozenset[int], openings: tuple[Opening, ...]
) -> Iterator[tuple[Opening, list[tuple[int, int, int]]]]:
    """Other hours of the own day, the nearest first; then days of the same week without a text, the nearest first."""
    for day in sorted(openings, key=lambda each: (abs(each.day - row.day), each.day)):
        if day.day == row.day:
            found = [each for each in day.hours() if each[0] != hour]
            yield day, sorted(found, key=lambda each: (abs(each[0] - hour), each[0]))
        elif day.day // 7 == row.day // 7 and day.day not in unit.days and day.day not in away:
            yield day, list(day.hours())
