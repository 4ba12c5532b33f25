"""The dose–response of profit and opt-outs by segment, with a concave curve whose shape is pooled across segments.

d, the dose, is texts per subscribed customer and week. Of the customers who consented when assigned:

    m(d) = (mean profit in arm d − in the zero arm) ÷ mean subscribed weeks in arm d
    H(d) = opt-outs ÷ subscribed weeks of arm d,  c = H(0),  h(d) = 1 − (1 − H(d)) / (1 − c)
    V(d) = m(d) / (1 − (1 − h(d)) (1 − c) / (1 + δ)) = m(d) / (1 − (1 − H(d)) / (1 + δ))
    W(d) = V(d) · (1 − (1 − c) / (1 + δ)) = m(d) − h(d) · V(d) · (1 − c) / (1 + δ)

h is the weekly opt-out rate that the texts cause, c the rate without texts, δ the weekly discount rate. V is the
long-run value of a subscriber who gets d texts a week from now on. W, in money per subscriber and week, is a week's
profit less the value of the subscribers lost in that week. Within a segment W ranks doses as V does. An opted-out
customer still buys: what is lost is the incremental profit of texting that customer.

Profit by arm is noisy; clicks are not. The curve is therefore m(d) = κ · A(d) − cost · d. Clicks a week are
A(d) = d · exp(θ − φ · max(d − 1, 0)), and κ is the value of a click. This assumes that profit before message cost is
proportional to clicks over the arms, which is tested (`DoseResponseFit.proportional_p`). φ and κ of the segments are
partially pooled (`statistics.shrink`), opt-outs by a gamma prior on each segment's ratio to all customers (Clayton &
Kaldor 1987). Where the test rejects, or clicks are not known, each arm's own estimate is used instead of the curve.

References:
    Angrist & Imbens (1995), JASA 90(430): arms as instruments for a treatment of varying intensity.
    Clayton & Kaldor (1987), Empirical Bayes estimates of age-standardized relative risks, Biometrics 43(3).
    Deng, Xu, Kohavi & Walker (2013), WSDM: CUPED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import chi2, t

from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.statistics import Floats, by_group, draw_shrunken, estimate_means, jackknife

__all__ = [
    "FEWEST_IN_ARM",
    "DoseResponseFit",
    "Method",
    "fit_response",
    "summarise_draws",
    "weekly_rate",
]

Method = Literal["curve", "arms"]
FEWEST_IN_ARM = 30
"""Segments with fewer customers in any arm get no estimate of their own."""
PROPORTIONAL_ALPHA = 0.01
"""Below this p-value profit is taken not to be proportional to clicks, and the curve is not used."""
DRAWS = 4_000
_GRID = np.arange(8.0)


def weekly_rate(yearly: float) -> float:
    """Convert a yearly discount rate to a weekly one.

    >>> round(weekly_rate(0.1), 5)
    0.00183
    """
    return float((1 + yearly) ** (7 / 365.25) - 1)


def summarise_draws(values: Floats) -> tuple[float, float, float]:
    """Mean and 95 % limits of draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


