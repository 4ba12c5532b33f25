"""Candidates are compared by one response, because each one's own response sees another company."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.send_plan.comparison import Compared, choose_candidate, compare
from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import Action, Policy, value_action, value_policy
from smsroi_helpers.send_plan.tables import candidates_table
from smsroi_helpers.send_plan.valuation import FOLD_OF_GROUP, Candidate
from smsroi_helpers.statistics import GROUPS
from tests.send_plan.test_policy import economics, random_response

ONE_RATE = SimpleNamespace(usual_loss=np.ones(1), loss_shares=np.ones((1, 1)))
"""Readers are lost at one rate."""
ALIKE, APART = Action(1, 0, 0, (1,)), Action(2, 1, 1, (2, 4))
CODES = 4
CUSTOMERS = np.array([[30.0, 5.0], [20.0, 0.0], [10.0, 40.0], [7.0, 8.0]])
"""By code and set of allowed hours."""


# --- what is compared ---


def fitted(rng, name, profile, membership, policy):
    """A candidate with a response of its own, whose halves learned the same policy."""
    grouping = Grouping(name, np.array(profile), membership, tuple("abcd"[: membership.shape[1]]))
    halves = tuple(random_response(rng, membership.shape[1], repeats=1 + GROUPS // 2) for _ in range(2))
    prices = economics()
    today = np.full((1 + GROUPS, len(prices.loss_rates)), 0.3)
    return Candidate(
        SimpleNamespace(grouping=grouping), None, halves[0], halves, policy, (policy, policy), prices, 2 * today,
        2 * today, today, today, 1.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def candidates():
    """One for all, two groups seen, and three latent classes."""
    rng = np.random.default_rng(4)
    one = fitted(rng, "all", [0] * CODES, np.ones((1, 1)), Policy({(0, 0): ALIKE, (0, 1): ALIKE}))
    seen = Policy({(p, m): (ALIKE, APART)[p] for p in (0, 1) for m in (0, 1)})
    two = fitted(rng, "attr_city", [0, 1, 1, 0], np.eye(2), seen)
    hidden = Policy({(p, m): (APART, ALIKE, APART)[p] for p in range(3) for m in (0, 1)})
    classes = fitted(rng, "latent_classes", [0, 1, 2, 2], rng.dirichlet(np.ones(3), 3), hidden)
    return one, two, classes


def test_every_plan_is_valued_by_the_latent_classes_customer_by_customer(candidates):
    found = compare(candidates, CUSTOMERS)
    judge = candidates[-1]
    assert found.judge == "latent_classes"
    assert found.today is judge.today_long_run
    for candidate in candidates:
        grouping, halves = candidate.cells.grouping, []
        for response in judge.halves:
            total = 0.0
            for code, mask in np.ndindex(CUSTOMERS.shape):
                action = candidate.policy.actions[grouping.profile[code], mask]
                rows = judge.cells.grouping.membership[judge.cells.grouping.profile[code]]
                total = total + CUSTOMERS[code, mask] * value_action(response, rows, candidate.economics, action)[0]
            halves.append(total / CUSTOMERS.sum())
        value = found.long_run[candidate.name]
        assert value[0] == pytest.approx((halves[0][0] + halves[1][0]) / 2)
        for half, moved in enumerate(halves):
            groups = np.flatnonzero(half == FOLD_OF_GROUP)
            assert value[1 + groups] - value[0] == pytest.approx((moved[1:] - moved[0]) / 2)


def test_the_judges_own_plan_is_worth_what_it_says_itself(candidates):
    judge = candidates[-1]
    grouping = judge.cells.grouping
    customers = np.zeros((3, 2))
    np.add.at(customers, grouping.profile, CUSTOMERS)
    own = [value_policy(each, grouping, judge.economics, judge.policy, customers)[0][0] for each in judge.halves]
    assert compare(candidates, CUSTOMERS).long_run["latent_classes"][0] == pytest.approx(np.mean(own, axis=0))


def test_without_latent_classes_the_finest_grouping_judges(candidates):
    assert compare(candidates[:2], CUSTOMERS).judge == "attr_city"


def test_the_same_texts_are_worth_the_same_by_whichever_grouping(candidates):
    """One plan for all, found by two candidates: their own responses disagree, the comparison does not."""
    one, _two, classes = candidates
    alike = Policy({(p, m): ALIKE for p in range(3) for m in (0, 1)})
    same = fitted(np.random.default_rng(9), "latent_classes", [0, 1, 2, 2], classes.cells.grouping.membership, alike)
    own = [
        value_policy(each.halves[0], each.cells.grouping, each.economics, each.policy, np.ones((p, 2)))[0][0, 0]
        for each, p in ((one, 1), (same, 3))
    ]
    assert abs(own[0] / own[1] - 1) > 0.02
    found = compare([one, same], CUSTOMERS).long_run
    assert found["all"] == pytest.approx(found["latent_classes"])


# --- which one is chosen ---


def replicates(value, error):
    """An estimate with a jackknife standard error."""
    moved = np.random.default_rng(round(1e4 * error)).standard_normal(64)
    moved = (moved - moved.mean()) / moved.std()
    return np.append(value, value + error * moved / np.sqrt(63))[:, None]


BEST = np.full((65, 1), 1.0)


def chosen(**worth):
    """Name → (groups, V)."""
    compared = Compared("x", {name: value for name, (_groups, value) in worth.items()}, np.zeros((65, 1)))
    return choose_candidate([named(name, groups) for name, (groups, _value) in worth.items()], compared).name


def test_without_latent_classes_the_simplest_plan_within_one_standard_error_is_chosen():
    """The best is .1 ahead; its distance has a standard error of .2 to one rival and of .05 to the other."""
    near, far = (3, replicates(0.9, 0.2)), (1, replicates(0.9, 0.05))
    assert chosen(attr_city=(5, BEST), rfm_group=near) == "rfm_group"
    assert chosen(attr_city=(5, BEST), all=far) == "attr_city"


def test_latent_classes_are_chosen_unless_another_plan_is_shown_to_be_worth_more():
    """They are .1 behind. With 63 degrees of freedom 2.0 standard errors show it of one rival, 2.3 of two."""
    others = {"attr_city": (5, BEST)}
    assert chosen(**others, latent_classes=(4, replicates(0.9, 0.1 / 1.9))) == "latent_classes"
    assert chosen(**others, latent_classes=(4, replicates(0.9, 0.1 / 2.1))) == "attr_city"
    others["rfm_group"] = (3, replicates(0.9, 0.01))
    assert chosen(**others, latent_classes=(4, replicates(0.9, 0.1 / 2.1))) == "latent_classes"
    assert chosen(**others, latent_classes=(4, replicates(0.9, 0.1 / 2.5))) == "attr_city"


def named(name, classes):
    grouping = Grouping(name, np.zeros(1, int), np.eye(classes), tuple(str(k) for k in range(classes)))
    zero = np.zeros((65, 1))
    cells = SimpleNamespace(grouping=grouping)
    return Candidate(cells, None, None, (), Policy({}), (), ONE_RATE, zero, zero, zero, zero, 1.0)


# --- in a plan ---


def test_customers_by_code_are_those_of_every_grouping(second_plan):
    plan = second_plan.plan
    for candidate in plan.candidates:
        by_profile = np.zeros_like(candidate.today.customers)
        np.add.at(by_profile, candidate.cells.grouping.profile, plan.inputs.customers)
        assert (by_profile == candidate.today.customers).all()


def test_the_plan_is_worth_the_same_in_the_comparison_where_it_is_the_judge(second_plan):
    plan = second_plan.plan
    judge = next(each for each in plan.candidates if each.name == plan.limited.compared.judge)
    assert plan.limited.compared.long_run[judge.name] == pytest.approx(judge.long_run)


@pytest.mark.parametrize(("more", "words"), [
    (0.0, "It is not shown that the chosen groups are worth more than one plan for all: $"),
    (5.0, "The chosen groups are worth more than one plan for all: $"),
    (-5.0, "The chosen groups are worth less than one plan for all: −$"),
])  # fmt: skip
def test_the_page_says_whether_groups_are_worth_more_than_one_plan_for_all(second_plan, more, words):
    plan = second_plan.plan
    grouped = next(each for each in plan.candidates if each.name == "rfm_group")
    alike = np.ones((1 + GROUPS, len(grouped.economics.loss_rates)))
    worth = alike + np.append(0.0, np.tile([0.1, -0.1], GROUPS // 2))[:, None]  # a standard error of about .8
    compared = Compared("rfm_group", {"all": alike, "rfm_group": worth + more}, alike)
    text = candidates_table(replace(plan, chosen=grouped, limited=replace(plan.limited, compared=compared)), "USD").text
    assert words in text
    assert "which differs" not in text
    other = replace(compared, judge="all")
    text = candidates_table(replace(plan, chosen=grouped, limited=replace(plan.limited, compared=other)), "USD").text
    assert "is by the model of its own grouping (RFM group), which differs" in text
