"""The decision rule: ship, keep the control or keep running, and by which interval."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.decision_rule import decide_experiment
from smsroi_helpers.ab_test.effects import ArmEffects
from tests.experiment_sources import effect


def test_a_decision_needs_numbers_that_exist(evaluate):
    """A metric without an interval leaves the arm undecided; it does not count as 0."""
    found = evaluate("clear")
    unknown = dict.fromkeys(("difference", "low", "high", "standard_error", "p_value", "adjusted_p"), float("nan"))
    blank = ArmEffects("a", tuple(dataclasses.replace(row, **unknown) for row in found.effects))
    decision = decide_experiment(found.experiment, found.validity, blank, smallest_gain=0.0, opt_out_margin=0.01)
    assert (decision.outcome, decision.why_open) == ("keep_running", ("no_numbers",))


@pytest.mark.public_data
class TestPublic:
    @pytest.fixture(scope="class")
    def found(self, open_public):
        return ab_test.analyse(open_public("hillstrom"), segment_by="attr_channel")[0]

    def test_it_is_valid_and_shipped(self, found):
        assert found.validity.split.p_value == pytest.approx(0.904, abs=5e-4)
        assert (found.decision.outcome, found.decision.arm) == ("ship", "mens")
        assert set(found.decision.by_arm.values()) == {"ship"}

    def test_five_conversions_are_never_shipped(self, open_public):
        found = ab_test.analyse(open_public("marketing_ab"))[0]
        assert found.decision.outcome == "keep_running"
        assert found.decision.why_open == ("few_events",)


class TestRule:
    def test_five_buyers_ship_nothing_however_large_the_difference(self, evaluate):
        found = evaluate("five-buyers")
        assert found.effects.find("profit", "b").low > 0
        assert (found.decision.outcome, found.decision.why_open) == ("keep_running", ("few_events",))

    def test_the_threshold_is_the_weekly_gain_times_weeks(self, evaluate):
        """Four weeks: the threshold is four times the weekly one."""
        weekly = evaluate("clear").decision
        assert evaluate("clear", smallest_gain=0.9 * weekly.low / 4).decision.outcome == "ship"
        assert evaluate("clear", smallest_gain=1.1 * weekly.low / 4).decision.outcome == "keep_running"
        assert evaluate("clear", smallest_gain=1.1 * weekly.high / 4).decision.outcome == "keep_control"

    def test_a_guardrail_that_is_breached_keeps_the_control(self, evaluate):
        found = evaluate("breached")
        assert found.decision.guardrails == {"b": "breached"}
        assert found.decision.outcome == "keep_control"
        assert evaluate("breached", opt_out_margin=0.03).decision.outcome == "ship"

    def test_a_guardrail_that_is_open_keeps_it_running(self, evaluate):
        found = evaluate("guardrail-open")
        assert found.decision.guardrails == {"b": "open"}
        assert (found.decision.outcome, found.decision.why_open) == ("keep_running", ("guardrail",))

    @pytest.mark.parametrize("name", ["breached", "guardrail-open"])
    def test_a_gain_that_pays_for_the_subscribers_lost_is_shipped(self, evaluate, name):
        found = evaluate(name)
        lowest, most = effect(found, "profit", "b", ("low",))[0], effect(found, "opt_out_rate", "b", ("high",))[0]
        break_even = lowest / most  # what a subscriber may be worth at most
        for highest, outcome, guardrail in (
            (0.99 * break_even, "ship", "priced"),
            (1.01 * break_even, found.decision.outcome, found.decision.guardrails["b"]),
        ):
            worth = (0.8 * highest, 0.6 * highest, highest)
            decided = decide_experiment(
                found.experiment, found.validity, found.effects, smallest_gain=0.0, opt_out_margin=0.002,
                subscriber=worth,
            )  # fmt: skip
            assert (decided.outcome, decided.guardrails) == (outcome, {"b": guardrail})

    def test_while_it_runs_the_always_valid_interval_decides(self, evaluate):
        running = evaluate("runs")
        low, high = effect(running, "profit", "b", ("always_valid_low", "always_valid_high"))
        assert (running.decision.low, running.decision.high) == pytest.approx((low, high))
        fixed = effect(running, "profit", "b", ("low", "high"))
        assert low < fixed[0] < fixed[1] < high
        assert running.validity.split.method == "sequential"

    def test_the_level_is_corrected_for_several_arms(self, evaluate):
        found = evaluate("two-against-one")
        row = found.effects.find("profit", "b")
        half_width = stats.t.ppf(1 - 0.025 / 2, row.df) * row.standard_error
        assert found.decision.arm == "b"
        assert (found.decision.low, found.decision.high) == pytest.approx(
            (row.difference - half_width, row.difference + half_width)
        )

    def test_all_customers_come_first_and_segments_after(self, evaluate):
        """Holm over the arms; then over segments and arms, never below the arm's own p-value over all customers."""
        found = evaluate("many")
        tested = [row for row in found.effects if not np.isnan(row.p_value)]
        family = [row for row in tested if row.metric == found.decision.metric]
        whole = {row.arm: row for row in family if row.segment == "all"}
        assert len(whole) == 2
        assert min(row.adjusted_p for row in whole.values()) == pytest.approx(
            min(2 * min(row.p_value for row in whole.values()), 1)
        )
        segments = [row for row in family if row.segment != "all"]
        assert segments
        smallest = min(segments, key=lambda row: row.p_value)
        assert smallest.adjusted_p == pytest.approx(
            max(min(len(segments) * smallest.p_value, 1), whole[smallest.arm].adjusted_p)
        )
        assert {row.correction for row in family} == {"holm"}
        assert {row.correction for row in tested if row.metric == "revenue"} == {"benjamini_hochberg"}

    def test_the_segments_shown_do_not_change_the_decision(self, company, evaluated):
        others = ab_test.analyse(company[2], segment_by="region")
        assert [repr(each.decision) for each in others] == [repr(each.decision) for each in evaluated]  # NaN is not NaN

    def test_an_undecided_test_gives_the_data_needed(self, evaluate):
        """With `times` as much data a true difference as seen is 1.96 + 0.84 errors: detected with 80 % power."""
        found = evaluate("open")
        decision = found.decision
        assert decision.outcome == "keep_running"
        error = effect(found, "profit", "b", ("standard_error",))[0]
        assert decision.difference / (error / np.sqrt(decision.times)) == pytest.approx(1.96 + 0.8416, rel=1e-3)

    def test_both_thresholds_are_parameters(self, company):
        """No test shows a gain of a million a week; every test shows that opt-outs rise by less than 90 % a week."""
        found = [
            each
            for each in ab_test.analyse(company[2], smallest_gain=1e6, opt_out_margin=0.9, segment_by="region")
            if each.decision.in_money
        ]
        assert {each.decision.outcome for each in found} == {"keep_control"}
        assert {guardrail for each in found for guardrail in each.decision.guardrails.values()} <= {"held", "not_asked"}
