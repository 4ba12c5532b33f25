"""What fits say of customers: against another implementation, random futures, and identities."""

import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

from smsroi_helpers.cltv import fitting, predictions
from smsroi_helpers.cltv.ages import compute_by_age

VALUES = {
    "bg_nbd": (0.6, 8.0, 0.7, 2.4),
    "mbg_nbd": (0.5, 6.2, 0.9, 1.6),
    "pareto_nbd": (0.55, 10.6, 0.61, 11.7),
    "nbd": (0.6, 8.0),
}
CELLS = pd.DataFrame(
    {"frequency": [0, 1, 4, 25], "recency_weeks": [0, 9, 31, 40.0], "T_weeks": [12.0, 33, 35, 41], "customers": 1}
)


def fit_of(model):
    parameters = dict(zip(fitting.PARAMETER_NAMES[model], VALUES[model], strict=True))
    return fitting.Fit(model, parameters, np.eye(len(parameters)) * 0.01, 0.0, 4, "converged")


class TestChances:
    @pytest.mark.parametrize("model", list(VALUES))
    def test_chances_are_a_distribution_with_the_expected_orders_and_variance(self, model):
        """Three derivations meet: the distribution, its closed-form mean, its second moment by integration."""
        fit = fit_of(model)
        many = np.arange(400.0)
        for row in range(len(CELLS)):
            one = CELLS.iloc[[row] * len(many)]
            chance = np.exp(predictions.log_probability_of_orders(fit, one, 39, many))
            assert chance.sum() == pytest.approx(1, abs=1e-6)
            mean = chance @ many
            assert mean == pytest.approx(predictions.expected_orders(fit, CELLS.iloc[[row]], 39)[0], rel=1e-5)
            variance = chance @ many**2 - mean**2
            assert variance == pytest.approx(predictions.variance_of_orders(fit, CELLS.iloc[[row]], 39)[0], rel=1e-4)

    @pytest.mark.parametrize("orders", [0, 1, 3])
    def test_pareto_chances_are_the_librarys(self, orders):
        fit, theirs = fit_of("pareto_nbd"), ParetoNBDFitter()
        theirs.params_ = pd.Series(fit.parameters)
        few = CELLS.iloc[:3]
        x, t_x, T = (few[name].to_numpy(float) for name in ("frequency", "recency_weeks", "T_weeks"))
        expected = [
            theirs.conditional_probability_of_n_purchases_up_to_time(orders, 39, *row)
            for row in zip(x, t_x, T, strict=True)
        ]
        ours = np.exp(predictions.log_probability_of_orders(fit, few, 39, np.full(3, float(orders))))
        assert ours == pytest.approx(np.array(expected, float), rel=1e-5)

    @pytest.mark.parametrize("orders", [0, 1, 5])
    def test_a_newcomers_bg_chances_are_the_librarys(self, orders):
        fit, theirs = fit_of("bg_nbd"), BetaGeoFitter()
        theirs.params_ = pd.Series(fit.parameters)
        new = pd.DataFrame({"frequency": [0], "recency_weeks": [0.0], "T_weeks": [0.0]})
        ours = np.exp(predictions.log_probability_of_orders(fit, new, 39, np.array([float(orders)])))[0]
        assert ours == pytest.approx(float(theirs.probability_of_n_purchases_up_to_time(39, orders)), rel=1e-8)

    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_random_futures_scatter_as_the_variance_says(self, model):
        draws = predictions.draw_orders(fit_of(model), CELLS, 39, 60_000, np.random.default_rng(5))
        variance = draws.var(axis=1, ddof=1)
        fourth = ((draws - draws.mean(axis=1, keepdims=True)) ** 4).mean(axis=1)
        error = np.sqrt((fourth - variance**2) / draws.shape[1])
        assert (np.abs(variance - predictions.variance_of_orders(fit_of(model), CELLS, 39)) < 4 * error).all()


