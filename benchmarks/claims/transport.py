"""Claims on results carried over from a test's members to today's members of each segment.

A member's response and opt-outs depend on a covariate that is known beforehand. Segments are made without it, so that
one name may hold other members today than in the test; one segment of today, or three of four, has no member then.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.claims import Claim, Interval, Outcome
from benchmarks.claims.frequency import ARMS, DISCOUNT, DOSES
from smsroi_helpers.cltv import NaturalLoss
from smsroi_helpers.frequency.carried import carry_cells
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.statistics import (
    carry_over,
    draw_uncovered,
    find_transport,
    group_cells,
    product_interval,
    uncovered_factor,
)
from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing.response import columns_of, fit_cells, t_quantile, widened
from smsroi_helpers.timing.response_curve import Curves

Floats = NDArray[np.float64]
CUSTOMERS, WEEKS, CELLS, SEGMENTS = 8_000, 10.0, 8, 4
FEWER = 3_000
COST, LOSS = 0.02, 0.01
HOURS = np.array([9, 12, 15, 18, 21])


def _compositions(rng: np.random.Generator, changed: bool) -> tuple[Floats, Floats]:
    """Shares of the cells in each segment (segments × cells), then and now."""
    at = np.linspace(-1, 1, CELLS)
    slope = rng.normal(0, 0.8, SEGMENTS)
    moved = slope + (rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 2.0, SEGMENTS) if changed else 0.0)
    then, now = (np.exp(np.outer(each, at)) for each in (slope, moved))
    return then / then.sum(axis=1, keepdims=True), now / now.sum(axis=1, keepdims=True)


def _members(
    rng: np.random.Generator, then: Floats, n: int = CUSTOMERS, lacking: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Segment and cell of every member of the test; the last segments, `lacking` of them, have none."""
    segment = rng.integers(0, SEGMENTS - lacking, n)
    cell = (rng.random(n)[:, None] > then.cumsum(axis=1)[segment]).sum(axis=1)
    return segment, np.minimum(cell, CELLS - 1)


def _today(now: Floats) -> pd.DataFrame:
    size = [3_000, 2_000, 2_500, 1_500]
    return pd.DataFrame([
        {"segment": f"s{s}", "cell": c, "n": round(size[s] * now[s, c])} for s in range(SEGMENTS) for c in range(CELLS)
    ])  # fmt: skip


def _shares(today: pd.DataFrame) -> Floats:
    """Segments (all customers first) × cells: the composition today."""
    wide = today.pivot_table(index="segment", columns="cell", values="n").to_numpy(float)
    wide = np.vstack([wide.sum(axis=0), wide])
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))


