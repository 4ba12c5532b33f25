"""Who is texted, and who no longer."""

import numpy as np
import pytest

from smsroi_helpers.simulation.behaviour import (
    PLAN_ROLES,
    PLAN_WEEKS,
    draw_customers,
    draw_organic_orders,
    plan_company,
)
from smsroi_helpers.simulation.ground_truth import FREQUENCIES, SEGMENTS, draw_world
from smsroi_helpers.simulation.texting import draw_messages

WEEKS = 40
N = 6_000


@pytest.fixture(scope="module")
def company():
    return plan_company(draw_world(11), WEEKS)


@pytest.fixture(scope="module")
def customers(company):
    return draw_customers(company, 0, N, np.random.default_rng(1))


def draw(company, customers):
    rng = np.random.default_rng(9)
    return draw_messages(company, customers, draw_organic_orders(company, customers, rng), rng)


@pytest.fixture(scope="module")
def drawn(company, customers):
    return draw(company, customers)


def test_the_same_seed_gives_the_same_messages(company, customers, drawn):
    again = draw(company, customers)
    assert all((again[0][name] == column).all() for name, column in drawn[0].items())
    assert (again[2] == drawn[2]).all()


def test_only_subscribers_are_texted_once_a_day_at_most(customers, drawn):
    sent, _, subscription_end, _ = drawn
    assert len(sent["customer"]) > N
    assert (customers.consented[sent["customer"]] < sent["day"]).all()
    assert (sent["day"] <= subscription_end[sent["customer"]]).all()
    assert len(np.unique(sent["customer"] * 1_000 + sent["day"])) == len(sent["customer"])


def test_who_opts_out_gets_nothing_after(drawn):
    sent, _, subscription_end, _ = drawn
    opted_out = sent["opted_out"]
    assert opted_out.sum() > 0
    assert (subscription_end[sent["customer"][opted_out]] == sent["day"][opted_out]).all()
    assert len(np.unique(sent["customer"][opted_out])) == opted_out.sum()


def test_what_comes_of_a_message_needs_what_comes_before_it(customers, drawn):
    sent = drawn[0]
    for name in ("responded", "scanned", "opted_out"):
        assert (sent["delivered"] | ~sent[name]).all()
    for name in ("clicked", "replied", "buys"):
        assert sent[name].any()
        assert (sent["responded"] | ~sent[name]).all()
    assert not sent["delivered"][customers.bad_number[sent["customer"]]].any()


def test_the_holdout_gets_nothing(drawn, company):
    sent, assigned, _, _ = drawn
    held = np.flatnonzero(assigned.arm["holdout"] == 1)
    assert len(held) > 100
    texted = np.isin(sent["customer"], held)
    assert (sent["day"][texted] < assigned.day["holdout"][sent["customer"][texted]]).all()


def test_an_arm_of_the_frequency_test_gets_its_number_every_week(company, drawn):
    sent, assigned, subscription_end, _ = drawn
    test = company.experiments["frequency"]
    during = (sent["day"] >= test.first_day) & (sent["day"] < test.end_day)
    stays = subscription_end >= test.end_day
    for arm, frequency in enumerate(FREQUENCIES):
        customer = np.flatnonzero((assigned.arm["frequency"] == arm) & stays)
        counts = np.bincount(sent["customer"][during], minlength=N)[customer]
        assert len(customer) > 20
        assert (counts == frequency * test.weeks).all()


def test_the_plan_is_of_the_last_weeks(company, drawn):
    sent, assigned, _, _ = drawn
    plan, explore, holdout = (assigned.role == number for number in range(len(PLAN_ROLES)))
    start = company.days - 7 * PLAN_WEEKS
    assert (sent["day"][sent["plan"]] >= start).all()
    assert (plan | explore)[sent["customer"][sent["plan"]]].all()
    assert not (holdout[sent["customer"]] & (sent["day"] >= start)).any()


def test_today_s_practice_counts_what_neither_a_test_nor_the_plan_sends(company, customers, drawn):
    sent, assigned, _, practice = drawn
    tested = np.zeros(len(sent["customer"]), bool)
    for kind in ("frequency", "timing"):
        test = company.experiments[kind]
        during = (sent["day"] >= test.first_day) & (sent["day"] < test.end_day)
        tested |= during & (assigned.arm[kind][sent["customer"]] >= 0)
    in_practice = sent["customer"][~tested & ~sent["plan"]]
    expected = np.bincount(customers.segment[in_practice], minlength=len(SEGMENTS))
    assert practice["messages"].tolist() == expected.tolist()
    assert 0.2 < in_practice.size / len(tested) < 1
    assert (practice["opt_outs"] > 0).all()
    assert (practice["customer_weeks"] * 5 >= practice["messages"]).all()
