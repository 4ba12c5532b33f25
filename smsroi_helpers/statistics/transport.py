"""Carry results from the members of a test to today's members of each segment, by re-weighting on covariates.

Effects are measured on those who were in a test; advice is for those who are in a segment today. A segment's name may
be the same and its members others. Members of the test are post-stratified (Little 1993, JASA 88; Stuart, Cole,
Bradshaw & Leaf 2011, J. R. Statist. Soc. A 174): within strata of what was known beforehand, each gets the weight

    w = share of today's members who are in the stratum ÷ share of the test's members who are in it

A stratum is one cell of covariates, or several neighbouring ones until it has `FEWEST` members of the test, so that no
weight rests on a handful of customers. A segment that had fewer members than that in the test is weighted from all
members of the test, in strata of twice as many, so that every arm has some of them. Sums are scaled by Σw ÷ Σw² (Kish
1965, Survey Sampling, section 11.7): as many customers as would have the same variance unweighted. With an unchanged
composition every weight is 1 and nothing changes.

A cell covers at most the larger of the share of the test's members in it and of its members ÷ `ENOUGH`; what today's
members exceed that by is not covered. There the response is taken to be that of the nearest stratum, times a factor
around 1 whose logarithm has standard deviation `SPREAD`: with a share u not covered, 1 + u · (e^z − 1).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from smsroi_helpers.statistics.arrays import Floats

__all__ = [
    "ENOUGH",
    "FEWEST",
    "LEAST_COVERED",
    "SPREAD",
    "Transport",
    "carry_over",
    "draw_uncovered",
    "find_transport",
    "group_cells",
    "uncovered_factor",
    "uncovered_sd",
]

FEWEST = 100
"""Members of the test in a stratum, at least."""
LEAST_COVERED = 0.5
"""No change is recommended to a group of whom the test's members cover a smaller share (0–1)."""
ENOUGH = 20
"""As many members of the test in a cell can stand for any share of today's."""
SPREAD = 0.7
"""Standard deviation of the logarithm of an uncovered customer's response ÷ that of the nearest stratum: within a
factor of two in two cases of three, of four in nineteen of twenty."""


@dataclass(frozen=True)
class Transport:
    """The weights of a test's members for each of today's segments, and for all of today's members."""

    weights: pd.DataFrame
    """segment (today's; `all`: everybody), member_segment and cell (of the test's members), weight (above 0, already
    scaled to the effective number)."""
    segments: pd.DataFrame
    """segment (`all` first), then (test's members whose outcomes count), effective (as many unweighted ones have the
    same variance), now (members today), overlap (0–1: share of today's members whom the test's cover), own (whether
    the test's members of the segment are used, not those of all)."""
    names: tuple[str, ...]
    """Today's segments, and those of the test that have no member today, in alphabetical order."""

    def overlap(self, segment: str) -> float:
        """Share (0–1) of today's members of a segment (or `all`) whom the test's members cover."""
        return float(self.segments.set_index("segment").loc[segment, "overlap"])

    def own(self, segment: str) -> bool:
        """Whether the segment had enough members in the test."""
        return bool(self.segments.set_index("segment").loc[segment, "own"])


