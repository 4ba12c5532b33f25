"""Fits and expectations: against published tables, another implementation, and a simulated truth."""

import contextlib
import io
import os
from collections import Counter
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, ParetoNBDFitter
from lifetimes.utils import ConvergenceError
from scipy.integrate import quad
from scipy.special import gammaln

from smsroi_helpers.cltv import counts, fitting, predictions
from smsroi_helpers.cltv.likelihoods import log_likelihood
from tests.cltv_worlds import KINDS, histories
from tests.reference import cdnow


@pytest.fixture(scope="module")
def shop(cdnow_shop):
    return cdnow_shop("1997-09-30")


@pytest.fixture(scope="module")
def cells(shop):
    return counts.count_cells(shop)


@pytest.fixture(scope="module")
def fits(cells):
    return {model: fitting.fit_purchases(cells, model) for model in ("bg_nbd", "mbg_nbd", "pareto_nbd")}


@pytest.fixture(scope="module")
def value(shop):
    return fitting.fit_value(counts.count_value_cells(shop))


def one(x, t_x, T):
    return pd.DataFrame({"frequency": [x], "recency_weeks": [t_x], "T_weeks": [T], "customers": [1]})


class TestPublishedValues:
    @pytest.mark.parametrize("model", ["bg_nbd", "pareto_nbd"])
    def test_estimates_are_those_of_the_paper(self, fits, model):
        parameters, printed_likelihood = cdnow.PUBLISHED[model]
        assert fits[model].status == "converged"
        assert fits[model].customers == 2_357
        for name, printed in parameters.items():
            assert round(fits[model].parameters[name], 3) == printed
        assert round(fits[model].log_likelihood, 1) == printed_likelihood

    def test_mbg_estimates_are_the_librarys(self, fits):
        parameters, printed_likelihood = cdnow.MBG_NBD
        for name, printed in parameters.items():
            assert round(fits["mbg_nbd"].parameters[name], 4) == pytest.approx(printed, abs=1.01e-4)
        assert round(fits["mbg_nbd"].log_likelihood, 2) == pytest.approx(printed_likelihood, abs=0.011)

    @pytest.mark.parametrize("model", list(cdnow.EXPECTED_REPEATS))
    def test_39_weeks_ahead(self, fits, cells, model):
        repeats = cells["customers"] @ predictions.expected_orders(fits[model], cells, 39)
        assert repeats == pytest.approx(cdnow.EXPECTED_REPEATS[model], abs=0.06)

    def test_money_per_purchase(self, value):
        assert value.customers == 946
        for name, printed in cdnow.GAMMA_GAMMA.items():
            assert round(value.parameters[name], 2) == printed
        p, q, v = value.values
        assert p * v / (q - 1) == pytest.approx(cdnow.GAMMA_GAMMA_MEAN, abs=0.006)

    @pytest.mark.parametrize(("x", "mean", "expected"), cdnow.ORDER_VALUES)
    def test_conditional_mean_value(self, value, x, mean, expected):
        # Cells 0.01 wide in the log move the parameters by up to .03 %.
        forecast = predictions.expected_order_value(value, np.array([x]), np.array([mean]))[0]
        assert forecast == pytest.approx(expected, rel=3e-4)

    @pytest.mark.parametrize(("x", "t_x", "T", "weeks", "expected"), cdnow.EXPECTED_ORDERS)
    def test_expected_orders(self, fits, x, t_x, T, weeks, expected):
        assert predictions.expected_orders(fits["bg_nbd"], one(x, t_x, T), weeks)[0] == pytest.approx(
            expected, rel=2e-4
        )

    @pytest.mark.parametrize(("x", "t_x", "T", "expected"), cdnow.ALIVE)
    def test_alive(self, fits, x, t_x, T, expected):
        assert predictions.probability_alive(fits["bg_nbd"], one(x, t_x, T))[0] == pytest.approx(expected, abs=6e-5)

    def test_population_mean(self):
        """At the printed parameters, as the value was derived."""
        printed, printed_likelihood = cdnow.PUBLISHED["bg_nbd"]
        fit = fitting.Fit("bg_nbd", printed, np.eye(4), printed_likelihood, 2_357, "converged")
        forecast = predictions.expected_orders_of_new(fit, np.array([38.86]))[0]
        assert forecast == pytest.approx(cdnow.E_X_AT_38_86_WEEKS, abs=6e-4)

    def test_clv_of_twelve_months(self, fits, value, cells):
        """The library's rule: months of 4.345 weeks, each discounted to its end at 1 %."""
        worth, so_far = 0.0, 0.0
        for month in range(1, 13):
            by_then = predictions.expected_orders(fits["bg_nbd"], cells, 4.345 * month)
            worth, so_far = worth + (by_then - so_far) / 1.01**month, by_then
        p, q, v = value.values
        per_order = p / (p * cells["frequency"] + q - 1)
        total = (worth * per_order * (cells["customers"] * v + cells["repeat_spend"])).sum()
        assert total == pytest.approx(cdnow.CLV_OF_ALL, rel=3e-4)
        first = (cells["frequency"] == 2) & (cells["recency_days"] == 213) & (cells["T_days"] == 272)
        customer_1 = (
            worth[first.to_numpy()][0] * predictions.expected_order_value(value, np.array([2]), np.array([22.35]))[0]
        )
        assert customer_1 == pytest.approx(cdnow.CLV_OF_CUSTOMER_1, rel=3e-4)


