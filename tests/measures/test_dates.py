"""A date without a time means the whole day, whichever column has it."""

import datetime as dt

import ibis
import pytest

from smsroi_helpers import contract, measures
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.measures.experiment_outcomes import arm_outcomes
from smsroi_helpers.timing.competitors import count_competitors
from smsroi_helpers.timing.counts import collect_sends

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
    row = outcome(shop)
    assert (row["orders"], row["same_day_orders"]) == (1, 0)
    assert not measures.purchases(shop).execute()["without_time"].any()


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


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("kind", ["timestamp", "date", "text", "strptime"])
def test_a_date_is_one_in_every_type(make_source, open_source, zone, kind):
    """Pandas and strptime make a midnight of a date. The last day of a test is whole, and a customer who opted out on a
    day may not be texted on it.
    """

    def as_kind(day):
        midnight = dt.datetime.combine(day, dt.time())
        return {"timestamp": midnight, "date": day}.get(kind, day.isoformat())

    folder = make_source(
        orders=f"{ORDERS}0,a,2024-02-01 12:00,1\n1,a,2024-05-07 23:30,5\n2,a,2024-05-08 00:00,7\n"
        "3,a,2024-06-01 09:00,1\n",
        source=f"timezone: {zone}\n", **EXPERIMENT,
    )  # fmt: skip
    (folder / "experiments.csv").unlink()
    tables = {
        "experiments": {
            "experiment_id": ["x"], "kind": ["holdout"], "control_arm": ["a"], "started_at": [dt.datetime(2024, 5, 1)],
            "ended_at": [as_kind(dt.date(2024, 5, 7))],
        },
        "customers": {
            "customer_id": ["a"], "opted_in_at": [dt.datetime(2024, 5, 3, 9)],
            "opted_out_at": [as_kind(dt.date(2024, 5, 3))],
        },
    }  # fmt: skip
    for (name, rows), column in zip(tables.items(), ("ended_at", "opted_out_at"), strict=True):
        if kind == "strptime":
            ibis.memtable(rows).to_csv(folder / f"raw_{name}.csv")
            columns = ", ".join(f"strptime({each}, '%Y-%m-%d') AS {each}" if each == column else each for each in rows)
            (folder / f"{name}.sql").write_text(f"SELECT {columns} FROM raw_{name}")
        else:
            ibis.memtable(rows).to_parquet(folder / f"{name}.parquet")
    shop = open_source(folder)
    row = outcome(shop)
    assert (row["orders"], row["revenue"]) == (1, 5.0)
    a = ibis.memtable({"customer_id": ["a"]})
    assert len(measures.subscribed(shop, ibis.literal(dt.datetime(2024, 5, 6)), a).execute()) == 0
    assert len(measures.subscribed(shop, ibis.literal(dt.datetime(2024, 5, 3, 12)), a).execute()) == 1


def test_one_event_at_midnight_among_timestamps_is_no_date(make_source, open_source):
    folder = make_source(orders=ORDERS + "0,a,2024-02-01 12:00,1\n3,a,2024-06-01 09:00,1\n")
    instants = [dt.datetime(2024, 5, 3), dt.datetime(2024, 5, 4, 12), dt.datetime(2024, 5, 5, 9), None]
    people = ibis.memtable({"customer_id": list("abcd"), "opted_out_at": instants})
    people.to_parquet(folder / "customers.parquet")
    found = open_source(folder).customers.order_by("customer_id").execute()["opted_out_at"]
    assert found[:3].tolist() == instants[:3]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("America/Santiago", "2023-09-03"), ("Africa/Cairo", "2024-04-26"), ("America/Havana", "2024-11-03")],
)
def test_a_date_is_a_day_even_if_the_clock_skips_or_repeats_its_midnight(make_source, open_source, zone, day):
    rows = "".join(f"{n},a,{day[:8]}{n:02},{n}\n" for n in range(1, 29))
    shop = open_source(make_source(orders=ORDERS + rows, source=f"timezone: {zone}\n"))
    found = measures.purchases(shop).execute().set_index("order_id")
    assert len(found) == 28
    assert found["without_time"].all()
    assert [str(value)[:10] for value in found["day"]] == [f"{day[:8]}{int(n):02}" for n in found.index]
    assert not [finding for finding in shop.loaded.findings if "time" in finding.rule]


def test_visits_and_orders_of_the_day_of_assignment_count_after_it_and_are_told(make_source, open_source):
    """Of one customer assigned at three o'clock, and of one assigned on a date."""
    orders = ORDERS + "".join(
        f"{who}0,{who},2024-02-01,1\n{who}1,{who},2024-05-01,5\n2{who},{who},2024-06-01,1\n" for who in "ab"
    )
    visits = "customer_id,visited_at\n" + "".join(f"{who},2024-02-01\n{who},2024-05-01\n" for who in "ab")
    given = EXPERIMENT | {"assignments": EXPERIMENT["assignments"] + "x,b,a,2024-05-01\n"}
    rows = arm_outcomes(open_source(make_source(orders=orders, visits=visits, **given))).execute()
    assert rows[["orders", "same_day_orders", "visited"]].to_numpy().tolist() == [[1, 1, 1]] * 2


