"""The CSV of an answer: whom it is for, what to do, why, what it is worth, and which list goes before which."""

import csv
import itertools

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import locale
from smsroi_helpers.runner.customer_lists import write_lists

WIN_BACK = "What should we do about customers who stop buying?"
QUESTIONS = {
    "retention": "Can we see early who is leaving?",
    "timing": "When should a text go out?",
    "frequency": "How often should we text?",
    "win_back": WIN_BACK,
}
EVERY_DAY = "0 1 2 3 4 5 6"


@pytest.fixture(autouse=True)
def _english():
    locale.use_language("en")
    yield
    locale.use_language("en")


def decided(name, segment="all", outcome="do", action="Do it", **more):
    stage = "retention" if name == "win_back" else name
    row = {"stage": stage, "segment": segment, "outcome": outcome, "action": action}
    return row | {"question": QUESTIONS.get(name, "What?")} | more


def save(run_dir, name, **columns):
    file = run_dir / "tables" / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(file)


def read(found):
    with found.file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def lists_of(run_dir, *decisions):
    return write_lists(run_dir, decisions, currency="USD", as_of="2026-06-28")


def link(found, run_dir, row):
    return found.link(run_dir, row, "shop/run")


def save_hours(run_dir, **columns):
    n = len(columns["customer_id"])
    usual = {
        "segment": ["gold"] * n, "hour": [16] * n, "basis": ["all"] * n, "outcome": ["do"] * n,
        "weekdays": [EVERY_DAY] * n,
    }  # fmt: skip
    save(run_dir, "customer_send_hour", **(usual | columns))


def save_plan(run_dir, **columns):
    n = len(columns["customer_id"])
    times = pd.to_datetime([f"2026-07-{day:02}T16:05:00" for day in range(1, n + 1)])
    usual = {
        "role": ["plan"] * n, "send_at_local": times, "timezone": ["Asia/Shanghai"] * n, "variant": ["story"] * n,
        "expected_profit": [0.5] * n, "left_out": [None] * n,
    }  # fmt: skip
    frame = pd.DataFrame(usual | columns)
    frame["left_out"] = frame["left_out"].astype("string")
    save(run_dir, "send_plan", **frame)


# --- each list -------------------------------------------------------------------------------------------------------


def test_each_segment_has_its_action_and_each_customer_the_expected_profit(tmp_path):
    save(tmp_path, "customer_segments", customer_id=["c", "=a", "b", "d"], rfm_group=["gold", "lost", "gold", "growth"],
         cluster=[None] * 4)  # fmt: skip
    save(tmp_path, "customer_value", customer_id=["c", "=a", "b"], cltv=[12.345, 2.0, float("nan")],
         horizon_weeks=[26] * 3)  # fmt: skip
    found = lists_of(
        tmp_path, decided("segmentation"), decided("segmentation", "gold", action="Look, after them"),
        decided("segmentation", "lost", action="+1 text"), decided("segmentation", "growth", "dont"),
    ).written["segmentation"]  # fmt: skip
    assert found.file.name == "customer-list-segmentation.csv"
    assert found.file.stat().st_mode & 0o777 == 0o600
    assert found.file.read_bytes().startswith("\ufeffcustomer_id,action,reason,value,follow".encode())
    assert [tuple(row.values()) for row in read(found)] == [
        ("'=a", "'+1 text", "lost", "2.0", "this list"),
        ("b", "Look, after them", "gold", "", "this list"),
        ("c", "Look, after them", "gold", "12.35", "this list"),
    ]
    assert "Column `value` (USD): expected profit in the next 26 weeks, before the cost of messages" in found.note


def test_without_the_page_on_customer_value_the_list_says_why_value_is_empty(tmp_path):
    save(tmp_path, "customer_segments", customer_id=["c"], rfm_group=["gold"])
    found = lists_of(tmp_path, decided("segmentation"), decided("segmentation", "gold")).written["segmentation"]
    assert [row["value"] for row in read(found)] == [""]
    assert "Column `value` is empty: the page on customer value" in found.note


