"""The choice within a budget against every policy, and what its curve must be."""

import datetime as dt
import itertools

import numpy as np
import pytest

from smsroi_helpers.send_plan.budget import choose_within, concave_hull, find_steps, split_customers
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.members import Members
from smsroi_helpers.send_plan.policy import choose_policy, value_action
from smsroi_helpers.send_plan.schedule import Calendar
from tests.send_plan.test_policy import OPEN, economics, everything, random_response

CALENDAR = Calendar("p", dt.date(2026, 6, 30), 4)
HOLIDAY = frozenset([dt.date(2026, 7, 1), dt.date(2026, 7, 3)])
SEEDS = range(4)


def small(seed):
    """Two profiles in two places, of which one has holidays."""
    rng = np.random.default_rng(seed)
    response, prices = random_response(rng, 2), economics(most_texts=2.0, cost=np.array([0.004, 0.009]))
    grouping = Grouping("x", np.array([0, 1]), rng.dirichlet(np.ones(2), size=2), ("a", "b"))
    members = Members(rng.integers(1, 40, (2, 2)), np.zeros(2, int), (frozenset(), HOLIDAY), CALENDAR)
    return response, prices, grouping, members


def cost_of(response, prices, members, profile, action):
    many = [members.texts(k, float(response.doses[action.dose]), action.weekdays) for k in range(2)]
    return float(members.by_code[profile] @ many * prices.cost[action.text]) if action.dose else 0.0


def value_of(response, prices, grouping, members, profile, action):
    each = value_action(response, grouping.membership[profile], prices, action)[0]
    return float(each[0] @ prices.usual_loss) * members.by_code[profile].sum()


def steps_of(seed):
    response, prices, grouping, members = small(seed)
    return find_steps(response, grouping, prices, (OPEN,), members), [(0, 0), (1, 0)]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_policy_within_the_budget_is_worth_more(seed):
    """All pairs of actions: none beats the choice with its split; without the split it loses one step at most."""
    response, prices, grouping, members = small(seed)
    steps, cells = steps_of(seed)
    each = []
    for p in range(2):
        found = [(0.0, 0.0)] + [
            (cost_of(response, prices, members, p, a), value_of(response, prices, grouping, members, p, a))
            for a in everything(response, prices, OPEN)
        ]
        best = {}
        for cost, value in found:
            best[round(cost, 9)] = max(value, best.get(round(cost, 9), -np.inf))
        each.append(list(best.items()))
    pairs = np.array([(a[0] + b[0], a[1] + b[1]) for a, b in itertools.product(*each)])
    for share in (0.2, 0.5, 0.8, 1.0):
        budget = share * max(choose_within(steps, cells, np.inf).cost, 1.0)
        choice = choose_within(steps, cells, budget)
        assert choice.cost <= budget * (1 + 1e-9)
        within = pairs[pairs[:, 0] <= budget + 1e-9, 1].max()
        assert choice.value >= within - 1e-6 * max(abs(within), 1)
        largest = max((step.value for step in steps if step.value > 0), default=0.0)
        split = choice.value - choose_whole(steps, budget)
        assert split <= largest


def choose_whole(steps, budget):
    cost = value = 0.0
    for step in steps:
        if step.value <= 0 or cost + step.cost > budget:
            break
        cost, value = cost + step.cost, value + step.value
    return value


@pytest.mark.parametrize("seed", SEEDS)
def test_the_curve_is_concave_and_its_slope_is_the_price(seed):
    steps, cells = steps_of(seed)
    most = choose_within(steps, cells, np.inf).cost
    budgets = np.linspace(0, most, 101)
    found = [choose_within(steps, cells, budget) for budget in budgets]
    value = np.array([each.value for each in found])
    assert (np.diff(value, 2) <= 1e-6 * value[-1]).all()
    for one, budget in zip(found[1:-1], budgets[1:-1], strict=True):
        more = choose_within(steps, cells, budget + 1e-6 * most)
        assert (more.value - one.value) / (1e-6 * most) == pytest.approx(one.price, rel=1e-4)
    assert found[-1].cost == pytest.approx(most)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_budget_it_is_the_best_policy(seed):
    response, prices, grouping, _members = small(seed)
    steps, cells = steps_of(seed)
    choice = choose_within(steps, cells, np.inf)
    assert choice.policy == choose_policy(response, grouping, prices, (OPEN,))
    assert choice.price == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_so_many_customers_are_split_as_the_money_is_enough_for(seed):
    response, prices, grouping, members = small(seed)
    steps, cells = steps_of(seed)
    most = choose_within(steps, cells, np.inf).cost
    for budget in np.linspace(0.05, 0.95, 7) * most:
        choice = choose_within(steps, cells, budget)
        split = choice.policy.split
        assert split is not None
        rows = split_customers(choice, response.doses, prices, grouping, members)
        spent, dearest = sum(cost_of(response, prices, members, p, choice.policy.actions[p, 0]) for p in range(2)), 0.0
        for _profile, place, many in rows.itertuples(index=False):
            assert 0 <= many <= members.by_code[split.profile, place]
            more = [
                members.texts(place, float(response.doses[a.dose]), a.weekdays) * prices.cost[a.text]
                for a in (choice.policy.actions[split.profile, 0], split.action)
            ]
            spent, dearest = spent + many * (more[1] - more[0]), max(dearest, more[1] - more[0])
        assert spent <= budget + 1e-6
        assert spent > budget - dearest - 1e-6


def test_the_hull_is_that_of_all_lines():
    rng = np.random.default_rng(1)
    for _ in range(50):
        cost, value = rng.uniform(0, 5, 30), rng.normal(size=30)
        kept = set(concave_hull(cost, value).tolist())
        for price in rng.normal(size=40):
            assert int((value - price * cost).argmax()) in kept
