"""Values of actions worked out by hand, and the best action against all of them."""

import itertools

import numpy as np
import pytest

from smsroi_helpers.send_plan.groupings import Grouping
from smsroi_helpers.send_plan.policy import Action, Economics, Policy, choose_policy, value_action, value_policy
from smsroi_helpers.send_plan.response import Response

OPEN = np.zeros((7, 24), bool)
OPEN[:6, 8:20] = True
"""Monday to Saturday, 8 to 20."""
WINDOWS = ((9, 11), (18, 20), (20, 22))
ONE = np.ones(1)


def by_hand():
    """One class and one replicate: 0, 1 and 2 texts a week."""
    return Response(
        doses=np.array([0.0, 1.0, 2.0]),
        clicks=np.array([[[0.0, 0.05, 0.04]]]),
        opt_outs=np.array([[[0.0, 0.002, 0.006]]]),
        natural_opt_outs=np.array([0.001]),
        window=np.array([[[0.8, 1.2, 2.0]]]),
        weekday=np.array([[[1.0, 1.1, 0.9, 1.0, 1.0, 1.0, 1.0]]]),
        text=np.array([[[0.9, 1.1]]]),
        text_opt_outs=np.array([[0.8, 1.2]]),
        click_profit=np.array([[3.0]]),
        text_profit=np.array([[1.0, 0.5]]),
        click_level=np.array([[0.9]]),
        opt_out_level=np.array([1.5]),
    )


def economics(**changed):
    settings = {"windows": WINDOWS, "cost": np.array([0.01, 0.02]), "loss_rates": np.array([0.004]),
                "loss_shares": np.ones((1, 1)), "discount": 0.002, "horizon_weeks": 4, "most_texts": 7.0}  # fmt: skip
    return Economics(**{**settings, **changed})


def random_response(rng, classes, same_weekdays=True, repeats=1):
    doses = np.arange(0, 4.1, 0.5)
    shape = (repeats, classes)
    weekday = rng.uniform(0.7, 1.3, (repeats, 1 if same_weekdays else classes, 7))
    return Response(
        doses=doses,
        clicks=np.concatenate([np.zeros((*shape, 1)), rng.uniform(0.005, 0.05, (*shape, len(doses) - 1))], axis=2),
        opt_outs=np.cumsum(rng.uniform(0, 0.003, (*shape, len(doses))), axis=2),
        natural_opt_outs=rng.uniform(0, 0.003, repeats),
        window=rng.uniform(0.6, 1.4, (*shape, len(WINDOWS))),
        weekday=np.broadcast_to(weekday, (*shape, 7)).copy(),
        text=rng.uniform(0.6, 1.4, (*shape, 2)),
        text_opt_outs=rng.uniform(0.7, 1.3, (repeats, 2)),
        click_profit=rng.uniform(0.2, 2.0, shape),
        text_profit=rng.uniform(0.5, 1.5, (repeats, 2)),
        click_level=rng.uniform(0.8, 1.2, shape),
        opt_out_level=rng.uniform(0.8, 1.2, repeats),
    )


def grouped(*rows):
    membership = np.array(rows, float)
    names = tuple(f"class {k}" for k in range(membership.shape[1]))
    return Grouping("x", np.arange(len(rows)), membership, names)


# --- values ---


def test_the_value_of_an_action_is_that_worked_out_by_hand():
    """Two texts a week at 18–20 on Monday and Wednesday, of the second text."""
    long_run, cash = value_action(by_hand(), ONE, economics(), Action(2, 1, 1, (0, 2)))
    clicks = 0.04 * 0.9 * 1.2 * (1.0 + 0.9) / 2 * 1.1
    profit = 2 * (clicks * 3.0 * 0.5 - 0.02)
    stays = (1 - 0.001) * (1 - 0.006 * 1.5 * 1.2) * (1 - 0.004)
    assert long_run[:, 0] == pytest.approx([profit / (1 - stays / 1.002)])
    assert cash[:, 0] == pytest.approx([profit * (1 + stays + stays**2 + stays**3)])


def test_the_long_run_is_the_sum_of_the_discounted_weeks():
    long_run, cash = value_action(by_hand(), ONE, economics(), Action(1, 0, 0, (1,)))
    week = 0.05 * 0.9 * 0.8 * 1.1 * 0.9 * 3.0 - 0.01
    stays = (1 - 0.001) * (1 - 0.003 * 0.8) * (1 - 0.004)
    assert long_run[0, 0] == pytest.approx(week * np.sum((stays / 1.002) ** np.arange(20_000)))
    assert cash[0, 0] == pytest.approx(week * np.sum(stays ** np.arange(4)))


def test_no_texts_are_worth_nothing():
    long_run, cash = value_action(by_hand(), ONE, economics(), Action(0, 0, 0, ()))
    assert long_run.tolist() == cash.tolist() == [[0.0]]


