"""How members of a test differ in how readily texts make them opt out, seen from when they do."""

import numpy as np
import pandas as pd
from scipy.special import expit, gammaincinv, logsumexp

from smsroi_helpers.statistics import Floats

__all__ = ["draw_opt_out_spread"]

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


def draw_opt_out_spread(rows: pd.DataFrame, rng: np.random.Generator, draws: int) -> Floats:
    """Draw how members differ in opting out: u of `_NODES` members × draws, weighted by their response.

    u ~ Gamma with mean 1 and variance σ². Members who opt out readily do so early, so that of a group's opt-outs more
    fall into the first half of the test the larger σ² is, and most so at high doses: with S = 1 − opt-outs ÷ customers
    the share who stay and τ the first half's share of the rate, S(half) = (1 + τ (S^(−σ²) − 1))^(−1/σ²) (Vaupel, Manton
    & Stallard 1979, Demography 16(3)). τ is not 1/2, because texts of some weeks make more opt out than others; it is
    the same in all arms and summed over. With the half-normal prior this determines σ. The clicks per text of members
    who opted out, ÷ those of all, R = E[u · response] ÷ E[response]: response-weighted, u is Gamma with shape R / σ²
    and mean R.

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