def test_without_a_value_those_with_most_orders_to_come_are_listed(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a", "b"], cltv=[float("nan")] * 2, expected_orders=[1.0, 2.0])
    found = lists_of(tmp_path, decided("cltv")).written["cltv"]
    assert [row["customer_id"] for row in read(found)] == ["b"]
    assert found.note.endswith("Column `value` is empty: what a purchase brings is not known.")


def test_the_most_valuable_tenth_rounded_up(tmp_path):
    save(tmp_path, "customer_value", customer_id=[f"{n:02}" for n in range(21)], cltv=[float(n) for n in range(21)],
         expected_orders=[1.0] * 21)  # fmt: skip
    found = lists_of(tmp_path, decided("cltv")).written["cltv"]
    assert [(row["customer_id"], row["value"]) for row in read(found)] == [
        ("18", "18.0"), ("19", "19.0"), ("20", "20.0"),
    ]  # fmt: skip


def save_warnings(run_dir, warned, listed):
    save(run_dir, "churn_warnings", customer_id=[f"c{n:02}" for n in range(warned)], silent_weeks=[7.4] * warned,
         value_at_risk=[12.345] * warned, horizon_weeks=[26] * warned)  # fmt: skip
    save(run_dir, "warning_quality", warning=["alive", "opt_out"], warned_on=["2025-12-28"] * 2, weeks=[26, 8],
         precision=[0.58, 0.1], precision_low=[0.56, 0.0], precision_high=[0.6, 0.2],
         listed=[float(listed), float("nan")])  # fmt: skip


def test_who_is_silent_what_is_at_risk_and_how_often_a_list_as_long_is_right(tmp_path):
    save_warnings(tmp_path, 12, 12)
    found = lists_of(tmp_path, decided("retention")).written["retention"]
    row = read(found)[0]
    assert (row["reason"], float(row["value"])) == ("Silent for 7 weeks", 12.35)
    assert "As of Jun 28, 2026: 12 customers are warned of" in found.note
    assert (
        "Of a list as long on Dec 28, 2025 (the same share of the customers), 58% (95% interval 56% to 60%) bought"
        " nothing in the next 26 weeks." in found.note
    )
    assert (
        "Column `value` (USD): profit at risk: what the customer would bring in the next 26 weeks if still one"
        in found.note
    )


def test_a_list_of_another_length_has_no_measured_precision(tmp_path):
    save_warnings(tmp_path, 12, 400)
    found = lists_of(tmp_path, decided("retention")).written["retention"]
    assert "58%" not in found.note
    assert "How often a list as long is right was not measured." in found.note


def test_the_hour_of_each_customer_and_who_keeps_theirs(tmp_path):
    save_hours(
        tmp_path, customer_id=["a", "b", "c", "d"], hour=[16.0, float("nan"), 9.0, 10.0],
        segment=["gold", "gold", "growth", "lost"], basis=["personal", "all", "all", "segment"],
        outcome=["do", "do", "do", "not_enough_evidence"], weekdays=[EVERY_DAY, "", "0 1 2 3 4", EVERY_DAY],
    )  # fmt: skip
    money = {"unit": "money_per_week", "customers": 100, "cash_weeks": 12.0}
    decisions = [
        decided("timing", cash=50.0, **money), decided("timing", "gold", cash=80.0, **money),
        decided("timing", "growth", "not_enough_evidence", "Follow", cash=10.0, **money),
        decided("timing", "lost", "not_enough_evidence", "Keep, and test", cash=10.0, **money),
    ]  # fmt: skip
    lists = lists_of(tmp_path, *decisions)
    found = lists.written["timing"]
    assert [(row["customer_id"], row["action"], row["reason"], row["value"]) for row in read(found)] == [
        ("a", "Text at 16:00, local time", "The hours at which this customer buys and clicks", "0.8"),
        ("c", "Text at 9:00, local time, only on Monday to Friday", "The best hours of all customers", "0.5"),
        ("d", "Keep, and test", "lost", ""),
    ]  # fmt: skip
    assert "Column `value` (USD): profit in the next 12 weeks compared with today’s hours" in found.note
    row = decided("timing")
    assert link(lists, tmp_path, row)["href"] == "tables/customer-list-timing.csv"
    assert link(lists, tmp_path, row | {"question": "On which weekday should a text go out?"}) is None


@pytest.mark.parametrize(("listed", "words"), [
    (100, ""),
    (86, "The values add up to $2,150; the answer’s $2,500 is for all of today’s texts"),
])  # fmt: skip
def test_where_values_of_hours_do_not_add_up_to_the_answer_the_note_says_why(tmp_path, listed, words):
    """2,500 over 100 customers is 25 each."""
    save_hours(
        tmp_path, customer_id=[f"c{n:03}" for n in range(100)], outcome=["do"] * listed + ["dont"] * (100 - listed)
    )
    money = {"unit": "money_per_week", "customers": 100, "cash_weeks": 12.0}
    row = decided("timing", cash=2_500.0, cash_low=500.0, cash_high=6_900.0, **money)
    note = lists_of(tmp_path, row).written["timing"].note
    assert ("The values add up" in note) == bool(words)
    assert words in note


def test_where_values_of_texts_a_week_and_of_win_back_do_not_add_up_the_note_says_why(tmp_path):
    save(tmp_path, "may_be_texted/04_frequency", customer_id=["a", "b"], rfm_group=["gold", "lost"])
    often = decided("frequency", unit="money_per_week", value=300.0, low=100.0, high=500.0, customers=3)
    assert (
        "The values add up to $200 a week; the answer’s $300 is for all its subscribers"
        in lists_of(tmp_path, often).written["frequency"].note
    )
    save(tmp_path, "win_back_customers", customer_id=["a", "b", "c"], rfm_group=["lost"] * 3, silent_weeks=[60.0] * 3)
    back = decided("win_back", unit="money", value=50.0, low=20.0, high=80.0, customers=5, cash_weeks=17.0)
    assert (
        "The values add up to $30; the answer’s $50 is of the customers of the test, not of this list."
        in lists_of(tmp_path, back).written["win_back"].note
    )


def test_how_many_move_and_how_many_keep_their_hours_is_said(tmp_path):
    n = 40
    save_hours(tmp_path, customer_id=[f"c{i:02}" for i in range(n)], outcome=["do"] * 28 + ["dont"] * 12,
               basis=["personal"] * 15 + ["all"] * 25)  # fmt: skip
    found = lists_of(tmp_path, decided("timing")).written["timing"]
    assert found.note.startswith("28 are to be texted at the hour listed, 12 keep today’s hours")
    own = (
        "Of those who are to be texted at the hour listed, 15 have hours of their own, at which customers clicked more"
    )
    assert own in found.note
    assert "Column `value` is empty: what a click brings in money is not known." in found.note


def test_a_weekday_is_no_reason_for_a_list_of_hours(tmp_path):
    save_hours(tmp_path, customer_id=["a"], outcome=["not_enough_evidence"])
    weekday = decided("timing") | {"question": "On which weekday should a text go out?"}
    assert lists_of(tmp_path, decided("timing", outcome="not_enough_evidence"), weekday).written == {}


@pytest.mark.parametrize(("stage", "table", "columns"), [
    ("timing", "customer_send_hour",
     {"hour": [9.0] * 3, "basis": ["all"] * 3, "outcome": ["do"] * 3, "weekdays": [EVERY_DAY] * 3}),
    ("frequency", "customer_segments", {"rfm_group": ["gold"] * 3, "cluster": [None] * 3}),
    ("retention", "churn_warnings", {"silent_weeks": [7.0] * 3, "value_at_risk": [1.0] * 3}),
])  # fmt: skip
def test_who_may_not_be_texted_is_on_no_list_of_texts(tmp_path, stage, table, columns):
    save(tmp_path, table, customer_id=["a", "b", "c"], **columns)
    for part in ("04_frequency", "07_retention"):
        save(tmp_path, f"may_be_texted/{part}", customer_id=["a", "c", "z"])
    lists = lists_of(tmp_path, decided(stage), decided(stage, "gold"))
    assert [row["customer_id"] for row in read(lists.written[stage])] == ["a", "c"]
    found = link(lists, tmp_path, decided(stage))
    assert found["label"] == "Customer list (CSV; customers: 2)"
    assert found["note"].endswith(
        "Subscribers only, without those whose texts were never delivered. Customers in a running test of hours or"
        " frequencies are left out, and those whom an experiment leaves without texts."
    )


def test_the_most_valuable_are_listed_with_or_without_texts_and_the_list_says_which(tmp_path):
    n = 120
    save(tmp_path, "customer_value", customer_id=[f"c{i:03}" for i in range(n)], cltv=[float(n - i) for i in range(n)],
         expected_orders=[1.0] * n, horizon_weeks=[8] * n)  # fmt: skip
    save(tmp_path, "may_be_texted/07_retention", customer_id=["c000", "c001", "c002", "c003", "c004", "c119"])
    save_plan(tmp_path, customer_id=["c000", "c001", "c002"], role=["plan", "holdout", "plan"],
              left_out=[None, "holdout", "no_gain"])  # fmt: skip
    save(tmp_path, "win_back_customers", customer_id=["c003"], rfm_group=["lost"], silent_weeks=[60.0])
    lists = lists_of(tmp_path, decided("send_plan"), decided("win_back"), decided("cltv"))
    rows = read(lists.written["cltv"])
    assert [tuple(row.values())[-2:] for row in rows] == [
        ("yes", "the send plan’s list"), ("no", "no list of texts"), ("no", "no list of texts"),
        ("yes", "the win-back list"), ("yes", "texts as today"), *[("no", "no list of texts")] * 7,
    ]  # fmt: skip
    assert {row["action"] for row in rows} == {"Give better service first; texts as column follow says"}
    shown = link(lists, tmp_path, decided("cltv"))
    assert shown["note"].startswith("For better service; a high value does not show that more texts pay.")
    assert "<10 of them are on no list of texts (column `may_be_texted`)" in shown["note"]
    assert shown["shared"]


def test_where_no_page_says_who_may_be_texted_the_list_of_the_most_valuable_says_so(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0], horizon_weeks=[8])
    lists = lists_of(tmp_path, decided("cltv"))
    assert list(read(lists.written["cltv"])[0]) == ["customer_id", "action", "reason", "value"]
    assert "no page of this run says who" in link(lists, tmp_path, decided("cltv"))["note"]
    save(tmp_path, "may_be_texted/07_retention", customer_id=["a"])
    lists = lists_of(tmp_path, decided("cltv"))
    assert [row["may_be_texted"] for row in read(lists.written["cltv"])] == ["yes"]
    assert "All of them may be texted." in link(lists, tmp_path, decided("cltv"))["note"]