class TestStaying:
    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_against_random_customers(self, model):
        rng, n = np.random.default_rng(4), 200_000
        first, scale, third, fourth = VALUES[model]
        forecast = predictions.survival_probability(fit_of(model), CELLS, [26.0, 52.0])
        for row, cell in enumerate(CELLS.itertuples()):
            rate = rng.gamma(first + cell.frequency, 1 / (scale + cell.T_weeks), n)
            if model == "pareto_nbd":
                hazard = rng.gamma(third, 1 / (fourth + cell.T_weeks), n)
            else:
                hazard = rate * rng.beta(third, fourth + cell.frequency + (model == "mbg_nbd"), n)
            for column, weeks in enumerate((26.0, 52.0)):
                still = np.exp(-hazard * weeks)
                assert forecast[row, column] == pytest.approx(still.mean(), abs=4 * still.std() / np.sqrt(n))

    def test_a_surely_known_chance_is_its_mean(self):
        """With b in the hundred thousands the quadrature has no weights; then p = a / (a + b)."""
        fit = fitting.Fit("bg_nbd", {"r": 0.9, "alpha": 10.0, "a": 90.0, "b": 90_000.0}, np.eye(4), 0.0, 1, "converged")
        forecast = predictions.survival_probability(fit, CELLS.iloc[:1], [52.0])[0, 0]
        assert forecast == pytest.approx((1 + 90 / 90_090 * 52 / 22) ** -0.9, rel=1e-4)
        assert np.isfinite(predictions.expected_orders(fit, CELLS, 39)).all()


class TestAges:
    @pytest.mark.parametrize("values", [(0.2, 4.0, 0.8, 2.5), (3.0, 0.05, 0.02, 40.0), (0.05, 300.0, 4.0, 0.3)])
    def test_interpolated_over_ages_is_as_computed_for_each(self, values):
        """The longest ages first, so that a mistaken order of rows shows."""
        T, x = np.tile(np.arange(1500)[::-1] / 7, 8), np.repeat(np.arange(8.0), 1500)
        asked = []

        def compute(x, T):
            asked.append(len(x))
            return predictions.orders_if_alive(
                "bg_nbd", np.array(values), x[:, None], T[:, None], np.array([4.0, 52.0])
            )

        found = compute_by_age(compute, x, T, values[1])
        assert asked[0] < len(x) / 2
        np.testing.assert_allclose(found, compute(x, T), rtol=1e-8)

    def test_few_ages_and_a_wide_range_are_computed_one_by_one(self):
        def compute(x, T):
            return np.column_stack([x, T])

        few = np.array([0.0, 1.0, 3.0])
        np.testing.assert_array_equal(compute_by_age(compute, few, few, 2.0), compute(few, few))
        wide = np.linspace(0, 500, 2000)
        np.testing.assert_array_equal(
            compute_by_age(compute, np.zeros(2000), wide, 1e-5), compute(np.zeros(2000), wide)
        )


class TestPairs:
    def test_every_row_finds_its_own(self):
        rng = np.random.default_rng(8)
        x, T = rng.integers(0, 4, 200).astype(float), rng.integers(1, 6, 200) / 7
        known_x, known_T, place = predictions.pairs_of(x, T)
        assert len(known_x) == len({*zip(x, T, strict=True)})
        assert (known_x[place] == x).all()
        assert (known_T[place] == T).all()


class TestTheLibrary:
    """Its public functions; the closed forms here are written down anew."""

    FITTERS = (("bg_nbd", BetaGeoFitter), ("mbg_nbd", ModifiedBetaGeoFitter), ("pareto_nbd", ParetoNBDFitter))

    @pytest.mark.parametrize(("model", "fitter"), FITTERS)
    def test_chances_and_expectations(self, model, fitter):
        fit, theirs = fit_of(model), fitter()
        theirs.params_ = pd.Series(fit.parameters)
        rng = np.random.default_rng(6)
        x, T = rng.integers(0, 25, 200).astype(float), rng.uniform(25, 80, 200)
        t_x = np.where(x > 0, T * np.minimum(rng.uniform(0.2, 1.2, 200), 1), 0.0)
        rows = pd.DataFrame({"frequency": x, "recency_weeks": t_x, "T_weeks": T})
        alive = theirs.conditional_probability_alive(x, t_x, T)
        assert predictions.probability_alive(fit, rows) == pytest.approx(np.asarray(alive, float), rel=1e-6)
        for weeks in (1.0, 26.0, 104.0):
            orders = theirs.conditional_expected_number_of_purchases_up_to_time(weeks, x, t_x, T)
            assert predictions.expected_orders(fit, rows, weeks) == pytest.approx(np.asarray(orders, float), rel=1e-6)
        ahead = np.array([0.5, 13.0, 38.86, 200.0])
        of_new = theirs.expected_number_of_purchases_up_to_time(ahead)
        assert predictions.expected_orders_of_new(fit, ahead) == pytest.approx(np.asarray(of_new, float), rel=1e-9)

    def test_published_expectations(self):
        """Fader, Hardie & Lee's spreadsheet, at the parameters of their paper."""
        parameters = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
        fit = fitting.Fit("bg_nbd", parameters, np.eye(4), 0.0, 2_357, "converged")
        rows = pd.DataFrame({"frequency": [2, 26, 0], "recency_weeks": [30.43, 30.86, 0], "T_weeks": [38.86, 31, 9.0]})
        assert predictions.expected_orders(fit, rows.iloc[:1], 39)[0] == pytest.approx(1.2259, abs=6e-4)
        assert predictions.expected_orders(fit, rows.iloc[1:2], 52)[0] == pytest.approx(25.7595, rel=1e-3)
        assert predictions.probability_alive(fit, rows) == pytest.approx([0.7266, 0.9689, 1.0], abs=2e-4)


