"""Rates of classes that nobody sees: against Poisson regression, simulated truth, and the jackknife's coverage."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from smsroi_helpers.send_plan.mixture_rates import SDS, fit_rates, standard_error
from smsroi_helpers.statistics import GROUPS, t_quantile

TRUTH = np.log([[0.02, 0.03, 0.05], [0.08, 0.10, 0.06]])
"""(2 classes, 3 arms)."""
SHARE = np.linspace(0.1, 0.9, 8)
MIXED = np.column_stack([SHARE, 1 - SHARE])


def draw(rng, membership, log_rate, exposure=150.0):
    """events and exposure (groups, profiles, arms) of customers whose class is drawn by their profile's membership."""
    shape = (GROUPS, len(membership), log_rate.shape[1])
    size = rng.uniform(0.5, 1.5, shape) * exposure
    return rng.poisson(size * (membership @ np.exp(log_rate))), size


@pytest.fixture(scope="module")
def seen():
    """Classes that are seen, and the same counts as a table."""
    events, exposure = draw(np.random.default_rng(3), np.eye(2), TRUTH)
    group, k, a = (axis.ravel() for axis in np.indices(events.shape))
    table = pd.DataFrame({"g": group, "k": k, "a": a, "events": events.ravel(), "size": exposure.ravel()})
    return events, exposure, table


def regress(formula, table, **how):
    return smf.glm(formula, table, family=sm.families.Poisson(), exposure=table["size"]).fit(**how)


def test_with_classes_seen_and_a_wide_prior_rates_are_those_of_poisson_regression(seen):
    events, exposure, table = seen
    found = fit_rates(events, exposure, np.eye(2), sds=(30.0,))
    cells = table.groupby(["k", "a"], as_index=False)[["events", "size"]].sum()
    reference = regress("events ~ C(k) * C(a)", table)
    assert np.allclose(found.rate.ravel(), reference.predict(cells, exposure=np.ones(6)), rtol=2e-4)
    assert np.allclose(found.rate.ravel(), cells["events"] / cells["size"], rtol=2e-4)


def test_its_errors_are_those_clustered_by_group(seen):
    """Errors of the log rates of each cell; the one-step jackknife is the sandwich times (G − 1)/G."""
    events, exposure, table = seen
    found = fit_rates(events, exposure, np.eye(2), sds=(30.0,))
    reference = regress(
        "events ~ C(k):C(a) - 1", table, cov_type="cluster", cov_kwds={"groups": table["g"], "use_correction": False}
    )
    names = [f"C(k)[{k}]:C(a)[{a}]" for k in range(2) for a in range(3)]
    of_cell = reference.cov_params().loc[names, names]
    assert np.allclose(found.covariance, of_cell * (GROUPS - 1) / GROUPS, rtol=0.02, atol=0.02 * of_cell.max(axis=None))
    errors = standard_error(np.concatenate([found.log_rate[None], found.replicates]))
    assert np.allclose(errors.ravel(), np.sqrt(np.diag(found.covariance)))


def test_with_a_narrow_prior_classes_and_arms_multiply(seen):
    events, exposure, table = seen
    found = fit_rates(events, exposure, np.eye(2), sds=(1e-4,))
    cells = table.groupby(["k", "a"], as_index=False)[["events", "size"]].sum()
    reference = regress("events ~ C(k) + C(a)", table).predict(cells, exposure=np.ones(6))
    assert np.allclose(found.rate.ravel(), reference, rtol=2e-3)