def test_who_gets_the_mailing_and_what_it_brings(tmp_path):
    save(tmp_path, "recipients", customer_id=["a", "b", "c"], arm=["none", "=mail", "=mail"],
         message=[False, True, True])  # fmt: skip
    row = decided("send_plan", unit="money", value=5.0, customers=3)
    lists = lists_of(tmp_path, row)
    assert [(one["customer_id"], one["action"], one["value"]) for one in read(lists.written["send_plan"])] == [
        ("b", "Send “=mail”", "2.5"), ("c", "Send “=mail”", "2.5"),
    ]  # fmt: skip
    found = link(lists, tmp_path, row)
    assert (found["href"], found["command"]) == ("tables/customer-list-send_plan.csv", "")
    none = decided("send_plan", outcome="dont")
    assert link(lists_of(tmp_path, none), tmp_path, none) is None


def test_without_a_recommendation_or_a_table_there_is_no_list(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0])
    assert lists_of(tmp_path, decided("cltv", outcome="dont"), decided("retention")).written == {}


def test_an_answer_links_its_csv_else_its_table(tmp_path):
    save(tmp_path, "customer_value", customer_id=["a"], cltv=[1.0], expected_orders=[1.0])
    row = decided("cltv")
    assert link(lists_of(tmp_path), tmp_path, row)["href"] == "tables/customer_value.parquet"
    lists = lists_of(tmp_path, row)
    found = link(lists, tmp_path, row)
    assert (found["href"], found["label"]) == ("tables/customer-list-cltv.csv", "Customer list (CSV; customers: 1)")
    assert link(lists, tmp_path, row | {"outcome": "dont"}) is None