def doses(
    rng: np.random.Generator, *, changed: bool = True, by_name: bool = False, lacking: int = 1, pooled: bool = False
) -> Sequence[Outcome]:
    """M and V of each number of texts, for today's members.

    Args:
        rng: of the world.
        changed: whether the composition of the segments has changed.
        by_name: whether the results of the test's members are taken for those of today's.
        lacking: segments without members in the test; with more than one, members respond alike.
        pooled: whether these segments are pooled with the others as if the members that they borrow were their own.
    """
    then, now = _compositions(rng, changed)
    n = CUSTOMERS if lacking == 1 else FEWER
    segment, cell = _members(rng, then, n, lacking)
    at = np.linspace(-1, 1, CELLS) * (lacking == 1)
    click = rng.uniform(0.04, 0.08) * np.exp(rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.0) * at)
    leave = rng.uniform(0.003, 0.006) * np.exp(rng.normal(0, 0.5) * at)
    fatigue, worth, power = rng.uniform(0.1, 0.3), rng.uniform(3.0, 7.0), rng.uniform(0.9, 1.4)
    arm, group = rng.integers(0, len(DOSES), n), rng.integers(0, GROUPS, n)
    dose = DOSES[arm]
    hazard = 0.001 + leave[cell] * dose**power
    leaves = rng.exponential(1.0, n) / hazard
    weeks = np.minimum(leaves, WEEKS)
    texts = rng.poisson(dose * weeks)
    clicks = rng.binomial(texts, click[cell] * np.exp(-fatigue * np.maximum(dose - 1, 0)))
    own, before = (rng.poisson(rng.gamma(0.8, 1.0, n)) * rng.lognormal(2.3, 0.5, n) for _ in range(2))
    gross, gone = own + rng.poisson(clicks * worth / 12.0) * 12.0, leaves < WEEKS
    frame = pd.DataFrame({
        "arm": np.array(list(ARMS))[arm], "segment": np.char.add("s", segment.astype(str)), "cell": cell,
        "group": group, "consenting": 1, "n": 1, "messages": texts, "clicks": clicks, "opt_outs": gone,
        "early_opt_outs": leaves < WEEKS / 2, "leaver_messages": texts * gone, "leaver_clicks": clicks * gone,
        "weeks": weeks, "message_cost": COST * texts, "gross__n": 1, "gross__n_unknown": 0, "gross__n_known": 1,
        "gross__sum_y": gross, "gross__sum_y_known": gross, "gross__sum_y2": gross**2, "gross__sum_x": before,
        "gross__sum_x2": before**2, "gross__sum_xy": before * gross,
    })  # fmt: skip
    keys = ["arm", "segment", "stage", "cell", "group", "consenting"]
    cells = frame.assign(stage=frame["segment"]).groupby(keys, as_index=False).sum()
    today = _today(now)
    carried = None if by_name else carry_cells(cells, today)
    if carried is not None and pooled:
        every = carried.transport.segments.assign(own=True)
        carried = dataclasses.replace(carried, transport=dataclasses.replace(carried.transport, segments=every))
    fit = fit_response(cells, ARMS, DISCOUNT, rng, loss=NaturalLoss.constant(LOSS), draws=1_000, carried=carried)
    # The truth by cell: m and H are means over members by subscribed weeks, V the mean of the members' values.
    d = DOSES[1:]
    rate = 0.001 + leave[:, None] * d**power
    lived = -np.expm1(-rate * WEEKS) / rate
    profit = click[:, None] * d * np.exp(-fatigue * np.maximum(d - 1, 0)) * worth - COST * d
    value = profit / (1 - (1 - rate) * (1 - LOSS) / (1 + DISCOUNT))
    shares = _shares(today)
    m, v = (shares @ (profit * lived)) / (shares @ lived), shares @ value
    place = [0, *(1 + int(name[1:]) for name in fit.names[1:])]
    used = [fit.grid_index(each) for each in d]
    drawn = {"m": (fit.profit()[:, used], m[place]), "V": (fit.value()[:, used], v[place])}
    return _told(fit.names, drawn, {f"s{s}" for s in range(SEGMENTS - lacking, SEGMENTS)})


def _told(names: Sequence[str], drawn: dict[str, tuple[Floats, Floats]], without: set[str]) -> list[Outcome]:
    found: list[Outcome] = []
    parts = (
        ("everybody", [i for i, name in enumerate(names) if name == ALL]),
        ("segments", [i for i, name in enumerate(names) if name != ALL and name not in without]),
        ("segments without members then", [i for i, name in enumerate(names) if name in without]),
    )
    for what, (draws, truth) in drawn.items():
        low, high = np.quantile(draws, [0.025, 0.975], axis=-1)
        for part, rows in parts:
            if rows:
                found.append(Interval(draws.mean(axis=-1)[rows], low[rows], high[rows], truth[rows],
                                      part=f"{what}, {part}"))  # fmt: skip
    return found


def hours(
    rng: np.random.Generator, *, changed: bool = True, by_name: bool = False, unseen: int = 0, lacking: int = 1,
    pooled: bool = False,
) -> Sequence[Outcome]:  # fmt: skip
    """Clicks per text by hour less their mean over the hours tested, for today's members (logit).

    Args:
        rng: random generator.
        changed: whether the composition of the segments has.
        by_name: whether segments are carried over by their name.
        unseen: so many of the cells, the last ones, have no member in the test.
        lacking: as for `doses`.
        pooled: as for `doses`.
    """
    then, now = _compositions(rng, changed)
    if unseen:
        then[:, -unseen:] = 0.0
        then /= then.sum(axis=1, keepdims=True)
    n = CUSTOMERS if lacking == 1 else FEWER
    segment, cell = _members(rng, then, n, lacking)
    at = np.linspace(-1, 1, CELLS) * (lacking == 1)
    level = -2.5 + rng.normal(0, 0.3) * at
    peak = 14 + 4 * rng.uniform(0.6, 1.0) * at
    height = rng.uniform(0.4, 0.7)
    logit = level[:, None] + height * np.cos(2 * np.pi * (HOURS + 0.5 - peak[:, None]) / 24)
    rate = 1 / (1 + np.exp(-logit))
    arm, group, texts = rng.integers(0, len(HOURS), n), rng.integers(0, GROUPS, n), rng.poisson(12, n)
    clicks = rng.binomial(texts, rate[cell, arm])
    frame = pd.DataFrame({
        "segment": np.char.add("s", segment.astype(str)), "cell": cell, "weekday": rng.integers(0, 7, n),
        "hour": HOURS[arm], "until": HOURS[arm] + 1, "group": group, "messages": texts, "clicks": clicks,
    })  # fmt: skip
    keys = ["weekday", "hour", "until", "group"]
    cells = frame.groupby(["segment", "cell", *keys], as_index=False).sum()
    today = _today(now)
    transport = None
    if by_name:
        own, everybody = (cells.drop(columns="cell").groupby(["segment", *keys], as_index=False).sum(),) * 2
    else:
        members = pd.DataFrame({"segment": frame["segment"], "cell": cell, "n": 1})
        members = members.groupby(["segment", "cell"], as_index=False).sum()
        transport = find_transport(members, today)
        own, everybody = carry_over(cells, transport, keys)
    borrowed = [] if transport is None or pooled else [name for name in transport.names if not transport.own(name)]
    curves = fit_cells(own.assign(stratum=0), everybody.assign(stratum=0), borrowed)
    shares = _shares(today)
    found: list[Outcome] = []
    if transport is not None:
        of_groups = fit_cells(cells.assign(segment=cells["cell"].map(group_cells(members)), stratum=0))[0]
        curves = widened(*curves, transport, of_groups.between)
    for part, fitted in zip(("segments", "everybody"), curves, strict=True):
        place = [0 if name == ALL else 1 + int(name[1:]) for name in fitted.segments]
        truth = shares[place] @ rate
        found.append(_hours_told(fitted, np.log(truth / (1 - truth)), part))
    return found


