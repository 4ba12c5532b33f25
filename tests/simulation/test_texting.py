"""Who is texted, and who no longer."""

import numpy as np
import pytest

from smsroi_helpers.simulation.behaviour import (
    PLAN_ROLES,
    PLAN_WEEKS,
    draw_own_orders,
    draw_people,
    plan_company,
)
from smsroi_helpers.simulation.ground_truth import DOSES, SEGMENTS, draw_world
from smsroi_helpers.simulation.texting import draw_messages

WEEKS = 40
N = 6_000


@pytest.fixture(scope="module")
def company():
    return plan_company(draw_world(11), WEEKS)


@pytest.fixture(scope="module")
def people(company):
    return draw_people(company, 0, N, np.random.default_rng(1))


def draw(company, people):
    rng = np.random.default_rng(9)
    return draw_messages(company, people, draw_own_orders(company, people, rng), rng)


@pytest.fixture(scope="module")
def drawn(company, people):
    return draw(company, people)


def test_the_same_seed_gives_the_same_messages(company, people, drawn):
    again = draw(company, people)
    assert all((again[0][name] == column).all() for name, column in drawn[0].items())
    assert (again[2] == drawn[2]).all()


def test_only_subscribers_are_texted_once_a_day_at_most(people, drawn):
    sent, _, lost, _ = drawn
    assert len(sent["who"]) > N
    assert (people.consented[sent["who"]] < sent["day"]).all()
    assert (sent["day"] <= lost[sent["who"]]).all()
    assert len(np.unique(sent["who"] * 1_000 + sent["day"])) == len(sent["who"])


def test_who_opts_out_gets_nothing_after(drawn):
    sent, _, lost, _ = drawn
    left = sent["left"]
    assert left.sum() > 0
    assert (lost[sent["who"][left]] == sent["day"][left]).all()
    assert len(np.unique(sent["who"][left])) == left.sum()


def test_what_comes_of_a_message_needs_what_comes_before_it(people, drawn):
    sent = drawn[0]
    for name in ("heeded", "scanned", "left"):
        assert (sent["delivered"] | ~sent[name]).all()
    for name in ("clicked", "replied", "buys"):
        assert sent[name].any()
        assert (sent["heeded"] | ~sent[name]).all()
    assert not sent["delivered"][people.bad_number[sent["who"]]].any()


def test_the_holdout_gets_nothing(drawn, company):
    sent, assigned, _, _ = drawn
    held = np.flatnonzero(assigned.arm["holdout"] == 1)
    assert len(held) > 100
    texted = np.isin(sent["who"], held)
    assert (sent["day"][texted] < assigned.day["holdout"][sent["who"][texted]]).all()


def test_an_arm_of_the_frequency_test_gets_its_number_every_week(company, drawn):
    sent, assigned, lost, _ = drawn
    test = company.experiments["frequency"]
    during = (sent["day"] >= test.first_day) & (sent["day"] < test.end_day)
    stays = lost >= test.end_day
    for arm, frequency in enumerate(DOSES):
        who = np.flatnonzero((assigned.arm["frequency"] == arm) & stays)
        counts = np.bincount(sent["who"][during], minlength=N)[who]
        assert len(who) > 20
        assert (counts == frequency * test.weeks).all()


def test_the_plan_is_of_the_last_weeks(company, drawn):
    sent, assigned, _, _ = drawn
    plan, explore, holdout = (assigned.role == number for number in range(len(PLAN_ROLES)))
    start = company.days - 7 * PLAN_WEEKS
    assert (sent["day"][sent["plan"]] >= start).all()
    assert (plan | explore)[sent["who"][sent["plan"]]].all()
    assert not (holdout[sent["who"]] & (sent["day"] >= start)).any()


def test_today_s_practice_counts_what_neither_a_test_nor_the_plan_sends(company, people, drawn):
    sent, assigned, _, practice = drawn
    tested = np.zeros(len(sent["who"]), bool)
    for kind in ("frequency", "timing"):
        test = company.experiments[kind]
        during = (sent["day"] >= test.first_day) & (sent["day"] < test.end_day)
        tested |= during & (assigned.arm[kind][sent["who"]] >= 0)
    by_habit = sent["who"][~tested & ~sent["plan"]]
    expected = np.bincount(people.segment[by_habit], minlength=len(SEGMENTS))
    assert practice["messages"].tolist() == expected.tolist()
    assert 0.2 < by_habit.size / len(tested) < 1
    assert (practice["opt_outs"] > 0).all()
    assert (practice["customer_weeks"] * 5 >= practice["messages"]).all()