def test_the_warnings_are_the_list_of_their_own_answer_only(tmp_path):
    save(tmp_path, "churn_warnings", customer_id=["a"], silent_weeks=[7.0], value_at_risk=[1.0])
    other = decided("retention") | {"question": "Does texting retain customers?"}
    assert lists_of(tmp_path, other, decided("retention", outcome="not_enough_evidence")).written == {}
    lists = lists_of(tmp_path, decided("retention"), other)
    assert link(lists, tmp_path, decided("retention")) is not None
    assert link(lists, tmp_path, other) is None


@pytest.mark.parametrize(("outcome", "action"), [("do", "Text to win back"), ("dont", "Do not text")])
def test_whom_to_win_back_or_to_leave_alone_and_what_texting_one_brought(tmp_path, outcome, action):
    save(
        tmp_path, "win_back_customers", customer_id=["a", "b"], rfm_group=["dormant", "lost"], silent_weeks=[14.0, 60.4]
    )
    row = decided("win_back", outcome=outcome, unit="money", value=-452.0, customers=100, cash_weeks=17.0)
    lists = lists_of(tmp_path, row)
    assert [(one["customer_id"], one["action"], one["reason"], one["value"])
            for one in read(lists.written["win_back"])] == [
        ("a", action, "Silent for 14 weeks", "-4.52"),
        ("b", action, "Silent for 60 weeks", "-4.52"),
    ]  # fmt: skip
    found = link(lists, tmp_path, row)
    assert found["href"] == "tables/customer-list-win_back.csv"
    assert (
        "Column `value` (USD): mean incremental profit of texting per customer in the 17 weeks of the test"
        in found["note"]
    )


