"""Profit computed from clicks and opt-outs, on customers drawn from known rates."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from smsroi_helpers.ab_test import click_profit
from smsroi_helpers.ab_test.decision_rule import adjust_p, decide_experiment, deciding_metric
from smsroi_helpers.ab_test.effects import ArmEffects, measure_effects
from smsroi_helpers.experiments import ClickValue, SubscriberValue
from tests.experiment_sources import an_experiment

CLICK = ClickValue(("dose",), 5.0, 4.0, 6.0, 10_000, 20.0)
SUBSCRIBER = SubscriberValue("standing", (8.0, 6.0, 10.0))
PRICES = click_profit.Prices(CLICK, SUBSCRIBER)
EXACT = click_profit.Prices(dataclasses.replace(CLICK, low=5.0, high=5.0), SubscriberValue("standing", (8.0, 8.0, 8.0)))
ARMS = ("a", "b")


def moments(name, y, x=None):
    found = {f"{name}__n": len(y), f"{name}__sum_y": y.sum(), f"{name}__sum_y2": (y * y).sum(), f"{name}__n_unknown": 0}
    if x is not None:
        found |= {
            f"{name}__n_known": len(x), f"{name}__sum_y_known": y.sum(), f"{name}__sum_x": x.sum(),
            f"{name}__sum_x2": (x * x).sum(), f"{name}__sum_xy": (x * y).sum(),
        }  # fmt: skip
    return found


def draw_arm(rng, n, *, clicks=1.0, opt_outs=0.05, cost=0.1, discount=0.0, per_click=5.0, messages=8.0):
    """Customers of one arm: clicks, opt-outs, cost, discounts, and profit that follows the clicks."""
    ready = rng.lognormal(-0.125, 0.5, n)
    clicked, left = rng.poisson(clicks * ready).astype(float), (rng.random(n) < opt_outs).astype(float)
    orders = rng.poisson(0.5 + 0.25 * clicked).astype(float)
    spent = rng.lognormal(2.875, 0.5, n) * orders
    paid = np.full(n, cost) * messages
    profit = spent * per_click / 5.0 - discount * orders - paid
    sent = np.full(n, messages)
    return {
        **moments("clicks", clicked, left), **moments("judged", sent, sent), **moments("cost", paid),
        **moments("sent", sent, np.full(n, 8.0)), **moments("discounts", discount * orders, orders),
        **moments("profit", profit, np.zeros(n)), **moments("order_rate", (orders > 0).astype(float), np.zeros(n)),
    }  # fmt: skip


def count(rng, n, **of_b):
    """The counts of an experiment `x` with arms a and b of n customers."""
    rows = [
        {"experiment_id": "x", "arm": arm, **draw_arm(rng, n, **changes)}
        for arm, changes in zip(ARMS, ({}, of_b), strict=True)
    ]
    return pd.DataFrame(rows)


def test_the_difference_is_clicks_and_opt_outs_at_their_prices():
    counted = count(np.random.default_rng(1), 4_000, clicks=1.2, opt_outs=0.03, cost=0.15)
    found = click_profit.measure_click_profit(an_experiment((4_000, 4_000)), counted, PRICES)
    a, b = counted.set_index("arm").loc["a"], counted.set_index("arm").loc["b"]
    more_clicks = (b["clicks__sum_y"] - a["clicks__sum_y"]) / 4_000
    fewer_left = (a["clicks__sum_x"] - b["clicks__sum_x"]) / 4_000
    row = found.find("click_profit", "b")
    assert row.difference == pytest.approx(5 * more_clicks + 8 * fewer_left - 8 * 0.05)
    assert row.method == "priced"
    assert row.low < row.difference < row.high


def test_with_exact_prices_the_error_is_that_of_one_outcome_per_customer():
    """5 · clicks − 8 · opted out − cost as one number per customer, compared by Welch: another way to the same."""
    rng = np.random.default_rng(2)
    n, values, rows = 3_000, [], []
    for arm, rate in zip(ARMS, (1.0, 1.3), strict=True):
        clicked = rng.poisson(rate, n).astype(float)
        left = (rng.random(n) < 0.02 + 0.06 * (clicked > 1)).astype(float)
        values.append(5 * clicked - 8 * left)
        sent = np.full(n, 8.0)
        rows.append({
            "experiment_id": "x", "arm": arm, **moments("clicks", clicked, left), **moments("judged", sent, sent),
            **moments("cost", 0 * sent), **moments("sent", sent, sent), **moments("discounts", 0 * sent, sent),
        })  # fmt: skip
    row = click_profit.measure_click_profit(an_experiment((n, n)), pd.DataFrame(rows), EXACT).find("click_profit", "b")
    error = np.sqrt(sum(value.var(ddof=1) / n for value in values))
    assert row.difference == pytest.approx(values[1].mean() - values[0].mean())
    assert row.standard_error == pytest.approx(error, rel=1e-9)
    assert (row.high - row.low) / 2 == pytest.approx(1.96 * error, rel=0.01)


def draw_previewed(rng, n, *, share):
    """Eight texts a customer, one in ten clicked; a share of customers have a phone that opens links by itself.

    Nobody knows whether they click: their texts are not judged.
    """
    clicked, sent = rng.binomial(8, 0.1, n).astype(float), np.full(n, 8.0)
    seen = (rng.random(n) >= share).astype(float)
    left = (rng.random(n) < 0.05).astype(float)
    return {
        **moments("clicks", clicked * seen, left), **moments("judged", sent, sent * seen), **moments("cost", 0 * sent),
        **moments("sent", sent, sent), **moments("discounts", 0 * sent, sent),
    }  # fmt: skip


def test_previews_in_one_arm_do_not_count_against_it():
    """The arms are alike, but half of one arm's texts are opened by machines: at 5 a click, once 2 a customer."""
    rng, n = np.random.default_rng(6), 2_000
    found = []
    for _ in range(200):
        rows = [
            {"experiment_id": "x", "arm": arm, **draw_previewed(rng, n, share=share)}
            for arm, share in zip(ARMS, (0.02, 0.5), strict=True)
        ]
        found.append(click_profit.measure_click_profit(an_experiment((n, n)), pd.DataFrame(rows), EXACT).rows[1])
    differences = np.array([row.difference for row in found])
    assert abs(differences.mean()) < 4 * differences.std(ddof=1) / np.sqrt(len(found))
    held = np.mean([row.low <= 0 <= row.high for row in found])
    assert held >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / len(found))


