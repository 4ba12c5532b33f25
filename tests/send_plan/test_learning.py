"""What exploring teaches: closed forms, a simulated "explore, then choose", and bounds that hold for any plan."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from smsroi_helpers.locale import money
from smsroi_helpers.send_plan import learning
from smsroi_helpers.send_plan.learning import cost_of_exploring, expected_gain, gains_of_learning, size_exploration
from smsroi_helpers.send_plan.learning_tables import describe_learning, learning_note, learning_table
from smsroi_helpers.send_plan.limited_plan import Limits
from smsroi_helpers.send_plan.policy import NOTHING, Action, ActionValues, Policy, choose_policy, value_action
from smsroi_helpers.send_plan.sample_information import (
    Kept,
    draw_noise,
    draw_response,
    learnt_shares,
    mean_and_error,
)
from smsroi_helpers.send_plan.schedule import Exploration, Roles
from smsroi_helpers.send_plan.valuation import Candidate
from tests.send_plan.test_policy import OPEN, by_hand, economics, grouped, random_response

GROUPS = 64
LEVERS = ("clicks", "opt_outs", "window", "text", "text_opt_outs", "click_profit", "text_profit")
REST = ("natural_opt_outs", "weekday", "click_level", "opt_out_level")
NOISE = draw_noise(GROUPS, draws=2048)


def replicated(response, rng, **errors):
    """A response with 64 replicates; `errors` are jackknife standard errors by lever, relative to the estimate."""
    found = {}
    for name in (*LEVERS, *REST):
        value = getattr(response, name)[:1]
        moved = rng.standard_normal((GROUPS, *value.shape[1:]))
        moved -= moved.mean(axis=0)
        moved /= np.sqrt((GROUPS - 1) / GROUPS * (moved**2).sum(axis=0))
        sd = errors.get(name, 0.0)
        each = 1 + sd * moved if name in ("opt_outs", "click_profit") else np.exp(sd * moved)
        found[name] = np.concatenate([value, value * each])
    return replace(response, **found)


def gains(response, kept, **changed):
    """(1 + kept,): EVSI per customer of one mask and equal profiles, and the Monte Carlo error of each."""
    membership = changed.pop("membership", np.eye(response.classes))
    customers = np.ones((len(membership), 1))
    found = gains_of_learning(response, economics(**changed), membership, (OPEN,), customers, kept, NOISE)
    return np.array([mean_and_error(each) for each in found]).T


def linear_loss(ahead, sd):
    """E[max(0, x)] for x ~ N(−ahead, sd²): what learning of a rival gains that is `ahead` behind the best action."""
    return sd * (norm.pdf(ahead / sd) - ahead / sd * norm.sf(ahead / sd))


def later_weeks(**changed):
    """Discounted weeks that a subscriber who gets no opt-outs from texts stays after the plan's weeks."""
    prices = economics(**changed)
    stays = (1 - 0.001) * (1 - prices.loss_rates[0]) / (1 + prices.discount)
    return stays**prices.horizon_weeks / (1 - stays)


ERRORS = {"clicks": 0.1, "opt_outs": 0.4, "window": 0.1, "text": 0.1, "text_opt_outs": 0.2, "click_profit": 0.3,
          "text_profit": 0.2}  # fmt: skip


def uncertain(scale=1.0, seed=4):
    response = random_response(np.random.default_rng(seed), 3)
    return replicated(response, np.random.default_rng(7), **{name: scale * sd for name, sd in ERRORS.items()})


MIXED = np.array([[1.0, 0.0, 0.0], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]])


# --- closed forms ---


@pytest.mark.parametrize(("ahead", "sd"), [(0.0, 1.3), (0.4, 0.5), (-0.7, 2.0)])
def test_two_actions_gain_the_normal_linear_loss(ahead, sd):
    drawn = 5.0 - ahead + sd * np.random.default_rng(1).standard_normal(400_000)
    found = expected_gain(np.array([5.0, 5.0 - ahead]), np.stack([np.full(len(drawn), 5.0), drawn]))
    error = found.std() / np.sqrt(len(found))
    assert found.mean() == pytest.approx(linear_loss(abs(ahead), sd), abs=4 * error)
    assert error < 0.002 * sd


