"""Own hours: how clicks rise where texts come at hours that suit a customer's own day, by lot.

Customers' days run three hours early, as others', or three hours late, and their own events tell so vaguely. In one
world they answer texts as early or late, in the other everybody of a segment answers at the same hours. The curves from
which x is made are fitted to the test itself, as on the page; the truth of a slope is that of the chances to click on
the very x.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.claims import Claim, Interval, Outcome, Verdict
from smsroi_helpers import personal_hours
from smsroi_helpers.hour_curves import fit_curves, group_scores
from smsroi_helpers.hour_responses import Response, rate_by_hour
from smsroi_helpers.intervals import GROUPS
from smsroi_helpers.personal_hours import MOST, STEP, Span

Floats = NDArray[np.float64]
CUSTOMERS, SEGMENTS, MESSAGES = 4_000, 3, 18
HOURS = np.arange(8, 20)
NAMES = np.array([f"s{i}" for i in range(SEGMENTS)])


def _bins(rng: np.random.Generator, segment: NDArray[np.int64], late: Floats) -> NDArray[np.int64]:
    """Each customer's δ in quarters of an hour, from own events around two in the afternoon; 0 where there are none."""
    n = rng.poisson(rng.gamma(1.5, 4.0, CUSTOMERS))
    who = np.repeat(np.arange(CUSTOMERS), n)
    place = np.floor(rng.normal(10 + late[who], 5.0)) % 24
    s, ss = (np.bincount(who, place**power, CUSTOMERS) for power in (1, 2))
    own = np.flatnonzero(n)
    frame = pd.DataFrame({
        "segment": NAMES[segment[own]], "customers": 1, "n": n[own], "s": s[own], "ss": ss[own],
        "s2n": s[own] ** 2 / n[own], "n2": n[own] ** 2,
    })  # fmt: skip
    fit = personal_hours.fit_days(frame.groupby("segment", as_index=False).sum())
    delta = (s - n * fit.means[NAMES].to_numpy()[segment]) / (n + fit.weight)
    return np.rint(delta / STEP).astype(int).clip(-MOST, MOST)


def _curves(cells: pd.DataFrame) -> Floats:
    """(segments, hours): the smooth curves of the page."""
    everybody = cells.assign(segment="all")
    response = Response(
        "randomised",
        cells,
        fit_curves(cells, group_scores(cells, "clicks", "messages", list(NAMES))),
        fit_curves(everybody, group_scores(everybody, "clicks", "messages", ["all"])),
        pd.DataFrame({"hour": HOURS, "until": HOURS + 1}),
        pd.DataFrame({"segment": NAMES, "customers": CUSTOMERS // SEGMENTS}),
    )
    return np.array([rate_by_hour(response, name)["rate"].to_numpy() for name in NAMES])


def _slope(rng: np.random.Generator, heeded: bool) -> tuple[Span, float]:
    """β as the page has it, and as it is."""
    segment = rng.choice(SEGMENTS, CUSTOMERS, p=[0.5, 0.3, 0.2])
    late = rng.choice([-3.0, 0.0, 3.0], CUSTOMERS, p=[0.25, 0.5, 0.25])
    best, strength = rng.uniform(9, 19, SEGMENTS), rng.uniform(0.25, 0.6, SEGMENTS)
    arm = rng.integers(0, len(HOURS), CUSTOMERS)
    turn = 2 * np.pi * (HOURS[arm] + 0.5 - best[segment] - (late if heeded else 0.0)) / 24
    chance = expit(-2.6 + strength[segment] * np.cos(turn)) * (0.5 + rng.beta(2, 2, CUSTOMERS))
    messages = rng.poisson(MESSAGES * rng.gamma(4, 1 / 4, CUSTOMERS)[:, None] / 7, (CUSTOMERS, 7))
    clicks = rng.binomial(messages, chance[:, None])
    group = rng.integers(0, GROUPS, CUSTOMERS)
    rows = pd.DataFrame({
        "segment": np.repeat(NAMES[segment], 7), "stratum": 0, "weekday": np.tile(np.arange(7), CUSTOMERS),
        "hour": np.repeat(HOURS[arm], 7), "until": np.repeat(HOURS[arm] + 1, 7), "group": np.repeat(group, 7),
        "messages": messages.ravel(), "clicks": clicks.ravel(),
    })  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    curves = _curves(rows.groupby(keys, as_index=False).sum().query("messages > 0").reset_index(drop=True))
    middle, share = HOURS.astype(float) + 0.5, np.full(len(HOURS), 1 / len(HOURS))
    tables = np.stack([personal_hours.contrasts(curve, middle, share) for curve in curves])
    x = tables[segment, _bins(rng, segment, late) + MOST, arm]
    m, k = messages.sum(axis=1), clicks.sum(axis=1)

    def cells(answered: Floats) -> pd.DataFrame:
        people = pd.DataFrame({
            "segment": NAMES[segment], "hour": HOURS[arm], "until": HOURS[arm] + 1, "group": group, "messages": m,
            "x": m * x, "xx": m * x**2, "clicks": answered, "xy": answered * x,
        })  # fmt: skip
        return people.groupby(["segment", "hour", "until", "group"], as_index=False).sum()

    truth = personal_hours.slope_by_lot(cells(m * chance)).estimate if heeded else 0.0
    return personal_hours.slope_by_lot(cells(k.astype(float))), truth


def slope(rng: np.random.Generator) -> list[Outcome]:
    """The slope where own days matter and where they do not."""
    found: list[Outcome] = []
    for part, heeded in (("own days matter", True), ("they do not", False)):
        told, truth = _slope(rng, heeded)
        found.append(Interval(told.estimate, told.low, told.high, truth, part, null=0.0))
    return found


def used(rng: np.random.Generator) -> list[Outcome]:
    """Whether the test is said to show that own hours are answered more."""
    return [
        Verdict(_slope(rng, heeded)[0].low > 0, heeded, part)
        for part, heeded in (("they do not", False), ("own days matter", True))
    ]


CLAIMS = [
    Claim("personal_slope", "how clicks rise where the hour drawn suits a customer's own day, by a test of 4,000",
          "timing", "two_sided", slope),
    Claim("personal_used", "own hours said to be answered more, by a test of 4,000", "timing", "false_alarm", used,
          alpha=0.025),
]  # fmt: skip
