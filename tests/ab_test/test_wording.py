"""Answers in words: action, money, evidence and caveat."""

import dataclasses
import re

import pytest

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test import decision as ab_test_decision
from smsroi_helpers.ab_test import tables as ab_test_tables
from smsroi_helpers.ab_test import uplift_tables
from smsroi_helpers.ab_test.decision_rule import decide_experiment
from tests.experiment_sources import CLEAR, by_name, effect, write_tests


@pytest.mark.public_data
class TestStarbucks:
    @pytest.fixture(scope="class")
    def found(self, open_public):
        return ab_test.analyse(open_public("starbucks_promo"))[0]

    def test_significant_is_not_profitable(self, found):
        assert [round(x, 5) for x in effect(found, "order_rate", "promotion")] == [0.00945, 0.00797, 0.01094]
        assert found.decision.outcome == "keep_control"

    def test_the_incremental_profit_is_the_published_one(self, found):
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.value, decision.low, decision.high) == pytest.approx((-2349.28, -2977.77, -1720.78), abs=0.01)
        assert (decision.outcome, decision.unit, decision.kind) == ("dont", "money", "gain")
        assert decision.evidence == "randomised"
        assert "over one week" in decision.text
        assert "More customers ordered, by 0.95 (95% interval 0.80 to 1.09) percentage points, and" in decision.text
        treated, control = found.experiment.customers[::-1]
        assert (treated, control) == (42_364, 42_170)
        # 10 dollars for each of 721 against 319 buyers, 0.15 for each promotion
        by_hand = treated * (10 * (721 / treated - 319 / control) - 0.15)
        assert decision.value == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.public_data
@pytest.mark.parametrize(
    ("name", "segment_by", "shown"),
    [
        (
            "hillstrom",
            "attr_channel",
            ("mens-womens-none: switch to “mens”", "$0.23 ($0.15 to $0.32)", "$0.13 ($0.05 to"),
        ),
        ("starbucks_promo", "recency", ("promotion: stay with no messages", "−$0.055 (−$0.070 to −$0.041)")),
        (
            "marketing_ab",
            "recency",
            ("keep it running until about 48,000", "1.5 (0.1 to 2.2) points", "too few events"),
        ),
    ],
)
def test_the_words_of_public_experiments(open_public, name, segment_by, shown):
    found = ab_test.analyse(open_public(name), segment_by=segment_by)
    decision = ab_test.decide(found, "USD")[0]
    text = f"{decision.action} {decision.text} {ab_test_tables.results_table(found, 'USD').markup}"
    for words in shown:
        assert words in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@pytest.mark.public_data
def test_five_conversions_are_too_few_and_nothing_is_said_in_money(open_public):
    found = ab_test.analyse(open_public("marketing_ab"))
    assert not found[0].effects.knows_amounts  # every order has the amount 0
    decision = ab_test.decide(found, "USD")[0]
    assert "Fewer than 20 customers of an arm responded" in decision.text
    assert "nothing is said in money" in decision.caveat


