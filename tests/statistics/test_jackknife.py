"""Intervals: against published values, other implementations, identities, and what must never be told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.integrate import trapezoid
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import test_proportions_2indep as score_test

from smsroi_helpers.statistics import multiple_comparisons, proportions
from smsroi_helpers.statistics.jackknife import (
    GROUPS,
    by_group,
    jackknife,
    jackknife_ratio,
    ratios,
    resample_cells,
    sandwich,
)
from smsroi_helpers.statistics.means import difference_of_means
from smsroi_helpers.statistics.multiple_comparisons import adjust, best_set
from smsroi_helpers.statistics.proportions import difference_of_rates, jackknife_rate, rates
from smsroi_helpers.statistics.shrinkage import shrink

HILLSTROM = Path(__file__).parents[3] / "shared" / "data" / "hillstrom" / "hillstrom.csv.gz"
score_test.__test__ = False  # a function of statsmodels', and no test of ours


# --- the jackknife by group ------------------------------------------------------------------------------------------


class TestByGroup:
    def test_absent_cells_are_zeros_and_names_are_in_order(self):
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
    def test_a_group_that_is_none(self, group):
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

    def test_groups_without_anybody_change_nothing(self):
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

    def test_no_interval_where_there_is_nothing_to_learn_it_from(self):
        one_group = jackknife_ratio([[5.0, 0.0, 0.0]], [[9.0, 0.0, 0.0]])
        nothing = jackknife_ratio([[0.0, 0.0, 0.0]], [[9.0, 4.0, 2.0]])
        nobody = jackknife_ratio([[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]])
        for found in (one_group, nothing, nobody):
            assert np.isnan(found.low).all()
            assert np.isnan(found.high).all()
        assert one_group.estimate == pytest.approx(5 / 9)


class TestRates:
    def test_many_events_are_students_interval_of_the_logit(self):
        rng = np.random.default_rng(6)
        n = rng.integers(50, 90, 64).astype(float)
        y = rng.binomial(n.astype(int), 0.2).astype(float)
        found, plain = jackknife_rate(y, n, n.sum()), jackknife_ratio(y, n)
        p = plain.estimate
        reach = stats.t.ppf(0.975, 63) * plain.standard_error / (p * (1 - p))
        ends = np.log(p / (1 - p)) + np.array([-reach, reach])
        assert [found.low, found.high] == pytest.approx(list(1 / (1 + np.exp(-ends))), rel=1e-9)

    @pytest.mark.parametrize("events", [0, 300])
    def test_nothing_and_everything_are_exact(self, events):
        """Clopper and Pearson's limit has the closed form 1 − .025^(1/n)."""
        found = jackknife_rate(np.full(3, events / 3), np.full(3, 100.0), 40)
        far = 1 - 0.025 ** (1 / 40)
        assert [found.low, found.high] == pytest.approx([0, far] if events == 0 else [1 - far, 1], rel=1e-9)

    def test_few_events_are_nearly_exact_where_customers_have_one_message_each(self):
        """4 of 640, each in another group: the jackknife's variance is the binomial's, n and t but little different."""
        found = jackknife_rate(np.r_[np.ones(4), np.zeros(60)], np.full(64, 10.0), 640)
        exact = stats.binomtest(4, 640).proportion_ci(method="exact")
        assert found.low < exact.low * 1.05
        assert found.high == pytest.approx(exact.high, rel=0.05)

    @pytest.mark.parametrize(("trials", "events"), [(4, 2), (30, 10)])
    def test_the_same_share_in_every_group_is_exact_for_the_customers(self, trials, events):
        """The jackknife's variance is nought by chance: 12 customers say what 12 chances say."""
        found = jackknife_rate(np.full(8, events), np.full(8, trials), 12)
        exact = stats.binomtest(round(12 * events / trials), 12).proportion_ci(method="exact")
        assert [found.low, found.high] == pytest.approx([exact.low, exact.high], rel=1e-9)

    def test_few_events_of_one_customer_are_one(self):
        """Nine clicks in one group say as little as one: up to 5.6 times what was seen, the exact limit of one."""
        together = jackknife_rate(np.r_[9.0, np.zeros(63)], np.full(64, 100.0), 6_400)
        apart = jackknife_rate(np.r_[np.ones(9), np.zeros(55)], np.full(64, 100.0), 6_400)
        assert together.high > 5 * together.estimate
        assert apart.high < 2.1 * apart.estimate
        assert together.low < 0.04 * together.estimate

    @given(
        trials=arrays(float, 8, elements=st.integers(0, 40)),
        shares=arrays(float, 8, elements=st.floats(0, 1)),
        units=st.integers(1, 50),
    )
    @example(trials=np.full(8, 4.0), shares=np.full(8, 0.5), units=1)
    @example(trials=np.full(8, 30.0), shares=np.full(8, 0.35), units=50)  # a third, so that 0 comes rounded
    def test_never_without_width_never_outside(self, trials, shares, units):
        events = np.floor(trials * shares)
        found = jackknife_rate(events, trials, units)
        told = ~np.isnan(found.low)
        assert told == ((trials.sum() > 0) and ((found.groups > 1) or (events.sum() in (0, trials.sum()))))
        if told:
            assert 0 <= found.low <= found.estimate + 1e-12
            assert found.estimate - 1e-12 <= found.high <= 1
            assert found.low < found.high

    def test_more_events_than_trials(self):
        with pytest.raises(ValueError, match="events must lie between 0 and trials; in 1 groups"):
            jackknife_rate([2.0, 1.0], [1.0, 1.0], 2)

    def test_frames_have_a_row_for_each_name(self):
        rng = np.random.default_rng(2)
        cells = pd.MultiIndex.from_product([["gold", "lost"], [8, 9], range(64)], names=["segment", "hour", "group"])
        cells = cells.to_frame(index=False)
        cells["messages"] = rng.integers(5, 30, len(cells))
        cells["clicks"] = rng.binomial(cells["messages"], 0.2)
        cells["customers"] = 4
        cells["profit"] = rng.normal(1.0, 2.0, len(cells))
        shuffled = cells.sample(frac=1, random_state=3)
        table = rates(shuffled, ["segment", "hour"], events="clicks", trials="messages", units="customers")
        money = ratios(shuffled, ["segment", "hour"], numerator="profit", denominator="messages")
        lost_9 = cells[(cells["segment"] == "lost") & (cells["hour"] == 9)]
        alone = jackknife_rate(lost_9["clicks"], lost_9["messages"], 256)
        assert table[["segment", "hour"]].to_numpy().tolist() == [["gold", 8], ["gold", 9], ["lost", 8], ["lost", 9]]
        assert table["units"].tolist() == [256] * 4
        assert table.loc[3, ["events", "low", "high"]].tolist() == pytest.approx(
            [lost_9["clicks"].sum(), float(alone.low), float(alone.high)], rel=1e-12
        )
        assert money.loc[3, "ratio"] == pytest.approx(lost_9["profit"].sum() / lost_9["messages"].sum(), rel=1e-12)
        everything = rates(shuffled, [], events="clicks", trials="messages", units="customers")
        assert everything["rate"].tolist() == pytest.approx([cells["clicks"].sum() / cells["messages"].sum()])


