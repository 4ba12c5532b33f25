"""Is this log fit to analyse: what came in, what was put aside, which days it covers, which notebooks can run on it."""

import importlib
from dataclasses import dataclass

import ibis
import pandas as pd

from smsroi_helpers import contract
from smsroi_helpers.contract import Decision
from smsroi_helpers.engine import total
from smsroi_helpers.locale import _, day, joined, number, percent
from smsroi_helpers.source import Shop, project_root

__all__ = [
    "Coverage",
    "count_by_week",
    "count_overlap",
    "count_prices",
    "decide",
    "describe_tables",
    "list_exclusions",
    "list_gains",
    "list_notebooks",
    "list_quarantine",
    "measure_coverage",
]

LONGEST_GAP_DAYS = 28
"""Four weeks without a single order are a hole in the export, or a shop that was closed: both distort every rate."""


def describe_tables(shop: Shop) -> pd.DataFrame:
    """What came in: table, rows_in, put_aside, later (than the last day observed), used, first, last (days)."""
    rows = []
    for name, loaded in shop.loaded.tables.items():
        used = getattr(shop, name)
        count = int(shop.count(used.aggregate(rows=used.count()))["rows"].iloc[0])
        rows.append(
            {
                "table": name,
                "rows_in": loaded.rows_in,
                "put_aside": loaded.rows_in - loaded.rows_out,
                "later": loaded.rows_out - count,
                "used": count,
                "first": loaded.first,
                "last": min(loaded.last, shop.as_of.isoformat()) if loaded.last else None,
            }
        )
    return pd.DataFrame(rows)


