"""The decisions in words: hours, money, and what must not be claimed."""

import dataclasses

import numpy as np
import pytest

from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.timing import best_hours
from smsroi_helpers.timing import wording as timing_wording
from tests.timing.samples import PACIFIC, PRICE, decisions_of, looked, messages_at, orders_of, wave


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
    assert "p 0.080, adjusted" in decision.text
    assert "By itself" not in timing_wording.decide(seen, answers)[0].text


def test_without_a_click_value_the_gain_is_in_clicks(clear):
    seen = looked(clear)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.unit) == ("do", "count")
    assert "in clicks, not in money" in decision.caveat


def test_more_clicks_of_unknown_value_lead_to_no_action(clear):
    unsure = ClickValue("dose", 4.0, -3.0, 11.0, 5_000, 9.0)
    seen = looked(clear, click=unsure)
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert decision.outcome == "not_enough_evidence"
    assert decision.low < 0 < decision.high
    assert "that they bring money is not" in decision.text


def test_observational_data_lead_to_no_recommendation(clear):
    seen = looked(clear, click=PRICE, evidence="observational")
    decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
    assert (decision.outcome, decision.evidence) == ("not_enough_evidence", "observational")
    assert "lot" in decision.action
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
    assert "no hour that was tried" in decision.text
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


def test_without_an_experiment_the_evidence_is_observational(make_source, open_source):
    shop = open_source(make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15])))
    found, _, decided = decisions_of(shop)
    assert (found.tests, found.randomised, found.click.reason) == ([], None, "no_test")
    assert {decision.evidence for decision in decided} == {"observational"}
    assert all(decision.outcome == "not_enough_evidence" for decision in decided)


def test_a_click_that_brings_no_profit_is_not_called_a_price():
    """The test knows a click's value, and it is below 0."""
    loses = ClickValue("dose", -1.0, -2.0, 0.5, 5_000, 9.0)
    words = timing_wording.value_words(loses, "click")
    assert "brings no profit" in words
    assert "priced by" not in words
    assert "priced by" in timing_wording.value_words(PRICE, "click")