class TestAnotherImplementation:
    def test_pareto_expectations_are_the_librarys_where_it_has_them(self):
        rows = pd.DataFrame(
            {"frequency": [0, 2, 9], "recency_weeks": [0, 30.43, 20.0], "T_weeks": [38.86, 38.86, 27.0]}
        )
        fit = fitting.Fit(
            "pareto_nbd", {"r": 0.55, "alpha": 10.6, "s": 0.61, "beta": 11.7}, np.eye(4), 0.0, 3, "converged"
        )
        theirs = ParetoNBDFitter()
        theirs.params_ = pd.Series(fit.parameters)
        columns = [rows[name].to_numpy(float) for name in ("frequency", "recency_weeks", "T_weeks")]
        alive = np.asarray(theirs.conditional_probability_alive(*columns))
        orders = np.asarray(theirs.conditional_expected_number_of_purchases_up_to_time(39, *columns))
        assert predictions.probability_alive(fit, rows) == pytest.approx(alive, rel=1e-6)
        assert predictions.expected_orders(fit, rows, 39) == pytest.approx(orders, rel=1e-6)

    def test_pareto_stays_a_number_for_a_customer_with_400_orders(self, fits):
        busy = one(400, 38.8, 38.86)
        orders = predictions.expected_orders(fits["pareto_nbd"], busy, 39)[0]
        # Nearly surely alive, at about (r + x) / (α + T) = 8.1 orders a week, for 39 weeks at most.
        assert 250 < orders < 400.55 / (10.58 + 38.86) * 39
        assert 0.9 < predictions.probability_alive(fits["pareto_nbd"], busy)[0] <= 1

    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd"])
    def test_orders_by_integration_are_the_closed_forms_where_that_is_a_number(self, model):
        rows = pd.DataFrame(
            {"frequency": [0, 1, 7, 25], "recency_weeks": [0, 9, 31, 40.0], "T_weeks": [12, 33, 35, 41.0]}
        )
        fit = fitting.Fit(model, {"r": 0.6, "alpha": 8.0, "a": 0.7, "b": 2.4}, np.eye(4), 0.0, 4, "converged")
        x, _t_x, T = (rows[name].to_numpy(float) for name in ("frequency", "recency_weeks", "T_weeks"))
        ours = predictions._orders_by_integration(model, fit.values, x, T, 39.0) * predictions.probability_alive(
            fit, rows
        )
        assert ours == pytest.approx(predictions.expected_orders(fit, rows, 39), rel=1e-9)

    @pytest.mark.parametrize(("a", "b"), [(0.0053, 0.499), (0.2, 0.3), (0.05, 0.95)])
    def test_expectations_stay_numbers_where_customers_hardly_ever_leave(self, a, b):
        """With a + b < 1 the closed form's third argument is negative for those who bought once; seen to give NaN."""
        fit = fitting.Fit("bg_nbd", {"r": 0.6, "alpha": 8.0, "a": a, "b": b}, np.eye(4), 0.0, 1, "converged")
        scale = 8.0 + 5.0

        def rate(p):
            return (1 - (1 + p * 26 / scale) ** -0.6) / p * p ** (a - 1) * (1 - p) ** (b - 1)

        # The weight p^(a − 1) has its mass at 0, where the rest is r·t / (α + T): taken out, and added as a Beta mean.
        at_zero = 0.6 * 26 / scale
        rest, _error = quad(
            lambda p: rate(p) - at_zero * p ** (a - 1) * (1 - p) ** (b - 1), 0, 1, epsabs=1e-13, epsrel=1e-10, limit=500
        )
        by_hand = at_zero + rest / np.exp(gammaln(a) + gammaln(b) - gammaln(a + b))
        assert predictions.expected_orders(fit, one(0, 0.0, 5.0), 26)[0] == pytest.approx(by_hand, rel=1e-6)
        newcomer = predictions.expected_orders(fit, one(0, 0.0, 0.0), 26)[0]
        assert predictions.expected_orders_of_new(fit, np.array([26.0]))[0] == pytest.approx(newcomer, rel=1e-9)