def test_draws_are_standard_normal_in_independent_blocks():
    """A mean over them has a smaller error than one over independent draws."""
    noise = draw_noise(5)
    assert noise.shape == (4 * 256, 5)
    assert noise.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-12)
    assert np.cov(noise.T) == pytest.approx(np.eye(5), abs=0.05)
    assert len(np.unique(noise[:, 0])) == len(noise)
    mean, error = mean_and_error(np.abs(noise).sum(axis=1))
    assert mean == pytest.approx(5 * np.sqrt(2 / np.pi), abs=4 * error)
    assert error < 0.2 * np.sqrt(5 * (1 - 2 / np.pi) / len(noise))


def one_action(error):
    """One class, one frequency, window and text, no opt-outs by texts; profit per click is uncertain."""
    response = by_hand()
    response = replace(
        response, doses=np.array([0.0, 1.0]), clicks=response.clicks[..., :2], opt_outs=np.zeros((1, 1, 2)),
        window=np.ones((1, 1, 1)), weekday=np.ones((1, 1, 7)), text=np.ones((1, 1, 1)), text_opt_outs=np.ones((1, 1)),
        text_profit=np.ones((1, 1)), click_level=np.ones((1, 1)),
    )  # fmt: skip
    return replicated(response, np.random.default_rng(3), click_profit=error)


ONE = {"windows": ((9, 11),), "cost": np.array([0.12])}


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_texts_or_none_gain_the_normal_linear_loss(share):
    """A click brings 3 ± 0.9, so a text brings 0.05 · 3 − 0.12; no text brings 0."""
    response = one_action(0.3)
    kept = replace(Kept.alike(response, 0.0), click_profit=share)
    (perfect, found), (of_perfect, error) = gains(response, [kept], **ONE)
    weeks = later_weeks(**ONE)
    for value, sd, own in ((perfect, 0.9, of_perfect), (found, share * 0.9, error)):
        assert value == pytest.approx(linear_loss(weeks * (0.05 * 3 - 0.12), weeks * 0.05 * sd), abs=4 * own + 1e-9)
        assert own < 0.05 * value


def test_two_texts_gain_the_price_of_an_exchange():
    """Effects of texts are log-normal: E[max(B − A, 0)] by Black & Scholes (1973), with the variances added."""
    sd = np.array([0.1, 0.25])
    response = one_action(0.0)
    response = replace(response, text=np.array([[[1.1, 0.9]]]), text_opt_outs=np.ones((1, 2)),
                       text_profit=np.ones((1, 2)))  # fmt: skip
    response = replicated(response, np.random.default_rng(5), text=sd)
    kept = replace(Kept.alike(response, 0.0), text=np.full(2, 0.5))
    between = np.log(response.text[1:, 0, 1] / response.text[1:, 0, 0])
    spread = 0.5 * np.sqrt((GROUPS - 1) / GROUPS * ((between - between.mean()) ** 2).sum())
    (_perfect, found), (_, error) = gains(response, [kept], windows=((9, 11),), cost=np.zeros(2))
    high = (np.log(0.9 / 1.1) + spread**2 / 2) / spread
    expected = later_weeks() * 0.05 * 3 * (0.9 * norm.cdf(high) - 1.1 * norm.cdf(high - spread))
    assert found == pytest.approx(expected, abs=4 * error)
    assert error < 0.1 * expected


