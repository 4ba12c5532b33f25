"""Daily looks: the always-valid interval compared with theory and simulation; the sequential split test."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, norm

from smsroi_helpers.statistics import sequential

DAY = dt.date(2025, 3, 3)


def days(*n):
    return pd.DataFrame({"day": [DAY + dt.timedelta(days=i) for i in range(len(n))], "n": n})


class TestHalfWidth:
    def test_it_is_the_mixture_of_the_paper(self):
        """Waudby-Smith et al., theorem 2.2, written with their t and ρ: √(2 (tρ² + 1)/(t²ρ²) · log(√(tρ² + 1)/α))·σ."""
        t, rho, sigma, alpha = 730.0, 0.13, 2.4, 0.05
        theirs = sigma * np.sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * np.log(np.sqrt(t * rho**2 + 1) / alpha))
        assert sequential.always_valid_half_width(sigma / np.sqrt(t), t * rho**2) == pytest.approx(theirs)

    def test_it_is_narrowest_where_it_is_tuned(self):
        r = np.linspace(2, 40, 20_000)
        narrowest = r[sequential.always_valid_half_width(1.0, r).argmin()]
        # The paper's closed form is the first term of an expansion: the true optimum lies a little higher.
        assert narrowest == pytest.approx(sequential.tuned_information(), rel=0.15)

    def test_it_is_wider_than_a_single_look(self):
        assert (sequential.always_valid_half_width(1.0, np.geomspace(0.01, 1000, 50)) > norm.ppf(0.975) + 1).all()

    def test_the_p_value_matches_the_interval(self):
        for level in (0.9, 0.95, 0.999):
            assert sequential.always_valid_p(sequential.always_valid_half_width(1.0, 3.3, level), 3.3) == pytest.approx(
                1 - level
            )
        assert sequential.always_valid_p(0.0, 3.3) == 1

    def test_without_a_clock_there_is_no_interval(self):
        assert np.isnan(sequential.always_valid_half_width(1.0, float("nan")))


class TestInformation:
    def test_a_cohort_reaches_the_tuning_at_its_planned_end(self):
        for weeks in (2, 8, 26):
            last = DAY + dt.timedelta(days=7 * weeks - 1)
            assert sequential.information(days(400), last, weeks) == pytest.approx(sequential.tuned_information())

    def test_no_clock_before_a_week_has_passed(self):
        assert np.isnan(sequential.information(days(400), DAY + dt.timedelta(days=5)))
        assert sequential.information(days(400), DAY + dt.timedelta(days=6), 1) == pytest.approx(
            sequential.tuned_information()
        )

    def test_it_increases_and_does_not_depend_on_the_look(self):
        """The first week's customers set its unit, however many come later."""
        arriving = days(*[50] * 40)
        clock = np.array(
            [sequential.information(arriving.iloc[: i + 1], DAY + dt.timedelta(days=i)) for i in range(6, 40)]
        )  # what each day's run sees
        assert (np.diff(clock) > 0).all()
        person_days = np.array([50 * sum(range(1, i + 2)) for i in range(6, 40)])
        assert clock / clock[0] == pytest.approx(person_days / person_days[0])

    def test_it_does_not_depend_on_how_many_customers_there_are(self):
        last = DAY + dt.timedelta(days=30)
        assert sequential.information(days(30, 50), last) == pytest.approx(sequential.information(days(300, 500), last))


def purchases_by_day(rng, customers, days_, same=True):
    """Money per customer and day: buyers who keep their habits (rates differ), log-normal amounts."""
    rate = rng.gamma(0.5, 0.04, customers) if same else np.full(customers, 0.02)
    orders = rng.poisson(rate[:, None], (customers, days_))
    return orders * rng.lognormal(3, 0.8, (customers, days_))


