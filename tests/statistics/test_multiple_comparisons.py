"""Multiple comparisons: the set of the best, and adjusted p-values."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from smsroi_helpers.statistics import multiple_comparisons
from smsroi_helpers.statistics.multiple_comparisons import adjust, best_set


class TestBestSet:
    @pytest.mark.parametrize(
        ("rivals", "df", "published"),
        # Dunnett (1955), JASA 50, table 1a: one-sided, joint confidence .95, k rivals of equal variance.
        [(1, 60, 1.67), (2, 60, 1.95), (3, 60, 2.10), (1, np.inf, 1.64), (2, np.inf, 1.92), (9, np.inf, 2.42)],
    )
    def test_critical_values_are_dunnett_s(self, rivals, df, published):
        size = rivals + 1
        error = np.sqrt(2) * (1 - np.eye(size))
        found = multiple_comparisons._critical_values(np.eye(size), error, df, 0.95, 400_000, np.random.default_rng(2))
        # Rounded to .005; a simulated quantile has the standard error √(.0475/n)/density, the density being about .09.
        assert found.mean() == pytest.approx(published, abs=0.005 + 4 * np.sqrt(0.0475 / 400_000) / 0.09)

    def test_of_two_it_is_the_one_sided_test(self):
        covariance = np.array([[0.5, 0.2], [0.2, 0.9]])
        edge = 1.6449 * np.sqrt(0.5 + 0.9 - 0.4)  # 1.645 standard errors of the difference
        near = best_set([edge * 0.97, 0.0], covariance, np.random.default_rng(1))
        far = best_set([edge * 1.03, 0.0], covariance, np.random.default_rng(1))
        assert near.chosen.tolist() == [True, True]
        assert far.chosen.tolist() == [True, False]
        assert far.low[0] == 0
        assert far.high[1] == 0
        assert far.low[1] == pytest.approx(-edge * 2.03, rel=0.02)

    def test_another_level_and_unit(self):
        y, covariance = np.array([1.0, 0.9, 0.5, -0.5]), np.diag([0.04, 0.09, 0.05, 0.06])
        found = best_set(y, covariance, np.random.default_rng(1))
        moved = best_set(100 + 10 * y, 100 * covariance, np.random.default_rng(1))
        bolder = best_set(y, covariance, np.random.default_rng(1), level=0.5)
        surer = best_set(y, covariance, np.random.default_rng(1), df=5)
        assert found.chosen.tolist() == moved.chosen.tolist()
        assert moved.low == pytest.approx(10 * found.low, rel=1e-9)
        assert bolder.chosen.sum() < found.chosen.sum() <= surer.chosen.sum()
        assert (surer.high - surer.low).sum() > (found.high - found.low).sum()

    def test_correlated_candidates_are_distinguished(self):
        """0.3 apart with errors of 1 each that are all but shared."""
        shared = np.full((3, 3), 0.999) + 0.001 * np.eye(3)
        together = best_set([1.0, 1.3, 1.1], shared, np.random.default_rng(1))
        apart = best_set([1.0, 1.3, 1.1], np.eye(3), np.random.default_rng(1))
        assert together.chosen.tolist() == [False, True, False]
        assert apart.chosen.all()

    def test_candidates_without_variance_stay(self):
        covariance = np.diag([0.01, 0.01, np.nan, 0.0])
        found = best_set([1.0, 9.0, 0.1, 0.0], covariance, np.random.default_rng(1))
        assert found.chosen.tolist() == [False, True, True, True]
        assert np.isnan(found.low[2:]).all()
        assert best_set([4.0], [[1.0]], np.random.default_rng(1)).chosen.tolist() == [True]

    def test_identical_candidates_both_stay(self):
        covariance = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        found = best_set([9.0, 9.0, 0.0], covariance, np.random.default_rng(1))
        assert found.chosen.tolist() == [True, True, False]

    def test_limits_include_the_estimates(self):
        rng = np.random.default_rng(3)
        y = rng.normal(0, 1, 8)
        found = best_set(y, np.diag(rng.uniform(0.1, 1, 8)), rng)
        assert (found.low <= np.minimum(found.estimate, 0)).all()
        assert (np.maximum(found.estimate, 0) <= found.high).all()
        assert (found.chosen == (found.high > 0)).all()

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"a covariance for each pair; not shapes \(2,\) and \(2,\)"):
            best_set([1.0, 2.0], [0.1, 0.1], np.random.default_rng(1))


class TestAdjust:
    def test_by_hand(self):
        """Holm: 4 × .01, 3 × .02, 2 × .03, .3, never falling; Benjamini and Hochberg: 4/1, 4/2, 4/3, 4/4 times."""
        p = [0.3, 0.01, np.nan, 0.03, 0.02]
        assert adjust(p, "holm") == pytest.approx([0.3, 0.04, np.nan, 0.06, 0.06], nan_ok=True)
        assert adjust(p, "benjamini_hochberg") == pytest.approx([0.3, 0.04, np.nan, 0.04, 0.04], nan_ok=True)

    @pytest.mark.parametrize(("method", "theirs"), [("holm", "holm"), ("benjamini_hochberg", "fdr_bh")])
    def test_it_is_that_of_statsmodels(self, method, theirs):
        rng = np.random.default_rng(1)
        for n in (1, 2, 40):
            p = np.round(rng.beta(0.4, 2, n), 2)  # with ties, zeros, and some that go above 1
            assert adjust(p, method) == pytest.approx(multipletests(p, method=theirs)[1], rel=1e-12)

    def test_nothing_tested(self):
        assert np.isnan(adjust([np.nan, np.nan], "holm")).all()
