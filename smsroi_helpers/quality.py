"""Is this log fit to analyse: what came in, what was put aside, which days it covers, which notebooks can run on it."""

import importlib
from dataclasses import dataclass

import ibis
import pandas as pd

from smsroi_helpers import contract
from smsroi_helpers.contract import Decision
from smsroi_helpers.locale import _, day, number, percent
from smsroi_helpers.shop import Shop
from smsroi_helpers.source import project_root

__all__ = [
    "NEEDS",
    "Coverage",
    "count_by_week",
    "decide",
    "describe_tables",
    "list_exclusions",
    "list_notebooks",
    "list_quarantine",
    "measure_coverage",
]

NEEDS = ("orders",)

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
    """The table `exclusions`: table, rule, severity, rows, share (of the table's rows, 0–1), remedy."""
    rows = [
        {
            "table": finding.table,
            "rule": f"{finding.column}: {finding.rule}",
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
            "rule": "later than as_of",
            "severity": "warning",
            "rows": row.later,
            "share": row.later / row.rows_in,
            "remedy": "left out; a later as_of would take them in",
        }
        for row in tables.itertuples()
        if row.later
    ]
    columns = {"table": str, "rule": str, "severity": str, "rows": "int64", "share": float, "remedy": str}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def list_quarantine(shop: Shop) -> ibis.expr.types.Table:
    """The table `quarantine`, as an expression: table, line (in its file), reason, key (none without a secret)."""
    file = shop.quarantine_file
    if file is None:
        schema = {"table": "string", "line": "int64", "reason": "string", "key": "string"}
        return ibis.memtable(pd.DataFrame(columns=list(schema)), schema=schema)
    rows = shop.con.read_parquet(file)
    return rows.mutate(key=ibis.null("string"))


@dataclass(frozen=True)
class Coverage:
    """What the orders cover."""

    customers: int
    orders: int
    refunds: int
    amount: float
    """Paid amounts less refunds, in the source's currency."""
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
            orders=orders.count(where=orders.amount >= 0),
            refunds=orders.count(where=orders.amount < 0),
            amount=orders.amount.sum(),
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
        orders=int(totals["orders"]),
        refunds=int(totals["refunds"]),
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
        caveats.append(_("There are {days} days in a row without an order: is the export whole?").format(days=gap))
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
        caveat=" ".join(caveats),
        evidence="none",
        customers=coverage.customers,
    )
