"""Differences between arms from moments, against other libraries on the rows themselves."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting as tt
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from smsroi_helpers.statistics import effects

ARMS = ("control", "a", "b")


def draw(seed, sizes=(900, 1500, 400), unknown=0.0, days=1):
    """Rows of customers: arm, day, x (before; NaN where unknown), y (after; most spend nothing), m and c (messages)."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(ARMS, sizes)
    n = len(arm)
    likes = rng.gamma(0.6, 1.0, n)
    lift = np.select([arm == "a", arm == "b"], [1.15, 0.8], 1.0)
    y = rng.poisson(likes * lift) * rng.lognormal(3, 0.8, n)
    x = np.where(rng.random(n) < unknown, np.nan, rng.poisson(likes) * rng.lognormal(3, 0.8, n))
    m = rng.integers(1, 9, n)
    day = rng.integers(0, days, n)
    return pd.DataFrame({"arm": arm, "day": day, "x": x, "y": y + 4 * day, "m": m, "c": rng.binomial(m, 0.1 * lift)})


def moments(rows, y="y", x=None, by=("arm",)):
    """What `measures.arm_moments` counts."""
    frame = pd.DataFrame({name: rows[name] for name in by}).assign(n=1, sum_y=rows[y], sum_y2=rows[y] ** 2)
    if x is not None:
        known = rows[x].notna()
        value = rows[x].fillna(0.0)
        frame = frame.assign(
            n_known=known.astype(int), sum_y_known=rows[y].where(known, 0.0), sum_x=value, sum_x2=value**2,
            sum_xy=value * rows[y],
        )  # fmt: skip
    return frame.groupby(list(by)).sum().reset_index()


def columns(rows):
    return [rows.loc[rows["arm"] == arm, "y"].to_numpy() for arm in ARMS]


@pytest.mark.parametrize("seed", range(5))
def test_welch_is_that_of_scipy_and_statsmodels(seed):
    rows = draw(seed)
    found = effects.compare(effects.estimate_means(moments(rows), ARMS), "control")
    control, *treated = columns(rows)
    for place, values in enumerate(treated, start=1):
        theirs = stats.ttest_ind(values, control, equal_var=False)
        low, high = theirs.confidence_interval(0.95)
        ours = [getattr(found, name)[place] for name in ("estimate", "low", "high", "p_value", "df")]
        assert ours == pytest.approx([values.mean() - control.mean(), low, high, theirs.pvalue, theirs.df], rel=1e-6)
        again = CompareMeans(DescrStatsW(values), DescrStatsW(control)).tconfint_diff(usevar="unequal")
        assert (found.low[place], found.high[place]) == pytest.approx(again, rel=1e-6)
    assert np.isnan([found.estimate[0], found.low[0], found.p_value[0]]).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_covariate_adjustment_is_that_of_the_rows(seed):
    """θ from the rows by its definition, then SciPy's Welch on the adjusted outcomes."""
    rows = draw(seed, unknown=0.3)
    arms = effects.estimate_means(moments(rows, x="x"), ARMS)
    z = rows["x"].isna().astype(float).to_numpy()
    u = np.column_stack([rows["x"].fillna(0.0), z])
    y = rows["y"].to_numpy()
    a, b = np.zeros((2, 2)), np.zeros(2)
    for arm in ARMS:
        own = (rows["arm"] == arm).to_numpy()
        joint = np.cov(np.column_stack([u[own], y[own]]), rowvar=False) / own.sum()
        a, b = a + joint[:2, :2], b + joint[:2, 2]
    adjusted = y - (u - u.mean(axis=0)) @ np.linalg.solve(a, b)
    found = effects.compare(arms, "control")
    control = adjusted[(rows["arm"] == "control").to_numpy()]
    for place, arm in enumerate(ARMS[1:], start=1):
        own = adjusted[(rows["arm"] == arm).to_numpy()]
        theirs = stats.ttest_ind(own, control, equal_var=False)
        low, high = theirs.confidence_interval(0.95)
        ours = [getattr(found, name)[place] for name in ("estimate", "low", "high", "p_value")]
        assert ours == pytest.approx([own.mean() - control.mean(), low, high, theirs.pvalue], rel=1e-6)
    plain = effects.compare(effects.estimate_means(moments(rows), ARMS), "control")
    assert (found.standard_error[1:] < plain.standard_error[1:]).all()


