"""Who is in which segment on any day, the same wherever it is asked."""

import datetime as dt
import os
import time

import pandas as pd
import pytest

from smsroi_helpers.cltv.implications import count_segments
from smsroi_helpers.errors import NotEnoughData, UsageError
from smsroi_helpers.segmentation import clusters, cutoffs, membership, predictive_value, resolution, rfm, rules
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests.segmentation.samples import CUSTOMERS, HEAD


class TestGroups:
    def test_groups_stages_and_clusters_hold_everybody_known_once(self, company, tmp_path):
        shop, found, _source = company
        rows = shop.write(membership.customer_segments(shop, found), tmp_path / "segments.parquet")
        table = pd.read_parquet(tmp_path / "segments.parquet")
        assert rows == CUSTOMERS == table["customer_id"].nunique()
        never = table["frequency"].isna()
        assert set(table.loc[~never, "rfm_group"]) <= set(rules.BUYER_GROUPS)
        assert (table.loc[never, ["rfm_group", "cluster"]] == rules.PROSPECT).all().all()
        assert (table.loc[never, "lifecycle_stage"] == "awareness").all()
        assert set(table["lifecycle_stage"]) <= set(rules.STAGES)
        for column in ("rfm_group", "cluster", "lifecycle_stage"):
            asked = (
                resolution.segments(shop, column, cuts=found.cuts, clusters=found.clusters)
                .order_by("customer_id")
                .execute()
            )
            assert asked["segment"].tolist() == table[column].tolist()

    def test_the_same_customers_get_the_same_groups_in_every_form_and_time_zone(self, company, tmp_path, monkeypatch):
        """Rows shuffled, files split, CSV instead of parquet, the machine's clock elsewhere: the same bytes."""
        shop, _found, _source = company
        names = ("orders", "customers", "messages")
        frames = {
            "orders": shop.orders.select("order_id", "customer_id", "ordered_at", "amount").execute(),
            "customers": shop.customers.select(
                "customer_id", "joined_at", "attr_favourite", "attr_member_level", "referred_by"
            ).execute(),
            "messages": shop.messages.select(
                "message_id", "customer_id", "campaign_id", "sent_at", "delivered_at", "clicked_at"
            ).execute(),
        }  # fmt: skip
        for frame in frames.values():
            for column in frame.select_dtypes("datetime"):
                frame[column] = frame[column].dt.tz_localize("UTC")  # without a zone they would be the source's clock
        people = sorted(frames["customers"]["customer_id"])[:500]
        frames = {name: frame[frame["customer_id"].isin(people)] for name, frame in frames.items()}
        left = {}
        for form in ("parquet", "shuffled", "split", "csv"):
            folder = tmp_path / form
            folder.mkdir()
            (folder / "source.yml").write_text("timezone: America/New_York\n")
            for name in names:
                frame = frames[name]
                if form == "shuffled":
                    frame = frame.sample(frac=1, random_state=3)
                if form == "split":
                    (folder / name).mkdir()
                    for part in range(3):
                        frame.iloc[part::3].to_parquet(folder / name / f"{2 - part}.parquet", index=False)
                elif form == "csv":
                    frame.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
                else:
                    frame.to_parquet(folder / f"{name}.parquet", index=False)
            monkeypatch.setitem(os.environ, "TZ", "Asia/Shanghai" if form == "shuffled" else "UTC")
            time.tzset()
            same = open_shop(load(folder, folder / ".loaded"), "", folder / ".cache")
            cuts = cutoffs.find_cuts(same)
            sample = clusters.take_sample(same, cuts.dormant_after_days // 2)
            fitted = clusters.fit_clusters(sample, 3, seed=1)
            found = membership.Grouping(cuts, None, fitted, sample)
            same.write(membership.customer_segments(same, found), folder / "out.parquet")
            left[form] = (folder / "out.parquet").read_bytes()
        monkeypatch.undo()
        time.tzset()
        assert [form for form, table in left.items() if table != left["parquet"]] == []


class TestAsking:
    def test_a_column_of_customers_groups_too(self, company):
        shop, _found, _source = company
        labelled = resolution.segments(shop, "attr_member_level").execute()
        truth = shop.customers.select("customer_id", "attr_member_level").execute()
        both = labelled.merge(truth, on="customer_id")
        assert (both["segment"] == both["attr_member_level"]).all()

    @pytest.mark.parametrize("name", ["attr_nothing", "customer_id", "joined_at", "referred_by", ""])
    def test_what_names_no_groups_is_refused(self, company, name):
        with pytest.raises(UsageError, match="names no groups"):
            resolution.segments(company[0], name)

    def test_clusters_that_do_not_stand_group_nobody(self, small_shop):
        with pytest.raises(NotEnoughData, match="do not support clusters"):
            resolution.segments(small_shop, "cluster")
        found = membership.find_grouping(small_shop)
        later = predictive_value.collect_outcomes(small_shop, found, 91)
        with pytest.raises(NotEnoughData, match="do not support clusters"):
            predictive_value.outcomes_by_segment(small_shop, later, "cluster")


EVERY = (
    "rfm_group", "cluster", "lifecycle_stage", "recency", "attr_favourite", "attr_member_level", "region",
    "acquisition_channel", "response",
)  # fmt: skip
"""Every kind of value that `segment_by` accepts."""


def groups_of(rows, column="segment"):
    return rows.select("customer_id", segment=column).execute().set_index("customer_id")["segment"].sort_index()


class TestSegmentation:
    @pytest.mark.parametrize("segment_by", EVERY)
    def test_the_same_customers_are_in_the_same_group_wherever_it_is_asked(self, company, segment_by):
        """At a day, of an experiment's customers, in the next period's outcomes, in value by segment."""
        shop, found, _source = company
        one = resolution.resolve(shop, segment_by, cuts=found.cuts, clusters=found.clusters)
        day = shop.as_of - dt.timedelta(days=91)
        then, now = groups_of(one.at(day)), groups_of(one.at())
        assert len(now) == CUSTOMERS
        assert one.order(now.unique()) == membership.segment_order(segment_by, list(now.unique()))
        asked = resolution.segments(shop, segment_by, day, cuts=found.cuts, clusters=found.clusters)
        assert groups_of(asked).equals(then)
        assigned = groups_of(one.label(shop.assignments.select("customer_id").distinct(), day))
        both = assigned.index.intersection(then.index)
        assert len(both) > 100
        assert assigned[both].equals(then[both])
        if segment_by != "cluster":  # of which the outcomes fit their own, to what was known at the split
            later = predictive_value.collect_outcomes(shop, found, 91, segment_by=segment_by).later
            labelled = groups_of(later, membership.outcome_column(segment_by))
            assert labelled.equals(then[labelled.index])
        if segment_by in ("rfm_group", "cluster", "lifecycle_stage"):
            assert groups_of(membership.customer_segments(shop, found), segment_by).equals(now)

    @pytest.mark.parametrize("segment_by", EVERY)
    def test_value_is_added_up_over_the_same_groups(self, company, segment_by):
        shop, _found, _source = company
        buyers = rfm.rfm_rows(shop)
        one = resolution.resolve(shop, segment_by)
        sizes = groups_of(one.label(buyers)).value_counts().to_dict()
        assert count_segments(shop, segment_by).groupby("group")["customers"].sum().to_dict() == sizes

    def test_clusters_found_by_another_notebook_are_the_same(self, company):
        shop, found, _source = company
        alone = resolution.resolve(shop, "cluster").clusters
        assert (alone.centroids == found.clusters.centroids).all()
        assert alone.names == found.clusters.names

    @pytest.mark.parametrize("ask", [resolution.resolve, resolution.segments, count_segments])
    @pytest.mark.parametrize("name", ["shoe_size", "attr_none", "customer_id", "joined_at"])
    def test_anything_else_is_the_same_error_everywhere(self, company, ask, name):
        with pytest.raises(UsageError, match=f"segment_by: '{name}' names no groups here; use one of rfm_group,"):
            ask(company[0], name)

    def test_the_error_names_what_the_source_has(self, make_source, open_source):
        folder = make_source(orders=HEAD + "1,a,2024-01-05,5\n", customers="customer_id,region\na,north\n")
        with pytest.raises(
            UsageError, match="use one of rfm_group, cluster, lifecycle_stage, recency, response, region$"
        ):
            resolution.resolve(open_source(folder), "acquisition_channel")

    def test_an_outcome_groups_nobody(self, make_source, open_source):
        customers = "customer_id,attr_answered,attr_level\na,yes,1\nb,no,2\n"
        folder = make_source(
            orders=HEAD + "1,a,2024-01-05,5\n", customers=customers, source="segments:\n  response: attr_answered\n"
        )
        with pytest.raises(UsageError, match="'attr_answered' is the response"):
            resolution.resolve(open_source(folder), "attr_answered")
        with pytest.raises(UsageError, match="recency, response, attr_level$"):
            resolution.resolve(open_source(folder), "attr_none")

    def test_a_column_counts_for_who_is_not_known_yet_and_behaviour_does_not(self, make_source, open_source):
        customers = "customer_id,joined_at,region\na,2024-01-01,north\nb,2024-03-01,all\nc,2024-01-01,\n"
        orders = HEAD + "1,a,2024-01-05,5\n2,b,2024-03-05,5\n"
        shop = open_source(make_source(orders=orders, customers=customers))
        day = dt.date(2024, 2, 1)
        everybody = shop.customers.select("customer_id")
        by_region, by_recency = (resolution.resolve(shop, name) for name in ("region", "recency"))
        assert groups_of(by_region.at(day)).to_dict() == {"a": "north", "c": "unknown"}
        assert groups_of(by_region.label(everybody, day)).to_dict() == {"a": "north", "b": "“all”", "c": "unknown"}
        assert groups_of(by_recency.label(everybody, day)).to_dict() == {"a": "0-30", "b": "never", "c": "never"}
