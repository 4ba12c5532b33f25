"""Profit before message cost by texts per week: a curve through clicks, with deviations of single arms from it.

Profit by arm is noisy; clicks are not. With A(d) = d · exp(θ − φ · max(d − 1, 0)) clicks a week,

    gross(d) = κ · A(d) + e(d),   e(d) ~ N(0, τ²),   e(0) = 0

κ is the slope of the test's own profit on its own clicks; e(d) is what an arm brings beyond it. Profit is measured on
orders: clicks give the curve its shape, and no price of a click enters. (The run's one value of a click is that of
`experiments.find_click_value`.) With τ = 0 profit is proportional to clicks, as τ → ∞ each arm is its own estimate.
τ is integrated over its posterior, so that curve and arms are averaged by how well the curve fits: no test decides
between them. φ and κ of the segments are partially pooled (`statistics.shrink`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chi2, t

from smsroi_helpers.statistics import Floats, draw_shrunken

__all__ = [
    "ArmSums",
    "Method",
    "ProfitDraws",
    "draw_profit",
    "interpolate_doses",
]

Method = Literal["curve", "arms"]
_DEVIATIONS = 32
"""Values of τ, of equal prior probability."""
_TYPICAL_DEVIATION = 0.1
"""Median of τ before the data, as a share of the arms' mean effect."""


@dataclass(frozen=True)
class ArmSums:
    """Sums and adjusted means of one group of customers, by dose; the first dose is 0."""

    n: Floats
    weeks: Floats
    messages: Floats
    cost: Floats
    clicks: Floats
    opt_outs: Floats
    log_click_variance: Floats
    gross: Floats
    """Mean profit before message cost per customer, adjusted for the period before."""
    variance: Floats
    """Of `gross`."""
    degrees: float


@dataclass(frozen=True)
class ProfitDraws:
    """Draws of profit before message cost, and the evidence for the curve."""

    gross: Floats
    """Groups × grid × draws: per subscribed week, compared with no texts."""
    method: Method
    curve_weight: float
    """Weight (0–1) of the curve against each arm's own estimate, averaged over segments and doses; 0 for `arms`."""
    proportional_p: float
    effect_p: float
    effect: float


def draw_profit(
    arms: Sequence[ArmSums], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int
) -> ProfitDraws:
    """Draw profit before message cost of every group (all customers first) at every dose of the grid."""
    alone = _click_lines(arms, 0.0)
    p = _proportional_p(alone, len(doses) - 2)
    used = doses > 0
    if used.sum() > 1 and all(np.all(each.clicks[used] > 0) for each in arms):
        slope, error = alone.slope[0], alone.error[0]
        effect_p = float(2 * t.sf(abs(slope / error), arms[0].degrees)) if error > 0 else float("nan")
        gross, weight = _draw_curve(arms, doses, grid, rng, draws)
        return ProfitDraws(gross, "curve", weight, p, effect_p, float(np.sign(slope)))
    effect, effect_p = _slope(arms[0], doses)
    return ProfitDraws(_draw_arms(arms, doses, grid, rng, draws), "arms", 0.0, p, effect_p, effect)


def interpolate_doses(values: Floats, at: Floats, grid: Floats) -> Floats:
    """Rows of values at the doses `at`, interpolated linearly at `grid`; the nearest value beyond the ends."""
    right = np.clip(np.searchsorted(at, grid), 0, len(at) - 1)
    left = np.clip(right - 1, 0, len(at) - 1)
    gap = np.where(at[right] > at[left], at[right] - at[left], 1.0)
    share = np.clip((grid - at[left]) / gap, 0.0, 1.0)[:, None]
    share = np.where((at[right] > at[left])[:, None], share, 1.0)
    return np.asarray(values[left] * (1 - share) + values[right] * share)


# --- profit on clicks ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """Weighted least squares of every group's profit on its clicks, with an intercept."""

    slope: Floats
    error: Floats
    chi_square: Floats
    """Of the residuals."""
    log_density: Floats
    """Log marginal density of the arms, slope and intercept integrated."""


def _line(y: Floats, variance: Floats, x: Floats) -> tuple[float, float, float, float]:
    weight = 1 / variance
    centre = (weight @ x) / weight.sum()
    squares = float(weight @ (x - centre) ** 2)
    if not (np.isfinite(weight).all() and squares > 0):
        return float("nan"), float("nan"), float("nan"), 0.0
    slope = float(weight @ ((x - centre) * y)) / squares
    rest = y - (weight @ y) / weight.sum() - slope * (x - centre)
    left = float(weight @ rest**2)
    return slope, squares**-0.5, left, float(np.log(weight).sum() - np.log(weight.sum() * squares) - left) / 2


def _click_lines(arms: Sequence[ArmSums], deviation: float) -> _Lines:
    """κ of every group, where arms deviate from the line with standard deviation τ (money per customer)."""
    found = []
    for each in arms:
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(_line(each.gross, _with_deviation(each, deviation), each.clicks / each.n))
    return _Lines(*(np.array(column) for column in zip(*found, strict=True)))


def _with_deviation(arms: ArmSums, deviation: float) -> Floats:
    """Variance of the arms around the line: the arm without texts has no deviation."""
    return arms.variance + deviation**2 * (np.arange(len(arms.n)) > 0)


def _parts(values: Floats) -> Floats:
    """All customers are the sum of the segments: where there are segments, only they count."""
    return values[1:] if len(values) > 1 else values


def _proportional_p(lines: _Lines, free: int) -> float:
    """The p-value for profit being proportional to clicks over the arms."""
    left = _parts(lines.chi_square)
    left = left[np.isfinite(left)]
    return float(chi2.sf(left.sum(), free * len(left))) if free > 0 and len(left) else float("nan")


