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


def test_an_arm_whose_clicks_machines_hide_is_scaled_by_itself(read_once):
    """Arm b: 4 texts, of which 2 are opened by a machine a second after delivery; of the other 2 one is clicked."""
    rows = {
        "customers": ["customer_id,timezone", *(f"{arm}{n},UTC" for arm in "ab" for n in range(40))],
        "orders": ["order_id,customer_id,ordered_at,amount", "o,a0,2024-03-10T10:00,5"],
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at", "x,frequency,a,2024-03-04,2024-03-31"],
        "arms": ["experiment_id,arm,share,messages_per_week", "x,a,0.5,1", "x,b,0.5,2"],
        "assignments": ["experiment_id,customer_id,arm,assigned_at",
                        *(f"x,{arm}{n},{arm},2024-03-04" for arm in "ab" for n in range(40))],
    }  # fmt: skip
    messages = ["message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at"]
    for arm, texts in (("a", 2), ("b", 4)):
        for n in range(40):
            for text in range(texts):
                day = f"2024-03-{5 + 3 * text:02d}T12:0"
                machine, human = arm == "b" and text >= 2, text == 0
                clicked = f"{day}0:01" if machine else f"{day}{2 + n % 7}:{n:02d}" if human else ""
                messages.append(f"{arm}{n}-{text},{arm}{n},c,{day}0:00,{day}0:00,{clicked}")
    shop = read_once(messages="\n".join(messages), **{name: "\n".join(lines) for name, lines in rows.items()})
    counted = click_value.count_arms(shop).set_index("arm")
    assert counted.loc["a", "sum_c"] / counted.loc["a", "n"] == pytest.approx(1)  # half of 2 texts
    assert counted.loc["b", "sum_c"] / counted.loc["b", "n"] == pytest.approx(2)  # half of 4 texts, as far as known
