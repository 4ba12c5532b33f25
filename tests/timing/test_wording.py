"""The decisions in words: hours, money, and what must not be claimed."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.timing import best_hours, study, tables
from smsroi_helpers.timing import wording as timing_wording
from smsroi_helpers.timing.decision import decide
from smsroi_helpers.timing.response import HourResponse
from tests.timing.samples import ORDERS, PACIFIC, PRICE, decisions_of, looked, messages_at, orders_of, wave


def test_a_clear_hour_is_recommended_with_its_money(clear):
    seen = looked(clear, click=PRICE)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.002)
    answer = answers[0]
    assert answer.outcome == "move"
    truth = wave(17, strength=0.8) - wave(9, strength=0.8)
    value, low, high = answer.gain()
    assert low < truth < high
    assert 14 <= answer.windows["hour"][answer.best] <= 19
    assert len(answers[0].windows[answer.chosen]) < 8
    decision = timing_wording.decide(seen, answers)[0]
    assert (decision.outcome, decision.unit, decision.evidence) == (
        "do",
        "money_per_week",
        "modelled",
    )  # a click priced by a test
    assert decision.value == pytest.approx(value * 4.0 * 1_000)
    assert decision.low > 0
    assert "Send at" in decision.action


def test_a_clear_interval_that_several_comparisons_can_give_by_chance_is_explained(clear):
    seen = looked(clear, click=PRICE)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.002)
    decision = timing_wording.decide(seen, [dataclasses.replace(answers[0], adjusted_p=0.08)])[0]
    assert decision.outcome == "not_enough_evidence"
    assert decision.low > 0
    assert "By itself this interval lies above what is worth a change" in decision.text
    assert "picked from 12, and segments are compared too" in decision.text  # all customers are no segment
    assert "one of several segments" not in decision.text
    assert "p 0.080, adjusted" in decision.text
    of_segment = dataclasses.replace(answers[1], adjusted_p=0.08)
    assert "one of several segments compared" in timing_wording.decide(seen, [of_segment])[0].text
    assert "By itself" not in timing_wording.decide(seen, answers)[0].text


def test_a_test_of_other_customers_decides_nothing_and_that_is_the_reason_given(clear, monkeypatch):
    """The gain is clear and p is small; but few of the test's members were like today's customers."""
    monkeypatch.setattr(HourResponse, "overlap", lambda self, segment: 0.39)
    seen = looked(clear, click=PRICE)
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    answer = dataclasses.replace(answer, adjusted_p=0.001)
    assert decide(seen, [answer])[0].reason == "not_covered"
    decision = timing_wording.decide(seen, [answer])[0]
    assert decision.outcome == "not_enough_evidence"
    assert decision.action == "Keep today’s hours, and include customers like today’s in the next test of hours"
    assert "Few members of the test were, when it began, as these customers are now" in decision.text
    for false in ("can be chance", "times as many texts", "several segments"):
        assert false not in decision.text


@pytest.mark.parametrize(("state", "action"), [
    ("running", "Keep today’s hours and let the test of hours run on"),
    ("ended", "Keep today’s hours and repeat the test of hours"),
])  # fmt: skip
def test_only_a_running_test_can_run_on(clear, state, action):
    test = SimpleNamespace(experiment=SimpleNamespace(state=state))
    seen = dataclasses.replace(looked(clear, click=PRICE), tests=[test])
    answer = dataclasses.replace(best_hours.find_best_hours(seen, np.random.default_rng(1))[0], adjusted_p=0.08)
    assert timing_wording.decide(seen, [answer])[0].action == action
    some = dataclasses.replace(answer, forbidden_share=0.3)
    words = timing_wording.decide(seen, [some])[0]
    assert words.outcome == "do"
    assert words.action.startswith("Send only at the hours that are allowed where the text arrives, and ")
    assert ("run on" in words.action) is (state == "running")
    assert np.isnan(words.value)


def test_the_number_of_texts_that_would_decide_is_never_the_present_one(clear):
    """Where the interval just reaches the smallest gain, as many texts decide every second time; 80 % takes twice."""
    seen = looked(clear)
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    answer = dataclasses.replace(answer, smallest_gain=answer.gain()[1] * 1.0001)
    found = decide(seen, [answer])[0]
    assert (found.reason, found.times) == ("undecided", pytest.approx(((1.96 + 0.8416) / 1.96) ** 2, rel=1e-2))


def test_a_test_that_cannot_decide_has_a_size_named(clear):
    seen = looked(clear)
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    answer = dataclasses.replace(answer, smallest_gain=answer.gain()[0])
    decision = timing_wording.decide(seen, [answer])[0]
    assert "more than 50 times as many texts" in decision.action
    assert "with 50 times as many texts may not show it either" in decision.text


@pytest.mark.parametrize("click", [None, PRICE])
@pytest.mark.parametrize("practice", [{9: 1.0}, {20: 1.0}, {3: 1.0}])
def test_headcounts_are_always_of_those_who_get_todays_texts(clear, click, practice):
    """300 customers are texted today, whatever is known of the gain; the test has 500."""
    seen = looked(clear, today=practice, click=click)
    seen = dataclasses.replace(seen, volume=seen.volume.assign(customers=300))
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1))
    for words in (*timing_wording.decide(seen, answers), *timing_wording.decide(seen, [])):
        assert words.customers == 300


def test_without_a_click_value_the_gain_is_in_clicks(clear):
    seen = looked(clear)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.unit) == ("do", "count")
    assert "in clicks, not in money" in decision.caveat


def test_more_clicks_of_unknown_value_lead_to_no_action(clear):
    unsure = ClickValue(("dose",), 4.0, -3.0, 11.0, 5_000, 9.0)
    seen = looked(clear, click=unsure)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert decision.outcome == "not_enough_evidence"
    assert decision.low < 0 < decision.high
    assert "that they bring money is not" in decision.text


def test_observational_data_lead_to_no_recommendation(clear):
    seen = looked(clear, click=PRICE, evidence="observational")
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.evidence) == ("not_enough_evidence", "observational")
    assert "randomly assigned" in decision.action
    assert "brings" not in decision.text


def test_a_schedule_at_untested_hours_has_no_gain(clear):
    seen = looked(clear, today={3: 1.0})
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    assert np.isnan(answer.gain()).all()
    decision = timing_wording.decide(seen, [answer])[0]
    assert (decision.outcome, decision.evidence) == ("do", "descriptive")  # a count of today's texts
    assert "100.0% of today’s texts go out at hours that are not allowed" in decision.text
    assert np.isnan(decision.value)
    later = looked(clear, today={20: 1.0})  # allowed, and not tried
    decision = timing_wording.decide(later, best_hours.find_best_hours(later, np.random.default_rng(1)))[0]
    assert decision.outcome == "not_enough_evidence"
    assert "no window that was tried and is allowed as a whole" in decision.text
    assert decision.action == "Include the hours at which you send in the next test of hours"
    assert "the gain is of the others" not in decision.caveat
    assert np.isnan(decision.value)


def test_with_one_hour_nothing_is_compared(make_source, open_source):
    found, answers, decided = decisions_of(open_source(make_source(orders=orders_of(), messages=messages_at([10]))))
    assert found.main is None
    assert answers == []
    assert (decided[0].outcome, decided[0].evidence) == ("not_enough_evidence", "none")
    assert np.isnan(decided[0].value)
    assert "one hour" in decided[0].text


def test_without_clicks_orders_are_used_without_a_value(make_source, open_source):
    shop = open_source(make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15], clicks=False)))
    found, answers, decided = decisions_of(shop)
    assert found.sends.outcome == "order"
    assert not found.click.known
    assert answers[0].evidence == "observational"
    assert decided[0].outcome == "not_enough_evidence"
    assert decided[0].unit != "money_per_week"
    assert "no clicks" in decided[0].caveat
    assert "click" not in decided[0].text
    page = tables.windows_table(answers, found).markup
    assert "Order rate at that hour" in page
    assert "Click" not in page


def test_without_an_experiment_the_evidence_is_observational(make_source, open_source):
    shop = open_source(make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15])))
    found, _, decided = decisions_of(shop)
    assert (found.tests, found.randomised, found.click.reason) == ([], None, "no_test")
    assert {decision.evidence for decision in decided} == {"observational"}
    assert all(decision.outcome == "not_enough_evidence" for decision in decided)


def test_a_click_that_brings_no_profit_is_not_called_a_price():
    """The test knows a click's value, and it is below 0."""
    loses = ClickValue(("dose",), -1.0, -2.0, 0.5, 5_000, 9.0)
    words = timing_wording.value_words(loses, "click")
    assert "brings no profit" in words
    assert "priced by" not in words
    assert "priced by" in timing_wording.value_words(PRICE, "click")


@pytest.mark.parametrize(("hours", "share"), [((22,), "100.0%"), ((12, 22), "50.0%"), ((12,), "")])
def test_texts_at_hours_that_are_not_allowed_are_the_finding_though_hours_cannot_be_compared(
    make_source, open_source, hours, share
):
    """Nobody clicks, so there is no curve; in California 8 to 21 is allowed."""
    messages = messages_at(list(hours), clicks=False)
    found = study.analyse(
        open_source(make_source(messages=messages, orders=ORDERS, source=f"{PACIFIC}jurisdiction: US-CA\n"))
    )
    (said,) = timing_wording.decide(found, [])
    assert (said.outcome == "do") == bool(share)
    assert ("Send only at the hours that are allowed" in said.action) == bool(share)
    assert (f"{share} of today’s texts go out at hours that are not allowed" in said.text) == bool(share)
    assert said.evidence == ("descriptive" if share else "none")
