"""The dose–response of profit and opt-outs by segment, and the long-run value per subscriber at every dose.

d, the dose, is texts per subscribed customer and week. Of the customers who consented when assigned:

    m(d) = (mean profit in arm d − in the zero arm) ÷ mean subscribed weeks in arm d
    H(d) = opt-outs ÷ subscribed weeks of arm d,  c = H(0),  h(d) = 1 − (1 − H(d)) / (1 − c)
    V(d) = m(d) · L(d),   L(d) = mean over members of 1 / (1 − (1 − c) (1 − u·h(d)) (1 − θ) / (1 + δ))
    W(d) = V(d) / L(c)

h is the weekly opt-out rate that the texts cause, c the rate without texts, δ the weekly discount rate. Members differ
in u, how readily texts make them opt out, and in θ, the weekly rate at which they stop answering (`lifetime`).
V is the long-run value of a subscriber who gets d texts a week from now on: the mean of the members' values, not the
value at their mean rates. W, in money per subscriber and week, is the weekly profit that would be worth V if it caused
no opt-outs. Within a segment W ranks doses as V does. An opted-out customer still buys: what is lost is the incremental
profit of texting that customer.

`profit_curve` models profit, `opt_out_curve` opt-outs. Doses between the tested ones are modelled, not measured.

References:
    Angrist & Imbens (1995), JASA 90(430): arms as instruments for a treatment of varying intensity.
    Deng, Xu, Kohavi & Walker (2013), WSDM: CUPED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from smsroi_helpers.cltv import NaturalLoss, first_year_loss
from smsroi_helpers.experiments import draw_opt_out_spread
from smsroi_helpers.frequency.carried import Carried
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.lifetime import Lifetime
from smsroi_helpers.frequency.opt_out_curve import draw_opt_outs
from smsroi_helpers.frequency.profit_curve import ArmSums, Method, draw_profit
from smsroi_helpers.frequency.todays_level import Level, draw_level
from smsroi_helpers.statistics import Floats, by_group, draw_uncovered, estimate_means, jackknife

__all__ = [
    "FEWEST_IN_ARM",
    "DoseResponseFit",
    "fit_response",
]

FEWEST_IN_ARM = 30
"""Segments with fewer customers in any arm get no estimate of their own."""
DRAWS = 4_000
_GRID = np.concatenate([[0.0, 0.5], np.arange(1.0, 8.0)])
"""Texts a week, tested or not, at which the response is given."""


# --- the fit ---------------------------------------------------------------------------------------------------------


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
    lifetime: Lifetime
    """How members differ in what ends their value."""
    loss: NaturalLoss
    """How members stop answering without opting out."""
    method: Method
    """`curve`: profit follows clicks, as far as the arms agree; `arms`: each arm's own estimate, as clicks are not
    known."""
    curve_weight: float
    """Weight (0–1) of the curve against each arm's own estimate."""
    proportional_p: float
    """The p-value for profit being proportional to clicks over the arms; NaN where it cannot be tested."""
    effect_p: float
    """Two-sided p-value for no effect of texts on profit, over all customers."""
    effect: float
    """The sign of that effect: of the slope of profit on clicks (`curve`) or on texts (`arms`)."""
    too_small: tuple[str, ...]
    """Segments with too few customers in an arm."""
    level: Level | None = None
    """Of today's subscribers, by which profit and opt-outs are multiplied; None where it is as in the test."""

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

    def natural_loss(self) -> Floats:
        """Weekly rate at which subscribers are lost in the first year without texts, by opting out or not answering.

        Returns:
            names × draws.
        """
        return np.asarray(1 - (1 - self.natural_opt_outs()) * (1 - first_year_loss(self.lifetime.shares)))

    def caused_opt_outs(self) -> Floats:
        """h, weekly opt-out rate caused by the texts: names × grid × draws."""
        return np.asarray(1 - (1 - self.hazard) / (1 - self.hazard[:, :1]))

    @cached_property
    def _value(self) -> Floats:
        return np.asarray(self.profit() * self.lifetime.weeks(self.hazard, self.natural_opt_outs()))

    def value(self) -> Floats:
        """V, the long-run value of a subscriber: names × grid × draws."""
        return self._value

    def value_of(self, name: str, profit: Floats, hazard: Floats) -> Floats:
        """V of one segment (draws) from m and H of any practice (draws)."""
        i = self.index(name)
        return np.asarray(profit * self.lifetime.weeks(hazard[None], self.hazard[i, 0], i)[0])

    @cached_property
    def natural_weeks(self) -> Floats:
        """L(c), discounted weeks of answered texts of a subscriber whom texts do not make opt out: names × draws."""
        return self.lifetime.weeks(self.hazard[:, :1], self.natural_opt_outs())[:, 0]

    def net_profit(self) -> Floats:
        """W, weekly profit net of the value of lost subscribers: names × grid × draws."""
        return np.asarray(self._value / self.natural_weeks[:, None])

    def cash(self, name: str, profit: Floats, hazard: Floats, weeks: int) -> Floats:
        """Profit per subscriber by the end of week 1 … `weeks`, undiscounted: weeks × draws, from m and H (draws)."""
        i = self.index(name)
        return np.asarray(profit * self.lifetime.remaining(hazard, self.hazard[i, 0], i, weeks).cumsum(axis=0))

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


