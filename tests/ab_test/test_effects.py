"""Effects compared with published ones of public experiments, and with estimates from customers' rows."""

import numpy as np
import pytest
from scipy import stats

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.study import differ_by_segment
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from tests.experiment_sources import by_name, effect


def means_of(found, metric):
    """Arm → mean, of all customers."""
    return {arm: found.effects.find(metric, arm).mean for arm in found.experiment.arms}


@pytest.mark.public_data
class TestHillstrom:
    @pytest.fixture(scope="class")
    def found(self, open_public):
        return ab_test.analyse(open_public("hillstrom"), segment_by="attr_channel")[0]

    def test_arms_are_the_published_ones(self, found):
        customers = dict(zip(found.experiment.arms, found.experiment.customers, strict=True))
        assert customers == {"none": 21_306, "mens": 21_307, "womens": 21_387}
        visits = {"none": 0.106167, "mens": 0.182757, "womens": 0.151400}
        revenue = {"none": 0.652789, "mens": 1.422617, "womens": 1.077202}
        assert means_of(found, "visit_rate") == pytest.approx(visits, abs=5e-7)
        assert means_of(found, "revenue") == pytest.approx(revenue, abs=5e-7)
        assert [found.effects.find("order_rate", arm).events for arm in found.experiment.arms] == [122, 267, 189]

    @pytest.mark.parametrize(
        ("arm", "metric", "published", "digits"),
        [
            ("mens", "visit_rate", (0.0766, 0.0700, 0.0832), 4),
            ("mens", "order_rate", (0.00681, 0.00500, 0.00861), 5),
            ("mens", "revenue", (0.770, 0.485, 1.055), 3),
            ("womens", "visit_rate", (0.0452, 0.0389, 0.0516), 4),
            ("womens", "order_rate", (0.00311, 0.00150, 0.00472), 5),
            ("womens", "revenue", (0.424, 0.169, 0.680), 3),
        ],
    )
    def test_differences_are_the_published_ones(self, found, arm, metric, published, digits):
        assert tuple(round(value, digits) for value in effect(found, metric, arm)) == published

    def test_without_a_covariate_nothing_is_adjusted(self, found):
        assert {row.method for row in found.effects} <= {"welch", "few_events"}
        compared = [row for row in found.effects if row.method == "welch" and not np.isnan(row.difference)]
        assert len(compared) > 6
        assert all(row.difference == row.unadjusted_difference for row in compared)


@pytest.mark.public_data
def test_five_conversions_are_compared_exactly(open_public):
    """Miettinen & Nurminen +.0152 [.0008, .0222], Fisher .048; neither Wald's .0025 nor the pooled .042."""
    found = ab_test.analyse(open_public("marketing_ab"))[0]
    values = effect(found, "order_rate", "ad", ("difference", "low", "high", "p_value"))
    assert [round(value, 4) for value in values[:3]] == [0.0152, 0.0008, 0.0222]
    assert round(values[3], 3) == 0.048
    revenue = found.effects.find("revenue", "ad")
    assert np.isnan([*revenue.interval, revenue.p_value]).all()
    assert revenue.reason == "no_variance"


class TestCompany:
    def test_effects_are_those_of_the_rows(self, company, evaluated):
        """An experiment assigned on few days: Welch and its adjustment, by SciPy on every customer."""
        found = by_name(evaluated, "which-text")
        rows = arm_outcomes(company[2], "which-text").execute()
        arms = [rows.loc[rows["arm"] == arm, "profit"] for arm in ("sale_20", "new_in")]
        theirs = stats.ttest_ind(*arms, equal_var=False)
        low, high = theirs.confidence_interval()
        names = ("unadjusted_difference", "unadjusted_low", "unadjusted_high")
        expected = [arms[0].mean() - arms[1].mean(), low, high]
        assert effect(found, "profit", "sale_20", names) == pytest.approx(expected, rel=1e-6)
        widths = np.diff(effect(found, "profit", "sale_20", ("low", "high"))), high - low
        assert widths[0] < widths[1]

    def test_rates_are_those_of_the_rows(self, company, evaluated):
        found = by_name(evaluated, "how-often")
        rows = arm_outcomes(company[2], "how-often").execute()
        means = rows.groupby("arm").agg(
            ordered=("ordered", "mean"), out=("opted_out", "mean"), visited=("visited", "mean")
        )
        clicks = rows.groupby("arm")["clicked_messages"].sum() / rows.groupby("arm")["click_known_messages"].sum()
        assert means_of(found, "order_rate") == pytest.approx(means["ordered"].to_dict())
        assert means_of(found, "opt_out_rate") == pytest.approx(means["out"].to_dict())
        assert means_of(found, "visit_rate") == pytest.approx(means["visited"].to_dict())
        assert means_of(found, "click_rate") == pytest.approx(clicks.to_dict())


class TestFewEvents:
    def test_nobody_bought(self, evaluate):
        found = evaluate("nobody-bought")
        money = [found.effects.find(metric, "b") for metric in ("revenue", "profit")]
        assert np.isnan([[*row.interval, row.p_value] for row in money]).all()
        assert {row.reason for row in money} == {"no_variance"}
        rate = effect(found, "order_rate", "b", ("difference", "low", "high", "p_value"))
        assert rate == pytest.approx([0, -0.0126, 0.0126, 1], abs=1e-4)  # by Miettinen & Nurminen
        assert found.decision.outcome == "keep_running"


class TestArms:
    def test_swapped_arms_reverse_the_decision(self, evaluate):
        one = evaluate("clear")
        other = evaluate("swapped")
        assert effect(other, "profit", "a") == pytest.approx(
            [-x for x in np.array(effect(one, "profit", "b"))[[0, 2, 1]]]
        )
        lift, back = (effect(found, "profit", arm, ("relative",))[0] for found, arm in ((one, "b"), (other, "a")))
        assert back == pytest.approx(-lift / (1 + lift))
        assert other.decision.outcome == "keep_control"

    def test_segments_with_the_same_effect_do_not_differ(self, evaluate):
        """The arm has the same effect on recent buyers and on customers who never bought."""
        for name, arms in (("clear", 1), ("two-against-one", 2)):
            found = evaluate(name)
            apart = differ_by_segment(found)
            assert apart["segments"].tolist() == [2] * arms
            assert (apart[["adjusted_p", "adjusted_p_relative"]] > 0.01).all().all()
            parts = [effect(found, "profit", "b", segment=segment) for segment in ("0-30", "never")]
            whole = effect(found, "profit", "b")[0]
            assert all(low < whole < high and low > 0 for _difference, low, high in parts)
