"""Titles and bars."""

import dataclasses

import pandas as pd
import pytest

from smsroi_helpers.segmentation import figures as segmentation_figures
from smsroi_helpers.segmentation import predictive_value, rules


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
            == "Of the groupings, RFM group predicts spend best"
        )
        rows[1]["high"] = 0.16
        assert "not beyond doubt" in segmentation_figures.comparison(pd.DataFrame(rows)).get_title()
        rows[0].update(low=-0.1)
        assert segmentation_figures.comparison(pd.DataFrame(rows)).get_title().startswith("No segmentation")

    def test_the_trial_says_whether_clusters_stand(self, company):
        _shop, found, _source = company
        axes = segmentation_figures.cluster_test_bars(found)
        assert axes[0].get_title() == f"{found.tested.k} clusters are more than chance"
        fallen = dataclasses.replace(found, tested=dataclasses.replace(found.tested, accepted=False))
        assert "No number of clusters" in segmentation_figures.cluster_test_bars(fallen)[0].get_title()
