"""The value of a click, and of hours by it."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import click_value
from tests.timing.samples import PRICE


def moments(arms):
    rows = [(len(y), y.sum(), c.sum(), (y * y).sum(), (c * c).sum(), (y * c).sum()) for y, c in arms]
    return pd.DataFrame(rows, columns=["n", "sum_y", "sum_c", "sum_y2", "sum_c2", "sum_yc"])


def test_two_arms_give_the_wald_ratio():
    rng = np.random.default_rng(8)
    c = [rng.poisson(mean, 4_000).astype(float) for mean in (0.5, 1.5)]
    y = [5.0 * clicked + rng.normal(20, 10, len(clicked)) for clicked in c]
    value, low, high, clicks_z = click_value.estimate_click_value(moments(list(zip(y, c, strict=True))), [0, 2])
    assert value == pytest.approx((y[1].mean() - y[0].mean()) / (c[1].mean() - c[0].mean()))
    assert low < 5 < high
    # By hand: the error of the ratio is that of y − 5c, 10·√(2/4000), over the difference in clicks, 1.
    assert (high - low) / 2 == pytest.approx(1.96 * 10 * np.sqrt(2 / 4_000), rel=0.1)
    assert clicks_z > 20


def test_arms_with_equal_clicks_give_no_value():
    rng = np.random.default_rng(9)
    arms = [(rng.normal(20, 10, 500), rng.poisson(1.0, 500).astype(float)) for _ in range(2)]
    value, low, high, _ = click_value.estimate_click_value(moments(arms), [0, 1])
    assert np.isnan([value, low, high]).all()


def test_the_interval_in_money_includes_both_errors():
    exact = click_value.ClickValue("x", 4.0, 4.0, 4.0, 10, 9.0)
    assert click_value.price_clicks((2.0, 1.0, 3.0), exact) == pytest.approx((8.0, 4.0, 12.0))
    _, low, high = click_value.price_clicks((2.0, 1.0, 3.0), PRICE)
    assert 0 < low < 4.0
    assert high > 12.0
    # First order: relative errors add in squares, √(.5² + .25²) = .559.
    assert (high - low) / 2 / 8.0 == pytest.approx(0.559, rel=0.1)