# --- the curve -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DoseResponseFit:
    """Draws from the joint posterior of profit and opt-outs by dose in every segment; `all` comes first."""

    names: tuple[str, ...]
    frequencies: Floats
    """Texts a week that were tested, ascending; the first is 0."""
    grid: Floats
    """Texts a week at which the draws below are given, including every tested frequency."""
    gross: Floats
    """names × grid × draws: profit before message cost per subscribed customer and week, compared with no texts."""
    hazard: Floats
    """names × grid × draws: H, weekly opt-out rate, including opt-outs that would happen without texts."""
    cost: Floats
    """names: weekly message cost of one text a week (money)."""
    customers: Floats
    """names × frequencies."""
    discount: float
    """Weekly."""
    method: Method
    proportional_p: float
    """The p-value for profit being proportional to clicks over the arms; NaN where it cannot be tested."""
    effect_p: float
    """Two-sided p-value for no effect of texts on profit, over all customers."""
    effect: float
    """The sign of that effect: of the value of a click (`curve`) or of the slope of profit on texts (`arms`)."""
    click_value: pd.DataFrame
    """segment, estimate (of the value of a click, unpooled), standard_error, estimate_low, estimate_high, pooled, low,
    high; empty for method `arms`."""
    too_small: tuple[str, ...]
    """Segments with too few customers in an arm."""

    def index(self, name: str) -> int:
        """The position of a segment in the arrays."""
        return self.names.index(name)

    def grid_index(self, dose: float) -> int:
        """The position of a tested frequency in the grid."""
        return int(np.flatnonzero(np.isclose(self.grid, dose))[0])

    def profit(self) -> Floats:
        """m, profit per subscribed customer and week: names × grid × draws."""
        return np.asarray(self.gross - (self.cost[:, None] * self.grid)[..., None])

    def natural_opt_outs(self) -> Floats:
        """c, weekly opt-out rate without texts: names × draws."""
        return np.asarray(self.hazard[:, 0])

    def caused_opt_outs(self) -> Floats:
        """h, weekly opt-out rate caused by the texts: names × grid × draws."""
        return np.asarray(1 - (1 - self.hazard) / (1 - self.hazard[:, :1]))

    def long_run_value(self, profit: Floats, hazard: Floats) -> Floats:
        """V, the long-run value of a subscriber, from m and H."""
        return np.asarray(profit / (1 - (1 - hazard) / (1 + self.discount)))

    def value(self) -> Floats:
        """V, the long-run value of a subscriber: names × grid × draws."""
        return self.long_run_value(self.profit(), self.hazard)

    def weekly_value(self, value: Floats) -> Floats:
        """W from V (names × … × draws)."""
        factor = 1 - (1 - self.natural_opt_outs()) / (1 + self.discount)
        return np.asarray(value * factor.reshape(factor.shape[0], *(1,) * (value.ndim - 2), -1))

    def net_profit(self) -> Floats:
        """W, weekly profit net of the value of lost subscribers: names × grid × draws."""
        return self.weekly_value(self.value())

    def practice_means(self, name: str, shares: Floats) -> tuple[Floats, Floats]:
        """Mean m and H (draws) of a practice that mixes frequencies.

        Args:
            name: the segment.
            shares: grid × draws (or × 1): how often each number of texts is sent.
        """
        i = self.index(name)
        return (self.profit()[i] * shares).sum(axis=0), (self.hazard[i] * shares).sum(axis=0)

    def interpolate(self, values: Floats, texts: Floats) -> Floats:
        """One segment's values (grid × draws) at any texts a week: linear interpolation, constant beyond the grid."""
        texts = np.clip(texts, self.grid[0], self.grid[-1])
        right = np.clip(np.searchsorted(self.grid, texts), 1, len(self.grid) - 1)
        share = ((texts - self.grid[right - 1]) / (self.grid[right] - self.grid[right - 1]))[:, None]
        return np.asarray(values[right - 1] * (1 - share) + values[right] * share)


@dataclass(frozen=True)
class _Arms:
    """Sums and adjusted means of one group of customers, by dose."""

    n: Floats
    weeks: Floats
    messages: Floats
    cost: Floats
    clicks: Floats
    opt_outs: Floats
    log_click_variance: Floats
    gross: Floats
    variance: Floats
    degrees: float


def _arms_of(rows: pd.DataFrame, doses: Floats, strata: bool) -> _Arms:
    """Sums by dose; profit before message cost is adjusted by the same customers' earlier profit (CUPED)."""
    keys, sums = by_group(rows, ["dose"], ["n", "weeks", "messages", "message_cost", "clicks", "opt_outs"])
    index = pd.Index(keys["dose"]).get_indexer(doses)
    whole = sums.sum(axis=-1)[:, index]
    rate = jackknife(lambda s: s[0] / s[1], np.stack([sums[4], sums[1]]))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = (rate.standard_error / rate.estimate)[index] ** 2
    names = {c: c.removeprefix("gross__") for c in rows.columns if c.startswith("gross__")}
    moments = rows[["dose", "segment", *names]].rename(columns=names | {"dose": "arm"}).drop(columns="n_unknown")
    if strata:
        small = _sizes(moments, "arm", doses).min(axis=1)
        kept = set(small.index[small >= FEWEST_IN_ARM])
        moments = moments.assign(stratum=moments["segment"].where(moments["segment"].isin(kept), "~"))
        rest = moments[moments["stratum"] == "~"].groupby("arm")["n"].sum()
        if 0 < rest.reindex(doses).fillna(0).min() < FEWEST_IN_ARM or (len(rest) and len(rest) < len(doses)):
            moments = moments.drop(columns="stratum")
    found = estimate_means(moments.drop(columns="segment"), list(doses))
    n, weeks, messages, cost, clicks, opt_outs = whole
    degrees = float(n.sum() - len(doses))
    return _Arms(n, weeks, messages, cost, clicks, opt_outs, relative, found.adjusted, found.variance, degrees)


