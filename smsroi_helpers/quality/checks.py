"""Counts of a source: rows read, rejected and used, days covered, what is missing, which notebooks can run on it."""

from dataclasses import dataclass

import ibis
import pandas as pd

from smsroi_helpers import contract, measures
from smsroi_helpers.engine import total
from smsroi_helpers.errors import NotEnoughData
from smsroi_helpers.source import Shop

__all__ = [
    "OPTIONAL",
    "Coverage",
    "MessageCoverage",
    "MoneyTotals",
    "count_by_week",
    "count_empty_weeks",
    "count_gateway",
    "count_money",
    "count_overlap",
    "count_prices",
    "describe_tables",
    "list_exclusions",
    "list_missing",
    "list_quarantine",
    "measure_coverage",
    "number_of_rows",
    "range_of_weeks",
]

OPTIONAL = (
    "orders", "messages", "experiments", "customers", "customers.timezone", "customers.opted_out_at", "orders.discount",
    "messages.delivered_at", "messages.clicked_at", "messages.cost", "creatives", "feedback", "visits",
)  # fmt: skip
"""Optional tables and columns that would answer more questions."""


def describe_tables(shop: Shop) -> pd.DataFrame:
    """By table: rows_in, put_aside (rejected), merged (into others), guests (rows without a customer's identity), later
    (than the last day observed), used, first, last (days).
    """
    rows = []
    for name, loaded in shop.loaded.tables.items():
        used = getattr(shop, name)
        count = int(shop.count(used.aggregate(rows=used.count()))["rows"].iloc[0])
        rows.append(
            {
                "table": name,
                "rows_in": loaded.rows_in,
                "put_aside": loaded.rows_in - loaded.rows_out - loaded.merged - loaded.guests,
                "merged": loaded.merged,
                "guests": loaded.guests,
                "later": loaded.rows_out - count,
                "used": count,
                "first": loaded.first,
                "last": min(loaded.last, shop.as_of.isoformat()) if loaded.last else None,
            }
        )
    return pd.DataFrame(rows)


def _count_later_events(shop: Shop) -> list[dict[str, str | float | None]]:
    """Count what customers did after the last day observed, which is read as if it had not happened."""
    found: list[dict[str, str | float | None]] = []
    for name in ("messages", "customers"):
        columns = [event for event in contract.EVENTS_AFTER if shop.has(name, event)]
        if not columns:
            continue
        every = shop.con.table(name)  # as it was read; `shop.messages` has nothing later
        later = {event: (every[event] >= ibis.literal(shop.end)).sum() for event in columns}
        counts = shop.count(every.aggregate(n=every.count(), **later)).iloc[0]
        found += [
            {
                "table": name, "column": event, "rule": "later than as_of", "severity": "warning",
                "rows": int(counts[event]), "share": counts[event] / counts["n"],
                "remedy": "read as if it had not happened; if the log was observed until then, set as_of to that day",
            }
            for event in columns if counts[event] > 0
        ]  # fmt: skip
    return found


def list_exclusions(shop: Shop) -> pd.DataFrame:
    """The table `exclusions`: rejected rows (`error`), facts stated by a mapping (`stated`), `warning` and `note`.

    Returns:
        table, column (empty if it concerns none), rule, severity, rows, share (of the table's rows, 0–1; missing where
        not known), remedy.
    """
    rows = [
        {
            "table": finding.table,
            "column": finding.column,
            "rule": finding.rule,
            "severity": finding.severity,
            "rows": finding.rows,
            "share": finding.share,
            "remedy": finding.filled_remedy,
        }
        for finding in shop.loaded.findings
    ]
    tables = describe_tables(shop)
    rows += [
        {
            "table": row.table,
            "column": "",
            "rule": "later than as_of",
            "severity": "warning",
            "rows": row.later,
            "share": row.later / row.rows_in,
            "remedy": "left out; a later as_of would take them in",
        }
        for row in tables.itertuples()
        if row.later
    ]
    rows += _count_later_events(shop)
    used = tables.set_index("table")["used"]
    for warning in contract.DATA_WARNINGS:
        if _applies(shop, warning) and (count := _count_rows(shop, warning)):
            rows.append(
                {
                    "table": warning.table,
                    "column": "",
                    "rule": warning.code,
                    "severity": "warning",
                    "rows": count,
                    "share": None if warning.of_customers else count / int(used[warning.table]),
                    "remedy": warning.remedy,
                }
            )
    kinds = {"table": str, "column": str, "rule": str, "severity": str, "rows": "int64", "share": float, "remedy": str}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _applies(shop: Shop, warning: contract.DataWarning) -> bool:
    """Whether the source has the tables and columns that a warning needs, and lacks those that must be missing."""
    return all(shop.has(*need.split(".")) for need in warning.needs if not need.startswith("-")) and not any(
        shop.has(*need[1:].split(".")) for need in warning.needs if need.startswith("-")
    )