def test_every_lever_counts_as_in_the_value_of_an_action():
    """All actions of all draws valued one by one, at two rates of loss."""
    response, rates = uncertain(), {"loss_rates": np.array([0.002, 0.03]), "loss_shares": np.array([[0.7], [0.3]])}
    prices, noise = economics(**rates), NOISE[::64]
    later = prices.usual_loss * ((1 - response.natural_opt_outs[0]) * (1 - prices.loss_rates) / 1.002) ** 4
    kept = [Kept.alike(response, share) for share in (0.0, 1.0)]
    now, drawn = (draw_response(response, each, noise) for each in kept)
    expected = []
    for rows in MIXED:
        days = ActionValues(response, prices).of(rows, OPEN)[1]
        actions = [Action(*pair, text, each) for pair, each in days.items() for text in (0, 1)]
        today, after = (
            np.array([value_action(each, rows, prices, action)[0] @ later for action in [*actions, NOTHING]])
            for each in (now, drawn)
        )  # fmt: skip
        expected.append(expected_gain(today[:, 0], after))
    perfect, none = gains_of_learning(response, prices, MIXED, (OPEN,), np.ones((3, 1)), kept[:1], noise)
    assert perfect == pytest.approx(np.mean(expected, axis=0))
    assert perfect.max() > 0
    assert none == pytest.approx(np.zeros(len(noise)), abs=1e-9)


# --- bounds ---


def test_more_information_gains_more_and_less_than_everything():
    response = uncertain()
    shares = (0.0, 0.1, 0.2, 0.4, 0.7, 0.9)
    found, error = gains(response, [Kept.alike(response, share) for share in shares], membership=MIXED)
    perfect, *rest = found
    assert rest[0] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(rest) > 0).all()
    assert rest[-1] < perfect
    assert (error < 0.1 * np.maximum(found, 1e-9)).all()


def test_more_uncertainty_gains_more():
    found = []
    for scale in (0.5, 1.0, 1.5):
        response = uncertain(scale)
        found.append(gains(response, [Kept.alike(response, 0.3)], membership=MIXED)[0])
    assert (np.diff(found, axis=0) > 0).all()


@pytest.mark.parametrize("lever", [name for name in LEVERS if name != "text_opt_outs"])
def test_each_lever_that_is_uncertain_gains(lever):
    response = replicated(random_response(np.random.default_rng(4), 3), np.random.default_rng(7), **{lever: 0.5})
    nothing = Kept.alike(response, 0.0)
    name = {"clicks": "frequency", "window": "hour"}.get(lever, lever)
    learnt = replace(nothing, **{name: getattr(Kept.alike(response, 0.8), name)})
    perfect, none, found = gains(response, [nothing, learnt], membership=MIXED)[0]
    assert none == pytest.approx(0.0, abs=1e-9)
    assert 0 < found < perfect


def test_nothing_is_gained_where_everything_is_certain():
    response = uncertain(0.0)
    assert gains(response, [Kept.alike(response, 0.5)])[0] == pytest.approx([0.0, 0.0], abs=1e-9)


# --- information ---


def cells_of(**sizes):
    """Stands for `Cells`: one group and profile."""

    def rates(events, exposure):
        return SimpleNamespace(events=np.array([[events]]), exposure=np.array([[exposure]]))

    cells = {
        "clicks_by_dose": rates([30.0, 20.0], [600.0, 400.0]), "opt_outs_by_dose": rates([1.0], [800.0]),
        "clicks_by_window": rates([4.0, 5.0, 6.0], [100.0, 300.0, 0.0]),
        "clicks_by_text": rates([9.0, 4.0], [900.0, 300.0]),
        "opt_outs_by_text": rates([1.0, 3.0], [450.0, 75.0]), "credited_clicks": np.array([[[30.0, 15.0]]]),
        "arms": (("a", "x"), ("a", "y"), ("b", "z")), "people": np.array([[[10.0, 30.0, 5.0]]]),
        "people_texts": np.array([[[0.0, 240.0, 7.0]]]), "arm_weeks": np.array([4.0, 4.0, 7.0]),
    }  # fmt: skip
    return SimpleNamespace(**{**cells, **sizes})