def _sizes(rows: pd.DataFrame, dose: str, doses: Floats) -> pd.DataFrame:
    """Customers by segment × dose."""
    wide = rows.pivot_table(index="segment", columns=dose, values="n", aggfunc="sum", fill_value=0)
    return wide.reindex(columns=doses, fill_value=0)


def fit_response(
    cells: pd.DataFrame,
    doses: Mapping[str, float],
    discount: float,
    rng: np.random.Generator,
    *,
    by: str = "segment",
    draws: int = DRAWS,
) -> DoseResponseFit:
    """Fit the dose–response of every group of customers, and of all customers together.

    Args:
        cells: of `counts.count_arms`.
        doses: arm → texts a week; one arm must have 0.
        discount: weekly (δ).
        rng: of the posterior's draws.
        by: the column of groups.
        draws: the number of posterior draws.
    """
    rows = cells[cells["consenting"] == 1].assign(dose=lambda c: c["arm"].map(doses))
    rows = rows.assign(segment=rows[by].astype(str))
    tested = np.array(sorted(set(doses.values())), float)
    sizes = _sizes(rows, "dose", tested)
    enough = [str(name) for name in sizes.index[sizes.min(axis=1) >= FEWEST_IN_ARM]]
    small = tuple(str(name) for name in sizes.index if name not in enough)
    names = (ALL, *enough)
    arms = [_arms_of(rows, tested, strata=True)]
    arms += [_arms_of(rows[rows["segment"] == name], tested, strata=False) for name in enough]
    grid = np.unique(np.concatenate([_GRID, tested]))
    value, p, effect, effect_p = _click_values(arms)
    clicks_known = all(np.all(each.clicks[tested > 0] > 0) for each in arms) and (tested > 0).sum() > 1
    method: Method = "curve" if clicks_known and not p < PROPORTIONAL_ALPHA else "arms"
    if method == "curve":
        gross = _draw_curve(value, arms, tested, grid, rng, draws)
    else:
        effect, effect_p = _slope(arms[0], tested)
        gross = _draw_arms(arms, tested, grid, rng, draws)
    cost = np.array([_cost_rate(each, tested) for each in arms])
    if method == "curve":
        pooled = value.pop("draws")
        low, high = np.quantile(pooled, [0.025, 0.975], axis=0)
        table = pd.DataFrame({"segment": names, **value, "pooled": pooled.mean(axis=0), "low": low, "high": high})
        half_width = 1.96 * table["standard_error"]
        table = table.assign(estimate_low=table["estimate"] - half_width, estimate_high=table["estimate"] + half_width)
    else:
        table = pd.DataFrame(columns=["segment", "estimate", "standard_error", "pooled", "low", "high"])
    return DoseResponseFit(
        names, tested, grid, gross, _draw_hazards(arms, tested, grid, rng, draws), cost,
        np.array([each.n for each in arms]), discount, method, p, effect_p, effect, table, small,
    )  # fmt: skip


def _cost_rate(arms: _Arms, doses: Floats) -> float:
    """Message cost per subscribed week and text a week."""
    planned = float((arms.weeks * doses).sum())
    return float((arms.cost - arms.n * arms.cost[0] / max(arms.n[0], 1))[doses > 0].sum() / planned) if planned else 0.0


# --- value of a click ------------------------------------------------------------------------------------------------


def _line(y: Floats, variance: Floats, x: Floats) -> tuple[float, float, float]:
    """Weighted least squares of y on x with an intercept: slope, its standard error, χ² of the residuals."""
    weight = 1 / variance
    centre = (weight @ x) / weight.sum()
    squares = float(weight @ (x - centre) ** 2)
    if not (np.isfinite(weight).all() and squares > 0):
        return float("nan"), float("nan"), float("nan")
    slope = float(weight @ ((x - centre) * y)) / squares
    rest = y - (weight @ y) / weight.sum() - slope * (x - centre)
    return slope, squares**-0.5, float(weight @ rest**2)


