"""Small random sources, and what a reader of the contract would count in them by hand."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smsroi_helpers.contract.tables import PLANNED_TIMES, TABLES


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
    _seen: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Table → its rows of `seen`, once they are asked for."""

    @property
    def end(self):
        after = dt.datetime.combine(self.as_of + dt.timedelta(days=1), dt.time(), tzinfo=zoneinfo.ZoneInfo(self.zone))
        return after.astimezone(dt.UTC).replace(tzinfo=None)

    def seen(self, table):
        """The rows as the contract has them at as_of: later ones left out, other later instants null."""
        if table not in self._seen:
            self._seen[table] = self._until(table, self.end)
        return self._seen[table]

    def _until(self, table, end):
        own = TABLES[table].event_time
        rows = [row for row in self.tables.get(table, []) if row.get(own) is None or row[own] < end]
        late = {key for row in rows for key, value in row.items() if isinstance(value, dt.datetime)} - {own}
        late -= {column for of, column in PLANNED_TIMES if of == table}
        return [
            {key: None if key in late and value and value >= end else value for key, value in row.items()}
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
    """Customers on a coarse clock, so that ties and window edges abound; columns come and go with the seed.

    A source of more rows takes no longer to read than one of few, so worlds are few and each has many customers.
    """
    rng = np.random.default_rng(seed)
    start = dt.datetime(2024, 3, 1) if seed % 2 else dt.datetime(2024, 10, 20)  # both hold a change of clocks
    customers = [f"c{i}" for i in range(24)]  # the last four never order
    maybe = lambda share: rng.random() < share  # noqa: E731

    def moment(days=30.0, step=12):
        return start + dt.timedelta(hours=step * int(rng.integers(days * 24 / step)))

    def after(at, share):
        return at + dt.timedelta(hours=int(rng.integers(0, 60))) if maybe(share) else None

    orders = [
        {"order_id": f"o{i}", "customer_id": customers[rng.integers(20)], "ordered_at": moment()}
        | {"amount": round(float(rng.normal(25, 20)), 2), "discount": [None, 0.0, 3.5, 7.25][rng.integers(4)]}
        for i in range(300)
    ]
    messages = []
    for i in range(320):
        at = moment()
        later = at + dt.timedelta(hours=12 * int(rng.integers(3)))
        messages.append(
            {"message_id": f"m{rng.integers(10**6)}-{i}", "customer_id": customers[rng.integers(24)], "sent_at": at}
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


SEEDS = (0, 1, 2, 3, 4, 6)
"""Every choice of columns, every time zone, both changes of clocks, and a world without the table customers (6)."""


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
    """None where the source says nowhere what messages cost."""
    if world.message_cost is None and not world.has("messages", "cost"):
        return None
    stated = message.get("cost")
    return (world.message_cost or 0.0) if stated is None else stated


def order_profit(world, order):
    if order["amount"] < 0:
        return world.margin * order["amount"]
    discount = order.get("discount") or 0.0
    return world.margin * (order["amount"] + discount) - discount


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
