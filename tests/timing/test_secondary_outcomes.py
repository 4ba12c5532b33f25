"""Orders, profit and opt-outs by hour, as SciPy compares them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.oneway import anova_oneway

from smsroi_helpers.timing import figures as timing_figures
from smsroi_helpers.timing import secondary_outcomes


def test_arms_are_compared_as_scipy_does():
    rng = np.random.default_rng(11)
    arms = [rng.gamma(1.0, 20.0, n) for n in (40, 55, 70)]
    left = [3, 9, 21]
    table = pd.DataFrame({"hour": [9, 12, 18], "until": [10, 13, 19]})
    for kind, values in (("orders", arms), ("profit", arms)):
        for name, power in (("n", 0), ("sum_y", 1), ("sum_y2", 2)):
            table[f"{kind}__{name}"] = [(arm**power).sum() for arm in values]
    table["same_day__sum_y"] = [0.0, 60.0, 30.0]
    table["opt_out__n"], table["opt_out__sum_y"], table["opt_out__sum_y2"] = [40, 55, 70], left, left
    found = {outcome.kind: outcome for outcome in secondary_outcomes.compare_arms(table)}
    row = found["profit"].rows.iloc[1]
    half_width = stats.t.ppf(0.975, 54) * arms[1].std(ddof=1) / np.sqrt(55)
    assert (row["low"], row["high"]) == pytest.approx((arms[1].mean() - half_width, arms[1].mean() + half_width))
    assert found["profit"].p_value == pytest.approx(anova_oneway(arms, use_var="unequal").pvalue)
    pairs = np.array([left, [37, 46, 49]])
    assert found["opt_out"].p_value == pytest.approx(stats.chi2_contingency(pairs).pvalue)
    assert found["opt_out"].adjusted_p >= found["opt_out"].p_value
    share = 90 / sum(arm.sum() for arm in arms)
    assert [found[kind].same_day_share for kind in ("orders", "profit", "opt_out")] == pytest.approx([share, share, 0])
    assert "may have come before" in timing_figures.outcomes_figure(list(found.values()), "USD").markup


def test_without_opt_outs_there_is_no_test():
    table = pd.DataFrame({"hour": [9, 12], "until": [10, 13], "opt_out__n": [50, 50], "opt_out__sum_y": 0,
                          "opt_out__sum_y2": 0, "same_day__sum_y": 0})  # fmt: skip
    for kind in ("orders", "profit"):
        for name, value in (("n", 50), ("sum_y", 0), ("sum_y2", 0)):
            table[f"{kind}__{name}"] = value
    found = secondary_outcomes.compare_arms(table)
    assert all(np.isnan(outcome.p_value) for outcome in found)
    assert found[2].rows["high"].tolist() == pytest.approx([1 - 0.025 ** (1 / 50)] * 2)  # Clopper–Pearson without any
    page = timing_figures.outcomes_figure(found, "USD")
    assert "too few" in page.text
    assert "may have come before" not in page.markup
