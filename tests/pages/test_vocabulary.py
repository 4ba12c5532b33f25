"""What pages call an experiment's problems."""

import typing

import pytest

from smsroi_helpers.contract import Evidence
from smsroi_helpers.experiments import Problem, ProblemKind
from smsroi_helpers.pages import (
    cash_words,
    compact_words,
    evidence_label,
    evidence_meaning,
    percent_range,
    problem_words,
)

PROBLEMS = [
    (Problem("empty_arms", breaks=True, arms=("c",)), "nobody is in c"),
    (
        Problem("split", breaks=True, arms=("a",), share=0.45454, planned=0.5, p_value=0.0086),
        "the split is not the planned one: a has 45.45% of the customers instead of 50.00% (p 0.009)",
    ),
    (
        Problem("assigned_late", breaks=True, customers=40, of_customers=1_000),
        "40 of 1,000 customers were assigned after the last outcome that counts",
    ),
    (
        Problem("assigned_late", breaks=False, customers=4, of_customers=1_000),
        "4 customers were assigned too late to have an outcome, and are left out",
    ),
    (
        Problem("orders_without_times", breaks=False, control="none", share=0.031),
        "orders carry dates without times, so all orders of the day of assignment count as outcomes: at most 3.1% of"
        " the orders in the arm “no messages” came before the assignment. Differences between arms are unbiased; lifts"
        " in percent are too small by at most that share of themselves",
    ),
    (Problem("assigned_early", breaks=False, customers=3), "3 customers were assigned before the test began"),
    (
        Problem("mixed_clusters", breaks=True, customers=40, of_customers=1_000),
        "40 of 1,000 customers are in households or stores with customers in two arms: their outcomes are contaminated"
        " by the other arm, and choosing one of the two arms afterwards is no remedy",
    ),
    (
        Problem("unbalanced", breaks=True, arms=("b",), control="a", metric="revenue", p_value=0.0001),
        "b and a differed before the test already (Revenue before the assignment, p < 0.001)",
    ),
    (
        Problem("control_messaged", breaks=True, control="out", share=0.7, contrast=0.22),
        "70.0% of out got messages of the tested channel although they were to get none",
    ),
    (
        Problem("control_messaged", breaks=False, control="out", share=0.1, contrast=0.875),
        "10.0% of out got messages of the tested channel although they were to get none: the difference shown is about"
        " 88% of what a clean control would show",
    ),
    (Problem("not_messaged", breaks=True), "nobody in the treated arms was messaged"),
    (
        Problem("sent_alike", breaks=True, arms=("one", "four"), share=0.97),
        "one got 97% as many messages per customer as four: the arms were not sent as planned",
    ),
    (
        Problem("overlap", breaks=False, other="y", p_value=0.002),
        "who is in which arm hangs together with the arms of y (p 0.002): the two effects mix",
    ),
]


@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
def test_problems_have_words(problem, words):
    assert problem_words(problem) == words


def test_every_kind_of_problem_has_words():
    assert {problem.kind for problem, _words in PROBLEMS} == set(typing.get_args(ProblemKind))
    with pytest.raises(ValueError, match="no description of the problem 'other'"):
        problem_words(Problem("other", breaks=True))


def test_each_kind_of_evidence_has_one_sentence_and_only_a_randomised_one_claims_an_effect():
    kinds = typing.get_args(Evidence)
    said = {kind: evidence_meaning(kind, "4,012") for kind in kinds}
    assert len(set(said.values())) == len({evidence_label(kind) for kind in kinds}) == len(kinds)
    assert all("4,012 customers" in words for kind, words in said.items() if kind != "none")
    assert [kind for kind, words in said.items() if "are effects" in words] == ["randomised"]
    assert "not itself measured" in said["modelled"]


def test_cash_is_said_with_its_weeks_and_how_it_is_known():
    row = {"kind": "gain", "customers": 900, "money": "long_run", "value": 50.0, "low": 20.0, "high": 80.0}
    row |= {"cash": -217.0, "cash_low": -320.0, "cash_high": -110.0, "cash_weeks": 6.0, "cash_evidence": "randomised"}
    assert cash_words(row, "USD").startswith("Cash in the 6 weeks of the test, measured: −$220 (−$320 to −$110).")
    assert "does not break even within 104 weeks" in cash_words(row, "USD")
    assert "breaks even in week 9" in cash_words(row | {"break_even_week": 9.0}, "USD")
    losing = row | {"value": -50.0, "low": -80.0, "high": -20.0, "cash": 217.0, "cash_low": 110.0, "cash_high": 320.0}
    assert "loses in the long run" in cash_words(losing, "USD")
    alike = row | {"cash": 217.0, "cash_low": 110.0, "cash_high": 320.0, "cash_evidence": "modelled"}
    assert cash_words(alike, "USD") == (
        "Cash in the next 6 weeks, modelled from a randomised test: +$220 ($110 to $320)."
    )
    assert cash_words(row | {"money": "cash", "value": -217.0}, "USD") == ""  # the value is that cash


def test_kpis_have_three_figures_while_their_limits_differ():
    words = percent_range(0.99987, 0.99974, 1.0, most_digits=3)
    assert words == "99.99% (99.97% to 100.00%)"
    assert percent_range(0.0407, 0.03991, 0.04148, most_digits=3) == "4.07% (3.99% to 4.15%)"
    assert compact_words(0.3, 0.1, 0.5, most_digits=3) == "0.30 (0.10 to 0.50)", "an interval decides first"
    assert compact_words(0.0, -5.1, 5.2, most_digits=3) == compact_words(0.0, -5.1, 5.2)
