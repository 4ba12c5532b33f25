"""Which grouping to plan by."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.pages import answer as answer_box
from smsroi_helpers.segmentation import (
    by_response,
    criteria,
    decision,
    membership,
    predictive_value,
    resolution,
    rules,
    wording,
)
from smsroi_helpers.segmentation.response_gain import Gain
from tests.segmentation.samples import HEAD, decide_all


class TestDecision:
    def test_the_answer_names_the_group_that_brought_most(self, company, outcomes):
        shop, found, _source = company
        answer, *rows = decide_all(shop, found=found)
        segment_outcomes = predictive_value.outcomes_by_segment(shop, outcomes, "rfm_group").set_index("segment")
        assert "gold" in answer.action
        assert "no experiment shows that reactions to a message differ by RFM group" in answer.caveat
        assert answer.value == pytest.approx(segment_outcomes.loc["gold", "spend_share"])
        assert [row.segment for row in rows] == list(rules.BUYER_GROUPS)
        assert {row.evidence for row in (answer, *rows)} == {"descriptive"}
        words = " ".join(f"{row.action} {row.text} {row.caveat}" for row in (answer, *rows)).lower().split()
        assert not {"lift", "uplift", "caused", "incremental"} & set(words)

    def test_a_grouping_that_predicts_nothing_is_not_to_be_used(self, company):
        answer = decide_all(company[0], "attr_age_band", found=company[1])[0]
        assert answer.outcome == "dont"
        assert "Do not plan by age band" in answer.action
        assert "RFM group predicts spend better" in answer.caveat

    @pytest.mark.parametrize(
        "lines",
        [
            ["1,a,2024-01-05,10"],  # one customer, then: nobody bought twice, one day, nothing was paid
            [f"{i},c{i},2024-0{1 + i % 6}-{1 + i % 28:02},{5 + i % 7}" for i in range(400)],
            [f"{i},c{i % 300},2024-01-05,{5 + i % 7}" for i in range(500)],
            [f"{i},c{i % 400},2024-{1 + i % 12:02}-{1 + i * 7 % 28:02},0" for i in range(800)],
        ],
    )
    def test_little_data_gets_a_sentence(self, make_source, open_source, lines):
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"))
        (answer,) = decide_all(shop)
        assert answer.outcome == "not_enough_evidence"
        assert "No clustering is supported" in answer.text
        assert np.isnan(answer.value)

    def test_free_orders_are_purchases_without_spend(self, make_source, open_source):
        """A log of a year is not too short: nobody was charged."""
        days = [f"c{i % 400},2024-{1 + i % 12:02}-{1 + i * 7 % 28:02}" for i in range(800)]
        free = open_source(make_source(orders=HEAD + "".join(f"{i},{day},0\n" for i, day in enumerate(days))))
        (answer,) = decide_all(free)
        assert "all orders that followed were free" in answer.action
        # Half of the customers pay nothing: an ordinary shop, whose segments spend what the others paid.
        half = "".join(f"{i},{day},{0 if i % 2 else 8}\n" for i, day in enumerate(days))
        paying = open_source(make_source(orders=HEAD + half))
        assert "free" not in decide_all(paying)[0].action

    def test_all_amounts_equal_are_no_obstacle(self, make_source, open_source):
        lines = [f"{i},c{i % 400},2024-{1 + i % 12:02}-{1 + i * 7 % 28:02},10" for i in range(1600)]
        shop = open_source(make_source(orders=HEAD + "\n".join(lines) + "\n"))
        assert decide_all(shop)[0].outcome == "do"

    def test_cdnow_is_grouped_whole(self, cdnow_shop):
        """2,357 customers (Fader, Hardie & Lee 2005), orders alone: no messages, no attributes, no customers' table."""
        shop = cdnow_shop("")
        found = membership.find_grouping(shop)
        answer, *rows = decide_all(shop, found=found)
        assert rules.rule_table(shop, found.cuts)["customers"].sum() == answer.customers == 2357
        assert [row.segment for row in rows] == list(rules.BUYER_GROUPS)
        assert all(row.low < row.value < row.high for row in rows)

    def test_the_spend_is_of_those_then_in_a_segment_and_the_action_for_those_in_it_today(self, cdnow_shop):
        shop = cdnow_shop("")
        found = membership.find_grouping(shop)
        today = membership.count_members(shop, resolution.segments(shop, "rfm_group", shop.as_of, cuts=found.cuts))
        rows = decide_all(shop, found=found, today=today)
        assert any(row.customers != row.evidence_customers for row in rows[1:])
        for row in rows[1:]:
            assert row.customers == today[row.segment]
            assert f"that of the {row.evidence_customers:,} who were in it" in row.text
            assert f"the {today[row.segment]:,} customers who are in the segment" in row.text
        assert "Customers the action is for" in answer_box([asdict(row) for row in rows]).markup

    def test_nobody_who_bought_is_a_sentence(self, make_source, open_source):
        shop = open_source(make_source(orders=HEAD + "1,a,2024-01-05,-10\n"))
        with pytest.raises(NotEnoughData, match="There are no purchases"):
            membership.find_grouping(shop)


def findings(segment_outcomes, statuses=(), trend=0.1):
    """Two segments, of which “value” spent most per head; criteria pass but for those named."""
    names = ("relevant", "identifiable", "reachable", "measurable", "actionable")
    worst = pd.DataFrame({"segment": ["gold", "value"], "lift": [0.2, 0.6]})
    found_criteria = [criteria.Criterion(n, dict(statuses).get(n, "pass"), 0.2, 0.15, 0.25, worst) for n in names]
    comparison = pd.DataFrame(
        {"segmentation": ["rfm_group", "cluster", "rfm_scores"], "outcome": "spend", "share": [0.2, 0.3, 0.4],
         "low": [0.15, 0.27, 0.35], "high": [0.25, 0.33, 0.45]}
    )  # fmt: skip
    recency = pd.DataFrame({"outcome": ["orders", "response"], "trend_high": [trend, 0.3]})
    scores = pd.DataFrame({"measure": ["frequency", "monetary"], "customers": [70, 71]})
    return decision.Findings(segment_outcomes, comparison, found_criteria, recency, scores, 91)


