"""What moved an answer, by the manifests of two runs; the banner of new alerts."""

import json

import pandas as pd
import pytest

from smsroi_helpers.runner.alerts import count_alerts, new_alerts
from smsroi_helpers.runner.changes import cause_words, find_causes, list_changes

BEFORE = {
    "inputs": {"orders.csv": "1", "messages.csv": "1"}, "as_of": "2026-06-01", "versions": {"pandas": "3"},
    "code": {"package": "a", "lock": "l", "revision": "r1"}, "source": {"currency": "USD"},
    "parameters": {
        "02_cltv": {"horizon_weeks": 26, "as_of": "2026-06-01", "previous_run": "x"},
        "03_timing": {"own_hours": ""},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "stage", "expected"),
    [
        ({}, "cltv", {}),
        ({"inputs": {"orders.csv": "2", "messages.csv": "1"}}, "cltv", {"data": ["orders.csv"]}),
        ({"as_of": "2026-06-08"}, "timing", {"data": ["as_of"]}),
        ({"parameters": {"02_cltv": {"horizon_weeks": 39}}}, "cltv", {"parameters": ["horizon_weeks: 26 → 39"]}),
        ({"parameters": {"02_cltv": {"horizon_weeks": 39}, "03_timing": {"own_hours": ""}}}, "timing", {}),
        ({"code": {"package": "b", "lock": "l", "revision": "r1"}}, "timing", {"code": ["package"]}),
        ({"versions": {"pandas": "4"}}, "timing", {"code": ["versions"]}),
    ],
)
def test_a_cause_is_what_differs_for_the_stage(change, stage, expected):
    assert find_causes(BEFORE, BEFORE | change, stage) == expected


def test_without_a_manifest_no_cause_is_named():
    assert find_causes({}, BEFORE, "cltv") == {}
    assert cause_words({}) == ""


def test_of_several_causes_each_may_have_moved_it():
    assert cause_words({"data": ["orders.csv"]}) == "the data (orders.csv)"
    words = cause_words({"data": ["a", "b", "c", "d"], "code": ["package"]})
    assert words == "one or more of: the data (a, b, c, …); the code (this workbook’s)"


def test_the_list_of_changes_names_the_cause(tmp_path):
    run, previous = tmp_path / "20260608-000000-bbbbbb", tmp_path / "20260601-000000-aaaaaa"
    row = {
        "stage": "cltv",
        "question": "How much?",
        "segment": "all",
        "outcome": "do",
        "text": "",
        "unit": "",
        "evidence": "none",
    }
    (previous / "tables" / "decisions").mkdir(parents=True)
    pd.DataFrame([row | {"action": "Five"}]).to_parquet(previous / "tables" / "decisions" / "02_cltv.parquet")
    (previous / "manifest.json").write_text(json.dumps(BEFORE))
    now = BEFORE | {"inputs": {"orders.csv": "2", "messages.csv": "1"}}
    found = list_changes(run, now, [row | {"action": "Six"}], [{"run": previous.name, "as_of": "2026-06-01"}])
    assert [(each["then"], each["now"], each["cause"]) for each in found["rows"]] == [
        ("Five.", "Six.", "the data (orders.csv)")
    ]


def test_changed_answers_name_segments_in_words(tmp_path):
    previous = tmp_path / "20260601-000000-aaaaaa"
    row = {"stage": "frequency", "question": "How often?", "segment": "prospect", "outcome": "do", "unit": ""}
    (previous / "tables" / "decisions").mkdir(parents=True)
    pd.DataFrame([row | {"action": "Five"}]).to_parquet(previous / "tables" / "decisions" / "04_frequency.parquet")
    (previous / "manifest.json").write_text(json.dumps(BEFORE))
    run = tmp_path / "20260608-000000-bbbbbb"
    found = list_changes(run, BEFORE, [row | {"action": "Six"}], [{"run": previous.name, "as_of": "2026-06-01"}])
    assert [each["question"] for each in found["rows"]] == ["How often? · not yet bought"]


ROW = {
    "stage": "content", "topic": "savings", "segment": "all", "outcome": "dont", "unit": "money", "text": "",
    "value": 5.0, "low": 1.0, "high": 9.0, "evidence": "none",
}  # fmt: skip