def _click_values(arms: Sequence[_Arms]) -> tuple[dict[str, Floats], float, float, float]:
    """κ of every group with its standard error; p-value for proportionality; sign and p-value of κ of all customers."""
    found = []
    for each in arms:
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(_line(each.gross, each.variance, each.clicks / each.n))
    slope, error, left = (np.array(column) for column in zip(*found, strict=True))
    free = len(arms[0].n) - 2
    # All customers are the sum of the segments: where there are segments, only they are tested.
    parts = left[1:] if len(left) > 1 else left
    parts = parts[np.isfinite(parts)]
    p = float(chi2.sf(parts.sum(), free * len(parts))) if free > 0 and len(parts) else float("nan")
    effect_p = float(2 * t.sf(abs(slope[0] / error[0]), arms[0].degrees)) if error[0] > 0 else float("nan")
    return {"estimate": slope, "standard_error": error}, p, float(np.sign(slope[0])), effect_p


def _slope(arms: _Arms, doses: Floats) -> tuple[float, float]:
    """Sign and p-value of the slope of profit on the dose, over the arms."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope, error, _left = _line(arms.gross, arms.variance, doses)
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


def _draw_curve(
    value: dict[str, Floats], arms: Sequence[_Arms], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int
) -> Floats:
    """Profit before message cost from clicks: κ · d · exp(θ − φ · max(d − 1, 0))."""
    kappa = _pool(value["estimate"], value["standard_error"], rng, draws)
    value["draws"] = kappa
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
    return np.asarray(np.moveaxis(kappa[..., None] * per_text * grid, 0, -1))


def _draw_arms(arms: Sequence[_Arms], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Profit before message cost of each arm, unmodelled; profit per text is interpolated between tested doses."""
    used = doses > 0
    gross = np.empty((len(arms), len(grid), draws))
    for i, each in enumerate(arms):
        drawn = each.gross[:, None] + np.sqrt(each.variance)[:, None] * rng.standard_normal((len(doses), draws))
        weekly = (drawn[used] - drawn[~used]) * (each.n / each.weeks)[used][:, None]
        gross[i] = _between(weekly / doses[used][:, None], doses[used], grid) * grid[:, None]
    return gross


def _between(values: Floats, at: Floats, grid: Floats) -> Floats:
    """Rows of values at `at`, interpolated linearly at `grid`; the nearest value beyond the ends."""
    right = np.clip(np.searchsorted(at, grid), 0, len(at) - 1)
    left = np.clip(right - 1, 0, len(at) - 1)
    gap = np.where(at[right] > at[left], at[right] - at[left], 1.0)
    share = np.clip((grid - at[left]) / gap, 0.0, 1.0)[:, None]
    share = np.where((at[right] > at[left])[:, None], share, 1.0)
    return np.asarray(values[left] * (1 - share) + values[right] * share)


# --- opt-outs --------------------------------------------------------------------------------------------------------


def _draw_hazards(arms: Sequence[_Arms], doses: Floats, grid: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Weekly opt-out rates: those of all customers by dose (gamma, Jeffreys' prior), times each segment's ratio."""
    whole = arms[0]
    common = rng.gamma(whole.opt_outs[:, None] + 0.5, 1.0, (len(doses), draws)) / whole.weeks[:, None]
    ratios = np.ones((len(arms), draws))
    if len(arms) > 1:
        seen = np.array([each.opt_outs.sum() for each in arms[1:]])
        rate = (whole.opt_outs + 0.5) / whole.weeks
        expected = np.array([each.weeks @ rate for each in arms[1:]])
        ratios[1:] = _draw_ratios(seen, expected, rng, draws)
    used = doses > 0
    natural = common[~used][0]
    caused = (common[used] - natural) / doses[used][:, None]
    per_week = natural + _between(caused, doses[used], grid) * grid[:, None]
    return np.maximum(ratios[:, None, :] * per_week, 1e-9)


def _draw_ratios(seen: Floats, expected: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Segments' opt-outs ÷ those expected at all customers' rates: gamma with mean 1, shape ν summed over a grid."""
    shape = np.exp(np.linspace(np.log(0.5), np.log(500), 80))[:, None]
    density = (
        gammaln(seen + shape) - gammaln(shape) + shape * np.log(shape / (shape + expected))
        + seen * np.log(expected / (shape + expected))
    ).sum(axis=1)  # fmt: skip
    # A flat prior on the segments' standard deviation 1/√ν is ν^(−1/2) on the grid's scale of log ν.
    weight = np.exp(density - density.max()) / np.sqrt(shape[:, 0])
    drawn = shape[rng.choice(len(shape), draws, p=weight / weight.sum()), 0]
    return np.asarray(rng.gamma(seen[:, None] + drawn, 1.0) / (expected[:, None] + drawn))
