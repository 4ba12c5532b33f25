"""The error of the level: the prior by simulation, the posterior by regression, coverage, and invariances."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.meta_analysis import combine_effects

from smsroi_helpers.cltv import counts, level_error
from smsroi_helpers.cltv.fitting import fit_purchases, fit_value
from smsroi_helpers.cltv.forecast import add_up, forecast_value
from smsroi_helpers.cltv.holdout import compare_models, holdout_test
from smsroi_helpers.cltv.level_error import (
    TestWeeks,
    count_test_weeks,
    difference_between_kinds,
    estimate_level_error,
    infer_level_error,
)
from smsroi_helpers.cltv.predictions import expected_orders
from tests.cltv_worlds import LEVEL

WEEKS, PAST, HORIZON = 24, 30, 36
YEAR = 365.25 / 7
FITTED = np.linspace(20, 100, PAST)


def weeks_of(logs, predicted=200.0, **changes):
    """Test weeks in which `logs` = log((actual + ½) / (predicted + ½)) by block of four weeks."""
    actual = np.repeat((4 * predicted + 0.5) * np.exp(logs) - 0.5, 4) / 4
    known = {
        "weeks": float(WEEKS), "predicted": np.full(WEEKS, predicted), "actual": actual, "fitted": FITTED,
        "noise": 1.4 * predicted * WEEKS, "parameter_variance": (0.03 * predicted * WEEKS) ** 2, "change": 0.0,
    }  # fmt: skip
    return TestWeeks(**{**known, **changes})


def infer(test, **changes):
    return infer_level_error(test, **{"horizon_weeks": HORIZON, "log_weeks": float(WEEKS + PAST), **changes})


def draw_departures(rng, season_sd, drift_sd, draws):
    """The departure in each week of past, test and horizon: waves, a walk and lines, each by its own recipe."""
    years = (np.arange(PAST + WEEKS + HORIZON) + 0.5) / YEAR
    waves = [
        season_sd * np.sqrt(share) * (
            rng.normal(size=(draws, 1)) * np.sin(2 * np.pi * k * years)
            + rng.normal(size=(draws, 1)) * np.cos(2 * np.pi * k * years)
        )
        for k, share in ((1, 0.8), (2, 0.2))
    ]  # fmt: skip
    walk = np.cumsum(rng.normal(0, drift_sd / np.sqrt(2 * YEAR), (draws, len(years))), axis=1)
    line = rng.normal(0, np.hypot(season_sd, drift_sd / np.sqrt(2)), (draws, 1)) * years
    return sum(waves) + walk + line


def errors_of(departures):
    """By draw: log(actual / predicted) of the six blocks of test weeks, and of the horizon."""
    level = departures[:, :PAST] @ (FITTED / FITTED.sum())
    blocks = departures[:, PAST : PAST + WEEKS].reshape(len(departures), -1, 4).mean(axis=2)
    return blocks - level[:, None], departures[:, PAST + WEEKS :].mean(axis=1) - level


@pytest.fixture
def one_prior(monkeypatch):
    monkeypatch.setattr(level_error, "SEASON_SDS", (0.2,))
    monkeypatch.setattr(level_error, "DRIFT_SDS", (0.15,))


class TestPosterior:
    @pytest.mark.usefixtures("one_prior")
    def test_without_information_it_is_the_prior(self):
        vague = infer(weeks_of(np.zeros(6), noise=1e12, parameter_variance=1e12))
        _blocks, ahead = errors_of(draw_departures(np.random.default_rng(1), 0.2, 0.15, 40_000))
        assert vague.bias == pytest.approx(0, abs=1e-6)
        # The standard error of a standard deviation of 40,000 draws is .35 %; a walk by the week is a little less.
        assert vague.sd == pytest.approx(ahead.std(), rel=0.02)

    @pytest.mark.usefixtures("one_prior")
    def test_with_one_prior_it_is_the_regression_of_the_future_on_the_test(self):
        rng = np.random.default_rng(2)
        blocks, ahead = errors_of(draw_departures(rng, 0.2, 0.15, 40_000))
        predicted = 800.0
        noise = np.sqrt((1 + 0.4 * 4 / WEEKS) / (predicted + 0.5))
        seen = blocks + rng.normal(0, noise, blocks.shape) + rng.normal(0, 0.03, (len(blocks), 1))
        gains, *_rest = np.linalg.lstsq(seen, ahead, rcond=None)
        logs = np.array([0.05, 0.1, 0.2, 0.25, 0.2, 0.1])
        found = infer(weeks_of(logs))
        assert found.bias == pytest.approx(logs @ gains, abs=0.01)
        assert found.sd == pytest.approx((ahead - seen @ gains).std(), rel=0.02)

    def test_intervals_have_their_coverage_over_the_prior(self):
        """Worlds with seasons and drift of every strength of the prior: 95 % within, by the rule of calibration."""
        rng, held, n = np.random.default_rng(3), [], 600
        for _world in range(n):
            sds = rng.choice(level_error.SEASON_SDS), rng.choice(level_error.DRIFT_SDS)
            blocks, ahead = errors_of(draw_departures(rng, *sds, 1))
            rate = 800 * np.exp(blocks[0] + rng.normal(0, 0.03))
            test = weeks_of(np.log((rng.poisson(rate) + 0.5) / 800.5))
            found = infer(test)
            held.append(abs(ahead[0]) < found.half_width())
        assert abs(np.mean(held) - 0.95) <= 0.01 + 2.5 * np.sqrt(0.0475 / n)

    def test_the_mirror_image_has_the_mirrored_bias_and_the_same_width(self):
        logs = np.array([0.1, 0.3, -0.1, 0.05, 0.2, 0.3])
        up, down = infer(weeks_of(logs)), infer(weeks_of(-logs))
        assert up.bias == pytest.approx(-down.bias)
        assert up.half_width() == pytest.approx(down.half_width())

    def test_what_the_test_shows_widens_the_interval(self):
        calm, falling, wave = (
            infer(weeks_of(np.array(logs)))
            for logs in (np.zeros(6), np.linspace(0, -0.4, 6), 0.3 * np.sin(np.arange(6)))
        )
        assert falling.half_width() > 1.5 * calm.half_width()
        assert wave.half_width() > 1.5 * calm.half_width()
        assert falling.bias < -0.1
        assert calm.half_width() < 0.3

    def test_more_purchases_and_a_nearer_horizon_narrow_it(self):
        few, many = infer(weeks_of(np.zeros(6), predicted=10.0)), infer(weeks_of(np.zeros(6), predicted=2000.0))
        assert many.half_width() < few.half_width()
        half_widths = [infer(weeks_of(np.zeros(6)), horizon_weeks=weeks).half_width() for weeks in (4, 12, 36, 104)]
        assert half_widths == sorted(half_widths)

    def test_a_forecast_that_moved_with_the_test_weeks_needs_no_second_correction(self):
        """All fell short by 30 %: the model fitted to all weeks has followed, or it has not."""
        short = np.full(6, -0.3)
        has, has_not = infer(weeks_of(short, change=0.3)), infer(weeks_of(short))
        assert has.bias == pytest.approx(has_not.bias + 0.3)
        assert abs(has.bias) < 0.1 < abs(has_not.bias)

    @pytest.mark.parametrize(("times", "variance"), [(0.5, 1.0), (1.0, 1.0), (2.0, 3.0)])
    def test_kinds_of_customers_part_as_drift_does(self, times, variance):
        """Half of the variance grows in proportion to the weeks, half with their square: (2 + 4) ÷ 2 = 3."""
        found = infer_level_error(weeks_of(np.zeros(6)), horizon_weeks=times * WEEKS, log_weeks=52, kinds_sd=0.1)
        assert found.kinds_sd**2 == pytest.approx(variance * 0.01)

    def test_one_week_and_no_purchases(self):
        nothing = replace(weeks_of(np.zeros(6)), actual=np.zeros(WEEKS))
        one = TestWeeks(1.0, np.array([3.0]), np.array([2.0]), np.array([5.0]), 4.0, 1.0, 0.0)
        for found in (infer(nothing), infer(one)):
            assert np.isfinite([found.bias, found.sd, found.half_width()]).all()


class TestLevelError:
    def test_the_half_width_holds_95_percent_of_the_mixture(self):
        half = LEVEL.half_width()
        within = norm.cdf(half, 0.02, [0.1, 0.2]) - norm.cdf(-half, 0.02, [0.1, 0.2])
        assert within.mean() == pytest.approx(0.95, abs=0.001)  # the bias is counted as spread around the forecast
        assert LEVEL.half_width("kind") > half
        assert replace(LEVEL, kinds_sd=0.0).half_width("kind") == half

    def test_parts_add_up(self):
        assert LEVEL.season_sd**2 + LEVEL.drift_sd**2 == pytest.approx(LEVEL.sd**2)
        assert LEVEL.sd**2 == pytest.approx(0.025)

    @pytest.mark.parametrize(("bias", "kept"), [(0.1, 0.0), (0.0, 0.0), (-0.3, 1 - 0.025 / 0.09), (3.0, 1 - 0.025 / 9)])
    def test_the_correction_is_the_bias_as_far_as_it_is_precise(self, bias, kept):
        level = replace(LEVEL, means=np.full(2, bias))
        assert level.correction == pytest.approx(np.exp(kept * bias))

    def test_limits_add_both_errors_as_squares(self):
        half = LEVEL.half_width()
        low, high = LEVEL.limits(np.array([200.0]), np.array([0.0]))
        assert (low[0], high[0]) == pytest.approx((200 * np.exp(-half), 200 * np.exp(half)))
        low, high = LEVEL.limits(np.array([200.0]), np.array([30.0]))
        assert 200 - low[0] == pytest.approx(np.hypot(1.959964 * 30, 200 * (1 - np.exp(-half))))
        assert high[0] - 200 == pytest.approx(np.hypot(1.959964 * 30, 200 * (np.exp(half) - 1)))
        assert LEVEL.limits(np.array([5.0]), np.array([30.0]))[0][0] == 0

    def test_a_loss_is_the_mirror_image_of_a_gain(self):
        low, high = LEVEL.limits(np.array([200.0]), np.array([30.0]))
        loss_low, loss_high = LEVEL.limits(np.array([-200.0]), np.array([30.0]))
        assert (loss_low[0], loss_high[0]) == pytest.approx((-high[0], -low[0]))


class TestDifferenceBetweenKinds:
    def test_it_is_the_other_librarys(self):
        predicted, error = np.array([900.5, 400.5, 1500.5, 300.5]), np.array([40.0, 30.0, 55.0, 25.0])
        actual = np.array([700.5, 420.5, 1800.5, 250.5])
        logs, variances = np.log(actual / predicted), (error / predicted) ** 2
        theirs = combine_effects(logs, variances, method_re="dl").tau2
        few = 4.302653 / 1.959964  # t with two degrees of freedom
        assert difference_between_kinds(predicted - 0.5, error, actual - 0.5) ** 2 == pytest.approx(few**2 * theirs)

    def test_kinds_that_err_alike_do_not_differ(self):
        predicted = np.array([900.0, 400.0, 1500.0])
        assert difference_between_kinds(predicted, np.sqrt(predicted), 0.8 * predicted) == 0
        assert difference_between_kinds(predicted[:1], np.ones(1), predicted[:1]) == 0


class TestOnCdnow:
    @pytest.fixture(scope="class")
    def found(self, cdnow_shop):
        shop = cdnow_shop("1998-06-30")
        comparison = compare_models(shop, model="bg_nbd", horizon_weeks=52, holdout_weeks=39)
        cells = counts.count_cells(shop)
        forecast = forecast_value(
            cells, fit_purchases(cells, "bg_nbd"), fit_value(counts.count_value_cells(shop)), horizon_weeks=52,
            yearly_discount_rate=0.1, margin=0.3, rng=np.random.default_rng(1),
        )  # fmt: skip
        return comparison, holdout_test(shop, comparison), forecast

    def test_test_weeks_are_those_of_the_test(self, found):
        comparison, tested, forecast = found
        test = count_test_weeks(tested, comparison, forecast)
        assert len(test.predicted) == len(test.actual) == 39
        assert test.actual.sum() == tested.actual
        assert test.predicted.sum() == pytest.approx(tested.predicted, rel=1e-3)
        assert len(test.fitted) == 39
        half_width = 1.959964 * np.sqrt(test.noise + test.parameter_variance)
        assert half_width == pytest.approx(tested.high - tested.predicted)
        # Everybody in CDNOW came before the split, so both forecasts are of all customers.
        then = expected_orders(comparison.fit, comparison.cells, 91) - expected_orders(
            comparison.fit, comparison.cells, 39
        )
        change = np.log(comparison.cells["customers"] @ then / forecast.total("orders")[0])
        assert test.change == pytest.approx(change)

    def test_kinds_add_up(self, found):
        _comparison, tested, _forecast = found
        assert tested.by_kind["predicted"].sum() == pytest.approx(tested.predicted)
        assert tested.by_kind["actual"].sum() == tested.actual

    def test_totals_are_the_forecasts_with_wider_intervals(self, found):
        comparison, tested, forecast = found
        level = estimate_level_error(tested, comparison, forecast)
        totals, model = level_error.totals(forecast, level), forecast.totals
        assert totals["measure"].tolist() == model["measure"].tolist()
        assert totals["value"].to_numpy() == pytest.approx(model["value"].to_numpy())
        assert (totals["low"] < model["low"]).all()
        assert (totals["high"] > model["high"]).all()
        sums = add_up(forecast)
        assert totals["high"].iloc[2] == pytest.approx(level.limits(sums.value, sums.error)[1][0])

    def test_sources_of_error_are_those_of_the_total(self, found):
        comparison, tested, forecast = found
        level = estimate_level_error(tested, comparison, forecast)
        sources, total = level_error.sources_of_error(forecast, level), level_error.totals(forecast, level).iloc[-1]
        assert (1 + sources.low, 1 + sources.high) == pytest.approx(
            (total["low"] / total["value"], total["high"] / total["value"])
        )
        model = forecast.totals.iloc[-1]
        assert sources.sampling == pytest.approx((model["high"] - model["low"]) / 2 / model["value"])
        season, drift = np.log1p([sources.season, sources.drift]) / 1.959964
        assert np.hypot(season, drift) == pytest.approx(level.sd, rel=1e-6)  # the parts are all of the level's error
