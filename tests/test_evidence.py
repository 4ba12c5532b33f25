"""The evidence of every decision of a simulated company, beside how its number can be made again."""

import numpy as np
import pytest

from smsroi_helpers import ab_test, contract, frequency, measures, timing
from smsroi_helpers.ab_test.decision import decide as decide_tests
from smsroi_helpers.experiments import count_outcomes

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(simulated):
    return simulated[2]


def test_hours_are_clicks_of_a_curve_times_a_price(simulated_hours):
    hours, answers = simulated_hours
    for decision, answer in zip(timing.decide(hours, answers, 10), answers, strict=False):
        if not decision.unit:
            assert decision.evidence in ("descriptive", "modelled", "observational", "none")
            continue
        price = hours.click.estimate if hours.priced else 1.0
        assert decision.value == pytest.approx(answer.gain()[0] * price * answer.messages_per_week)
        assert decision.evidence == contract.evidence_of_model(answer.evidence) != "randomised"
        if hours.priced:
            assert (decision.money, decision.cash, decision.cash_evidence) == (
                "cash", pytest.approx(10 * decision.value), decision.evidence,
            )  # fmt: skip
    assert not set(timing.response_rows(hours)["evidence"]) & {"randomised"}


def test_frequencies_are_of_a_fit_and_arms_are_as_measured(shop, simulated_frequencies):
    study, policy = simulated_frequencies
    assert study.fit is not None
    for decision in frequency.decide(study, policy, "USD"):
        assert decision.evidence == "modelled"
        assert decision.cash_evidence == ("none" if np.isnan(decision.cash) else "modelled")
        assert decision.money == ("long_run" if decision.unit else "")
    table = frequency.response_table(study)
    assert set(table["evidence"]) == {"modelled"}
    # The arm's own number, from the outcomes of its customers.
    rows = measures.arm_outcomes(shop, study.experiment.name, "treatment").execute()
    rows = rows[(rows["outcome_days"] > 0) & (rows["consenting"].fillna(1) == 1)]
    dose = rows["arm"].map(study.texts_per_week)
    top = study.fit.frequencies[-1]
    treated, none = rows[dose == top], rows[dose == 0]
    own = (treated["profit"].mean() - none["profit"].mean()) / treated["subscribed_weeks"].mean()
    shown = table[(table["segment"] == "all") & (table["messages_per_week"] == top)]
    assert shown["arm_profit"].item() == pytest.approx(own, rel=1e-6)


def test_tests_are_measured_or_worked_out_from_clicks(shop, simulated_tests):
    evaluated = simulated_tests
    counted = count_outcomes(shop)
    found = list(zip(decide_tests(evaluated), ab_test.decide(evaluated, "USD"), strict=True))
    assert found
    for answer, row in found:
        assert (row.evidence, row.money) == (answer.evidence, answer.money)
        if answer.outcome == "broken":
            assert row.evidence == "none"
        elif row.unit:
            assert row.evidence == ("modelled" if answer.decision.metric == "click_profit" else "randomised")
        if not np.isnan(row.cash):
            # Measured: the difference of two means of the customers' own profit, adjusted for the time before.
            assert row.cash_evidence == "randomised"
            assert row.cash_weeks == answer.experiment.weeks
            arms = counted[counted["experiment_id"] == answer.experiment.name].groupby("arm").sum(numeric_only=True)
            mean = arms["profit__sum_y"] / arms["profit__n"]
            raw = (mean[answer.decision.arm] - mean[answer.experiment.control]) * answer.decision.arm_customers
            assert abs(row.cash - raw) < row.cash_high - row.cash_low
