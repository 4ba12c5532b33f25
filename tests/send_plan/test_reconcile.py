"""This plan beside what the last one was measured to bring, on the same terms."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from smsroi_helpers.send_plan import PreviousPlans
from smsroi_helpers.send_plan.decision import correct
from smsroi_helpers.send_plan.previous_plans import estimate_factor
from smsroi_helpers.send_plan.reconcile import reconcile, subtract
from smsroi_helpers.send_plan.tables import measured_note
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.send_plan.wording import decide
from tests.send_plan.test_previous_plans import scored


@pytest.fixture(scope="module")
def plan(own_plan):
    return own_plan.plan


def earlier(plan, *, brought=None, promise=0.0, promised_here=True, weeks=None):
    """The last plan, in today's weeks, with what it brought per customer (by default as much as the model says)."""
    first = plan.audience.practice.first_day
    score = scored(
        np.random.default_rng(4), promise, first=first, promised_here=promised_here,
        horizon_days=7 * (weeks or plan.calendar.weeks),
    )  # fmt: skip
    main = score.main
    value = plan.chosen.estimate(plan.chosen.cash).value if brought is None else brought
    shift = value - main.measured.value
    moved = replace(main.measured, value=value, low=main.measured.low + shift, high=main.measured.high + shift)
    gap = replace(main.gap, value=promise - value, low=promise - moved.high, high=promise - moved.low)
    score = replace(score, roles=(replace(main, measured=moved, gap=gap),))
    return PreviousPlans((score,), estimate_factor([score]), knows_cost=True)


def by_plan(plan, share):
    """The plan where a share of today's texts followed an earlier plan."""
    practice = plan.audience.practice
    practice = replace(practice, planned=round(share * practice.messages))
    return replace(plan, audience=replace(plan.audience, practice=practice))


def test_both_are_per_customer_of_the_plans_weeks_against_no_texts(plan):
    found = reconcile(plan, earlier(plan, brought=3.0))
    assert found.modelled == plan.chosen.estimate(plan.chosen.cash)
    assert (found.measured.value, found.weeks) == (3.0, plan.calendar.weeks)
    assert (found.last - found.first).days == 7 * found.weeks - 1
    assert found.gap == subtract(found.modelled, found.measured)


def test_without_a_measured_plan_of_as_many_weeks_nothing_is_compared(plan):
    assert reconcile(plan, None) is None
    assert reconcile(plan, PreviousPlans((), estimate_factor([]), knows_cost=True)) is None
    assert reconcile(plan, earlier(plan, weeks=plan.calendar.weeks + 1)) is None


def test_a_corrected_promise_is_compared_as_corrected(plan):
    past = earlier(plan, brought=1.0, promise=4.0)
    assert past.factor.corrects
    found = reconcile(plan, past)
    assert found.modelled == correct(plan.chosen.estimate(plan.chosen.cash), past.factor)


@pytest.mark.parametrize(("more", "words"), [
    (0.0, "The two are not shown to differ."),
    (50.0, "That is below what was measured by more than chance"),
    (-50.0, "That is above what was measured by more than chance"),
])  # fmt: skip
def test_the_answer_says_whether_the_two_differ(plan, more, words):
    other = by_plan(plan, 0.5)
    brought = plan.chosen.estimate(plan.chosen.cash).value + more
    (said,) = decide(other, earlier(plan, brought=brought, promised_here=False))
    assert words in said.caveat
    assert f"On the same terms ({plan.calendar.weeks} weeks, compared with no texts)" in said.caveat
    assert "On the same terms" not in decide(plan)[0].caveat


@pytest.mark.parametrize(("more", "words"), [
    (0.0, "The measurement does not contradict the model."),
    (50.0, "So the model is too low for today’s practice, by more than chance, and may be too low for this plan."),
    (-50.0, "So the model is too high for today’s practice, by more than chance, and may be too high for this plan."),
])  # fmt: skip
def test_where_the_last_plan_is_todays_practice_it_tests_the_model(plan, more, words):
    same = by_plan(plan, 1.0)
    brought = plan.chosen.estimate(plan.chosen.today_cash).value + more
    (said,) = decide(same, earlier(plan, brought=brought, promised_here=False))
    assert words in said.caveat
    assert f"in {plan.calendar.weeks} weeks, compared with no texts, and it is today’s practice." in said.caveat


def test_todays_practice_is_compared_where_it_is_the_last_plan(plan):
    past = earlier(plan, brought=9.0)
    assert measured_note(by_plan(plan, 0.5), past, "USD") is None
    same = by_plan(plan, 1.0)
    found = reconcile(same, past)
    assert found.today == plan.chosen.estimate(plan.chosen.today_cash)
    assert found.today_gap == subtract(found.today, found.measured)
    note = measured_note(same, past, "USD").text
    assert "Today’s texts are those of that plan" in note
    assert ("below by more than chance" in note) == (found.today_gap.high < 0)
    long_ago = replace(past.plans[0], plan=replace(past.plans[0].plan, first=dt.date(2020, 1, 1)))
    before = PreviousPlans((long_ago,), past.factor, knows_cost=True)
    assert reconcile(same, before).today is None


def test_the_difference_of_two_estimates_covers_the_truth():
    rng, covered, draws = np.random.default_rng(5), 0, 4_000
    for _ in range(draws):
        one, two = rng.normal(5.0, 1.0), rng.normal(2.0, 2.0)
        found = subtract(Estimate(one, one - 1.96, one + 1.96), Estimate(two, two - 3.92, two + 3.92))
        covered += found.low <= 3.0 <= found.high
    assert abs(covered / draws - 0.95) < 4 * (0.95 * 0.05 / draws) ** 0.5
