"""Validation rules for the rows and tables of a source, and warnings about its data.

`data/README.md` describes the same rules in prose; a difference between the two is a bug.
"""

import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import ibis
import ibis.expr.types as ir

from smsroi_helpers.contract.tables import (
    _KIND_DESCRIPTION,
    ATTRIBUTE_PREFIX,
    EXPERIMENT_KINDS,
    IDENTITY_KINDS,
    PRIMARY_METRICS,
    Column,
    Table,
    gap_name,
    raw_name,
)

__all__ = [
    "DAMAGED_ID",
    "DATA_WARNINGS",
    "NOT_JOINED",
    "RULES",
    "SPELLING",
    "TABLE_RULES",
    "WRONG_FIELDS",
    "DataWarning",
    "RowRule",
    "fault_name",
    "fault_parts",
    "remedy_for",
    "validate_rows",
    "withdrawn",
]

SourceTables = Mapping[str, ir.Table]
"""Tables read so far, by name, with their valid rows."""


@dataclass(frozen=True)
class RowRule:
    """A validation rule for one row; a row that breaks it is rejected."""

    where: str
    """`table.column`, or `*.` and a property of columns: a kind, `required`, `minimum` or `maximum`."""
    code: str
    """Short name of the rule on pages and in messages."""
    broken: Callable[[ir.Table, Column, SourceTables], ir.BooleanValue]
    """True for rows that break the rule. Rows have the typed columns (null if unreadable) and the raw ones."""
    remedy: str
    """How to correct the data."""

    def applies_to(self, table: Table, column: Column) -> bool:
        """Whether the rule applies to a column."""
        place, _, what = self.where.partition(".")
        if place != "*":
            return (place, what) == (table.name, column.name)
        if what in ("required", "minimum", "maximum"):
            required_or_limit = getattr(column, what)
            return required_or_limit is not None and required_or_limit is not False  # 0 is a valid limit
        return column.kind == what


def _unreadable(rows: ir.Table, column: Column, tables: SourceTables) -> ir.BooleanValue:
    return rows[raw_name(column.name)].notnull() & rows[column.name].isnull()


def _before_sending(rows: ir.Table, column: Column, tables: SourceTables) -> ir.BooleanValue:
    return rows[column.name] < rows.sent_at


def _looks_like(pattern: str) -> Callable[[ir.Table, Column, SourceTables], ir.BooleanValue]:
    def broken(rows: ir.Table, column: Column, tables: SourceTables) -> ir.BooleanValue:
        raw = rows[raw_name(column.name)]
        return raw.re_search(pattern) if raw.type().is_string() else ibis.literal(False)

    return broken


def _unknown_arm(rows: ir.Table, column: Column, tables: SourceTables) -> ir.BooleanValue:
    if "arms" not in tables:
        return ibis.literal(True)
    known = tables["arms"].select(known=tables["arms"].experiment_id + "\x1f" + tables["arms"].arm).known
    return (rows.experiment_id + "\x1f" + rows.arm).notin(known)


DAMAGED_ID = r"^[0-9](?:([.,][0-9]+)?[eE]\+|[.,][0-9]+[eE])[0-9]+(?: row [0-9]+)?$"
"""A number as a spreadsheet rounds it, such as 4.47911E+11, 4,47911E+11 or 4.47911E11; several ids have become one. The
mappings of exports add the row, so that each counts."""
_AFTER_SENDING = "an event cannot be earlier than its message: check the clocks of the two columns"