def test_an_undecided_win_back_lists_the_halves_of_its_test(tmp_path):
    save(
        tmp_path, "win_back_customers", customer_id=["a", "b"], rfm_group=["lost"] * 2, silent_weeks=[60.0, 14.4],
        arm=["texted", "not_texted"],
    )  # fmt: skip
    row = decided("win_back", outcome="not_enough_evidence")
    lists = lists_of(tmp_path, row)
    assert [(one["customer_id"], one["action"], one["reason"]) for one in read(lists.written["win_back"])] == [
        ("a", "Text to win back (test)", "Drawn by chance for the win-back test; silent for 60 weeks"),
        ("b", "Do not text (test)", "Drawn by chance for the win-back test; silent for 14 weeks"),
    ]
    found = link(lists, tmp_path, row)
    assert (found["href"], found["label"]) == (
        "tables/customer-list-win_back.csv",
        "Customer list of the test (CSV; customers: 2)",
    )
    assert "Column `value` is empty: the test is to show what a text brings." in found["note"]


def test_segments_with_another_frequency_are_listed_with_its_value(tmp_path):
    save(tmp_path, "may_be_texted/04_frequency", customer_id=["a", "b", "c"], rfm_group=["gold", "lost", "growth"])
    rows = [
        decided("frequency", outcome="not_enough_evidence"),
        decided("frequency", "gold", action="4 texts a week", unit="money_per_week", value=123.0, customers=1000),
        decided("frequency", "lost", "dont"),
    ]  # fmt: skip
    lists = lists_of(tmp_path, *rows)
    assert [tuple(row.values()) for row in read(lists.written["frequency"])] == [
        ("a", "4 texts a week", "gold", "0.123", "this list")
    ]
    row = decided("frequency", outcome="not_enough_evidence")
    found = link(lists, tmp_path, row | {"only_segments": True})
    assert found["href"] == "tables/customer-list-frequency.csv"
    assert "Column `value` (USD): profit a week in the long run compared with today’s frequency" in found["note"]
    assert link(lists, tmp_path, row | {"only_segments": False}) is None


