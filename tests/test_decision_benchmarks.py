"""The benchmarks of decisions: policies read from tables, the best policy, and which cells of a notebook are run."""

import ast
import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from benchmarks import companies, content, decisions
from benchmarks.capture import Policy, best_policy, long_run_value, read_policy
from benchmarks.companies import DOSES, Truths
from smsroi_helpers.simulation import ground_truth as own

RNG = np.random.default_rng(3)
N, WINDOWS, TEXTS = 40, ((9, 11), (12, 14), (18, 20)), ("a", "b")
GROUPS = np.array(["x", "y"])[np.arange(N) % 2]
PLACE = np.arange(N) // 2 % 3
LEGAL = np.array([[True, True, True], [False, True, True], [False, False, False]])[PLACE]


@pytest.fixture
def truths():
    value = np.concatenate([np.zeros((N, 3, 1, 3)), RNG.normal(2, 2, (N, 3, len(DOSES) - 1, 3))], axis=2)
    usual = np.concatenate([np.zeros((N, 1, 3)), RNG.normal(1, 1, (N, len(DOSES) - 1, 3))], axis=1)
    one, hours = np.ones(N), np.full((N, 24), 1 / 24)
    return Truths(
        ids=np.array([f"k{i}" for i in range(N)]), classes=GROUPS, here=np.arange(N) < 36, receives=one > 0,
        windows=WINDOWS, clicks=RNG.uniform(0.01, 0.2, (N, 3)), hour_clicks=hours, hours_today=hours, creatives=TEXTS,
        profit=value / 50, value=value, value_at_todays_hours=usual, dose_value=usual[..., -1], dose_today=2 * one,
        profit_today=one, value_today=usual[:, 3, -1], loss=0.01 * one, creative_value=usual[:, 3, :2],
        creative_profit=usual[:, 3, :2], weekly_discount=0.002,
    )  # fmt: skip


def nothing():
    return Policy(np.full(N, -1), np.full(N, np.nan), np.full(N, -1))


def test_a_policy_that_changes_nothing_is_worth_what_today_is(truths):
    assert np.allclose(long_run_value(truths, nothing()), truths.value_today)


def test_doses_between_those_of_the_grid_are_interpolated(truths):
    policy = dataclasses.replace(nothing(), window=np.full(N, 1), dose=np.full(N, 2.25))
    expected = 0.75 * truths.value[:, 1, DOSES.index(2.0), -1] + 0.25 * truths.value[:, 1, DOSES.index(3.0), -1]
    assert np.allclose(long_run_value(truths, policy), expected)
    assert np.allclose(truths.value_at(np.full(N, 3.5)), truths.dose_value[:, 4:6].mean(axis=1))


def test_the_best_policy_is_that_of_trying_all(truths):
    found = best_policy(truths, GROUPS, LEGAL, PLACE)
    value = long_run_value(truths, found)
    for group in "xy":
        of_group = truths.here & (group == GROUPS)
        tried = []
        for dose, text, here, there in itertools.product(range(len(DOSES)), range(2), range(3), (1, 2)):
            first, second = of_group & (PLACE == 0), of_group & (PLACE == 1)
            tried.append(truths.value[first, here, dose, text].sum() + truths.value[second, there, dose, text].sum())
        assert np.isclose(value[of_group].sum(), max(tried))
    nowhere = PLACE == 2
    assert (found.window[nowhere] == -1).all()
    assert not value[nowhere].any(), "nothing is sent where no window is allowed"
    assert LEGAL[np.arange(N), found.window][~nowhere].all()


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "decisions").mkdir()
    pd.DataFrame({"stage": ["timing"] * 3, "segment": ["all", "x", "y"], "outcome": ["do", "do", "dont"]}).to_parquet(
        tmp_path / "decisions" / "03_timing.parquet"
    )
    pd.DataFrame({"customer_id": [f"k{i}" for i in range(38)], "hour": [12] * 38}).to_parquet(
        tmp_path / "customer_send_hour.parquet"
    )
    pd.DataFrame({
        "segment": ["all", "x", "y"], "messages_per_week": [1.0, 4.0, 2.0],
        "outcome": ["change", "change", "not_enough"],
    }).to_parquet(tmp_path / "frequency_policy.parquet")  # fmt: skip
    pd.DataFrame({
        "segment": ["all", "all", "x", "x"], "variant": ["a", "b", "a", "b"], "profit": [0.1, 0.2, 0.3, 0.2],
    }).to_parquet(tmp_path / "creative_response.parquet")  # fmt: skip
    pd.DataFrame({
        "kind": "content", "segment": "all", "metric": "profit", "arm": ["a", "b"], "difference": [np.nan, 0.4],
        "decision": ["keep_running", "keep_running"],
    }).to_parquet(tmp_path / "content_tests.parquet")  # fmt: skip
    return tmp_path


def test_to_the_letter_only_what_is_decided_changes(truths, tables):
    found = read_policy(tables, truths, GROUPS, reader="letter")
    x = GROUPS == "x"
    assert (found.window[x & (np.arange(N) < 38)] == 1).all()
    assert (found.window[~x] == -1).all()
    assert (found.dose[x] == 4).all()
    assert np.isnan(found.dose[~x]).all()
    assert (found.creative == -1).all()
    assert (found.window[38:] == -1).all(), "customers without a row keep today's hours"


