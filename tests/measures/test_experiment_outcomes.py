"""Measures against a plain Python computation on small random tables."""

import datetime as dt
import functools
import zoneinfo
from dataclasses import dataclass, field
from typing import Any

import ibis
import numpy as np
import pytest

from smsroi_helpers.contract.tables import PLANNED_TIMES, TABLES
from smsroi_helpers.errors import DataError
from smsroi_helpers.measures.attribution import attributed_orders, message_outcomes, touches_per_order
from smsroi_helpers.measures.experiment_outcomes import arm_moments, arm_moments_together, arm_outcomes, outcome_windows
from smsroi_helpers.measures.local_sends import local_sends
from smsroi_helpers.measures.profit import profit_events
from smsroi_helpers.measures.purchases import purchase_history
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop


def by_hand(orders, until, last):
    """Customer → (first day, frequency, recency, T, repeat spend, later purchases), one customer at a time."""
    result = {}
    for customer in {row[0] for row in orders}:
        days = {}
        for owner, at, amount in orders:
            if owner == customer and amount >= 0 and at.date() <= last:
                days[at.date()] = days.get(at.date(), 0) + amount
        seen = sorted(day for day in days if day <= until)
        if seen:
            first = seen[0]
            result[customer] = (
                first, len(seen) - 1, (seen[-1] - first).days, (until - first).days,
                round(sum(days[day] for day in seen[1:]), 6), sum(day > until for day in days),
            )  # fmt: skip
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("until", ["2024-01-31", "2024-02-20"])
def test_histories_are_those_counted_by_hand(make_source, open_source, seed, until):
    rng = np.random.default_rng(seed)
    start = dt.datetime(2024, 1, 1)
    orders = [
        (
            f"c{rng.integers(12)}",
            start + dt.timedelta(hours=int(rng.integers(24 * 60))),
            round(float(rng.normal(20, 15)), 2),
        )
        for _ in range(80)
    ]
    lines = [f"{i},{customer},{at:%Y-%m-%d %H:%M:%S},{amount}" for i, (customer, at, amount) in enumerate(orders)]
    folder = make_source(orders="order_id,customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n")
    shop = open_source(folder, as_of="2024-02-20")
    day = dt.date.fromisoformat(until)
    counted = purchase_history(shop, until=day).execute()
    seen = {
        row.customer_id: (
            row.first_day.date() if hasattr(row.first_day, "date") else row.first_day,
            row.frequency, row.recency_days, row.T_days, round(row.repeat_spend, 6), row.later_purchases,
        )
        for row in counted.itertuples()
    }  # fmt: skip
    assert seen == by_hand(orders, day, dt.date(2024, 2, 20))


def test_without_a_day_the_last_one_observed_counts(make_source, open_source):
    orders = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-01-01 18:00:00,6\n3,a,2024-01-09,7\n"
    row = purchase_history(open_source(make_source(orders=orders), as_of="2024-01-15")).execute().iloc[0]
    assert (row["frequency"], row["recency_days"], row["T_days"]) == (1, 8, 14)
    assert (row["repeat_spend"], row["later_purchases"]) == (7.0, 0)


# --- messages, orders and arms: a small random world, and what a reader of the contract would count in it -------------


