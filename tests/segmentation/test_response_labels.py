"""Levels of many groupings at once: the same as those of each grouping alone."""

import datetime as dt

import ibis
import pandas as pd

from smsroi_helpers import experiments
from smsroi_helpers.segmentation import cutoffs, membership, resolution
from smsroi_helpers.segmentation.past_clicks import find_past_clicks
from smsroi_helpers.segmentation.response_labels import Groupings, label_together
from smsroi_helpers.segmentation.response_rule import ResponseRule
from smsroi_helpers.segmentation.response_tree import Split
from tests.segmentation.samples import HEAD


def levels_of(rows, column, customer="customer_id", test="experiment_id"):
    return rows.set_index([test, customer])[column].sort_index().rename("level").rename_axis(["test", "customer"])


def test_each_level_is_that_of_its_grouping_alone_as_of_the_day_before(company):
    shop, found, _source = company
    clicks = find_past_clicks(shop)
    groupings = Groupings(found.cuts, ("attr_member_level",), found.clusters, clicks)
    rows = label_together(shop, groupings, ["how-often"]).execute()
    clustered = ("cluster",) if found.clusters is not None else ()
    assert groupings.names == (
        "rfm_group", "lifecycle_stage", "recency", *clustered, "attr_member_level", "past_clicks"
    )  # fmt: skip
    labels = {
        name: resolution.resolve(shop, name, cuts=found.cuts, clusters=found.clusters).label
        for name in ("lifecycle_stage", *clustered)
    } | {"past_clicks": clicks[0].label}
    for name, label in labels.items():
        alone = experiments.label_when_assigned(shop, label, "how-often").execute()
        assert levels_of(rows, name).equals(levels_of(alone, "segment", "member", "of_experiment")), name


def test_labels_of_several_days_are_those_of_each_day_alone(company):
    shop, found, _source = company
    days = [shop.as_of - dt.timedelta(days=after) for after in (0, 40, 150)]
    people = shop.customers.select("customer_id").limit(400)
    dated = ibis.union(*(people.mutate(label_day=ibis.literal(day)) for day in days))
    rule = ResponseRule(("past_clicks", "lifecycle_stage"), (Split(0, 0, frozenset({0, 1})),), (
        ("no texts yet", "rarely", "sometimes", "often"), membership.STAGES,
    ))  # fmt: skip
    stage = resolution.resolve(shop, "lifecycle_stage", cuts=found.cuts)
    parts = (find_past_clicks(shop)[0].label, stage.label)
    ways = [stage, membership.Segmentation(shop, "response", rule=rule, parts=parts), *(
        resolution.resolve(shop, name, cuts=found.cuts)
        for name in ("rfm_group", "recency", "region", "attr_member_level")
    ), membership.Segmentation(shop, membership.EVERYBODY)]  # fmt: skip
    if found.clusters is not None:
        ways.append(resolution.resolve(shop, "cluster", clusters=found.clusters))
    for way in ways:
        together = way.label(dated, shop.keep(dated.select("label_day").distinct())).execute()
        several = {pd.Timestamp(day).date(): rows for day, rows in together.groupby("label_day")}
        assert sorted(several) == sorted(days), way.name
        for day in days:
            alone = way.label(people, day).execute().set_index("customer_id")["segment"].sort_index()
            assert several[day].set_index("customer_id")["segment"].sort_index().equals(alone), (way.name, day)
        if way.name in ("rfm_group", "recency", "lifecycle_stage", "response"):
            assert together.groupby("customer_id")["segment"].nunique().gt(1).any(), way.name


def test_customers_are_labelled_as_of_the_day_before_their_own_assignment(make_source, open_source):
    """a buys between the two days of assignment and b before both, so that by recency only b has bought when assigned.

    Assigned on 10 January and, in the other experiment, on 20 January, when both have.
    """
    shop = open_source(
        make_source(
            orders=HEAD + "1,a,2024-01-15,5\n2,b,2024-01-05,5\n3,c,2024-02-20,5\n",
            experiments="experiment_id,kind,control_arm,started_at,ended_at\nx,content,p,2024-01-10,2024-02-01\n"
            "y,content,p,2024-01-20,2024-02-01\n",
            arms="experiment_id,arm,share\nx,p,0.5\nx,q,0.5\ny,p,0.5\ny,q,0.5\n",
            assignments="experiment_id,customer_id,arm,assigned_at\nx,a,p,2024-01-10\nx,b,q,2024-01-10\n"
            "y,a,p,2024-01-20\ny,b,q,2024-01-20\n",
        )
    )
    groupings = Groupings(cutoffs.find_cuts(shop), ())
    rows = label_together(shop, groupings, ["x", "y"]).execute()
    assert levels_of(rows, "recency").to_dict() == {
        ("x", "a"): "never", ("x", "b"): "0-30", ("y", "a"): "0-30", ("y", "b"): "0-30",
    }  # fmt: skip
    assert levels_of(rows, "rfm_group")["x", "a"] == "prospect"
