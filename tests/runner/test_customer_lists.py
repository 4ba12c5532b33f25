"""The CSV of an answer: whom it is for, what to do, why, and what they are worth."""

import csv

import pandas as pd
import pytest

from smsroi_helpers import locale
from smsroi_helpers.runner.customer_lists import find_list, write_lists


@pytest.fixture(autouse=True)
def _english():
    locale.use_language("en")
    yield
    locale.use_language("en")


def decided(stage, segment="all", outcome="do", action="Do it"):
    return {"stage": stage, "segment": segment, "outcome": outcome, "action": action}


def save(run_dir, name, **columns):
    file = run_dir / "tables" / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(file)


def read(file):
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_segment_has_its_action(tmp_path):
    save(tmp_path, "customer_segments", customer_id=["c", "=a", "b", "d"], rfm_group=["gold", "lost", "gold", "growth"],
         cluster=[None] * 4)  # fmt: skip
    decisions = [
        decided("segmentation"), decided("segmentation", "gold", action="Look, after them"),
        decided("segmentation", "lost", action="+1 text"), decided("segmentation", "growth", "dont"),
    ]  # fmt: skip
    (file,) = write_lists(tmp_path, decisions)
    assert file.name == "customer-list-segmentation.csv"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith("\ufeffcustomer_id,action,reason,value".encode())
    assert [tuple(row.values()) for row in read(file)] == [
        ("'=a", "'+1 text", "lost", ""),
        ("b", "Look, after them", "gold", ""),
        ("c", "Look, after them", "gold", ""),
    ]


def test_without_a_value_those_with_most_orders_to_come_are_listed(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a", "b"], cltv=[float("nan")] * 2, expected_orders=[1.0, 2.0])
    (file,) = write_lists(tmp_path, [decided("cltv")])
    assert [row["customer_id"] for row in read(file)] == ["b"]


def test_the_most_valuable_tenth_rounded_up(tmp_path):
    save(tmp_path, "customer_value", customer_id=[f"{n:02}" for n in range(21)], cltv=[float(n) for n in range(21)],
         expected_orders=[1.0] * 21)  # fmt: skip
    (file,) = write_lists(tmp_path, [decided("cltv")])
    assert [(row["customer_id"], row["value"]) for row in read(file)] == [
        ("18", "18.0"),
        ("19", "19.0"),
        ("20", "20.0"),
    ]


def test_who_is_silent_and_what_is_at_risk(tmp_path):
    save(tmp_path, "churn_warnings", customer_id=["a"], silent_weeks=[7.4], value_at_risk=[12.345])
    (file,) = write_lists(tmp_path, [decided("retention")])
    (row,) = read(file)
    assert (row["reason"], float(row["value"])) == ("Silent for 7 weeks", 12.35)


def test_the_hour_of_each_customer_who_has_one(tmp_path):
    save(tmp_path, "customer_send_hour", customer_id=["a", "b", "c", "d"], hour=[16.0, float("nan"), 9.0, 10.0],
         basis=["personal", "all", "segment", "all"], outcome=["do", "do", "do", "not_enough_evidence"],
         weekdays=["0 1 2 3 4 5 6", "", "0 1 2 3 4", "0 1 2 3 4 5 6"])  # fmt: skip
    (file,) = write_lists(tmp_path, [decided("timing")])
    assert [(row["customer_id"], row["action"], row["reason"], row["value"]) for row in read(file)] == [
        ("a", "Text at 16:00, local time", "The hours at which this customer buys and clicks", ""),
        ("c", "Text at 9:00, local time, on the days of customer_send_hour.weekdays",
         "The best hours of the customer’s segment", ""),
    ]  # fmt: skip
    row = {"stage": "timing", "question": "When should a text go out?", "outcome": "do"}
    assert find_list(tmp_path, row, "shop/run")["href"] == "tables/customer-list-timing.csv"
    assert find_list(tmp_path, row | {"question": "On which weekday should a text go out?"}, "shop/run") is None


@pytest.mark.parametrize(("stage", "table", "columns"), [
    ("timing", "customer_send_hour",
     {"hour": [9.0] * 3, "basis": ["all"] * 3, "outcome": ["do"] * 3, "weekdays": ["0 1 2 3 4 5 6"] * 3}),
    ("frequency", "customer_segments", {"rfm_group": ["gold"] * 3, "cluster": [None] * 3}),
    ("retention", "churn_warnings", {"silent_weeks": [7.0] * 3, "value_at_risk": [1.0] * 3}),
])  # fmt: skip
def test_who_may_not_be_texted_is_on_no_list_of_texts(tmp_path, stage, table, columns):
    save(tmp_path, table, customer_id=["a", "b", "c"], **columns)
    for part in ("04_frequency", "07_retention"):
        save(tmp_path, f"may_be_texted/{part}", customer_id=["a", "c", "z"])
    (file,) = write_lists(tmp_path, [decided(stage), decided(stage, "gold")])
    assert [row["customer_id"] for row in read(file)] == ["a", "c"]
    question = {
        "timing": "When should a text go out?", "frequency": "How often?",
        "retention": "Can we see early who is leaving?",
    }[stage]  # fmt: skip
    found = find_list(tmp_path, decided(stage) | {"question": question}, "shop/run")
    assert found["label"] == "Customer list (CSV; customers: 2)"
    assert found["note"] == "subscribers only, without those whom a running experiment leaves without texts"


def test_the_most_valuable_are_listed_with_or_without_texts(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0])
    save(tmp_path, "may_be_texted/07_retention", customer_id=["b"])
    (file,) = write_lists(tmp_path, [decided("cltv")])
    assert [row["customer_id"] for row in read(file)] == ["a"]
    assert find_list(tmp_path, decided("cltv") | {"question": "What?"}, "shop/run")["note"] == ""


