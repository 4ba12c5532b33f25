"""What several answers on hours share: the number's words, unknown legal hours, segments that follow all customers."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from smsroi_helpers.contract import Decision
from smsroi_helpers.timing.decision import HourDecision, mark_followers
from smsroi_helpers.timing.shared_wording import forbidden_sentence, number_words, reconcile
from smsroi_helpers.timing.todays_hours import rule_unknown


def answer(**shares: float) -> Any:
    """Places by rules (blanks written as `__`), with their shares of today's texts."""
    rules = [name.replace("__", " ") for name in shares]
    return SimpleNamespace(
        places=pd.DataFrame({"rules": rules, "share": list(shares.values())}), forbidden_share=0.6123
    )


@pytest.mark.parametrize(
    ("places", "unknown"),
    [
        ({"CN": 1.0}, False),
        ({"careful": 0.7, "CN": 0.3}, True),
        ({"US__TX": 0.4, "careful": 0.2, "CN": 0.4}, True),
        ({"careful": 0.5, "CN": 0.5}, False),
    ],
)
def test_where_the_rule_is_unknown_the_sentence_says_so_and_what_to_set(places, unknown):
    found = answer(**places)
    assert rule_unknown(found) is unknown
    said = forbidden_sentence(found)
    assert said.startswith("61.2% of today’s texts go out at hours that ")
    assert ("may not be legal" in said) is ("`jurisdiction` in source.yml" in said) is unknown
    assert ("are not allowed" in said) is not unknown


def test_a_count_says_what_it_counts_and_money_needs_no_words():
    assert number_words("money_per_week", "click") == number_words("", "click") == ""
    assert number_words("count", "click").startswith("clicks a week")
    assert number_words("count", "order").startswith("orders a week")


def decided(*reasons: str) -> list[HourDecision]:
    names = ["all", *(f"s{i}" for i in range(1, len(reasons)))]
    return mark_followers([
        HourDecision(name, "do" if reason == "better_hour" else "not_enough_evidence", reason, "modelled", 100)  # type: ignore[arg-type]
        for name, reason in zip(names, reasons, strict=True)
    ])  # fmt: skip


def in_words(found: list[HourDecision]) -> list[Decision]:
    return [
        Decision("timing", "When?", one.outcome, f"act on {one.segment}", "Why.", "modelled", 100, segment=one.segment)
        for one in found
    ]


def test_segments_that_do_not_decide_alone_follow_all_customers():
    found = decided("better_hour", "undecided", "better_hour", "undecided")
    whole, one, two, three = reconcile(found, in_words(found))
    assert whole.action == "act on all"
    assert "2 of the 3 segments alone do not. In 2 of them" in whole.text
    assert "few" not in whole.text  # a segment with many texts may be undecided as well
    assert "Today’s hours stay" not in whole.text
    assert one.action == three.action == "Follow the answer for all customers: this segment alone does not decide yet"
    assert two.action == "act on s2"


def test_where_no_segment_decides_alone_it_says_so():
    found = decided("better_hour", "undecided", "undecided", "not_covered")
    whole = reconcile(found, in_words(found))[0]
    assert "no segment alone does. In 2 of the 3, the segment’s own texts" in whole.text


@pytest.mark.parametrize(
    ("low", "adjusted_p", "why"),
    [
        (-1.0, 0.2, "this segment alone does not decide yet"),
        (3.0, 0.2, "not shown once several segments are allowed for"),
        (3.0, 0.01, "may be too small to be worth a change"),
    ],
)
def test_why_an_interval_above_zero_does_not_decide(low, adjusted_p, why):
    whole, one = decided("better_hour", "undecided")
    one = dataclasses.replace(one, low=low, answer=SimpleNamespace(adjusted_p=adjusted_p))
    assert reconcile([whole, one], in_words([whole, one]))[1].action.endswith(why)


def test_segments_that_keep_their_hours_are_named_and_their_share_of_the_amount():
    found = decided("better_hour", "undecided", "not_covered", "better_hour")
    sent = dict(zip(("all", "s1", "s2", "s3"), (1_000.0, 500.0, 200.0, 300.0), strict=True))
    with_texts = [
        dataclasses.replace(one, answer=SimpleNamespace(messages_per_week=sent[one.segment])) for one in found
    ]
    whole, _one, kept, _three = reconcile(with_texts, in_words(with_texts))
    assert "2 of the 3 segments alone do not. In 1 of them" in whole.text  # s3 alone decides
    assert "Today’s hours stay for “s2”, as" in whole.text
    assert "20% of which are theirs" in whole.text
    assert kept.action == "act on s2"


@pytest.mark.parametrize("reasons", [("undecided", "undecided"), ("better_hour", "better_hour"), ("better_hour",)])
def test_elsewhere_nothing_is_changed(reasons):
    found = decided(*reasons)
    words = in_words(found)
    assert reconcile(found, words) == words
