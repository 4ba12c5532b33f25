"""Attributed orders against a plain Python reading of small random worlds, and the edges of their windows."""

import datetime as dt

import pytest

from smsroi_helpers.measures.attribution import attributed_orders, message_outcomes, touches_per_order
from smsroi_helpers.measures.local_sends import local_sends
from tests.measures.worlds import SEEDS, cost, delivered, latest, order_profit, rows_of


def claims(world, order, hours):
    """The messages whose window holds the order, the last one last."""
    found = [
        (at, message["message_id"], message)
        for message in world.seen("messages")
        if message["customer_id"] == order["customer_id"]
        and (at := delivered(world, message)) is not None
        and at <= latest(world, order["ordered_at"])
        and order["ordered_at"] < at + dt.timedelta(hours=hours)
    ]
    return [message for _, _, message in sorted(found, key=lambda claim: claim[:2])]


def purchases(world):
    return [order for order in world.seen("orders") if order["amount"] >= 0]


@pytest.mark.parametrize("hours", [12, 72, 24 * 30])
@pytest.mark.parametrize("seed", SEEDS)
def test_attributed_orders_are_those_found_by_hand(open_world, seed, hours):
    world, shop = open_world(seed)
    last, every = ({}, {})
    for order in purchases(world):
        for message in (found := claims(world, order, hours)):
            row = {name: order[name] for name in ("order_id", "customer_id", "ordered_at", "amount")} | {
                "discount": order.get("discount") or 0.0, "order_profit": round(order_profit(world, order), 6),
                "revenue": order["amount"],
                "message_id": message["message_id"], "campaign_id": message["campaign_id"],
                "channel": message.get("channel") or "sms", "variant": None, "delivered_at": delivered(world, message),
                "hours_after": max((order["ordered_at"] - delivered(world, message)).total_seconds() / 3600, 0.0),
            }  # fmt: skip
            every[order["order_id"], message["message_id"]] = row
            if message is found[-1]:
                last[(order["order_id"],)] = row
    assert rows_of(attributed_orders(shop, hours), "order_id") == last
    assert rows_of(attributed_orders(shop, hours, "any"), "order_id", "message_id") == every
    assert len(last) > 5
    assert len(every) > len(last) or hours == 12


@pytest.mark.parametrize("seed", SEEDS)
def test_touches_and_message_outcomes_are_those_found_by_hand(open_world, seed):
    world, shop = open_world(seed)
    touches, credit = {}, {}
    for order in purchases(world):
        found = claims(world, order, 48)
        touches[(order["order_id"],)] = (len(found), len({m["campaign_id"] for m in found}), bool(found))
        if found:
            credit.setdefault(found[-1]["message_id"], []).append(order)
    counted = rows_of(touches_per_order(shop, 48), "order_id")
    assert {key: (row["touches"], row["campaigns"], row["attributed"]) for key, row in counted.items()} == touches
    messages = {}
    for message in world.seen("messages"):
        theirs = credit.get(message["message_id"], [])
        paid = cost(world, message)
        profit = None if paid is None else sum(order_profit(world, order) for order in theirs) - paid
        revenue = sum(order["amount"] for order in theirs)
        messages[(message["message_id"],)] = (len(theirs), pytest.approx(revenue), pytest.approx(profit, abs=1e-6))
    counted = rows_of(message_outcomes(shop, 48), "message_id")
    names = ("attributed_orders", "attributed_revenue", "attributed_profit")
    assert {key: tuple(row[name] for name in names) for key, row in counted.items()} == messages
    assert all(
        sends == {name: counted[key][name] for name in sends}
        for key, sends in rows_of(local_sends(shop), "message_id").items()
    )


# --- the edges, one by one -------------------------------------------------------------------------------------------


def minutes(count, start="2024-03-09 12:00:00"):
    return f"{dt.datetime.fromisoformat(start) + dt.timedelta(minutes=count):%Y-%m-%d %H:%M:%S}"


AFTER = {-1: False, 0: True, 72 * 60 - 1: True, 72 * 60: False}
"""Minutes from a message to an order → whether a window of 72 hours holds it; each is a customer."""


@pytest.mark.parametrize(("after", "counts"), AFTER.items())
def test_a_window_holds_its_start_and_not_its_end(read_once, after, counts):
    """On the clock of New York, which is put forward within these 72 hours: hours are elapsed ones."""
    at = {later: dt.datetime(2024, 3, 9, 17, tzinfo=dt.UTC) + dt.timedelta(minutes=later) for later in AFTER}
    shop = read_once(
        orders="order_id,customer_id,ordered_at,amount\n"
        + "".join(f"o{later},c{later},{at[later]:%Y-%m-%dT%H:%M:%SZ},5\n" for later in AFTER),
        messages="message_id,customer_id,campaign_id,sent_at\n"
        + "".join(f"m{later},c{later},k,2024-03-09 12:00:00\n" for later in AFTER),
        source="timezone: America/New_York\n",
        as_of="2024-03-20",
    )
    for touch in ("last", "any"):
        credited = attributed_orders(shop, 72, touch)
        assert credited.filter(credited.customer_id == f"c{after}").count().execute() == counts


def test_the_last_touch_hides_earlier_ones_and_ties_go_to_the_greater_id(make_source, open_source):
    folder = make_source(
        orders=f"order_id,customer_id,ordered_at,amount\n1,c,{minutes(60)},5\n2,c,{minutes(61)},-5\n3,d,{minutes(60)},7\n",
        messages="message_id,customer_id,campaign_id,sent_at,delivered_at\n"
        + f"9,c,k,{minutes(0)},{minutes(1)}\n10,c,k,{minutes(3)},{minutes(30)}\n2,c,k,{minutes(29)},{minutes(30)}\n"
        + f"11,c,k,{minutes(40)},\n12,c,k,{minutes(50)},{minutes(61)}\n13,d,k,{minutes(0)},\n",
    )
    shop = open_source(folder)
    credited = rows_of(attributed_orders(shop, 72), "order_id")
    assert {key: row["message_id"] for key, row in credited.items()} == {("1",): "2"}  # ids are text: "2" > "10"
    claimed = rows_of(attributed_orders(shop, 72, "any"), "order_id", "message_id")
    assert set(claimed) == {("1", "9"), ("1", "10"), ("1", "2")}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_shorter_window_is_a_part_of_a_longer_one(open_world, seed):
    _, shop = open_world(seed)
    for touch in ("last", "any"):
        long = attributed_orders(shop, 240, touch)
        short = rows_of(attributed_orders(shop, 36, touch), "order_id", "message_id")
        assert rows_of(long.filter(long.hours_after < 36), "order_id", "message_id") == short


@pytest.mark.parametrize(("hours", "touch"), [(0, "last"), (-72, "any"), (72, "first")])
def test_an_invalid_window_is_refused(open_world, hours, touch):
    with pytest.raises(ValueError, match="window_hours|touch"):
        attributed_orders(open_world(0)[1], hours, touch)
