"""A date without a time means the whole day, whichever column has it."""

import datetime as dt

import ibis
import pytest

from smsroi_helpers import contract, measures
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes

ORDERS = "order_id,customer_id,ordered_at,amount\n"
EXPERIMENT = {
    "experiments": "experiment_id,kind,control_arm,started_at,ended_at\nx,holdout,a,2024-05-01,2024-05-07\n",
    "arms": "experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
    "assignments": "experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-05-01 15:00\n",
}


def outcome(shop):
    return arm_outcomes(shop).execute().iloc[0]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_one_order_with_a_time_does_not_make_the_others_midnights(make_source, open_source, zone):
    rows = "0,a,2024-02-01,1\n1,a,2024-04-30,3\n2,a,2024-05-01,5\n3,a,2024-05-07,7\n4,a,2024-05-01 09:00,11\n"
    rows += "5,a,2024-05-01 16:00,13\n6,a,2024-06-01,1\n"
    folder = make_source(orders=ORDERS + rows, source=f"timezone: {zone}\n", **EXPERIMENT)
    shop = open_source(folder)
    row = outcome(shop)
    # The date counts as after the assignment, the order of nine o'clock does not.
    assert (row["orders"], row["revenue"], row["same_day_orders"]) == (3, 25.0, 1)
    assert (row["pre_orders"], row["pre_revenue"]) == (2, 14.0)
    dated = measures.purchases(shop).execute().set_index("order_id")["without_time"]
    assert dated[dated].index.tolist() == ["0", "1", "2", "3", "6"]


def test_one_order_at_midnight_is_no_date(make_source, open_source):
    rows = "0,a,2024-02-01 08:00,1\n1,a,2024-05-01 00:00,3\n2,a,2024-05-02 18:00,5\n3,a,2024-06-01 08:00,5\n"
    shop = open_source(make_source(orders=ORDERS + rows, **EXPERIMENT))
    assert (outcome(shop)["orders"], outcome(shop)["same_day_orders"]) == (1, 0)
    assert not measures.purchases(shop).execute()["without_time"].any()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("kind", ["timestamp", "date", "text"])
def test_a_last_day_is_whole_in_every_type(make_source, open_source, zone, kind):
    orders = ORDERS + "0,a,2024-02-01 12:00,1\n1,a,2024-05-07 23:30,5\n2,a,2024-05-08 00:00,7\n3,a,2024-06-01 09:00,1\n"
    folder = make_source(orders=orders, source=f"timezone: {zone}\n", **EXPERIMENT)
    last = {"timestamp": dt.datetime(2024, 5, 7), "date": dt.date(2024, 5, 7), "text": "2024-05-07"}[kind]
    experiments = ibis.memtable({
        "experiment_id": ["x"], "kind": ["holdout"], "control_arm": ["a"], "started_at": [dt.datetime(2024, 5, 1)],
        "ended_at": [last],
    })  # fmt: skip
    (folder / "experiments.csv").unlink()
    experiments.to_parquet(folder / "experiments.parquet")
    assert (outcome(open_source(folder))["orders"], outcome(open_source(folder))["revenue"]) == (1, 5.0)


MESSAGES = (
    "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at,replied_at,opted_out_at\n"
    "1,a,c,2024-05-02 10:00,2024-05-02,2024-05-02,2024-05-02,\n"
    "2,a,c,2024-05-03 10:00,2024-05-03,,,2024-05-03\n"
    "3,b,c,2024-05-03 10:00,2024-05-03,2024-05-02,,\n"
)


def test_what_follows_a_message_on_its_day_is_not_before_it(make_source, open_source):
    orders = ORDERS + "0,a,2024-02-01 12:00,1\n3,a,2024-06-01 09:00,1\n"
    shop = open_source(make_source(orders=orders, messages=MESSAGES, **EXPERIMENT), max_rejected_share=0.5)
    wrong = [(finding.column, finding.rows) for finding in shop.loaded.findings if finding.rule == "before it was sent"]
    assert wrong == [("clicked_at", 1)]  # of the day before
    row = outcome(shop)
    assert (row["messages"], row["clicked_messages"], row["replied_messages"], row["opted_out"]) == (2, 1, 1, 1)
    clicks = measures.human_clicks(shop).filter(ibis._.human_click_at.notnull())
    dated = measures.without_time(shop, clicks.human_click_at, "messages", "clicked_at")
    assert clicks.select(dated=dated).execute()["dated"].tolist() == [True]


@pytest.mark.parametrize(("opted_in", "subscribed"), [("2024-05-03", 0), ("2024-05-04", 1)])
def test_a_text_of_the_day_of_an_opt_out_is_no_finding_and_the_next_one_is(
    make_source, open_source, opted_in, subscribed
):
    sends = "message_id,customer_id,campaign_id,sent_at\n1,a,c,2024-05-03 10:00\n2,a,c,2024-05-03 23:58\n"
    folder = make_source(
        orders=ORDERS + "0,a,2024-02-01 12:00,1\n3,a,2024-06-01 09:00,1\n",
        messages=sends + "3,a,c,2024-05-05 08:00\n",
        customers=f"customer_id,opted_in_at,opted_out_at\na,{opted_in},2024-05-03\n",
    )
    shop = open_source(folder)
    (rule,) = [one for one in contract.DATA_WARNINGS if "opt-out" in one.code]
    tables = {name: getattr(shop, name) for name in ("messages", "customers")}
    found = rule.rows(tables, shop.settings).execute()["message_id"].tolist()
    assert found == ([] if subscribed else ["3"])
    people = ibis.memtable({"customer_id": ["a"]})
    assert len(measures.subscribed(shop, ibis.literal(dt.datetime(2024, 5, 6)), people).execute()) == subscribed