def test_information_is_counted_by_lever():
    """50 customers in the plan’s weeks, at 0 or 3 texts a week: 300 texts, 150 in each window and of each text."""
    found = learnt_shares(cells_of(), Exploration((0.0, 3.0), (0, 2), (0, 1), ("one", "two")), 50.0, 4)

    def added(kept):
        return np.asarray(kept) ** 2 / (1 - np.asarray(kept) ** 2)

    assert added(found.frequency) == pytest.approx(300 / 1000)
    assert added(found.opt_outs) == pytest.approx(200 / 800)
    assert added(found.hour[:2]) == pytest.approx([150 / 100, 0.0])
    assert found.hour[2] == 1.0
    assert added(found.text) == pytest.approx([150 / 900, 150 / 300])
    assert added(found.text_opt_outs) == pytest.approx([150 / 450, 150 / 75])
    assert added(found.text_profit) == pytest.approx([150 * 0.05 / 30, 150 * 0.05 / 15])
    # Test a: 40 weeks at 0 and 120 at 2 texts; the mean is 1.5. Explored: 200 weeks with a variance of 1.5².
    assert added(found.click_profit) == pytest.approx(200 * 2.25 / (40 * 1.5**2 + 120 * 0.5**2))


def test_nobody_explored_with_adds_nothing():
    found = learnt_shares(cells_of(), Exploration((0.0, 3.0), (0, 2), (0, 1), ("one", "two")), 0.0, 4)
    assert [np.max(getattr(found, name)) for name in found.__dataclass_fields__] == [0.0] * 7


def test_draws_have_the_mean_of_the_estimate_and_the_covariance_that_is_learned():
    response = uncertain()
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((40_000, GROUPS))
    share = np.sqrt(0.5 / 1.5)  # half as much information again
    drawn = draw_response(response, Kept.alike(response, share), noise)
    for name in LEVERS:
        value = getattr(response, name)
        kept = value[0] > 0
        assert np.allclose(getattr(drawn, name).mean(axis=0)[kept], value[0][kept], rtol=0.02), name
    logs, moved = np.log(drawn.text[:, 0]), np.log(response.text[1:, 0])
    whole = (GROUPS - 1) / GROUPS * (moved - moved.mean(axis=0)).T @ (moved - moved.mean(axis=0))
    assert np.cov(logs.T) == pytest.approx(whole / 3, rel=0.03, abs=0.03 * whole.max() / 3)
    assert drawn.clicks[..., 0].max() == 0.0


# --- explore, then choose ---


def test_who_explores_and_then_chooses_gains_what_was_expected():
    """True profits per click are drawn, tests of half the information are made again, and each class gets texts or not.

    By the normal model: v ~ N(v₀, Σ), y | v ~ N(v, Σ / m), and the next estimate is (v₀ + m y) / (1 + m).
    """
    rng, m, draws = np.random.default_rng(6), 0.5, 400_000
    response = replace(
        one_action(0.0), click_profit=np.array([[3.0, 2.2]]), clicks=np.array([[[0.0, 0.05], [0.0, 0.05]]]),
        opt_outs=np.zeros((1, 2, 2)), window=np.ones((1, 2, 1)), weekday=np.ones((1, 2, 7)), text=np.ones((1, 2, 1)),
        click_level=np.ones((1, 2)),
    )  # fmt: skip
    response = replicated(response, rng, click_profit=np.array([0.25, 0.35]))
    kept = replace(Kept.alike(response, 0.0), click_profit=np.sqrt(m / (1 + m)))
    (_perfect, expected), (_, error) = gains(response, [kept], **ONE)

    moved = response.click_profit[1:] - response.click_profit[1:].mean(axis=0)
    root = np.linalg.cholesky((GROUPS - 1) / GROUPS * moved.T @ moved)
    today = response.click_profit[0]
    true = today + rng.standard_normal((draws, 2)) @ root.T
    seen = true + rng.standard_normal((draws, 2)) @ root.T / np.sqrt(m)
    after = (today + m * seen) / (1 + m)

    def brought(estimate):
        return np.where(0.05 * estimate > 0.12, 0.05 * true - 0.12, 0.0).mean(axis=1) * later_weeks(**ONE)

    gained = brought(after) - brought(today)
    tolerance = 4 * np.hypot(gained.std() / np.sqrt(draws), error)
    assert gained.mean() == pytest.approx(expected, abs=tolerance)
    assert tolerance < 0.1 * expected