def test_no_other_theta_gives_a_smaller_variance():
    rows = draw(3)
    best = effects.estimate_means(moments(rows, x="x"), ARMS).variance.sum()
    for theta in (0.0, 0.1, 0.5, 1.0):
        moved = rows.assign(y=rows["y"] - theta * rows["x"])
        assert effects.estimate_means(moments(moved), ARMS).variance.sum() >= best


@pytest.mark.parametrize("seed", range(3))
def test_cuped_is_close_to_tea_tasting(seed):
    """Its θ pools the arms' totals, ours weights them by size: two estimates of one number, 0.1 % apart."""
    rows = draw(seed, sizes=(4000, 4000, 4000))
    two = rows[rows["arm"] != "b"].assign(variant=lambda frame: frame["arm"])
    theirs = tt.Experiment(y=tt.Mean("y", covariate="x")).analyze(two, control="control")["y"]
    found = effects.compare(effects.estimate_means(moments(two, x="x"), ARMS[:2]), "control")
    assert found.standard_error[1] == pytest.approx(
        (theirs.effect_size_ci_upper - theirs.effect_size) / 1.9602, rel=3e-3
    )
    assert found.estimate[1] == pytest.approx(theirs.effect_size, abs=0.05 * found.standard_error[1])


@pytest.mark.parametrize("seed", range(5))
def test_ratios_are_those_of_tea_tasting_and_of_the_rows(seed):
    rows = draw(seed)
    arms = effects.estimate_ratios(moments(rows, y="c", x="m"), ARMS)
    found = effects.compare(arms, "control")
    for place, arm in enumerate(ARMS[1:], start=1):
        two = rows[rows["arm"].isin(["control", arm])].assign(variant=lambda frame: frame["arm"])
        theirs = tt.Experiment(r=tt.RatioOfMeans("c", "m")).analyze(two, control="control")["r"]
        expected = [theirs.effect_size, theirs.effect_size_ci_lower, theirs.effect_size_ci_upper, theirs.pvalue]
        ours = [getattr(found, name)[place] for name in ("estimate", "low", "high", "p_value")]
        assert ours == pytest.approx(expected, rel=1e-6)
        own = rows[rows["arm"] == arm]
        ratio = own["c"].sum() / own["m"].sum()
        linear = (own["c"] - ratio * own["m"]) / own["m"].mean()
        assert arms.variance[place] == pytest.approx(linear.var(ddof=1) / len(own), rel=1e-9)