def find_transport(then: pd.DataFrame, now: pd.DataFrame, lacking: Collection[str] = ()) -> Transport:
    """Find the weights that make a test's members like today's members of each segment.

    A segment without members today keeps the weights 1: there is nobody to carry its results to.

    Args:
        then: segment, cell, n of the test's members when assigned; cells sort so that neighbours are alike.
        now: the same of today's members.
        lacking: segments whose own members are too few for what is asked, such as in one of the arms; like those with
            fewer than `FEWEST` members they borrow those of all segments.

    Raises:
        ValueError: the test has no members.

    >>> then = pd.DataFrame({"segment": "a", "cell": [1, 2], "n": [300, 100]})
    >>> now = pd.DataFrame({"segment": "a", "cell": [1, 2], "n": [200, 200]})
    >>> found = find_transport(then, now)
    >>> found.segments.loc[1, ["then", "effective", "now", "overlap"]].astype(float).round(6).tolist()
    [400.0, 300.0, 400.0, 1.0]
    """
    then, now = (
        counts.groupby(["segment", "cell"], as_index=False)["n"].sum().query("n > 0").reset_index(drop=True)
        for counts in (then, now)
    )
    if not len(then):
        raise ValueError("the test has no members, so there is nothing to carry over")
    names = tuple(sorted({*then["segment"], *now["segment"]}))
    of_segment = now.groupby("segment")["n"].sum()
    members = then["n"].to_numpy(float)
    everybody, rows, parts = np.zeros(len(then)), [], []
    for name in names:
        target = now.loc[now["segment"] == name].set_index("cell")["n"]
        inside = (then["segment"] == name).to_numpy()
        own = name not in lacking and bool(then.loc[inside, "n"].sum() >= FEWEST)
        pool = inside if own or not len(target) else np.ones(len(then), bool)
        weight = np.zeros(len(then))
        weight[pool], overlap = (
            _weigh(then[pool], target, FEWEST if own else 2 * FEWEST)
            if len(target)
            else (np.ones(pool.sum()), float("nan"))
        )
        share = float(of_segment.get(name, 0)) / max(float(of_segment.sum()), 1)
        everybody += share * weight * members.sum() / members[pool].sum()
        rows.append((name, *_sizes(weight, members), int(of_segment.get(name, 0)), overlap, own))
        parts.append(_frame(name, then, weight))
    if not everybody.any():
        everybody[:] = 1.0
    overlap = sum(row[4] * row[3] for row in rows if row[3]) / max(sum(row[3] for row in rows), 1)
    rows.insert(0, ("all", *_sizes(everybody, members), int(of_segment.sum()), overlap, True))
    parts.insert(0, _frame("all", then, everybody))
    columns = ["segment", "then", "effective", "now", "overlap", "own"]
    return Transport(pd.concat(parts, ignore_index=True), pd.DataFrame(rows, columns=columns), names)


def _weigh(pool: pd.DataFrame, target: pd.Series, fewest: int) -> tuple[Floats, float]:
    """The weight of every row of the pool, with mean 1 over its members, and the overlap.

    Args:
        pool: cell, n of the test's members.
        target: cell → today's members.
        fewest: members of the test in a stratum, at least.
    """
    then = pool.groupby("cell")["n"].sum()
    cells = then.index.union(target.index).sort_values()
    then, today = (counts.reindex(cells).fillna(0).to_numpy(float) for counts in (then, target))
    p_then, p_now = then / then.sum(), today / today.sum()
    overlap = np.minimum(p_now, np.maximum(p_then, then / ENOUGH)).sum()
    stratum = _strata(then, fewest)
    sums = [np.bincount(stratum, counts) for counts in (then, today)]
    # The shares are of whole numbers, so an unchanged composition gives exactly 1.
    ratio = (sums[1] / today.sum()) / (sums[0] / then.sum())
    of_cell = pd.Series(ratio[stratum], index=cells)
    return of_cell.reindex(pool["cell"]).to_numpy(float), float(min(overlap, 1.0))


def _strata(members: Floats, fewest: int = FEWEST) -> np.ndarray:
    """The stratum of each cell, in order: consecutive cells until there are `fewest` members; the rest joins the last.

    >>> _strata(np.array([60.0, 60.0, 0.0, 150.0, 20.0])).tolist()
    [0, 0, 1, 1, 1]
    """
    found, at, inside = np.zeros(len(members), int), 0, 0.0
    left = members.sum()
    for i, count in enumerate(members):
        found[i] = at
        inside, left = inside + count, left - count
        if inside >= fewest and left >= fewest:
            at, inside = at + 1, 0.0
    return found