class TestIdentities:
    def test_cells_give_the_estimate_of_rows(self, cells, fits):
        rows = cells.loc[cells.index.repeat(cells["customers"])].assign(customers=1)
        by_rows = fitting.fit_purchases(rows, "bg_nbd")
        assert by_rows.log_likelihood == pytest.approx(fits["bg_nbd"].log_likelihood, abs=1e-6)
        assert by_rows.values == pytest.approx(fits["bg_nbd"].values, rel=1e-5)
        assert by_rows.covariance == pytest.approx(fits["bg_nbd"].covariance, rel=1e-3)

    def test_another_unit_of_time_scales_alpha_alone(self, cells, fits):
        in_days = cells.assign(recency_weeks=cells["recency_days"], T_weeks=cells["T_days"])
        r, alpha, a, b = fitting.fit_purchases(in_days, "bg_nbd").values
        assert [r, alpha / 7, a, b] == pytest.approx(list(fits["bg_nbd"].values), rel=1e-4)

    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_random_futures_have_the_closed_forms_mean(self, fits, model):
        few = pd.DataFrame({"frequency": [0, 1, 6], "recency_weeks": [0, 3.0, 25.0], "T_weeks": [30.0, 33.0, 31.0]})
        draws = predictions.draw_orders(fits[model], few, 39, 40_000, np.random.default_rng(3))
        error = draws.std(axis=1) / np.sqrt(draws.shape[1])
        assert np.abs(draws.mean(axis=1) - predictions.expected_orders(fits[model], few, 39)) == pytest.approx(
            0, abs=4 * error.max()
        )


class TestRecovery:
    def test_a_known_truth_is_found_and_its_interval_is_honest(self):
        """60 populations of 4,000: the 95 % intervals of the log parameters hold the truth as often as they say."""
        truth = {"r": 0.7, "alpha": 5.0, "a": 0.9, "b": 3.1}
        rng = np.random.default_rng(11)
        held = np.zeros(4)
        for _world in range(60):
            lam = rng.gamma(truth["r"], 1 / truth["alpha"], 4000)
            leaves = rng.beta(truth["a"], truth["b"], 4000)
            T = rng.integers(20, 60, 4000).astype(float)
            gaps = rng.exponential(1.0, (4000, 200)) / lam[:, None]
            times = np.cumsum(gaps, axis=1)
            stays = rng.geometric(leaves)
            made = (times < T[:, None]) & (np.arange(1, 201)[None, :] <= stays[:, None])
            x = made.sum(axis=1)
            t_x = np.where(x > 0, np.take_along_axis(times, np.maximum(x - 1, 0)[:, None], 1)[:, 0], 0.0)
            rows = pd.DataFrame({"frequency": x, "recency_weeks": t_x, "T_weeks": T, "customers": 1})
            fit = fitting.fit_purchases(rows, "bg_nbd")
            table = fit.table().set_index("parameter")
            held += [(table.loc[name, "low"] <= true <= table.loc[name, "high"]) for name, true in truth.items()]
        # .95 ± (.01 + 2.5 standard errors of a share of 60)
        assert (held / 60 >= 0.95 - 0.01 - 2.5 * np.sqrt(0.0475 / 60)).all()

    def test_a_population_that_never_leaves_is_said_to_be_unidentified(self):
        rng = np.random.default_rng(2)
        T = np.full(3000, 50.0)
        x = rng.poisson(rng.gamma(2.0, 0.1, 3000) * T)
        t_x = np.where(x > 0, T * rng.beta(np.maximum(x, 1), 1), 0.0)
        cells = pd.DataFrame({"frequency": x, "recency_weeks": t_x, "T_weeks": T, "customers": 1})
        fit = fitting.fit_purchases(cells, "bg_nbd")
        assert fit.status == "not_identified"
        assert not fit.drop_out_identified
        assert np.isnan(fit.covariance).all()
        assert np.isfinite(fit.log_likelihood)
        # Parameters are not identified, but customers are: each will buy at E(λ | x) for 26 weeks.
        truth = ((2.0 + x) / (10.0 + T) * 26).sum()
        off = fit.deviations(lambda values: predictions.expected_orders(fit, cells, 26, values=values).sum())
        assert predictions.expected_orders(fit, cells, 26).sum() == pytest.approx(
            truth, abs=4 * np.sqrt((off**2).sum())
        )
        assert 0 < np.sqrt((off**2).sum()) < 0.05 * truth