def _arms_of(rows: pd.DataFrame, doses: Floats, strata: bool, spare: float = 0.0) -> ArmSums:
    """Sums by dose; profit before message cost is adjusted by the same customers' earlier profit (CUPED).

    An arm in which nobody bought shows no variance between customers: it takes that of the other arms, or `spare`.
    """
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
    shown = found.variance > 0
    typical = np.average((found.variance * n)[shown], weights=n[shown]) if shown.any() else spare
    variance = np.where(shown, found.variance, typical / n)
    return ArmSums(n, weeks, messages, cost, clicks, opt_outs, relative, found.adjusted, variance, degrees)


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
    loss: NaturalLoss | None = None,
    untexted: tuple[float, float] = (0.0, 0.0),
    by: str = "segment",
    draws: int = DRAWS,
    carried: Carried | None = None,
    recent: pd.DataFrame | None = None,
) -> DoseResponseFit:
    """Fit the dose–response of every group of customers, and of all customers together.

    Args:
        cells: of `counts.count_arms`.
        doses: arm → texts a week; one arm must have 0.
        discount: weekly (δ).
        rng: of the posterior's draws.
        loss: how members stop answering without opting out; None where nothing is known of it.
        untexted: opt-outs and subscribed weeks of customers outside the test who are not texted: they inform c as far
            as segments' c are alike.
        by: the column of groups.
        draws: the number of posterior draws.
        carried: the cells weighted by today's subscribers; None gives the response of the test's own members.
        recent: of `todays_level.carry_recent`; None leaves the level of clicks as in the test.
    """
    loss = loss or NaturalLoss.unknown()
    rows = _consenting(cells, doses, by)
    own, everybody = (rows, rows) if carried is None else (
        _consenting(each, doses, by) for each in (carried.cells, carried.everybody)
    )  # fmt: skip
    tested = np.array(sorted(set(doses.values())), float)
    sizes = _sizes(own, "dose", tested)
    enough = [str(name) for name in sizes.index[sizes.min(axis=1) >= FEWEST_IN_ARM]]
    small = tuple(str(name) for name in sizes.index if name not in enough)
    names = (ALL, *enough)
    arms = [_arms_of(everybody, tested, strata=True)]
    spare = float(np.average(arms[0].variance * arms[0].n, weights=arms[0].n))
    arms += [_arms_of(own[own["segment"] == name], tested, strata=False, spare=spare) for name in enough]
    grid = np.unique(np.concatenate([_GRID, tested]))
    # Segments without enough members in the test borrow the others': pooled, the same customers would count twice.
    borrowed = set() if carried is None else {name for name in enough if not carried.transport.own(name)}
    pooled = [place for place, name in enumerate(names) if name not in borrowed]
    alone = [[place] for place, name in enumerate(names) if name in borrowed]
    profit = draw_profit([arms[place] for place in pooled], tested, grid, rng, draws)
    gross = np.empty((len(names), len(grid), draws))
    gross[pooled] = profit.gross
    for place in alone:
        gross[place] = draw_profit([arms[0], arms[place[0]]], tested, grid, rng, draws).gross[1:]
    hazard = np.empty_like(gross)
    for places in ([0], pooled[1:], *alone):
        if places:
            hazard[places] = _draw_hazards([arms[at] for at in places], untexted, tested, grid, rng, draws)
    members = draw_opt_out_spread(rows, rng, draws)
    lifetime = Lifetime(members, np.stack([loss.draw(name, draws, rng) for name in names]), discount)
    cost = np.array([_cost_rate(each, tested) for each in arms])
    customers = np.array([each.n for each in arms])
    if carried is not None:
        customers = np.array([carried.customers(name, doses, tested) for name in names])
        gross, hazard = _widen(gross, hazard, [carried.transport.overlap(name) for name in names], rng)
    level = None if recent is None or not len(recent) else draw_level(recent, own, everybody, names, rng, draws)
    if level is not None:
        gross, hazard = gross * level.clicks[:, None], level.scale_opt_outs(hazard, grid)
    return DoseResponseFit(
        names, tested, grid, gross, hazard, cost, customers, discount, lifetime, loss,
        profit.method, profit.curve_weight, profit.proportional_p, profit.effect_p, profit.effect, small, level,
    )  # fmt: skip