# --- the cost ---


def by_weeks(response, actions, prices, weeks=4_000):
    """Long run of a policy that has another action in each of the first weeks, summed week by week."""
    left, found = 1.0, 0.0
    for week in range(weeks):
        dose, window, days, text = actions[min(week, len(actions) - 1)]
        clicks = (response.clicks[0, 0, dose] * 0.9 * response.window[0, 0, window]
                  * response.weekday[0, 0, list(days)].mean() * response.text[0, 0, text]) if days else 0.0  # fmt: skip
        texts = response.doses[dose]
        profit = texts * (clicks * 3.0 * response.text_profit[0, text] - prices.cost[text])
        found += left * profit
        gone = response.opt_outs[0, 0, dose] * 1.5 * response.text_opt_outs[0, text]
        left *= (1 - 0.001) * (1 - gone) * (1 - 0.004) / 1.002
    return found


def test_the_cost_is_what_random_weeks_bring_less():
    response, prices = by_hand(), economics()
    best = (1, 1, (1,), 0)
    policy = Policy({(0, 0): Action(1, 1, 0, (1,))})
    exploration = Exploration((0.0, 2.0), (0, 1), (0, 1), ("one", "two"))
    found = cost_of_exploring(response, prices, np.ones((1, 1)), (OPEN,), np.full((1, 1), 9.0), policy, exploration)
    tried = [(0, 0, (), 0)] * 4 + [(2, window, (0, 3), text) for window in (0, 1) for text in (0, 1)]
    plan = by_weeks(response, [best], prices)
    random = np.mean([by_weeks(response, [each] * 4 + [best], prices) for each in tried])
    assert found == pytest.approx(plan - random)
    assert found > 0


def test_exploring_costs_nothing_where_it_does_what_the_plan_does():
    response = by_hand()
    response = replace(response, weekday=np.ones((1, 1, 7)), **{
        name: getattr(response, name)[..., 1:] for name in ("text", "text_opt_outs", "text_profit")
    })  # fmt: skip
    policy, exploration = Policy({(0, 0): Action(1, 1, 0, (0,))}), Exploration((1.0,), (1,), (0,), ("two",))
    prices = economics(cost=np.array([0.02]))
    given = response, prices, np.ones((1, 1)), (OPEN,), np.ones((1, 1))
    assert cost_of_exploring(*given, policy, exploration) == pytest.approx(0.0, abs=1e-12)
    assert cost_of_exploring(*given, Policy({(0, 0): NOTHING}), exploration) == 0.0  # random texts would gain


# --- a plan ---


CUSTOMERS = np.array([[400.0], [900.0], [700.0]])


def a_plan(roles, policy=None, worth=1.0):
    """A plan of three profiles; stands for `SendPlan` as far as its exploring is concerned."""
    response, prices, grouping = uncertain(), economics(), grouped(*MIXED)
    by_loss = np.full((1 + GROUPS, 1), worth)
    fitted = Candidate(
        cells=cells_of(grouping=grouping), today=SimpleNamespace(customers=CUSTOMERS), response=response, halves=(),
        policy=policy or choose_policy(response, grouping, prices, (OPEN,)), learned=(), economics=prices,
        long_run=by_loss, cash=by_loss, today_long_run=0 * by_loss, today_cash=0 * by_loss, promised=worth,
    )  # fmt: skip
    return SimpleNamespace(
        unlimited=fitted, design=SimpleNamespace(economics=prices, masks=(OPEN,), doses=response.doses), roles=roles,
        customers=2000, exploration=Exploration((0.0, 0.5, 3.0), (0, 1), (0, 1), ("one", "two")), limits=Limits(),
        calendar=SimpleNamespace(weeks=4), in_role=lambda role: round(2000 * roles.probability(role)),
    )  # fmt: skip