def test_strata_correct_for_a_changed_split():
    """On the second day most are treated, and everybody buys more: there is no effect, and Welch finds a large one."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"day": np.repeat([0, 1], 20_000)})
    rows["arm"] = np.where(rng.random(40_000) < np.where(rows["day"] == 0, 0.1, 0.9), "a", "control")
    rows["y"] = 5.0 * rows["day"] + rng.exponential(2.0, 40_000)
    by_day = moments(rows, by=("arm", "day")).rename(columns={"day": "stratum"})
    found = effects.compare(effects.estimate_means(by_day, ("control", "a")), "control")
    plain = effects.compare(effects.estimate_means(by_day, ("control", "a"), adjust=False), "control")
    assert abs(found.estimate[1]) < 4 * found.standard_error[1]
    assert plain.low[1] > 3


def test_the_stratified_estimate_is_the_weighted_sum_of_the_strata():
    rows = draw(2, days=3)
    by_day = moments(rows, by=("arm", "day")).rename(columns={"day": "stratum"})
    found = effects.compare(effects.estimate_means(by_day, ARMS), "control")
    estimate, variance = 0.0, 0.0
    for _day, own in rows.groupby("day"):
        treated, control = (own.loc[own["arm"] == arm, "y"] for arm in ("a", "control"))
        weight = len(own) / len(rows)
        estimate += weight * (treated.mean() - control.mean())
        variance += weight**2 * (treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))
    assert found.estimate[1] == pytest.approx(estimate, rel=1e-9)
    assert found.standard_error[1] == pytest.approx(np.sqrt(variance), rel=1e-9)


class TestIdentities:
    @pytest.fixture
    def rows(self):
        return draw(7, unknown=0.2, days=4)

    @pytest.fixture
    def arms(self, rows):
        by_day = moments(rows, x="x", by=("arm", "day")).rename(columns={"day": "stratum"})
        return effects.estimate_means(by_day, ARMS)

    def test_swapped_arms_negate_the_difference_and_invert_the_lift(self, arms):
        one, other = effects.compare(arms, "control"), effects.compare(arms, "a")
        assert other.estimate[0] == pytest.approx(-one.estimate[1])
        assert (other.low[0], other.high[0]) == pytest.approx((-one.high[1], -one.low[1]))
        assert other.p_value[0] == pytest.approx(one.p_value[1])
        lift, low, high = (values[1] for values in effects.relative_lift(arms, "control"))
        back, back_low, back_high = (values[0] for values in effects.relative_lift(arms, "a"))
        assert back == pytest.approx(-lift / (1 + lift))
        assert (back_low, back_high) == pytest.approx((-high / (1 + high), -low / (1 + low)))

    def test_against_an_end_of_its_interval_p_is_alpha(self, arms):
        found = effects.compare(arms, "control")
        for end in (found.low[1], found.high[1]):
            p = 2 * stats.t.sf(abs(found.estimate[1] - end) / found.standard_error[1], found.df[1])
            assert p == pytest.approx(0.05)
        _lift, low, high = (values[1] for values in effects.relative_lift(arms, "control"))
        for end in (low, high):
            gap = arms.adjusted[1] - (1 + end) * arms.adjusted[0]
            error = np.sqrt(arms.variance[1] + (1 + end) ** 2 * arms.variance[0])
            assert 2 * stats.t.sf(abs(gap) / error, found.df[1]) == pytest.approx(0.05)

    def test_parts_add_up(self, rows, arms):
        half = np.arange(len(rows)) % 2 == 0
        parts = [moments(rows[pick], x="x", by=("arm", "day")) for pick in (half, ~half)]
        again = effects.estimate_means(pd.concat(parts).rename(columns={"day": "stratum"}), ARMS)
        assert again.adjusted == pytest.approx(arms.adjusted)
        assert again.variance == pytest.approx(arms.variance)

    def test_money_in_cents_is_a_hundred_times_money(self, rows, arms):
        cents = rows.assign(y=100 * rows["y"], x=100 * rows["x"])
        by_day = moments(cents, x="x", by=("arm", "day")).rename(columns={"day": "stratum"})
        again = effects.estimate_means(by_day, ARMS)
        assert again.adjusted == pytest.approx(100 * arms.adjusted)
        assert effects.relative_lift(again, "control")[1][1] == pytest.approx(
            effects.relative_lift(arms, "control")[1][1]
        )


class TestUndefined:
    def test_an_arm_without_customers_has_no_difference(self):
        rows = draw(1)
        found = effects.compare(effects.estimate_means(moments(rows[rows["arm"] != "b"]), ARMS), "control")
        assert np.isnan([found.estimate[2], found.low[2], found.p_value[2]]).all()
        assert np.isfinite(found.low[1])

    def test_outcomes_that_never_vary_have_no_interval(self):
        rows = draw(1).assign(y=0.0)
        arms = effects.estimate_means(moments(rows, x="x"), ARMS)
        found = effects.compare(arms, "control")
        assert arms.variance.tolist() == [0, 0, 0]
        assert np.isnan([*found.low, *found.p_value]).all()
        assert np.isnan(effects.probability_best(arms.adjusted, np.sqrt(arms.variance))).all()

    def test_a_constant_that_is_no_binary_number_does_not_vary_either(self):
        rows = draw(1).assign(y=0.1)
        assert effects.estimate_means(moments(rows), ARMS).variance.tolist() == [0, 0, 0]

    def test_a_covariate_that_never_varies_changes_nothing(self):
        rows = draw(1).assign(x=3.0)
        adjusted = effects.estimate_means(moments(rows, x="x"), ARMS)
        plain = effects.estimate_means(moments(rows), ARMS)
        assert adjusted.adjusted == pytest.approx(plain.adjusted)
        assert adjusted.variance == pytest.approx(plain.variance)

    def test_no_lift_relative_to_a_mean_that_may_be_zero(self):
        rows = draw(1).assign(y=lambda frame: np.where(frame["arm"] == "control", -1.0, 1.0) * frame["y"])
        lift, low, high = effects.relative_lift(effects.estimate_means(moments(rows), ARMS), "control")
        assert np.isnan([lift, low, high]).all()

    def test_clicks_of_arms_without_messages_are_no_rate(self):
        rows = draw(1)
        rows.loc[rows["arm"] == "b", ["m", "c"]] = 0
        arms = effects.estimate_ratios(moments(rows, y="c", x="m"), ARMS)
        assert np.isnan([arms.mean[2], arms.variance[2], effects.compare(arms, "control").estimate[2]]).all()


class TestBest:
    MEAN, ERROR = np.array([0.1, 0.3, 0.25, -0.4]), np.array([0.1, 0.12, 0.3, 0.05])

    def test_chances_and_losses_are_those_of_a_simulation(self):
        draws = np.random.default_rng(1).normal(self.MEAN, self.ERROR, (400_000, 4))
        best = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
        assert effects.probability_best(self.MEAN, self.ERROR) == pytest.approx(best, abs=4 * 0.5 / np.sqrt(len(draws)))
        loss = (draws.max(axis=1)[:, None] - draws).mean(axis=0)
        assert effects.expected_loss(self.MEAN, self.ERROR) == pytest.approx(loss, abs=4 * 0.35 / np.sqrt(len(draws)))

    def test_chances_add_up_to_one(self):
        assert effects.probability_best(self.MEAN, self.ERROR).sum() == pytest.approx(1)
        wide = effects.probability_best(np.arange(12.0), np.geomspace(0.05, 5, 12))
        assert wide.sum() == pytest.approx(1, abs=1e-6)


def test_heterogeneity_is_the_weighted_anova():
    """Cochran's Q is the drop in the weighted sum of squares when each segment gets a mean of its own."""
    effect, error = np.array([1.0, 1.6, 0.2, np.nan]), np.array([0.3, 0.5, 0.4, np.nan])
    fit = sm.WLS(effect[:3], np.ones(3), weights=error[:3] ** -2).fit()
    q, df, p = effects.heterogeneity(effect, error)
    assert q == pytest.approx(fit.ssr)
    assert (df, p) == (2, pytest.approx(stats.chi2.sf(fit.ssr, 2)))
    assert np.isnan(effects.heterogeneity(effect[:1], error[:1])[2])


