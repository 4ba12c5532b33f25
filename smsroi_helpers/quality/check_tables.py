"""What `smsroi check` prints of a source: its tables, the findings, and which notebooks can run on it."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from smsroi_helpers.contract import fault_name
from smsroi_helpers.locale import money, number, percent
from smsroi_helpers.quality.checks import count_gateway, count_money, list_exclusions
from smsroi_helpers.quality.runnable import Shortfall, list_notebooks_for, list_shortfalls
from smsroi_helpers.source import Loaded, Shop, open_shop

__all__ = [
    "describe_loaded",
    "findings_as_opened",
    "findings_as_read",
    "runnable_lines",
    "shortfall_lines",
    "total_lines",
]

Cells = list[str]


def describe_loaded(loaded: Loaded) -> list[Cells]:
    """By table: name, rows in, rows kept, days."""
    return [
        [
            table.name,
            number(table.rows_in),
            number(table.rows_out),
            f"{table.first} to {table.last}" if table.first else "",
        ]
        for table in loaded.tables.values()
    ]


def total_lines(loaded: Loaded, place: Path) -> list[str]:
    """What the shop and the gateway count themselves, to be compared with: a line each.

    Args:
        loaded: the source.
        place: folder of the counts.
    """
    shop = open_shop(loaded, "", place)
    lines = [_money_line(shop)] if shop.has("orders") else []
    if shop.has("messages"):
        counts = count_gateway(shop)
        counted = [_counted(counts["messages"], "text")]
        names = {"delivered": "delivered or of unknown outcome", "clicked": "clicked, by machines too"}
        counted += [f"{number(counts[name])} {words}" for name, words in names.items() if name in counts]
        if "opted_out" in counts:
            counted.append(f"{_counted(counts['opted_out'], 'customer')} opted out")
        lines.append(f"compare with the gateway's own totals: {', '.join(counted)}")
    shop.con.disconnect()
    return lines


def _money_line(shop: Shop) -> str:
    found, currency = count_money(shop), shop.settings.currency
    parts = [f"{_counted(found.orders, 'order')} for {money(found.paid, currency)}"]
    if found.refunds:
        parts.append(f"{_counted(found.refunds, 'refund')} for {money(found.refunded, currency)}")
    if found.guest_orders:
        orders = _counted(found.guest_orders, "order")
        parts.append(f"besides {orders} of guests for {money(found.guest_paid, currency)}")
    if found.guest_refunds:
        refunds = _counted(found.guest_refunds, "refund")
        parts.append(f"{refunds} of guests for {money(found.guest_refunded, currency)}")
    return f"compare with the shop's own totals: {', '.join(parts)}"


def _counted(n: int, name: str) -> str:
    """Return a number of things.

    >>> _counted(1, "refund"), _counted(2000, "refund")
    ('1 refund', '2,000 refunds')
    """
    return f"{number(n)} {name}{'' if n == 1 else 's'}"


def findings_as_read(loaded: Loaded) -> list[Cells]:
    """The findings of reading: kind, table, what, rows, share, what to do."""
    return [_finding(f.severity, f.table, f.column, f.rule, f.rows, f.share, f.filled_remedy) for f in loaded.findings]


def findings_as_opened(loaded: Loaded, place: Path) -> list[Cells]:
    """The findings and the warnings about the whole log, such as messages after an opt-out.

    Args:
        loaded: the source.
        place: folder of the counts.
    """
    shop = open_shop(loaded, "", place)
    found = [
        _finding(r.severity, r.table, r.column, r.rule, r.rows, None if pd.isna(r.share) else r.share, r.remedy)
        for r in list_exclusions(shop).itertuples()
    ]
    shop.con.disconnect()
    return found


def _finding(kind: str, table: str, column: str, rule: str, rows: int, share: float | None, remedy: str) -> Cells:
    what = fault_name(column, rule)
    return [kind, table, what, number(rows), "" if share is None else percent(share, 2), remedy]


def runnable_lines(tables: Collection[str]) -> list[str]:
    """Which notebooks can run on a source with these tables, and which tables the others lack: a line each."""
    rows = list_notebooks_for(tables)
    can = [row.notebook for row in rows.itertuples() if row.can_run]
    cannot = [f"{row.notebook} (needs {row.lacks})" for row in rows.itertuples() if not row.can_run]
    lines = [("can run", can), ("cannot run", cannot)]
    return [f"{words}: {', '.join(names)}" for words, names in lines if names]


def shortfall_lines(loaded: Loaded, place: Path) -> list[str]:
    """Which notebooks can run, but will answer that there is too little data: at most one line.

    Args:
        loaded: the source.
        place: folder of the counts.
    """
    shop = open_shop(loaded, "", place)
    short = [f"{one.notebook} ({_shortfall(one)})" for one in list_shortfalls(shop)]
    shop.con.disconnect()
    return [f"too little data for an answer: {', '.join(short)}"] if short else []


def _shortfall(short: Shortfall) -> str:
    return {
        "few_repeaters": f"{number(short.found)} customers bought on a second day; it needs {number(short.needed)}",
        "short_log": f"the orders cover {number(short.found)} days; it needs {number(short.needed)}",
        "no_outcomes": "no click and no order is known",
    }[short.reason]
