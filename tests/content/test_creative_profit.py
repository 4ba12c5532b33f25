"""Profit per text: what a click of each text brings, and what an opt-out costs, against known truths."""

import numpy as np
import pytest

from smsroi_helpers.content.creative_profit import opt_out_cost
from smsroi_helpers.content.profit_per_click import draw_profit_per_click

PRICE, SHARE = 5.0, np.array([0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
CLICKS = np.array([0.05, 0.08, 0.04, 0.06, 0.1, 0.03])


def of_mixture(relative):
    """Relative to the mixture's clicks."""
    weight = SHARE * CLICKS / (SHARE @ CLICKS)
    return relative + 1 - relative @ weight


def draw_profit(rng, relative, error, scale=1.2):
    """Attributed profit per text beside the mean of the texts, with sampling error, and its covariance."""
    centre = np.eye(len(SHARE)) - 1 / len(SHARE)
    covariance = centre @ np.diag(error**2 / SHARE) @ centre
    profit = centre @ (scale * PRICE * CLICKS * relative + rng.normal(0, error / np.sqrt(SHARE)))
    return profit, covariance


def test_what_a_click_brings_is_covered_over_texts_drawn_from_the_model():
    inside = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        relative = 1 + rng.normal(0, rng.uniform(0, 0.8), len(SHARE))
        profit, covariance = draw_profit(rng, relative, 0.01, scale=np.exp(rng.normal(0, 0.3)))
        draws = draw_profit_per_click(profit, covariance, CLICKS, PRICE, SHARE, rng, 1_000)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        inside.append(np.mean((low <= of_mixture(relative)) & (of_mixture(relative) <= high)))
    assert abs(np.mean(inside) - 0.95) < 0.01 + 2.5 * np.std(inside, ddof=1) / np.sqrt(len(inside))


def test_a_discount_that_brings_no_more_orders_halves_what_its_clicks_bring():
    rng = np.random.default_rng(1)
    relative = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 1.0])
    profit, covariance = draw_profit(rng, relative, error=0.001, scale=1.0)
    draws = draw_profit_per_click(profit, covariance, CLICKS, PRICE, SHARE, rng)
    found, error = draws.mean(axis=0), draws.std(axis=0)
    assert (np.abs(found - of_mixture(relative)) < 2.5 * error).all()
    assert error[4] < 0.1
    assert found[4] < np.delete(found, 4).min() - 0.25


def test_without_data_every_click_brings_the_usual():
    rng = np.random.default_rng(2)
    profit, covariance = draw_profit(rng, np.ones(len(SHARE)), error=50.0)
    draws = draw_profit_per_click(profit, covariance, CLICKS, PRICE, SHARE, rng)
    assert draws.mean(axis=0) == pytest.approx(1, abs=0.06)
    assert (draws.std(axis=0) > 0.1).all()
    assert draws @ (SHARE * CLICKS) / (SHARE @ CLICKS) == pytest.approx(1)
    nothing = draw_profit_per_click(0 * profit, 0 * covariance, CLICKS, PRICE, SHARE, rng)  # no orders
    assert (nothing == 1).all()


def test_the_text_with_the_highest_profit_has_the_highest_long_run_value():
    """V = τ p ÷ (τ o + k), over many pairs of texts; priced at the value of the mixture, some choices are wrong."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _case in range(200):
        sales, opt_outs = rng.uniform(0.1, 0.5, (1, 4)), rng.uniform(0.001, 0.02, (1, 4))
        texts, lost = rng.uniform(0.5, 4), np.array([0.003])
        value = texts * sales / (texts * opt_outs + lost)
        cost = opt_out_cost(sales, opt_outs, texts, lost)
        assert cost == pytest.approx(value.max())
        assert (sales - opt_outs * cost).argmax() == value.argmax()
        of_mean = texts * sales.mean() / (texts * opt_outs.mean() + lost)
        wrong += int((sales - opt_outs * of_mean).argmax() != value.argmax())
    assert wrong > 10


def test_an_opt_out_costs_nothing_where_its_value_is_not_known_or_texts_lose_money():
    sales, opt_outs, lost = np.full((3, 2), 0.2), np.full((3, 2), 0.01), np.full(3, 0.003)
    assert (opt_out_cost(sales, opt_outs, 1.0, None) == 0).all()
    assert (opt_out_cost(sales, opt_outs, 0.0, lost) == 0).all()
    assert (opt_out_cost(np.nan * sales, opt_outs, 1.0, lost) == 0).all()
    assert (opt_out_cost(-sales, opt_outs, 1.0, lost) == 0).all()
