"""How members differ in opting out: simulated members, and weeks that differ."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import draw_opt_out_spread

DOSES = (0.0, 1.0, 2.0, 4.0)


def cells(rng, spread, customers=200_000, lean=0.0, hazard=0.012):
    """A test of 11 weeks whose members differ in opting out: gamma with standard deviation `spread`."""
    parts = []
    for dose in DOSES:
        n = customers // 4
        u = rng.gamma(1 / spread**2, spread**2, n) if spread else np.ones(n)
        left = rng.exponential(1.0, n) / np.maximum((0.001 + hazard * dose) * u, 1e-9)
        weeks = np.minimum(left, 11.0)
        texts = rng.poisson(dose * weeks)
        clicks = rng.binomial(texts, np.minimum(0.1 * u**lean, 1.0))
        gone = left < 11
        parts.append({
            "segment": "s", "dose": dose, "n": n, "opt_outs": gone.sum(), "early_opt_outs": (left < 5.5).sum(),
            "clicks": clicks.sum(), "messages": texts.sum(), "leaver_clicks": clicks[gone].sum(),
            "leaver_messages": texts[gone].sum(),
        })  # fmt: skip
    return pd.DataFrame(parts)


def test_early_opt_outs_show_how_members_differ():
    found = {
        spread: draw_opt_out_spread(cells(np.random.default_rng(5), spread), np.random.default_rng(1), 2_000)
        for spread in (0.0, 0.6, 1.0)
    }
    means = []
    for spread, members in found.items():
        drawn = members.std(axis=0) / members.mean(axis=0)
        # Eight equal parts have a tenth less spread than the gamma distribution that they stand for.
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert low - 0.05 <= 0.9 * spread <= high
        assert members.mean() == pytest.approx(1.0, abs=0.05)
        means.append(drawn.mean())
    assert means == sorted(means)


def test_a_week_whose_text_makes_many_opt_out_does_not_look_like_members_who_differ():
    """Alike members; the rate of the first half is twice that of the second, in every arm."""
    rng = np.random.default_rng(7)
    rows = cells(rng, 0.0, customers=4_000)
    stay = np.exp(-rows["dose"] * 0.012 * 11)
    early = 1 - np.exp(-rows["dose"] * 0.012 * 11 * 2 / 3)
    rows["opt_outs"] = rng.binomial(rows["n"], 1 - stay)
    rows["early_opt_outs"] = rng.binomial(rows["opt_outs"], early / np.maximum(1 - stay, 1e-12))
    rows["leaver_clicks"], rows["leaver_messages"] = 0, 0
    drawn = draw_opt_out_spread(rows, np.random.default_rng(1), 4_000)
    nothing = draw_opt_out_spread(rows.assign(opt_outs=0, early_opt_outs=0), np.random.default_rng(1), 4_000)
    of_drawn, of_prior = ((each.std(axis=0) / each.mean(axis=0)).mean() for each in (drawn, nothing))
    # With τ = 1/2, two thirds of the rate in the first half would say 1.5.
    assert of_drawn == pytest.approx(of_prior, rel=0.2)


def test_who_opts_out_and_hardly_clicks_counts_less():
    rows = cells(np.random.default_rng(6), 0.8, lean=-0.5)
    members = draw_opt_out_spread(rows, np.random.default_rng(1), 2_000)
    # E[u · u^−½] ÷ E[u^−½] of a gamma with shape k is (k − ½) / k; members who click less opt out early as well.
    assert members.mean() == pytest.approx(1 - 0.5 * 0.8**2, abs=0.12)
