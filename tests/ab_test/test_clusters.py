"""Experiments that assigned households: their effects, split, decision, and what is not computed for them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from smsroi_helpers import ab_test, experiments
from smsroi_helpers.ab_test.study import differ_by_segment
from smsroi_helpers.experiments import registry
from smsroi_helpers.pages import problem_words
from tests.cluster_sources import DAY, draw_households, open_households
from tests.experiment_sources import START


def draw(seed, households=60, **settings):
    people = draw_households(np.random.default_rng(seed), households, **settings)
    return people.assign(before=people["before"].clip(lower=0).round(4), after=people["after"].clip(lower=0).round(4))


@pytest.fixture(scope="module")
def people():
    rows = draw(2, lift=0.5)
    rng = np.random.default_rng(5)
    return rows.assign(clicked=rng.binomial(2, np.where(rows["after"] > 2.5, 0.7, 0.3)))


@pytest.fixture(scope="module")
def world(people, tmp_path_factory):
    shop = open_households(tmp_path_factory.mktemp("households"), people)
    return shop, ab_test.analyse(shop)[0]


def measured(place, people, **settings):
    """The experiment, its validity and its effects over all customers, without the rest of the page."""
    shop = open_households(place, people, **settings)
    ((experiment, validity),) = experiments.check_experiments(shop, clustered=True)
    return experiment, validity, ab_test.measure_effects(experiment, registry.count_outcomes(shop))


def clustered(people, y, columns):
    """OLS with statsmodels' cluster covariance, without a correction for the number of clusters."""
    return sm.OLS(people[y], sm.add_constant(people[columns].astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": people["household"], "use_correction": False}
    )


class TestEffects:
    def test_the_unadjusted_difference_has_the_cluster_error(self, world, people):
        row = world[1].effects.find("revenue", "b")
        fit = clustered(people, "after", ["treated"])
        half_width = (row.unadjusted_high - row.unadjusted_low) / 2
        groups = people.groupby("treated")["household"].nunique().to_numpy()
        scale = groups / (groups - 1)  # both arms have 30 households, so one factor serves both
        assert scale[0] == scale[1]
        assert row.unadjusted_difference == pytest.approx(fit.params["treated"], abs=1e-5)
        error = fit.bse["treated"] * np.sqrt(scale[0])
        assert half_width / error == pytest.approx(stats.t.ppf(0.975, 2 * 29), rel=0.02)
        assert row.units == 30

    def test_it_is_adjusted_for_the_past(self, world, people):
        row = world[1].effects.find("revenue", "b")
        fit = clustered(people, "after", ["treated", "before"])
        assert row.method == "adjusted"
        # The coefficient of the past is here that between households, which leaves less than OLS' between customers.
        assert row.difference == pytest.approx(fit.params["treated"], abs=0.5 * fit.bse["treated"])
        assert 0.8 * fit.bse["treated"] < row.standard_error < 1.02 * fit.bse["treated"]
        assert row.high - row.low < 0.9 * (row.unadjusted_high - row.unadjusted_low)

    def test_the_design_effect_compares_with_single_customers(self, world, people, tmp_path):
        alone = measured(tmp_path, people, clusters=False)[2]
        for metric in ("revenue", "profit", "click_rate", "orders"):
            row, other = world[1].effects.find(metric, "b"), alone.find(metric, "b")
            assert other.design_effect == 1
            assert row.mean == other.mean
            assert row.design_effect == pytest.approx((row.standard_error / other.standard_error) ** 2, rel=0.05)
        row, other = world[1].effects.find("revenue", "b"), alone.find("revenue", "b")
        assert row.unadjusted_high - row.unadjusted_low > 1.3 * (other.unadjusted_high - other.unadjusted_low)

    def test_clicks_per_message_are_clustered(self, world, people):
        """Σ (clicks − R · messages) by household, on the rows."""
        row = world[1].effects.find("click_rate", "b")
        variances = []
        for _arm, own in people.groupby("treated"):
            ratio = own["clicked"].sum() / (2 * len(own))
            sums = (own["clicked"] - ratio * 2).groupby(own["household"]).sum()
            variances.append((sums**2).sum() * len(sums) / (len(sums) - 1) / (2 * len(own)) ** 2)
        assert row.standard_error == pytest.approx(np.sqrt(sum(variances)))

    def test_segments_are_clustered_within_and_not_compared(self, world):
        found = world[1]
        assert all(row.units <= 30 for row in found.effects if row.segment != "all")
        assert not len(differ_by_segment(found, "profit"))


def test_a_customer_without_cluster_is_one_of_their_own(people, tmp_path):
    """With every cluster_id null the result is that of a source without the column."""
    experiment, _validity, none = measured(tmp_path / "a", people.assign(household=-1))
    _experiment, _validity, without = measured(tmp_path / "b", people, clusters=False)
    assert experiment.clusters is None
    pd.testing.assert_frame_equal(none.frame(), without.frame(), rtol=1e-9)


def test_few_events_of_a_share_have_no_exact_interval(tmp_path):
    """15 of 200 in each arm ordered: Fisher's test would take them as independent."""
    rows = draw(3).assign(before=0.0)
    bought = rows.groupby("treated").cumcount() % 14 == 0
    effects = measured(tmp_path, rows.assign(after=np.where(bought, 5.0, 0.0)))[2]
    row = effects.find("order_rate", "b")
    assert row.events < 20
    assert (row.method, row.reason) == ("welch", "few_events")
    assert np.isnan([row.low, row.p_value]).all()


def test_too_few_households_show_no_difference(tmp_path):
    found = ab_test.analyse(open_households(tmp_path, draw(6, households=16)))[0]
    assert found.effects.find("revenue", "b").reason == "few_clusters"
    assert not [row for row in found.effects if np.isfinite(row.low)]
    assert found.decision.why_open == ("few_clusters",)
    decision = ab_test.decide([found], "USD")[0]
    assert decision.outcome == "not_enough_evidence"
    assert "too few to estimate the error" in decision.text


class TestValidity:
    def test_the_split_counts_households(self, tmp_path):
        """20 and 40 households, customers 50:50: χ² of the households."""
        size = np.repeat([6, 3], [20, 40])
        household = np.repeat(np.arange(60), size)
        rows = pd.DataFrame({"household": household, "treated": household >= 20, "before": 1.0, "after": 1.0})
        experiment, validity, _effects = measured(tmp_path, rows)
        assert experiment.units.tolist() == [20, 40]
        assert experiment.customers.tolist() == [120, 120]
        assert validity.split.p_value == pytest.approx(stats.chisquare([20, 40]).pvalue)
        assert [problem.kind for problem in validity.problems] == ["split"]
        assert "of the households or stores instead of" in problem_words(validity.problems[0])

    def test_the_past_is_compared_between_households(self, world, people):
        row = world[1].validity.balance.set_index("metric").loc["revenue"]
        fit = clustered(people, "before", ["treated"])
        assert row["difference"] == pytest.approx(fit.params["treated"], abs=1e-5)
        error = fit.bse["treated"] * np.sqrt(30 / 29)
        assert (row["high"] - row["low"]) / 2 / error == pytest.approx(stats.t.ppf(0.975, 2 * 29), rel=0.02)

    @pytest.mark.parametrize(("moved", "broken"), [(1, False), (20, True)])
    def test_a_household_in_two_arms_is_contaminated(self, people, tmp_path, moved, broken):
        first = people.loc[people["household"].isin(people["household"].value_counts().index[-moved:])]
        first = first.drop_duplicates("household").index
        treated = people["treated"].where(~people.index.isin(first), ~people["treated"])
        experiment, validity, _effects = measured(tmp_path, people.assign(treated=treated))
        assert experiment.clusters.mixed == moved
        of = validity.problems if broken else validity.warnings
        mixed = next(problem for problem in of if problem.kind == "mixed_clusters")
        assert mixed.customers == people["household"].isin(people.loc[first, "household"]).sum()
        assert "choosing one of the two arms afterwards is no remedy" in problem_words(mixed)


def test_a_household_is_assigned_on_its_first_day(people, tmp_path):
    """Members on several days: days of assignment share no household, and every customer keeps their own window."""
    days = np.arange(len(people)) % 4
    shop = open_households(tmp_path, people, days=days)
    experiment = registry.list_experiments(shop)[0]
    first = pd.Series(days).groupby(people["household"].to_numpy()).min()
    by_day = experiment.randomised.groupby("day")["n"].sum()
    assert by_day.to_dict() == {(START + int(day) * DAY).date(): n for day, n in first.value_counts().items()}
    counted = registry.count_outcomes(shop)
    assert counted["revenue__units"].sum() == people["household"].nunique()
    row = ab_test.measure_effects(experiment, counted).find("revenue", "b")
    assert row.unadjusted_difference == pytest.approx(
        clustered(people, "after", ["treated"]).params["treated"], abs=1e-5
    )


def test_a_running_test_is_wider_by_the_uncertainty_of_its_variance(people, tmp_path):
    """The always-valid interval is one of normal estimates: its error is widened by t ÷ normal."""
    experiment, _validity, effects = measured(tmp_path, people, ended=False)
    row, r = effects.find("revenue", "b"), experiment.information
    plain = np.sqrt((1 + 1 / r) * np.log((1 + r) / 0.05**2))
    widened = (row.always_valid_high - row.difference) / row.standard_error / plain
    assert widened == pytest.approx(stats.t.ppf(0.975, row.df) / stats.norm.ppf(0.975))
    assert widened > 1.01


class TestLeftOut:
    def test_other_stages_do_not_use_it(self, world):
        shop, found = world
        assert found.experiment.clustered
        assert experiments.check_experiments(shop) == []
        assert not experiments.find_click_value(shop).known

    def test_on_this_page_it_is_said_what_is_not_computed(self, world):
        shop, found = world
        assert found.not_priced == "clustered"
        assert found.decided_in == "ab_test"
        assert not ab_test.rank_responders(shop, [found], np.random.default_rng(1))
        assert not len(ab_test.trace_weeks(shop, [found]))
        table = ab_test.cluster_tables.clusters_table([found])
        assert "Not computed for these tests" in table.text
        words = ab_test.decide([found], "USD")[0]
        assert "60 households or stores were assigned" in words.text