RULES: tuple[RowRule, ...] = (
    RowRule("*.id", "spreadsheet damage", _looks_like(DAMAGED_ID),
         "a spreadsheet has rounded the ids; export again with the column formatted as text"),
    RowRule("*.timestamp", "spreadsheet date", _looks_like(r"^[1-7][0-9]{4}(\.[0-9]+)?$"),
         "a spreadsheet's day number; export again with the column formatted as a date"),
    RowRule("*.timestamp", "no such local time", lambda rows, column, tables: rows[gap_name(column.name)],
         "the clock was set forward, so this time does not exist; write times with their offset, or check source.yml's"
         " timezone"),
    RowRule("*.timestamp", "unreadable", _unreadable,
         f"write it as {_KIND_DESCRIPTION['timestamp']};"
         " with the year last, the column or `country` must show the order; of zones' names only UTC, GMT and the"
         " American ones are read"),
    RowRule("*.float", "unreadable", _unreadable, f"write it as {_KIND_DESCRIPTION['float']}"),
    RowRule("*.int", "unreadable", _unreadable, f"write it as {_KIND_DESCRIPTION['int']}"),
    RowRule("*.required", "missing", lambda rows, column, tables: rows[column.name].isnull(),
         "every row needs a value; a .sql mapping can exclude such rows and declare them in exclusions.sql"),
    RowRule("*.float", "not finite", lambda rows, column, tables: rows[column.name].isnan() | rows[column.name].isinf(),
         "NaN and infinity are not amounts: leave the field empty or correct the export"),
    RowRule("*.minimum", "too small", lambda rows, column, tables: rows[column.name] < column.minimum,
         "below the smallest value allowed; see data/README.md"),
    RowRule("*.maximum", "too large", lambda rows, column, tables: rows[column.name] > column.maximum,
         "above the largest value allowed; see data/README.md"),
    RowRule("customers.timezone", "unknown time zone",
         lambda rows, column, tables: rows.timezone.notin(sorted(zoneinfo.available_timezones())),
         "write an IANA name such as Asia/Shanghai, or leave it empty"),
    RowRule("messages.delivered_at", "before it was sent", _before_sending, _AFTER_SENDING),
    RowRule("messages.opened_at", "before it was sent", _before_sending, _AFTER_SENDING),
    RowRule("messages.clicked_at", "before it was sent", _before_sending, _AFTER_SENDING),
    RowRule("messages.replied_at", "before it was sent", _before_sending, _AFTER_SENDING),
    RowRule("messages.opted_out_at", "before it was sent", _before_sending, _AFTER_SENDING),
    RowRule("experiments.kind", "unknown kind", lambda rows, column, tables: rows.kind.notin(EXPERIMENT_KINDS),
         f"one of {', '.join(EXPERIMENT_KINDS)}"),
    RowRule("experiments.primary_metric", "unknown metric",
         lambda rows, column, tables: rows.primary_metric.notin(PRIMARY_METRICS),
         f"one of {', '.join(PRIMARY_METRICS)}, or empty for profit"),
    RowRule("identities.kind", "unknown kind", lambda rows, column, tables: rows.kind.notin([*IDENTITY_KINDS]),
         "; ".join(f"{kind} (or {', '.join(others)})" for kind, others in IDENTITY_KINDS.items())),
    RowRule("assignments.arm", "unknown arm", _unknown_arm,
         "the table arms must list every arm of the experiment; check the spelling of both"),
)  # fmt: skip
"""The rules for rows, in order of precedence: a row's fault is the first rule that it breaks."""

KEY_FAULTS = {
    "conflicting key": "rows with the same key differ, and the correct one is unknown: keep one, or give each its"
    " own id",
    "in two arms": "a customer in two arms had both treatments, so no assignment can be kept: leave the customer out of"
    " this test, and find out how the split could assign twice",
    "repeated row": "the row has exact duplicates; one copy is kept",
}
SPELLING = "spelling__"
"""Column that numbers the spellings of a customer's id, during validation; missing where each customer has one."""
WRONG_FIELDS = "wrong number of fields"
_ROW_FAULTS = {
    **KEY_FAULTS,
    WRONG_FIELDS: "the row has more or fewer fields than the header: quote fields that contain the delimiter",
}


