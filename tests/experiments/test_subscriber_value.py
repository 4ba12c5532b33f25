"""The value of a subscriber, compared with its formula and with customers followed until they are lost."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.experiments import subscriber_value
from smsroi_helpers.statistics import weekly_rate
from tests.experiment_sources import END, ONE_FAULT_EACH, START, write_tests

WEEKS = 10


def moments(rng, n, texted, *, profit=2.0, opt_outs=0.01, spread=0.0):
    """One arm: ten weeks; while subscribed, a texted customer brings `profit` a week more.

    Customers opt out at `opt_outs` a week times a gamma variable with mean 1 and this standard deviation.
    """
    rates = opt_outs * (rng.gamma(spread**-2, spread**2, n) if spread else np.ones(n))
    left = rng.geometric(np.clip(rates, 1e-9, 1.0)) if texted and opt_outs else np.full(n, 10**6)
    weeks = np.minimum(left, WEEKS).astype(float)
    out = (left <= WEEKS).astype(float)
    clicks = rng.binomial(weeks.astype(int), 0.1).astype(float)
    y = rng.gamma(2.0, 15.0, n) + (profit * weeks if texted else 0.0)
    return {
        "n": n, "sum_y": y.sum(), "sum_y2": (y * y).sum(), "out_sum_y": out.sum(), "out_sum_y2": out.sum(),
        "out_sum_x": weeks.sum(), "out_sum_x2": (weeks**2).sum(), "out_sum_xy": (out * weeks).sum(),
        "early_opt_outs": (left <= WEEKS / 2).sum(), "clicks": clicks.sum(), "messages": weeks.sum(),
            "leaver_clicks": clicks @ out, "leaver_messages": weeks @ out,
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
    found = estimate(np.random.default_rng(1), n=400_000, loss=(0.01, 0.01, 0.01))
    assert found.weekly_profit[0] == pytest.approx(2.0, rel=0.02)
    assert found.weekly_loss[0] == pytest.approx(1 - 0.99 * 0.99, rel=0.03)
    truth = followed(2.0, 0.01, 0.01, weekly_rate(0.1))
    assert found.value[1] < truth < found.value[2]
    # One arm alone does not rule out that members differ, in which case they are worth more.
    assert truth < found.value[0] < 1.1 * truth


def test_members_who_differ_are_worth_more_than_one_with_their_mean_rate():
    found = estimate(np.random.default_rng(2), n=400_000, loss=(0.002,) * 3, opt_outs=0.02, spread=1.0)
    rates = 0.02 * np.random.default_rng(3).gamma(1.0, 1.0, 200_000)
    truth = (2.0 / (1 - (1 - np.minimum(rates, 1.0)) * 0.998 / (1 + weekly_rate(0.1)))).mean()
    assert truth > 1.5 * followed(2.0, 0.02, 0.002, weekly_rate(0.1))
    assert found.value[1] < truth < found.value[2]


def test_opt_outs_alone_overprice_a_subscriber():
    """Without the customers who are lost in other ways, a subscriber seems to be worth nearly twice as much."""
    rng = np.random.default_rng(3)
    found = estimate(rng, n=400_000, loss=(0.0, 0.0, 0.0))
    assert found.value[0] > 1.6 * followed(2.0, 0.01, 0.01, weekly_rate(0.1))


def test_the_weeks_of_who_remains_add_up_to_the_value():
    found = estimate(np.random.default_rng(2), n=40_000, opt_outs=0.02, spread=1.0)
    discounted = found.remaining(3_000) / (1 + weekly_rate(0.1)) ** np.arange(3_001)
    assert discounted.sum() == pytest.approx(found.value[0] / found.weekly_profit[0], rel=0.05)  # one draw in eighty
    assert found.remaining(2)[0] == 1
    alike = subscriber_value.SubscriberValue("x", weekly_loss=(0.05, 0.04, 0.06))
    assert alike.remaining(2) == pytest.approx([1, 0.95, 0.9025])


def test_opt_outs_without_texts_are_those_of_untreated_arms(make_source, open_source):
    """By hand from the source: opt-outs ÷ weeks subscribed, of the arms that get no texts in both tests together."""
    one, two = ({**ONE_FAULT_EACH["standing"], "opt_outs": {"a": share, "b": 0.2}} for share in (0.01, 0.03))
    folder = write_tests(make_source, one=one, two=two)
    people, assigned = (pd.read_csv(folder / f"{name}.csv") for name in ("customers", "assignments"))
    untreated = people[people["customer_id"].isin(assigned.loc[assigned["arm"] == "a", "customer_id"])]
    left = pd.to_datetime(untreated["opted_out_at"])
    weeks = (left.fillna(pd.Timestamp(END)) - pd.Timestamp(START)).dt.total_seconds().sum() / (7 * 86_400)
    rate, low, high = subscriber_value.find_opt_outs_without_texts(open_source(folder))
    assert left.notna().sum() == 20 + 60
    assert rate == pytest.approx(80 / weeks, rel=1e-6)
    assert (high - low) / 2 == pytest.approx(1.96 * rate / np.sqrt(80), rel=0.03)


@pytest.mark.parametrize("name", ["doses-above-one", "clear"])
def test_opt_outs_without_texts_are_unknown_where_everybody_is_texted(make_source, open_source, name):
    shop = open_source(write_tests(make_source, test=ONE_FAULT_EACH[name]))
    assert np.isnan(subscriber_value.find_opt_outs_without_texts(shop)).all()
