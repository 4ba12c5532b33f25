"""The long-run value of a subscriber, averaged over members who differ in how fast they are lost.

A member is lost to texting by opting out, at c a week without texts and at u · h(d) because of them, and by no longer
answering, at θ a week. u and θ differ between members; h(d) is the rate at which an average one is made to opt out. The
value of a group is the mean of its members' values:

    L(d) = mean over u and θ of 1 / (1 − (1 − c) (1 − u·h(d)) (1 − θ) / (1 + δ)),   V(d) = m(d) · L(d)

L is the number of weeks, discounted, in which a subscriber's texts are answered. At the mean of u and θ it is smaller,
and more so for high doses: who stays under many texts is who is rarely made to opt out. u has weights in proportion to
the member's response, since the profit of members who hardly answer is not what is lost. Opting out without texts has
other reasons, so u does not change c.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, gammaincinv, logsumexp

from smsroi_helpers.cltv import LOSS_RATES
from smsroi_helpers.statistics import Floats

__all__ = [
    "Lifetime",
    "draw_opt_out_spread",
    "summarise_draws",
]

_NODES = 8
"""Members, of equal numbers, that stand for the distribution of u."""
_SPREAD = np.linspace(0.02, 2.0, 34)
"""Standard deviations of u that are summed over."""
_SPREAD_SCALE = 0.7
"""Scale of the half-normal prior on the standard deviation of u."""
_EARLY = np.linspace(-1.05, 1.05, 421)
"""Logits of the share of a test's opt-out rate that falls into its first half, summed over."""
_EARLY_SCALE = 0.35
"""Standard deviation of that logit: in nineteen of twenty tests, the rate of one half is at most twice the other's."""


def summarise_draws(values: Floats) -> tuple[float, float, float]:
    """Mean and 95 % limits of draws."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


@dataclass(frozen=True)
class Lifetime:
    """How members of every group differ in what ends their value."""

    members: Floats
    """Nodes × draws: u of members of equal weight, relative to the average member's opt-out rate."""
    shares: Floats
    """Groups × `LOSS_RATES` × draws."""
    discount: float
    """Weekly (δ)."""

    def weeks(self, hazard: Floats, natural: Floats, group: int | None = None) -> Floats:
        """L, discounted weeks of answered texts.

        Args:
            hazard: H, opt-outs a week: groups × grid × draws, or grid × draws of one group.
            natural: c, those that would happen without texts: groups × draws, or draws.
            group: which one; None for all.
        """
        shares = self.shares if group is None else self.shares[group]
        found = np.zeros_like(hazard)
        unprompted = 1 - np.expand_dims(natural, -2)
        caused = np.maximum(1 - (1 - hazard) / unprompted, 0.0)
        for member in self.members:
            stays = unprompted * (1 - np.minimum(member * caused, 1.0))
            for k, rate in enumerate(LOSS_RATES):
                share = shares[..., k, :]
                if share.any():
                    left = 1 - stays * ((1 - rate) / (1 + self.discount))
                    found += np.expand_dims(share, -2) / left
        return found / len(self.members)

    def remaining(self, hazard: Floats, natural: Floats, group: int, horizon: int) -> Floats:
        """Share of members who still answer in week 1 … `horizon`, undiscounted: weeks × draws, of H and c (draws)."""
        shares = self.shares[group]
        weeks = np.arange(horizon)[:, None]
        found = np.zeros((horizon, hazard.shape[-1]))
        decay = np.einsum("kt,kn->tn", (1 - LOSS_RATES[:, None]) ** weeks[:, 0], shares)
        caused = np.maximum(1 - (1 - hazard) / (1 - natural), 0.0)
        for member in self.members:
            found += np.exp(weeks * np.log1p(-np.minimum(member * caused, 1 - 1e-9)))
        return decay * (1 - natural) ** weeks * found / len(self.members)


def draw_opt_out_spread(rows: pd.DataFrame, rng: np.random.Generator, draws: int) -> Floats:
    """Draw how members differ in opting out: u of `_NODES` members × draws, weighted by their response.

    u ~ Gamma with mean 1 and variance σ². Members who opt out readily do so early, so that of a group's opt-outs more
    fall into the first half of the test the larger σ² is, and most so at high doses: with S = 1 − opt-outs ÷ customers
    the share who stay and τ the first half's share of the rate, S(half) = (1 + τ (S^(−σ²) − 1))^(−1/σ²) (Vaupel, Manton
    & Stallard 1979, Demography 16(3)). τ is not 1/2, because texts of some weeks make more opt out than others; it is
    the same in all arms and summed over. With the half-normal prior this determines σ. The clicks per text of members
    who opted out, ÷ those of all, R = E[u · response] ÷ E[response]: response-weighted, u is Gamma with shape R / σ² and
    mean R.

    Args:
        rows: cells of consenting customers: segment, dose, n, opt_outs, early_opt_outs (in the first half of the
            customer's time in the test), clicks, messages, leaver_clicks, leaver_messages (of those who opted out).
        rng: of the draws.
        draws: the number of draws.
    """
    names = ["n", "opt_outs", "early_opt_outs", "clicks", "messages", "leaver_clicks", "leaver_messages"]
    sums = rows.groupby(["segment", "dose"])[names].sum()
    variance = _SPREAD**2
    log_weight = -((_SPREAD / _SPREAD_SCALE) ** 2) / 2
    some = sums[(sums["opt_outs"] > 0) & (sums["opt_outs"] < sums["n"])]
    if len(some):
        # cells × σ² × τ
        stay = 1 - (some["opt_outs"] / some["n"]).to_numpy(float)[:, None, None]
        ready = variance[:, None]
        half = np.exp(-np.log1p(expit(_EARLY) * np.expm1(-ready * np.log(stay))) / ready)
        early = (1 - half) / (1 - stay)
        seen, whole = (some[name].to_numpy(float)[:, None, None] for name in ("early_opt_outs", "opt_outs"))
        fit = (seen * np.log(early) + (whole - seen) * np.log1p(-early)).sum(axis=0)
        log_weight = log_weight + logsumexp(fit - ((_EARLY / _EARLY_SCALE) ** 2) / 2, axis=1)
    weight = np.exp(log_weight - log_weight.max())
    drawn = variance[rng.choice(len(variance), draws, p=weight / weight.sum())]
    ratio = _draw_leavers_response(sums, rng, draws)
    quantiles = (np.arange(_NODES) + 0.5) / _NODES
    members = gammaincinv((ratio / drawn)[None], quantiles[:, None]) * drawn
    return np.asarray(members * (ratio / members.mean(axis=0)))


def _draw_leavers_response(sums: pd.DataFrame, rng: np.random.Generator, draws: int) -> Floats:
    """R, clicks per text of members who opted out relative to those of all, on the log scale; 1 ± 30 % if unknown."""
    sent = sums[(sums["messages"] > 0) & (sums["leaver_messages"] > 0)]
    expected = float((sent["clicks"] / sent["messages"] * sent["leaver_messages"]).sum())
    seen = float(sent["leaver_clicks"].sum())
    if expected < 1:
        return np.exp(0.3 * rng.standard_normal(draws))
    # A gamma prior with mean 1 and standard deviation 0.3, 11 clicks, on the ratio.
    return np.asarray(rng.gamma(seen + 11.0, 1.0, draws) / (expected + 11.0))