def _count_rows(shop: Shop, warning: contract.DataWarning) -> int:
    tables = {name: getattr(shop, name) for name in contract.TABLES if shop.has(name)}
    concerned = warning.rows(tables, shop.settings)
    return int(shop.count(concerned.aggregate(rows=concerned.count()))["rows"].iloc[0])


def list_quarantine(shop: Shop) -> ibis.expr.types.Table:
    """The table `quarantine`, as an expression: table, line, reason, key.

    `line` is the row of the file (null for rows of a query). `key` is a pseudonym of the row's key (null where the
    source was read without a secret key, or the row has no key).
    """
    file = shop.quarantine_file
    if file is None:
        schema = {"table": "string", "line": "int64", "reason": "string", "key": "string"}
        return ibis.memtable(pd.DataFrame(columns=list(schema)), schema=schema)
    return shop.con.read_parquet(file)


@dataclass(frozen=True)
class MessageCoverage:
    """Counts and dates of the messages."""

    customers: int
    """Who was sent any."""
    messages: int
    delivered: int | None
    """None where deliveries are not recorded."""
    clicked: int | None
    """Messages that a human clicked; None where clicks are not recorded."""
    opted_out: int | None
    """Customers with an opt-out, in any table; None where opt-outs are not recorded."""
    first: str
    last: str
    days: int
    """From the first message to the last day observed, both included."""
    longest_gap_days: int
    """The longest run of days without a message."""
    not_joined: tuple[str, ...] = ()
    """Tables of whose customers hardly any is in messages."""


@dataclass(frozen=True)
class Coverage:
    """Counts and dates of the orders."""

    customers: int
    buyers: int
    """Customers with an order; the others have refunds only."""
    orders: int
    refunds: int
    paid: float
    """Revenue of the orders, in the source's currency."""
    net_paid: float
    """Revenue less refunds."""
    first: str
    last: str
    days: int
    """From the first order to the last day observed, both included."""
    longest_gap_days: int
    """The longest run of days without an order."""
    customers_unknown: int
    """Customers with orders who are missing from the table `customers` (0 where there is no such table)."""
    guest_orders: int = 0
    """Orders of customers without an identity (guests), which are in none of the other counts."""
    guest_paid: float = 0.0
    """Revenue of the guests' orders."""
    not_joined: tuple[str, ...] = ()
    """Tables of whose customers hardly any is in orders or customers."""
    texts: MessageCoverage | None = None
    """What the messages cover; None in a source without messages up to the last day observed."""


def measure_coverage(shop: Shop) -> Coverage | MessageCoverage:
    """Count customers, orders, refunds and days of the orders, up to the last day observed.

    Refunds are no orders: where there is an order at all, days and unknown customers are those of orders. In a source
    without orders, what the messages cover.
    """
    return _measure_orders(shop) if shop.has("orders") else _measure_messages(shop)


def _measure_messages(shop: Shop) -> MessageCoverage:
    sends, withdrawn = measures.human_clicks(shop), measures.opt_outs(shop)
    days = sends.select(day=shop.day(sends.sent_at))
    counts = shop.count(
        sends.aggregate(
            customers=sends.customer_id.nunique(),
            messages=sends.count(),
            delivered=sends.count(where=sends.delivered_at.notnull()),
            clicked=sends.count(where=sends.human_click_at.notnull()),
            first=shop.day(sends.sent_at.min()),
            last=shop.day(sends.sent_at.max()),
        )
    ).iloc[0]
    if not counts["messages"]:
        raise NotEnoughData("No message was sent up to the last day observed.")
    left = None
    if withdrawn is not None:
        left = int(shop.count(withdrawn.aggregate(n=withdrawn.customer_id.nunique()))["n"].iloc[0])
    first, last = pd.Timestamp(counts["first"]).date(), pd.Timestamp(counts["last"]).date()
    return MessageCoverage(
        customers=int(counts["customers"]),
        messages=int(counts["messages"]),
        delivered=int(counts["delivered"]) if shop.has("messages", "delivered_at") else None,
        clicked=int(counts["clicked"]) if measures.knows_clicks(shop) else None,
        opted_out=left,
        first=first.isoformat(),
        last=last.isoformat(),
        days=(shop.as_of - first).days + 1,
        longest_gap_days=max(_longest_gap(shop, days), (shop.as_of - last).days),
        not_joined=_not_joined(shop),
    )


