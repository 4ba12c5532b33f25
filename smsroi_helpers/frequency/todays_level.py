"""How much more or less today's subscribers click and opt out than the test's members would: the level of today.

A test is over; since then subscribers have stopped reading, those who opt out readily have gone, others have joined.
The incremental profit of texting follows clicks (`profit_curve`), and how often today's subscribers click and leave is
seen in today's weeks. Who is in a segment today may be so because of these clicks, so they are counted by what was
known before these weeks, and carried over to today's subscribers by the same covariates as of their last day
(`statistics.transport`):

    q = clicks per text (opt-outs per week) in today's weeks, carried over
        ÷ the same in the test at as many texts a week, carried over

Profit before message cost is multiplied by the q of clicks. Opt-outs per week are multiplied by that of opt-outs at
today's number of texts, and those caused by texts in one proportion at all numbers. It is the level of today's hours,
texts and season as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.statistics import Floats, by_group, carry_over, draw_shrunken, find_transport, jackknife

__all__ = ["Level", "carry_recent", "draw_level"]

_FEWEST = 20
"""A group with fewer clicks (opt-outs) today or in the test has the level of the others."""
_SPREAD = 0.5
"""Standard deviation of the logarithm of q where no other group tells it either."""


@dataclass(frozen=True)
class Level:
    """q of every group, the first of all: names × draws; 1 where it is not known of anybody."""

    clicks: Floats
    opt_outs: Floats
    texts: Floats
    """names: texts a week of today's practice; NaN where none are seen."""

    def scale_opt_outs(self, hazard: Floats, grid: Floats) -> Floats:
        """H at today's level: at today's texts q times as high, and c, that without texts, as it is.

        Args:
            hazard: names × grid × draws; grid point 0 is without texts.
            grid: texts a week.
        """
        found = hazard.copy()
        for i, texts in enumerate(self.texts):
            if np.isfinite(texts) and texts > 0:
                natural = hazard[i, 0]
                seen = _interpolation(grid, texts)(hazard[i])
                factor = (self.opt_outs[i] * seen - natural) / np.maximum(seen - natural, 1e-12)
                found[i] = natural + (hazard[i] - natural) * np.maximum(factor, 0.0)
        return np.asarray(np.minimum(found, 1 - 1e-9))


def carry_recent(recent: pd.DataFrame, now: pd.DataFrame, by: str = "segment") -> pd.DataFrame:
    """Today's texts, clicks and opt-outs, weighted by today's subscribers of each group.

    Args:
        recent: of `recent_counts.count_recent`.
        now: segment, cell, n of today's subscribers.
        by: `segment` or `stage`, the groups of `now`.

    Returns:
        segment (`all` first), group (0–63), n, messages, clicks, opt_outs, weeks.
    """
    sums = ["n", "messages", "clicks", "opt_outs", "weeks"]
    if not len(recent) or not len(now):
        return pd.DataFrame(columns=["segment", "group", *sums])
    rows = recent.groupby([by, "cell", "group"], as_index=False)[sums].sum().rename(columns={by: "segment"})
    transport = find_transport(rows.groupby(["segment", "cell"], as_index=False)["n"].sum(), now)
    own, everybody = carry_over(rows, transport, ["group"])
    return pd.concat([everybody.assign(segment=ALL), own], ignore_index=True)[["segment", "group", *sums]]


def draw_level(
    recent: pd.DataFrame,
    cells: pd.DataFrame,
    everybody: pd.DataFrame,
    names: Sequence[str],
    rng: np.random.Generator,
    draws: int,
) -> Level:
    """Draw the level of every group.

    Args:
        recent: of `carry_recent`.
        cells: of the test, carried over to today's subscribers: segment, dose, group, messages, clicks, opt_outs,
            weeks.
        everybody: the same of all of them.
        names: the groups, `all` first.
        rng: of the draws.
        draws: the number of draws.
    """
    rows = [
        (recent[recent["segment"] == name], everybody if name == ALL else cells[cells["segment"] == name])
        for name in names
    ]
    clicks, opt_outs = (
        _draw([_log_ratio(now, test, *columns) for now, test in rows], rng, draws)
        for columns in (("clicks", "messages"), ("opt_outs", "weeks"))
    )
    texts = [now["messages"].sum() / now["weeks"].sum() if now["weeks"].sum() else np.nan for now, _test in rows]
    return Level(clicks, opt_outs, np.array(texts, float))


def _draw(found: Sequence[tuple[float, float]], rng: np.random.Generator, draws: int) -> Floats:
    """Draws of q from its logarithms and their errors, partially pooled; unknown ones are like the others."""
    estimate, error = (np.array(column) for column in zip(*found, strict=True))
    known = np.isfinite(estimate) & np.isfinite(error) & (error > 0)
    if not known.any():
        return np.ones((len(estimate), draws))
    estimate = np.where(known, estimate, 0.0)
    drawn = estimate + np.where(known, error, 0.0) * rng.standard_normal((draws, len(estimate)))
    place = 1 + np.flatnonzero(known[1:])
    if len(place) >= 3:
        drawn[:, place] = draw_shrunken(estimate[place], error[place], rng, draws=draws)
    others = drawn[:, place] if len(place) else drawn[:, :1]
    centre = others.mean(axis=1, keepdims=True)
    spread = others.std(axis=1, keepdims=True, ddof=1) if len(place) >= 3 else _SPREAD
    guess = centre + spread * rng.standard_normal(drawn.shape)
    return np.asarray(np.exp(np.where(known, drawn, guess)).T)


def _log_ratio(now: pd.DataFrame, test: pd.DataFrame, events: str, base: str) -> tuple[float, float]:
    """Logarithm of q and its standard error; NaN where too few events are seen."""
    keys, sums = by_group(test[test["messages"] > 0], ["dose"], [events, base])
    today = by_group(now, [], [events, base, "messages", "weeks"])[1][:, 0]
    seen, _base, messages, weeks = today.sum(axis=-1)
    if not (len(keys) and seen >= _FEWEST and messages > 0 and (sums[0].sum(axis=-1) >= _FEWEST).all()):
        return float("nan"), float("nan")
    between = _interpolation(keys["dose"].to_numpy(float), messages / weeks)

    def ratio(parts: Floats) -> Floats:
        return np.asarray(np.log(parts[0] / parts[1]) - between(np.log(parts[2::2] / parts[3::2])))

    flat = [each for pair in zip(sums[0], sums[1], strict=True) for each in pair]
    with np.errstate(divide="ignore", invalid="ignore"):  # all events in one group of customers: no error, not known
        found = jackknife(ratio, np.stack([today[0], today[1], *flat]))
    return float(found.estimate), float(found.standard_error)


def _interpolation(doses: Floats, at: float) -> Callable[[Floats], Floats]:
    """Linear interpolation at one dose; the nearest value beyond the ends.

    >>> float(_interpolation(np.array([1.0, 2.0, 4.0]), 3.0)(np.array([5.0, 6.0, 8.0])))
    7.0
    """
    weights = np.array([np.interp(at, doses, row) for row in np.eye(len(doses))])
    return lambda values: np.tensordot(weights, values, axes=1)