def changes_of(tmp_path, before, now, language="en", package="a"):
    previous = tmp_path / "20260601-000000-aaaaaa"
    (previous / "tables" / "decisions").mkdir(parents=True)
    pd.DataFrame([ROW | one for one in before]).to_parquet(previous / "tables/decisions/06_content.parquet")
    (previous / "manifest.json").write_text(json.dumps(BEFORE | {"language": "en"}))
    run, earlier = tmp_path / "20260608-000000-bbbbbb", [{"run": previous.name, "as_of": "2026-06-01"}]
    manifest = BEFORE | {"language": language, "code": BEFORE["code"] | {"package": package}}
    return list_changes(run, manifest, [ROW | one for one in now], earlier)


def test_a_question_in_other_words_is_the_same_question(tmp_path):
    before = [{"question": "Which texts cost too much?", "action": "Shorten A"}]
    now = [{"question": "Which texts cost more than they need to?", "action": "Shorten B"}]
    found = changes_of(tmp_path, before, now)
    assert found["others"] == ""
    (row,) = found["rows"]
    assert row["question"] == now[0]["question"]
    assert row["then"].startswith("Shorten A.")
    assert row["now"].startswith("Shorten B.")


def test_another_language_alone_changes_no_answer(tmp_path):
    before = [{"question": "Which texts?", "action": "Shorten A"}, {"question": "Who?", "topic": "", "action": "A"}]
    now = [
        {"question": "哪些短信？", "action": "缩短 A"},
        {"question": "谁？", "topic": "", "action": "甲", "value": 6.0},
    ]
    found = changes_of(tmp_path, before, now, language="zh")
    assert found["others"] == ""
    assert [row["question"] for row in found["rows"]] == ["谁？"]  # whose value differs


def test_another_version_that_says_the_same_in_other_words_changes_no_answer(tmp_path):
    """Under the same code, other words are another answer: what is to be shortened has changed."""
    before = [{"question": "Which texts?", "action": "Shorten A", "value": 5.0}]
    for action, value, package, listed in (
        ("Make A shorter", 5.0000001, "b", []),
        ("Make A shorter", 5.1, "b", ["Which texts?"]),
        ("Shorten B", 5.0, "a", ["Which texts?"]),
    ):
        place = tmp_path / f"{value}{package}"
        found = changes_of(place, before, [before[0] | {"action": action, "value": value}], package=package)
        assert [row["question"] for row in found["rows"]] == listed


def test_questions_of_one_run_only_are_named_in_their_own_words(tmp_path):
    before = [{"question": "Old?", "topic": "old", "action": "A"}]
    found = changes_of(tmp_path, before, [{"question": "New?", "topic": "new", "action": "A"}])
    assert (found["rows"], found["others"]) == (
        [], "Not asked in the last run: New? Asked in the last run, not in this one: Old?"
    )  # fmt: skip


def test_decisions_of_before_there_were_topics_are_compared_by_their_words(tmp_path, monkeypatch):
    monkeypatch.delitem(ROW, "topic")
    before = [{"question": "One?", "action": "A"}, {"question": "Two?", "action": "A"}]
    now = [{"question": "One?", "topic": "", "action": "B"}, {"question": "Two?", "topic": "two", "action": "A"}]
    assert [row["question"] for row in changes_of(tmp_path, before, now)["rows"]] == ["One?"]


def alerts_of(folder, rows):
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    columns = ["at", "metric", "kind", "scope", "text", "new"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "tables" / "alerts.parquet")


def test_new_alerts_are_one_per_series_the_newest(tmp_path):
    assert count_alerts(tmp_path) == {}
    alerts_of(tmp_path, [
        (pd.Timestamp("2026-06-01"), "click_rate", "channel", "sms", "older", True),
        (pd.Timestamp("2026-06-02"), "click_rate", "channel", "sms", "newer", True),
        (pd.Timestamp("2026-06-03"), "click_rate", "channel", "email", "known", False),
        (pd.Timestamp("2026-05-30"), "opt_out_rate", "channel", "sms", "call +8613812345678", True),
    ])  # fmt: skip
    assert new_alerts(tmp_path) == ["Newer", "Call [number]"]
    assert count_alerts(tmp_path) == {"listed": 4, "new": 2}