def _hours_told(curves: Curves, truth: Floats, part: str) -> Interval:
    x = columns_of(pd.DataFrame({"hour": HOURS, "until": HOURS + 1}))
    centred = np.eye(len(HOURS)) - 1 / len(HOURS)
    estimate, error = [], []
    for name in curves.segments:
        value, joint = curves.contrast(name, x)
        estimate.append(centred @ value)
        error.append(np.sqrt(np.diag(centred @ joint @ centred)))
    estimates, half_width = np.array(estimate), t_quantile() * np.array(error)
    return Interval(estimates, estimates - half_width, estimates + half_width, truth @ centred, part=f"hours, {part}")


def gains(rng: np.random.Generator) -> Sequence[Outcome]:
    """A gain for today's members, of whom the test covers a part: those it does not cover respond more or less."""
    overlap = rng.uniform(0.1, 1.0, 20)
    gain = rng.uniform(-6, 6, 20)
    truth = gain * np.array([draw_uncovered(each, rng, 1)[0] for each in overlap])
    seen, reach = gain + rng.standard_normal(20), norm.ppf(0.975)
    limits = [
        product_interval((each, each - reach, each + reach), uncovered_factor(covered))
        for each, covered in zip(seen, overlap, strict=True)
    ]
    estimate, low, high = np.array(limits).T
    return [Interval(estimate, low, high, truth, part="gains")]


_BORROWED = "three of four segments without members in a test of 3,000, who respond alike"
_WORLD = "8,000 members of a test; response depends on a covariate whose distribution in the segments has changed since"
CLAIMS = [
    Claim("transport_doses", f"profit and long-run value for today's members of each segment; {_WORLD}", "frequency",
          "at_least", doses, n=400),
    Claim("transport_doses_unchanged", "the same where the composition of the segments has not changed", "frequency",
          "at_least", partial(doses, changed=False), n=400),
    Claim("transport_doses_borrowed", f"the same with {_BORROWED}", "frequency", "at_least",
          partial(doses, lacking=3), n=400),
    Claim("transport_doses_pooled", "the same as if the members that they borrow were their own", "nowhere", "at_least",
          partial(doses, lacking=3, pooled=True), n=200, known_wrong=True),
    Claim("transport_doses_by_name", "the same by the segment's name, without weighting", "nowhere", "at_least",
          partial(doses, by_name=True), n=200, known_wrong=True),
    Claim("transport_hours", f"clicks by hour for today's members of each segment; {_WORLD}", "timing", "at_least",
          hours, n=1_000),
    Claim("transport_hours_unseen", "the same where a quarter of the covariate's range had no member in the test",
          "timing", "at_least", partial(hours, unseen=2), n=1_000),
    Claim("transport_hours_borrowed", f"the same with {_BORROWED}", "timing", "at_least",
          partial(hours, lacking=3), n=1_000),
    Claim("transport_hours_pooled", "the same as if the members that they borrow were their own", "nowhere", "at_least",
          partial(hours, lacking=3, pooled=True), n=400, known_wrong=True),
    Claim("transport_gains", "a gain of hours for today's members, of whom 10–100 % are like the test's", "timing",
          "at_least", gains, n=1_000),
    Claim("transport_hours_by_name", "the same by the segment's name, without weighting", "nowhere", "at_least",
          partial(hours, by_name=True), n=200, known_wrong=True),
]  # fmt: skip
