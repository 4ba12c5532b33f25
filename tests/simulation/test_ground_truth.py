"""The truth of a simulated company: the closed form against chance, and against what its words say."""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from smsroi_helpers.simulation import ground_truth
from smsroi_helpers.simulation.ground_truth import (
    CREATIVES,
    FREQUENCIES,
    HOUR_SHIFTS,
    HOURS,
    RANGES,
    SEGMENTS,
    best_policy,
    draw_world,
    expected,
)


@pytest.fixture(scope="module")
def world():
    return draw_world(11)


def test_effects_are_drawn_anew_by_seed_within_their_ranges():
    drawn = [draw_world(seed) for seed in range(40)]
    for name, ranges in RANGES.items():
        values = np.array([np.atleast_1d(getattr(world, name)) for world in drawn])
        if name == "share":
            np.testing.assert_allclose(values.sum(axis=1), 1)
            continue
        low, high = np.array(ranges).T
        assert ((values >= low) & (values <= high)).all(), name
        assert (np.ptp(values, axis=0) > 0.8 * (high - low)).all(), name  # 40 draws reach 0.8 of a range but in 1/1,000
    assert max(world.buys_more().max() for world in drawn) < 0.6  # probabilities, whatever is drawn
    assert max(expit(world.attention_logit()).max() * 1.5 for world in drawn) < 1


def test_the_same_seed_gives_the_same_company(world):
    again = draw_world(11)
    for field in dataclasses.fields(world):
        np.testing.assert_array_equal(getattr(world, field.name), getattr(again, field.name))


def test_a_policy_s_worth_is_what_a_game_of_chance_pays(world):
    """A million customers of one segment play one week of two messages: clicks, orders, opt-outs and money."""
    rng = np.random.default_rng(5)
    n, s, texts_per_week, hour, weekday, creative = 1_000_000, 1, 2, 13, 4, 2
    market = rng.choice(2, n, p=ground_truth.MARKET_SHARES)
    shift = rng.choice(3, n, p=ground_truth.HOUR_SHIFT_SHARES)
    bad = rng.random(n) < world.bad_numbers[s]
    response_probability = np.empty(n)
    for k, hours in enumerate(HOUR_SHIFTS):
        angle = 2 * np.pi * (hour - hours - world.best_hour[s]) / 24
        eta = (
            np.log(world.attention[s] / (1 - world.attention[s])) + world.hour_strength[s] * np.cos(angle)
            + world.second_strength[s] * np.cos(2 * angle) + world.weekday[s, weekday] + world.creative[s, creative]
            - world.fatigue[s] * (texts_per_week - 1)
        )  # fmt: skip
        response_probability[shift == k] = 1 / (1 + np.exp(-eta))
    base = np.log(world.opt_out[s] / (1 - world.opt_out[s])) + world.creative_opt_out[creative]
    opt_out_probability = 1 / (1 + np.exp(-base - world.opt_out_fatigue[s] * (texts_per_week - 1)))
    money, opted_out, delivered, responded, orders = np.zeros(n), np.zeros(n, bool), 0, 0, 0
    for _ in range(texts_per_week):
        delivered_now = ~bad & (rng.random(n) >= world.not_delivered)
        responds_now = delivered_now & (rng.random(n) < response_probability)
        buys = responds_now & (rng.random(n) < world.order_share[s] * np.exp(world.discount_pull * 0.2))
        value = world.mean_value[s] * rng.exponential(1.0, n)
        back = np.where(rng.random(n) < world.refunds, rng.choice([0.5, 1.0], n), 0.0)
        paid = value * 0.8
        money += np.where(buys, world.margin * value - 0.2 * value - world.margin * back * paid, 0.0)
        money -= 0.015 * np.array([CREATIVES[creative].billing_segments(m) for m in range(2)])[market]
        opted_out |= delivered_now & (rng.random(n) < opt_out_probability)
        delivered, responded, orders = (
            delivered + delivered_now.sum(),
            responded + responds_now.sum(),
            orders + buys.sum(),
        )
    truth = expected(world, s, texts_per_week=texts_per_week, hour=hour, weekday=weekday, creative=creative)

    def assert_close(observed, predicted, error):
        assert abs(observed - predicted) < 4 * error, (observed, predicted, error)

    assert_close(
        responded / delivered * world.click_share[s],
        truth.click_rate,
        world.click_share[s] * np.sqrt(responded) / delivered,
    )
    assert_close(orders / delivered, truth.order_rate, np.sqrt(orders) / delivered)
    assert_close(opted_out.mean(), truth.opt_out_per_week, np.sqrt(opted_out.mean() / n))
    assert_close(money.mean(), truth.profit_per_week, money.std() / np.sqrt(n))
    assert_close(opt_out_probability, truth.opt_out_rate, 1e-12)
    assert truth.orders_per_week == pytest.approx(
        texts_per_week * (1 - world.bad_numbers[s]) * (1 - world.not_delivered) * truth.order_rate
    )


