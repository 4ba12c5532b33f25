"""The value of a subscriber, compared with its formula and with customers followed until they are lost."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import subscriber_value
from smsroi_helpers.statistics import weekly_rate

WEEKS = 10


def moments(rng, n, texted, *, profit=2.0, opt_outs=0.01):
    """One arm: ten weeks; while subscribed, a texted customer brings `profit` a week more."""
    left = rng.geometric(opt_outs, n) if texted and opt_outs else np.full(n, 10**6)
    weeks = np.minimum(left, WEEKS).astype(float)
    out = (left <= WEEKS).astype(float)
    y = rng.gamma(2.0, 15.0, n) + (profit * weeks if texted else 0.0)
    return {
        "n": n, "sum_y": y.sum(), "sum_y2": (y * y).sum(), "out_sum_y": out.sum(), "out_sum_y2": out.sum(),
        "out_sum_x": weeks.sum(), "out_sum_x2": (weeks**2).sum(), "out_sum_xy": (out * weeks).sum(),
    }  # fmt: skip


def estimate(rng, n=4_000, loss=(0.01, 0.006, 0.014), **settings):
    rows = pd.DataFrame([moments(rng, n, False, **settings), moments(rng, n, True, **settings)], index=["none", "sent"])
    return subscriber_value.estimate_subscriber_value(rows, ["none"], loss, weekly_rate(0.1))


def followed(profit, opt_outs, loss, discount):
    """Discounted profit of a subscriber, week by week, until hardly anybody is left."""
    stays, value = 1.0, 0.0
    for week in range(3_000):
        value += profit * stays / (1 + discount) ** week
        stays *= (1 - opt_outs) * (1 - loss)
    return value


def test_the_value_is_that_of_subscribers_followed_until_they_are_lost():
    value, m, weekly = estimate(np.random.default_rng(1), n=400_000, loss=(0.01, 0.01, 0.01))
    assert m[0] == pytest.approx(2.0, rel=0.02)
    assert weekly[0] == pytest.approx(1 - 0.99 * 0.99, rel=0.03)
    assert value[0] == pytest.approx(followed(2.0, 0.01, 0.01, weekly_rate(0.1)), rel=0.04)


def test_opt_outs_alone_overprice_a_subscriber():
    """Without the customers who are lost in other ways, a subscriber seems to be worth nearly twice as much."""
    rng = np.random.default_rng(3)
    value, _, _ = estimate(rng, n=400_000, loss=(0.0, 0.0, 0.0))
    assert value[0] > 1.6 * followed(2.0, 0.01, 0.01, weekly_rate(0.1))