def validate_rows(rows: ir.Table, table: Table, tables: SourceTables, *, has_repeated_keys: bool) -> ir.Table:
    """Return the rows with a column `fault`: null for a valid row, else the first rule it breaks, as `fault_name`.

    Among exact duplicates, one row is kept and the others are rejected. If rows with the same key differ, all are
    rejected, because the correct one is unknown. Several assignments to the same arm are valid, and so are the rows of
    a customer who is named in several spellings (`SPELLING`), one of each.

    Args:
        rows: the contract's columns with their types; the raw values under `raw_name`; whether a local time does not
            exist under `gap_name`; and `line`, which orders exact duplicates.
        table: the table's definition.
        tables: the tables read before this one.
        has_repeated_keys: whether a key occurs in several rows; if not, the costly comparison of rows is skipped.
    """
    present = [column for column in table.columns if column.name in rows.columns]
    branches = [
        (rule.broken(rows, column, tables), ibis.literal(fault_name(column.name, rule.code)))
        for rule in RULES
        for column in present
        if rule.applies_to(table, column)
    ]
    if has_repeated_keys:
        name = " + ".join(table.key)
        # Rows that name one customer in several spellings are merged later: see `source.merge`.
        key = [*table.key, *([SPELLING] if SPELLING in rows.columns else [])]
        own = [rows[attribute] for attribute in rows.columns if attribute.startswith(ATTRIBUTE_PREFIX)]
        # Unreadable values and empty fields are both null; they differ by their raw values.
        unread = [
            ibis.ifelse(rows[column.name].isnull(), rows[raw_name(column.name)].cast("string"), ibis.null("string"))
            for column in present
        ]
        of_key = ibis.window(group_by=key)
        if table.name == "assignments":  # of one arm the first counts, whatever the others say: see `source.merge`
            two_arms = rows.arm.min().over(of_key) != rows.arm.max().over(of_key)
            branches += [(two_arms, ibis.literal(fault_name(name, "in two arms")))]
        else:
            values = [*(rows[column.name] for column in present), *key[len(table.key) :], *own, *unread]
            different = rows.count().over(of_key) != rows.count().over(ibis.window(group_by=values))
            copy_number = ibis.row_number().over(ibis.window(group_by=key, order_by="line"))
            branches += [
                (different, ibis.literal(fault_name(name, "conflicting key"))),
                (copy_number > 0, ibis.literal(fault_name(name, "repeated row"))),
            ]
    fault = ibis.cases(*branches, else_=ibis.null(str)) if branches else ibis.null(str)
    return rows.mutate(fault=fault)


def fault_name(column: str, code: str) -> str:
    """Return the name of a fault in the quarantine: `column: rule`, or only the rule if it concerns the whole row."""
    return f"{column}: {code}" if column else code


def fault_parts(fault: str) -> tuple[str, str]:
    """Return the column (empty if there is none) and the rule of a `fault_name`."""
    column, _, code = fault.rpartition(": ")  # a rule's code has no colon
    return column, code


def remedy_for(fault: str, table: Table) -> str:
    """Return the remedy for a fault of `validate_rows`."""
    name, code = fault_parts(fault)
    if code in _ROW_FAULTS:
        return _ROW_FAULTS[code]
    column = table.by_name[name]
    return next(rule.remedy for rule in RULES if rule.code == code and rule.applies_to(table, column))


@dataclass(frozen=True)
class TableRule:
    """A validation rule for a whole table; a source that breaks it is refused."""

    needs: tuple[str, ...]
    table: str
    column: str
    code: str
    broken: Callable[[SourceTables], ir.Table]
    """Returns the groups that break the rule: a table with the columns `name` and `found`."""
    remedy: str


def _uneven_shares(tables: SourceTables) -> ir.Table:
    totals = tables["arms"].group_by("experiment_id").aggregate(total=tables["arms"].share.sum())
    uneven = totals.filter((totals.total - 1).abs() > 1e-6)
    return uneven.select(name=uneven.experiment_id, found=uneven.total.round(6).cast("string"))


def _controls_without_arm(tables: SourceTables) -> ir.Table:
    arms = tables["arms"].select("experiment_id", control_arm=tables["arms"].arm)
    lost = tables["experiments"].anti_join(arms, ["experiment_id", "control_arm"])
    return lost.select(name=lost.experiment_id, found=lost.control_arm)


TABLE_RULES: tuple[TableRule, ...] = (
    TableRule(("arms",), "arms", "share", "shares do not sum to 1", _uneven_shares,
              "the planned shares of an experiment's arms must sum to 1"),
    TableRule(("experiments", "arms"), "experiments", "control_arm", "is none of the arms", _controls_without_arm,
              "list the control arm in the table arms"),
)  # fmt: skip


@dataclass(frozen=True)
class DataWarning:
    """A warning about the data, counted up to the last day observed; no row is rejected."""

    needs: tuple[str, ...]
    """`table` or `table.column` that must exist, or `-table.column` that must be missing, for the warning to apply."""
    table: str
    code: str
    rows: Callable[[SourceTables, "SourceSettings"], ir.Table]
    """Returns the rows concerned."""
    remedy: str
    of_customers: bool = False
    """The rows are customers, not rows of the table."""