class TestKeptFits:
    """A fit that another notebook of the run has made is the same in every bit, and is not made again."""

    @pytest.mark.parametrize("identified", [True, False])
    def test_a_kept_fit_is_the_fit(self, cells, identified, monkeypatch):
        cells = cells if identified else histories(np.random.default_rng(2), **KINDS["hardly ever leave"])
        texts = {}

        def recall(name, make):
            if name not in texts:
                texts[name] = make()
            return texts[name]

        own = fitting.fit_purchases(cells, "bg_nbd")
        assert (own.posterior_sample is None) == identified
        first = fitting.fit_purchases(cells, "bg_nbd", recall)
        np.testing.assert_array_equal(first.posterior_sample, own.posterior_sample)
        monkeypatch.setattr(fitting, "_fit_to_columns", None)
        again = fitting.fit_purchases(cells, "bg_nbd", recall)
        for kept in (first, again):
            for name in ("model", "parameters", "status", "unidentified", "log_likelihood", "customers"):
                assert getattr(kept, name) == getattr(own, name)
            for name in ("covariance", "predicting", "posterior_sample"):
                np.testing.assert_array_equal(getattr(kept, name), getattr(own, name))


class TestTheSameCells:
    def test_are_fitted_once(self, cells, fits):
        once = fitting.fit_purchases(cells, "bg_nbd")
        assert fitting.fit_purchases(cells.copy(), "bg_nbd") is once
        assert once.parameters == fits["bg_nbd"].parameters

    def test_others_are_not_taken_for_them(self, cells, fits):
        """One customer more in one cell, and other columns in the same place."""
        more = cells.assign(customers=cells["customers"] + (np.arange(len(cells)) == 3))
        assert fitting.fit_purchases(more, "bg_nbd").customers == fits["bg_nbd"].customers + 1
        later = cells.assign(T_weeks=cells["T_weeks"] + 1.0)
        assert fitting.fit_purchases(later, "bg_nbd").parameters != fits["bg_nbd"].parameters


class NormalPosterior:
    """A posterior that is known: normal on the log scale."""

    likelihood = SimpleNamespace(customers=1.0)

    def __init__(self, mean, covariance):
        self.mean, self.precision = mean, np.linalg.inv(covariance)

    def values(self, many):
        return np.array([self.loss(at)[0] for at in many])

    def loss(self, at):
        return float((at - self.mean) @ self.precision @ (at - self.mean)) / 2, self.precision @ (at - self.mean)


