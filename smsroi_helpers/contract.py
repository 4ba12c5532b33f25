"""The data contract as code: the tables a source may hold, their columns, and the rules their rows are held to.

`data/README.md` says the same in prose; where the two disagree, one of them is a bug.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import ibis
import ibis.expr.types as ir

__all__ = [
    "ATTRIBUTE_PREFIX",
    "OUTPUTS",
    "ROW_RULES",
    "SHARED_OUTPUTS",
    "TABLES",
    "Column",
    "Decision",
    "RowRule",
    "Table",
    "judge_rows",
    "remedy_for",
    "text_of",
]

Kind = Literal["id", "text", "timestamp", "float", "int"]

ATTRIBUTE_PREFIX = "attr_"
"""Columns of `customers` beginning so are the user's own and are kept as they come."""


@dataclass(frozen=True)
class Column:
    """One column of the contract."""

    name: str
    kind: Kind
    required: bool = False
    """The table cannot be read without it, and no row may lack a value."""
    least: float | None = None
    """The smallest value allowed."""


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    key: tuple[str, ...]
    """Columns that together name a row; empty where rows have no name."""
    columns: tuple[Column, ...]
    own_time: str = ""
    """The column that says when the row came to be: a row later than the last day observed is left out."""
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})


def _table(name: str, key: str, columns: str, own_time: str = "") -> Table:
    """A table from its compact form: `name:kind`, `*` required, `>=0` never negative; ids and text need no kind."""
    parsed = []
    for word in columns.split():
        rest, _, least = word.partition(">=")
        label, _, kind = rest.rstrip("*").partition(":")
        default: Kind = "id" if label.endswith("_id") or label == "referred_by" else "text"
        parsed.append(Column(label, kind or default, "*" in rest, float(least) if least else None))  # type: ignore[arg-type]
    return Table(name, tuple(key.split()), tuple(parsed), own_time)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "customers",
            "customer_id",
            "customer_id* joined_at:timestamp timezone region acquisition_channel acquisition_cost:float>=0"
            " referred_by opted_in_at:timestamp opted_out_at:timestamp",
            own_time="joined_at",
        ),
        _table(
            "orders",
            "order_id",
            "order_id* customer_id* ordered_at:timestamp* amount:float* discount:float>=0",
            own_time="ordered_at",
        ),
        _table(
            "messages",
            "message_id",
            "message_id* customer_id* campaign_id* sent_at:timestamp* channel variant cost:float>=0"
            " delivered_at:timestamp opened_at:timestamp clicked_at:timestamp replied_at:timestamp"
            " opted_out_at:timestamp plan_id",
            own_time="sent_at",
        ),
        _table(
            "campaigns",
            "campaign_id",
            "campaign_id* name* started_at:timestamp objective theme",
            own_time="started_at",
        ),
        _table("creatives", "campaign_id variant", "campaign_id* variant* text* content_type"),
        _table(
            "experiments",
            "experiment_id",
            "experiment_id* kind* control_arm* started_at:timestamp* ended_at:timestamp outcome_until:timestamp"
            " primary_metric",
            own_time="started_at",
        ),
        _table(
            "arms",
            "experiment_id arm",
            "experiment_id* arm* share:float*>=0 messages_per_week:float>=0 hour_start:int>=0 hour_end:int>=0 variant",
        ),
        _table(
            "assignments",
            "experiment_id customer_id",
            "experiment_id* customer_id* arm* assigned_at:timestamp*",
            own_time="assigned_at",
        ),
        _table("feedback", "", "customer_id* responded_at:timestamp* score:float*>=0 text", own_time="responded_at"),
        _table("visits", "", "customer_id* visited_at:timestamp* source", own_time="visited_at"),
        _table("competitor_messages", "", "competitor* sent_at:timestamp* region text", own_time="sent_at"),
        _table(
            "plans",
            "plan_id customer_id",
            "plan_id* customer_id* role* probability:float*>=0 send_at:timestamp variant expected_profit:float",
        ),
        _table(
            "external_metrics",
            "",
            "metric* at:timestamp* value:float* low:float high:float source",
            own_time="at",
        ),
    )
}

_PLAIN_KIND = {
    "id": "an id",
    "text": "text",
    "timestamp": "a date or time (2025-06-30, 2025-06-30 21:15:00, 2025-06-30T21:15:00+08:00)",
    "float": "a number",
    "int": "a whole number",
}


@dataclass(frozen=True)
class RowRule:
    """A rule that one row can break, and what to do about it.

    `broken(typed, raw, table, column)` is the Ibis predicate that is true where it is broken: `typed` is the table with
    the contract's types (null where a value could not be read), `raw` the same table as it came.
    """

    code: str
    applies: Callable[[Table, Column], bool]
    broken: Callable[[ir.Table, Column], ir.BooleanValue]
    remedy: Callable[[Column], str]


def text_of(name: str) -> str:
    """The name under which a column's raw value travels beside its typed one while rows are judged."""
    return f"raw__{name}"


