"""The typed decisions on texts per week, with reasons and numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.frequency.arms import estimate_arms
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.decision import count_opt_outs, customers_needed, decide
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.policy import choose_frequencies
from smsroi_helpers.frequency.study import Logs, Study
from tests.frequency.samples import DOSES, cells_of, responsive


def study_with(people, practice):
    """A study of a test, and of a practice that sends `practice` texts a week to every customer."""
    cells = cells_of(people)
    names = sorted(people["segment"].unique())
    weeks = pd.DataFrame({"segment": name, "customer": i, "group": i % 64, "texts": practice, "profit": i % 7}
                         for i in range(640) for name in names)  # fmt: skip
    audience = pd.DataFrame({"segment": names, "stage": names, "outside": 1, "texts": 4 * practice, "customers": 1_000})
    none = pd.DataFrame()
    logs = Logs(None, audience, weeks.assign(stage=weeks["segment"]), 1.0, none, none)
    fit = fit_response(cells, DOSES, 0.002, np.random.default_rng(1))
    plain = estimate_arms(cells, DOSES)
    return Study("sms", None, None, "", DOSES, cells, plain, fit, fit, logs, "region", 0.002)


@pytest.fixture(scope="module")
def works():
    return study_with(responsive(np.random.default_rng(91)), practice=0)


def test_the_gain_is_that_of_the_recommendation_over_all_subscribers(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    found = decide(works, policy)[0]
    assert (found.segment, found.outcome, found.reason, found.evidence) == (ALL, "do", "gain", "randomised")
    value, low, high = found.gain
    assert 0 < low < value < high
    # Today nothing is sent: the gain is the net profit of the recommended frequency × the subscribers.
    net = works.fit.net_profit()[0, works.fit.grid_index(found.texts_per_week)].mean()
    assert value == pytest.approx(4_000 * net)
    assert found.gain_is_reported
    assert found.warnings == ("long_run_modelled",)


def test_without_a_change_no_gain_is_reported(works):
    policy = choose_frequencies(works, np.random.default_rng(1))
    best = float(policy.loc[policy["segment"] == ALL, "messages_per_week"].iloc[0])
    same = study_with(responsive(np.random.default_rng(91)), practice=int(best))
    found = decide(same, choose_frequencies(same, np.random.default_rng(1)))[0]
    assert (found.outcome, found.reason, found.gain_is_reported) == ("dont", "already_best", False)


def test_a_gain_below_the_smallest_one_is_no_gain(works):
    policy = choose_frequencies(works, np.random.default_rng(1), smallest_gain=100.0)
    assert {found.reason for found in decide(works, policy, 100.0)} <= {"no_gain", "already_best"}


def test_horizons_compare_this_week_with_the_long_run():
    leaving = study_with(responsive(np.random.default_rng(92), opt_out=0.03), practice=4)
    found = [each for each in decide(leaving, choose_frequencies(leaving, np.random.default_rng(1))) if each.horizons]
    assert found
    for each in found:
        short, long = each.horizons.texts_per_week
        assert each.horizons.same is (short == long)
        if short != long:
            assert each.horizons.profit[0] > each.horizons.profit[1]
            assert each.horizons.value[0] < each.horizons.value[1]


def test_customers_needed_fall_with_the_square_of_the_difference(works):
    one, two = (customers_needed(works, difference) for difference in (0.01, 0.02))
    assert one / two == pytest.approx(4, abs=4 / two)  # both are rounded up to whole customers
    assert np.isnan(customers_needed(works, 0.0))


def test_where_nobody_opted_out_the_limit_is_exact(works):
    assert count_opt_outs(works).kind == "seen"
    none = dataclasses.replace(works, cells=works.cells.assign(opt_outs=0))
    found = count_opt_outs(none)
    assert found.kind == "none_seen"
    assert (1 - found.limit) ** found.weeks == pytest.approx(0.025)
    assert count_opt_outs(dataclasses.replace(works, cells=works.cells.assign(consent_known=0))).kind == "unknown"