# --- two arms --------------------------------------------------------------------------------------------------------


class TestDifferenceOfRates:
    @pytest.mark.parametrize(
        ("counts", "low", "high"),
        [
            # Newcombe (1998), Interval estimation for the difference between independent proportions, Statistics in
            # Medicine 17, table II, method 6 (Miettinen and Nurminen).
            ((56, 70, 48, 80), 0.0528, 0.3382),
            ((9, 10, 3, 10), 0.1700, 0.8406),
            ((5, 56, 0, 29), -0.0326, 0.1933),
            ((0, 10, 0, 20), -0.1658, 0.2844),
            ((0, 10, 0, 10), -0.2879, 0.2879),
            ((10, 10, 0, 20), 0.7156, 1.0),
            ((10, 10, 0, 10), 0.6636, 1.0),
            # A public test of advertisements, in reference_values.
            ((293, 11_298, 5, 464), 0.0008, 0.0222),
        ],
    )
    def test_published(self, counts, low, high):
        found = difference_of_rates(*counts)
        assert [round(float(found.low), 4), round(float(found.high), 4)] == [low, high]

    def test_advertisements(self):
        found = difference_of_rates(293, 11_298, 5, 464)
        assert round(float(found.estimate), 4) == 0.0152
        assert round(float(found.p_value), 3) == 0.048

    @pytest.mark.parametrize("counts", [(31, 400, 12, 300), (7, 90, 9, 60), (140, 200, 30, 200), (3, 50, 6, 450)])
    def test_the_statistic_of_no_difference_is_the_library_s(self, counts):
        told = score_test(*counts, value=0, compare="diff", method="score", correction=True)
        ours = proportions._score(np.zeros(1), *(np.array([float(count)]) for count in counts))
        assert ours[0] == pytest.approx(told.statistic, rel=1e-9)

    def test_the_restricted_shares_are_the_likeliest(self):
        """Another way to the statistic: the constrained likelihood maximised by a fine grid."""
        rng = np.random.default_rng(5)
        for _ in range(30):
            n1, n0 = rng.integers(5, 60, 2)
            x1, x0 = rng.binomial(n1, rng.choice([0.0, 0.1, 0.5, 1.0])), rng.binomial(n0, rng.choice([0.0, 0.2, 0.9]))
            d = rng.uniform(-0.95, 0.95)
            p0 = np.linspace(max(0, -d), min(1, 1 - d), 400_001)
            p1 = p0 + d
            likelihood = stats.binom.logpmf(x1, n1, np.clip(p1, 0, 1)) + stats.binom.logpmf(x0, n0, p0)
            best = np.argmax(likelihood)
            spread = p1[best] * (1 - p1[best]) / n1 + p0[best] * (1 - p0[best]) / n0
            by_hand = (x1 / n1 - x0 / n0 - d) / np.sqrt(spread * (n1 + n0) / (n1 + n0 - 1))
            counts = (np.array([float(count)]) for count in (x1, n1, x0, n0))
            assert proportions._score(np.array([d]), *counts)[0] == pytest.approx(by_hand, rel=2e-3, abs=1e-3)

    @given(
        n1=st.integers(2, 200), n0=st.integers(2, 200), share1=st.floats(0, 1), share0=st.floats(0, 1)
    )  # fmt: skip
    def test_arms_exchanged_and_successes_for_failures(self, n1, n0, share1, share0):
        x1, x0 = round(n1 * share1), round(n0 * share0)
        found, swapped = difference_of_rates(x1, n1, x0, n0), difference_of_rates(x0, n0, x1, n1)
        failures = difference_of_rates(n1 - x1, n1, n0 - x0, n0)
        assert -1 <= found.low <= found.estimate <= found.high <= 1
        assert found.low < found.high
        for other in (swapped, failures):
            assert [-other.high, -other.low] == pytest.approx([float(found.low), float(found.high)], abs=1e-6)

    def test_many_at_once(self):
        found = difference_of_rates([293, 9], [11_298, 10], [5, 3], [464, 10])
        assert found.low.round(4).tolist() == [0.0008, 0.17]
        assert found.p_value.round(3)[0] == 0.048

    @pytest.mark.parametrize("counts", [(1, 0, 1, 2), (3, 2, 1, 2), (-1, 2, 1, 2)])
    def test_counts_that_cannot_be(self, counts):
        with pytest.raises(ValueError, match="each arm needs customers"):
            difference_of_rates(*counts)


