"""Proportions, compared with published values, other implementations and identities."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import xlog1py, xlogy
from statsmodels.stats.proportion import test_proportions_2indep as score_test

from smsroi_helpers.statistics import proportions
from smsroi_helpers.statistics.jackknife import (
    jackknife_ratio,
    ratios,
)
from smsroi_helpers.statistics.proportions import difference_of_rates, jackknife_rate, rates

score_test.__test__ = False  # a function of statsmodels, not a test


class TestRates:
    def test_many_events_are_students_interval_of_the_logit(self):
        rng = np.random.default_rng(6)
        n = rng.integers(50, 90, 64).astype(float)
        y = rng.binomial(n.astype(int), 0.2).astype(float)
        found, plain = jackknife_rate(y, n, n.sum()), jackknife_ratio(y, n)
        p = plain.estimate
        half_width = stats.t.ppf(0.975, 63) * plain.standard_error / (p * (1 - p))
        ends = np.log(p / (1 - p)) + np.array([-half_width, half_width])
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
        """The jackknife's variance is 0 by chance; the interval is that of 12 independent trials."""
        found = jackknife_rate(np.full(8, events), np.full(8, trials), 12)
        exact = stats.binomtest(round(12 * events / trials), 12).proportion_ci(method="exact")
        assert [found.low, found.high] == pytest.approx([exact.low, exact.high], rel=1e-9)

    def test_events_in_one_group_count_as_one(self):
        """Nine clicks in one group carry the information of one: the limit is 5.6 times the estimate."""
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
    def test_intervals_have_width_and_stay_within_0_and_1(self, trials, shares, units):
        events = np.floor(trials * shares)
        found = jackknife_rate(events, trials, units)
        known = ~np.isnan(found.low)
        assert known == ((trials.sum() > 0) and ((found.groups > 1) or (events.sum() in (0, trials.sum()))))
        if known:
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
        theirs = score_test(*counts, value=0, compare="diff", method="score", correction=True)
        ours = proportions._score(np.zeros(1), *(np.array([float(count)]) for count in counts))
        assert ours[0] == pytest.approx(theirs.statistic, rel=1e-9)

    def test_the_restricted_shares_maximise_the_likelihood(self):
        """Another way to the statistic: the constrained likelihood maximised by a fine grid."""
        rng = np.random.default_rng(5)
        for _ in range(30):
            n1, n0 = rng.integers(5, 60, 2)
            x1, x0 = rng.binomial(n1, rng.choice([0.0, 0.1, 0.5, 1.0])), rng.binomial(n0, rng.choice([0.0, 0.2, 0.9]))
            d = rng.uniform(-0.95, 0.95)
            p0 = np.linspace(max(0, -d), min(1, 1 - d), 400_001)
            p1 = p0 + d
            likelihood = sum(
                xlogy(x, p) + xlog1py(n - x, -p) for x, n, p in ((x1, n1, np.clip(p1, 0, 1)), (x0, n0, p0))
            )
            best = np.argmax(likelihood)
            variance = p1[best] * (1 - p1[best]) / n1 + p0[best] * (1 - p0[best]) / n0
            by_hand = (x1 / n1 - x0 / n0 - d) / np.sqrt(variance * (n1 + n0) / (n1 + n0 - 1))
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
    def test_impossible_counts_are_refused(self, counts):
        with pytest.raises(ValueError, match="each arm needs at least one customer"):
            difference_of_rates(*counts)
