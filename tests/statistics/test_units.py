"""Errors between clusters, from sums, compared with statsmodels' cluster covariance on every customer."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from smsroi_helpers.statistics import compare, estimate_means, estimate_ratios
from smsroi_helpers.statistics.units import (
    design_effect,
    effective_units,
    product_name,
    products_of,
    sum_name,
)
from tests.cluster_sources import draw_households


def moments(people, variables):
    """The moments of customers' rows, by arm (and stratum): variables is y, and perhaps x, k, a0, b0."""
    people = people.assign(n=1.0)
    names = ["n", *variables]
    by = [name for name in ("arm", "stratum") if name in people]
    sums = people.groupby([*by, "household"])[names].sum()
    rows = sums.groupby(by).sum().rename(columns=sum_name)
    rows["units"] = sums.groupby(by).size()
    for one, two in products_of(names):
        rows[product_name(one, two)] = (sums[one] * sums[two]).groupby(by).sum()
    return rows.reset_index()


@pytest.fixture(scope="module")
def people():
    rows = draw_households(np.random.default_rng(4), 60, lift=0.4)
    return rows.assign(arm=np.where(rows["treated"], "b", "a"), y=rows["after"], x=rows["before"], k=1.0)


def uncorrected(fit, people):
    """statsmodels' cluster covariance of each arm's mean with G ÷ (G − 1) of the arm: that of the arm's sums."""
    groups = people.groupby("arm")["household"].nunique()
    return {arm: fit.cov_params().to_numpy()[i, i] * groups[arm] / (groups[arm] - 1) for i, arm in enumerate("ab")}