class SourceSettings(Protocol):
    """The settings that warnings use."""

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency."""
        ...


def _unknown_customers(name: str) -> Callable[[SourceTables, SourceSettings], ir.Table]:
    def rows(tables: SourceTables, settings: SourceSettings) -> ir.Table:
        return tables[name].select("customer_id").distinct().anti_join(tables["customers"], "customer_id")

    return rows


def withdrawn(
    opted_in_at: ir.TimestampValue, opted_out_at: ir.TimestampValue, at: ir.TimestampValue
) -> ir.BooleanValue:
    """Whether an opt-out is in force at an instant: it is earlier, and no opt-in has followed it by then.

    An opt-in at the same instant as the opt-out does not revoke it.
    """
    undone = (opted_in_at > opted_out_at) & (opted_in_at <= at)
    return (opted_out_at < at).fill_null(False) & ~undone.fill_null(False)


def _after_opt_out(tables: SourceTables, settings: SourceSettings) -> ir.Table:
    """Return the texts sent while an opt-out was in force; e-mail and push have separate consent."""
    texts = messages = tables["messages"]
    if "channel" in messages.columns:
        texts = texts.filter(texts.channel.lower().fill_null("sms") == "sms")
    recorded = [tables[name] for name in ("customers", "messages") if name in tables]
    opt_outs = [
        table.select("customer_id", opt_out_at=table.opted_out_at.cast("timestamp"))
        for table in recorded
        if "opted_out_at" in table.columns
    ]
    if not opt_outs:
        return texts.limit(0)
    left = ibis.union(*opt_outs) if len(opt_outs) > 1 else opt_outs[0]
    left = left.filter(left.opt_out_at.notnull()).rename(opt_out_customer="customer_id")
    pairs = texts.select("message_id", "customer_id", sent="sent_at")
    pairs = pairs.join(left, pairs.customer_id == left.opt_out_customer)
    if "customers" in tables and "opted_in_at" in tables["customers"].columns:
        opt_ins = tables["customers"].select(customer="customer_id", opt_in_at="opted_in_at")
        pairs = pairs.left_join(opt_ins, pairs.customer_id == opt_ins.customer)
    else:
        pairs = pairs.mutate(opt_in_at=ibis.null("timestamp"))
    wrong = pairs.filter(withdrawn(pairs.opt_in_at, pairs.opt_out_at, pairs.sent)).select("message_id").distinct()
    return texts.semi_join(wrong, "message_id")


def _refunds_without_order(tables: SourceTables, settings: SourceSettings) -> ir.Table:
    """Return the refunds without an earlier order, if they are more than 1 % of all refunds."""
    orders = tables["orders"]
    bought = orders.filter(orders.amount >= 0).group_by("customer_id").aggregate(first=ibis._.ordered_at.min())
    refunds = orders.filter(orders.amount < 0).left_join(bought, "customer_id")
    refunds = refunds.mutate(without_order=refunds["first"].isnull() | (refunds["first"] > refunds.ordered_at))
    refunds = refunds.mutate(share=refunds.without_order.cast("int64").mean().over(ibis.window()))
    return refunds.filter(refunds.without_order, refunds.share > 0.01)


def _finer_than_currency(tables: SourceTables, settings: SourceSettings) -> ir.Table:
    amount = tables["orders"].amount
    return tables["orders"].filter((amount - amount.round(settings.currency_digits)).abs() > 1e-6)


def _repeated_orders(tables: SourceTables, settings: SourceSettings) -> ir.Table:
    orders = tables["orders"].filter(tables["orders"].amount != 0)
    same = ibis.window(group_by=["customer_id", "ordered_at", "amount"], order_by="order_id")
    ranked = orders.mutate(place=ibis.row_number().over(same))
    return ranked.filter(ranked.place > 0)


_LEAST_SHARED, _LEAST_CUSTOMERS = 0.05, 30
"""Share of the smaller table's customers who must be in the other; both need this many customers to be judged."""


