"""The input tables of a source and their columns."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ATTRIBUTE_PREFIX",
    "CUSTOMER_ID_COLUMNS",
    "MONEY",
    "PERSONAL_DATA_PATTERN",
    "PLANNED_TIMES",
    "TABLES",
    "Column",
    "Table",
    "gap_name",
    "groups_customers",
    "raw_name",
]

Kind = Literal["id", "text", "timestamp", "float", "int"]

ATTRIBUTE_PREFIX = "attr_"
"""Prefix of the user's own columns of `customers`; their values are kept unchanged."""

GROUPING_COLUMNS = ("region", "acquisition_channel")
"""Columns of `customers` that group them, beside the user's own."""

CUSTOMER_ID_COLUMNS = ("customer_id", "referred_by")
"""Columns with customer ids, in every table; telephone numbers and e-mail addresses are refused."""

PERSONAL_DATA_PATTERN = r"@|^\+[0-9]{8,15}$|^(?:\+?86)?1[3-9][0-9]{9}$"
"""Matches telephone numbers and e-mail addresses, with the regular expressions of DuckDB and of Arrow."""


def groups_customers(column: str) -> bool:
    """Whether a column of `customers` groups them: its values are no groups made from behaviour.

    >>> groups_customers("attr_member_level"), groups_customers("region"), groups_customers("rfm_group")
    (True, True, False)
    """
    return column in GROUPING_COLUMNS or column.startswith(ATTRIBUTE_PREFIX)


@dataclass(frozen=True)
class Column:
    """One column of the contract."""

    name: str
    kind: Kind
    required: bool = False
    """The column must exist, and every row needs a value."""
    minimum: float | None = None
    """The smallest value allowed."""
    maximum: float | None = None
    """The largest value allowed."""


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    key: tuple[str, ...]
    """Columns that together identify a row; empty if rows have no key."""
    columns: tuple[Column, ...]
    event_time: str = ""
    """The column with the time of the row's event: a row later than the last day observed is left out."""
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})


def _table(name: str, key: str, columns: str, event_time: str = "") -> Table:
    """Parse the compact form of a table: `name:kind`, `*` required, `[0,1]` the range; ids and text need no kind."""
    parsed = []
    for word in columns.split():
        rest, _, ends = word.partition("[")
        label, _, kind = rest.rstrip("*").partition(":")
        default: Kind = "id" if label.endswith("_id") or label == "referred_by" else "text"
        minimum, maximum = (float(end) if end else None for end in (ends.rstrip("]") or ",").split(","))
        parsed.append(Column(label, kind or default, "*" in rest, minimum, maximum))  # type: ignore[arg-type]
    return Table(name, tuple(key.split()), tuple(parsed), event_time)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "customers",
            "customer_id",
            "customer_id* joined_at:timestamp timezone region acquisition_channel acquisition_cost:float[0,]"
            " referred_by opted_in_at:timestamp opted_out_at:timestamp",
            event_time="joined_at",
        ),
        _table(
            "orders",
            "order_id",
            "order_id* customer_id* ordered_at:timestamp* amount:float* discount:float[0,]",
            event_time="ordered_at",
        ),
        _table(
            "messages",
            "message_id",
            "message_id* customer_id* campaign_id* sent_at:timestamp* channel variant cost:float[0,]"
            " delivered_at:timestamp opened_at:timestamp clicked_at:timestamp replied_at:timestamp"
            " opted_out_at:timestamp plan_id segments:int[1,]",
            event_time="sent_at",
        ),
        _table(
            "campaigns",
            "campaign_id",
            "campaign_id* name* started_at:timestamp objective theme",
            event_time="started_at",
        ),
        _table("creatives", "campaign_id variant", "campaign_id* variant* text* content_type"),
        _table(
            "experiments",
            "experiment_id",
            "experiment_id* kind* control_arm* started_at:timestamp* ended_at:timestamp outcome_until:timestamp"
            " primary_metric",
            event_time="started_at",
        ),
        _table(
            "arms",
            "experiment_id arm",
            "experiment_id* arm* share:float*[0,1] messages_per_week:float[0,] hour_start:int[0,23] hour_end:int[0,24]"
            " variant",
        ),
        _table(
            "assignments",
            "experiment_id customer_id",
            "experiment_id* customer_id* arm* assigned_at:timestamp* cluster_id",
            event_time="assigned_at",
        ),
        _table("identities", "", "customer_id* kind* value:id*"),
        _table(
            "feedback", "", "customer_id* responded_at:timestamp* score:float*[0,10] text", event_time="responded_at"
        ),
        _table("visits", "", "customer_id* visited_at:timestamp* source", event_time="visited_at"),
        _table("competitor_messages", "", "competitor* sent_at:timestamp* region text", event_time="sent_at"),
        _table(
            "plans",
            "plan_id customer_id",
            "plan_id* customer_id* role* probability:float*[0,1] send_at:timestamp variant expected_profit:float"
            " promise_factor:float[0,]",
        ),
        _table(
            "external_metrics",
            "",
            "metric* at:timestamp* value:float* low:float high:float source",
            event_time="at",
        ),
    )
}


MONEY = frozenset(
    {
        ("orders", "amount"),
        ("orders", "discount"),
        ("messages", "cost"),
        ("customers", "acquisition_cost"),
        ("plans", "expected_profit"),
    }
)
"""Columns with amounts of money, by table; all are in the source's currency."""

# --- times and kinds -------------------------------------------------------------------------------------------------

LAST_DAYS = ("ended_at", "outcome_until")
"""Columns that end a window. A date without a time means the end of that day."""
EVENTS_AFTER = ("delivered_at", "opened_at", "clicked_at", "replied_at", "opted_out_at")
"""What follows a message. A date without a time means the end of that day, so that it is not before a message of the
same day, and withdraws a consent of the same day."""
EVENT_BEFORE_MIDNIGHT = 2
"""Microseconds from such an event to midnight: before a window that ends with its day, and at no time that a log with
seconds or milliseconds can have, so that a date is still known as one."""
PLANNED_TIMES = {("plans", "send_at"), ("experiments", "ended_at"), ("experiments", "outcome_until")}
"""Planned times. Unlike observed ones, they are not set to null if they are after the last day observed: a test that
runs has a planned end, and can collect outcomes after it."""

_KIND_DESCRIPTION = {
    "timestamp": "a date or time, year first (2025-06-30, 2025/6/30 21:15, 2025-06-30T21:15:00+08:00)",
    "float": "a number (1234.5, 1,234.50, ￥99)",
    "int": "a whole number",
}
IDENTITY_KINDS = {
    "phone": (
        "mobile", "telephone", "tel", "cell", "mobile phone", "cell phone", "cellphone", "phone number", "msisdn",
        "sms", "whatsapp", "手机", "手机号", "手机号码", "电话", "电话号码",
    ),
    "email": ("mail", "e-mail", "email address", "邮箱", "电子邮箱", "电子邮件", "邮件"),
    "id": ("customer id", "user id", "会员号"),
}  # fmt: skip
"""Kinds of identities, and their other names in lower case; `_`, `-` and blanks in them are the same."""
EXPERIMENT_KINDS = ("content", "timing", "frequency", "holdout")
PRIMARY_METRICS = ("profit", "revenue", "orders", "order_rate", "click_rate", "opt_out_rate")


def raw_name(column: str) -> str:
    """Return the name of the column with the raw values, which exists during validation."""
    return f"raw__{column}"


def gap_name(column: str) -> str:
    """Return the name of the column that marks local times that do not exist."""
    return f"gap__{column}"