def test_the_long_run_is_the_sum_of_its_weeks(world):
    truth = expected(world, 0, texts_per_week=2, hour=12)
    stays = (1 - truth.opt_out_per_week) * (1 - world.weekly_loss[0]) / (1 + world.weekly_discount)
    weeks = np.arange(20_000)
    assert truth.long_run_profit == pytest.approx((truth.profit_per_week * stays**weeks).sum(), rel=1e-9)
    assert (1 + world.weekly_discount) ** (365.25 / 7) == pytest.approx(1.1)


def test_what_is_not_named_is_averaged(world):
    by_day = expected(world, 2, texts_per_week=1, hour=9, weekday=np.arange(7), creative=3)
    assert expected(world, 2, texts_per_week=1, hour=9, creative=3).order_rate == pytest.approx(
        by_day.order_rate.mean()
    )
    by_text = expected(world, 2, texts_per_week=1, hour=9, creative=np.arange(len(CREATIVES)))
    assert expected(world, 2, texts_per_week=1, hour=9).profit_per_week == pytest.approx(by_text.profit_per_week.mean())
    by_shift = expected(world, 2, texts_per_week=1, hour=9, creative=3, hour_shift=np.arange(3)).click_rate
    assert expected(world, 2, texts_per_week=1, hour=9, creative=3).click_rate == pytest.approx(
        by_shift @ ground_truth.HOUR_SHIFT_SHARES
    )


def test_the_best_policy_is_the_best_of_those_tested(world):
    best = best_policy(world)
    grid = np.meshgrid(np.arange(len(SEGMENTS)), FREQUENCIES, HOURS, np.arange(len(CREATIVES)), indexing="ij")
    values = expected(world, grid[0], texts_per_week=grid[1], hour=grid[2], creative=grid[3]).long_run_profit
    np.testing.assert_allclose(best["long_run_profit"], values.max(axis=(1, 2, 3)))
    short = best_policy(world, "profit_per_week")
    assert (short["dose"] >= best["dose"]).all()
    assert (short["dose"] > best["dose"]).any()


def test_where_messages_cause_nothing_every_policy_is_worth_nothing():
    null = draw_world(3, null=True)
    grid = np.meshgrid(np.arange(4), FREQUENCIES, np.arange(24), np.arange(len(CREATIVES)), indexing="ij")
    truth = expected(null, grid[0], texts_per_week=grid[1], hour=grid[2], creative=grid[3])
    for name in ("order_rate", "opt_out_rate", "profit_per_week", "opt_out_per_week", "long_run_profit"):
        assert not np.any(getattr(truth, name)), name
    assert np.ptp(truth.click_rate, axis=(1, 2, 3)).max() < 1e-12  # clicks come, at one rate whatever is done


def test_a_text_is_billed_by_its_signs():
    billed = {c.variant: tuple(c.billing_segments(m) for m in range(2)) for c in CREATIVES}
    assert billed["new_in"] == (1, 1)
    assert len(CREATIVES[3].texts[1]) > 70
    assert billed["festival"][1] == 2
    assert not CREATIVES[-1].texts[0].isascii()
    assert billed["service"][0] == 2


def test_the_season_has_weekends_and_a_rush_before_the_year_s_end(world):
    pace = ground_truth.season(world, dt.date(2025, 6, 30), 364)
    by_weekday = pace.reshape(52, 7).mean(axis=0)
    assert by_weekday[5:].min() > by_weekday[:5].max()
    assert pace[150:170].mean() > 1.3 * pace[0:20].mean()


def test_truth_can_be_read_back(tmp_path, world):
    ground_truth.write_truth(world, pd.DataFrame({"segment": SEGMENTS}), {"customers": 9}, tmp_path / "truth.json")
    again = ground_truth.read_truth(tmp_path)
    for field in dataclasses.fields(world):
        np.testing.assert_array_equal(getattr(world, field.name), getattr(again, field.name))
