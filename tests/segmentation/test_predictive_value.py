"""What a segmentation predicts, out of time."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.segmentation import (
    cluster_test,
    clusters,
    cutoffs,
    membership,
    predictive_value,
    resolution,
    rules,
    wording,
)
from smsroi_helpers.segmentation import figures as segmentation_figures
from smsroi_helpers.source.read import load
from smsroi_helpers.source.settings import SegmentSettings
from smsroi_helpers.source.shop import open_shop
from smsroi_helpers.statistics.jackknife import GROUPS
from tests.machine import PUBLIC_DATA
from tests.segmentation.samples import ROOT


class TestExplained:
    def test_it_is_the_share_of_another_implementation(self, company, outcomes):
        shop, _found, _source = company
        ours = predictive_value.explained(shop, outcomes).set_index(["segmentation", "outcome"])
        rows = outcomes.later.execute()
        for name in ("rfm_group", "attr_favourite"):
            for outcome in ("spend", "orders"):
                loss, whole = 0.0, 0.0
                for group in range(GROUPS):
                    inside = rows["group"] == group
                    means = rows[~inside].groupby(name)[outcome].mean()
                    loss += ((rows.loc[inside, outcome] - rows.loc[inside, name].map(means)) ** 2).sum()
                    whole += ((rows.loc[inside, outcome] - rows.loc[~inside, outcome].mean()) ** 2).sum()
                assert ours.loc[(name, outcome), "share"] == pytest.approx(1 - loss / whole, rel=1e-6)

    def test_a_segmentation_of_chance_explains_nothing(self, company, outcomes):
        """And many parts of chance do not explain more."""
        shop, _found, _source = company
        rng = np.random.default_rng(1)
        rows = outcomes.later.execute()
        rows["rfm_scores"] = rng.integers(0, 100, len(rows)).astype(str)
        rows = rows[["customer_id", "group", "rfm_group", "rfm_scores", "r_score", "spend", "orders", "response"]]
        table = ibis.memtable(rows)
        found = predictive_value.explained(shop, predictive_value.Outcomes(table, table, 91)).set_index(
            ["segmentation", "outcome"]
        )
        for outcome in predictive_value.OUTCOMES:
            row = found.loc[("rfm_scores", outcome)]
            assert row["share"] < 0.005
            assert row["low"] < 0
        assert found.loc[("rfm_group", "spend"), "low"] > 0.05

    def test_segments_know_nothing_of_the_period_they_are_held_against(self, company, outcomes):
        shop, found, _source = company
        split = shop.as_of - dt.timedelta(days=91)
        labelled = resolution.segments(shop, "rfm_group", split, cuts=found.cuts)
        both = outcomes.later.select("customer_id", "rfm_group").join(labelled, "customer_id").execute()
        assert (both["rfm_group"] == both["segment"]).all()
        assert outcomes.later.spend.sum().execute() == pytest.approx(
            shop.orders.filter(shop.orders.amount >= 0, shop.day(shop.orders.ordered_at) > split)
            .join(labelled.filter(labelled.segment != "prospect"), "customer_id").amount.sum().execute()
        )  # fmt: skip

    def test_what_came_adds_up(self, company, outcomes):
        shop, _found, _source = company
        segment_outcomes = predictive_value.outcomes_by_segment(shop, outcomes, "rfm_group")
        assert segment_outcomes["segment"].tolist() == list(rules.BUYER_GROUPS)
        assert segment_outcomes["spend_share"].sum() == pytest.approx(1)
        assert segment_outcomes["share"].sum() == pytest.approx(1)
        assert (
            (segment_outcomes["low"] < segment_outcomes["spend_share"])
            & (segment_outcomes["spend_share"] < segment_outcomes["high"])
        ).all()

    def test_a_column_that_describes_nobody_is_compared_where_it_is_asked_for(self, company, outcomes):
        shop, found, _source = company
        assert "region" not in outcomes.later.columns
        by_region = predictive_value.collect_outcomes(shop, found, 91, segment_by="region")
        segment_outcomes = predictive_value.outcomes_by_segment(shop, by_region, "region")
        assert segment_outcomes["spend_share"].sum() == pytest.approx(1)
        assert (
            segment_outcomes["customers"].sum()
            == predictive_value.outcomes_by_segment(shop, outcomes, "rfm_group")["customers"].sum()
        )
        explained = predictive_value.explained(shop, by_region).set_index(["segmentation", "outcome"])
        # Where somebody lives is drawn without regard to anything else.
        assert explained.loc[("region", "spend"), "low"] < 0.01 < explained.loc[("rfm_group", "spend"), "low"]
        with pytest.raises(UsageError, match="names no groups"):
            predictive_value.collect_outcomes(shop, found, 91, segment_by="attr_none")


class TestRecency:
    def rows(self, rates):
        rng = np.random.default_rng(1)
        score = np.repeat(np.arange(1, 6), 2000)
        hit = rng.random(10_000) < np.repeat(rates, 2000)
        frame = pd.DataFrame(
            {
                "customer_id": np.arange(10_000).astype(str),
                "group": rng.integers(0, 64, 10_000),
                "r_score": score,
                "orders": hit.astype(int),
                "response": None,
            }
        )
        table = ibis.memtable(frame.astype({"response": "float64"}))
        return predictive_value.Outcomes(table, table, 91)

    @pytest.mark.parametrize(
        ("rates", "words", "title"),
        [
            ((0.1, 0.15, 0.2, 0.25, 0.3), "Recent is better here", "Recent is better in these data"),
            ((0.3, 0.25, 0.2, 0.15, 0.1), "Recent is not better here but worse", "Recent is worse in these data"),
            ((0.2, 0.2, 0.2, 0.2, 0.2), "not shown here whether recent is better", "Recent is not better throughout"),
        ],
    )
    def test_the_words_follow_the_data(self, small_shop, rates, words, title):
        found = predictive_value.response_by_recency(small_shop, self.rows(rates))
        slope = np.polyfit(np.arange(1, 6), found["rate"], 1)[0]
        assert found["trend"].iloc[0] == pytest.approx(slope)  # as many customers in each score
        assert words in wording.recency_sentences(found, ["orders"])
        assert segmentation_figures.by_recency(found).get_title() == title

    @pytest.mark.public_data
    def test_where_the_recent_respond_least_the_page_says_so(self, tmp_path, monkeypatch):
        folder = (PUBLIC_DATA / "retail_tx_response").resolve()
        monkeypatch.setenv("RETAIL_TRANSACTIONS_CSV", str(folder / "Retail_Data_Transactions.csv.gz"))
        monkeypatch.setenv("RETAIL_RESPONSE_CSV", str(folder / "Retail_Data_Response.csv.gz"))
        loaded = load(ROOT / "data" / "retail_transactions", tmp_path / ".loaded")
        shop = open_shop(loaded, "", tmp_path / ".cache")
        cuts = cutoffs.find_cuts(shop)
        sample = clusters.take_sample(shop, 30, attributes=())
        found = membership.Grouping(cuts, cluster_test.ClusterTest(pd.DataFrame(), 0, 1.0, False, 0, 0), None, sample)
        later = predictive_value.collect_outcomes(shop, found, 91)
        table = predictive_value.response_by_recency(shop, later)
        rates = table[table["outcome"] == "response"].sort_values("r_score", ascending=False)["rate"]
        # By fifths that split ties: .062 .084 .091 .121 .112 (data/README of the public set).
        assert rates.to_numpy() == pytest.approx([0.062, 0.084, 0.091, 0.121, 0.112], abs=0.006)
        assert wording.recency_sentences(table, ["response"]).startswith("Recent is not better here but worse")


@pytest.mark.parametrize(("column", "said"), [("attr_favourite", "must hold yes or no"), ("attr_nothing", "no column")])
def test_a_response_that_is_no_yes_or_no_is_refused(company, monkeypatch, column, said):
    shop, found, _source = company
    segments = SegmentSettings(response=column)
    monkeypatch.setattr(shop, "settings", shop.settings.model_copy(update={"segments": segments}))
    with pytest.raises(UsageError, match=said):
        predictive_value.collect_outcomes(shop, found, 91)
