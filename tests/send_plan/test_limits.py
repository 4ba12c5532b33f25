"""Plans within a budget and a capacity, from end to end, where texts are worth something."""

import pytest

from smsroi_helpers.pages import FEWEST_SHOWN
from smsroi_helpers.send_plan import decide, find_curve, summary_rows, what_if
from smsroi_helpers.send_plan.budget_figures import curve_figure
from smsroi_helpers.send_plan.budget_tables import curve_table, limits_note, what_if_table
from smsroi_helpers.send_plan.spending import count_spending
from smsroi_helpers.send_plan.tables import actions_table
from tests.send_plan.planned import plan_again

PRICE = 0.02
"""Of a text, in the second company."""


@pytest.fixture(scope="module")
def half(second_plan):
    return plan_again(second_plan, budget=count_spending(second_plan.plan).cost / 2)


@pytest.fixture(scope="module")
def poor(second_plan):
    return plan_again(second_plan, budget=count_spending(second_plan.plan).explored_cost / 2)


@pytest.fixture(scope="module")
def narrow(second_plan):
    return plan_again(second_plan, capacity_per_hour=4)


@pytest.fixture(scope="module", params=["half", "poor", "narrow", "both"])
def limited(request, second_plan, half):
    if request.param == "both":
        return plan_again(second_plan, budget=half.plan.limits.budget, capacity_per_hour=3)
    return request.getfixturevalue(request.param)


def test_every_limit_is_kept_and_everybody_has_a_reason(limited):
    """Counted from the messages, with the price that the simulator took."""
    texts, plan = limited.texts, limited.plan
    spent = PRICE * len(texts)
    assert count_spending(plan).cost == pytest.approx(spent)
    if plan.limits.budget:
        assert spent <= plan.limits.budget * (1 + 1e-9)
    busiest = texts.groupby(texts["send_at"].dt.floor("h")).size().max()
    assert busiest == plan.limited.capacity.busiest
    if plan.limits.capacity_per_hour:
        assert busiest <= plan.limits.capacity_per_hour
    assert texts.groupby(["customer_id", "date"]).size().max() == 1
    reasons = limited.messages.groupby("reason")["customer_id"].nunique()
    assert reasons.sum() == plan.customers == limited.messages["customer_id"].nunique()
    assert not set(limited.messages.loc[limited.messages["role"] == "holdout", "customer_id"]) & set(
        texts["customer_id"]
    )


def test_a_budget_of_half_the_cost_is_used_up(half, second_plan):
    """But for less than one customer's texts."""
    plan = half.plan
    assert PRICE * len(half.texts) > plan.limits.budget - PRICE * plan.calendar.weeks * 4
    assert plan.roles == second_plan.plan.roles
    assert (half.messages["reason"] == "budget").sum() == count_spending(plan).left_out > 0
    unlimited = PRICE * (second_plan.texts["role"] == "plan").sum()
    assert plan.limited.choice.unlimited_cost == pytest.approx(unlimited)


def test_a_budget_below_the_cost_of_exploring_leaves_fewer_to_explore_with(poor, second_plan):
    explored = poor.messages[poor.messages["role"] == "explore"]["customer_id"]
    before = second_plan.messages[second_plan.messages["role"] == "explore"]["customer_id"]
    assert set(explored) < set(before)
    share = poor.plan.roles.probability("explore")
    assert explored.nunique() == pytest.approx(
        share * poor.plan.customers, abs=4 * (share * poor.plan.customers) ** 0.5
    )
    assert "smaller than the cost of exploring" in limits_note(poor.plan, "USD").text
    assert set(poor.messages.loc[poor.messages["role"] == "plan", "reason"]) <= {"budget", "best_value"}


def test_texts_fall_away_where_the_gateway_is_too_slow(narrow, second_plan):
    use = narrow.plan.limited.capacity
    assert use.dropped == len(second_plan.texts) - len(narrow.texts) > 0
    lost = second_plan.messages["expected_profit"].sum() - narrow.messages["expected_profit"].sum()
    assert use.lost_cash == pytest.approx(lost)
    assert "fall away" in limits_note(narrow.plan, "USD").text
    assert (narrow.messages["reason"] == "capacity").any()


def test_the_page_shows_the_limits(limited):
    plan = limited.plan
    curve = find_curve(plan)
    assert curve_figure(curve, "USD", 4) is not None
    assert f"{curve.best:,.2f}" in curve_table(curve, "USD", 4).markup
    shown = actions_table(plan).markup
    for reason, words in (("budget", "the budget is used up"), ("capacity", "the hourly limit is reached")):
        many = (limited.messages["reason"] == reason).sum()
        assert words in shown or many < FEWEST_SHOWN
    said = decide(plan)[0].text
    assert ("cost no more than" in said) == bool(plan.limits.budget)
    assert ("No hour has more than" in said) == bool(plan.limits.capacity_per_hour)


def test_one_plan_has_one_value_by_budget_and_with_one_thing_changed(second_plan):
    plan = second_plan.plan
    base, curve = what_if(plan)[0], find_curve(plan)
    (at,) = (point for point in curve.points if point.budget == pytest.approx(curve.best))
    assert (at.long_run, at.cash) == (base.long_run, base.cash)


def test_its_evidence_are_the_members_of_the_tests(second_plan):
    plan = second_plan.plan
    tests = [set(test) for _name, test in plan.shop.count(plan.evidence.texts.select("test", "person").distinct())
             .groupby("test")["person"]]  # fmt: skip
    assert plan.evidence.members >= len(set.union(*tests))
    assert decide(plan)[0].evidence_customers == plan.evidence.members != decide(plan)[0].customers


def test_where_nothing_is_worth_its_cost_the_page_says_so(second_plan):
    """Texts that cost a thousand times as much; with a budget, money is not what is missing."""
    dear = plan_again(second_plan, cost=1000.0, budget=500.0).plan
    assert find_curve(dear) is None
    assert curve_figure(None, "USD", 4) is curve_table(None, "USD", 4) is None
    assert "more money would bring nothing" in limits_note(dear, "USD").text
    assert set(summary_rows(dear)["reason"]) <= {"no_gain", "explore", "holdout"}
    assert "none is shown to be worth its cost" in decide(dear)[0].action


def test_what_if_is_the_plan_made_again_with_that(second_plan, half):
    found = {(each.change, each.level): each for each in what_if(second_plan.plan)}
    assert "Budget" in what_if_table(second_plan.plan, list(found.values()), "USD").markup
    by_change = {each.change: each for each in found.values()}
    slow = plan_again(second_plan, capacity_per_hour=int(by_change["capacity"].level))
    dear = plan_again(second_plan, cost=2.0)
    for each, again in (
        (by_change["plan"], second_plan), (by_change["budget"], half), (by_change["capacity"], slow),
        (found["price", 2.0], dear),
    ):  # fmt: skip
        assert each.texts == len(again.texts)
        assert each.customers == again.texts["customer_id"].nunique()
        assert each.cost == pytest.approx(count_spending(again.plan).cost)
        people = (again.messages["role"] == "plan").groupby(again.messages["customer_id"]).any().sum()
        for name in ("long_run", "cash"):
            chosen = again.plan.chosen
            assert getattr(each, name).value == pytest.approx(people * chosen.estimate(getattr(chosen, name)).value)