class TestSmall:
    def test_a_clear_gain_is_shipped(self, evaluate):
        found = evaluate("clear")
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.outcome, decision.action) == ("do", "clear: switch to “b”")
        low, high = effect(found, "profit", "b", ("low", "high"))
        assert (decision.low, decision.high) == pytest.approx(
            (2_000 * low, 2_000 * high)
        )  # one arm: no more to allow for

    @pytest.mark.parametrize(
        ("test", "kind", "outcome", "action"),
        [
            ("doses", "worth", "do", "doses: go on texting, b brings more than a"),
            ("doses-lost", "worth", "dont", "doses-lost: stop texting this way, b brings too little more than a"),
            ("standing", "worth", "do", "standing: go on texting, b brings more than a"),
            ("doses-above-one", "gain", "do", "doses-above-one: switch to b"),
            ("clear", "gain", "do", "clear: switch to “b”"),
        ],
    )
    def test_compared_with_no_texts_it_is_the_profit_of_texting(self, evaluate, test, kind, outcome, action):
        """The arm's profit ignores the value of lost subscribers, so it is no reason to switch the frequency."""
        found = evaluate(test)
        decision = ab_test.decide([found], "USD")[0]
        assert (decision.kind, decision.outcome, decision.action) == (kind, outcome, action)
        weeks = found.experiment.weeks if kind == "worth" else 1
        assert decision.value == pytest.approx(2_000 * effect(found, "profit", "b")[0] / weeks)
        assert decision.unit == ("money_per_week" if kind == "worth" else "money")
        assert (decision.customers, decision.evidence_customers) == (2_000, 4_000)  # the arm's money, the test's proof

    def test_questions_of_other_pages_are_answered_there(self, evaluated):
        """One answer per question: hours, texts per week and texts on their own pages; 05 names the page."""
        found = evaluated
        where = {each.experiment.kind: each.decided_in for each in found}
        assert where == {"holdout": "ab_test", "frequency": "frequency", "timing": "timing", "content": "content"}
        named = {decision.question for decision in ab_test.decide(found, "USD")}
        here = [each.experiment.name for each in found if each.decided_in == "ab_test"]
        assert len(named) == len(here)
        assert all(any(name in question for question in named) for name in here)
        page = ab_test.tables.experiments_table(found).markup
        assert "How often should we text?" in page
        assert "When should a text go out?" in page
        assert "Which text should we send, and to whom?" in page

    def test_without_messages_revenue_decides_and_says_so(self, make_source, open_source):
        experiment = {**CLEAR, "messages": None, "primary": "revenue"}
        found = ab_test.analyse(open_source(write_tests(make_source, x=experiment)))[0]
        assert (found.decision.outcome, found.decision.metric) == ("ship", "revenue")
        assert "revenue, not profit" in ab_test.decide([found], "USD")[0].caveat

    def test_a_registered_metric_decides_though_orders_have_amounts(self, evaluate):
        found = evaluate("clear")
        experiment = dataclasses.replace(found.experiment, primary="order_rate")
        decided = decide_experiment(experiment, found.validity, found.effects, smallest_gain=0.0, opt_out_margin=0.002)
        assert decided.metric == "order_rate"
        found = dataclasses.replace(found, experiment=experiment, decision=decided)
        assert found.effects.knows_amounts
        caveat = ab_test.decide([found], "USD")[0].caveat
        assert "decided by the metric registered for it, and not by profit" in caveat
        assert "what an order is worth" not in caveat

    def test_opt_outs_beyond_the_margin_are_a_caveat(self, evaluate):
        decision = ab_test.decide([evaluate("breached")], "USD")[0]
        assert "Opting out rose by more than the margin in b" in decision.caveat

    def test_an_undecided_test_asks_for_more_customers(self, evaluate):
        action = ab_test.decide([evaluate("open")], "USD")[0].action
        asked = r"open: no decision yet; about [\d,]+ customers would detect a gain of \$[\d.]+ per customer a week"
        assert re.fullmatch(asked, action)

    def test_a_control_some_of_whom_were_messaged_is_a_caveat(self, evaluate):
        assert (
            "10.0% of out got messages of the tested channel"
            in ab_test.decide([evaluate("some-messaged")], "USD")[0].caveat
        )

    def test_a_broken_one_names_its_problems(self, evaluate):
        decision = ab_test.decide([evaluate("empty-arm")], "USD")[0]
        assert decision.action == "empty-arm: do not use it, nobody is in c"
        assert decision.caveat.startswith("Also: the split is not the planned one: c has 0.00% of the customers")

    def test_segments_have_names(self, evaluate):
        page = uplift_tables.segments_table([evaluate("clear")], "USD").markup
        assert "ordered in the last 30 days" in page
        assert "Better left alone" not in page


