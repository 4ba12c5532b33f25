"""What old tests say of the plan's long run, in words and as a table; and a whole plan checked."""

import dataclasses

import numpy as np
import pytest

from smsroi_helpers.send_plan import check_long_run
from smsroi_helpers.send_plan.surrogate_counts import Unready
from smsroi_helpers.send_plan.surrogate_index import LaterEffect, LongRunCheck
from smsroi_helpers.send_plan.surrogate_tables import describe_long_run, later_table
from smsroi_helpers.send_plan.valuation import Estimate
from smsroi_helpers.statistics import t_quantile


def an_effect(gap, model=1.0, index_gap=(-0.1, 0.3), clicks_gap=(-0.3, 0.2), arm="2_a_week", own_arm=False):
    def estimate(low, high):
        return Estimate((low + high) / 2, low, high)

    middle = (gap[0] + gap[1]) / 2
    return LaterEffect(
        "how-often", "frequency", arm, "none", 5, 10, 400, 420, estimate(model - middle - 0.1, model - middle + 0.1),
        estimate(0.5, 0.7), estimate(*index_gap), estimate(0.3, 0.9), estimate(*clicks_gap), own_arm,
        estimate(model - 0.2, model + 0.2), estimate(*gap),
    )  # fmt: skip


def check_of(*effects):
    mean = [Estimate(*(float(np.mean([getattr(getattr(each, name), end) for each in effects]))
                       for end in ("value", "low", "high"))) for name in ("model", "model_gap")]  # fmt: skip
    return LongRunCheck(4, effects, (), *mean)


def test_a_contradiction_says_by_how_much():
    check = check_of(an_effect((0.4, 0.8)), an_effect((-0.2, 0.3), arm="1_a_week"))
    assert check.outcome == "contradicted"
    ((effect, gap),) = check.contradicted
    assert effect.arm == "2_a_week"
    wider = 0.2 * float(t_quantile(0.975, 63) / t_quantile(0.95, 63))
    assert (gap.low, gap.high) == pytest.approx((0.6 - wider, 0.6 + wider))
    words = describe_long_run(check, "USD")
    assert "is contradicted" in words
    assert "For 2 texts a week (frequency test, weeks 5 to 10) its model expects a profit of orders of $1.00" in words
    assert "$0.60 ($0.37 to $0.83) too high" in words
    low = describe_long_run(check_of(an_effect((-0.8, -0.4))), "USD")
    assert "$0.60 ($0.40 to $0.80) too low" in low


def test_what_no_test_has_seen_is_said():
    long = dataclasses.replace(an_effect((-0.2, 0.2)), model=None, model_gap=None, kind="holdout", last_week=38)
    check = dataclasses.replace(check_of(an_effect((-0.2, 0.2))), effects=(an_effect((-0.2, 0.2)), long))
    assert "ended with week 10;" in describe_long_run(check, "USD")


def test_limits_are_adjusted_for_the_number_of_arms():
    narrow = (0.005, 0.2)
    assert check_of(an_effect(narrow)).contradicted
    three = [an_effect(narrow), an_effect((-0.1, 0.1), arm="1_a_week"), an_effect((-0.1, 0.1), arm="4_a_week")]
    assert not check_of(*three).contradicted


def test_a_check_is_imprecise_where_the_interval_is_wider_than_the_figure():
    assert check_of(an_effect((-0.9, 0.9))).outcome == "supported"
    wide = check_of(an_effect((-1.1, 1.1)))
    assert wide.outcome == "imprecise"
    assert "too small to check" in describe_long_run(wide, "USD")


def test_the_index_is_judged_too():
    words = describe_long_run(check_of(an_effect((-0.2, 0.2), index_gap=(0.2, 0.6), own_arm=True)), "USD")
    assert "the index is $0.40 ($0.20 to $0.60) too high" in words
    assert "two arms" in words
    words = describe_long_run(check_of(an_effect((-0.2, 0.2), clicks_gap=(-0.6, -0.2))), "USD")
    assert "the prediction by clicks is $0.40 ($0.20 to $0.60) too low" in words
    words = describe_long_run(check_of(an_effect((-0.2, 0.2))), "USD")
    assert "not distinguishable" in words
    assert "two arms" not in words


def test_the_table_has_a_dash_where_the_model_has_no_figure():
    held_out = dataclasses.replace(an_effect((0.0, 0.1)), model=None, model_gap=None, kind="holdout", arm="texted")
    check = LongRunCheck(4, (held_out,), (), None, None)
    assert check.outcome == "no_frequency"
    assert "no figure" in describe_long_run(check, "USD")
    assert later_table(check, "USD").markup.count("–") >= 2
    young = dataclasses.replace(check, unready=(Unready("how-often", 6, "young"),))
    assert "8 weeks. So far the longest has 6; 2 are missing" in describe_long_run(young, "USD")


def test_every_old_test_of_a_plan_is_checked(second_plan):
    plan = second_plan.plan
    found = check_long_run(plan)
    tests = {test.name for test in plan.evidence.tests if test.kind in ("frequency", "holdout")}
    assert {each.test for each in found.effects} | {each.test for each in found.unready} == tests
    assert any(each.model is not None for each in found.effects)
    for each in found.effects:
        assert each.first_week == plan.calendar.weeks + 1
        assert each.last_week >= found.needed_weeks
        assert each.index_gap.value == pytest.approx(each.index.value - each.observed.value)
        assert (each.by_clicks is None) == each.own_arm
        if each.clicks_gap is not None:
            assert each.clicks_gap.value == pytest.approx(each.by_clicks.value - each.observed.value)
        assert (each.model is None) == (each.kind == "holdout" or "dose-4" in each.arm)
        if each.model_gap is not None:
            assert each.model_gap.value == pytest.approx(each.model.value - each.observed.value)
    gaps = [each.model_gap.value for each in found.effects if each.model_gap is not None]
    assert found.model_gap.value == pytest.approx(np.mean(gaps))
    assert len(later_table(found, "EUR").markup) > 0