def test_what_happened_on_the_last_day_counts_whatever_the_hour_of_the_end(make_source, open_source):
    """Four customers, whose click and opt-out are of different moments."""
    moments = ("2024-05-07", "2024-05-08", "2024-05-07 17:00", "2024-05-07 19:00")
    assigned = EXPERIMENT["assignments"].splitlines()[0] + "\n"
    orders, sends = ORDERS, "message_id,customer_id,campaign_id,sent_at,clicked_at,opted_out_at\n"
    for who, at in zip("abcd", moments, strict=True):
        assigned += f"x,{who},a,2024-05-01 15:00\n"
        orders += f"0{who},{who},2024-02-01,1\n1{who},{who},2024-05-07,5\n2{who},{who},2024-06-01,1\n"
        sends += f"{who},{who},c,2024-05-07 10:00,{at},{at}\n"
    given = EXPERIMENT | {"assignments": assigned}
    given["experiments"] = given["experiments"].replace("2024-05-07", "2024-05-07 18:00")
    rows = (
        arm_outcomes(open_source(make_source(orders=orders, messages=sends, **given))).order_by("customer_id").execute()
    )
    counted = rows[["orders", "clicked_messages", "opted_out"]].to_numpy().tolist()
    assert dict(zip(moments, counted, strict=True)) == {
        "2024-05-07": [1, 1, 1], "2024-05-08": [1, 0, 0], "2024-05-07 17:00": [1, 1, 1], "2024-05-07 19:00": [1, 0, 0]
    }  # fmt: skip


def test_an_order_of_a_date_follows_the_messages_of_that_day(make_source, open_source):
    orders = ORDERS + "0,a,2024-04-30,1\n1,a,2024-05-03,5\n2,a,2024-05-04,7\n3,a,2024-05-10,9\n"
    sends = "message_id,customer_id,campaign_id,sent_at,delivered_at\n"
    sends += "1,a,c,2024-05-01 10:00,2024-05-01\n2,a,c,2024-05-03 10:00,2024-05-03\n"
    shop = open_source(make_source(orders=orders, messages=sends))
    # The order of the third comes after the text of that day, whose hour alone is known: 0 hours after.
    expected = [("1", "1", 38.0), ("1", "2", 0.0), ("2", "1", 62.0), ("2", "2", 14.0)]
    for touch, pairs in (("any", expected), ("last", [expected[1], expected[3]])):
        found = measures.attributed_orders(shop, 72, touch).order_by("order_id", "message_id").execute()
        assert list(zip(found["order_id"], found["message_id"], found["hours_after"], strict=True)) == pairs


def test_a_click_shows_a_delivery_without_a_receipt(make_source, open_source):
    """So that every stage counts the same clicks and the same delivered messages."""
    sends = "message_id,customer_id,campaign_id,sent_at,delivered_at,clicked_at\n"
    sends += "1,a,c,2024-03-01 10:00,,2024-03-01 11:00\n2,a,c,2024-03-02 10:00,2024-03-02 10:01,2024-03-02 11:00\n"
    sends += "3,a,c,2024-03-03 10:00,2024-03-03 10:01,\n4,a,c,2024-03-04 10:00,,\n"
    orders = ORDERS + "0,a,2024-02-01 12:00,1\n3,a,2024-06-01 09:00,1\n"
    shop = open_source(make_source(orders=orders, messages=sends))
    rows = measures.local_sends(shop).order_by("message_id").execute()
    assert rows["delivered"].tolist() == [True, True, True, False]
    assert rows["delivered_at"].iloc[0] == rows["sent_at"].iloc[0]
    counted = collect_sends(shop, 72).rows.execute()
    assert (len(counted), counted["happened"].sum()) == (3, 2)


def test_dates_of_messages_tell_no_hours(make_source, open_source):
    shop = open_source(
        make_source(
            orders=ORDERS + "0,a,2024-02-01 12:00,1\n3,a,2024-06-01 09:00,1\n",
            messages="message_id,customer_id,campaign_id,sent_at\n1,a,c,2024-05-03\n2,a,c,2024-05-04\n",
            competitor_messages="competitor,sent_at\nx,2024-05-03\nx,2024-05-04\n",
        )
    )
    with pytest.raises(NotEnoughData, match="Messages carry dates without times"):
        collect_sends(shop, 72)
    assert count_competitors(shop) is None


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Africa/Monrovia", "1971-06-01"), ("Asia/Kathmandu", "2024-03-01"), ("America/Santiago", "2024-09-08")],
    ids=["offset of 44 min 30 s", "offset of 5 h 45 min", "no midnight on that day"],
)
def test_midnights_of_any_zone_are_dates_without_a_time(make_source, open_source, zone, day):
    shop = open_source(make_source(orders=f"{ORDERS}0,a,{day},1\n1,b,{day},2\n", source=f"timezone: {zone}\n"))
    assert measures.purchases(shop).execute()["without_time"].all()
