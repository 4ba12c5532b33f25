"""Claims about personal hours: the rise of clicks at hours that suit a customer, in a randomised hour test.

A customer's daily pattern is shifted by −3, 0 or +3 hours, and the customer's own events are noisy signs of the shift.
In one world clicks follow the personal shift; in the other all customers of a segment share one pattern. The curves
from which x is computed are fitted to the test itself, as on the page.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.claims import Claim, Interval, Outcome, Verdict
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import personal_send_time
from smsroi_helpers.timing.personal_send_time import MOST_STEPS, STEP, DayFit, Estimate
from smsroi_helpers.timing.response import HourResponse, rate_by_hour
from smsroi_helpers.timing.response_curve import fit_curves, group_scores

Floats = NDArray[np.float64]
CUSTOMERS, SEGMENTS, MESSAGES = 4_000, 3, 18
HOURS = np.arange(8, 20)
NAMES = np.array([f"s{i}" for i in range(SEGMENTS)])


@dataclass(frozen=True)
class _People:
    """Customers of one world: their segment, assigned hour, click probability and own events."""

    segment: NDArray[np.int64]
    arm: NDArray[np.int64]
    chance: Floats
    n: NDArray[np.int64]
    s: Floats
    ss: Floats

    def fit(self) -> DayFit:
        own = np.flatnonzero(self.n)
        frame = pd.DataFrame({
            "segment": NAMES[self.segment[own]], "customers": 1, "n": self.n[own], "s": self.s[own],
            "ss": self.ss[own], "s2n": self.s[own] ** 2 / self.n[own], "n2": self.n[own] ** 2,
        })  # fmt: skip
        return personal_send_time.fit_days(frame.groupby("segment", as_index=False).sum())

    def x(self, fit: DayFit, tables: Floats) -> Floats:
        """Covariate x at each customer's shift δ in quarters of an hour; δ is 0 without events."""
        delta = (self.s - self.n * fit.means[NAMES].to_numpy()[self.segment]) / (self.n + fit.weight)
        bins = np.rint(delta / STEP).astype(int).clip(-MOST_STEPS, MOST_STEPS)
        return np.asarray(tables[self.segment, bins + MOST_STEPS, self.arm])


def _people(rng: np.random.Generator, best: Floats, strength: Floats, heeded: bool, size: int) -> _People:
    """Own events are around 14:00 plus the personal shift; many customers have few events or none."""
    segment = rng.choice(SEGMENTS, size, p=[0.5, 0.3, 0.2])
    late = rng.choice([-3.0, 0.0, 3.0], size, p=[0.25, 0.5, 0.25])
    arm = rng.integers(0, len(HOURS), size)
    turn = 2 * np.pi * (HOURS[arm] + 0.5 - best[segment] - (late if heeded else 0.0)) / 24
    chance = expit(-2.6 + strength[segment] * np.cos(turn)) * (0.5 + rng.beta(2, 2, size))
    n = rng.poisson(rng.gamma(1.5, 4.0, size))
    who = np.repeat(np.arange(size), n)
    place = np.floor(rng.normal(10 + late[who], 5.0)) % 24
    s, ss = (np.bincount(who, place**power, size).astype(float) for power in (1, 2))
    return _People(segment, arm, chance, n, s, ss)


def _curves(cells: pd.DataFrame) -> Floats:
    """The smooth curves of the page: segments × hours."""
    everybody = cells.assign(segment="all")
    response = HourResponse(
        "randomised",
        cells,
        fit_curves(cells, group_scores(cells, "clicks", "messages", list(NAMES))),
        fit_curves(everybody, group_scores(everybody, "clicks", "messages", ["all"])),
        pd.DataFrame({"hour": HOURS, "until": HOURS + 1}),
        pd.DataFrame({"segment": NAMES, "customers": CUSTOMERS // SEGMENTS}),
    )
    return np.array([rate_by_hour(response, name)["rate"].to_numpy() for name in NAMES])


def _cells(people: _People, x: Floats, group: NDArray[np.int64], messages: Floats, clicks: Floats) -> pd.DataFrame:
    """The counts of the test that the engine computes for `estimate_slope`."""
    rows = pd.DataFrame({
        "segment": NAMES[people.segment], "hour": HOURS[people.arm], "until": HOURS[people.arm] + 1, "group": group,
        "messages": messages, "x": messages * x, "xx": messages * x**2, "clicks": clicks, "xy": clicks * x,
    })  # fmt: skip
    return rows.groupby(["segment", "hour", "until", "group"], as_index=False).sum()


def _slope(rng: np.random.Generator, heeded: bool) -> tuple[Estimate, float]:
    """β as on the page, and its truth: β of a hundred times as many such customers, with the same curves."""
    best, strength = rng.uniform(9, 19, SEGMENTS), rng.uniform(0.25, 0.6, SEGMENTS)
    people = _people(rng, best, strength, heeded, CUSTOMERS)
    messages = rng.poisson(MESSAGES * rng.gamma(4, 1 / 4, CUSTOMERS)[:, None] / 7, (CUSTOMERS, 7))
    clicks = rng.binomial(messages, people.chance[:, None])
    group = rng.integers(0, GROUPS, CUSTOMERS)
    rows = pd.DataFrame({
        "segment": np.repeat(NAMES[people.segment], 7), "stratum": 0, "weekday": np.tile(np.arange(7), CUSTOMERS),
        "hour": np.repeat(HOURS[people.arm], 7), "until": np.repeat(HOURS[people.arm] + 1, 7),
        "group": np.repeat(group, 7), "messages": messages.ravel(), "clicks": clicks.ravel(),
    })  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    curves = _curves(rows.groupby(keys, as_index=False).sum().query("messages > 0").reset_index(drop=True))
    middle, share = HOURS.astype(float) + 0.5, np.full(len(HOURS), 1 / len(HOURS))
    tables = np.stack([personal_send_time.contrasts(curve, middle, share) for curve in curves])
    fit = people.fit()
    m, k = messages.sum(axis=1).astype(float), clicks.sum(axis=1).astype(float)
    told = personal_send_time.estimate_slope(_cells(people, people.x(fit, tables), group, m, k))
    if not heeded:
        return told, 0.0
    many = _people(rng, best, strength, heeded, 100 * CUSTOMERS)
    ones = np.ones(len(many.n))
    cells = _cells(many, many.x(fit, tables), np.arange(len(ones)) % GROUPS, ones, many.chance)
    return told, personal_send_time.estimate_slope(cells).estimate


def slope(rng: np.random.Generator) -> list[Outcome]:
    """The slope where clicks follow the personal shift, and where they do not."""
    found: list[Outcome] = []
    for part, heeded in (("own days matter", True), ("they do not", False)):
        told, truth = _slope(rng, heeded)
        found.append(Interval(told.estimate, told.low, told.high, truth, part, null=0.0))
    return found


def used(rng: np.random.Generator) -> Verdict:
    """Whether personal hours are used where all customers of a segment share one pattern."""
    return Verdict(_slope(rng, heeded=False)[0].low > 0)


CLAIMS = [
    Claim("personal_slope", "how clicks rise where the hour drawn suits a customer's own day, by a test of 4,000",
          "timing", "two_sided", slope),
    Claim("personal_used", "own hours said to be answered more where they are not", "timing", "false_alarm", used,
          alpha=0.025),
]  # fmt: skip
