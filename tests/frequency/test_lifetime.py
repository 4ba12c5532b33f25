"""The mean of the members' values: closed forms, identities, and how members differ."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import LOSS_RATES, NaturalLoss
from smsroi_helpers.frequency.lifetime import Lifetime, draw_opt_out_spread

DOSES = (0.0, 1.0, 2.0, 4.0)


def lifetime(members, weekly=0.0, discount=0.002):
    shares = NaturalLoss.constant(weekly).draw("all", 1, np.random.default_rng(1))
    return Lifetime(np.asarray(members, float)[:, None], shares[None], discount)


def test_the_mean_of_values_is_not_the_value_of_means():
    """Two members, 1 % and 9 % opting out a week, no discount: 100 and 11.1 weeks, not 1 / 5 % = 20."""
    found = lifetime([0.2, 1.8], discount=0.0).weeks(np.array([[[0.05]]]), np.zeros((1, 1)))
    assert found[0, 0, 0] == pytest.approx((1 / 0.01 + 1 / 0.09) / 2)
    assert found[0, 0, 0] > 2.5 * 20


def test_value_is_the_sum_of_discounted_weeks():
    each = lifetime([0.5, 1.5], weekly=0.008, discount=0.002)
    hazard = np.array([0.03])
    natural = np.array([0.004])
    weeks = each.remaining(hazard, natural, 0, 3_000)[:, 0] / 1.002 ** np.arange(3_000)
    assert each.weeks(hazard[None, None], natural[None])[0, 0, 0] == pytest.approx(weeks.sum(), rel=1e-3)


def test_members_differ_in_opting_out_because_of_texts_only():
    """2 % opt out without texts; texts make one of two members opt out, at 6 % a week, and never the other."""
    hazard = np.array([[[1 - 0.98 * 0.97]]])
    found = lifetime([0.0, 2.0], discount=0.0).weeks(hazard, np.array([[0.02]]))
    assert found[0, 0, 0] == pytest.approx((1 / 0.02 + 1 / (1 - 0.98 * 0.94)) / 2)


def test_rates_between_two_of_the_list_have_their_mean():
    for weekly in (0.0, 0.003, 0.01, 0.2):
        shares = NaturalLoss.constant(weekly).draw("all", 3, np.random.default_rng(1))
        assert shares.sum(axis=0) == pytest.approx(1.0)
        assert LOSS_RATES @ shares == pytest.approx(weekly)


def test_an_unknown_loss_is_a_stated_range_and_never_0():
    loss = NaturalLoss.unknown()
    drawn = LOSS_RATES @ loss.draw("gold", 2_000, np.random.default_rng(1))
    assert loss.weekly[1:] == (0.0005, 0.016)
    assert (drawn.min(), drawn.max()) == (0.0005, 0.016)
    assert np.median(drawn) == pytest.approx(0.003, abs=0.0011)


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
