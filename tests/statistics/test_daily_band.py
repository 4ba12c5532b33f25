"""The expected range of a daily number: exact tails, quiet series, and planted outages, spikes and drifts."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import binom, norm

from benchmarks.claims.monitoring import SHAPES, company, quiet_days
from smsroi_helpers.statistics import DailyNumbers, chance_per_test, watch
from smsroi_helpers.statistics.daily_band import DRIFT_DAYS, LEAST_DAYS, upper_tail


def test_the_tail_is_the_binomials_where_the_share_does_not_vary():
    k, n, p = np.array([0.0, 1, 4, 9]), np.full(4, 12.0), np.full(4, 0.3)
    assert upper_tail(k, n, logit(p), np.zeros(4)) == pytest.approx(binom.sf(k - 1, 12, 0.3), rel=1e-9)


def test_the_tail_is_that_of_a_logit_normal_share_where_it_does():
    n, centre, sd = 900, logit(0.06), 0.2
    k = np.array([30.0, 54, 80, 120])
    found = upper_tail(k, np.full(4, float(n)), np.full(4, centre), np.full(4, sd**2))
    exact = [
        quad(lambda u, at=at: norm.pdf(u) * binom.sf(at - 1, n, expit(centre + sd * u)), -8, 8, limit=400)[0]
        for at in k
    ]
    assert found == pytest.approx(exact, rel=0.02)


def test_limits_and_alarms_agree():
    numbers = quiet_days(np.random.default_rng(4), "beta_binomial", 0.03, 400)
    watched = watch(numbers, 28)
    chance = 0.05  # many alarms
    low, middle, high = watched.day_range(chance)
    share = numbers.value / np.maximum(numbers.size, 1)
    outside = ((share < low) | (share > high)) & watched.watched & numbers.known
    assert (outside == watched.alarms(chance)[0]).all()
    wider = watched.day_range(chance / 10)
    for below, above in ((low, middle), (middle, high), (wider[0], low), (high, wider[2])):
        assert (below[-28:] <= above[-28:]).all()


def test_expected_numbers_of_false_alarms_add_up():
    assert chance_per_test(2.0, 100, 10) == pytest.approx(2 * chance_per_test(1.0, 100, 10))
    assert chance_per_test(1.0, 300, 30) * 300 * (365.25 / 12) / 30 == pytest.approx(1.0)
    assert chance_per_test(30.0, 1, 28) == 0.05


def test_a_weekday_and_a_trend_are_expected():
    days = np.arange(200)
    value = np.exp(1.0 + 0.002 * days + np.where(days % 7 == 5, 0.4, 0.0))
    numbers = DailyNumbers(
        "quantity", 0, value * np.exp(np.random.default_rng(1).normal(0, 0.03, 200)), np.full(200, 1e4)
    )
    watched = watch(numbers, 28)
    expected = watched.day_range(0.01)[1]
    assert np.log(expected[-28:] / value[-28:]) == pytest.approx(np.zeros(28), abs=0.06)
    assert not np.any(watched.alarms(0.002))


def test_days_before_the_first_range_are_not_tested():
    numbers = quiet_days(np.random.default_rng(3), "beta_binomial", 0.05, 1_000, days=LEAST_DAYS + DRIFT_DAYS)
    watched = watch(numbers, LEAST_DAYS)
    assert np.isnan(watched.z[:LEAST_DAYS]).all()
    assert np.isfinite(watched.z[LEAST_DAYS:]).all()
    assert np.isnan(watched.level_z[: LEAST_DAYS + DRIFT_DAYS - 1]).all()
    with pytest.raises(ValueError, match="between 1 and"):
        watch(numbers, len(numbers.value))


def test_campaigns_that_differ_from_their_channel_raise_no_alarm_and_a_broken_one_does():
    rng = np.random.default_rng(6)
    channel = quiet_days(rng, "beta_binomial", 0.08, 2_000)
    total, week = len(channel.value), 7
    parts = []
    for start in range(0, total, week):
        own = np.zeros(total)
        own[start : start + week] = 400
        rate = 0.08 * np.exp(rng.normal(0, 0.3))
        parts.append(DailyNumbers("share", 0, rng.binomial(own.astype(int), rate).astype(float), own))
    broken = parts[-1]
    parts[-1] = DailyNumbers("share", 0, broken.value * (np.arange(total) < total - 2), broken.size)
    watched = watch(channel, 28).compare(parts)
    alarms = [each.alarms(0.0005)[0].sum() for each in watched]
    assert sum(alarms[:-1]) == 0
    assert alarms[-1] == 2


@pytest.mark.parametrize("shape", SHAPES)
def test_planted_faults_raise_alarms_in_time(shape):
    """Half the deliveries fail; five times the opt-outs; clicks fall by 3 % a day: same day, same day, three weeks."""
    found = company(np.random.default_rng([11, SHAPES.index(shape)]), shape, faulty=True)
    assert found.outage
    assert found.spike
    assert found.drift


def test_days_without_texts_are_skipped():
    numbers = quiet_days(np.random.default_rng(8), "beta_binomial", 0.05, 1_000)
    size = np.where(np.arange(len(numbers.value)) % 3 == 0, numbers.size, 0.0)
    numbers = DailyNumbers("share", 0, np.where(size > 0, numbers.value, 0.0), size)
    watched = watch(numbers, 28)
    assert (np.isfinite(watched.z) <= numbers.known).all()
    assert not np.any(watched.alarms(0.001))


def test_quiet_companies_raise_no_more_alarms_than_stated():
    """Three companies, one false alarm a month stated: more than 9 have a chance below 1 in 900 (Poisson)."""
    alarms = [company(np.random.default_rng([5, i]), shape, faulty=False).alarms for i, shape in enumerate(SHAPES)]
    assert sum(alarms) <= 9
