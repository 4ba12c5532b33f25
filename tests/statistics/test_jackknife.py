"""The jackknife by group of customers, sandwich and bootstrap by cell, against other implementations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from smsroi_helpers.statistics.jackknife import (
    GROUPS,
    by_group,
    jackknife,
    jackknife_ratio,
    resample_cells,
    sandwich,
)


class TestByGroup:
    def test_absent_cells_are_zeros_and_keys_are_sorted(self):
        cells = pd.DataFrame(
            {
                "segment": ["gold", "lost", "gold", None],
                "hour": [9, 8, 9, 8],
                "group": [63, 0, 2, 1],
                "clicks": [1, 2, 4, 8],
                "messages": [10, 20, 40, 80],
            }
        )
        keys, sums = by_group(cells, ["segment", "hour"], ["clicks", "messages"])
        assert keys["segment"].fillna("none").tolist() == ["gold", "lost", "none"]
        assert sums.shape == (2, 3, GROUPS)
        assert sums[0].sum(axis=1).tolist() == [5, 2, 8]
        assert sums[1, 0, 63] == 10
        assert sums[1, 0, 2] == 40

    @pytest.mark.parametrize("group", [64, -1, 0.5])
    def test_an_invalid_group(self, group):
        with pytest.raises(ValueError, match="column group must hold whole numbers from 0 to 63; 1 rows do not"):
            by_group(pd.DataFrame({"group": [3, group], "clicks": [1, 1]}), [], ["clicks"])


class TestJackknife:
    def test_of_equal_groups_it_is_students_interval_of_their_means(self):
        y = np.random.default_rng(4).gamma(2.0, 3.0, 64)
        found = jackknife_ratio(y * 50, np.full(64, 50.0))
        low, high = stats.ttest_1samp(y, 0).confidence_interval()
        assert found.estimate == pytest.approx(y.mean(), rel=1e-12)
        assert [found.low, found.high] == pytest.approx([low, high], rel=1e-9)
        assert found.standard_error == pytest.approx(y.std(ddof=1) / 8, rel=1e-9)

    def test_one_group_at_a_time(self):
        """v = (G − 1)/G Σ (θ_(g) − θ)², written out."""
        y, n = np.array([3.0, 1.0, 7.0, 2.0, 5.0]), np.array([11.0, 6.0, 19.0, 8.0, 10.0])
        without = np.array([(y.sum() - y[g]) / (n.sum() - n[g]) for g in range(5)])
        variance = 4 / 5 * ((without - y.sum() / n.sum()) ** 2).sum()
        assert jackknife_ratio(y, n).standard_error == pytest.approx(np.sqrt(variance), rel=1e-12)

    def test_of_many_customers_it_is_the_delta_method(self):
        """Linearised variance of a ratio, Σ (y − R n)²/(Σ n)², over customers rather than groups."""
        rng = np.random.default_rng(8)
        errors = []
        for _ in range(40):
            n = rng.integers(1, 30, 20_000)
            y = rng.binomial(n, rng.beta(0.5, 6, 20_000))
            group = rng.integers(0, 64, 20_000)
            found = jackknife_ratio(np.bincount(group, y, 64), np.bincount(group, n, 64))
            linear = np.sqrt(((y - y.sum() / n.sum() * n) ** 2).sum()) / n.sum()
            errors.append(found.standard_error / linear)
        # A standard error from 63 degrees of freedom is itself off by 1/√126; 40 of them by a sixth of that.
        assert np.mean(errors) == pytest.approx(1, abs=4 / np.sqrt(126 * 40))

    def test_empty_groups_change_nothing(self):
        y, n = np.array([3.0, 1.0, 7.0]), np.array([11.0, 6.0, 19.0])
        few = jackknife_ratio(y, n)
        padded = jackknife_ratio(np.concatenate([y, np.zeros(61)]), np.concatenate([n, np.zeros(61)]))
        assert few.groups == padded.groups == 3
        assert [float(padded.low), float(padded.high)] == pytest.approx([float(few.low), float(few.high)], rel=1e-12)

    def test_many_cells_at_once_are_each_alone(self):
        rng = np.random.default_rng(1)
        y, n = rng.gamma(1.0, 2.0, (4, 3, 64)), rng.integers(1, 9, (4, 3, 64))
        all_at_once, alone = jackknife_ratio(y, n), jackknife_ratio(y[2, 1], n[2, 1])
        assert all_at_once.low.shape == (4, 3)
        assert all_at_once.low[2, 1] == pytest.approx(float(alone.low), rel=1e-12)

    def test_any_smooth_function(self):
        """The log of a mean by the delta method: standard error of the mean over the mean."""
        y = np.random.default_rng(3).gamma(50.0, 1.0, 64)
        found = jackknife(lambda sums: np.log(sums[0] / sums[1]), np.stack([y, np.ones(64)]))
        by_delta = y.std(ddof=1) / 8 / y.mean()
        assert found.standard_error == pytest.approx(by_delta, rel=0.01)

    def test_joint_covariance(self):
        """Of the means of groups it is theirs over G; the same customers make two cells move together."""
        y = np.random.default_rng(3).multivariate_normal([5, 8], [[1.0, 0.6], [0.6, 2.0]], 64).T
        found = jackknife_ratio(y, np.ones((2, 64)))
        assert found.covariance() == pytest.approx(np.cov(y) / 64, rel=1e-9)
        assert np.sqrt(np.diag(found.covariance())) == pytest.approx(found.standard_error, rel=1e-12)

    def test_no_interval_without_information(self):
        one_group = jackknife_ratio([[5.0, 0.0, 0.0]], [[9.0, 0.0, 0.0]])
        nothing = jackknife_ratio([[0.0, 0.0, 0.0]], [[9.0, 4.0, 2.0]])
        nobody = jackknife_ratio([[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]])
        for found in (one_group, nothing, nobody):
            assert np.isnan(found.low).all()
            assert np.isnan(found.high).all()
        assert one_group.estimate == pytest.approx(5 / 9)


class TestCells:
    def test_sandwich_is_the_library_s_from_rows(self):
        """Poisson regression on 500 customers as cells of equal customers, against statsmodels' HC0 from rows."""
        rng = np.random.default_rng(7)
        x = rng.integers(0, 4, 500)
        y = rng.poisson(rng.gamma(1.0, np.exp(0.2 + 0.3 * x)))
        rows = pd.DataFrame({"x": x, "y": y})
        fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit(cov_type="HC0")
        cells = rows.groupby(["x", "y"]).size().reset_index(name="customers")
        design = sm.add_constant(cells["x"].to_numpy(float))
        mean = np.exp(design @ fit.params)
        scores = design * (cells["y"].to_numpy() - mean)[:, None]
        weights = cells["customers"].to_numpy()
        hessian = (design * (weights * mean)[:, None]).T @ design
        squares = (scores * weights[:, None]).T @ scores
        assert sandwich(squares, hessian) == pytest.approx(fit.cov_params(), rel=1e-6)

    def test_resampled_cells_are_the_bootstrap_of_customers(self):
        counts = np.array([7, 0, 30, 63])
        draws = resample_cells(counts, 40_000, np.random.default_rng(5))
        share = counts / 100
        assert draws.shape == (40_000, 4)
        assert (draws.sum(axis=1) == 100).all()
        assert (draws[:, 1] == 0).all()
        expected = 100 * (np.diag(share) - np.outer(share, share))
        # Four standard errors: of a mean √(v/n), of a variance v √(2/n).
        assert draws.mean(axis=0) == pytest.approx(counts, abs=4 * np.sqrt(expected.max() / 40_000))
        assert np.cov(draws.T) == pytest.approx(expected, abs=4 * expected.max() * np.sqrt(2 / 40_000))