def test_groups_are_those_of_the_page_where_no_page_is_about_groups(tmp_path):
    """With a member level, which is called like an RFM group, in a run without 01, and beside a page without groups."""
    save(tmp_path, "may_be_texted/04_frequency", customer_id=["a", "b", "c"], attr_level=["prospect", "basic", None])
    save(tmp_path, "may_be_texted/07_retention", customer_id=["a", "b", "c"])
    row = decided("frequency", "prospect", action="4 texts a week", unit="money_per_week", value=10.0, customers=100)
    found = lists_of(tmp_path, decided("frequency", outcome="dont"), row).written["frequency"]
    assert [(one["customer_id"], one["reason"], one["value"]) for one in read(found)] == [("a", "prospect", "0.1")]


def test_a_frequency_for_all_customers_is_a_list_of_everybody(tmp_path):
    save(tmp_path, "may_be_texted/04_frequency", customer_id=["a", "b"], rfm_group=["gold", "lost"])
    row = decided("frequency", action="2 texts a week", unit="money_per_week", value=100.0, customers=1000)
    found = lists_of(tmp_path, row, decided("frequency", "lost", "not_enough_evidence")).written["frequency"]
    assert [(one["customer_id"], one["action"], one["value"]) for one in read(found)] == [
        ("a", "2 texts a week", "0.1"), ("b", "2 texts a week", "0.1"),
    ]  # fmt: skip


@pytest.mark.parametrize("arms", [{}, {"arm": [None]}])
def test_an_undecided_win_back_without_a_test_has_no_list(tmp_path, arms):
    save(tmp_path, "win_back_customers", customer_id=["a"], rfm_group=["lost"], silent_weeks=[60.0], **arms)
    row = decided("win_back", outcome="not_enough_evidence")
    lists = lists_of(tmp_path, row)
    assert lists.written == {}
    assert link(lists, tmp_path, row) is None


# --- the send plan ---------------------------------------------------------------------------------------------------


def test_the_plan_has_a_row_for_each_customer_with_text_times_and_value(tmp_path):
    save_plan(
        tmp_path, customer_id=["=a", "=a", "b", "c", "d"], role=["plan", "plan", "explore", "holdout", "plan"],
        expected_profit=[0.25, 0.5, None, 0.0, 0.0], variant=["story", "story", "@vote", None, None],
        left_out=[None, None, None, "holdout", "no_gain"],
    )  # fmt: skip
    lists = lists_of(tmp_path, decided("send_plan"))
    found = lists.written["send_plan"]
    assert (found.customers, found.texts) == (2, 3)
    assert [tuple(row.values()) for row in read(found)] == [
        ("'=a", "Send “story” at the times of send_at_local", "By the plan’s model, worth most in the long run",
         "0.75", "2", "2026-07-01 16:05; 2026-07-02 16:05", "Asia/Shanghai", "story"),
        ("b", "Send “@vote” at the times of send_at_local", "Drawn at random, to learn", "", "1", "2026-07-03 16:05",
         "Asia/Shanghai", "'@vote"),
    ]  # fmt: skip
    assert list(read(found)[0])[:4] == ["customer_id", "action", "reason", "value"]
    shown = link(lists, tmp_path, decided("send_plan"))
    assert shown["label"] == "Customer list (CSV; customers: 2; texts: 3)"
    assert shown["command"] == "smsroi list shop/run --to FOLDER"
    assert "opt-outs as of Jun 28, 2026. Exploring share: 1 of these customers, whose" in shown["note"]
    assert "Column `value` (USD): expected profit of the customer’s texts in the weeks of the plan" in shown["note"]