def _not_joined(name: str, *others: str) -> Callable[[SourceTables, SourceSettings], ir.Table]:
    """Return the customers of a table, if hardly any is in the others although both have many.

    Args:
        name: of the table.
        *others: names of the others; none: orders and customers.
    """
    others = others or tuple(other for other in ("orders", "customers") if other != name)

    def rows(tables: SourceTables, settings: SourceSettings) -> ir.Table:
        people = tables[name].select("customer_id").distinct()
        lists = [tables[other].select("customer_id") for other in others if other in tables]
        known = (ibis.union(*lists) if len(lists) > 1 else lists[0]).distinct()
        people = people.mutate(found=people.customer_id.isin(known.customer_id).cast("int64"))
        sizes = people.aggregate(size=people.count(), found=people.found.sum())
        sizes = sizes.cross_join(known.aggregate(known=known.count()))
        apart = sizes.filter(
            sizes.size >= _LEAST_CUSTOMERS,
            sizes.known >= _LEAST_CUSTOMERS,
            sizes.found < _LEAST_SHARED * ibis.least(sizes.size, sizes.known),
        )
        return people.filter(people.found == 0).cross_join(apart.select("size")).select("customer_id")

    return rows


_LEAST_ORDERS, _LEAST_SHARE, _TIMES_THE_NEXT = 20, 0.05, 5


def _of_one_id(tables: SourceTables, settings: SourceSettings) -> ir.Table:
    """Return the orders of an id that has a conspicuous share of all orders: five times those of any other."""
    orders = tables["orders"]
    counts = orders.group_by("customer_id").aggregate(n=orders.count())
    counts = counts.mutate(all=counts.n.sum().over(ibis.window()), next=counts.n.lead().over(order_by=ibis.desc("n")))
    wide = counts.filter(
        counts.n >= _LEAST_ORDERS, counts.n >= _LEAST_SHARE * counts["all"], counts.n > _TIMES_THE_NEXT * counts.next
    )
    return orders.semi_join(wide, "customer_id")


NOT_JOINED = "hardly any customer is in the other tables"
_JOIN_REMEDY = (
    "the tables name customers differently (another id, or a telephone number in one and an address in the other):"
    " add a table identities, or map the ids in a .sql; if they are telephone numbers, and one table's have no country"
    " code, set `country` in source.yml; otherwise no message can be related to an order"
)
_JOIN_TO_MESSAGES = (
    "the tables name customers differently (another id, or a telephone number in one and an address in the other):"
    " add a table identities, or map the ids in a .sql; otherwise no message can be related to a customer or a test"
)

DATA_WARNINGS: tuple[DataWarning, ...] = (
    *(DataWarning((name, "orders"), name, NOT_JOINED, _not_joined(name), _JOIN_REMEDY, of_customers=True)
      for name in ("customers", "messages", "assignments", "visits", "feedback")),
    *(DataWarning((name, "messages", "-orders"), name, NOT_JOINED, _not_joined(name, "messages"), _JOIN_TO_MESSAGES,
                  of_customers=True)
      for name in ("customers", "assignments")),
    DataWarning(("orders",), "orders", "orders of one customer id with a conspicuous share of all", _of_one_id,
            "if guests, a till or a marketplace order under this id, write guest instead of it (in a .sql mapping):"
            " guests are no one person, so they are left out and counted"),
    DataWarning(("customers", "orders"), "orders", "customers who are not in customers", _unknown_customers("orders"),
            "their attributes, consent and time zone are unknown; export customers as widely as orders",
            of_customers=True),
    DataWarning(("customers", "messages"), "messages", "customers who are not in customers",
            _unknown_customers("messages"),
            "their attributes, consent and time zone are unknown; export customers as widely as messages",
            of_customers=True),
    DataWarning(("messages",), "messages", "sent after the opt-out", _after_opt_out,
            "compliance: customers who opted out must not be texted; find the list that these messages came from"),
    DataWarning(("messages", "-messages.delivered_at"), "messages", "delivery unknown",
            lambda tables, settings: tables["messages"],
            "every message sent counts as delivered; add delivered_at from the gateway's receipts"),
    DataWarning(("orders",), "orders", "refunds without an order before", _refunds_without_order,
            "their orders are before the export begins or under another id; export a longer period"),
    DataWarning(("orders",), "orders", "finer than the currency", _finer_than_currency,
            "amounts have more decimals than the currency: are they prices before tax, or another currency's?"),
    DataWarning(("orders",), "orders", "same customer, instant and amount", _repeated_orders,
            "possibly one order exported under two ids; if so, exclude one in a .sql mapping"),
)  # fmt: skip
