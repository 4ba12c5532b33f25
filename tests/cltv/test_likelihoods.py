"""Likelihoods and their derivatives: against the library's, automatic differentiation and adaptive integration."""

import autograd
import autograd.numpy
import autograd.scipy.special
import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import gammaln

from smsroi_helpers.cltv import likelihoods


@pytest.fixture(scope="module")
def rows():
    """300 cells, among them customers who bought once and some who bought on the last day."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 40, 300)
    T = rng.uniform(5, 120, 300)
    t_x = np.where(x > 0, T * np.minimum(rng.uniform(0, 1.2, 300), 1), 0.0)
    return pd.DataFrame({"frequency": x, "recency_weeks": t_x, "T_weeks": T, "customers": rng.integers(1, 9, 300)})


@pytest.fixture(scope="module")
def columns(rows):
    return likelihoods.columns_of(rows, *likelihoods.HISTORY, "customers")


FITTERS = [
    ("bg_nbd", BetaGeoFitter, (0.31, 5.2, 0.77, 2.9)),
    ("mbg_nbd", ModifiedBetaGeoFitter, (0.52, 6.1, 0.89, 1.6)),
    ("bg_nbd", BetaGeoFitter, (4.0, 70.0, 0.01, 30.0)),
    ("mbg_nbd", ModifiedBetaGeoFitter, (0.05, 0.6, 3.0, 0.2)),
]


class TestAnotherImplementation:
    @pytest.mark.parametrize(("model", "fitter", "values"), FITTERS)
    def test_the_librarys_likelihood(self, rows, columns, model, fitter, values):
        theirs = -fitter._negative_log_likelihood(np.log(values), *columns, 0.0) * columns[-1].sum()
        ours = likelihoods.log_likelihood(
            model, dict(zip(likelihoods.PARAMETER_NAMES[model], values, strict=True)), rows
        )
        assert ours == pytest.approx(theirs, rel=1e-10)

    @pytest.mark.parametrize(("model", "fitter", "values"), FITTERS)
    def test_its_derivatives_of_both_orders(self, columns, model, fitter, values):
        """The library's likelihood differentiated by autograd, which knows nothing of our formulas."""
        at = np.log(values)

        def theirs(log_values):
            return -fitter._negative_log_likelihood(log_values, *columns, 0.0) * columns[-1].sum()

        there = likelihoods.Likelihood(likelihoods.purchase_terms(model), columns).derivatives(at)
        assert there.log_likelihood == pytest.approx(theirs(at), rel=1e-10)
        assert there.slopes == pytest.approx(autograd.grad(theirs)(at), rel=1e-8, abs=1e-8)
        assert there.curvature == pytest.approx(autograd.hessian(theirs)(at), rel=1e-8, abs=1e-8)

    def test_pareto_likelihood_by_adaptive_integration(self, rows):
        r, alpha, s, beta = 0.55, 10.6, 0.61, 11.7
        total = 0.0
        for row in rows.itertuples():
            x, t_x, T = row.frequency, row.recency_weeks, row.T_weeks
            scale = (r + x) * np.log(alpha + t_x)
            gone, _error = quad(
                lambda t, x=x, scale=scale: np.exp(scale - (r + x) * np.log(alpha + t)) * (beta + t) ** -(s + 1),
                t_x, T, epsabs=0, epsrel=1e-11, limit=400,
            )  # fmt: skip
            here = -(r + x) * np.log(alpha + T) - s * np.log(beta + T)
            start = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
            gone = np.log(s) + np.log(gone) - scale if gone > 0 else -np.inf
            total += row.customers * (start + np.logaddexp(here, gone))
        ours = likelihoods.log_likelihood("pareto_nbd", {"r": r, "alpha": alpha, "s": s, "beta": beta}, rows)
        assert ours == pytest.approx(total, abs=1e-4)


