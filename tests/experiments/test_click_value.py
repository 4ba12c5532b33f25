"""The value of a click, and of hours by it."""

import numpy as np
import pytest

from smsroi_helpers.experiments import (
    ClickValue,
    ClickValueSums,
    click_value,
    count_click_value,
    estimate_click_value,
    price_clicks,
    replicate_click_value,
)
from tests.timing.samples import PRICE


def sums(arms, messages, before=None):
    """Of arms as pairs of profit and clicks."""
    arm = np.repeat(np.arange(len(arms)), [len(y) for y, _ in arms])
    y, c = (np.concatenate(each).astype(float) for each in zip(*arms, strict=True))
    order = np.random.default_rng(0).permutation(len(y))
    x = np.zeros(len(y)) if before is None else np.concatenate(before)
    return ClickValueSums.of_members(arm[order], np.array(messages, float), y[order], c[order], x[order])


def two_arms(rng, n=4_000, noise=10.0):
    c = [rng.poisson(mean, n).astype(float) for mean in (0.5, 1.5)]
    return [(5.0 * clicked + rng.normal(20, noise, n), clicked) for clicked in c]


def test_two_arms_give_the_wald_ratio():
    arms = two_arms(np.random.default_rng(8))
    value, low, high, clicks_z = estimate_click_value([sums(arms, [0, 2])])
    (y0, c0), (y1, c1) = arms
    assert value == pytest.approx((y1.mean() - y0.mean()) / (c1.mean() - c0.mean()))
    assert low < 5 < high
    # By hand: the error of the ratio is that of y − 5c, 10·√(2/4000), over the difference in clicks, 1.
    assert (high - low) / 2 == pytest.approx(1.96 * 10 * np.sqrt(2 / 4_000), rel=0.25)
    assert clicks_z > 20


def test_three_arms_give_two_stage_least_squares():
    rng = np.random.default_rng(5)
    arms = [(rng.normal(20 + 4 * mean, 9, 3_000), rng.poisson(mean, 3_000)) for mean in (0.2, 0.9, 1.5)]
    dose = np.repeat([0.0, 1.0, 3.0], 3_000)
    y, c = (np.concatenate(each).astype(float) for each in zip(*arms, strict=True))
    fitted = np.polyval(np.polyfit(dose, c, 1), dose)
    assert estimate_click_value([sums(arms, [0, 1, 3])])[0] == pytest.approx(np.polyfit(fitted, y, 1)[0])


def test_profit_before_takes_away_the_noise_it_explains():
    rng = np.random.default_rng(3)
    arms = two_arms(rng, noise=1.0)
    habit = [rng.normal(0, 10, len(y)) for y, _ in arms]
    noisy = [(y + x, c) for (y, c), x in zip(arms, habit, strict=True)]
    plain, adjusted = (estimate_click_value([sums(noisy, [0, 2], x)]) for x in (None, habit))
    assert adjusted[1] < 5 < adjusted[2]
    assert adjusted[2] - adjusted[1] < 0.2 * (plain[2] - plain[1])  # what is left: 1/√101 of the noise
    y, c, x = (np.concatenate(each) for each in ([y for y, _ in noisy], [c for _, c in noisy], habit))
    treated = np.repeat([0.0, 1.0], 4_000)
    ols = [np.linalg.lstsq(np.column_stack([np.ones(len(x)), treated, x]), each, rcond=None)[0][1] for each in (y, c)]
    assert adjusted[0] == pytest.approx(ols[0] / ols[1], rel=0.01)  # clicks are not adjusted here


def test_tests_are_pooled_by_precision():
    rng = np.random.default_rng(1)
    precise, vague = sums(two_arms(rng, noise=4.0), [0, 1]), sums(two_arms(rng, noise=40.0), [0, 1])
    parts = [estimate_click_value([each]) for each in (precise, vague)]
    value, low, high, _ = estimate_click_value([vague, precise])
    widths = np.array([each[2] - each[1] for each in parts])
    weights = widths**-2 / (widths**-2).sum()
    assert value == pytest.approx(weights @ [each[0] for each in parts], abs=0.02)
    assert high - low == pytest.approx((widths**-2).sum() ** -0.5, rel=0.1)


def test_replicates_of_some_groups_are_those_of_their_members():
    test = sums(two_arms(np.random.default_rng(2)), [0, 1])
    half = np.arange(0, 64, 2)
    found = replicate_click_value([test], half)
    (n, y, c, *_) = test.sums[:, :, half].sum(axis=2)
    assert found[0] == pytest.approx(np.diff(y / n)[0] / np.diff(c / n)[0])
    (n, y, c, *_) = test.sums[:, :, half[1:]].sum(axis=2)
    assert found[1] == pytest.approx(np.diff(y / n)[0] / np.diff(c / n)[0])
    assert found.shape == (33,)


def test_arms_with_equal_clicks_give_no_value():
    rng = np.random.default_rng(9)
    arms = [(rng.normal(20, 10, 500), rng.poisson(1.0, 500)) for _ in range(2)]
    assert np.isnan(estimate_click_value([sums(arms, [0, 1])])[:3]).all()
    assert np.isnan(replicate_click_value([])).all()


def test_the_interval_in_money_includes_both_errors():
    exact = ClickValue(("x",), 4.0, 4.0, 4.0, 10, 9.0)
    assert price_clicks((2.0, 1.0, 3.0), exact) == pytest.approx((8.0, 4.0, 12.0))
    _, low, high = price_clicks((2.0, 1.0, 3.0), PRICE)
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
    (test,) = count_click_value(shop)
    members, _profit, clicks, *_rest = test.sums.sum(axis=2)
    assert clicks / members == pytest.approx([1, 2])  # half of 2 texts; half of 4, as far as known


def test_a_customer_of_two_tests_is_counted_once(read_once):
    """Two tests of the same 80 customers, assigned independently: 160 members, 80 customers."""
    people = [(f"c{n}", {"x": "ab"[n % 2], "y": "ab"[n // 2 % 2]}) for n in range(80)]
    messages = [
        f"{name}-{k},{name},c,2024-03-{5 + 3 * k:02d}T12:00:00,2024-03-{5 + 3 * k:02d}T12:00:00,"
        + (f"2024-03-{5 + 3 * k:02d}T12:{5 + n % 50:02d}:{n % 60:02d}" if arms[test] == "b" and n % 5 else "")
        for n, (name, arms) in enumerate(people) for k, test in enumerate("xy")
    ]  # fmt: skip
    rows = {
        "customers": ["customer_id,timezone", *(f"{name},UTC" for name, _arms in people)],
        "orders": ["order_id,customer_id,ordered_at,amount", "o,c0,2024-03-10T10:00,5"],
        "experiments": ["experiment_id,kind,control_arm,started_at,ended_at",
                        *(f"{test},frequency,a,2024-03-04,2024-03-31" for test in "xy")],
        "arms": ["experiment_id,arm,share,messages_per_week",
                 *(f"{test},{arm},0.5,{n}" for test in "xy" for n, arm in enumerate("ab", 1))],
        "assignments": ["experiment_id,customer_id,arm,assigned_at",
                        *(f"{test},{name},{arms[test]},2024-03-04" for test in "xy" for name, arms in people)],
        "messages": ["message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at", *messages],
    }  # fmt: skip
    shop = read_once(**{name: "\n".join(lines) for name, lines in rows.items()})
    assert click_value._members(shop, "xy").count().execute() == 160
    assert click_value._count_members(shop, "xy") == 80
