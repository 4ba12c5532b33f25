"""The cash of a tested change, week by week, by hand."""

import dataclasses

import numpy as np
import pytest

from smsroi_helpers.ab_test.cash import trace_cash
from smsroi_helpers.ab_test.click_profit import Prices
from smsroi_helpers.ab_test.effects import UNKNOWN, ArmEffect
from smsroi_helpers.experiments import ClickValue, SubscriberValue

SUBSCRIBER = SubscriberValue("standing", (8.0, 6.0, 10.0), (0.4, 0.3, 0.5), (0.05, 0.04, 0.06))
PRICES = Prices(ClickValue(("dose",), 5.0, 4.0, 6.0, 10_000, 20.0), SUBSCRIBER)


def opt_outs(difference, half=0.01):
    row = ArmEffect(metric="opt_out_rate", segment="all", arm="b", customers=1_000, events=100, mean=0.1,
                    method="rates", reason="", **UNKNOWN)  # fmt: skip
    return dataclasses.replace(row, difference=difference, low=difference - half, high=difference + half)


def test_subscribers_kept_pay_back_what_the_test_cost():
    """100 opt-outs fewer of 1,000 customers: each brings 0.40 a week, and 5 % of them are lost each week."""
    found = trace_cash((-150.0, -250.0, -50.0), 4.0, 1_000, opt_outs(-0.1), PRICES)
    expected, left, cash = {4: -150.0}, 100.0, -150.0
    for week in range(5, 20):
        cash += 0.4 * left
        left *= 0.95
        expected[week] = cash
    for week, value in expected.items():
        assert found.by_week[week - 4, :2] == pytest.approx([week, value])
    by_hand = min(week for week, value in expected.items() if value >= 0)
    assert found.break_even == by_hand == 9  # 40 + 38 + 36.1 + 34.3 = 148.4 after four weeks, 180.9 after five
    assert (found.by_week[:, 2] <= found.by_week[:, 1]).all()
    assert (found.by_week[:, 3] >= found.by_week[:, 1]).all()


def test_subscribers_who_hardly_ever_leave_go_on_paying():
    """Of 100 kept, half leave at 10 % a week and half never: 0.40 · (50 + 50), then 0.40 · (45 + 50)."""
    differ = dataclasses.replace(PRICES, subscriber=dataclasses.replace(SUBSCRIBER, losses=(0.1, 0.0)))
    found = trace_cash((0.0, -1.0, 1.0), 4.0, 1_000, opt_outs(-0.1), differ)
    assert found.by_week[:3, 1] == pytest.approx([0.0, 40.0, 78.0])


def test_what_subscribers_never_pay_back_has_no_break_even():
    # 0.40 a week for 20 weeks on average is at most 8 each: 800 in all.
    assert np.isnan(trace_cash((-900.0, -950.0, -850.0), 4.0, 1_000, opt_outs(-0.1), PRICES).break_even)


def test_without_opt_outs_or_prices_there_is_no_curve():
    for given in ((None, PRICES), (opt_outs(-0.1), None), (opt_outs(np.nan), PRICES)):
        found = trace_cash((-1.0, -2.0, 0.0), 4.0, 1_000, *given)
        assert (len(found.by_week), np.isnan(found.break_even)) == (0, True)
