"""Policies of fifths: values by hand, the choice on the other half, and the errors of prices."""

import numpy as np
import pytest

from smsroi_helpers.ab_test.gain_curve import DEPTHS, Curves, Estimate, Policy, choose_fifths, compare_policy, qini

RISING, FALLING = DEPTHS.copy(), np.minimum(DEPTHS, 0.4) - np.maximum(DEPTHS - 0.4, 0)


def exact(curve):
    return curve, np.repeat(curve[None], 64, axis=0)


def test_the_number_of_fifths_is_chosen_on_the_other_half():
    policy = compare_policy(Curves((exact(RISING), exact(FALLING))), [RISING, FALLING])
    assert (choose_fifths(RISING), choose_fifths(FALLING)) == (4, 2)
    assert policy.over_none.value == pytest.approx((RISING[39] + FALLING[79]) / 2)
    assert policy.over_everybody.value == pytest.approx((0.4 - 1.0 + 0.0 + 0.2) / 2)


def test_a_policy_must_beat_both_nobody_and_everybody():
    strong, weak, below = Estimate(5.0, 1.0), Estimate(2.0, 1.0), Estimate(-5.0, 1.0)
    assert Policy(2, strong, weak).p_value == pytest.approx(weak.p_value)
    assert Policy(2, below, strong).p_value == 1.0


def test_the_error_of_a_price_adds_to_that_of_the_customers():
    rng = np.random.default_rng(1)
    n = 2_000
    place, treated, group = (rng.permutation(n) + 0.5) / n, rng.integers(0, 2, n), rng.integers(0, 64, n)
    clicks = rng.poisson(0.2 + 0.1 * treated).astype(float)
    part, priced = qini(place, treated, 5 * clicks, group), qini(place, treated, clicks, group)
    last = [lambda curve: curve[..., -1]]
    alone, both = (Curves((part,), p).estimate(last) for p in ((), ((0.7, (priced,)),)))
    assert both.value == pytest.approx(alone.value)
    assert both.error == pytest.approx(np.hypot(alone.error, 0.7 * priced[0][-1]))
