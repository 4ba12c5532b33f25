"""One role against the held-out customers: moments against other implementations, coverage, refusals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_ind
from statsmodels.stats.weightstats import DescrStatsW

from smsroi_helpers.send_plan.past_comparison import Estimate, compare_role, weighted_mean
from smsroi_helpers.statistics import difference_of_rates


def cells_of(role, y, p, promise=0.0, left=0.0, bought=None):
    """One row of cells, from a customer's profit, probability, promise and opt-out."""
    y, p, promise, left = (np.broadcast_to(np.asarray(x, float), np.shape(y)) for x in (y, p, promise, left))
    w = 1 / p
    bought = np.ones(len(y)) if bought is None else bought
    return {
        "role": role, "n": len(y), "buyers": int(np.sum(bought)), "opt_outs": left.sum(), "leavers_known": len(y),
        "promises": np.isfinite(promise).sum(), "w": w.sum(), "w2": (w**2).sum(), "w_y": w @ y, "w_m": w @ promise,
        "w_t": w.sum(), "w_o": w @ left, "w2_y": w**2 @ y, "w2_o": w**2 @ left, "w2_yy": w**2 @ y**2,
    }  # fmt: skip


def test_with_equal_probabilities_it_is_welch():
    rng = np.random.default_rng(1)
    y1, y0 = rng.gamma(0.5, 9, 300), rng.gamma(0.5, 6, 40)
    found = compare_role(pd.DataFrame([cells_of("plan", y1, 0.8, 3.5), cells_of("holdout", y0, 0.1)]), "plan")
    other = ttest_ind(y1, y0, equal_var=False)
    low, high = other.confidence_interval()
    measured = (found.measured.value, found.measured.low, found.measured.high)
    assert measured == pytest.approx((y1.mean() - y0.mean(), low, high), rel=1e-9)
    assert (found.gap.value, found.gap.low, found.gap.high) == pytest.approx((3.5 - measured[0], 3.5 - high, 3.5 - low))
    assert found.gap_p == pytest.approx(ttest_ind(y1 - 3.5, y0, equal_var=False).pvalue)
    assert found.ratio.value == pytest.approx(measured[0] / 3.5)
    assert (found.customers, found.held_out, found.promised, found.evidence) == (300, 40, 3.5, "randomised")


def test_the_weighted_mean_is_that_of_statsmodels_and_its_error_that_of_the_linearised_sum():
    rng = np.random.default_rng(2)
    y, p = rng.normal(3, 2, 500), rng.uniform(0.05, 0.9, 500)
    w = 1 / p
    mean, variance, effective = weighted_mean(w.sum(), (w**2).sum(), w @ y, w**2 @ y, w**2 @ y**2)
    assert mean == pytest.approx(DescrStatsW(y, weights=w).mean)
    influence = w * (y - mean) / w.sum()
    assert variance == pytest.approx((influence**2).sum() * effective / (effective - 1))
    assert effective < 500


def test_unequal_probabilities_are_weighted_and_intervals_cover_the_truth():
    rng = np.random.default_rng(3)
    truth, worlds, raw, means = 1.0, 1_000, [], []
    for _ in range(worlds):
        base = rng.gamma(2.0, 1.5, 1_500)  # who spends more is held out less often
        p = np.where(base > 3, 0.1, 0.4)
        held = rng.random(len(base)) < p
        y = base + rng.normal(0, 1, len(base)) + truth * ~held
        arms = [(y[~held], 1 / (1 - p[~held])), (y[held], 1 / p[held])]
        means.append([weighted_mean(w.sum(), w @ w, w @ x, w**2 @ x, w**2 @ x**2) for x, w in arms])
        raw.append(y[~held].mean() - y[held].mean())
    mean, variance, effective = np.moveaxis(np.array(means), -1, 0)
    df = variance.sum(axis=1) ** 2 / (variance**2 / (effective - 1)).sum(axis=1)  # Welch and Satterthwaite
    covered = np.abs(mean[:, 0] - mean[:, 1] - truth) <= t.ppf(0.975, df) * np.sqrt(variance.sum(axis=1))
    assert abs(covered.mean() - 0.95) <= 0.01 + 2.5 * np.sqrt(0.0475 / worlds)
    assert np.mean(raw) > truth + 0.5  # without weights it would be far off


def test_opt_outs_are_compared_as_rates_and_weighted_where_probabilities_differ():
    left = np.repeat([1.0, 0.0], [9, 291])
    held = np.repeat([1.0, 0.0], [0, 50])
    rows = [cells_of("plan", np.ones(300), 0.8, left=left), cells_of("holdout", np.ones(50), 0.1, left=held)]
    found = compare_role(pd.DataFrame(rows), "plan").opt_outs
    other = difference_of_rates([9], [300], [0], [50])
    assert (found.value, found.low, found.high) == pytest.approx((0.03, other.low[0], other.high[0]))
    p = np.where(np.arange(300) < 150, 0.5, 0.9)
    rows[0] = cells_of("plan", np.ones(300), p, left=left)
    assert compare_role(pd.DataFrame(rows), "plan").opt_outs.value == pytest.approx((9 / 0.5) / (1 / p).sum())
    rows[1]["leavers_known"] = 0
    assert not compare_role(pd.DataFrame(rows), "plan").opt_outs.known


def test_with_few_buyers_there_is_no_number_but_what_it_takes():
    y = np.arange(100.0)
    rows = pd.DataFrame([cells_of("plan", y, 0.8, 2.0), cells_of("holdout", y[:60], 0.1, bought=np.arange(60) < 12)])
    found = compare_role(rows, "plan")
    assert found.few
    assert not any(one.known for one in (found.measured, found.gap, found.ratio))
    assert not found.enough_to_correct
    assert (found.evidence, found.promised) == ("none", 2.0)
    assert found.held_out_needed == pytest.approx(60 * 20 / 12)
    many = pd.DataFrame([cells_of("plan", np.arange(900.0), 0.8, 2.0), cells_of("holdout", y, 0.1)])
    assert not compare_role(many.assign(buyers=99), "plan").enough_to_correct
    assert compare_role(many.assign(buyers=100), "plan").enough_to_correct


def test_a_promise_that_is_not_recorded_of_everybody_is_not_known():
    promise = np.where(np.arange(50) == 7, np.nan, 2.0)
    rows = [cells_of("plan", np.arange(50.0), 0.8, promise), cells_of("holdout", np.arange(40.0), 0.2)]
    rows[0]["w_m"] = 49 * 2.0 / 0.8
    found = compare_role(pd.DataFrame(rows), "plan")
    assert found.measured.known
    assert np.isnan(found.promised)
    assert not any(one.known for one in (found.gap, found.ratio))


def test_a_promise_of_nothing_has_no_part_that_was_kept():
    rows = [cells_of("plan", np.arange(50.0), 0.8), cells_of("holdout", np.arange(40.0), 0.2)]
    found = compare_role(pd.DataFrame(rows), "plan")
    assert (found.ratio.known, found.gap.known, Estimate(1.0).excludes(5.0)) == (False, True, False)


def test_how_many_more_customers_it_takes_is_the_square_of_the_error():
    rng = np.random.default_rng(4)
    rows = [cells_of("plan", rng.normal(0, 1, 400), 0.8, 0.05), cells_of("holdout", rng.normal(0, 1, 100), 0.2)]
    found = compare_role(pd.DataFrame(rows), "plan")
    error = found.standard_error / np.sqrt(found.times_for_promise)
    assert 0.05 / error == pytest.approx(1.959964 + 0.841621, rel=1e-4)  # z for 95 % and 80 %