def test_it_needs_far_fewer_customers_than_profit_itself():
    """A tenth more clicks: shown by clicks in nearly every experiment, by profit in few."""
    rng = np.random.default_rng(4)
    shown = {"profit": 0, "click_profit": 0}
    for _ in range(40):
        counted = count(rng, 2_000, clicks=1.15)
        experiment = an_experiment((2_000, 2_000), state="ended")
        for found in (
            measure_effects(experiment, counted, ("profit",)),
            click_profit.measure_click_profit(experiment, counted, PRICES),
        ):
            shown[found.rows[0].metric] += found.rows[1].low > 0
    assert shown["click_profit"] >= 33
    assert shown["profit"] <= 23


def test_a_text_that_fewer_leave_at_equal_profit_is_a_recommendation():
    """Opt-outs 12 % instead of 20 %, clicks alike: worth 8 · 8 points = 0.64 a customer."""
    rng = np.random.default_rng(5)
    rows = [
        {"experiment_id": "x", "arm": arm, **draw_arm(rng, 3_000, opt_outs=rate)}
        for arm, rate in zip(ARMS, (0.2, 0.118), strict=True)
    ]
    decision = _decide(an_experiment((3_000, 3_000), state="ended"), pd.DataFrame(rows))
    assert (decision.outcome, decision.metric) == ("ship", "click_profit")
    assert decision.low <= 8 * 0.082 <= decision.high