def test_by_estimates_everything_changes(truths, tables):
    found = read_policy(tables, truths, GROUPS, reader="estimates")
    x = GROUPS == "x"
    assert (found.window[:38] == 1).all()
    assert (found.dose == np.where(x, 4, 2)).all(), "decided or not"
    assert (found.creative == np.where(x, 0, 1)).all(), "the segment's best text, and that of all where it has no row"
    unknown = read_policy(tables, truths, np.where(x, "x", "unknown"), reader="estimates")
    assert (unknown.dose == np.where(x, 4, 1)).all(), "a segment without a row gets the dose of all customers"
    careful = read_policy(tables, truths, GROUPS, reader="careful")
    assert (careful.window == found.window).all()
    assert (careful.creative == found.creative).all()
    assert (careful.dose[x] == 4).all()
    assert np.isnan(careful.dose[~x]).all(), "a dose that is not decided is left as it is today"
    shipped = pd.read_parquet(tables / "content_tests.parquet").assign(decision="ship")
    shipped.to_parquet(tables / "content_tests.parquet")
    assert (read_policy(tables, truths, GROUPS, reader="letter").creative == 1).all(), (
        "the control's own row is no change"
    )


def test_the_own_simulators_truth_by_customer_averages_to_that_of_its_segments(tmp_path):
    found = companies.make("own", tmp_path / "source", customers=4_000, seed=5)
    world = own.read_truth(tmp_path / "source")
    kinds, hours = np.arange(len(own.SEGMENTS)), np.array(own.HOURS)
    stated = own.expected(world, kinds[:, None, None], texts_per_week=np.array(DOSES)[:, None], hour=hours)
    clicks = own.expected(world, kinds[:, None], texts_per_week=2, hour=hours).click_rate
    for kind, name in enumerate(own.SEGMENTS):
        members = found.classes == name
        profit = found.profit[members][..., -1].mean(axis=(0, 1))
        assert np.allclose(profit, stated.profit_per_week[kind].mean(axis=1), rtol=0.06, atol=0.01), name
        assert np.allclose(found.clicks[members & found.receives].mean(axis=0), clicks[kind], rtol=0.06), name
        value = stated.long_run_profit[kind].mean(axis=1)
        assert np.allclose(found.dose_value[members].mean(axis=0), value, rtol=0.08, atol=1.5), name
    assert np.isclose(np.nansum(found.hours_today, axis=1)[found.dose_today > 0], 1).all()


def test_of_a_notebook_only_what_decisions_and_tables_need_is_run():
    cells = """
from x import a, run
study = a.analyse(run.shop)
a.tables.test_note(study)
stages = a.choose(study, by="stage")
a.tables.policy_table(stages)
policy = a.choose(study)
months = a.trace(run.shop)
run.decide(*a.decide(study, policy))
run.save("t", a.response(study))
run.finish()
"""
    kept = [ast.unparse(statement) for statement in companies._needed(ast.parse(cells).body)]
    assert kept == [
        "from x import a, run", "study = a.analyse(run.shop)", "policy = a.choose(study)",
        "run.decide(*a.decide(study, policy))", "run.save('t', a.response(study))",
    ]  # fmt: skip


def test_the_summary_counts_what_went_wrong():
    hours = pd.DataFrame({
        "segment": ["all", "x", "y"], "outcome": ["do", "dont", "do"], "holds_best": [True, False, True],
        "in_set": 2, "windows": 4, "regret": [0.1, 0.02, 0.0], "smallest": 0.001, "covered": [True, True, None],
        "published": True, "gain": [0.1, np.nan, -0.1],
    })  # fmt: skip
    doses = pd.DataFrame({
        "segment": ["x", "y"], "outcome": ["do", "not_enough_evidence"], "advised": [True, False],
        "near_best": [True, False], "chosen": [2.0, 1.0], "best": [3.0, 2.0], "covered": [False, True],
        "gain": [5.0, -1.0],
    })  # fmt: skip
    tests = pd.DataFrame({"kind": ["content"], "outcome": ["ship"], "true_gain": [0.3], "smallest": [0.1],
                          "right": [True], "shipped_gain": [0.3]})  # fmt: skip
    claims = pd.DataFrame({"stage": ["timing"]})
    text = decisions.summarise([decisions.Judged(1, hours, doses, tests, claims, 1.0)], null=False)
    assert "the set holds the best window in 1 of 2 (50%)" in text
    assert "left as they are 1 times, with a regret above the smallest gain in 1 of 1" in text
    assert "advised (the test covers today's subscribers) in 1 of 2 (50%)" in text
    assert "within 10% of its value in 1 of 1 (100%); the optimum in 0 of 1" in text
    assert "twice the planner's smallest: 1 of 1" in text
    assert "lose money in truth: 1 of 4 (25%)" in text
    assert "any `do` from 03–06: 1 of 1" in decisions.summarise(
        [decisions.Judged(1, hours, doses, tests, claims, 1.0)], null=True
    )


def test_the_summary_of_texts_counts_by_company():
    texts = pd.DataFrame({"seed": [1, 1, 2, 2], "covered": [True, True, True, False], "error": [0.0, 1.0, -1.0, 3.0]})
    choices = pd.DataFrame({"seed": [1, 2], "chosen": ["a", "b"], "best": ["a", "a"], "in_set": True,
                            "regret": [0.0, 10.0], "possible": [50.0, 50.0]})  # fmt: skip
    factors = pd.DataFrame({"covered": [True, False]})
    text = content.summarise([content.Judged(1, texts, choices, pd.DataFrame(), factors, 1.0)])
    assert "true effect in 75.0% ± 49.0%" in text  # means of 1 and .5: 1.96 × .3536 / √2
    assert "regret 10.0% of (best − today), by company 0%, 20%; best text chosen in 1 of 2 (50%)" in text
    assert "true factor in 1 of 2" in text