def test_days_are_merged_until_each_arm_has_enough():
    counts = pd.DataFrame({"a": [3, 30, 5, 8], "b": [30, 1, 30, 2]})
    assert effects.merge_strata(counts, fewest=20).tolist() == [0, 0, 0, 0]
    counts = pd.DataFrame({"a": [25, 30, 25, 1], "b": [25, 1, 30, 1]})
    assert effects.merge_strata(counts, fewest=20).tolist() == [0, 1, 1, 1]


# --- a small arm beside a large one -----------------------------------------------------------------------------------


def spending_moments(rng, sizes, buying, spread):
    """Moments of two arms in which nothing differs: few buy, for log-normal amounts."""
    rows = []
    for arm, n in zip(ARMS, sizes, strict=False):
        spent = rng.lognormal(0.0, spread, rng.binomial(n, buying))
        rows.append((arm, float(n), spent.sum(), (spent**2).sum()))
    return pd.DataFrame(rows, columns=["arm", "n", "sum_y", "sum_y2"])


@pytest.mark.parametrize(
    ("sizes", "buying", "spread"),
    [((5_000, 95_000), 0.02, 1.3), ((2_500, 47_500), 0.05, 1.0), ((800, 8_000), 0.13, 0.8)],
)
def test_a_small_arm_shows_no_false_gain_by_lacking_large_orders(sizes, buying, spread):
    """1,000 worlds without an effect, 100 to 125 buyers in the small arm: a gain in 2.5 %, but for chance."""
    shared, own = 0, 0
    rng = np.random.default_rng(11)
    for _ in range(1_000):
        arms = effects.estimate_means(spending_moments(rng, sizes, buying, spread), ARMS[:2])
        shared += effects.compare(effects.share_variance(arms), "control").low[1] > 0
        own += effects.compare(arms, "control").low[1] > 0
    assert shared <= 25 + 3 * np.sqrt(25)
    assert own > 25 + 3 * np.sqrt(25)


def test_arms_of_like_size_keep_their_own_variance():
    rows = draw(3, sizes=(400, 1_500, 900))
    arms = effects.estimate_means(moments(rows), ARMS)
    same = effects.share_variance(arms)
    np.testing.assert_array_equal(same.variance, arms.variance)
    few = effects.share_variance(arms, 3.0)
    assert (few.variance >= arms.variance).all()
    assert few.variance[1:].tolist() == arms.variance[1:].tolist()


def test_an_arm_in_which_nobody_bought_keeps_its_missing_variance():
    rows = pd.DataFrame({"arm": ["control", "a"], "n": [10.0, 900.0], "sum_y": [0.0, 90.0], "sum_y2": [0.0, 400.0]})
    arms = effects.estimate_means(rows, ARMS[:2])
    assert effects.share_variance(arms).variance[0] == arms.variance[0] == 0