def _slope(arms: ArmSums, doses: Floats) -> tuple[float, float]:
    """Sign and p-value of the slope of profit on the dose, over the arms."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope, error, *_rest = _line(arms.gross, arms.variance, doses)
    p = float(2 * t.sf(abs(slope / error), arms.degrees)) if error > 0 else float("nan")
    return float(np.sign(slope)), p


def _pool(estimates: Floats, errors: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Draws × groups: the first (all) unpooled; the others partially pooled where there are three or more."""
    alone = estimates + errors * rng.standard_normal((draws, len(estimates)))
    known = np.isfinite(estimates[1:]) & (errors[1:] > 0) & np.isfinite(errors[1:])
    if known.sum() >= 3:
        place = 1 + np.flatnonzero(known)
        alone[:, place] = draw_shrunken(estimates[place], errors[place], rng, draws=draws)
    return alone


# --- the curve -------------------------------------------------------------------------------------------------------


def _draw_curve(
    arms: Sequence[ArmSums], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int
) -> tuple[Floats, float]:
    """Gross profit (groups × grid × draws) and the weight of the curve."""
    own = arms[1:] if len(arms) > 1 else arms
    scale = (
        _TYPICAL_DEVIATION
        * max(abs(_click_lines(arms[:1], 0.0).slope[0]), 1e-9)
        * (arms[0].clicks / arms[0].n)[1:].mean()
    )
    # Half-Cauchy: as likely to be exceeded as not.
    deviations = scale * np.tan(np.pi / 2 * (np.arange(_DEVIATIONS) + 0.5) / _DEVIATIONS)
    lines = [_click_lines(arms, deviation) for deviation in deviations]
    log_weight = np.array([_parts(each.log_density).sum() for each in lines])
    weight = np.exp(log_weight - log_weight.max())
    number = rng.multinomial(draws, weight / weight.sum())
    values, others, curve_weight = [], [], 0.0
    for line, deviation, n in zip(lines, deviations, number, strict=True):
        if not n:
            continue
        drawn = _pool(line.slope, line.error, rng, int(n))
        values.append(drawn)
        others.append(np.stack([_draw_deviations(a, drawn[:, i], deviation, rng) for i, a in enumerate(arms)]))
        kept = np.mean([each.variance[1:] / _with_deviation(each, deviation)[1:] for each in own])
        curve_weight += float(kept) * int(n) / draws
    order = rng.permutation(draws)
    kappa, extra = np.concatenate(values)[order], np.concatenate(others, axis=-1)[..., order]
    gross = np.moveaxis(kappa[..., None] * _draw_clicks(arms, doses, grid, rng, draws), 0, -1)
    used = doses > 0
    for i, each in enumerate(arms):
        weekly = extra[i] * (each.n / each.weeks)[used][:, None] / doses[used][:, None]
        gross[i] += interpolate_doses(weekly, doses[used], grid) * grid[:, None]
    return np.asarray(gross), curve_weight


def _draw_deviations(arms: ArmSums, kappa: Floats, deviation: float, rng: np.random.Generator) -> Floats:
    """e(d) per customer, given κ: treated doses × draws."""
    rest = arms.gross[:, None] - np.outer(arms.clicks / arms.n, kappa)
    weight = 1 / _with_deviation(arms, deviation)
    level = (weight @ rest) / weight.sum() + rng.standard_normal(len(kappa)) / np.sqrt(weight.sum())
    kept = (deviation**2 * weight)[1:, None]
    noise = np.sqrt(kept * arms.variance[1:, None]) * rng.standard_normal((len(arms.n) - 1, len(kappa)))
    return np.asarray(kept * (rest[1:] - level) + noise)


def _draw_clicks(arms: Sequence[ArmSums], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """A, clicks per subscribed week: draws × groups × grid."""
    used = doses > 0
    fall, fall_error, level, level_slope, level_error = (np.zeros(len(arms)) for _ in range(5))
    for i, each in enumerate(arms):
        seen = np.log(each.clicks[used] / each.weeks[used] / doses[used])
        weight = 1 / np.maximum(each.log_click_variance[used], 1e-12)
        x = -np.maximum(doses[used] - 1, 0.0)
        centre = (weight @ x) / weight.sum()
        squares = weight @ (x - centre) ** 2
        fall[i] = (weight @ ((x - centre) * seen)) / squares if squares > 0 else 0.0
        fall_error[i] = squares**-0.5 if squares > 0 else np.nan
        level[i] = (weight @ seen) / weight.sum() - fall[i] * centre
        level_slope[i], level_error[i] = -centre, weight.sum() ** -0.5
    falls = np.maximum(_pool(fall, fall_error, rng, draws), 0.0)
    levels = level + level_slope * (falls - fall) + level_error * rng.standard_normal((draws, len(arms)))
    per_text = np.exp(levels[..., None] - falls[..., None] * np.maximum(grid - 1, 0.0))
    return np.asarray(per_text * grid)


def _draw_arms(arms: Sequence[ArmSums], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Profit before message cost of each arm, unmodelled; profit per text is interpolated between tested doses."""
    used = doses > 0
    gross = np.empty((len(arms), len(grid), draws))
    for i, each in enumerate(arms):
        drawn = each.gross[:, None] + np.sqrt(each.variance)[:, None] * rng.standard_normal((len(doses), draws))
        weekly = (drawn[used] - drawn[~used]) * (each.n / each.weeks)[used][:, None]
        gross[i] = interpolate_doses(weekly / doses[used][:, None], doses[used], grid) * grid[:, None]
    return gross