@pytest.mark.parametrize("same", [True, False])
def test_daily_looks_keep_the_error_rate_unlike_fixed_intervals(same):
    """200 simulated A/A tests with 30 looks: at most 5 % false alarms, far more with the fixed interval."""
    rng = np.random.default_rng(11)
    ours = naive = 0
    r = np.array([sequential.information(days(1_000), DAY + dt.timedelta(days=i), 30 / 7) for i in range(30)])
    half_width = sequential.always_valid_half_width(1.0, r)
    for _ in range(200):
        so_far = np.cumsum(purchases_by_day(rng, 1_000, 30, same), axis=1)
        treated, control = so_far[:500], so_far[500:]
        difference = treated.mean(axis=0) - control.mean(axis=0)
        error = np.sqrt(treated.var(axis=0, ddof=1) / 500 + control.var(axis=0, ddof=1) / 500)
        z = np.abs(difference / error)
        ours += bool(np.nanmax(z / half_width) > 1)
        naive += bool((z > 1.96).any())
    assert ours / 200 <= 0.05
    assert naive / 200 > 0.10


def test_false_alarms_match_the_published_ones():
    """Armitage, McPherson & Rowe (1969), JRSS A 132, table 2: thirty looks at 5 % come to about 28 %."""
    naive, ours = sequential.false_alarms(30, np.random.default_rng(1))
    assert naive == pytest.approx(0.28, abs=4 * np.sqrt(0.28 * 0.72 / 20_000))
    assert 0 < ours < 0.05


class TestSplit:
    def test_it_is_the_ratio_of_likelihoods(self):
        """Two arms, three customers, by hand: Dirichlet(2, 2) predicts 1, 1, 0 with 1/2 · 3/5 · 2/6 = 1/10."""
        looks = [[1, 0], [1, 0], [0, 1]]
        factor = (1 / 2) * (3 / 5) * (2 / 6) / 0.5**3
        assert sequential.sequential_split(looks, [0.5, 0.5], concentrations=[4])[-1] == pytest.approx(
            1 / max(1.0, (1 / 2) / 0.5, (1 / 2) * (3 / 5) / 0.25, factor)
        )

    def test_several_alternatives_weigh_the_same(self):
        looks = np.random.default_rng(8).multinomial(30, [0.3, 0.7], 1)
        alone = [sequential.sequential_split(looks, [0.5, 0.5], [c])[0] for c in (4.0, 30.0)]
        together = sequential.sequential_split(looks, [0.5, 0.5], [4.0, 30.0])[0]
        assert together == pytest.approx(1 / np.mean(1 / np.array(alone)))

    @pytest.mark.parametrize("customers", [1_000, 4_000, 20_000, 100_000])
    @pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.25, 0.25, 0.25, 0.25)])
    def test_it_finds_most_of_what_one_test_at_the_end_finds(self, customers, shares):
        """Where χ² has a power of .96 to .99, thirty looks together have at least .7; one alternative had .003."""
        rng, planned = np.random.default_rng(9), np.array(shares)
        shift = np.sqrt(24 / customers / (1 / planned[0] + 1 / planned[1]))
        truth = planned + np.array([-shift, shift, *np.zeros(len(shares) - 2)])
        counts = rng.multinomial(customers // 30, truth, (300, 30))
        once = [chisquare(test.sum(axis=0), planned * test.sum()).pvalue < 0.01 for test in counts]
        daily = [sequential.sequential_split(test, planned)[-1] < 0.01 for test in counts]
        assert np.mean(once) > 0.93
        assert np.mean(daily) > 0.7

    def test_it_never_rises_again(self):
        rng = np.random.default_rng(2)
        p = sequential.sequential_split(rng.multinomial(500, [0.45, 0.55], 60), [0.5, 0.5])
        assert (np.diff(p) <= 0).all()
        assert p[-1] < 1e-6

    @pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
    def test_valid_splits_are_rarely_called_broken(self, shares):
        rng = np.random.default_rng(3)
        last = [sequential.sequential_split(rng.multinomial(200, shares, 60), shares)[-1] for _ in range(500)]
        assert np.mean(np.array(last) < 0.01) <= 0.01

    def test_looks_may_be_merged(self):
        counts = np.random.default_rng(4).multinomial(300, [0.48, 0.52], 20)
        one, all_ = (
            sequential.sequential_split(counts, [0.5, 0.5])[-1],
            sequential.sequential_split([counts.sum(axis=0)], [0.5, 0.5]),
        )
        assert one <= all_[-1]