def _longest_gap(shop: Shop, days: ibis.expr.types.Table) -> int:
    """The longest run of days that are not in a column `day`, between the first and the last that are."""
    days = days.select("day").distinct().order_by("day")
    gaps = days.mutate(gap=days.day.delta(days.day.lag().over(ibis.window(order_by="day")), unit="day") - 1)
    longest = shop.count(gaps.aggregate(longest=gaps.gap.max()))["longest"].iloc[0]
    return int(longest) if pd.notna(longest) else 0


def _measure_orders(shop: Shop) -> Coverage:
    bought, returned = measures.purchases(shop), measures.refunds(shop)
    customers = int(shop.count(shop.orders.aggregate(n=shop.orders.customer_id.nunique()))["n"].iloc[0])
    known = shop.customers.customer_id if shop.has("customers") else None
    any_order = bool(shop.count(bought.aggregate(n=bought.count()))["n"].iloc[0])
    orders = (bought if any_order else returned).select("customer_id", "day")
    totals = shop.count(
        orders.aggregate(
            first=orders.day.min(),
            last=orders.day.max(),
            unknown=orders.customer_id.nunique(where=~orders.customer_id.isin(known)) if known is not None else 0,
        )
    ).iloc[0]
    buyers = int(shop.count(bought.aggregate(buyers=bought.customer_id.nunique()))["buyers"].iloc[0])
    money = count_money(shop)
    first, last = pd.Timestamp(totals["first"]).date(), pd.Timestamp(totals["last"]).date()
    return Coverage(
        customers=customers,
        buyers=buyers,
        orders=money.orders,
        refunds=money.refunds,
        paid=money.paid,
        net_paid=money.paid - money.refunded,
        first=first.isoformat(),
        last=last.isoformat(),
        days=(shop.as_of - first).days + 1,
        longest_gap_days=max(_longest_gap(shop, orders), (shop.as_of - last).days),
        customers_unknown=int(totals["unknown"]),
        guest_orders=money.guest_orders,
        guest_paid=money.guest_paid,
        not_joined=_not_joined(shop),
        texts=_measure_messages(shop) if _sends(shop) else None,
    )


def _sends(shop: Shop) -> bool:
    """Whether a message was sent up to the last day observed."""
    return shop.has("messages") and number_of_rows(shop, shop.messages) > 0


def _not_joined(shop: Shop) -> tuple[str, ...]:
    """Tables of whose customers hardly any is in the others."""
    return tuple(
        warning.table
        for warning in contract.DATA_WARNINGS
        if warning.code == contract.NOT_JOINED and _applies(shop, warning) and _count_rows(shop, warning)
    )


@dataclass(frozen=True)
class MoneyTotals:
    """Totals of the orders up to the last day observed, in the source's currency."""

    orders: int
    paid: float
    refunds: int
    refunded: float
    guest_orders: int
    """Orders of guests (refunds are none), which are in none of the other counts."""
    guest_paid: float
    guest_refunds: int
    """Refunds of guests, likewise."""
    guest_refunded: float


def count_money(shop: Shop) -> MoneyTotals:
    """Count the orders and refunds of a source with orders, and their money."""

    def sums(rows: ibis.expr.types.Table | None, money: str) -> tuple[int, float]:
        if rows is None:
            return 0, 0.0
        found = shop.count(rows.aggregate(rows=rows.count(), money=total(rows[money]).fill_null(0.0))).iloc[0]
        return int(found["rows"]), float(found["money"])

    return MoneyTotals(
        *sums(measures.purchases(shop), "spend"), *sums(measures.refunds(shop), "refunded"),
        *sums(shop.guest_orders, "spend"), *sums(shop.guest_refunds, "refunded"),
    )  # fmt: skip


