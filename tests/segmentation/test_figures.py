"""Titles and bars."""

import dataclasses

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from smsroi_helpers.pages import PALETTE
from smsroi_helpers.segmentation import clusters, predictive_value, profile_tables, rules, tables
from smsroi_helpers.segmentation import figures as segmentation_figures


class TestFigures:
    def test_each_group_has_its_bar_and_its_colour(self, company, outcomes):
        segment_outcomes = predictive_value.outcomes_by_segment(company[0], outcomes, "rfm_group")
        ax = segmentation_figures.spend(segment_outcomes)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == list(rules.BUYER_GROUPS)
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(segment_outcomes["spend_share"].tolist())
        assert ax.get_title().startswith("“gold”")

    def test_the_title_of_the_comparison_follows_the_intervals(self):
        base = {
            "outcome": "spend",
            "segments": 5,
            "customers": 900,
            "difference": 0,
            "difference_low": 0,
            "difference_high": 0,
        }
        rows = [
            {"segmentation": "rfm_group", "share": 0.2, "low": 0.15, "high": 0.25, **base},
            {"segmentation": "cluster", "share": 0.1, "low": 0.05, "high": 0.14, **base},
        ]
        assert (
            segmentation_figures.comparison(pd.DataFrame(rows)).get_title()
            == "Of the groupings to plan by, RFM group predicts spend best"
        )
        rows[1]["high"] = 0.16
        assert "not beyond doubt" in segmentation_figures.comparison(pd.DataFrame(rows)).get_title()
        rows[0].update(low=-0.1)
        assert segmentation_figures.comparison(pd.DataFrame(rows)).get_title().startswith("No segmentation")

    @pytest.mark.parametrize(("scores_low", "group_low", "title"), [
        (0.26, 0.15, "Of the groupings to plan by, RFM group predicts spend best; RFM scores predict more"),
        (0.24, 0.15, "Of the groupings to plan by, RFM group predicts spend best"),
        (0.24, -0.01, "Only RFM scores predict spend beyond chance"),
    ])  # fmt: skip
    def test_the_title_of_the_comparison_does_not_pass_over_the_highest_row(self, scores_low, group_low, title):
        base = {"outcome": "spend", "segments": 5, "customers": 900}
        rows = [
            {"segmentation": "rfm_scores", "share": 0.3, "low": scores_low, "high": 0.35, **base},
            {"segmentation": "rfm_group", "share": 0.2, "low": group_low, "high": 0.25, **base},
        ]
        assert segmentation_figures.comparison(pd.DataFrame(rows)).get_title() == title

    def test_a_small_share_of_spend_has_decimals_like_its_interval(self):
        rows = pd.DataFrame({
            "segment": ["gold", "lost"], "customers": [2974, 437], "share": [0.16, 0.02], "bought": [9, 9],
            "spend_share": [0.571, 0.0036], "low": [0.552, 0.0022], "high": [0.59, 0.0050], "per_customer": [9.0, 1.0],
        })  # fmt: skip
        made = segmentation_figures.segments_figure(rows, "rfm_group", 91).markup
        assert "0.36% of spend (0.22% to 0.50%)" in made
        nothing = pd.DataFrame({"segment": ["gold"], "people": [0], "low": [0.0], "high": [0.0], "times": [1.0]})
        told = profile_tables.portraits_text(nothing, rows).markup
        assert 'brought 0.36% of its spend <span class="range">(0.22% to 0.50%)' in told
        assert 'brought 57.1% of its spend <span class="range">(55.2% to 59.0%)' in told

    def test_the_trial_says_whether_clusters_stand(self, company):
        _shop, found, _source = company
        axes = segmentation_figures.cluster_test_bars(found)
        assert axes[0].get_title() == f"{found.tested.k} clusters are more than chance"
        # The bars' own grey is too pale to be seen on every screen.
        assert {to_hex(bar.get_edgecolor()) for ax in axes for bar in ax.patches} == {PALETTE["soft"]}
        fallen = dataclasses.replace(found, tested=dataclasses.replace(found.tested, accepted=False))
        assert "No number of clusters" in segmentation_figures.cluster_test_bars(fallen)[0].get_title()
        chosen = f"Of the numbers above both bars, {found.tested.k} is chosen: it has the highest stability."
        assert chosen in segmentation_figures.cluster_test_figure(found).markup
        assert "highest stability" not in segmentation_figures.cluster_test_figure(fallen).markup

    def test_the_table_of_clusters_says_of_whom_its_numbers_are(self, company):
        found = company[1]
        profiles = clusters.profile(found.sample, found.clusters)
        n = f"{len(found.sample.rows):,}"
        assert f"all {n} customers who have bought" in tables.clusters_table(found, profiles, "USD").markup
        part = dataclasses.replace(found, sample=dataclasses.replace(found.sample, share=0.25))
        drawn = f"a random sample, {n} customers, 25% of those who have bought"
        assert drawn in tables.clusters_table(part, profiles, "USD").markup