def group_cells(then: pd.DataFrame, groups: int = 8) -> dict[object, str]:
    """Cell → group of neighbouring cells, about equally large: by them it is seen how much customers differ.

    Args:
        then: cell, n of the test's members.
        groups: how many at most; fewer where they would have under `FEWEST` members.

    >>> group_cells(pd.DataFrame({"cell": [1, 2, 3, 4], "n": [150, 150, 150, 150]}), groups=2)
    {1: '0', 2: '0', 3: '1', 4: '1'}
    """
    members = then.groupby("cell")["n"].sum().sort_index()
    at = _strata(members.to_numpy(float), max(FEWEST, int(np.ceil(members.sum() / groups))))
    return {cell: str(group) for cell, group in zip(members.index, at, strict=True)}


def _sizes(weight: Floats, members: Floats) -> tuple[int, float]:
    """Members with a weight, and as many unweighted ones as have the same variance (Kish)."""
    used = weight > 0
    squares = float((weight**2) @ members)
    return int(members[used].sum()), float((weight @ members) ** 2) / squares if squares else 0.0


def _frame(name: str, then: pd.DataFrame, weight: Floats) -> pd.DataFrame:
    members = then["n"].to_numpy(float)
    squares = float((weight**2) @ members)
    scaled = weight * (float(weight @ members) / squares if squares else 0.0)
    frame = then[["segment", "cell"]].rename(columns={"segment": "member_segment"})
    frame = frame.assign(segment=name, weight=scaled)
    return frame.loc[scaled > 0, ["segment", "member_segment", "cell", "weight"]]


def carry_over(
    cells: pd.DataFrame, transport: Transport, keys: list[str], by: str = "segment"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weight counted cells of a test.

    Args:
        cells: `by` (the member's segment when assigned), cell, `keys`, and sums in all other columns.
        transport: of `find_transport`.
        keys: columns to keep beside `by`.
        by: the column of segments.

    Returns:
        the cells of today's segments (`by` is today's segment), and those of all of today's members (`by` is the
        member's segment when assigned).
    """
    weights = transport.weights.rename(columns={"segment": "_now", "member_segment": "_then", "cell": "_cell"})
    rows = cells.merge(weights, left_on=[by, "cell"], right_on=["_then", "_cell"])
    sums = [name for name in cells.columns if name not in {by, "cell", *keys}]
    values = rows[sums].mul(rows["weight"], axis=0)
    carried = pd.concat([rows[["_now", "_then", *(key for key in keys if key != by)]], values], axis=1)
    found = []
    for everybody, name in ((False, "_now"), (True, "_then")):
        own = carried[(carried["_now"] == "all") == everybody].rename(columns={name: by})
        found.append(own.groupby([by, *(key for key in keys if key != by)], as_index=False, sort=True)[sums].sum())
    return found[0], found[1]


def draw_uncovered(overlap: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draws of the factor on a response, with mean 1, for the share of today's members who are not covered."""
    if not overlap < 1:
        return np.ones(draws)
    factor = np.exp(SPREAD * rng.standard_normal(draws) - SPREAD**2 / 2)
    return np.asarray(1 + (1 - overlap) * (factor - 1))


def uncovered_factor(overlap: float) -> tuple[float, float, float]:
    """The factor of `draw_uncovered` with its 95 % limits: a response's difference is multiplied by it.

    The limits are above 0, so what is not covered makes a gain larger or smaller and never turns it into a loss.

    >>> [round(x, 2) for x in uncovered_factor(0.5)]
    [1.0, 0.6, 2.04]
    """
    u = 1 - min(overlap, 1.0) if np.isfinite(overlap) else 0.0
    low, high = (float(1 + u * np.expm1(z * SPREAD - SPREAD**2 / 2)) for z in norm.ppf([0.025, 0.975]))
    return 1.0, min(low, 1.0), max(high, 1.0)


def uncovered_sd(overlap: float) -> float:
    """The standard deviation of `draw_uncovered`: of a response, as a share of it."""
    return float((1 - overlap) * np.sqrt(np.expm1(SPREAD**2))) if overlap < 1 else 0.0
