"""Small random companies, and every basic fact of them counted in plain Python from the rows of their tables.

They contain the cases that the rules are about: machine clicks, opt-outs in both tables, customers who opted in again
or never, refunds, free orders, discounts, customers missing from the table, recipients on other clocks. The company's
own clock is hours away from UTC. A quarter of all events lies at an edge of what is counted (a month, the weeks up to
the last day, a test, a plan): a second before it, on it, or within the hours in which the date is another one in UTC.
Some are later than the last day observed.
"""

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop

Row = dict[str, Any]

START = dt.datetime(2025, 1, 6)
"""As every instant here, in UTC."""
LAST = dt.date(2025, 6, 30)
CLOCKS = ("Asia/Shanghai", "America/New_York", "Asia/Kolkata")
"""Of the companies."""
PEOPLE, TESTED = 160, 100
MARGIN, COST = 0.4, 0.05
ASSIGNED = dt.datetime(2025, 1, 1)
"""Of everybody, in the test of texts `x`, which runs until the end."""
FROM, UNTIL = dt.datetime(2025, 2, 17, 9), dt.datetime(2025, 3, 31, 12)
"""Of the first 100 customers, in the test of frequencies `f`, whose arm `none` gets no texts."""
PLANNED = dt.datetime(2025, 5, 5, 8)
"""The first text of the plan `p`."""
ZONES = ("America/New_York", "Asia/Shanghai", None)
"""Of the recipients."""
PLANNED_TIMES = ("started_at", "ended_at", "assigned_at", "send_at")


class Rows(dict[str, list[Row]]):
    """The tables of a company as lists of rows, and its clock."""

    def __init__(self, clock: str, tables: dict[str, list[Row]]) -> None:
        super().__init__(tables)
        self.clock = ZoneInfo(clock)

    def day(self, at: dt.datetime) -> dt.date:
        """The date of an instant."""
        return at.replace(tzinfo=dt.UTC).astimezone(self.clock).date()

    def month(self, at: dt.datetime) -> int:
        """The month of an instant, 1 to 12."""
        return self.day(at).month

    def start_of(self, day: dt.date) -> dt.datetime:
        """The instant at which a day begins."""
        return dt.datetime.combine(day, dt.time(), self.clock).astimezone(dt.UTC).replace(tzinfo=None)

    def ago(self, weeks: int) -> dt.datetime:
        """The instant so many weeks of the company's clock before `end`."""
        return self.start_of(LAST + dt.timedelta(days=1, weeks=-weeks))

    @property
    def end(self) -> dt.datetime:
        """The end of the last day observed."""
        return self.ago(weeks=0)

    def observed(self) -> "Rows":
        """What is known at the end of the last day: no later event, and nothing that happened to a row later."""
        return Rows(self.clock.key, {
            name: [
                {column: None if isinstance(value, dt.datetime) and value >= self.end and column not in PLANNED_TIMES
                 else value for column, value in row.items()}
                for row in table if row.get("ordered_at", row.get("sent_at", START)) < self.end
            ]
            for name, table in self.items()
        })  # fmt: skip


World = tuple[Rows, Shop]