def moments(y):
    return len(y), np.sum(y), np.sum(np.square(y))


class TestDifferenceOfMeans:
    def test_is_the_library_s_from_rows(self):
        rng = np.random.default_rng(9)
        treated, control = rng.lognormal(2, 1, 300), rng.lognormal(1.7, 0.8, 90)
        found = difference_of_means(moments(treated), moments(control))
        theirs = stats.ttest_ind(treated, control, equal_var=False)
        low, high = theirs.confidence_interval()
        told = [found.low, found.high, found.df, found.p_value]
        assert told == pytest.approx([low, high, theirs.df, theirs.pvalue], rel=1e-9)

    @pytest.mark.public_data("hillstrom/hillstrom.csv.gz")
    def test_hillstrom(self):
        """E-mails to men against none, spend per customer: .770 [.485, 1.055] in the data's table of known answers."""
        rows = pd.read_csv(HILLSTROM)
        mens = rows.loc[rows["segment"] == "Mens E-Mail", "spend"]
        none = rows.loc[rows["segment"] == "No E-Mail", "spend"]
        told = difference_of_means(moments(mens), moments(none))
        assert [round(float(value), 3) for value in (told.estimate, told.low, told.high)] == [0.770, 0.485, 1.055]

    def test_no_interval_where_nothing_varies(self):
        nobody_bought = difference_of_means((40, 0.0, 0.0), (60, 0.0, 0.0))
        one_customer = difference_of_means((1, 5.0, 25.0), (60, 30.0, 90.0))
        # Σy² of a constant, with the rounding of sums: 100 customers at 0.1 each are 1.0000000000000007, not 1.
        constant = difference_of_means((100, sum([0.1] * 100), sum([0.1**2] * 100)), (50, sum([0.1] * 50), 0.5))
        for found in (nobody_bought, one_customer, constant):
            assert np.isnan(found.low)
            assert np.isnan(found.high)
            assert np.isnan(found.p_value)

    def test_many_at_once(self):
        found = difference_of_means(([3, 3], [6.0, 9.0], [14.0, 29.0]), ([3, 3], [9.0, 6.0], [29.0, 14.0]))
        assert found.estimate.tolist() == [-1.0, 1.0]
        assert found.high[0] == pytest.approx(-found.low[1])