@dataclass
class World:
    """A source as lists of dicts; times are naive UTC."""

    zone: str
    margin: float
    message_cost: float | None
    as_of: dt.date
    tables: dict[str, list[dict[str, Any]]]
    mostly_dates: dict[str, bool] = field(default_factory=dict)
    """Table → whether most of its times are midnights, once it is asked for."""

    @property
    def end(self):
        after = dt.datetime.combine(self.as_of + dt.timedelta(days=1), dt.time(), tzinfo=zoneinfo.ZoneInfo(self.zone))
        return after.astimezone(dt.UTC).replace(tzinfo=None)

    def seen(self, table):
        """The rows as the contract has them at as_of: later ones left out, other later instants null."""
        own = TABLES[table].event_time
        rows = [row for row in self.tables.get(table, []) if row.get(own) is None or row[own] < self.end]
        late = {key for row in rows for key, value in row.items() if isinstance(value, dt.datetime)} - {own}
        late -= {column for of, column in PLANNED_TIMES if of == table}
        return [
            {key: None if key in late and value and value >= self.end else value for key, value in row.items()}
            for row in rows
        ]

    def has(self, table, column):
        return column in next(iter(self.tables.get(table, [])), {})

    def files(self):
        def field(value):
            return "" if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "hour") else str(value)

        files = {}
        for name, rows in self.tables.items():
            lines = [",".join(rows[0]), *(",".join(field(value) for value in row.values()) for row in rows)]
            files[name] = "\n".join(lines) + "\n"
        cost = "" if self.message_cost is None else f"message_cost: {self.message_cost}\n"
        return files | {"source": f"timezone: {self.zone}\nmargin: {self.margin}\n{cost}"}