def _decide(experiment, counted, prices=PRICES, **settings):
    validity = type("V", (), {"broken": False, "control_treated_too": True})()
    effects = ArmEffects(experiment.control, (
        *measure_effects(experiment, counted, ("profit", "order_rate")),
        *click_profit.measure_click_profit(experiment, counted, prices),
    ))  # fmt: skip
    settings = {"smallest_gain": 0.0, "opt_out_margin": 0.002, "subscriber": SUBSCRIBER.value, **settings}
    return decide_experiment(experiment, validity, adjust_p(experiment, effects), **settings)


def test_a_discount_is_paid_for():
    """Three tenths more clicks at 5 each bring 1.5; 4 less on each of .83 orders cost 3.3: not worth it."""
    counted = count(np.random.default_rng(6), 3_000, clicks=1.3, discount=4.0)
    row = click_profit.measure_click_profit(an_experiment((3_000, 3_000)), counted, PRICES).find("click_profit", "b")
    assert row.high < 0
    without = counted.assign(discounts__sum_y=0.0, discounts__sum_y2=0.0, discounts__sum_xy=0.0)
    ignored = click_profit.measure_click_profit(an_experiment((3_000, 3_000)), without, PRICES)
    assert ignored.find("click_profit", "b").low > 0  # what would be said if the discount were not counted


def test_a_discount_that_sells_more_per_click_is_not_charged_against_clicks():
    """As many clicks, 1 off each order, and three times as much earned per order: profit itself rises."""
    counted = count(np.random.default_rng(7), 3_000, discount=1.0, per_click=15.0)
    experiment = an_experiment((3_000, 3_000), state="ended")
    row = click_profit.measure_click_profit(experiment, counted, PRICES).find("click_profit", "b")
    itself = measure_effects(experiment, counted, ("profit",)).find("profit", "b")
    opt_outs = counted.set_index("arm")["clicks__sum_x"] / 3_000
    assert row.difference == pytest.approx(itself.difference - 8 * (opt_outs["b"] - opt_outs["a"]))
    assert row.low > 0
    assert row.high - row.low >= itself.high - itself.low
    assert row.standard_error >= itself.standard_error
    assert click_profit.customer_weights(experiment, counted, PRICES, "b") is None


@pytest.mark.parametrize(
    ("changes", "kind", "prices", "reason"),
    [
        ({}, "content", PRICES, ""),
        ({}, "timing", PRICES, ""),
        ({}, "frequency", PRICES, "kind"),
        ({"messages": 9.0}, "content", PRICES, "messages_differ"),
        ({}, "content", click_profit.Prices(ClickValue((), *[np.nan] * 3, 0, np.nan, "weak"), SUBSCRIBER),
         "no_click_value"),
        ({}, "content", click_profit.Prices(dataclasses.replace(CLICK, estimate=-1.0), SUBSCRIBER), "no_click_value"),
    ],
)  # fmt: skip
def test_where_clicks_cannot_be_priced_it_says_why(changes, kind, prices, reason):
    counted = count(np.random.default_rng(7), 500, **changes)
    experiment = dataclasses.replace(an_experiment((500, 500)), kind=kind)
    assert click_profit.why_not_priced(experiment, counted, prices) == reason


def test_clicks_that_bring_nothing_are_contradicted_by_the_orders():
    """Twice the clicks whose orders bring a quarter: profit itself shows the opposite."""
    rng = np.random.default_rng(8)
    experiment = an_experiment((6_000, 6_000))
    for of_b, contradicted in (({"clicks": 2.0}, False), ({"clicks": 2.0, "per_click": 0.5}, True)):
        counted = count(rng, 6_000, **of_b)
        effects = ArmEffects("a", (
            *measure_effects(experiment, counted, ("profit",)),
            *click_profit.measure_click_profit(experiment, counted, PRICES),
        ))  # fmt: skip
        assert click_profit.contradicted(effects, ("b",)) is contradicted


