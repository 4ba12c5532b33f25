"""Counts of experiments, compared with customers' rows."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import experiments
from smsroi_helpers.experiments import label_days, registry
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from smsroi_helpers.segmentation import resolve


@pytest.fixture
def shop(simulated):
    return simulated[2]


def test_experiments_are_in_order_of_their_start(shop):
    found = registry.list_experiments(shop)
    assert [each.name for each in found] == ["always-on", "how-often", "which-hour", "which-text"]
    assert [each.started for each in found] == sorted(each.started for each in found)
    for each in found:
        assert each.arms[0] == each.control
        assert each.treated == each.arms[1:]
        assert each.customers.sum() == each.assigned["n"].sum() - each.assigned["late"].sum()


def test_moments_of_one_metric_have_plain_names(shop):
    counted = registry.count_outcomes(shop, "which-text")
    moments = registry.moments_of(counted, "which-text", "profit", ["assigned_day"])
    assert {"arm", "assigned_day", "n", "sum_y", "sum_y2"} <= set(moments.columns)
    rows = arm_outcomes(shop, "which-text").execute()
    assert moments["sum_y"].sum() == pytest.approx(rows["profit"].sum())


def test_customers_in_two_experiments_are_counted_once(shop):
    both = experiments.count_overlaps(shop)
    assigned = shop.assignments.execute()
    counts = assigned.groupby("customer_id")["experiment_id"].nunique()
    assert both["customers"].sum() == (counts * (counts - 1) / 2).sum()
    assert (both["experiment_id"] < both["other_id"]).all()


def test_weekly_sums_are_cumulative(shop):
    """Weekly moments of customers observed for all weeks equal those counted from events."""
    weeks = registry.count_weeks(shop, {"how-often": 5})
    events = arm_outcomes(shop, "how-often").execute()
    long = events[events["outcome_days"] >= 35]
    orders = shop.orders.execute()
    sends = shop.messages.execute()
    margin = shop.settings.margin
    refund = orders["amount"] < 0
    orders["profit"] = margin * orders["amount"] + (margin - 1) * orders["discount"].where(~refund, 0.0)
    both = pd.concat([
        orders[["customer_id", "ordered_at", "profit"]].rename(columns={"ordered_at": "at"}),
        sends[["customer_id", "sent_at"]].assign(profit=-sends["cost"]).rename(columns={"sent_at": "at"}),
    ])  # fmt: skip
    joined = long[["customer_id", "arm", "assigned_at"]].merge(both, on="customer_id")
    since = joined["at"] - joined["assigned_at"]
    for week in (1, 3, 5):
        own = joined[(since >= pd.Timedelta(0)) & (since < pd.Timedelta(weeks=week))]
        so_far = own.groupby(["arm", "customer_id"])["profit"].sum()
        shown = weeks[weeks["week"] == week].set_index("arm")
        assert shown["n"].to_dict() == long.groupby("arm").size().to_dict()
        assert shown["sum_y"].to_dict() == pytest.approx(so_far.groupby("arm").sum().to_dict(), abs=1e-3)
        squares = (so_far**2).groupby("arm").sum().to_dict()
        assert shown["sum_y2"].to_dict() == pytest.approx(squares, rel=1e-6)


@pytest.mark.parametrize(("name", "interval"), [("which-text", 1), ("always-on", 8)])
def test_segments_are_those_before_each_customers_assignment(shop, name, interval):
    """Recency by hand, from the orders before the interval of days in which each customer was assigned."""
    cells = registry.count_by_segment(shop, resolve(shop, "recency").label)
    rows = arm_outcomes(shop, name).execute()
    zone = shop.settings.timezone
    assigned = rows["assigned_at"].dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    since = (assigned - assigned.min()).dt.days
    assert -(-(since.max() + 1) // label_days.MOST_LABEL_DAYS) == interval
    start = assigned.min() + pd.to_timedelta(since // interval * interval, unit="D")
    orders = shop.orders.execute().query("amount >= 0")
    orders["day"] = orders["ordered_at"].dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    both = pd.DataFrame({"customer_id": rows["customer_id"], "start": start}).merge(orders, on="customer_id")
    last = both[both["day"] < both["start"]].groupby("customer_id")["day"].max().reindex(rows["customer_id"])
    days = (start.to_numpy() - last.to_numpy()) / np.timedelta64(1, "D")
    segment = np.select([np.isnan(days), days <= 30, days <= 90], ["never", "0-30", "30-90"], "90+")
    in_time = rows["outcome_days"] > 0
    expected = rows[in_time].groupby(["arm", segment[in_time]]).size().to_dict()
    shown = cells[cells["experiment_id"] == name].set_index(["arm", "segment"])["profit__n"].to_dict()
    assert shown == expected


@pytest.mark.parametrize("segment_by", ["rfm_group", "lifecycle_stage", "attr_favourite", "region"])
def test_every_customer_is_in_one_segment_of_each_grouping(shop, segment_by):
    whole = registry.count_outcomes(shop).groupby(["experiment_id", "arm"])["profit__n"].sum()
    cells = registry.count_by_segment(shop, resolve(shop, segment_by).label)
    assert len(set(cells["segment"])) > 1
    assert cells.groupby(["experiment_id", "arm"])["profit__n"].sum().to_dict() == whole.to_dict()


def test_a_message_before_the_assignment_costs_nothing_where_orders_carry_dates_only(make_source, open_source):
    """An order of the assignment's day counts, since its time is not known; a message of that morning does not."""
    shop = open_source(
        make_source(
            source="margin: 0.5\n",
            orders="order_id,customer_id,ordered_at,amount\n1,a,2025-03-03,100\n2,b,2025-03-03,100\n3,c,2025-04-30,1\n",
            messages="message_id,customer_id,campaign_id,sent_at,cost\n"
            "1,a,k,2025-03-03 08:00,7\n2,b,k,2025-03-03 08:00,7\n3,b,k,2025-03-03 12:00,5\n",
            experiments="experiment_id,kind,started_at,ended_at,control_arm\nx,holdout,2025-03-03,2025-03-20,out\n",
            arms="experiment_id,arm,share\nx,in,0.5\nx,out,0.5\n",
            assignments="experiment_id,customer_id,arm,assigned_at\n"
            "x,a,out,2025-03-03 10:00\nx,b,in,2025-03-03 10:00\n",
        )
    )
    outcomes = registry.count_outcomes(shop).set_index("arm")["profit__sum_y"].to_dict()
    weeks = registry.count_weeks(shop, {"x": 1}).set_index("arm")["sum_y"].to_dict()
    months = registry.count_months(shop).set_index("arm")["sum_y"].to_dict()
    assert outcomes == weeks == months == {"out": 50.0, "in": 45.0}


