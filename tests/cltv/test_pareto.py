"""Pareto/NBD by running integrals: against adaptive integration, the integral of each row, and the library."""

import numpy as np
import pandas as pd
import pytest
from lifetimes import ParetoNBDFitter
from scipy.integrate import quad
from scipy.special import gammaln

from smsroi_helpers.cltv import likelihoods, pareto

CORNERS = {
    "as in the paper": (0.553, 10.578, 0.606, 11.669),
    "alpha above beta": (0.9, 40.0, 2.1, 3.0),
    "alpha far below beta": (1.0, 7.8, 38.8, 2_513.6),
    "nobody knows how drop-out differs": (1.0, 7.8, 1_514.0, 98_715.0),
    "everybody leaves soon": (0.7, 5.0, 4.0, 0.5),
    "hardly anybody comes back": (0.02, 0.9, 0.3, 6.0),
    "s at 1": (0.5, 9.0, 1.0, 12.0),
    "steep at the start": (1.5, 0.4, 0.8, 2.0),
}


@pytest.fixture(scope="module")
def rows():
    """Day cells of 5,000 customers, with those who bought once, those who bought today, and some very active ones."""
    rng = np.random.default_rng(3)
    T = rng.integers(1, 364, 5_000)
    x = np.minimum(rng.negative_binomial(0.6, 0.08, 5_000), T)
    t_x = np.where(x > 0, np.maximum(np.round(T * np.minimum(rng.uniform(0, 1.3, 5_000), 1)), x), 0)
    x[:4], t_x[:4], T[:4] = (0, 150, 200, 1), (0, 363, 360, 1), (0, 363, 363, 1)
    frame = pd.DataFrame({"frequency": x, "recency_weeks": t_x / 7, "T_weeks": T / 7})
    return frame.groupby(list(frame.columns)).size().rename("customers").reset_index()


@pytest.fixture(scope="module")
def columns(rows):
    return likelihoods.columns_of(rows, *likelihoods.HISTORY, "customers")


@pytest.fixture(scope="module")
def grid(columns):
    return pareto.Grid.of(*columns[:3])


def adaptive(values, x, t_x, T):
    """The definition, in the logarithm of time past β or α, whichever is less, so that steep starts are resolved."""
    r, alpha, s, beta = values
    n, shift = r + x, min(alpha, beta)
    high = -n * np.log(alpha + t_x) - s * np.log(beta + t_x)

    def piece(u):
        t = np.exp(u) - shift
        return np.exp(u - n * np.log(alpha + t) - (s + 1) * np.log(beta + t) - high)

    gone, _error = quad(piece, np.log(shift + t_x), np.log(shift + T), epsabs=0, epsrel=1e-12, limit=500)
    here = np.exp(-n * np.log(alpha + T) - s * np.log(beta + T) - high)
    start = gammaln(n) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return start + high + np.log(here + s * gone), here / (here + s * gone)


class TestAgainstAdaptiveIntegration:
    @pytest.mark.parametrize("corner", list(CORNERS))
    def test_rows_and_chances(self, columns, grid, corner):
        """The bound of the docstring: 1e-7 a customer."""
        values = np.array(CORNERS[corner])
        there = pareto.integrate(values, grid)
        ours, alive = there.rows(), there.alive()
        some = np.unique(np.concatenate([np.arange(0, len(ours), 37), np.argsort(columns[0])[-20:]]))
        for row in some:
            log_likelihood, here = adaptive(values, *(column[row] for column in columns[:3]))
            assert ours[row] == pytest.approx(log_likelihood, abs=1e-7)
            assert alive[row] == pytest.approx(here, abs=1e-7)

    def test_the_integral_of_each_row(self, columns, grid):
        values = np.array(CORNERS["as in the paper"])
        by_row = likelihoods.purchase_terms("pareto_nbd")(values, *columns[:3])
        there = pareto.integrate(values, grid)
        assert there.rows() == pytest.approx(by_row.rows, abs=2e-7)
        assert there.slopes_of_rows() == pytest.approx(by_row.slopes, abs=2e-6)

    def test_drop_out_at_one_rate_is_the_limit_of_large_s(self, columns, grid):
        """With s/β = μ fixed and s → ∞ customers leave at the rate μ: the three-parameter limit."""
        r, alpha, mu = 0.8, 6.0, 0.02
        there = pareto.integrate(np.array([r, alpha, 1e5, 1e5 / mu]), grid)
        for row in range(0, len(columns[0]), 400):
            x, t_x, T = (column[row] for column in columns[:3])
            gone, _error = quad(lambda t, x=x: mu * (alpha + t) ** -(r + x) * np.exp(-mu * t), t_x, T, epsrel=1e-11)
            here = (alpha + T) ** -(r + x) * np.exp(-mu * T)
            assert there.alive()[row] == pytest.approx(here / (here + gone), rel=1e-4)


