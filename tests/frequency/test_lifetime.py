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
    found = lifetime([0.2, 1.8], discount=0.0).weeks(np.array([[[0.05]]]))
    assert found[0, 0, 0] == pytest.approx((1 / 0.01 + 1 / 0.09) / 2)
    assert found[0, 0, 0] > 2.5 * 20


def test_value_is_the_sum_of_discounted_weeks():
    each = lifetime([0.5, 1.5], weekly=0.008, discount=0.002)
    hazard = np.array([0.03])
    weeks = each.remaining(hazard, 0, 3_000)[:, 0] / 1.002 ** np.arange(3_000)
    assert each.weeks(hazard[None, None])[0, 0, 0] == pytest.approx(weeks.sum(), rel=1e-3)


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


@pytest.mark.parametrize("spread", [0.0, 0.6, 1.0])
def test_early_opt_outs_show_how_members_differ(spread):
    members = draw_opt_out_spread(cells(np.random.default_rng(5), spread), np.random.default_rng(1), 2_000)
    # Eight equal parts have a little less variance than the gamma distribution that they stand for.
    assert members.std(axis=0).mean() == pytest.approx(spread, abs=0.2)
    assert members.mean() == pytest.approx(1.0, abs=0.05)


def test_who_opts_out_and_hardly_clicks_counts_less():
    rows = cells(np.random.default_rng(6), 0.8, lean=-0.5)
    members = draw_opt_out_spread(rows, np.random.default_rng(1), 2_000)
    # E[u · u^−½] ÷ E[u^−½] of a gamma with shape k is (k − ½) / k; members who click less opt out early as well.
    assert members.mean() == pytest.approx(1 - 0.5 * 0.8**2, abs=0.12)
