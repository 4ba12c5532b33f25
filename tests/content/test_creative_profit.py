"""Profit per text: what a click of each text brings, and what an opt-out costs, against known truths."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.ab_test import Prices
from smsroi_helpers.content.creative_profit import choose, draw_level, draw_lost, opt_out_cost
from smsroi_helpers.content.profit_per_click import draw_profit_per_click
from smsroi_helpers.experiments import ClickValue, SubscriberValue

PRICE, SHARE = 5.0, np.array([0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
CLICKS = np.array([0.05, 0.08, 0.04, 0.06, 0.1, 0.03])


def of_mixture(relative):
    """What a click brings, relative to a click of the mixture."""
    weight = SHARE * CLICKS / (SHARE @ CLICKS)
    return relative / (relative @ weight)


NONE = (np.zeros(6), np.zeros((6, 6)))
"""No discounts."""


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
        relative = 1 + rng.normal(0, abs(rng.normal(0, 0.1)), len(SHARE))
        earned = draw_profit(rng, relative, 0.01, scale=np.exp(rng.normal(0, 0.3)))
        draws = draw_profit_per_click(earned, NONE, CLICKS, PRICE, SHARE, rng, 1_000)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        inside.append(np.mean((low <= of_mixture(relative)) & (of_mixture(relative) <= high)))
    assert abs(np.mean(inside) - 0.95) < 0.01 + 2.5 * np.std(inside, ddof=1) / np.sqrt(len(inside))


def test_a_text_whose_clicks_bring_half_the_orders_is_found_where_there_is_little_noise():
    rng = np.random.default_rng(1)
    relative = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 1.0])
    earned = draw_profit(rng, relative, error=0.001, scale=1.0)
    draws = draw_profit_per_click(earned, NONE, CLICKS, PRICE, SHARE, rng)
    found, error = draws.mean(axis=0), draws.std(axis=0)
    assert (np.abs(found - of_mixture(relative)) < 2.5 * error).all()
    assert error[4] < 0.1
    assert found[4] < np.delete(found, 4).min() - 0.25


def test_a_discount_is_seen_where_what_a_click_earns_is_lost_in_noise():
    """A click earns g before discounts; one text gives 2.00 of it away, which orders by chance hardly blur."""
    rng = np.random.default_rng(4)
    given = np.array([0.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    weight = SHARE * CLICKS / (SHARE @ CLICKS)
    gross = PRICE + weight @ given
    error = np.diag((0.01 * CLICKS) ** 2)
    earned = draw_profit(rng, np.full(6, gross / PRICE), error=0.1)
    draws = draw_profit_per_click(earned, (CLICKS * given, error), CLICKS, PRICE, SHARE, rng)
    truth = (gross - given) / PRICE
    assert draws @ weight == pytest.approx(1)
    assert draws.mean(axis=0) == pytest.approx(truth, abs=0.08)
    assert (draws[:, 1] < 1).mean() > 0.8
    # In one sum with what is earned, the same discount is not distinguishable from noise.
    together = (earned[0] - (CLICKS * given - (CLICKS * given).mean()), earned[1])
    blurred = draw_profit_per_click(together, NONE, CLICKS, PRICE, SHARE, rng)
    assert blurred.mean(axis=0)[1] == pytest.approx(1, abs=0.08)


def test_a_discount_that_brings_orders_is_told_from_one_that_does_not():
    """Two texts give half a usual click's profit away; in one company their clicks bring 1.8 times the orders."""
    weight = SHARE * CLICKS / (SHARE @ CLICKS)
    x = np.array([0.0, 0.5, 0.0, 0.5, 0.0, 0.0])
    for pull in (0.0, 1.6):
        times = 1 + pull * x
        gross = PRICE / (weight @ (times - x))
        truth = (times - x) * gross / PRICE
        given = (CLICKS * gross * x, np.diag((0.001 * CLICKS) ** 2))
        found = []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            earned = draw_profit(rng, times * gross / PRICE, error=0.005, scale=1.0)
            found.append(draw_profit_per_click(earned, given, CLICKS, PRICE, SHARE, rng, 500).mean(axis=0))
        assert np.mean(found, axis=0) == pytest.approx(truth, abs=0.05)
        assert (truth[1] > 1) == (pull > 0)


def test_without_data_every_click_brings_the_usual():
    rng = np.random.default_rng(2)
    profit, covariance = draw_profit(rng, np.ones(len(SHARE)), error=50.0)
    draws = draw_profit_per_click((profit, covariance), NONE, CLICKS, PRICE, SHARE, rng)
    assert draws.mean(axis=0) == pytest.approx(1, abs=0.06)
    assert (draws.std(axis=0) > 0.05).all()
    assert draws @ (SHARE * CLICKS) / (SHARE @ CLICKS) == pytest.approx(1)
    nothing = draw_profit_per_click((0 * profit, 0 * covariance), NONE, CLICKS, PRICE, SHARE, rng)  # no orders
    assert (nothing == 1).all()


