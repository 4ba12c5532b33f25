"""Rules: their values by hand, no rule where nothing works, and the best rule where one is known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm

from smsroi_helpers.send_plan.groupings import ALL, Grouping
from smsroi_helpers.send_plan.recipient_rules import (
    NOBODY,
    Rule,
    Sums,
    choose_rule,
    common_quantile,
    estimate_gain,
    value_rules,
)
from smsroi_helpers.statistics import GROUPS, t_quantile

CODES = np.array([(first, second) for first in range(2) for second in range(4)])
"""Eight codes: the levels of two attributes."""
ORDER = 10.0


def by_attribute(number):
    levels = CODES[:, number]
    return Grouping(f"attribute {number}", levels, np.eye(levels.max() + 1), tuple(map(str, np.unique(levels))))


GROUPINGS = (by_attribute(0), by_attribute(1), Grouping("code", np.arange(8), np.eye(8), tuple("abcdefgh")))


def draw(rng, effect, people=25.0, cost=0.1):
    """Members of a test in which a message makes customers buy more often, by code: effect in profit per member."""
    members = rng.poisson(people, (GROUPS, 8, 2))
    rate = 0.03 * (1 + CODES[:, 1] / 4)
    rate = np.stack([rate, rate + (effect + cost) / ORDER], axis=1)
    bought = rng.binomial(members, np.broadcast_to(rate, members.shape)).astype(float)
    sent = np.array([0.0, cost])
    squares = bought * (ORDER - sent) ** 2 + (members - bought) * sent**2
    return Sums(members.astype(float), ORDER * bought - sent * members, squares)


# --- values -----------------------------------------------------------------------------------------------------------


def test_the_value_of_a_rule_on_four_rows_is_that_worked_out_by_hand():
    """Customers a, b teach the half of c, d and the reverse. Arms are drawn 1 : 1."""
    rows = [  # group (its parity is the half), code, arm, profit
        (0, 0, 1, 8.0), (0, 1, 0, 5.0), (1, 0, 0, 2.0), (1, 1, 1, 7.0),
    ]  # fmt: skip
    members, outcome = np.zeros((GROUPS, 2, 2)), np.zeros((GROUPS, 2, 2))
    for group, code, arm, profit in rows:
        members[group, code, arm] += 1
        outcome[group, code, arm] += profit
    none, everybody, rule = value_rules(
        Sums(members, outcome, outcome**2), (Grouping("code", np.array([0, 1]), np.eye(2), ("a", "b")),)
    )
    assert (none.name, everybody.name, none.ips[0], none.share) == (NOBODY, ALL, 0.0, 0.0)
    assert none.value.ips[0] == pytest.approx((5 + 2) / 0.5 / 4)
    assert everybody.ips[0] == pytest.approx((8 + 7 - 5 - 2) / 0.5 / 4)
    # Half 0 saw 8 for a message and 5 for none, half 1 saw 7 and 2: both teach to message everybody.
    assert rule.learned[..., 1].tolist() == [[1, 1], [1, 1]]
    assert rule.ips[0] == pytest.approx(everybody.ips[0])
    assert rule.ips[1] == pytest.approx((7 - 2) / 0.5 / 2)  # without group 0, whose members were two


def test_a_half_is_valued_by_the_rule_that_the_other_half_taught():
    """In one half messages gain, in the other they lose: each rule is applied where it is wrong."""
    members = np.full((GROUPS, 1, 2), 50.0)
    gain = np.where(np.arange(GROUPS) % 2 == 0, 3.0, -1.0)
    outcome = members * np.stack([np.zeros(GROUPS), gain], axis=1)[:, None, :]
    one = Grouping("one", np.zeros(1, int), np.ones((1, 1)), ("one",))
    rule = value_rules(Sums(members, outcome, outcome**2 / members + members), (one,))[-1]
    assert rule.learned[:, 0].argmax(axis=1).tolist() == [1, 0]
    assert rule.share == pytest.approx(0.5)
    for replicates in (rule.ips, rule.snipw, rule.doubly_robust):
        assert replicates[0] == pytest.approx(-0.5, abs=1e-9)  # half of the members, −1 each
    assert rule.policy[0].argmax() == 1  # all together: +1


# --- choice -----------------------------------------------------------------------------------------------------------


def valued(name, gains, groups=1):
    """A rule with such gains by group of customers."""
    gains = np.asarray(gains, float)
    replicates = np.append(gains.mean(), (gains.sum() - gains) / (GROUPS - 1))
    grouping = Grouping(name, np.zeros(1, int), np.ones((1, groups)) / groups, tuple(map(str, range(groups))))
    empty = np.zeros((1, 2))
    return Rule(name, grouping, empty, empty[None], 1.0, None, replicates, replicates, replicates, 0.0)


def test_the_simplest_rule_within_one_standard_error_of_the_best_is_chosen():
    noise = np.random.default_rng(3).standard_normal((2, GROUPS))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    nobody = valued(NOBODY, np.zeros(GROUPS))
    error = 1 / np.sqrt(GROUPS)
    assert choose_rule([nobody, valued(ALL, 0.9 * error + noise[0])]).name == NOBODY
    assert choose_rule([nobody, valued(ALL, 1.1 * error + noise[0])]).name == ALL
    clear = valued(ALL, 20 * error + noise[0])
    assert choose_rule([nobody, clear, valued("a", 20.5 * error + noise[1], 2)]).name == ALL
    assert choose_rule([nobody, clear, valued("a", 24 * error + noise[1], 2)]).name == "a"
    assert (
        choose_rule([nobody, valued("a", 20 * error + noise[1], 2), valued("b", 20 * error + noise[1], 5)]).name == "a"
    )


def test_the_common_quantile_is_that_of_the_largest_of_independent_t():
    one = valued(ALL, np.arange(GROUPS))
    nobody = valued(NOBODY, np.zeros(GROUPS))
    assert common_quantile([nobody, one]) == pytest.approx(float(t_quantile(0.95, GROUPS - 1)))
    assert common_quantile([nobody, one, one]) == pytest.approx(float(t_quantile(0.95, GROUPS - 1)), rel=0.02)
    turn = np.arange(GROUPS) * 2 * np.pi / GROUPS
    rules = [nobody, valued("a", np.sin(turn), 2), valued("b", np.cos(turn), 2)]  # without correlation
    df = GROUPS - 1

    def covered(quantile):
        return quad(lambda x: (2 * norm.cdf(quantile * np.sqrt(x / df)) - 1) ** 2 * chi2.pdf(x, df), 0, 300)[0]

    assert covered(common_quantile(rules)) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 20_000))


# --- recovery and calibration -----------------------------------------------------------------------------------------


def test_where_messages_bring_nothing_no_rule_is_shown_to_gain():
    """120 worlds in which a message earns exactly its cost: in at least 95 % of them nothing is said to gain."""
    gained = 0
    for seed in range(120):
        rules = value_rules(draw(np.random.default_rng([7, seed]), np.zeros(8), people=15), GROUPINGS)
        chosen = choose_rule(rules)
        gained += estimate_gain(chosen.ips, common_quantile(rules), chosen.least_error).low > 0
    assert gained <= 0.05 * 120


def draw_spending(rng, untreated, customers=40_000, buying=0.04, spread=1.3):
    """Members of a test in which messages do nothing; a share of them gets none. Amounts are log-normal."""
    at = rng.integers(GROUPS, size=customers), rng.integers(8, size=customers), rng.random(customers) >= untreated
    spent = np.where(rng.random(customers) < buying, rng.lognormal(0.0, spread, customers), 0.0)
    sums = np.zeros((3, GROUPS, 8, 2))
    for each, values in zip(sums, (np.ones(customers), spent, spent**2), strict=True):
        np.add.at(each, (at[0], at[1], at[2].astype(int)), values)
    return Sums(*sums)


def test_a_small_arm_without_messages_shows_no_gain_by_lacking_large_orders():
    """200 worlds with 80 buyers among those without messages; by the jackknife alone a tenth would show a gain."""
    gained, alone = 0, 0
    for seed in range(200):
        rules = value_rules(draw_spending(np.random.default_rng([9, seed]), untreated=0.05), GROUPINGS)
        chosen, quantile = choose_rule(rules), common_quantile(rules)
        gained += estimate_gain(chosen.ips, quantile, chosen.least_error).low > 0
        alone += estimate_gain(chosen.ips, quantile).low > 0
    assert gained <= 0.05 * 200
    assert alone > 0.05 * 200


def test_the_best_rule_is_found_and_its_interval_covers_what_it_gains():
    """60 worlds in which customers of two levels gain by a message and those of the other two lose."""
    effect = np.where(CODES[:, 1] >= 2, 0.25, -0.1)
    found, covered, reached = [], [], []
    for seed in range(60):
        rules = value_rules(draw(np.random.default_rng([8, seed]), effect, people=60), GROUPINGS)
        chosen = choose_rule(rules)
        gain = estimate_gain(chosen.ips, common_quantile(rules), chosen.least_error)
        true = [float((each[chosen.grouping.profile, 1] * effect).mean()) for each in (*chosen.learned, chosen.policy)]
        covered.append(gain.low <= np.mean(true[:2]) <= gain.high)
        reached.append(true[2] / np.maximum(effect, 0).mean())
        found.append(chosen.name == "attribute 1" and gain.low > 0)
    assert np.mean(found) > 0.9
    assert np.mean(reached) > 0.98
    assert np.mean(covered) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)