class TestMeans:
    def test_the_error_is_that_of_ols_with_cluster_covariance(self, people):
        found = estimate_means(moments(people, ["y"]), ["a", "b"])
        design = pd.DataFrame({"a": ~people["treated"], "b": people["treated"]}).astype(float)
        fit = sm.OLS(people["y"], design).fit(
            cov_type="cluster", cov_kwds={"groups": people["household"], "use_correction": False}
        )
        expected = uncorrected(fit, people)
        assert found.mean == pytest.approx(fit.params.to_numpy())
        assert found.variance == pytest.approx([expected["a"], expected["b"]])
        both = compare(found, "a")
        assert both.standard_error[1] == pytest.approx(np.sqrt(expected["a"] + expected["b"]))

    def test_degrees_of_freedom_are_of_the_clusters(self, people):
        """Welch and Satterthwaite's, with each arm's effective number of clusters less one."""
        found = estimate_means(moments(people, ["y"]), ["a", "b"])
        sizes = people.groupby(["arm", "household"]).size().groupby("arm")
        effective = (sizes.sum() ** 2 / (sizes.apply(lambda n: (n**2).sum()))).to_numpy()
        df = found.variance.sum() ** 2 / (found.variance**2 / (effective - 1)).sum()
        assert compare(found, "a").df[1] == pytest.approx(df)
        assert df < people["household"].nunique() - 2

    def test_with_a_covariate_it_is_that_of_the_adjusted_residuals(self, people):
        """By hand on the rows: residuals after θ, summed by household; θ minimises that sum of variances."""
        found = estimate_means(moments(people, ["y", "x", "k"]), ["a", "b"])

        def spread(one, two, arm):
            own = people[people["arm"] == arm]
            sums = [(own[name] - own[name].mean()).groupby(own["household"]).sum() for name in (one, two)]
            return (sums[0] * sums[1]).sum() * len(sums[0]) / (len(sums[0]) - 1) / len(own) ** 2

        theta = sum(spread("x", "y", arm) for arm in "ab") / sum(spread("x", "x", arm) for arm in "ab")
        rows = people.assign(r=people["y"] - theta * people["x"])
        by_hand = [
            spread("y", "y", arm) - 2 * theta * spread("x", "y", arm) + theta**2 * spread("x", "x", arm) for arm in "ab"
        ]
        sizes = people.groupby(["arm", "household"]).size().groupby("arm")
        degrees = (sizes.sum() ** 2 / sizes.apply(lambda n: (n**2).sum())).sum() - 2
        assert found.variance == pytest.approx(np.array(by_hand) * (degrees / (degrees - 1)) ** 2)
        means = rows.groupby("arm")["r"].mean()
        assert found.adjusted[1] - found.adjusted[0] == pytest.approx(means["b"] - means["a"])
        assert found.variance.sum() < 0.7 * estimate_means(moments(people, ["y"]), ["a", "b"]).variance.sum()

    def test_single_customers_give_the_usual_error(self, people):
        alone = people.assign(household=np.arange(len(people)))
        found = estimate_means(moments(alone, ["y"]), ["a", "b"])
        theirs = stats.ttest_ind(alone.loc[alone["treated"], "y"], alone.loc[~alone["treated"], "y"], equal_var=False)
        both = compare(found, "a")
        assert (both.p_value[1], both.df[1]) == pytest.approx((theirs.pvalue, theirs.df))

    def test_strata_add_up(self, people):
        """The variance is Σ weight² · variance of each stratum's mean, the strata's shares as weights."""
        strata = people.assign(stratum=people["household"] // 2 % 2)
        found = estimate_means(moments(strata, ["y"]), ["a", "b"])
        weight = strata.groupby("stratum").size() / len(strata)
        parts = [estimate_means(moments(own, ["y"]), ["a", "b"]) for _s, own in people.groupby(strata["stratum"])]
        expected = sum(w**2 * part.variance for w, part in zip(weight, parts, strict=True))
        assert found.variance == pytest.approx(expected)

    def test_too_few_clusters_have_no_interval(self, people):
        few = people[people["household"].isin(range(16))]
        found = estimate_means(moments(few, ["y"]), ["a", "b"])
        assert found.few_units.all()
        assert np.isnan(found.variance).all()
        alone = few.assign(household=np.arange(len(few)))  # as many single customers have one
        assert np.isfinite(estimate_means(moments(alone, ["y"]), ["a", "b"]).variance).all()


def test_ratios_are_clustered(people):
    """Σy ÷ Σx: residuals y − R x summed by household, as the score of statsmodels' regression through the origin."""
    own = people[people["treated"]].assign(x=lambda rows: 1.0 + (np.arange(len(rows)) % 3))
    found = estimate_ratios(moments(own, ["y", "x"]), ["b"])
    weights = sm.WLS(own["y"] / own["x"], np.ones(len(own)), weights=own["x"]).fit(
        cov_type="cluster", cov_kwds={"groups": own["household"], "use_correction": False}
    )
    clusters = own["household"].nunique()
    assert found.mean[0] == pytest.approx(weights.params.iloc[0])
    assert found.variance[0] == pytest.approx(weights.cov_params().iloc[0, 0] * clusters / (clusters - 1))


def test_the_effective_number_falls_with_unequal_sizes():
    """(Σn)² ÷ Σn²: 4 clusters of 5; and with one of 17 and three of 1."""
    assert effective_units({"n": 20.0, "unit_n_n": 4 * 25.0}) == 4
    assert effective_units({"n": 20.0, "unit_n_n": 17**2 + 3.0}) == pytest.approx(400 / 292)


def test_the_design_effect_is_that_of_simulated_households():
    """The variance of a mean between clusters ÷ that of as many independent customers, over 4,000 draws."""
    rng = np.random.default_rng(8)
    sizes = np.repeat([2, 6], 20)
    household = np.repeat(np.arange(40), sizes)
    y = np.sqrt(0.3) * rng.standard_normal((4_000, 40))[:, household]
    y = y + np.sqrt(0.7) * rng.standard_normal(y.shape)
    measured = y.mean(axis=1).var() * len(household)
    assert measured == pytest.approx(design_effect(4.0, 0.5, 0.3), rel=4 * np.sqrt(2 / 4_000))