def list_exclusions(shop: Shop) -> pd.DataFrame:
    """The table `exclusions`: what was put aside (`error`), stated by a mapping, or is to be known (`warning`, `note`).

    Returns:
        table, column (empty where it is about none), rule, severity, rows, share (of the table's rows, 0–1; missing
        where that is not known), remedy.
    """
    rows = [
        {
            "table": finding.table,
            "column": finding.column,
            "rule": finding.rule,
            "severity": finding.severity,
            "rows": finding.rows,
            "share": finding.share,
            "remedy": finding.remedy,
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
    used = tables.set_index("table")["used"]
    for remark in contract.REMARKS:
        if _can_be_asked(shop, remark) and (count := _count_remark(shop, remark)):
            rows.append(
                {
                    "table": remark.table,
                    "column": "",
                    "rule": remark.code,
                    "severity": "warning",
                    "rows": count,
                    "share": None if remark.of_customers else count / int(used[remark.table]),
                    "remedy": remark.remedy,
                }
            )
    kinds = {"table": str, "column": str, "rule": str, "severity": str, "rows": "int64", "share": float, "remedy": str}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _can_be_asked(shop: Shop, remark: contract.Remark) -> bool:
    """Whether the source holds what a remark asks for, and lacks what it asks to be missing."""
    return all(shop.has(*need.split(".")) for need in remark.needs if not need.startswith("-")) and not any(
        shop.has(*need[1:].split(".")) for need in remark.needs if need.startswith("-")
    )


def _count_remark(shop: Shop, remark: contract.Remark) -> int:
    tables = {name: getattr(shop, name) for name in contract.TABLES if shop.has(name)}
    concerned = remark.rows(tables, shop.settings)
    return int(shop.count(concerned.aggregate(rows=concerned.count()))["rows"].iloc[0])


def list_quarantine(shop: Shop) -> ibis.expr.types.Table:
    """The table `quarantine`, as an expression: table, line, reason, key.

    `line` is the row of the file (none for what a query yields), `key` a pseudonym of the row's key (none where the
    source was read without a secret key, or the row has none).
    """
    file = shop.quarantine_file
    if file is None:
        schema = {"table": "string", "line": "int64", "reason": "string", "key": "string"}
        return ibis.memtable(pd.DataFrame(columns=list(schema)), schema=schema)
    return shop.con.read_parquet(file)


@dataclass(frozen=True)
class Coverage:
    """What the orders cover."""

    customers: int
    buyers: int
    """Of them, those with an order; the others have refunds alone."""
    orders: int
    refunds: int
    paid: float
    """What the orders brought, in the source's currency."""
    amount: float
    """The same, less refunds."""
    first: str
    last: str
    days: int
    """From the first order to the last day observed, both counted."""
    longest_gap_days: int
    """The longest run of days without an order."""
    customers_unknown: int
    """Customers with orders who are missing from the table `customers` (0 where there is no such table)."""


def measure_coverage(shop: Shop) -> Coverage:
    """Count what the orders cover, up to the last day observed."""
    orders = shop.orders.mutate(day=shop.day(shop.orders.ordered_at))
    known = shop.customers.customer_id if shop.has("customers") else None
    totals = shop.count(
        orders.aggregate(
            customers=orders.customer_id.nunique(),
            buyers=orders.customer_id.nunique(where=orders.amount >= 0),
            orders=orders.count(where=orders.amount >= 0),
            refunds=orders.count(where=orders.amount < 0),
            paid=total(orders.amount, where=orders.amount >= 0),
            amount=total(orders.amount),
            first=orders.day.min(),
            last=orders.day.max(),
            unknown=orders.customer_id.nunique(where=~orders.customer_id.isin(known)) if known is not None else 0,
        )
    ).iloc[0]
    days = orders.select("day").distinct().order_by("day")
    gaps = days.mutate(gap=days.day.delta(days.day.lag().over(ibis.window(order_by="day")), unit="day") - 1)
    longest = shop.count(gaps.aggregate(longest=gaps.gap.max()))["longest"].iloc[0]
    first, last = pd.Timestamp(totals["first"]).date(), pd.Timestamp(totals["last"]).date()
    return Coverage(
        customers=int(totals["customers"]),
        buyers=int(totals["buyers"]),
        orders=int(totals["orders"]),
        refunds=int(totals["refunds"]),
        paid=0.0 if pd.isna(totals["paid"]) else float(totals["paid"]),
        amount=float(totals["amount"]),
        first=first.isoformat(),
        last=last.isoformat(),
        days=(shop.as_of - first).days + 1,
        longest_gap_days=max(int(longest) if pd.notna(longest) else 0, (shop.as_of - last).days),
        customers_unknown=int(totals["unknown"]),
    )


def count_by_week(shop: Shop) -> pd.DataFrame:
    """Rows by week of the tables that grow by the day: week (its Monday), table, rows; weeks without rows are 0."""
    parts = []
    for name in ("orders", "messages", "visits"):
        if shop.has(name):
            table = getattr(shop, name)
            week = shop.day(table[contract.TABLES[name].own_time]).truncate("week")
            counted = table.mutate(week=week).group_by("week").aggregate(rows=ibis._.count()).order_by("week")
            frame = shop.count(counted).assign(week=lambda f: pd.to_datetime(f["week"])).set_index("week")
            parts.append(frame.asfreq("W-MON", fill_value=0).reset_index().assign(table=name))
    return pd.concat(parts, ignore_index=True)


def count_overlap(shop: Shop) -> pd.DataFrame:
    """How the tables agree on who there is: table, customers; the share (0–1) of them also in orders, in customers."""
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
    """What messages cost, by channel: channel, messages, with_cost (share 0–1 whose cost is known), cost_per_message.

    No rows where the source has no messages. Without a cost in the table, the source's `message_cost` counts.
    """
    columns = ["channel", "messages", "with_cost", "cost_per_message"]
    if not shop.has("messages"):
        return pd.DataFrame(columns=columns)
    messages = shop.messages
    channel = messages.channel if shop.has("messages", "channel") else ibis.literal("sms")
    cost = messages.cost if shop.has("messages", "cost") else ibis.null("float64")
    given = ibis.null("float64") if shop.settings.message_cost is None else ibis.literal(shop.settings.message_cost)
    rows = messages.select(channel=channel.fill_null("sms"), cost=cost.fill_null(given))
    prices = rows.group_by("channel").aggregate(
        messages=rows.count(), with_cost=rows.cost.notnull().mean(), cost_per_message=rows.cost.mean()
    )
    return shop.count(prices.order_by("channel"))


def list_gains(shop: Shop) -> pd.DataFrame:
    """What the source lacks and what it would add: missing (table or table.column), would_add (a sentence)."""
    gains = {
        "messages": _("who was texted when: without it there is no timing, no frequency, no effectiveness"),
        "experiments": _("what was tried by lot: without it nothing on these pages is caused by a message"),
        "customers": _("attributes to group by, time zones, and consent"),
        "customers.timezone": _("the recipient's own hour; the source's clock stands in for it"),
        "customers.opted_out_at": _("what texting costs in subscribers, and whether somebody is texted after leaving"),
        "orders.discount": _("what discounts cost: without it no discount can be recommended for profit"),
        "messages.delivered_at": _("which messages arrived; every one sent counts as delivered"),
        "messages.clicked_at": _("a response that is quicker and more frequent than an order"),
        "messages.cost": _("the price of each message"),
        "creatives": _("the words: which move people"),
        "feedback": _("satisfaction, to hold against how often people are texted"),
        "visits": _("each customer's own hours"),
    }
    missing = {
        name: words
        for name, words in gains.items()
        if not shop.has(*name.split(".")) and ("." not in name or shop.has(name.split(".")[0]))
    }
    return pd.DataFrame({"missing": list(missing), "would_add": list(missing.values())})


def list_notebooks(shop: Shop) -> pd.DataFrame:
    """Which of the project's notebooks can run on this source: notebook, can_run, lacks (tables)."""
    rows = []
    for file in sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        stage = importlib.import_module(f"smsroi_helpers.{file.stem[3:]}")
        lacks = [table for table in stage.NEEDS if not shop.has(table)]
        rows.append({"notebook": file.stem, "can_run": not lacks, "lacks": ", ".join(lacks)})
    return pd.DataFrame(rows)


def decide(coverage: Coverage, tables: pd.DataFrame, notebooks: pd.DataFrame) -> Decision:
    """Whether to go on with this log, and the first thing to mend."""
    aside = int(tables["put_aside"].sum())
    share = aside / int(tables["rows_in"].sum())
    runnable = int(notebooks["can_run"].sum())
    gap = coverage.longest_gap_days
    caveats = []
    if gap > LONGEST_GAP_DAYS:
        caveats.append(
            _("There are {days} days in a row without an order: is the export whole?").format(days=number(gap))
        )
    if coverage.customers_unknown:
        caveats.append(
            _("{n} customers with orders are missing from the table of customers.").format(
                n=number(coverage.customers_unknown)
            )
        )
    if coverage.refunds:
        caveats.append(_("{n} refunds are counted apart from purchases.").format(n=number(coverage.refunds)))
    return Decision(
        stage="quality",
        question=_("Is this log fit to analyse?"),
        outcome="broken" if gap > LONGEST_GAP_DAYS else "do",
        action=_("Mend the gap in the orders first")
        if gap > LONGEST_GAP_DAYS
        else _("Go on: the log can be analysed, {runnable} of {all} notebooks have what they need").format(
            runnable=runnable, all=len(notebooks)
        ),
        text=_(
            "{orders} orders of {customers} customers from {first} to {last}; {aside} rows ({share}) were put aside."
        ).format(
            orders=number(coverage.orders),
            customers=number(coverage.customers),
            first=day(coverage.first),
            last=day(coverage.last),
            aside=number(aside),
            share=percent(share, 2),
        ),
        caveat=joined(*caveats),
        evidence="none",
        customers=coverage.customers,
    )
