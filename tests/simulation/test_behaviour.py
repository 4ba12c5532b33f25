"""Customers as they are by themselves, and the calendar they share."""

import datetime as dt
import zoneinfo

import numpy as np
import pytest

from smsroi_helpers.simulation.behaviour import (
    DAY,
    LAST_DAY,
    NEVER,
    ZONES,
    draw_categories,
    draw_customers,
    draw_organic_orders,
    draw_purchases,
    draw_seconds,
    plan_company,
)
from smsroi_helpers.simulation.ground_truth import SEGMENTS, draw_world

N = 40_000


@pytest.fixture(scope="module")
def company():
    return plan_company(draw_world(5), 40)


@pytest.fixture(scope="module")
def customers(company):
    return draw_customers(company, 1_000, N, np.random.default_rng(2))


def test_purchases_are_drawn_in_continuous_time():
    """One kind of customer, who never leaves: Poisson; who leaves with p: at most 1/p repeats on average."""
    rng = np.random.default_rng(3)
    n = 200_000
    customer, time = draw_purchases(np.full(n, 0.3), np.zeros(n), np.full(n, 10.0), rng)
    counts = np.bincount(customer, minlength=n)
    assert abs(counts.mean() - 3) < 4 * np.sqrt(3 / n)
    assert abs(counts.var() - 3) < 0.06  # standard error of a variance of Poisson(3): .016
    assert abs(time.mean() - 5) < 4 * 10 / np.sqrt(12 * len(time))
    assert (np.diff(customer) >= 0).all()
    assert (np.diff(time)[np.diff(customer) == 0] > 0).all()
    customer, _ = draw_purchases(np.full(n, 50.0), np.full(n, 0.25), np.full(n, 100.0), rng)
    counts = np.bincount(customer, minlength=n)
    assert abs(counts.mean() - 4) < 4 * np.sqrt(12 / n)
    assert counts.min() == 1


def test_a_log_of_any_length_holds_its_experiments():
    for weeks in range(26, 160):
        company = plan_company(draw_world(1), weeks)
        for experiment in company.experiments.values():
            assert 0 < experiment.first_week < experiment.first_week + experiment.weeks <= weeks
            assert experiment.weeks >= 5
            assert experiment.outcome_weeks >= 0
            if experiment.kind != "holdout":
                assert experiment.first_week + experiment.weeks <= weeks - 4  # over when the plan starts


def test_an_instant_is_when_the_customer_s_clock_shows_it(company):
    for number, name in enumerate(ZONES):
        for day in (0, 100, company.days - 1):
            found = company.instant(np.array(number), np.array(day), 3 * 3600 + 7)
            clock = dt.datetime.combine(company.first_day + dt.timedelta(days=day), dt.time(3, 0, 7))
            assert int(found) == clock.replace(tzinfo=zoneinfo.ZoneInfo(name)).timestamp()
    assert company.first_day + dt.timedelta(days=company.days - 1) == LAST_DAY


def test_choices_follow_the_shares_of_their_row():
    rows = np.repeat([0, 1], N)
    drawn = draw_categories([[0.2, 0.3, 0.5], [1.0, 0.0, 3.0]], rows, np.random.default_rng(4))
    for row, shares in enumerate(([0.2, 0.3, 0.5], [0.25, 0.0, 0.75])):
        found = np.bincount(drawn[rows == row], minlength=3) / N
        assert np.abs(found - shares).max() < 4 * np.sqrt(0.25 / N)


def test_customers_are_numbered_and_of_the_shares_of_the_truth(company, customers):
    assert customers.number.tolist() == list(range(1_000, 1_000 + N))
    shares = np.bincount(customers.segment, minlength=len(SEGMENTS)) / N
    assert np.abs(shares - company.world.share).max() < 4 * np.sqrt(0.25 / N)
    consented = customers.consented != NEVER
    assert abs(consented.mean() - 0.82) < 4 * np.sqrt(0.82 * 0.18 / N)
    assert (customers.consented >= customers.joined)[consented].all()
    assert (customers.joined < 0.75 * company.days).all()


def test_own_orders_begin_when_a_buyer_joins_and_end_with_the_log(company, customers):
    customer, day = draw_organic_orders(company, customers, np.random.default_rng(6))
    assert (np.diff(customer) >= 0).all()
    assert (np.diff(day)[np.diff(customer) == 0] >= 0).all()
    buyers, first = np.unique(customer, return_index=True)
    assert (buyers == np.flatnonzero(customers.buyer)).all()
    assert (day[first] == customers.joined[buyers]).all()
    assert day.max() < company.days


def test_seconds_are_of_the_day_and_follow_whoever_is_early_or_late(customers):
    seconds = draw_seconds(customers, np.arange(N), np.random.default_rng(8))
    assert seconds.min() >= 0
    assert seconds.max() < DAY
    # At six in the morning early risers are where most people are at nine, and late risers at three.
    at_six = np.array([((seconds // 3600 == 6) & (customers.hour_shift == shift)).sum() for shift in range(3)])
    of_all = np.bincount(customers.hour_shift, minlength=3)
    assert (np.diff(at_six / of_all) < 0).all()