def test_an_undecided_test_says_which_arms_to_compare_again_and_with_how_many(evaluate):
    """800 customers, half of them in each arm; three times as many decide."""
    found = evaluate("open")
    decision = dataclasses.replace(found.decision, times=3.0, needed=float("nan"))
    row = ab_test.decide([dataclasses.replace(found, decision=decision)], "USD")[0]
    assert "about 2,400 customers in all" in row.next_test
    assert all(f"“{arm}”" in row.next_test for arm in found.experiment.arms)
    small = dataclasses.replace(found.decision, times=1.0, needed=float("nan"), detectable=2.0 * found.experiment.weeks)
    row = ab_test.decide([dataclasses.replace(found, decision=small)], "USD")[0]
    assert (
        "the 800 customers of this test would have shown a difference of $2.00 per customer and week" in row.next_test
    )


def test_no_test_is_planned_for_more_customers_than_there_are(evaluate):
    found = evaluate("open")
    decision = dataclasses.replace(found.decision, times=1.0, needed=9_000.0, detectable=2.0, wanted=0.1)
    each = dataclasses.replace(found, decision=decision)
    row = ab_test.decide([each], "USD", listed_today={"gold": 500, "lost": 500})[0]
    assert "too few customers to detect the planned gain" in row.action
    assert "about 9,000 customers, more than the 1,000 that can be in such a test" in row.next_test
    assert "9,000" not in row.action
    asked = ab_test.decide([each], "USD")[0]
    assert "9,000" in asked.action


class TestRunning:
    """A test that still runs is read every day: the limits and p-values shown with it hold at any look."""

    def test_the_caveat_has_the_limits_that_hold_at_any_look(self, evaluated):
        standing = by_name(evaluated, "always-on")
        assert standing.experiment.state == "running"
        answer = ab_test_decision.decide([standing])[0]
        row = answer.opt_outs_rose
        assert answer.limits(row) == row.always_valid
        assert row.always_valid_low < row.low < row.high < row.always_valid_high
        low, high = (f"{100 * x:.1f}" for x in row.always_valid[1:])
        caveat = ab_test.decide([standing], "USD")[0].caveat
        assert f"Opt-outs rose by {100 * row.difference:.1f} (95% interval {low} to {high}) percentage" in caveat

    def test_a_rise_that_only_a_single_reading_shows_is_not_named(self, evaluated):
        standing = by_name(evaluated, "always-on")
        rows = [
            dataclasses.replace(row, always_valid_low=-0.01) if row.metric == "opt_out_rate" else row
            for row in standing.effects
        ]
        unclear = dataclasses.replace(standing, effects=dataclasses.replace(standing.effects, rows=tuple(rows)))
        assert ab_test_decision.decide([unclear])[0].opt_outs_rose is None

    def test_the_tables_say_which_p_values_a_running_test_has(self, evaluated):
        said = "The p-value of a running test is valid at any look"
        ended = [each for each in evaluated if each.experiment.state == "ended"]
        assert ended
        for found, shown in ((evaluated, True), (ended, False)):
            assert (said in ab_test_tables.results_table(found, "USD").markup) is shown
            assert (said in ab_test_tables.others_table(found, "USD").markup) is shown
        standing = [by_name(evaluated, "always-on")]
        assert said in uplift_tables.segments_table(standing, "USD").markup

    def test_a_holdout_says_what_it_measures(self, evaluated, evaluate):
        standing = by_name(evaluated, "always-on")
        other = "The pages on frequency and retention ask other questions"
        for outcome, shown in (("keep_running", True), ("ship", False)):
            decision = dataclasses.replace(standing.decision, outcome=outcome)
            text = ab_test.decide([dataclasses.replace(standing, decision=decision)], "USD")[0].text
            assert "the profit of all texts since the test began" in text
            assert (other in text) is shown
        assert "all texts since the test began" not in ab_test.decide([evaluate("clear")], "USD")[0].text