SILENT = Policy(dict.fromkeys([(0, 0), (1, 0), (2, 0)], NOTHING))
TENTH = Roles(13, 26)


@pytest.fixture(scope="module")
def plan():
    return a_plan(TENTH)


@pytest.fixture(scope="module")
def found(plan):
    return size_exploration(plan)


def test_a_plan_s_shares_are_between_nothing_and_everything(found):
    assert [each.share for each in found.rows] == list(learning.SHARES)
    assert found.own == 0.1  # 26 of 256
    teaches = np.array([each.teaches for each in found.rows])
    assert teaches[0] == found.rows[0].cost == 0.0
    assert (np.diff(teaches) > 0).all()
    assert teaches[-1] < found.perfect
    assert found.customers == 2000 - 102  # of 13 slices in 256, as the plan counts them


def test_amounts_are_of_all_customers_not_held_out(plan, found):
    fitted, own = plan.unlimited, found.row(0.1)
    given = fitted.response, fitted.economics, MIXED, (OPEN,), CUSTOMERS
    kept = learnt_shares(fitted.cells, plan.exploration, 0.1 * found.customers, 4)
    perfect, teaches = found.customers * gains_of_learning(*given, [kept], draw_noise(GROUPS)).mean(axis=1)
    assert (own.teaches, found.perfect) == pytest.approx((teaches, perfect))
    each = cost_of_exploring(*given, fitted.policy, plan.exploration)
    assert own.cost == pytest.approx(0.1 * found.customers * each)
    assert own.net == own.teaches - own.cost


def test_the_best_share_has_the_highest_net_amount(found):
    net = {each.share: each.teaches - each.cost for each in found.rows}
    assert found.best == max(net, key=net.get)
    assert found.enough <= found.best
    assert net[found.best] - net[found.enough] <= 4 * found.row(found.best).error


def test_the_page_states_what_the_share_teaches_and_costs(plan, found):
    words = describe_learning(plan, found, "USD")
    assert "Exploring with 10% of the customers in the plan’s weeks" in words
    assert "forecast" in words
    assert "Limits" not in words
    limited = SimpleNamespace(**{**vars(plan), "limits": Limits(budget=5.0)})
    assert "Limits of money" in describe_learning(limited, found, "USD")
    table = learning_table(found, "USD")
    assert table.markup.count("<tr") == 1 + len(found.rows)
    assert money(found.row(0.1).teaches, "USD", 0) in table.markup


def test_a_share_that_is_not_tried_is_added():
    plan = a_plan(Roles(13, 18))
    result = size_exploration(plan, (0.0, 0.2))
    assert [each.share for each in result.rows] == [0.0, 18 / 256, 0.2]
    assert result.own == 18 / 256
    assert "7.0%" in describe_learning(plan, result, "USD")


def test_a_plan_that_explores_with_nobody_says_so():
    plan = a_plan(Roles(13, 0))
    result = size_exploration(plan)
    words = describe_learning(plan, result, "USD")
    assert words.startswith("Nobody is explored with.")
    assert result.row(0.0).net == 0.0


@pytest.mark.parametrize("plan", [a_plan(TENTH, SILENT), a_plan(Roles(13, 0), SILENT), a_plan(TENTH, worth=-1.0)])
def test_a_plan_without_texts_says_so(plan):
    result = size_exploration(plan)
    assert result.rows == ()
    assert "sends no texts" in learning_note(plan, result, "USD").markup
    assert learning_table(result, "USD") is None


def test_words_for_shares_that_do_not_pay(plan, found):
    dear = replace(found, rows=tuple(replace(each, cost=1e7 * each.share) for each in found.rows), best=0.0, enough=0.0)
    words = describe_learning(plan, dear, "USD")
    assert "less than it costs" in words
    assert "No share that was tried is expected to pay; " in words