def random_world(seed):
    """Few customers on a coarse clock, so that ties and window edges abound; columns come and go with the seed."""
    rng = np.random.default_rng(seed)
    start = dt.datetime(2024, 3, 1) if seed % 2 else dt.datetime(2024, 10, 20)  # both hold a change of clocks
    customers = [f"c{i}" for i in range(12)]  # the last two never order
    maybe = lambda share: rng.random() < share  # noqa: E731

    def moment(days=30.0, step=12):
        return start + dt.timedelta(hours=step * int(rng.integers(days * 24 / step)))

    def after(at, share):
        return at + dt.timedelta(hours=int(rng.integers(0, 60))) if maybe(share) else None

    orders = [
        {"order_id": f"o{i}", "customer_id": customers[rng.integers(10)], "ordered_at": moment()}
        | {"amount": round(float(rng.normal(25, 20)), 2), "discount": [None, 0.0, 3.5, 7.25][rng.integers(4)]}
        for i in range(150)
    ]
    messages = []
    for i in range(160):
        at = moment()
        later = at + dt.timedelta(hours=12 * int(rng.integers(3)))
        messages.append(
            {"message_id": f"m{rng.integers(10**6)}-{i}", "customer_id": customers[rng.integers(12)], "sent_at": at}
            | {"campaign_id": f"k{i % 3}", "channel": [None, "email"][i % 2], "variant": None}
            | {"cost": [None, 0.03, 0.11][rng.integers(3)], "delivered_at": later if maybe(0.8) else None}
            | {
                "clicked_at": after(at, 0.4),
                "replied_at": later if i % 5 == 0 else None,
                "opted_out_at": after(at, 0.03),
            }
        )
    zones = [None, "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
    people = [
        {"customer_id": name, "timezone": zones[i % 4]}
        | {"opted_in_at": moment() if i % 3 == 0 else None, "opted_out_at": moment() if maybe(0.5) else None}
        for i, name in enumerate(customers[:-1])  # the last is in no table of customers
    ]
    experiments, assignments = [], []
    for i, (ended, until) in enumerate([(20, 26), (22, None), (None, None), (60, None), (20, 40)]):
        instants = {key: days and start + dt.timedelta(days=days) for key, days in [("e", ended), ("u", until)]}
        experiments.append(
            {"experiment_id": f"x{i}", "kind": "holdout", "control_arm": "a", "started_at": start}
            | {"ended_at": instants["e"], "outcome_until": instants["u"]}
        )
        assignments += [
            {"experiment_id": f"x{i}", "customer_id": name, "arm": "ab"[rng.integers(2)], "assigned_at": moment(27)}
            for name in customers
        ]
    arms = [{"experiment_id": row["experiment_id"], "arm": arm, "share": 0.5} for row in experiments for arm in "ab"]
    world = World(
        zone=["UTC", "America/New_York", "Asia/Shanghai"][seed % 3],
        margin=0.37,
        message_cost=[None, 0.05][seed % 2],
        as_of=(start + dt.timedelta(days=27)).date(),
        tables={"orders": orders, "messages": messages, "customers": people, "experiments": experiments, "arms": arms}
        | {"assignments": assignments},
    )
    dropped = [
        {},
        {"messages": {"delivered_at", "cost"}},
        {"customers": {"timezone", "opted_out_at"}, "orders": {"discount"}},
        {"messages": {"opted_out_at", "clicked_at", "channel"}, "customers": {"opted_in_at"}},
        {"messages": {"opted_out_at"}, "customers": {"opted_out_at", "opted_in_at"}, "experiments": {"outcome_until"}},
    ][seed % 5]
    for table, columns in dropped.items():
        world.tables[table] = [
            {key: value for key, value in row.items() if key not in columns} for row in world.tables[table]
        ]
    if seed % 7 == 6:
        del world.tables["customers"]
    if seed % 2:
        visits = [start + dt.timedelta(hours=60 * i) for i in range(12)]
        world.tables["visits"] = [{"customer_id": customers[i % 7], "visited_at": at} for i, at in enumerate(visits)]
    return world


SEEDS = range(10)


@pytest.fixture(scope="module")
def open_world(tmp_path_factory):
    """The world of a seed, perhaps without a table, and its shop: read once for all tests."""

    @functools.cache
    def opened(seed, without=""):
        world = random_world(seed)
        world.tables.pop(without, None)
        folder = tmp_path_factory.mktemp("world")
        for name, content in world.files().items():
            (folder / ("source.yml" if name == "source" else f"{name}.csv")).write_text(content)
        return world, open_shop(load(folder, folder / ".loaded"), world.as_of.isoformat(), folder / ".cache")

    return opened


def rows_of(expression, *keys):
    """An expression's rows by key, as plain Python: nulls are None, times naive datetimes, floats rounded."""
    rows = {}
    for row in expression.to_pyarrow().to_pylist():
        plain = {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}
        key = tuple(plain[name] for name in keys)
        assert key not in rows
        rows[key] = plain
    return rows


def delivered(world, message):
    """A click or a reply shows a delivery without a receipt."""
    if not world.has("messages", "delivered_at") or (message.get("clicked_at") or message.get("replied_at")):
        return (message["delivered_at"] if world.has("messages", "delivered_at") else None) or message["sent_at"]
    return message["delivered_at"]


def is_midnight(world, at):
    return at.replace(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo(world.zone)).time() == dt.time()


def latest(world, at, table="orders", column="ordered_at"):
    """The end of the day of a midnight, where most values of the column are midnights."""
    whole_day = dt.timedelta(days=1) - dt.timedelta(microseconds=1)
    return at + whole_day if mostly_dates(world, table, column) and is_midnight(world, at) else at


def mostly_dates(world, table, column):
    if table not in world.mostly_dates:
        found = [is_midnight(world, row[column]) for row in world.seen(table) if row[column]]
        world.mostly_dates[table] = 2 * sum(found) > len(found)
    return world.mostly_dates[table]


def cost(world, message):
    stated = message.get("cost")
    return (world.message_cost or 0.0) if stated is None else stated


def order_profit(world, order):
    if order["amount"] < 0:
        return world.margin * order["amount"]
    discount = order.get("discount") or 0.0
    return world.margin * (order["amount"] + discount) - discount


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


def machines(world):
    """Message → which machine clicked it (`none`: nobody did, or a person), one message at a time.

    Bursts need twenty clicks of a campaign in one second; these worlds have none.
    """
    reached, clicked = {}, {}
    for message in world.seen("messages"):
        if delivered(world, message) is not None:
            reached[message["customer_id"]] = reached.get(message["customer_id"], 0) + 1
            clicked[message["customer_id"]] = clicked.get(message["customer_id"], 0) + (
                message.get("clicked_at") is not None
            )
    found = {}
    for message in world.seen("messages"):
        at, member = message.get("clicked_at"), message["customer_id"]
        since = delivered(world, message) or message["sent_at"]
        if at is None:
            found[message["message_id"]] = "none"
        elif (at - since).total_seconds() < 5:
            found[message["message_id"]] = "fast"
        elif reached.get(member, 0) >= 10 and clicked[member] >= 0.9 * reached[member]:
            found[message["message_id"]] = "everything"
        else:
            found[message["message_id"]] = "none"
    return found


def human_click(world, message, judged):
    return message.get("clicked_at") if judged[message["message_id"]] == "none" else None


def purchases(world):
    return [order for order in world.seen("orders") if order["amount"] >= 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_sends_have_the_recipients_local_time(open_world, seed):
    world, shop = open_world(seed)
    counted = rows_of(local_sends(shop), "message_id")
    zones = {row["customer_id"]: row.get("timezone") for row in world.seen("customers")}
    expected, machine = {}, machines(world)
    for message in world.seen("messages"):
        zone = zoneinfo.ZoneInfo(zones.get(message["customer_id"]) or world.zone)
        local = message["sent_at"].replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
        arrived = delivered(world, message)
        expected[(message["message_id"],)] = {
            "message_id": message["message_id"], "customer_id": message["customer_id"],
            "campaign_id": message["campaign_id"], "channel": message.get("channel") or "sms", "variant": None,
            "plan_id": message.get("plan_id"), "cost": cost(world, message),
            "sent_at": message["sent_at"], "delivered_at": arrived,
            "delivered": arrived is not None, "timezone": zone.key,
            "observed_hours": (world.end - (arrived or message["sent_at"])).total_seconds() / 3600,
            "local_at": local, "local_date": local.date(), "weekday": local.weekday(), "hour": local.hour,
        }  # fmt: skip
        for name in ("opened", "clicked", "replied", "opted_out"):
            at = message.get(f"{name}_at")
            known = world.has("messages", f"{name}_at")
            expected[(message["message_id"],)] |= {f"{name}_at": at, name: at is not None if known else None}
        judged = machine[message["message_id"]]
        expected[(message["message_id"],)] |= {
            "machine": judged, "click_known": judged == "none" and world.has("messages", "clicked_at"),
            "human_click_at": human_click(world, message, machine), "any_click_at": message.get("clicked_at"),
            "opt_out_at": message.get("opted_out_at"),
        }  # fmt: skip
    assert counted == expected


@pytest.mark.parametrize("hours", [12, 72, 24 * 30])
@pytest.mark.parametrize("seed", SEEDS)
def test_attributed_orders_are_those_found_by_hand(open_world, seed, hours):
    world, shop = open_world(seed)
    last, every = ({}, {})
    for order in purchases(world):
        for message in (found := claims(world, order, hours)):
            row = {name: order[name] for name in ("order_id", "customer_id", "ordered_at", "amount")} | {
                "discount": order.get("discount") or 0.0, "order_profit": round(order_profit(world, order), 6),
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
        profit = sum(order_profit(world, order) for order in theirs) - cost(world, message)
        revenue = sum(order["amount"] for order in theirs)
        messages[(message["message_id"],)] = (len(theirs), pytest.approx(revenue), pytest.approx(profit, abs=1e-6))
    counted = rows_of(message_outcomes(shop, 48), "message_id")
    names = ("attributed_orders", "attributed_revenue", "attributed_profit")
    assert {key: tuple(row[name] for name in names) for key, row in counted.items()} == messages
    assert all(
        sends == {name: counted[key][name] for name in sends}
        for key, sends in rows_of(local_sends(shop), "message_id").items()
    )


def outcome_by_hand(world, experiment, assignment):
    """What one customer did from assignment until the end, and in the equally long time before."""
    member, start, zone = assignment["customer_id"], assignment["assigned_at"], zoneinfo.ZoneInfo(world.zone)
    end = experiment.get("outcome_until") or experiment.get("ended_at") or world.end
    end = max(start, min(end, world.end))
    local = lambda at: at.replace(tzinfo=dt.UTC).astimezone(zone)  # noqa: E731
    first = min(local(order["ordered_at"]).date() for order in world.tables["orders"])
    log_start = dt.datetime.combine(first, dt.time(), tzinfo=zone).astimezone(dt.UTC).replace(tzinfo=None)
    theirs = [order for order in world.seen("orders") if order["customer_id"] == member]
    within = [order for order in theirs if start <= latest(world, order["ordered_at"]) and order["ordered_at"] < end]
    bought = [order for order in within if order["amount"] >= 0]
    row = {
        "experiment_id": experiment["experiment_id"], "arm": assignment["arm"], "customer_id": member,
        "assigned_at": start, "assigned_day": local(start).date(), "outcome_end": end,
        "outcome_days": (end - start).total_seconds() / 86400,
        "ordered": int(bool(bought)), "orders": len(bought), "revenue": sum(order["amount"] for order in within),
        "same_day_orders": sum(latest(world, at := order["ordered_at"]) > at and at <= start for order in bought),
        "refunds": -sum(order["amount"] for order in within if order["amount"] < 0),
        "discount": sum(order.get("discount") or 0.0 for order in bought),
        "order_profit": sum(order_profit(world, order) for order in within),
    }  # fmt: skip
    before = [order for order in theirs if start - (end - start) <= latest(world, order["ordered_at"]) < start]
    pre = {
        "pre_ordered": int(any(order["amount"] >= 0 for order in before)),
        "pre_orders": sum(order["amount"] >= 0 for order in before),
        "pre_revenue": sum(order["amount"] for order in before),
        "pre_order_profit": sum(order_profit(world, order) for order in before),
    }
    row |= pre if start - (end - start) >= log_start else dict.fromkeys(pre)
    own = [message for message in world.seen("messages") if message["customer_id"] == member]
    sent = [message for message in own if start <= message["sent_at"] < end]
    row |= {"messages": len(sent), "message_cost": sum(cost(world, message) for message in sent)}
    judged = machines(world)
    clicks = [at for message in sent if (at := human_click(world, message, judged)) is not None]
    known = world.has("messages", "clicked_at")
    row["clicked_messages"] = sum(at < end for at in clicks) if known else None
    row["click_known_messages"] = sum(judged[message["message_id"]] == "none" for message in sent) if known else None
    row["replied_messages"] = sum(message["replied_at"] is not None and message["replied_at"] < end for message in sent)
    visits = [visit["visited_at"] for visit in world.seen("visits") if visit["customer_id"] == member]
    row["visited"] = (
        int(any(start <= latest(world, at, "visits", "visited_at") and at < end for at in visits))
        if "visits" in world.tables
        else None
    )
    row["profit"] = row["order_profit"] - row["message_cost"]
    person = next((person for person in world.seen("customers") if person["customer_id"] == member), {})
    outs = sorted(at for each in [*own, person] if (at := each.get("opted_out_at")))
    opted_in, out = person.get("opted_in_at"), next((at for at in outs if start <= at < end), None)
    records_opt_ins = world.has("customers", "opted_in_at")
    withdrawn = any(opted_in is None or at >= opted_in for at in outs if at < start)
    consenting = (not records_opt_ins or (opted_in is not None and opted_in <= start)) and not withdrawn
    if not (world.has("customers", "opted_out_at") or world.has("messages", "opted_out_at")):
        unknown = dict.fromkeys(["opted_out", "opted_out_at", "subscribed_weeks"])
        return row | unknown | {"consenting": int(consenting) if records_opt_ins else None}
    weeks = ((out or end) - start).total_seconds() / (7 * 86400) if consenting else 0.0
    return row | {"opted_out": int(out is not None), "opted_out_at": out} | {
        "consenting": int(consenting), "subscribed_weeks": weeks
    }  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_outcomes_per_arm_are_those_counted_by_hand(open_world, seed):
    world, shop = open_world(seed)
    expected = {}
    for experiment in world.seen("experiments"):
        for assignment in world.seen("assignments"):
            if assignment["experiment_id"] == experiment["experiment_id"]:
                row = outcome_by_hand(world, experiment, assignment)
                expected[row["experiment_id"], row["customer_id"]] = {
                    name: pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
                    for name, value in row.items()
                }
    counted = rows_of(arm_outcomes(shop), "experiment_id", "customer_id")
    assert counted == expected
    assert any(row["pre_orders"] is None for row in counted.values())
    assert any(row["pre_orders"] for row in counted.values())
    assert {row["visited"] for row in counted.values()} == ({0, 1} if seed % 2 else {None})
    one = rows_of(arm_outcomes(shop, "x1"), "experiment_id", "customer_id")
    assert one == {key: row for key, row in counted.items() if key[0] == "x1"}


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_events_of_profit_add_up_to_each_customers_profit(open_world, seed):
    _, shop = open_world(seed)
    people, events = outcome_windows(shop), profit_events(shop).rename(member_id="customer_id")
    theirs = people.join(events, people.customer_id == events.member_id)
    theirs = theirs.filter(theirs.latest_at >= theirs.assigned_at, theirs["at"] < theirs.outcome_end)
    sums = theirs.group_by("experiment_id", "customer_id").aggregate(profit=theirs.profit.sum()).execute()
    outcomes = arm_outcomes(shop).execute().set_index(["experiment_id", "customer_id"])["profit"]
    added_up = sums.set_index(["experiment_id", "customer_id"])["profit"].reindex(outcomes.index, fill_value=0.0)
    assert len(sums) > 20
    assert added_up.to_numpy() == pytest.approx(outcomes.to_numpy(), abs=2e-6)


# --- the edges, one by one -------------------------------------------------------------------------------------------


def minutes(count, start="2024-03-09 12:00:00"):
    return f"{dt.datetime.fromisoformat(start) + dt.timedelta(minutes=count):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(("after", "counts"), [(-1, False), (0, True), (72 * 60 - 1, True), (72 * 60, False)])
def test_a_window_holds_its_start_and_not_its_end(make_source, open_source, after, counts):
    """On the clock of New York, which is put forward within these 72 hours: hours are elapsed ones."""
    at = dt.datetime(2024, 3, 9, 17, tzinfo=dt.UTC) + dt.timedelta(minutes=after)
    folder = make_source(
        orders=f"order_id,customer_id,ordered_at,amount\no,c,{at:%Y-%m-%dT%H:%M:%SZ},5\n",
        messages="message_id,customer_id,campaign_id,sent_at\nm,c,k,2024-03-09 12:00:00\n",
        source="timezone: America/New_York\n",
    )
    shop = open_source(folder, as_of="2024-03-20")
    for touch in ("last", "any"):
        assert attributed_orders(shop, 72, touch).count().execute() == counts


def test_the_last_touch_hides_earlier_ones_and_ties_go_to_the_greater_id(make_source, open_source):
    folder = make_source(
        orders=f"order_id,customer_id,ordered_at,amount\n1,c,{minutes(60)},5\n2,c,{minutes(61)},-5\n3,d,{minutes(60)},7\n",
        messages="message_id,customer_id,campaign_id,sent_at,delivered_at\n"
        + f"9,c,k,{minutes(0)},{minutes(1)}\n10,c,k,{minutes(0)},{minutes(30)}\n2,c,k,{minutes(29)},{minutes(30)}\n"
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


def test_absent_tables_are_named(make_source, open_source):
    shop = open_source(make_source(orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n"))
    for measure, table in [(local_sends, "messages"), (attributed_orders, "messages"), (arm_outcomes, "experiments")]:
        with pytest.raises(DataError, match=f"no table {table}"):
            measure(shop)


def test_without_messages_cost_and_profit_are_unknown_and_orders_are_not(open_world):
    _, shop = open_world(0, without="messages")
    rows = rows_of(arm_outcomes(shop), "experiment_id", "customer_id").values()
    assert sum(row["orders"] for row in rows) > 20
    assert all(row[name] is None for row in rows for name in ("messages", "message_cost", "profit", "clicked_messages"))


def test_outcomes_run_on_after_the_experiment_has_ended(make_source, open_source):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-01-12,7\n",
        experiments="experiment_id,kind,control_arm,started_at,ended_at,outcome_until\n"
        "x,holdout,a,2024-01-02,2024-01-10,2024-02-10\n",
        arms="experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-01-02\n",
    )
    row = arm_outcomes(open_source(folder, as_of="2024-01-15")).execute().iloc[0]
    assert (row["orders"], row["outcome_days"]) == (1, 14)


@pytest.mark.parametrize(
    ("opted_in", "opted_out", "consenting", "left"),
    [
        ("2024-01-10", "", 1, 0),
        ("2024-01-11", "", 0, 0),  # asked only later
        ("", "2024-01-09", 0, 0),
        ("", "", 0, 0),  # never asked
        ("2024-01-05", "2024-01-09", 0, 0),
        ("2024-01-09", "2024-01-09", 0, 0),  # at one instant: the refusal stands
        ("2024-01-09", "2024-01-05", 1, 0),  # won back
        ("2024-01-05", "2024-01-10", 1, 1),
        ("2024-01-05", "2024-01-24", 1, 0),  # the end itself
    ],
)
def test_consent_is_that_of_the_assignment(make_source, open_source, opted_in, opted_out, consenting, left):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n2,a,2024-03-01,5\n",
        customers=f"customer_id,opted_in_at,opted_out_at\na,{opted_in},{opted_out}\n",
        experiments="experiment_id,kind,control_arm,started_at,ended_at\nx,holdout,a,2024-01-02,2024-01-24 00:00\n",
        arms="experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-01-10\n",
    )
    row = arm_outcomes(open_source(folder)).execute().iloc[0]
    assert (row["consenting"], row["opted_out"]) == (consenting, left)
    # An opt-out of the day of assignment comes at its end.
    assert row["subscribed_weeks"] == pytest.approx((1 / 7 if left else 2) if consenting else 0, abs=1e-5)


DATED = {
    "experiments": "experiment_id,kind,control_arm,started_at,ended_at\nx,holdout,a,2024-05-01,2024-05-07\n",
    "arms": "experiment_id,arm,share\nx,a,0.5\nx,b,0.5\n",
}


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_a_last_day_counts_whole(make_source, open_source, zone):
    """`ended_at` without a time: an order of that evening is an outcome, one of the next midnight is none."""
    orders = "order_id,customer_id,ordered_at,amount\n0,a,2024-02-01 12:00,1\n1,a,2024-05-07 23:30,5\n"
    folder = make_source(
        orders=orders + "2,a,2024-05-08 00:00,7\n3,a,2024-06-01 09:00,1\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-05-01\n",
        source=f"timezone: {zone}\n", **DATED,
    )  # fmt: skip
    row = arm_outcomes(open_source(folder)).execute().iloc[0]
    assert (row["orders"], row["revenue"]) == (1, 5.0)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_an_order_of_a_date_alone_comes_after_an_assignment_of_that_day(make_source, open_source, zone):
    folder = make_source(
        orders="order_id,customer_id,ordered_at,amount\n0,a,2024-02-01,1\n1,a,2024-04-30,3\n2,a,2024-05-01,5\n3,a,2024-05-07,7\n"
        "4,a,2024-05-08,9\n5,a,2024-06-01,1\n",
        assignments="experiment_id,customer_id,arm,assigned_at\nx,a,a,2024-05-01 15:00\n",
        source=f"timezone: {zone}\n", **DATED,
    )  # fmt: skip
    row = arm_outcomes(open_source(folder)).execute().iloc[0]
    assert (row["orders"], row["revenue"], row["pre_orders"], row["pre_revenue"]) == (2, 12.0, 1, 3.0)


# --- moments ---------------------------------------------------------------------------------------------------------


def test_moments_give_the_regression_on_covariate_and_indicator(open_world):
    """Least squares of profit on 1, x and z, solved from the moments alone, is that solved on the rows."""
    outcomes = arm_outcomes(open_world(0)[1])
    frame = outcomes.execute()
    moments = arm_moments(outcomes, "profit", "pre_revenue").execute().set_index(["experiment_id", "arm"])
    checked = 0
    for key, arm in frame.groupby(["experiment_id", "arm"]):
        y, x = arm["profit"].to_numpy(), arm["pre_revenue"].fillna(0).to_numpy()
        z = arm["pre_revenue"].isna().to_numpy(float)
        m = moments.loc[key]
        assert m[["n", "n_unknown", "n_known"]].tolist() == [len(arm), 0, len(arm) - z.sum()]
        sums = [y.sum(), y @ y, y @ (1 - z), x.sum(), x @ x, x @ y]
        names = ["sum_y", "sum_y2", "sum_y_known", "sum_x", "sum_x2", "sum_xy"]
        assert m[names].to_numpy(float) == pytest.approx(np.array(sums))
        if 0 < z.sum() < len(arm) and len(np.unique(x)) > 2:
            missing = m.n - m.n_known
            gram = [[m.n, m.sum_x, missing], [m.sum_x, m.sum_x2, 0.0], [missing, 0.0, missing]]
            solved = np.linalg.solve(np.array(gram, float), [m.sum_y, m.sum_xy, m.sum_y - m.sum_y_known])
            design = np.column_stack([np.ones(len(arm)), x, z])
            assert solved == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0])
            checked += 1
    assert checked >= 2


def test_moments_stratify_and_count_unknown_outcomes(open_world):
    outcomes = arm_outcomes(open_world(4)[1])  # tells no opt-outs
    plain = arm_moments(outcomes, "revenue").execute()
    by_day = arm_moments(outcomes, "revenue", by=("experiment_id", "arm", "assigned_day")).execute()
    summed = by_day.groupby(["experiment_id", "arm"])[["n", "sum_y", "sum_y2"]].sum().reset_index()
    assert len(by_day) > len(plain)
    assert summed["n"].tolist() == plain["n"].tolist()
    assert summed["sum_y2"].to_numpy() == pytest.approx(plain["sum_y2"].to_numpy())
    pairs = {"spend": ("revenue", None), "profit": ("profit", "pre_revenue")}
    together = arm_moments_together(outcomes, pairs).execute()
    for name, (outcome, covariate) in pairs.items():
        alone = arm_moments(outcomes, outcome, covariate).execute().iloc[:, 2:]
        assert together[[f"{name}__{column}" for column in alone]].to_numpy() == pytest.approx(alone.to_numpy())
    unknown = arm_moments(outcomes, "opted_out").execute()
    assert (unknown["n"] == 0).all()
    assert unknown["n_unknown"].tolist() == plain["n"].tolist()
    assert unknown["sum_y"].isna().all()


# --- engines ---------------------------------------------------------------------------------------------------------


class SparkOptions(ibis.config.Config):
    """What Ibis has only where PySpark is installed, and asks for when it writes a number in Spark's words."""

    treat_nan_as_null: bool = False


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_can_be_said_to_spark(open_world, monkeypatch, seed):
    """In Spark's words, without what the engines read differently: as-of joins, and `last`, which there skips nulls."""
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())
    _, shop = open_world(seed)
    outcomes = arm_outcomes(shop)
    for expression in (
        local_sends(shop), attributed_orders(shop, 72, "last"), attributed_orders(shop, 72, "any"),
        touches_per_order(shop), message_outcomes(shop), outcomes, arm_moments(outcomes, "profit", "pre_revenue"),
    ):  # fmt: skip
        said = ibis.to_sql(expression, dialect="pyspark").upper()
        assert "ASOF" not in said
        assert "LAST(" not in said
        assert "LAST_VALUE(" not in said
