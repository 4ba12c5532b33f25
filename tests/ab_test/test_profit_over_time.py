"""Profit by week and month, and with a cap."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test import profit_over_time
from smsroi_helpers.experiments import registry
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from tests.experiment_sources import by_name


def test_months_sum_to_the_total(company, evaluated):
    months = registry.count_months(company[2])
    rows = arm_outcomes(company[2], "always-on").execute()
    assert months.groupby("arm")["sum_y"].sum().to_dict() == pytest.approx(
        rows.groupby("arm")["profit"].sum().to_dict()
    )
    monthly = ab_test.estimate_monthly_profit(company[2], evaluated)
    assert (monthly["earned"] == monthly["treated"] * monthly["difference"]).all()
    assert ((monthly["p_value"] < 0.05) == ((monthly["low"] > 0) | (monthly["high"] < 0))).all()
    assert monthly["adjusted_p"].tolist() == pytest.approx(multipletests(monthly["p_value"], method="holm")[1])
    assert monthly["treated"].is_monotonic_increasing
    assert monthly["treated"].iloc[-1] == by_name(evaluated, "always-on").experiment.customers[1]


def test_the_cap_is_the_same_in_all_arms_and_narrows_intervals(company, evaluated):
    capped = ab_test.cap_profit(company[2], evaluated)
    assert len(capped[["experiment_id", "cap"]].drop_duplicates()) == len(evaluated)
    rows = arm_outcomes(company[2], "which-text").execute()
    cap = rows.loc[rows["ordered"] == 1, "profit"].quantile(0.99)
    assert capped.query("experiment_id == 'which-text'")["cap"].iloc[0] == pytest.approx(cap)
    same_side = np.sign(capped["capped_low"]) + np.sign(capped["capped_high"]) == np.sign(capped["low"]) + np.sign(
        capped["high"]
    )
    assert capped["agrees"].tolist() == same_side.tolist()
    assert (capped["capped_high"] - capped["capped_low"] < capped["high"] - capped["low"]).mean() > 0.8


def test_only_agreeing_arms_of_large_tests_are_hidden():
    rows = [("large", "a", True), ("large", "b", False), ("large", "c", True), ("small", "a", True)]
    listed, hidden = profit_over_time.hide_alike(pd.DataFrame(rows, columns=["experiment_id", "arm", "agrees"]), 2)
    assert (listed["arm"].tolist(), hidden) == (["b", "a"], 2)


def test_months_that_gain_are_those_shown_to_have_earned():
    months = pd.DataFrame({
        "experiment_id": ["x", "y", "y", "y"], "earned": [9.0, 5.0, -4.0, 3.0],
        "significant": [True, True, True, False],
    })  # fmt: skip
    own = profit_over_time.longest_holdout(months)
    assert set(own["experiment_id"]) == {"y"}
    assert profit_over_time.count_gaining_months(own) == 1