def test_a_profile_is_worth_the_mean_of_its_classes():
    response = random_response(np.random.default_rng(1), 3, repeats=2)
    action = Action(3, 1, 0, (0, 3))
    alone = np.array([value_action(response, row, economics(), action) for row in np.eye(3)])
    share = np.array([0.5, 0.3, 0.2])
    assert np.allclose(value_action(response, share, economics(), action), np.einsum("krsl,k->rsl", alone, share))


def test_a_policy_is_worth_the_mean_of_its_customers():
    response, grouping = random_response(np.random.default_rng(2), 2), grouped([1, 0], [0.4, 0.6])
    actions = {(0, 0): Action(2, 0, 0, (1,)), (0, 1): Action(0, 0, 0, ()), (1, 0): Action(4, 1, 1, (2, 4)),
               (1, 1): Action(1, 2, 1, (0,))}  # fmt: skip
    customers = np.array([[10.0, 30.0], [60.0, 0.0]])
    found = value_policy(response, grouping, economics(), Policy(actions), customers)
    expected = sum(
        customers[at] / 100 * np.array(value_action(response, grouping.membership[at[0]], economics(), action))
        for at, action in actions.items()
    )
    assert np.allclose(found, expected)


# --- choices ---


def everything(response, prices, mask):
    """Every action that is allowed: texts on as many different weekdays as are needed."""
    for d, w, c in itertools.product(
        range(1, len(response.doses)), range(len(prices.windows)), range(len(prices.cost))
    ):
        start, end = prices.windows[w]
        days = [day for day in range(7) if mask[day, start:end].all()]
        if response.doses[d] <= prices.most_texts:
            for chosen in itertools.combinations(days, int(np.ceil(response.doses[d]))):
                yield Action(d, w, c, chosen)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most", [1.0, 4.0])
def test_the_action_chosen_is_the_best_of_all(seed, most):
    """Classes that like the same weekdays: then the best weekdays are the same for each action."""
    rng = np.random.default_rng(seed)
    response, prices = random_response(rng, 1 + seed % 3), economics(most_texts=most)
    rows = rng.dirichlet(np.ones(response.classes))
    chosen = choose_policy(response, grouped(rows), prices, (OPEN,)).actions[0, 0]
    values = {
        action: value_action(response, rows, prices, action)[0][0, 0] for action in everything(response, prices, OPEN)
    }
    best = max(values.values())
    assert max(best, 0.0) == pytest.approx(value_action(response, rows, prices, chosen)[0][0, 0])
    assert chosen.dose == 0 if best <= 0 else chosen in values
    assert response.doses[chosen.dose] <= most


def test_windows_and_days_that_are_closed_are_not_chosen():
    """By hand: 20–22 is best, 18–20 next; Tuesday is the best day."""
    response = by_hand()
    late, tuesdays = np.zeros((7, 24), bool), np.zeros((7, 24), bool)
    late[:, 18:22] = True
    tuesdays[1, 9:12] = True
    masks = (OPEN, late, tuesdays, np.zeros((7, 24), bool))
    actions = choose_policy(response, grouped([1.0]), economics(), masks).actions
    assert WINDOWS[actions[0, 0].window] == (18, 20)
    assert WINDOWS[actions[0, 1].window] == (20, 22)
    assert (WINDOWS[actions[0, 2].window], actions[0, 2].weekdays, actions[0, 2].dose) == ((9, 11), (1,), 1)
    assert actions[0, 3].dose == 0
    assert 1 in actions[0, 0].weekdays


def test_the_cap_holds():
    response = by_hand()
    for most, dose in ((7.0, 2), (1.5, 1), (1.0, 1), (0.5, 0)):
        found = choose_policy(response, grouped([1.0]), economics(most_texts=most), (OPEN,)).actions[0, 0]
        assert found.dose <= dose


def test_where_clicks_bring_nothing_nobody_is_texted():
    response = random_response(np.random.default_rng(3), 2)
    null = Response(**{**vars(response), "click_profit": np.zeros((1, 2))})
    actions = choose_policy(null, grouped([1, 0], [0, 1]), economics(), (OPEN,)).actions
    assert {action.dose for action in actions.values()} == {0}
    free = choose_policy(null, grouped([1, 0]), economics(cost=np.zeros(2)), (OPEN,)).actions
    assert free[0, 0].dose == 0, "worth nothing is not worth sending, even for free"


def test_replicates_are_valued_but_do_not_choose():
    response = random_response(np.random.default_rng(4), 2, repeats=5)
    first = Response(response.doses, *(getattr(response, name)[:1] for name in vars(response) if name != "doses"))
    grouping = grouped([1, 0], [0.5, 0.5])
    assert choose_policy(response, grouping, economics(), (OPEN,)) == choose_policy(
        first, grouping, economics(), (OPEN,)
    )