def test_rates_of_unseen_classes_are_recovered_where_weighting_would_pull_them_together():
    found, weighted = [], []
    for seed in range(30):
        events, exposure = draw(np.random.default_rng(seed), MIXED, TRUTH)
        found.append(fit_rates(events, exposure, MIXED, sds=(3.0,)).log_rate)
        parts = [np.einsum("gpa,pk->ka", each, MIXED) for each in (events, exposure)]
        weighted.append(np.log(parts[0] / parts[1]))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (abs(np.mean(found, axis=0) - TRUTH) < 4 * error).all()
    apart = np.mean(weighted, axis=0)[1] - np.mean(weighted, axis=0)[0]
    assert (apart < 0.5 * (TRUTH[1] - TRUTH[0])).all()
    assert (abs(np.mean(weighted, axis=0) - TRUTH) > 10 * error).sum() >= 4


def test_one_company_is_recovered_within_its_own_errors():
    events, exposure = draw(np.random.default_rng(77), MIXED, TRUTH, 600.0)
    found = fit_rates(events, exposure, MIXED)
    error = np.sqrt(np.diag(found.covariance)).reshape(TRUTH.shape)
    assert (abs(found.log_rate - TRUTH) < 4 * error).all()


def test_intervals_cover_by_the_rule_of_calibration():
    """By data set: |coverage − 0.95| ≤ 0.01 + 2.5 √(0.0475 / n), for each of the six rates."""
    sets, quantile = 1_000, float(t_quantile(0.95, GROUPS - 1))
    covered = np.zeros((sets, *TRUTH.shape), bool)
    for seed in range(sets):
        events, exposure = draw(np.random.default_rng(5_000 + seed), MIXED, TRUTH)
        found = fit_rates(events, exposure, MIXED, sds=(3.0,))
        half = quantile * np.sqrt(np.diag(found.covariance)).reshape(TRUTH.shape)
        covered[seed] = abs(found.log_rate - TRUTH) <= half
    assert (abs(covered.mean(axis=0) - 0.95) <= 0.01 + 2.5 * np.sqrt(0.0475 / sets)).all()


def test_the_spread_is_small_where_arms_differ_alike_and_larger_where_they_do_not():
    alike = np.log([[0.02, 0.03, 0.04], [0.06, 0.09, 0.12]])
    apart = alike + np.array([[0.5, 0.0, -0.5], [-0.5, 0.0, 0.5]])
    spreads = [
        [fit_rates(*draw(np.random.default_rng(seed), np.eye(2), truth, 300.0), np.eye(2)).sd for seed in range(8)]
        for truth in (alike, apart)
    ]
    assert np.median(spreads[0]) <= 0.05
    assert np.min(spreads[1]) >= 0.2


def test_with_few_events_the_average_is_near_the_better_spread_whether_classes_differ_or_not():
    """Mean squared error of log rates: at most a third more than by the better of a small and a large spread."""
    alike = np.log([[0.02, 0.03, 0.04], [0.06, 0.09, 0.12]])
    apart = alike + np.array([[0.4, 0.0, -0.4], [-0.4, 0.0, 0.4]])
    for truth in (alike, apart):
        errors = np.zeros(3)
        for seed in range(40):
            events, exposure = draw(np.random.default_rng(seed), np.eye(2), truth, 12.0)
            for i, sds in enumerate(((0.02,), (0.6,), SDS)):
                errors[i] += np.square(fit_rates(events, exposure, np.eye(2), sds=sds).log_rate - truth).mean()
        assert errors[2] < 4 / 3 * errors[:2].min()
        assert errors[2] < 0.75 * errors[:2].max()


def test_a_class_of_which_nothing_is_seen_has_the_rate_of_the_company():
    """Drawn to the whole: its arms differ as those of the other class."""
    events, exposure = draw(np.random.default_rng(5), np.array([[1.0, 0.0]]), TRUTH, 500.0)
    found = fit_rates(events, exposure, np.array([[1.0, 0.0]]), sds=(0.02,))
    assert np.allclose(np.diff(found.log_rate[1]), np.diff(found.log_rate[0]), atol=0.02)


def test_without_events_there_are_no_rates():
    with pytest.raises(ValueError, match="no events"):
        fit_rates(np.zeros((4, 1, 2)), np.ones((4, 1, 2)), np.ones((1, 1)))
