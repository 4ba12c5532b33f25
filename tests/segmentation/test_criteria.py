"""The criteria of a good segmentation."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest
from statsmodels.stats.power import NormalIndPower

from smsroi_helpers import ab_test
from smsroi_helpers.ab_test.study import differ_by_segment
from smsroi_helpers.segmentation import criteria, cutoffs, membership, resolution, rules
from tests.segmentation.samples import HEAD


class TestPrinciples:
    def test_the_smallest_lift_is_seen_four_times_in_five(self, company, outcomes):
        """By the power of another implementation, at the difference we name."""
        shop, _found, _source = company
        found = criteria.measurable(shop, outcomes, "rfm_group").detail
        for row in found.itertuples():
            spread = np.sqrt(row.rate * (1 - row.rate))
            power = NormalIndPower().power(row.lift * row.rate / spread, row.customers / 2, 0.05)
            assert power == pytest.approx(0.8, abs=0.001)
            assert row.lift_low < row.lift < row.lift_high

    def test_reach_is_counted_by_consent_and_delivery(self, make_source, open_source):
        orders = HEAD + "".join(f"{i},{c},2024-05-0{1 + i},5\n" for i, c in enumerate("abcde"))
        customers = "customer_id,opted_in_at,opted_out_at\na,2024-01-01,\nb,2024-01-01,2024-03-01\nc,,\n"
        customers += "d,2024-01-01,\ne,2024-01-01,\n"
        sent = "message_id,customer_id,campaign_id,sent_at,delivered_at\n"
        sent += "".join(
            f"{i},{c},w,2024-05-0{2 + i},{at}\n"
            for i, (c, at) in enumerate([("a", "2024-05-02"), ("b", "2024-05-03"), ("c", "2024-05-04"), ("d", "")])
        )
        shop = open_source(make_source(orders=orders, customers=customers, messages=sent))
        chosen = resolution.segments(shop, "rfm_group", cuts=cutoffs.Cuts(90, 180))
        found = criteria.reachable(shop, chosen, "rfm_group", 30)
        assert found.value == pytest.approx(1 / 5)  # a alone: b left, c never agreed, d was not reached, e not texted

    def test_arms_that_do_the_same_everywhere_pass_as_often_as_said(self):
        """The statistic of 2,000 additive tables is χ²: by Kolmogorov and Smirnov, and at the 5 % point."""
        rng = np.random.default_rng(8)
        effects = np.array([1.0, 3.0, -2.0, 0.5])[:, None] + np.array([0.0, 0.7, -0.4])
        variance = rng.uniform(0.01, 0.2, effects.shape)
        found = [criteria._interaction(effects + rng.normal(0, np.sqrt(variance)), variance) for _ in range(2000)]
        assert {df for _statistic, df in found} == {6}
        p_values = chi2.sf([statistic for statistic, _df in found], 6)
        assert kstest(p_values, "uniform").pvalue > 0.001
        assert abs((p_values < 0.05).mean() - 0.05) < 4 * np.sqrt(0.0475 / 2000)

    def experiment(self, rng, effect_of_frequent, people=3000):
        """Customers who bought twice or once before an experiment, and what they bought in it."""
        lines, assigned = [], []
        for i in range(people):
            often, treated = i % 2, int(rng.random() < 0.5)
            lines.append(f"a{i},c{i},2024-01-{1 + i % 20:02},10")
            if often:
                lines.append(f"b{i},c{i},2024-02-{1 + i % 20:02},10")
            if rng.random() < 0.2 + treated * (effect_of_frequent if often else 0.0):
                lines.append(f"d{i},c{i},2024-03-{2 + i % 20:02},10")
            assigned.append(f"x,c{i},{'treat' if treated else 'control'},2024-03-01")
        return {
            "orders": HEAD + "\n".join(lines) + "\n",
            "experiments": "experiment_id,kind,control_arm,started_at,ended_at,primary_metric\n"
            "x,holdout,control,2024-03-01,2024-03-31,order_rate\n",
            "arms": "experiment_id,arm,share\nx,treat,0.5\nx,control,0.5\n",
            "assignments": "experiment_id,customer_id,arm,assigned_at\n" + "\n".join(assigned) + "\n",
        }

    @pytest.mark.parametrize(("effect", "status"), [(0.3, "pass"), (0.0, "warn")])
    def test_segments_that_answer_differently_are_found(self, make_source, open_source, effect, status):
        shop = open_source(make_source(**self.experiment(np.random.default_rng(9), effect)), as_of="2024-03-31")
        cuts = cutoffs.Cuts(60, 120, frequent_score=3, high_score=1)
        found = membership.Grouping(cuts, None, None, None)
        criterion = criteria.actionable(shop, found, "rfm_group")
        assert criterion.status == status
        effects = criterion.detail["effects"].iloc[0].set_index("segment")
        # Segments of the day before: who bought twice is gold, whatever the experiment made of them.
        assert effects.index.tolist() == ["gold", "growth"]
        assert effects.loc["gold", "low"] < effect < effects.loc["gold", "high"]
        assert effects.loc["growth", "low"] < 0 < effects.loc["growth", "high"]

    def test_a_broken_experiment_shows_no_effect(self, make_source, open_source):
        files = self.experiment(np.random.default_rng(9), 0.3)
        files["arms"] = "experiment_id,arm,share\nx,treat,0.9\nx,control,0.1\n"
        shop = open_source(make_source(**files), as_of="2024-03-31")
        criterion = criteria.actionable(shop, membership.Grouping(cutoffs.Cuts(60, 120), None, None, None), "rfm_group")
        assert criterion.status == "unknown"
        assert criterion.detail["status"].tolist() == ["broken"]
        assert criterion.detail["effects"].iloc[0].empty

    def test_it_is_what_the_page_of_experiments_finds(self, company):
        """The same validity, effects and p-values as `05_ab_test`, segment by segment."""
        shop, found, _source = company
        by_experiment = criteria.actionable(shop, found, "rfm_group").detail.set_index("experiment_id")
        tested = 0
        for each in ab_test.analyse(shop, segment_by="rfm_group"):
            row = by_experiment.loc[each.experiment.name]
            assert (row["status"] == "broken") == each.validity.broken
            if row["status"] != "tested" or len(each.experiment.treated) > 1:
                continue
            (arm,) = each.experiment.treated
            theirs = {one.segment: one for one in each.effects.by_segment(row["metric"], arm)}
            assert row["metric"] == each.decision.metric
            assert row["effects"]["segment"].tolist() == [
                name for name in (*rules.BUYER_GROUPS, rules.PROSPECT) if name in theirs and theirs[name].low < np.inf
            ]
            for one in row["effects"].itertuples():
                same = theirs[one.segment]
                assert (one.difference, one.low, one.high) == pytest.approx((same.difference, same.low, same.high))
            p_value = differ_by_segment(each, row["metric"])["p_value"].iloc[0]
            assert row["p_value"] == pytest.approx(p_value)
            tested += 1
        assert tested