class TestSlopes:
    @pytest.mark.parametrize("corner", list(CORNERS))
    def test_of_the_total_are_the_sums_of_the_rows(self, columns, grid, corner):
        *_history, weights = columns
        there = pareto.integrate(np.array(CORNERS[corner]), grid)
        by_rows = there.slopes_of_rows() @ weights
        total = there.slopes_of_total(weights, np.bincount(grid.of_count, weights))
        assert total == pytest.approx(by_rows, rel=1e-9, abs=1e-6)

    @pytest.mark.parametrize("corner", list(CORNERS))
    def test_are_those_of_the_likelihood(self, columns, corner):
        likelihood = pareto.ParetoLikelihood(likelihoods.purchase_terms("pareto_nbd"), columns)
        at = np.log(CORNERS[corner])
        _value, slopes = likelihood.loss(at)
        for step, slope in zip(1e-5 * np.eye(4), slopes, strict=True):
            assert (likelihood.value(at + step) - likelihood.value(at - step)) / 2e-5 == pytest.approx(slope, abs=1e-7)

    def test_derivatives_are_those_by_an_integral_per_row(self, columns):
        terms, at = likelihoods.purchase_terms("pareto_nbd"), np.log(CORNERS["as in the paper"])
        ours = pareto.ParetoLikelihood(terms, columns).derivatives(at)
        theirs = likelihoods.Likelihood(terms, columns).derivatives(at)
        scale = np.abs(theirs.curvature).max()
        assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, rel=1e-9)
        assert ours.slopes == pytest.approx(theirs.slopes, abs=1e-6 * scale)
        assert ours.squares == pytest.approx(theirs.squares, rel=1e-5)
        assert ours.curvature == pytest.approx(theirs.curvature, abs=1e-4 * scale)


class TestSeveralParametersAtOnce:
    def test_each_is_as_alone(self, columns):
        """More than are computed together; they share the cuts of the steepest, which moves none by more than 1e-7."""
        likelihood = pareto.ParetoLikelihood(likelihoods.purchase_terms("pareto_nbd"), columns)
        many = np.log(np.concatenate([list(CORNERS.values())] * 3)) * np.linspace(1, 1.01, 24)[:, None]
        assert likelihood.values(many) == pytest.approx([likelihood.value(each) for each in many], abs=1e-7)

    def test_of_rows_and_chances(self, grid):
        many = np.array(list(CORNERS.values()))
        together = pareto.integrate(many, grid)
        for place, values in enumerate(many):
            alone = pareto.integrate(values, grid)
            assert together.alive()[place] == pytest.approx(alone.alive(), abs=1e-7)


class TestTheLibrary:
    def test_its_chances_and_ours(self, columns, grid):
        """Of customers whom its hypergeometric functions do not overflow for."""
        theirs = ParetoNBDFitter()
        theirs.params_ = pd.Series(dict(zip(("r", "alpha", "s", "beta"), CORNERS["as in the paper"], strict=True)))
        few = columns[0] < 15
        expected = theirs.conditional_probability_alive(*(column[few] for column in columns[:3]))
        alive = pareto.integrate(np.array(CORNERS["as in the paper"]), grid).alive()[few]
        assert alive == pytest.approx(expected, rel=1e-6)


class TestWhereRunningIntegralsDoNotFit:
    COLUMNS = (np.array([900.0, 0.0, 3.0]), np.array([2.0, 0.0, 700.0]), np.array([1_500.0, 1.0, 701.0]))
    VALUES = np.array([0.5, 0.05, 1.2, 30.0])

    def test_one_scale_is_not_enough(self):
        assert pareto.integrate(self.VALUES, pareto.Grid.of(*self.COLUMNS)) is None

    def test_each_row_is_integrated(self):
        terms, weights = likelihoods.purchase_terms("pareto_nbd"), np.array([1.0, 4.0, 2.0])
        ours = pareto.ParetoLikelihood(terms, [*self.COLUMNS, weights])
        theirs = likelihoods.Likelihood(terms, [*self.COLUMNS, weights])
        at = np.log(self.VALUES)
        assert ours.value(at) == theirs.value(at)
        assert ours.values(np.stack([at, at + 0.1])).tolist() == [theirs.value(at), theirs.value(at + 0.1)]
        assert ours.loss(at)[1] == pytest.approx(theirs.loss(at)[1])
        assert ours.derivatives(at).curvature == pytest.approx(theirs.derivatives(at).curvature)
        alive = pareto.pareto_alive(self.VALUES, *self.COLUMNS, pareto.Grid.of(*self.COLUMNS))
        assert ((alive >= 0) & (alive <= 1)).all()

    def test_and_where_every_row_has_times_of_its_own(self):
        """Times that are no days: there are more pairs than integrals."""
        rng = np.random.default_rng(1)
        T = rng.uniform(5, 50, 300)
        rows = (rng.integers(0, 40, 300).astype(float), T * rng.uniform(0, 1, 300), T)
        grid = pareto.Grid.of(*rows)
        assert not grid.pays
        values = np.array(CORNERS["as in the paper"])
        assert pareto.pareto_alive(values, *rows, grid) == pytest.approx(
            pareto.integrate(values, grid).alive(), abs=1e-7
        )