def test_what_is_detectable_is_not_less_than_the_interval_says():
    """More clicks and more opt-outs balance, each at a price known badly: the interval is wider than by sampling."""
    counted = count(np.random.default_rng(5), 20_000, clicks=1.2, opt_outs=0.17)
    rough, exact = (
        _decide(an_experiment((20_000, 20_000), state="ended"), counted, prices) for prices in (PRICES, EXACT)
    )
    assert rough.outcome == "keep_running"
    half = (rough.high - rough.low) / 2
    assert rough.detectable == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * half / norm.ppf(0.975), rel=1e-3)
    assert exact.detectable < 0.7 * rough.detectable


def test_more_customers_do_not_make_prices_better_known():
    """`needed` customers detect the gain wanted: their sampling error with the prices' error, which stays."""
    counted = count(np.random.default_rng(5), 20_000, clicks=1.2, opt_outs=0.17)
    experiment = an_experiment((20_000, 20_000), state="ended")
    near = _decide(experiment, counted, PRICES, smallest_gain=0.0)
    unit = norm.ppf(0.975) + norm.ppf(0.8)
    error = click_profit.measure_click_profit(experiment, counted, PRICES).find("click_profit", "b").standard_error
    of_prices = np.sqrt((near.detectable / unit) ** 2 - error**2)
    distance = near.wanted * experiment.weeks / unit
    assert distance > of_prices
    assert error * np.sqrt(40_000 / near.needed) == pytest.approx(np.sqrt(distance**2 - of_prices**2), rel=1e-3)
    vague = dataclasses.replace(PRICES, click=dataclasses.replace(CLICK, low=-5.0, high=15.0))
    assert np.isnan(_decide(experiment, counted, vague).needed)


def test_the_registered_metric_decides():
    counted = count(np.random.default_rng(9), 2_000, clicks=1.3)
    experiment = an_experiment((2_000, 2_000), state="ended")
    effects = ArmEffects("a", (
        *measure_effects(experiment, counted, ("profit", "order_rate")),
        *click_profit.measure_click_profit(experiment, counted, PRICES),
    ))  # fmt: skip
    named = dataclasses.replace(experiment, primary="order_rate")
    assert deciding_metric(experiment, effects) == "click_profit"
    assert deciding_metric(named, effects) == "order_rate"


def test_without_a_known_value_opt_outs_are_guarded_not_priced():
    """Half of b leaves: priced, that is a loss; unpriced, the margin stops it."""
    counted = count(np.random.default_rng(10), 2_000, clicks=1.3, opt_outs=0.5)
    unknown = click_profit.Prices(CLICK, SubscriberValue("", reason="no_test"))
    experiment = an_experiment((2_000, 2_000))
    priced = click_profit.measure_click_profit(experiment, counted, PRICES).find("click_profit", "b")
    alone = click_profit.measure_click_profit(experiment, counted, unknown).find("click_profit", "b")
    assert priced.high < 0 < alone.low


def test_unknown_message_costs_leave_profit_before_them():
    counted = count(np.random.default_rng(11), 2_000, clicks=1.2)
    experiment = an_experiment((2_000, 2_000))
    known = click_profit.measure_click_profit(experiment, counted, PRICES).find("click_profit", "b")
    cells = {name: 0.0 for name in counted.columns if name.startswith("cost__")}
    unknown = click_profit.measure_click_profit(experiment, counted.assign(**cells), PRICES).find("click_profit", "b")
    assert unknown.difference == pytest.approx(known.difference)  # both arms cost the same


def test_the_page_names_both_estimates(evaluated):
    """The demo's content test: the sentence has the modelled profit and, beside it, profit as measured."""
    found = [each for each in evaluated if each.experiment.kind == "content"]
    assert found
    for each in found:
        assert each.not_priced in ("", "no_click_value", "contradicted", "messages_differ")
        assert (each.decision.metric == "click_profit") == (each.not_priced == "")
