"""The mean of the members' values: closed forms, identities, and how members differ."""

import numpy as np
import pytest

from smsroi_helpers.cltv import LOSS_RATES, NaturalLoss
from smsroi_helpers.frequency.lifetime import Lifetime


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
