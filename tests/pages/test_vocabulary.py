"""What pages call an experiment's problems."""

import typing

import pytest

from smsroi_helpers.experiments import Problem, ProblemKind
from smsroi_helpers.pages import problem_words

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
        " the orders of none came before the assignment. Differences between arms are unbiased; lifts in percent are"
        " too small by at most that share of themselves",
    ),
    (Problem("assigned_early", breaks=False, customers=3), "3 customers were assigned before the test began"),
    (
        Problem("unbalanced", breaks=True, arms=("b",), control="a", metric="revenue", p_value=0.0001),
        "b and a differed before the test already (Revenue before the assignment, p < 0.001)",
    ),
    (
        Problem("control_messaged", breaks=True, control="out", share=0.7, contrast=0.22),
        "70.0% of out were messaged although they were to be left alone",
    ),
    (
        Problem("control_messaged", breaks=False, control="out", share=0.1, contrast=0.875),
        "10.0% of out were messaged although they were to be left alone: the difference shown is about 88% of what a"
        " clean control would show",
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