# --- models on weighted cells ----------------------------------------------------------------------------------------


class TestCells:
    def test_sandwich_is_the_library_s_from_rows(self):
        """Poisson regression on 500 customers told as cells of equal customers, against statsmodels' HC0 from rows."""
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


# --- many comparisons ------------------------------------------------------------------------------------------------


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

    def test_what_moves_together_is_told_apart(self):
        """0.3 apart with errors of 1 each that are all but shared."""
        shared = np.full((3, 3), 0.999) + 0.001 * np.eye(3)
        together = best_set([1.0, 1.3, 1.1], shared, np.random.default_rng(1))
        apart = best_set([1.0, 1.3, 1.1], np.eye(3), np.random.default_rng(1))
        assert together.chosen.tolist() == [False, True, False]
        assert apart.chosen.all()

    def test_what_is_not_known_stays(self):
        covariance = np.diag([0.01, 0.01, np.nan, 0.0])
        found = best_set([1.0, 9.0, 0.1, 0.0], covariance, np.random.default_rng(1))
        assert found.chosen.tolist() == [False, True, True, True]
        assert np.isnan(found.low[2:]).all()
        assert best_set([4.0], [[1.0]], np.random.default_rng(1)).chosen.tolist() == [True]

    def test_two_that_are_one_both_stay(self):
        covariance = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        found = best_set([9.0, 9.0, 0.0], covariance, np.random.default_rng(1))
        assert found.chosen.tolist() == [True, True, False]

    def test_distances_hold_the_estimates_in_order(self):
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


# --- shrinkage -------------------------------------------------------------------------------------------------------

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
        tau, mu = np.linspace(1e-4, 150, 3_000), np.linspace(-90, 110, 801)
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
                told = trapezoid(trapezoid(density * below, mu, axis=1), tau) / whole
                assert told == pytest.approx(share, abs=5e-4)

    def test_a_covariance_without_correlation_is_its_standard_errors(self):
        y, error = EIGHT_SCHOOLS
        alone, joint = shrink(y, error), shrink(y, np.diag(error**2))
        assert joint.low == pytest.approx(alone.low, abs=1e-8)
        assert joint.spread == pytest.approx(alone.spread, abs=1e-8)

    def test_a_shared_error_is_no_reason_to_shrink(self):
        """Errors that all have in common move the mean, not the differences."""
        y = np.array([3.0, 4.0, 6.0, 9.0, 5.0, 7.5])
        own = shrink(y, np.full(6, 1.5))
        shared = shrink(y, 0.1 * np.eye(6) + 2.15 * np.ones((6, 6)))
        assert np.abs(shared.estimate - y).max() < 0.1
        assert np.abs(own.estimate - y).max() > 1
        assert (shared.high - shared.low).min() > 2 * 1.96 * np.sqrt(2.15)

    def test_good_estimates_are_left_alone_and_poor_ones_pooled(self):
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
        ("y", "errors", "df", "said"),
        [
            ([1.0, 2.0], [1.0, 1.0], np.inf, "2 estimates are too few to learn how much they differ; 3 are needed"),
            ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0], np.inf, "errors above 0"),
            ([1.0, np.nan, 3.0], [1.0, 1.0, 1.0], np.inf, "estimates must be numbers"),
            ([1.0, 2.0, 3.0], [1.0, 1.0], np.inf, "do not fit"),
            ([1.0, 2.0, 3.0], np.eye(3), 4, "cannot be learned from 4"),
        ],
    )
    def test_refusals(self, y, errors, df, said):
        with pytest.raises(ValueError, match=said):
            shrink(y, errors, df=df)
