"""Partial pooling: the eight schools, numerical integration, and limiting cases."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from smsroi_helpers.statistics.shrinkage import shrink

EIGHT_SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


class TestShrink:
    def test_eight_schools(self):
        """Gelman et al., Bayesian Data Analysis, table 5.3: medians of 200 posterior draws, flat on τ."""
        printed = [10, 8, 7, 8, 5, 6, 10, 8]
        y, error = EIGHT_SCHOOLS
        found = shrink(y, error)
        # A median of 200 draws with standard deviation 6 to 8 is off by about .6, and rounded by .3.
        assert found.estimate == pytest.approx(printed, abs=4 * 0.65)
        assert np.argmax(found.estimate) == 0

    def test_by_another_integration(self):
        """Means and quantiles by brute force: θ_i given μ and τ on a fine grid of both."""
        y, error = EIGHT_SCHOOLS
        tau, mu = np.linspace(1e-4, 150, 1_000), np.linspace(-90, 110, 401)
        log = np.zeros((len(tau), len(mu)))
        for value, e in zip(y, error, strict=True):
            log += stats.norm.logpdf(value, mu[None, :], np.sqrt(e**2 + tau[:, None] ** 2))
        density = np.exp(log - log.max())
        whole = trapezoid(trapezoid(density, mu, axis=1), tau)
        found = shrink(y, error)
        for i in (0, 2, 6):
            variance = 1 / (1 / error[i] ** 2 + 1 / tau[:, None] ** 2)
            mean = variance * (y[i] / error[i] ** 2 + mu[None, :] / tau[:, None] ** 2)
            assert trapezoid(trapezoid(density * mean, mu, axis=1), tau) / whole == pytest.approx(
                found.estimate[i], abs=0.02
            )
            for limit, share in ((found.low[i], 0.025), (found.high[i], 0.975)):
                below = stats.norm.cdf(limit, mean, np.sqrt(variance))
                probability = trapezoid(trapezoid(density * below, mu, axis=1), tau) / whole
                assert probability == pytest.approx(share, abs=5e-4)

    def test_a_covariance_without_correlation_is_its_standard_errors(self):
        y, error = EIGHT_SCHOOLS
        alone, joint = shrink(y, error), shrink(y, np.diag(error**2))
        assert joint.low == pytest.approx(alone.low, abs=1e-8)
        assert joint.sd == pytest.approx(alone.sd, abs=1e-8)

    def test_a_shared_error_is_no_reason_to_shrink(self):
        """Errors that all have in common move the mean, not the differences."""
        y = np.array([3.0, 4.0, 6.0, 9.0, 5.0, 7.5])
        own = shrink(y, np.full(6, 1.5))
        shared = shrink(y, 0.1 * np.eye(6) + 2.15 * np.ones((6, 6)))
        assert np.abs(shared.estimate - y).max() < 0.1
        assert np.abs(own.estimate - y).max() > 1
        assert (shared.high - shared.low).min() > 2 * 1.96 * np.sqrt(2.15)

    def test_precise_estimates_are_kept_and_imprecise_ones_pooled(self):
        y = np.array([1.0, 5.0, 2.0, 8.0, 3.0])
        exact = shrink(y, np.full(5, 1e-3))
        assert exact.estimate == pytest.approx(y, abs=1e-5)
        assert (exact.high - exact.low) == pytest.approx(2 * 1.96e-3, rel=0.01)
        poor = shrink(y, np.full(5, 300.0))
        assert np.ptp(poor.estimate) < np.ptp(y) / 3
        assert poor.estimate.mean() == pytest.approx(y.mean(), rel=1e-6)
        # Not narrower than what is known of the mean itself.
        assert (poor.high - poor.low).min() > 2 * 1.96 * 300 / np.sqrt(5)

    def test_covariates(self):
        rng = np.random.default_rng(1)
        x = np.column_stack([np.ones(30), np.linspace(0, 1, 30)])
        truth = x @ [2.0, 5.0] + rng.normal(0, 0.05, 30)
        y = truth + rng.normal(0, 0.5, 30)
        fitted, flat = shrink(y, np.full(30, 0.5), x), shrink(y, np.full(30, 0.5))
        assert ((fitted.estimate - truth) ** 2).mean() < ((flat.estimate - truth) ** 2).mean() / 2
        assert fitted.common[-1] - fitted.common[0] == pytest.approx(5, abs=4 * 0.5 / np.sqrt(30 / 12))

    def test_the_order_does_not_matter_and_units_scale(self):
        y, error = EIGHT_SCHOOLS
        order = np.array([3, 1, 7, 0, 2, 6, 5, 4])
        plain, mixed = shrink(y, error), shrink(-2 * y[order] + 5, 2 * error[order])
        assert mixed.low == pytest.approx(-2 * plain.high[order] + 5, abs=1e-6)

    def test_estimated_errors_count_as_larger(self):
        y, error = EIGHT_SCHOOLS
        for errors in (error, np.diag(error**2)):
            assert (shrink(y, errors, df=20).high > shrink(y, errors).high).all()
        assert shrink(y, np.diag(error**2), df=20).low == pytest.approx(shrink(y, error * np.sqrt(20 / 11)).low)

    @pytest.mark.parametrize(
        ("y", "errors", "df", "message"),
        [
            ([1.0, 2.0], [1.0, 1.0], np.inf, "2 estimates are too few to estimate their variance; 3 are needed"),
            ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], np.inf, "errors above 0"),
            ([1.0, np.nan, 3.0], [1.0, 1.0, 1.0], np.inf, "estimates must be finite"),
            ([1.0, 2.0, 3.0], [1.0, 1.0], np.inf, "of estimates, errors, covariates differ"),
            ([1.0, 2.0, 3.0], np.eye(3), 4, "needs more than 4 degrees of freedom, not 4"),
        ],
    )
    def test_refusals(self, y, errors, df, message):
        with pytest.raises(ValueError, match=message):
            shrink(y, errors, df=df)
