"""The typed decisions on hours, with reasons and numbers."""

import dataclasses

import numpy as np
import pytest

from smsroi_helpers.experiments import ClickValue
from smsroi_helpers.statistics import MOST_TIMES
from smsroi_helpers.timing import best_hours
from smsroi_helpers.timing.decision import decide, regret_per_week
from smsroi_helpers.timing.tables import gains_table
from smsroi_helpers.timing.wording import put_in_words
from tests.timing.samples import PRICE, cells_of, looked

UNSURE = ClickValue(("dose",), 4.0, -3.0, 11.0, 5_000, 9.0)


def decided(seen):
    return decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]


@pytest.mark.parametrize(
    ("given", "outcome", "reason", "unit"),
    [
        ({"click": PRICE}, "do", "better_hour", "money_per_week"),
        ({}, "do", "better_hour", "count"),
        ({"click": UNSURE}, "not_enough_evidence", "no_price_shown", "money_per_week"),
        ({"evidence": "observational"}, "not_enough_evidence", "observational", "count"),
        ({"today": {3: 1.0}}, "do", "not_allowed", ""),
    ],
)
def test_a_clear_hour_is_decided_by_evidence_and_click_value(clear, given, outcome, reason, unit):
    found = decided(looked(clear, **given))
    assert (found.outcome, found.reason, found.unit) == (outcome, reason, unit)
    assert ("unpriced" in found.warnings) is ("click" not in given)
    assert ("observational" in found.warnings) is (reason == "observational")
    assert bool(np.isnan(found.value)) is (not unit)


def test_an_undecided_answer_gives_the_data_still_needed():
    """With n times as many texts the error is √n times smaller; 80 % power takes a gain of 1.96 + 0.84 errors."""
    cells = cells_of(np.random.default_rng(21), lambda hour, name: 0.06 + 0.0006 * hour, 4_000, hours=range(8, 20))
    found = decided(looked(cells))
    assert found.reason == "undecided"
    gain, low, _high = found.answer.gain()
    error = (gain - low) / 1.96
    alone = max(((1.96 + 0.8416) * error / gain) ** 2, 1.2) * 1.3 if gain > 0 else np.inf  # Holm: a little more
    assert found.times == pytest.approx(alone if alone <= MOST_TIMES else np.inf, rel=1e-3)


def test_with_too_few_responses_nothing_is_compared(clear):
    found = decide(looked(clear), [])
    assert [(each.outcome, each.reason, each.evidence) for each in found] == [
        ("not_enough_evidence", "nothing_to_compare", "none")
    ]


def test_forbidden_and_untested_hours_give_warnings(clear):
    seen = looked(clear, today={9: 0.9, 22: 0.1})
    assert {"untried_hours", "forbidden_hours"} <= set(decided(seen).warnings)
    assert not {"untried_hours", "forbidden_hours", "days_off"} & set(decided(looked(clear)).warnings)


def test_regret_is_in_money_only_with_a_click_value(clear):
    seen = looked(clear, click=PRICE)
    answer = best_hours.find_best_hours(seen, np.random.default_rng(1))[0]
    value, low, high = regret_per_week(seen, answer)
    assert value == pytest.approx(answer.regret()[0] * PRICE.estimate * answer.messages_per_week)
    assert low < value < high
    none = dataclasses.replace(seen, click=dataclasses.replace(PRICE, estimate=np.nan))
    assert np.isnan(regret_per_week(none, answer)).all()


def test_headcounts_are_of_the_customers_who_got_todays_texts(clear):
    """The test has 500 customers; today's texts go to 300, and the money is theirs."""
    seen = looked(clear, click=PRICE)
    seen = dataclasses.replace(seen, volume=seen.volume.assign(customers=300))
    words = put_in_words(decided(seen), seen)
    assert (words.customers, words.evidence_customers) == (300, 500)
    assert words.value == pytest.approx(1_000 * 4.0 * decided(seen).answer.gain()[0])


def test_the_table_of_gains_counts_the_customers_whose_texts_it_counts(clear):
    seen = looked(clear, click=PRICE)
    seen = dataclasses.replace(seen, volume=seen.volume.assign(customers=321))
    page = gains_table(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)), "USD").markup
    assert ">321<" in page
    assert ">500<" not in page
    assert ">1,000<" in page  # texts a week


def test_flat_in_clicks_is_not_flat_in_money_where_a_click_may_be_worth_far_more():
    cells = cells_of(np.random.default_rng(6), lambda hour, name: np.full(len(hour), 0.06), 60_000, hours=range(8, 20))
    reasons = {}
    for name, high in (("known", 4.2), ("unknown", 400.0)):
        seen = looked(cells, click=dataclasses.replace(PRICE, low=3.8, high=high))
        answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.06)
        assert answers[0].outcome == "flat"
        reasons[name] = decide(seen, answers)[0].reason
    assert reasons == {"known": "no_gain_possible", "unknown": "undecided"}
