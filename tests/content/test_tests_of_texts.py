"""Tests of texts: decided here by the rule of `ab_test`, with its numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import ab_test, content
from smsroi_helpers.content.tests_of_texts import arms_of_tests, undecided_arms
from smsroi_helpers.content.texts import read_texts


@pytest.fixture(scope="module")
def evaluated(company):
    return ab_test.analyse(company)


@pytest.fixture(scope="module")
def tests(company):
    return content.evaluate_tests(company)


@pytest.fixture(scope="module")
def decisions(found, tests):
    return content.decide(found, tests, "USD", 0.002)


def test_one_test_has_one_verdict_and_one_amount(evaluated, tests, decisions):
    """The answer of 06 is that of the test, with what 05 computes; 05 gives none; the log has no amount beside it."""
    assert not any("text test" in one.question for one in ab_test.decide(evaluated, "USD"))
    by_05 = [dataclasses.replace(one, decided_in="ab_test") for one in evaluated if one.decided_in == "content"]
    first = ab_test.decide(by_05, "USD")[0]
    pd.testing.assert_frame_equal(
        pd.DataFrame([dataclasses.asdict(decisions[0])]),
        pd.DataFrame([dataclasses.asdict(dataclasses.replace(first, stage="content"))]),
    )
    assert [one.experiment.name for one in tests] == ["which-text"]
    rest = [one for one in decisions[1:] if one.evidence != "descriptive"]
    assert [(one.evidence, one.kind) for one in rest] == [("observational", "fact")]
    assert np.isnan(rest[0].value)


def test_the_saved_table_has_the_decisions_and_05_has_none(evaluated, tests):
    here, there = content.result_rows(tests), ab_test.results_table(evaluated)
    there = there[there["experiment_id"] == "which-text"].reset_index(drop=True)
    assert there["decision"].isna().all()
    assert set(here["decision"]) <= {"ship", "keep_control", "keep_running"}
    pd.testing.assert_frame_equal(here.drop(columns="decision"), there.drop(columns="decision"))


def test_members_of_tests_and_roles_of_plans_are_compared_apart(company, found):
    """Who explores for a plan gets all texts at all hours, so one stratum with the plan's others would mislead."""
    sources = set(company.count(found.sends.rows.select("source").distinct())["source"])
    assert sources == {"log", "test:which-text", "plan:plan", "plan:explore"}
    roles = company.plans.execute().set_index("customer_id")["role"]
    rows = company.count(found.sends.rows.select("customer_id", "source").distinct())
    planned = rows[rows["source"].str.startswith("plan:")]
    assert (planned["source"] == "plan:" + planned["customer_id"].map(roles)).all()


def test_only_arms_of_valid_tests_are_tested(company, tests):
    texts = read_texts(company)
    assert arms_of_tests(tests, texts) == {"new_in", "sale_20", "story"}
    problem = dataclasses.replace(tests[0].validity, problems=("x",))
    assert arms_of_tests([dataclasses.replace(tests[0], validity=problem)], texts) == frozenset()


def test_a_test_is_undecided_between_its_arms_that_are_not_shown_to_bring_less(company, tests):
    texts, test = read_texts(company), tests[0]

    def undecided(outcome: str, by_arm: dict[str, str]):
        decision = dataclasses.replace(test.decision, outcome=outcome, by_arm=by_arm)
        return undecided_arms([dataclasses.replace(test, decision=decision)], texts)

    assert test.experiment.control == "new_in"
    one_worse = {"sale_20": "keep_control", "story": "keep_running"}
    assert undecided("keep_running", one_worse) == {"new_in", "story"}
    assert undecided("keep_running", dict.fromkeys(one_worse, "keep_running")) == {"new_in", "story", "sale_20"}
    assert undecided("ship", one_worse) == frozenset()
    broken = dataclasses.replace(test, validity=dataclasses.replace(test.validity, problems=("x",)))
    assert undecided_arms([broken], texts) == frozenset()


def test_without_tests_nothing_is_decided_of_them(found):
    assert content.result_rows([]).empty
    decided = content.decide(found, [], "USD", 0.002)
    assert decided[0].question == "Which text for whom?"