class TestWhereNotIdentified:
    def test_the_cloud_is_a_sample_of_what_it_is_asked_for(self):
        """Of a normal distribution of known mean and covariance, narrow one way and wide the other.

        What proposes the points is adapted to another one nearby, as the posterior of coarser cells is.
        """
        mean, covariance = np.array([0.5, -1.0]), np.array([[0.04, 0.05], [0.05, 1.2]])
        exact, nearby = (
            NormalPosterior(mean, covariance),
            NormalPosterior(mean + np.array([0.05, 0.3]), 1.3 * covariance),
        )
        posterior_sample = np.log(fitting._sample_posterior(exact, nearby, mean))
        size = len(posterior_sample)
        assert posterior_sample.mean(axis=0) == pytest.approx(mean, abs=4 * np.sqrt(1.2 / size))
        for i in (0, 1):
            spread = np.std(posterior_sample[:, i], ddof=1) / np.sqrt(covariance[i, i])
            assert spread == pytest.approx(1, abs=4 / np.sqrt(2 * size))
        assert np.corrcoef(posterior_sample.T)[0, 1] == pytest.approx(0.05 / np.sqrt(0.04 * 1.2), abs=4 / np.sqrt(size))

    def test_an_identified_fit_has_no_prior(self, fits):
        assert fits["bg_nbd"].posterior_sample is None
        assert (fits["bg_nbd"].predicting == fits["bg_nbd"].values).all()

    def test_without_intervals_there_are_none(self):
        rng = np.random.default_rng(2)
        fit = fitting.fit_purchases(histories(rng, **KINDS["hardly ever leave"]), "bg_nbd")
        assert fit.status == "not_identified"
        assert fit.table()[["low", "high"]].isna().all().all()
        assert {"a", "b"} & set(fit.unidentified)
        assert np.isfinite(fit.posterior_sample).all()
        assert np.isfinite(fit.log_covariance).all()

    @pytest.mark.parametrize("log_mean", [0.0, 3.4])
    def test_money_that_is_the_same_for_all_is_known_exactly(self, log_mean):
        cells = pd.DataFrame({"frequency": [1, 2, 9], "log_mean_value": log_mean, "customers": [50, 20, 3]})
        fit = fitting.fit_value(cells)
        forecast = predictions.expected_order_value(fit, np.array([0.0, 2.0]), np.array([0.0, np.exp(log_mean)]))
        assert forecast == pytest.approx(np.exp(log_mean), rel=1e-9)
        assert (fit.covariance == 0).all()

    def test_deviations_are_the_delta_methods_where_identified(self, fits):
        """Of the logarithm of each parameter they are a root of the covariance."""
        off = fits["bg_nbd"].deviations(np.log)
        assert off @ off.T == pytest.approx(fits["bg_nbd"].covariance, rel=1e-6)
        draws = np.log(fits["bg_nbd"].draw_parameters(40_000, np.random.default_rng(3)))
        assert draws.mean(axis=0) == pytest.approx(np.log(fits["bg_nbd"].values), abs=1e-9)
        assert np.cov(draws.T) == pytest.approx(fits["bg_nbd"].covariance, rel=4 * np.sqrt(2 / 20_000), abs=2e-4)


ALL = int(os.environ.get("SMSROI_FITS", "40"))
"""Data sets of 150 customers: `SMSROI_FITS=500` tries so many (five to ten minutes)."""


def total_orders(fit, rows, values):
    return predictions.expected_orders(fit, rows, 26, values=values).sum()


@pytest.mark.filterwarnings("ignore")  # of the library
def test_small_and_odd_data_never_end_in_an_exception(capsys):
    """Kinds on which lifetimes raises. Every fit has its status and finite predictions; where lifetimes converges, the
    log-likelihoods agree within .01."""
    rng = np.random.default_rng(7)
    statuses, apart = Counter(), []
    for i in range(ALL):
        kind = list(KINDS)[i % len(KINDS)]
        rows = histories(rng, **KINDS[kind])
        for model in ("bg_nbd", "mbg_nbd", "pareto_nbd"):
            fit = fitting.fit_purchases(rows, model)
            assert fit.status in ("converged", "not_identified")
            assert np.isfinite(fit.covariance).all() == (fit.status == "converged")
            off = fit.deviations(partial(total_orders, fit, rows))
            for forecast in (
                predictions.expected_orders(fit, rows, 26),
                predictions.variance_of_orders(fit, rows, 26),
                off,
            ):
                assert np.isfinite(forecast).all()
            statuses[model, fit.status] += 1
            if model == "bg_nbd":
                ours = fit
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                theirs = BetaGeoFitter().fit(rows["frequency"], rows["recency_weeks"], rows["T_weeks"])
        except ConvergenceError:
            statuses["lifetimes", "raised"] += 1
            continue
        statuses["lifetimes", "converged"] += 1
        apart.append(ours.log_likelihood - log_likelihood("bg_nbd", dict(theirs.params_), rows))
    with capsys.disabled():
        print(f"\n{ALL} data sets: {dict(statuses)}; log-likelihoods apart by {min(apart):.4f} … {max(apart):.4f}")
    assert statuses["lifetimes", "raised"] > 0.05 * ALL, "these are not the kinds on which lifetimes raises"
    assert np.abs(apart).max() < 0.01


class TestRefusals:
    def test_an_unknown_model(self, cells):
        with pytest.raises(ValueError, match="model must be one of bg_nbd, mbg_nbd, pareto_nbd"):
            fitting.fit_purchases(cells, "nbd")

    def test_nobody(self, cells):
        with pytest.raises(ValueError, match="no customers"):
            fitting.fit_purchases(cells.head(0), "bg_nbd")