def random_rows(seed: int) -> Rows:
    """The tables, with events of two days after the last one. Messages are clicked within two days."""
    rng = np.random.default_rng([seed, 7])
    names = [f"c{i:03}" for i in range(PEOPLE)]
    rows = Rows(CLOCKS[seed], {})
    plan = rows.day(PLANNED)
    edges = [
        FROM, UNTIL, *(rows.start_of(dt.date(2025, month, 1)) for month in range(2, 7)),
        *(rows.ago(weeks) for weeks in (0, 0, 0, 1, *range(4, 25, 4))),
        *(rows.start_of(LAST - dt.timedelta(days=days)) for days in (59, 69, 139)),
        rows.start_of(plan), rows.start_of(plan + dt.timedelta(weeks=4)),
    ]  # fmt: skip

    def some_day(first: dt.datetime = START) -> dt.datetime:
        if rng.random() < 0.25:
            near = (-1, 0, int(rng.integers(-36_000, 36_000)))[rng.integers(3)]
            return edges[rng.integers(len(edges))] + dt.timedelta(seconds=near)
        minutes = (rows.end + dt.timedelta(days=2) - first) // dt.timedelta(minutes=1)
        return first + dt.timedelta(minutes=int(rng.integers(minutes)))

    customers = [
        {
            "customer_id": name,
            "opted_in_at": some_day(START - dt.timedelta(days=60)) if rng.random() < 0.8 else None,
            "opted_out_at": some_day() if rng.random() < 0.3 else None,
            "region": "ab"[i % 2],
            "attr_level": ("low", "high", "top")[i // 3 % 3],
            "timezone": ZONES[i % 3],
        }
        for i, name in enumerate(names[:-12])  # the last twelve are known only by their orders
    ]
    orders = [
        {
            "order_id": f"o{i}",
            "customer_id": names[int(PEOPLE * rng.random() ** 2)],
            "ordered_at": some_day(),
            "amount": [0.0, -7.5, *np.round(rng.gamma(4, 5, 8), 2)][rng.integers(10)],
            "discount": [None, 0.0, 2.25][rng.integers(3)],
        }
        for i in range(1_070)
    ]
    messages = []
    for i in range(2_600):
        customer = int(rng.integers(PEOPLE))
        at = some_day()
        delay = [2, 90, 4_000, 90_000][rng.integers(4)]  # seconds; the first is a machine click
        clicks = rng.random() < (0.97 if customer < 8 else 0.3)  # eight customers have a machine that clicks everything
        if customer < TESTED and frequency_arm(customer) == "none" and FROM <= at < UNTIL:
            continue
        messages.append({
            "message_id": f"m{i}", "customer_id": names[customer], "campaign_id": f"k{i % 4}", "sent_at": at,
            "delivered_at": at + dt.timedelta(seconds=3),
            "clicked_at": at + dt.timedelta(seconds=3 + delay) if clicks else None,
            "opted_out_at": at + dt.timedelta(hours=1) if rng.random() < 0.01 else None, "cost": COST,
            "variant": "vw"[i % 2],
        })  # fmt: skip
    for i, (edge, before) in enumerate(itertools.product(dict.fromkeys(edges), (0, 1))):
        at = edge - dt.timedelta(hours=1)  # a text whose recipient opts out on the edge, or a second before it
        if not (FROM <= at < UNTIL):
            messages.append({
                "message_id": f"e{i}", "customer_id": names[7 * i % PEOPLE], "campaign_id": "k0", "sent_at": at,
                "delivered_at": at, "clicked_at": None, "opted_out_at": edge - dt.timedelta(seconds=before),
                "cost": COST, "variant": "v",
            })  # fmt: skip
    rows.update({
        "customers": customers,
        "orders": orders,
        "messages": messages,
        "creatives": [
            {"campaign_id": f"k{k}", "variant": variant, "text": text}
            for k in range(4)
            for variant, text in (("v", "Ten off today"), ("w", "Spring is here"))
        ],
        "experiments": [
            {"experiment_id": "x", "kind": "content", "control_arm": "a", "started_at": ASSIGNED, "ended_at": None},
            {"experiment_id": "f", "kind": "frequency", "control_arm": "two", "started_at": FROM, "ended_at": UNTIL},
        ],
        "arms": [
            *({"experiment_id": "x", "arm": arm, "share": 0.5, "messages_per_week": None} for arm in "ab"),
            *(
                {"experiment_id": "f", "arm": arm, "share": 0.5, "messages_per_week": texts}
                for arm, texts in (("none", 0), ("two", 2))
            ),
        ],
        "assignments": [
            {"experiment_id": "x", "customer_id": name, "arm": "ab"[i % 2], "assigned_at": ASSIGNED}
            for i, name in enumerate(names)
        ]
        + [
            {"experiment_id": "f", "customer_id": name, "arm": frequency_arm(i), "assigned_at": FROM}
            for i, name in enumerate(names[:TESTED])
        ],
        "plans": [
            {
                "plan_id": "p", "customer_id": name, "role": ("plan", "holdout")[i % 5 // 3],
                "probability": (0.6, 0.4)[i % 5 // 3],
                "send_at": PLANNED + dt.timedelta(hours=i % 9) if i % 5 < 3 else None,
            }
            for i, name in enumerate(names)
        ],
    })  # fmt: skip
    return rows


def frequency_arm(customer: int) -> str:
    """The arm of one of the first customers in the test `f`."""
    return ("none", "two")[customer // 2 % 2]


def open_world(seed: int, made_once: Callable[[str, Callable[[Path], object]], Path]) -> World:
    """The rows of a company, and the company opened."""
    return open_rows(f"facts-{seed}", random_rows(seed), made_once)


def open_rows(name: str, rows: Rows, made_once: Callable[[str, Callable[[Path], object]], Path]) -> World:
    """The rows of a company that were observed, and the company opened. The name is that of its folder."""

    def write(folder: Path) -> None:
        for table_name, table in rows.items():
            lines = [",".join(table[0])]
            lines += [",".join(map(written, row.values())) for row in table]
            (folder / f"{table_name}.csv").write_text("\n".join(lines) + "\n")
        (folder / "source.yml").write_text(f"timezone: {rows.clock.key}\nmargin: {MARGIN}\n")

    def written(value: object) -> str:
        return "" if value is None else f"{value}Z" if isinstance(value, dt.datetime) else str(value)

    folder = made_once(name, write)
    return rows.observed(), open_shop(load(folder, folder / ".loaded"), LAST.isoformat(), folder / ".cache")


# --- the facts -------------------------------------------------------------------------------------------------------


def purchases_by_hand(rows: Rows) -> list[Row]:
    """Orders that are no refunds; a free order is a purchase."""
    return [row for row in rows["orders"] if row["amount"] >= 0]


def purchase_days_by_hand(rows: Rows, until: dt.date = LAST) -> dict[str, list[dt.date]]:
    """Customer → the days with a purchase, ascending, up to a day."""
    days: dict[str, set[dt.date]] = {}
    for row in purchases_by_hand(rows):
        if (day := rows.day(row["ordered_at"])) <= until:
            days.setdefault(row["customer_id"], set()).add(day)
    return {customer: sorted(own) for customer, own in days.items()}


def profit_by_hand(order: Row) -> float:
    """Before message costs, of an order or a refund."""
    discount = 0.0 if order["amount"] < 0 else order["discount"] or 0.0
    return MARGIN * (order["amount"] + discount) - discount


def human_clicks_by_hand(messages: list[Row]) -> set[str]:
    """Messages with a human click: later than five seconds, and not by a machine that clicks nine in ten delivered.

    Bursts of twenty clicks of a campaign in one second do not occur here.
    """
    sent: dict[str, int] = {}
    opened: dict[str, int] = {}
    for row in messages:
        if row["delivered_at"] is None:
            continue
        sent[row["customer_id"]] = sent.get(row["customer_id"], 0) + 1
        opened[row["customer_id"]] = opened.get(row["customer_id"], 0) + (row["clicked_at"] is not None)
    return {
        row["message_id"]
        for row in messages
        if row["clicked_at"] is not None
        and (row["clicked_at"] - row["delivered_at"]).total_seconds() >= 5
        and not (sent[row["customer_id"]] >= 10 and opened[row["customer_id"]] >= 0.9 * sent[row["customer_id"]])
    }


def known_by_hand(messages: list[Row]) -> set[str]:
    """Messages of which it is known whether a human clicked: no machine clicked."""
    return human_clicks_by_hand(messages) | {row["message_id"] for row in messages if row["clicked_at"] is None}


def opt_outs_by_hand(rows: Rows) -> list[tuple[str, dt.datetime]]:
    """Customer and instant of every opt-out of either table."""
    found = [(row["customer_id"], row["opted_out_at"]) for table in ("customers", "messages") for row in rows[table]]
    return [(customer, at) for customer, at in found if at is not None]


def subscribers_by_hand(rows: Rows, at: dt.datetime) -> set[str]:
    """Customers who opted in by then and did not opt out afterwards, in either table."""
    opt_outs = opt_outs_by_hand(rows)
    found = set()
    for person in rows["customers"]:
        opted_in = person["opted_in_at"]
        if opted_in is not None and opted_in <= at:
            outs = [out for customer, out in opt_outs if customer == person["customer_id"] and out < at]
            if all(out < opted_in for out in outs):
                found.add(person["customer_id"])
    return found


def credited_by_hand(rows: Rows, hours: int = 72) -> list[tuple[str, Row]]:
    """Message and purchase: the last message delivered to the buyer in the hours before."""
    found = []
    for order in purchases_by_hand(rows):
        touches = [
            (row["delivered_at"], row["message_id"])
            for row in rows["messages"]
            if row["customer_id"] == order["customer_id"]
            and row["delivered_at"] is not None
            and row["delivered_at"] <= order["ordered_at"] < row["delivered_at"] + dt.timedelta(hours=hours)
        ]
        if touches:
            found.append((max(touches)[1], order))
    return found


def local_by_hand(rows: Rows, customer: str, at: dt.datetime) -> dt.datetime:
    """An instant on the customer's clock."""
    zones = {row["customer_id"]: row["timezone"] for row in rows["customers"]}
    return at.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zones.get(customer) or rows.clock.key)).replace(tzinfo=None)


def recency_by_hand(rows: Rows, customers: set[str], day: dt.date) -> dict[str, str]:
    """Customer → the recency group on a day."""
    bought = purchase_days_by_hand(rows, day)
    groups = {}
    for customer in customers:
        days = (day - bought[customer][-1]).days + 1 if customer in bought else None
        groups[customer] = "never" if days is None else "0-30" if days <= 30 else "30-90" if days <= 90 else "90+"
    return groups


def sent_within(rows: Rows, start: dt.datetime, end: dt.datetime) -> list[Row]:
    """Messages sent in [start, end)."""
    return [row for row in rows["messages"] if start <= row["sent_at"] < end]


def judged(rows: Rows, hours: int = 72) -> list[Row]:
    """Delivered messages whose outcome window has passed at the end of the last day."""
    latest = rows.end - dt.timedelta(hours=hours)
    return [row for row in rows["messages"] if row["delivered_at"] is not None and row["delivered_at"] <= latest]


def members(rows: Rows, experiment: str) -> set[str]:
    """Customers of an experiment."""
    return {row["customer_id"] for row in rows["assignments"] if row["experiment_id"] == experiment}


def everybody(rows: Rows) -> set[str]:
    """Known by the last day: in `customers`, or with an order or refund."""
    return {row["customer_id"] for table in ("customers", "orders") for row in rows[table]}
