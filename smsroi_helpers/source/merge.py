"""Merge rows that are one: the rows of one customer, of one assignment, and of one message's billing segments."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import ibis
import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.engine import Connection
from smsroi_helpers.source.loaded import Finding, LoadedTable, finding_of
from smsroi_helpers.source.segments import merge_segments

__all__ = [
    "first_assignments",
    "merge_customers",
    "merge_rows",
]

_CONSENT = ("opted_in_at", "opted_out_at")


def merge_rows(
    con: Connection, tables: dict[str, LoadedTable], valid: dict[str, ir.Table], folder: Path, zone: str
) -> list[Finding]:
    """Merge the rows of each table that are one, and return what is said of it.

    Args:
        con: the engine.
        tables: the tables read; those with merged rows are replaced.
        valid: their valid rows, replaced likewise.
        folder: folder of the merged tables.
        zone: time zone of the source.
    """
    findings: list[Finding] = []
    for name in ("messages", "customers", "assignments"):
        if name not in tables:
            continue
        rows = valid[name]
        said: list[Finding] = []
        if name == "messages":
            merged = merge_segments(rows, zone)
        elif name == "customers":
            merged, said = merge_customers(rows, valid.get("messages"))
        else:
            merged = first_assignments(rows)
        if merged is None:
            continue
        file = folder / f"{name}_merged.parquet"
        merged.to_parquet(file)
        valid[name] = con.read_parquet(file, table_name=f"good_{name}")
        before, left = tables[name].rows_out, int(valid[name].count().execute())
        tables[name] = dataclasses.replace(
            tables[name], paths=(str(file),), columns=tuple(valid[name].columns), rows_out=left, merged=before - left
        )
        findings += [finding_of(name, "", _RULES[name], before - left, before), *said]
    return findings


_RULES = {
    "messages": "billing segments merged",
    "customers": "rows of one customer merged",
    "assignments": "assigned again to the same arm",
}


# --- customers -------------------------------------------------------------------------------------------------------


def merge_customers(rows: ir.Table, messages: ir.Table | None) -> tuple[ir.Table | None, list[Finding]]:
    """Return one row per customer, and where a customer's rows differ; None if every customer has one row.

    A customer has several rows if the source names the customer in several spellings, or joins ids by `identities`.
    A value that only one row has is that of the customer; where rows have different values, the value is unknown.
    `joined_at` is the first contact, so the earliest counts. Consent is one history, in which the later event decides:
    the last opt-out, and the opt-in since which the last consent has lasted.

    Args:
        rows: valid customers, typed; the keys may repeat.
        messages: valid messages, whose opt-outs belong to the same history; None without messages.
    """
    counts = rows.group_by("customer_id").aggregate(n=rows.count())
    repeated = counts.filter(counts.n > 1)
    if not repeated.count().execute():
        return None, []
    several = rows.semi_join(repeated, "customer_id")
    attributes = [name for name in rows.columns if name not in ("customer_id", "joined_at", *_CONSENT)]
    consent = [name for name in _CONSENT if name in rows.columns]
    differ = several.group_by("customer_id").aggregate(
        **{name: several[name].nunique() > 1 for name in attributes},
        **{name: several[name].fill_null(_NEVER).nunique() > 1 for name in consent},
    )
    values = {name: _agreed(several[name]) for name in attributes}
    values |= {"joined_at": several.joined_at.min()} if "joined_at" in rows.columns else {}
    values |= {"opted_out_at": several.opted_out_at.max()} if "opted_out_at" in rows.columns else {}
    merged = several.group_by("customer_id").aggregate(**values)
    if "opted_in_at" in consent:
        opt_ins = _opt_ins(several, messages)
        merged = merged.left_join(opt_ins, merged.customer_id == opt_ins.person).rename(opted_in_at="opt_in")
    merged = merged.select(**{name: merged[name].cast(rows[name].type()) for name in rows.columns})
    single = rows.anti_join(repeated, "customer_id").select(rows.columns)
    return single.union(merged), list(_differing(differ, attributes, consent))


_NEVER = ibis.literal("0001-01-01").cast("timestamp")
"""Stands for an event that did not happen, where rows are compared."""


def _agreed(column: ir.Value) -> ir.Value:
    """Return the value that all rows of a group have that have any; null if they differ."""
    return ibis.ifelse(column.nunique() <= 1, column.arbitrary(), ibis.null(column.type()))


def _opt_ins(rows: ir.Table, messages: ir.Table | None) -> ir.Table:
    """person, opt_in: the opt-in since which each customer's last consent has lasted, for those who have any.

    It is the first opt-in after the last opt-out that precedes the customer's last opt-in. Later opt-outs withdraw it.
    """
    given = rows.select(person="customer_id", opt_in=rows.opted_in_at.cast("timestamp")).filter(ibis._.opt_in.notnull())
    withdrawn = [
        table.select(person="customer_id", opt_out=table.opted_out_at.cast("timestamp"))
        for table in (rows, messages)
        if table is not None and "opted_out_at" in table.columns
    ]
    if not withdrawn:
        return given.group_by("person").aggregate(opt_in=given.opt_in.min())
    events = ibis.union(*withdrawn) if len(withdrawn) > 1 else withdrawn[0]
    last = given.group_by("person").aggregate(last=given.opt_in.max())
    ended = events.inner_join(last, "person")
    ended = ended.filter(ended.opt_out < ended["last"])
    ended = ended.group_by("person").aggregate(ended=ended.opt_out.max())
    since = given.left_join(ended, "person")
    since = since.filter(since.ended.isnull() | (since.opt_in > since.ended))
    return since.group_by("person").aggregate(opt_in=since.opt_in.min())


def _differing(differ: ir.Table, attributes: list[str], consent: list[str]) -> Iterator[Finding]:
    """Yield a finding for each column in which rows of one customer differ."""
    columns = [*attributes, *consent]
    if not columns:
        return
    counts = differ.aggregate(**{name: differ[name].cast("int64").sum() for name in columns}).execute().iloc[0]
    for name in columns:
        if people := int(counts[name]):
            rule = "consent differs between rows of one customer" if name in consent else "rows of one customer differ"
            yield finding_of("customers", name, rule, people, severity="warning", people=f"{people:,}")


# --- assignments -----------------------------------------------------------------------------------------------------


def first_assignments(rows: ir.Table) -> ir.Table | None:
    """Return each customer's first assignment in an experiment; None if no customer is assigned twice.

    Args:
        rows: valid assignments, typed: all of a customer in an experiment are to the same arm.
    """
    key = list(contract.TABLES["assignments"].key)
    place = ibis.row_number().over(ibis.window(group_by=key, order_by="assigned_at"))
    again = rows.group_by(key).aggregate(n=rows.count())
    if not again.filter(again.n > 1).limit(1).count().execute():
        return None
    ranked = rows.mutate(place__=place)
    return ranked.filter(ranked.place__ == 0).select(rows.columns)