class TestDerivatives:
    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_slopes_are_the_likelihoods(self, columns, model):
        values = np.array([0.4, 7.3, 0.6, 2.2])
        *history, weights = columns

        def total(log_values):
            return weights @ likelihoods.purchase_terms(model)(np.exp(log_values), *history).rows

        ours = likelihoods.purchase_terms(model)(values, *history).slopes @ weights
        assert ours == pytest.approx(approx_fprime(np.log(values), total, 1e-7), rel=2e-4, abs=0.05)

    def test_slopes_of_value_are_the_likelihoods(self):
        values = np.array([6.1, 3.9, 14.0])
        x, log_mean = np.array([1.0, 3.0, 12.0]), np.log([11.0, 29.0, 54.0])

        def total(log_values):
            return likelihoods.value_terms(np.exp(log_values), x, log_mean).rows.sum()

        ours = likelihoods.value_terms(values, x, log_mean).slopes.sum(axis=1)
        assert ours == pytest.approx(approx_fprime(np.log(values), total, 1e-7), rel=1e-4, abs=1e-4)

    def test_curvature_by_differences_is_that_by_automatic_differentiation(self, columns):
        """Of buyers who never leave, whose likelihood is short enough to be written down again."""
        x, _t_x, T, weights = columns

        def total(log_values):
            r, alpha = autograd.numpy.exp(log_values)
            gammaln = autograd.scipy.special.gammaln
            rows = gammaln(r + x) - gammaln(r) + r * autograd.numpy.log(alpha) - (r + x) * autograd.numpy.log(alpha + T)
            return autograd.numpy.sum(weights * rows)

        at = np.log([0.7, 9.0])
        there = likelihoods.Likelihood(likelihoods.rate_terms, [x, T, weights]).derivatives(at)
        assert there.log_likelihood == pytest.approx(total(at), rel=1e-12)
        assert there.slopes == pytest.approx(autograd.grad(total)(at), rel=1e-9)
        assert there.curvature == pytest.approx(autograd.hessian(total)(at), rel=1e-4)


class TestSums:
    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_parts_add_up_to_the_whole(self, columns, model, monkeypatch):
        likelihood, at = (
            likelihoods.Likelihood(likelihoods.purchase_terms(model), columns),
            np.log([0.4, 7.3, 0.6, 2.2]),
        )
        whole = likelihood.derivatives(at)
        monkeypatch.setattr(likelihoods, "_BATCH_SIZE", 77)
        parts = likelihood.derivatives(at)
        for name in ("log_likelihood", "slopes", "squares", "curvature"):
            assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-7), name
        loss, slopes = likelihood.loss(at)
        assert loss == pytest.approx(-whole.log_likelihood / columns[-1].sum())
        assert slopes == pytest.approx(-whole.slopes / columns[-1].sum())

    def test_squares_are_of_each_customer(self, columns):
        """A cell of n customers is n rows of one."""
        values = np.array([0.4, 7.3, 0.6, 2.2])
        *history, weights = columns
        by_customer = [np.repeat(column, weights.astype(int)) for column in history]
        scores = likelihoods.purchase_terms("bg_nbd")(values, *by_customer).slopes
        there = likelihoods.Likelihood(likelihoods.purchase_terms("bg_nbd"), columns).derivatives(np.log(values))
        assert there.squares == pytest.approx(scores @ scores.T)

    def test_coarser_cells_have_the_same_customers_and_nearly_the_same_likelihood(self):
        """Counts are kept; moments move by at most half a step, and never past each other."""
        rng = np.random.default_rng(4)
        T = rng.uniform(5, 60, 5_000)
        x = rng.poisson(rng.gamma(0.8, 0.1, 5_000) * T).astype(float)
        t_x = np.where(x > 0, T * rng.random(5_000), 0.0)
        there = likelihoods.Likelihood(likelihoods.purchase_terms("bg_nbd"), [x, t_x, T, rng.integers(1, 4, 5_000)])
        few = there.coarse
        kept_x, kept_t, kept_T, weights = few.columns
        assert len(weights) < 2_000
        assert np.array_equal(np.bincount(kept_x.astype(int), weights), np.bincount(x.astype(int), there.columns[-1]))
        assert (kept_t <= kept_T).all()
        for kept, exact in ((kept_t, t_x), (kept_T, T)):
            assert np.average(kept, weights=weights) == pytest.approx(
                np.average(exact, weights=there.columns[-1]), abs=0.1
            )
        at = np.log([0.8, 10.0, 0.9, 2.5])
        assert few.value(at) == pytest.approx(there.value(at), rel=0.02)

    def test_few_cells_are_not_made_coarser(self, columns):
        there = likelihoods.Likelihood(likelihoods.rate_terms, [column[:100] for column in columns])
        assert there.coarse is there

    def test_histories_beyond_reason_stay_numbers(self):
        """A customer of 400 orders and long silence: the odds of having left overflow, the sums do not."""
        columns = [np.array([400.0]), np.array([3.0]), np.array([2_000.0]), np.array([1.0])]
        there = likelihoods.Likelihood(likelihoods.purchase_terms("bg_nbd"), columns).derivatives(
            np.log([0.2, 0.5, 1e-5, 4.0])
        )
        assert np.isfinite(there.log_likelihood)
        for array in (there.slopes, there.squares, there.curvature):
            assert np.isfinite(array).all()