def test_who_gets_the_mailing(tmp_path):
    save(tmp_path, "recipients", customer_id=["a", "b"], arm=["none", "=mail"], message=[False, True])
    (file,) = write_lists(tmp_path, [decided("send_plan")])
    assert [(row["customer_id"], row["action"]) for row in read(file)] == [("b", "Send “=mail”")]
    found = find_list(tmp_path, {"stage": "send_plan", "question": "Who?", "outcome": "do"}, "shop/run")
    assert (found["href"], found["command"]) == ("tables/customer-list-send_plan.csv", "")
    assert find_list(tmp_path, {"stage": "send_plan", "question": "Who?", "outcome": "dont"}, "shop/run") is None


def test_without_a_recommendation_or_a_table_there_is_no_list(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0])
    assert write_lists(tmp_path, [decided("cltv", outcome="dont"), decided("retention")]) == []


def test_an_answer_links_its_csv_else_its_table(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0])
    row = {"stage": "cltv", "question": "What?", "outcome": "do"}
    assert find_list(tmp_path, row, "shop/run")["href"] == "tables/customer_value.parquet"
    write_lists(tmp_path, [decided("cltv")])
    found = find_list(tmp_path, row, "shop/run")
    assert (found["href"], found["label"]) == ("tables/customer-list-cltv.csv", "Customer list (CSV; customers: 1)")
    assert find_list(tmp_path, row | {"outcome": "dont"}, "shop/run") is None


def test_the_warnings_are_the_list_of_their_own_answer_only(tmp_path):
    save(tmp_path, "churn_warnings", customer_id=["a"], silent_weeks=[7.0], value_at_risk=[1.0])
    row = {"stage": "retention", "question": "Can we see early who is leaving?", "outcome": "do"}
    assert find_list(tmp_path, row, "shop/run") is not None
    assert find_list(tmp_path, row | {"question": "Does texting retain customers?"}, "shop/run") is None


WIN_BACK = "What should we do about customers who stop buying?"


@pytest.mark.parametrize(("outcome", "action"), [("do", "Text to win back"), ("dont", "Do not text")])
def test_whom_to_win_back_or_to_leave_alone(tmp_path, outcome, action):
    save(
        tmp_path, "win_back_customers", customer_id=["a", "b"], rfm_group=["dormant", "lost"], silent_weeks=[14.0, 60.4]
    )
    row = decided("retention", outcome=outcome) | {"question": WIN_BACK}
    (file,) = write_lists(tmp_path, [row])
    assert [(one["customer_id"], one["action"], one["reason"], one["value"]) for one in read(file)] == [
        ("a", action, "Silent for 14 weeks", ""),
        ("b", action, "Silent for 60 weeks", ""),
    ]
    assert find_list(tmp_path, row, "shop/run")["href"] == "tables/customer-list-win_back.csv"


def test_an_undecided_win_back_lists_the_halves_of_its_test(tmp_path):
    save(
        tmp_path, "win_back_customers", customer_id=["a", "b"], rfm_group=["lost"] * 2, silent_weeks=[60.0, 14.4],
        arm=["texted", "not_texted"],
    )  # fmt: skip
    row = decided("retention", outcome="not_enough_evidence") | {"question": WIN_BACK}
    (file,) = write_lists(tmp_path, [row])
    assert [(one["customer_id"], one["action"], one["reason"]) for one in read(file)] == [
        ("a", "Text to win back (test)", "Drawn by chance for the win-back test; silent for 60 weeks"),
        ("b", "Do not text (test)", "Drawn by chance for the win-back test; silent for 14 weeks"),
    ]
    found = find_list(tmp_path, row, "shop/run")
    assert (found["href"], found["label"]) == (
        "tables/customer-list-win_back.csv",
        "Customer list of the test (CSV; customers: 2)",
    )


def test_segments_with_another_frequency_are_listed(tmp_path):
    save(tmp_path, "customer_segments", customer_id=["a", "b", "c"], rfm_group=["gold", "lost", "growth"])
    rows = [
        decided("frequency", outcome="not_enough_evidence"), decided("frequency", "gold", action="4 texts a week"),
        decided("frequency", "lost", "dont"),
    ]  # fmt: skip
    (file,) = write_lists(tmp_path, rows)
    assert [tuple(row.values()) for row in read(file)] == [("a", "4 texts a week", "gold", "")]
    row = {"stage": "frequency", "question": "How often should we text?", "outcome": "not_enough_evidence"}
    assert find_list(tmp_path, row | {"only_segments": True}, "shop/run")["href"] == (
        "tables/customer-list-frequency.csv"
    )
    assert find_list(tmp_path, row | {"only_segments": False}, "shop/run") is None


@pytest.mark.parametrize("arms", [{}, {"arm": [None]}])
def test_an_undecided_win_back_without_a_test_has_no_list(tmp_path, arms):
    save(tmp_path, "win_back_customers", customer_id=["a"], rfm_group=["lost"], silent_weeks=[60.0], **arms)
    row = decided("retention", outcome="not_enough_evidence") | {"question": WIN_BACK}
    assert write_lists(tmp_path, [row]) == []
    assert find_list(tmp_path, row, "shop/run") is None