def count_gateway(shop: Shop) -> dict[str, int]:
    """What a gateway counts: messages; of those known: delivered, clicked (by machines too), customers opted_out."""
    sends, left = measures.every_send(shop), measures.opt_outs(shop)
    events = measures.recorded_events(shop, sends)
    found = shop.count(sends.aggregate(messages=sends.count(), **events)).iloc[0]
    counts = {name: int(found[name]) for name in ("messages", *events)}
    if left is not None:
        counts["opted_out"] = int(shop.count(left.aggregate(n=left.customer_id.nunique()))["n"].iloc[0])
    return counts


def count_by_week(shop: Shop) -> pd.DataFrame:
    """Rows by week of orders, messages and visits: week (its Monday), table, rows; 0 in weeks without rows."""
    parts = []
    for name in ("orders", "messages", "visits"):
        if shop.has(name):
            table = getattr(shop, name)
            week = shop.day(table[contract.TABLES[name].event_time]).truncate("week")
            counted = table.mutate(week=week).group_by("week").aggregate(rows=ibis._.count()).order_by("week")
            frame = shop.count(counted).assign(week=lambda f: pd.to_datetime(f["week"])).set_index("week")
            parts.append(frame.asfreq("W-MON", fill_value=0).reset_index().assign(table=name))
    return pd.concat(parts, ignore_index=True)


def count_empty_weeks(by_week: pd.DataFrame, table: str) -> int:
    """Weeks without a row of a table.

    Args:
        by_week: of `count_by_week`.
        table: which one.
    """
    return int((by_week.loc[by_week["table"] == table, "rows"] == 0).sum())


def count_overlap(shop: Shop) -> pd.DataFrame:
    """Overlap of customers between tables: table, customers; shares (0–1) also in orders and in customers."""
    rows = []
    for name, table in contract.TABLES.items():
        if shop.has(name) and "customer_id" in table.by_name:
            people = getattr(shop, name).select("customer_id").distinct()
            row: dict[str, object] = {"table": name}
            shares = {
                f"in_{other}": people.customer_id.isin(getattr(shop, other).customer_id).mean()
                for other in ("orders", "customers")
                if shop.has(other)
            }
            counted = shop.count(people.aggregate(customers=people.count(), **shares)).iloc[0]
            rows.append(row | {"customers": int(counted["customers"])} | {key: float(counted[key]) for key in shares})
    return pd.DataFrame(rows)


def count_prices(shop: Shop) -> pd.DataFrame:
    """Message costs: channel, messages, with_cost (share 0–1 whose cost is known), cost_per_message.

    No rows where the source has no messages. Where a message has no cost, the source's `message_cost` of a billing
    segment is used, as in profit (`measures.every_send`).
    """
    columns = ["channel", "messages", "with_cost", "cost_per_message"]
    if not shop.has("messages"):
        return pd.DataFrame(columns=columns)
    messages = shop.messages
    channel = messages.channel.lower() if shop.has("messages", "channel") else ibis.literal("sms")
    cost = messages.cost if shop.has("messages", "cost") else ibis.null("float64")
    rows = messages.select(channel=channel.fill_null("sms"), cost=cost)
    if shop.settings.message_cost is not None:
        rows = measures.every_send(shop).select("channel", "cost")
    prices = rows.group_by("channel").aggregate(
        messages=rows.count(), with_cost=rows.cost.notnull().mean(), cost_per_message=rows.cost.mean()
    )
    return shop.count(prices.order_by("channel"))


def list_missing(shop: Shop) -> list[str]:
    """The optional tables and columns that the source lacks; columns only of tables that it has."""
    return [
        name
        for name in OPTIONAL
        if not shop.has(*name.split(".")) and ("." not in name or shop.has(name.split(".")[0]))
    ]


def number_of_rows(shop: Shop, rows: ibis.expr.types.Table) -> int:
    """The rows of an expression."""
    return int(shop.count(rows.aggregate(rows=rows.count()))["rows"].iloc[0])


def range_of_weeks(by_week: pd.DataFrame) -> tuple[int, int]:
    """Rows in the week with fewest and in that with most, of one table of `count_by_week`."""
    return int(by_week["rows"].min()), int(by_week["rows"].max())