class TestCorners:
    @pytest.mark.parametrize(("model", "third"), [("bg_nbd", "a"), ("mbg_nbd", "a"), ("pareto_nbd", "s")])
    def test_one_is_no_exception(self, model, third):
        """The closed forms divide by a − 1 or s − 1; what they say is as smooth there as elsewhere."""

        def forecast(value):
            fit = fit_of(model)
            at = fit.values.copy()
            at[2] = value
            return predictions.expected_orders(fit, CELLS, 39, values=at)

        middle = (forecast(0.98) + forecast(1.02)) / 2
        assert third in fit_of(model).parameters
        for near in (1.0, 1 + 1e-9, 1 - 2e-4, 1 + 2e-4):
            assert forecast(near) == pytest.approx(middle, rel=2e-3)
        assert forecast(1 - 2e-4) == pytest.approx(forecast(1.0), rel=3e-4)

    @pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_many_horizons_at_once_are_each_alone(self, model):
        x, T, ends = np.array([0.0, 3, 60]), np.array([0.0, 30, 51]), np.array([4.0, 26.0, 52.0])
        values = np.array(VALUES[model])
        together = predictions.orders_if_alive(model, values, x[:, None], T[:, None], ends)
        for column, end in enumerate(ends):
            alone = predictions.orders_if_alive(model, values, x, T, end)
            assert together[:, column] == pytest.approx(alone, rel=1e-12)

    def test_histories_are_their_own(self):
        histories = predictions.Histories.of(CELLS)
        assert predictions.Histories.of(histories) is histories
        for model in VALUES:
            fit = fit_of(model)
            assert (
                predictions.expected_orders(fit, histories, 39) == predictions.expected_orders(fit, CELLS, 39)
            ).all()
            assert (
                predictions.variance_of_orders(fit, histories, 39) == predictions.variance_of_orders(fit, CELLS, 39)
            ).all()

    def test_parameters_have_their_own_chances_of_being_alive(self):
        """Kept with the histories by model and parameters, which must not be mixed up."""
        histories = predictions.Histories.of(CELLS)
        for model in VALUES:
            fit = fit_of(model)
            for values in (np.array(VALUES[model]), 1.1 * np.array(VALUES[model]), np.array(VALUES[model])):
                known = predictions.probability_alive(fit, histories, values=values)
                assert (known == predictions.probability_alive(fit, CELLS, values=values)).all()
        assert (
            len({chances.tobytes() for chances in histories.alive.values()}) == len(histories.alive) - 1
        )  # nbd: all 1

    @pytest.mark.parametrize("model", ["nbd", "pareto_nbd"])
    def test_expected_purchases_are_a_rate_times_weeks(self, model):
        values, x, T = np.array(VALUES[model]), np.array([0.0, 3, 60]), np.array([0.0, 30, 51])
        weeks = predictions.weeks_as_customer(model, values, T, 26.0)
        assert (weeks <= 26).all()
        assert (weeks[1:] < 26).all() == (model == "pareto_nbd")
        rate = (values[0] + x) / (values[1] + T)
        assert predictions.orders_if_alive(model, values, x, T, 26.0) == pytest.approx(rate * weeks, rel=1e-12)

    def test_a_number_that_cannot_be_is_said_of_whom(self):
        with pytest.raises(
            ArithmeticError, match=r"not finite for 4 kinds of customers, the first with 0 repeat purchases in 12\.0"
        ):
            predictions.expected_orders(fit_of("nbd"), CELLS, 39, values=np.full(2, np.nan))