@pytest.mark.parametrize("outcome", ["not_enough_evidence", "dont"])
def test_where_the_plan_is_not_recommended_only_its_exploring_share_is_listed(tmp_path, outcome):
    save_plan(tmp_path, customer_id=["a", "b", "c"], role=["plan", "explore", "holdout"],
              left_out=[None, None, "holdout"])  # fmt: skip
    lists = lists_of(tmp_path, decided("send_plan", outcome=outcome))
    assert [row["customer_id"] for row in read(lists.written["send_plan"])] == ["b"]
    shown = link(lists, tmp_path, decided("send_plan", outcome=outcome))
    assert shown["use"].startswith("The exploring share only")


def test_without_opt_outs_the_plan_has_a_command_and_no_list(tmp_path):
    save_plan(tmp_path, customer_id=["a", "b"], left_out=["opt_outs_unknown", "holdout"])
    lists = lists_of(tmp_path, decided("send_plan"))
    assert lists.written == {}
    shown = link(lists, tmp_path, decided("send_plan"))
    assert (shown["href"], shown["command"]) == ("", "smsroi list shop/run --to FOLDER")
    assert "the source records no opt-outs" in shown["use"]


# --- several lists ---------------------------------------------------------------------------------------------------


def save_several(run_dir):
    """a is texted by the plan, b explores, c is held out, d gets no text by the plan, e is not in the plan."""
    everybody = list("abcde")
    save_plan(run_dir, customer_id=everybody[:4], role=["plan", "explore", "holdout", "plan"],
              left_out=[None, None, "holdout", "no_gain"])  # fmt: skip
    save_hours(run_dir, customer_id=everybody)
    save(run_dir, "win_back_customers", customer_id=["d", "e"], rfm_group=["lost"] * 2, silent_weeks=[60.0, 61.0],
         arm=["texted", "not_texted"])  # fmt: skip
    save(run_dir, "churn_warnings", customer_id=["d"], silent_weeks=[60.0], value_at_risk=[1.0])


def follow(found):
    return {row["customer_id"]: row["follow"] for row in read(found)}


def test_a_recommended_plan_goes_before_every_other_list(tmp_path):
    save_several(tmp_path)
    lists = lists_of(
        tmp_path, decided("send_plan"), decided("timing"), decided("win_back", outcome="not_enough_evidence"),
        decided("retention"),
    )  # fmt: skip
    assert follow(lists.written["timing"]) == {
        "a": "the send plan’s list", "b": "the send plan’s list", "e": "the win-back list",
    }  # fmt: skip
    assert follow(lists.written["win_back"]) == {"e": "this list"}
    assert follow(lists.written["retention"]) == {}
    assert "follow" not in read(lists.written["send_plan"])[0]
    assert lists.written["timing"].use.startswith("Do not use it beside the send plan’s list: for all of these")
    assert "use it for the <10 customers" in lists.written["win_back"].use
    for name in ("timing", "win_back", "retention"):
        assert lists.written[name].note.endswith("whom an experiment or the send plan leaves without texts.")
    assert "holds out or gives no text are on no list of texts" in lists.together
    assert "first of these lists decides: the win-back list; the churn list" in lists.together
    assert "Use the send plan’s list alone for the customers on it" in lists.together
    assert link(lists, tmp_path, decided("timing"))["shared"]


def test_without_a_recommendation_of_the_plan_its_experiment_goes_before(tmp_path):
    """Whom it explores with or holds out stays apart; for the others win-back goes before hours."""
    save_several(tmp_path)
    lists = lists_of(
        tmp_path, decided("send_plan", outcome="not_enough_evidence"), decided("timing"),
        decided("win_back", outcome="not_enough_evidence"), decided("retention"),
    )  # fmt: skip
    assert follow(lists.written["timing"]) == {
        "a": "this list", "b": "the send plan’s list", "d": "the win-back list", "e": "the win-back list",
    }  # fmt: skip
    assert follow(lists.written["win_back"]) == {"d": "this list", "e": "this list"}
    assert follow(lists.written["retention"]) == {"d": "the win-back list"}
    assert "Do not use it beside" not in lists.written["timing"].note
    assert "Send the exploring share by the send plan’s list" in lists.together