ROW_RULES: tuple[RowRule, ...] = (
    RowRule(
        "unreadable",
        applies=lambda table, column: column.kind in ("timestamp", "float", "int"),
        broken=lambda rows, column: rows[text_of(column.name)].notnull() & rows[column.name].isnull(),
        remedy=lambda column: f"write it as {_PLAIN_KIND[column.kind]}",
    ),
    RowRule(
        "missing",
        applies=lambda table, column: column.required,
        broken=lambda rows, column: rows[column.name].isnull(),
        remedy=lambda column: "every row needs a value here; a .sql mapping can leave such rows out",
    ),
    RowRule(
        "not finite",
        applies=lambda table, column: column.kind == "float",
        broken=lambda rows, column: rows[column.name].isnan() | rows[column.name].isinf(),
        remedy=lambda column: "NaN and infinity are no amounts: leave the field empty or mend the export",
    ),
    RowRule(
        "too small",
        applies=lambda table, column: column.least is not None,
        broken=lambda rows, column: rows[column.name] < column.least,
        remedy=lambda column: f"{column.name} is {column.least:g} or more",
    ),
)


def judge_rows(rows: ir.Table, table: Table, *, names_repeat: bool) -> ir.Table:
    """The rows with a column `fault`: null where the row keeps every rule, else `column: rule`, the first one broken.

    Args:
        rows: the contract's columns with the contract's types, each one's raw value under `text_of(name)`, and `line`.
        table: whose rules.
        names_repeat: whether any key stands on more than one row; if not, the costly comparison of rows is spared.

    Rows that repeat another row of the same key to the letter are put aside but for one; where rows of one key differ,
    none can be told to be the right one and all are put aside.
    """
    present = [column for column in table.columns if column.name in rows.columns]
    branches = [
        (rule.broken(rows, column), ibis.literal(f"{column.name}: {rule.code}"))
        for rule in ROW_RULES
        for column in present
        if rule.applies(table, column)
    ]
    if names_repeat:
        name = " + ".join(table.key)
        columns = [column.name for column in present]
        same_key = rows.count().over(ibis.window(group_by=list(table.key)))
        same_row = rows.count().over(ibis.window(group_by=columns))
        copy_number = ibis.row_number().over(ibis.window(group_by=list(table.key), order_by="line"))
        branches += [
            (same_key != same_row, ibis.literal(f"{name}: conflicting key")),
            (copy_number > 0, ibis.literal(f"{name}: repeated row")),
        ]
    fault = ibis.cases(*branches, else_=ibis.null(str)) if branches else ibis.null(str)
    return rows.mutate(fault=fault)


def remedy_for(fault: str, table: Table) -> str:
    """What to do about a fault that `judge_rows` named."""
    column, _, code = fault.partition(": ")
    for rule in ROW_RULES:
        if rule.code == code:
            return rule.remedy(table.by_name[column])
    if code == "conflicting key":
        return "rows of one key differ and none can be told to be right: keep one of them, or give each its own id"
    return "the row stands twice, to the letter; one is kept"


# --- what a run leaves -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """What a notebook answers: one row of the table `decisions`, in the reader's language."""

    stage: str
    question: str
    outcome: Literal["do", "dont", "not_enough_evidence", "broken"]
    action: str
    """What to do, in one sentence."""
    text: str
    """What the action means, in a sentence or two."""
    evidence: Literal["randomised", "observational", "none"]
    customers: int
    """How many people the numbers rest on."""
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    """95 % interval of `value`; NaN where the decision has no number."""
    unit: Literal["money_per_week", "money", "share", "count", ""] = ""
    kind: Literal["gain", "forecast", "fact"] = "fact"
    """`gain`: money against today's practice; `forecast`: what is expected to come; `fact`: neither."""
    segment: str = "all"
    caveat: str = ""
    """What the reader must know before acting."""

    def __post_init__(self) -> None:
        if self.unit and not self.low <= self.value <= self.high:
            raise ValueError(f"a value travels with its interval: {self.low} ≤ {self.value} ≤ {self.high} is not so")


OUTPUTS: dict[str, tuple[str, ...]] = {
    "customer_value": (
        "customer_id", "frequency", "recency", "T", "p_alive", "expected_orders", "expected_value", "expected_low",
        "expected_high", "cltv", "cltv_low", "cltv_high",
    ),
    "exclusions": ("table", "rule", "severity", "rows", "share"),
    "quarantine": ("table", "line", "reason", "key"),
    "model_fits": (
        "model", "fit", "parameter", "value", "low", "high", "log_likelihood", "customers", "unit", "status",
    ),
    "decisions": (
        "stage", "question", "segment", "outcome", "action", "value", "low", "high", "unit", "evidence", "customers",
        "text",
    ),
}  # fmt: skip
"""The tables a run leaves and the columns each must have; more are welcome."""

SHARED_OUTPUTS = ("decisions",)
"""Tables that several notebooks fill: a folder of parts, one per stage."""
