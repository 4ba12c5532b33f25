"""What to test next: the plan's own test first, and what a test would be instead of what is not shown."""

import pytest

from smsroi_helpers.runner.next_tests import list_next_tests


def row(**values):
    return {
        "question": "Which day?", "stage": "timing", "outcome": "not_enough_evidence", "action": "Keep the days",
        "text": "No day is better. 900 customers would show it.", "next_test": "", "css": "modelled", "page": "03.html",
    } | values  # fmt: skip


def test_the_test_is_named_instead_of_what_is_not_shown():
    (found,) = list_next_tests([row(next_test="Draw days at random.")])
    assert found == {"question": "Which day?", "why": "", "what": "Draw days at random.", "page": "03.html"}


def test_without_a_named_test_the_answer_and_its_size_stand_there():
    (found,) = list_next_tests([row()])
    assert (found["why"], found["what"]) == (
        "Not enough evidence yet.",
        "Keep the days. 900 customers would show it.",
    )


def test_the_plan_comes_first_whatever_it_decides():
    plan = row(question="Whom?", stage="send_plan", next_test="The exploring share.")
    for outcome in ("do", "dont", "not_enough_evidence"):
        found = list_next_tests([row(), plan | {"outcome": outcome, "css": "modelled"}])
        assert [test["question"] for test in found] == ["Whom?", "Which day?"]
        assert (found[0]["why"], found[0]["what"]) == ("", "The exploring share.")


@pytest.mark.parametrize(
    ("outcome", "css", "why"),
    [("broken", "none", "The test is broken: repeat it."), ("do", "observational", "Observational so far: "),
     ("do", "randomised", None), ("dont", "observational", None)],
)  # fmt: skip
def test_other_answers(outcome, css, why):
    found = list_next_tests([row(outcome=outcome, css=css)])
    assert [test["why"].startswith(why) for test in found] == ([] if why is None else [True])