def test_of_lists_that_contradict_each_other_one_decides_for_a_customer(tmp_path):
    """Every pair, with customers on any of them and none, with and without a plan; hours and frequency go together."""
    rng, people = np.random.default_rng(5), np.array([f"c{i:03}" for i in range(400)])
    on = {name: people[rng.random(len(people)) < 0.5] for name in ("win_back", "retention", "timing", "segmentation")}
    save(tmp_path, "win_back_customers", customer_id=on["win_back"], rfm_group=["lost"] * len(on["win_back"]),
         silent_weeks=[60.0] * len(on["win_back"]))  # fmt: skip
    save(tmp_path, "churn_warnings", customer_id=on["retention"], silent_weeks=[9.0] * len(on["retention"]),
         value_at_risk=[1.0] * len(on["retention"]))  # fmt: skip
    save_hours(tmp_path, customer_id=on["timing"])
    save(tmp_path, "customer_segments", customer_id=on["segmentation"], rfm_group=["gold"] * len(on["segmentation"]))
    for stage in ("03_timing", "04_frequency", "01_segmentation", "07_retention"):
        save(tmp_path, f"may_be_texted/{stage}", customer_id=people, level=np.where(np.arange(400) % 2, "a", "b"))
    decisions = [
        decided("win_back"), decided("retention"), decided("timing"), decided("frequency"),
        decided("frequency", "a", action="2 texts a week"), decided("segmentation"), decided("segmentation", "gold"),
    ]  # fmt: skip
    on["frequency"] = people[1::2]
    order = ["win_back", "retention", "timing", "frequency", "segmentation"]
    for planned in (False, True):
        if planned:
            save_plan(tmp_path, customer_id=people[:30], role=["plan", "explore", "holdout"] * 10,
                      left_out=[None, None, "holdout", "no_gain", None, "holdout"] * 5)  # fmt: skip
        lists = lists_of(tmp_path, *decisions, *[decided("send_plan")] * planned)
        assert "Hours and texts per week go together" in lists.together
        this = {one: {who for who, what in follow(lists.written[one]).items() if what == "this list"} for one in order}
        for one, other in itertools.combinations(order, 2):
            assert bool(this[one] & this[other]) == ({one, other} == {"timing", "frequency"}), (one, other)
        free = set(people[30:] if planned else people)
        for one in order:
            first = {"timing", "frequency"} if one == "frequency" else {one}
            earlier = [set(on[name]) for name in order[: order.index(one)] if name not in first]
            assert this[one] == (set(on[one]) & free).difference(*earlier), one
        silent = {people[i] for i in range(30) if i % 6 in (2, 3, 5)} if planned else set()
        assert not any(silent & set(follow(lists.written[one])) for one in order)


def test_without_recorded_opt_outs_the_plan_still_decides_for_its_customers(tmp_path):
    """Its list is written by the command, so nobody whom it texts is left out of the others."""
    save_plan(tmp_path, customer_id=["a", "b"], left_out=["opt_outs_unknown", "no_gain"])
    save_hours(tmp_path, customer_id=["a", "b", "c"])
    lists = lists_of(tmp_path, decided("send_plan"), decided("timing"))
    assert follow(lists.written["timing"]) == {"a": "the send plan’s list", "c": "this list"}


@pytest.mark.parametrize(("outcome", "said"), [("do", True), ("dont", False)])
def test_at_which_hour_a_text_to_win_back_goes_out_is_said(tmp_path, outcome, said):
    save_several(tmp_path)
    lists = lists_of(tmp_path, decided("win_back", outcome=outcome), decided("timing"))
    assert ("goes out at the hour that the list of hours has" in lists.together) == said


def test_one_list_needs_no_order(tmp_path):
    save_hours(tmp_path, customer_id=["a"])
    lists = lists_of(tmp_path, decided("timing"))
    assert lists.together == ""
    assert not link(lists, tmp_path, decided("timing"))["shared"]
    assert follow(lists.written["timing"]) == {"a": "this list"}