def test_todays_level_is_that_of_todays_events_and_the_logs_where_there_are_few():
    rng = np.random.default_rng(5)
    level = draw_level(rng, 4_000, [(300.0, 700.0), (300.0, 300.0)])
    assert level.mean() == pytest.approx(625 / 1025, rel=0.01)
    assert level.std() == pytest.approx(level.mean() / np.sqrt(625), rel=0.1)
    assert draw_level(rng, 4_000, [(0.0, 0.5)]).mean() == pytest.approx(25 / 25.5, rel=0.02)


def test_who_leaves_without_texts_is_lost_whatever_is_sent():
    """k = opt-outs without texts + readers lost + discount; not known where one of them is not."""
    subscriber = SubscriberValue("", (9.0, 8.0, 10.0), natural_loss=(0.001, 0.001, 0.001))
    prices, rng = Prices(None, subscriber), np.random.default_rng(6)
    lost = draw_lost(rng, 2_000, prices, (0.0025, 0.002, 0.003), 0.0018)
    assert lost.mean() == pytest.approx(0.0025 + 0.001 + 0.0018, rel=0.01)
    assert lost.std() == pytest.approx(0.0005 / 1.96, rel=0.1)
    assert draw_lost(rng, 10, prices, (np.nan,) * 3, 0.0018) is None
    assert draw_lost(rng, 10, Prices(None, SubscriberValue("")), (0.0025, 0.002, 0.003), 0.0018) is None


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


def a_company(*, discount=0.0, cost=0.02, scale=1):
    """Cells of one campaign and segment without chance: two texts, 64 groups, and how today's texts are answered."""
    rates = {"a": (0.10, 0.004, 0.010), "b": (0.06, 0.001, 0.006)}  # clicks, opt-outs, orders per text
    rows, n = [], 10_000 * scale
    for option, (clicks, opt_outs, orders) in enumerate(rates.values()):
        for group in range(64):
            rows.append({
                "stratum": 0, "segment": "all", "option": option, "group": group, "sent": n, "messages": n,
                "clicks": n * clicks, "orders": n * orders, "opt_outs": n * opt_outs, "cost": n * cost * (1 + option),
                "discount": n * clicks * discount * option, "order_profit": n * clicks * (5.0 - discount * option),
            })  # fmt: skip
    # Today there are half as many clicks and a quarter of the opt-outs that the log's rates predict.
    answers = pd.DataFrame({
        "segment": "all", "option": [0, 1], "delivered": 2e7, "known": 2e7,
        "clicks": [2e7 * 0.05, 2e7 * 0.03], "opt_outs": [2e7 * 0.001, 2e7 * 0.00025],
    })  # fmt: skip
    today = pd.DataFrame({"segment": "all", "option": [0, 1], "messages": [40_000, 40_000]})
    people = pd.DataFrame({"segment": ["all"], "customers": [20_000]})
    return pd.DataFrame(rows), today, people, answers


def chosen(cells, today, people, answers, leaving=(0.002,) * 3):
    subscriber = SubscriberValue("", (9.0, 8.0, 10.0), natural_loss=(0.001,) * 3)
    prices = Prices(ClickValue((), 4.0, 4.0, 4.0, 1_000, 9.0), subscriber)
    found = choose(cells, ("a", "b"), today, people, answers, 4, prices, leaving, 0.002, np.random.default_rng(1), 400)
    return found.segments[0]


def test_profit_per_text_is_that_of_its_formula():
    """clicks · value of a click − cost − opt-outs · V, with clicks and opt-outs at today's level, by hand."""
    found = chosen(*a_company())
    clicks, opt_outs, costs = np.array([0.05, 0.03]), np.array([0.001, 0.00025]), np.array([0.02, 0.04])
    assert (found.click_times, found.opt_out_times) == pytest.approx((0.5, 0.25), rel=0.01)
    sales, texts = clicks * 4.0 - costs, 1.0
    value = texts * sales / (texts * opt_outs + 0.002 + 0.001 + 0.002)
    # Effects on opt-outs are drawn towards each other a little.
    assert found.opt_out_cost[0] == pytest.approx(value.max(), rel=0.04)
    assert found.draws["profit"].mean(axis=0) == pytest.approx(sales - opt_outs * value.max(), abs=0.006)
    assert found.best == 0


def test_without_texts_more_subscribers_leave_and_an_opt_out_costs_less():
    few, many = (chosen(*a_company(), leaving=(share,) * 3) for share in (0.0, 0.01))
    assert few.opt_out_cost[0] / many.opt_out_cost[0] == pytest.approx(
        (0.001 + 0.003 + 0.01) / (0.001 + 0.003), rel=0.03
    )


def test_a_discount_makes_the_clicks_of_its_text_worth_less():
    """The second text gives 2 of the 5 that a click earns away: its profit falls by what that is of a click's value."""
    plain, reduced = (chosen(*a_company(discount=given)).draws["profit"].mean(axis=0) for given in (0.0, 2.0))
    assert reduced[1] < plain[1] - 0.02
    assert reduced[0] > plain[0]  # a click of the mixture is worth the same