class TestOutcome:
    segment_outcomes = pd.DataFrame(
        {"segment": ["gold", "value"], "customers": [20, 50], "share": [2 / 7, 5 / 7], "spend_share": [0.3, 0.7],
         "low": [0.2, 0.6], "high": [0.4, 0.8], "per_customer": [1.5, 1.7], "bought": [4, 9]}
    )  # fmt: skip

    def test_the_segment_that_spends_most_per_head_leads(self):
        found = decision.decide("rfm_group", findings(self.segment_outcomes))
        assert (found.outcome, found.reason, found.customers) == ("do", "predicts_spend", 70)
        assert (found.best.segment, found.best.value, found.best.low, found.best.high) == ("value", 0.7, 0.6, 0.8)
        assert [one.segment for one in found.segments] == ["gold", "value"]
        assert (found.shortfalls, found.recency_reversed) == ((), ())
        # RFM scores are many cells, not a segmentation to plan by.
        assert found.rival == decision.Explained("cluster", 0.3, 0.27, 0.33)

    def test_what_predicts_nothing_is_not_used(self):
        found = decision.decide("rfm_group", findings(self.segment_outcomes, {"relevant": "fail"}))
        assert (found.outcome, found.reason, found.best, found.segments) == ("dont", "predicts_nothing", None, ())

    @pytest.mark.parametrize(("low", "outcome", "reason"), [
        (-0.01, "not_enough_evidence", "not_shown"), (0.0, "not_enough_evidence", "not_shown"),
        (0.001, "do", "predicts_spend"),
    ])  # fmt: skip
    def test_what_may_explain_nothing_is_not_planned_by(self, low, outcome, reason):
        given = findings(self.segment_outcomes)
        relevant = criteria.Criterion("relevant", "warn", 0.004, low, 0.02, given.criteria[0].detail)
        found = decision.decide("rfm_group", replace(given, criteria=[relevant, *given.criteria[1:]]))
        assert (found.outcome, found.reason, found.best is None) == (outcome, reason, outcome != "do")

    def test_a_log_too_short_to_tell_waits(self):
        found = decision.decide("rfm_group", findings(self.segment_outcomes.assign(low=np.nan)))
        assert (found.outcome, found.reason, found.best) == ("not_enough_evidence", "log_too_short", None)

    def test_criteria_not_met_and_a_reversed_recency_are_named(self):
        failed = {"identifiable": "fail", "reachable": "unknown", "measurable": "fail", "actionable": "unknown"}
        found = decision.decide("rfm_group", findings(self.segment_outcomes, failed, trend=-0.1))
        assert [short.criterion for short in found.shortfalls] == ["identifiable", "measurable", "actionable"]
        assert (found.shortfalls[1].segment, found.shortfalls[1].value) == ("value", 0.6)
        assert found.recency_reversed == ("orders",)

    def test_the_grouping_that_separates_reactions_is_named_with_its_gain(self):
        """64 groups of customers that gain 1/64 ± 1/128 each: 1 a customer and week, with √64 ÷ 128 of error."""
        parts = np.tile([1.5, 0.5], 32) / 64
        tree = by_response.Candidate("tree", ("past_clicks", "region"), 4, Gain(parts), 0.01)
        rfm = by_response.Candidate("rfm_group", ("rfm_group",), 5, Gain(0 * parts), 0.5)
        choice = by_response.ResponseChoice((rfm, tree), "tree", "separates", tests=("hours",), customers=900)
        given = replace(findings(self.segment_outcomes), by_response=choice)
        found = decision.decide("rfm_group", given).reactions
        half_width = 1.96 * tree.gain.error
        assert (found.segment_by, found.columns, found.value) == ("tree", ("past_clicks", "region"), 1.0)
        assert (found.low, found.high) == pytest.approx((1 - half_width, 1 + half_width), rel=1e-4)
        said = wording._reactions_sentences(found, "USD")
        assert "separated best by groups made of clicks so far and region" in said
        assert "gains $1,000 (" in said
        assert "segment_by: response" in said
        as_good = replace(choice, candidates=(tree, replace(rfm, gain=tree.gain)))
        for chosen in (as_good, replace(choice, reason="no_gain"), None):
            assert decision.decide("rfm_group", replace(given, by_response=chosen)).reactions is None
        assert decision.decide("response", given).reactions is None

    def test_failures_and_warnings_are_told_apart(self):
        met_in_part = {"identifiable": "fail", "reachable": "warn", "measurable": "warn", "actionable": "warn"}
        found = decision.decide("rfm_group", findings(self.segment_outcomes, met_in_part))
        assert [(short.criterion, short.fails) for short in found.shortfalls] == [
            ("identifiable", True), ("reachable", False), ("measurable", False), ("actionable", False)
        ]  # fmt: skip
        assert wording._shortfalls_sentence(found.shortfalls, "RFM group") == (
            "Checks that failed: attributes do not predict who is in which group. Checks with a warning: 20% of"
            " customers consent and were reached by a message; in “value” a test could not detect a change of the order"
            " rate below 60%; no experiment shows that reactions to a message differ by RFM group."
        )
        assert wording._shortfalls_sentence((), "RFM group") == ""