def _consenting(cells: pd.DataFrame, doses: Mapping[str, float], by: str) -> pd.DataFrame:
    """The cells of customers who consented, with dose, and the groups of `by` as segment."""
    rows = cells[cells["consenting"] == 1].assign(dose=lambda c: c["arm"].map(doses))
    return rows.assign(segment=rows[by].astype(str))


def _widen(gross: Floats, hazard: Floats, overlaps: Sequence[float], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Profit and opt-outs with the error for today's subscribers whom the test does not cover.

    Those of all segments may be of one kind, so they have the same draws, and their errors add up in a sum of segments.
    """
    gross, hazard = gross.copy(), hazard.copy()
    draws = gross.shape[-1]
    of_gross, of_hazard = rng.integers(2**63, size=2)
    for i, overlap in enumerate(overlaps):
        if overlap < 1:
            gross[i] *= draw_uncovered(overlap, np.random.default_rng(of_gross), draws)
            caused = (hazard[i] - hazard[i, :1]) * draw_uncovered(overlap, np.random.default_rng(of_hazard), draws)
            hazard[i] = np.minimum(hazard[i, :1] + caused, 1 - 1e-9)
    return gross, hazard


def _draw_hazards(
    arms: Sequence[ArmSums],
    untexted: tuple[float, float],
    doses: Floats,
    grid: Floats,
    rng: np.random.Generator,
    draws: int,
) -> Floats:
    """H of every group; customers who are not texted are one more group, of which only c is seen."""
    seen, weeks = (np.array([getattr(each, name) for each in arms]) for name in ("opt_outs", "weeks"))
    if untexted[1] > 0:
        others = np.zeros((2, 1, len(doses)))
        others[:, 0, 0] = untexted
        seen, weeks = np.concatenate([seen, others[0]]), np.concatenate([weeks, others[1]])
    return draw_opt_outs(seen, weeks, doses, grid, rng, draws)[: len(arms)]


def _cost_rate(arms: ArmSums, doses: Floats) -> float:
    """Message cost per subscribed week and text a week."""
    planned = float((arms.weeks * doses).sum())
    return float((arms.cost - arms.n * arms.cost[0] / max(arms.n[0], 1))[doses > 0].sum() / planned) if planned else 0.0