def test_months_are_those_of_the_source(make_source, open_source):
    """The evening of 31 March in New York is April in UTC; the first hours of April in Shanghai are March in UTC."""
    for zone in ("America/New_York", "Asia/Shanghai"):
        midnight = pd.Timestamp("2025-04-01", tz=zone)
        orders = "".join(
            f"{k},{who},{(midnight + pd.Timedelta(seconds=seconds)).isoformat()},{amount}\n"
            for k, (who, seconds, amount) in enumerate(
                [("a", -1, 10), ("a", 0, 100), ("b", -3 * 3600, 30), ("b", 3 * 3600, 200), ("b", 86_400 * 25, 1)]
            )
        )
        shop = open_source(
            make_source(
                source=f"margin: 0.5\ntimezone: {zone}\n",
                orders="order_id,customer_id,ordered_at,amount\n" + orders,
                messages="message_id,customer_id,campaign_id,sent_at,cost\n"
                f"1,b,k,{(midnight - pd.Timedelta(seconds=1)).isoformat()},2\n2,b,k,{midnight.isoformat()},3\n",
                experiments="experiment_id,kind,started_at,ended_at,control_arm\nx,holdout,2025-03-03,,out\n",
                arms="experiment_id,arm,share\nx,in,0.5\nx,out,0.5\n",
                assignments="experiment_id,customer_id,arm,assigned_at\nx,a,out,2025-03-03\nx,b,in,2025-03-03\n",
            )
        )
        months = registry.count_months(shop)
        found = {(row.arm, pd.Timestamp(row.month).month): (row.sum_y, row.sum_y2) for row in months.itertuples()}
        assert found == {
            ("out", 3): (5.0, 25.0), ("out", 4): (50.0, 2500.0),
            ("in", 3): (13.0, 169.0), ("in", 4): (97.5, 97.5**2),
        }, zone  # fmt: skip
