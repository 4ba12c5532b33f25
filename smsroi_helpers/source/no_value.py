r"""Words and dates by which exports say that a field has no value: `NULL`, `\\N`, `0000-00-00`, a time of 1970.

In a column that may be empty they are empty fields, and are counted. In a required column they stay what they are, a
value that cannot be read; the zero of a clock, which can be read as a time, becomes one there.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable

import ibis
import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.contract import CUSTOMER_ID_COLUMNS, EVENTS_AFTER, Column
from smsroi_helpers.source.loaded import Finding, finding_of

__all__ = [
    "NO_VALUE",
    "ZERO_DATES",
    "without_no_values",
]

NO_VALUE = (
    "null", "(null)", "<null>", "none", "nil", "n/a", "#n/a", "n.a.", "na", "nat", "undefined", "\\n",
    "-", "--", "---", "–", "—", "无", "無", "暂无",
)  # fmt: skip
"""Words (in lower case) for no value. `nan` is none of them, since it may be a failed computation, nor is `unknown`,
which a gateway says of a delivery. The words for nobody's id are more: `guests`."""
_NOT_FREE = ("timezone", "primary_metric")
"""Columns of text of which only certain words are valid. In others a word such as `none` may be a value."""
_MIDNIGHT = r"(?:[ T]+0?0:00(?::00(?:\.0+)?)?)?"
ZERO_DATES = (
    r"0000[-/.]00?[-/.]00?", r"0001[-/.]0?1[-/.]0?1", r"1899[-/.]12[-/.]30", r"1900[-/.]0?1[-/.]0?1",
    r"1970[-/.]0?1[-/.]0?1", r"0?1[-/.]0?1[-/.](?:1970|1900|0001)", r"00[-/.]00[-/.]0000",
)  # fmt: skip
"""Dates that databases and programs have for none: MySQL's zero, .NET's and spreadsheets' first day, Unix' zero."""
_UTC = r"(?: ?(?:Z|UTC|GMT|[+-]00:?00))?"
_NO_TIME = ": no time"
"""What is added to the zero of a clock in a required column, so that it is no time that can be read."""


def without_no_values(table: contract.Table, rows: ir.Table, zone: str) -> tuple[ir.Table, list[Finding]]:
    """Return the rows with null for words and dates that mean no value, and how many there were by column.

    Args:
        table: the table's definition.
        rows: its raw columns.
        zone: time zone of the source, on whose clock the zero of Unix may be written.
    """
    found = {column: test for column in table.columns if (test := _means_none(rows, column, zone)) is not None}
    if not found:
        return rows, []
    counts = rows.aggregate(
        n=rows.count(),
        **{f"none__{column.name}": test.fill_null(False).sum() for column, test in found.items()},
        **{f"some__{column.name}": rows[column.name].count() for column in found},
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    changed: dict[str, ir.Value] = {}
    findings = []
    for column, test in found.items():
        n = int(counts[f"none__{column.name}"] or 0)
        if not n or (column.required and n == counts[f"some__{column.name}"]):
            continue
        value = rows[column.name]
        is_damage = column.required and value.type().is_string()
        instead = value.cast("string") + _NO_TIME if is_damage else ibis.null(value.type())
        changed[column.name] = ibis.ifelse(test.fill_null(False), instead, value)
        if not column.required:
            findings.append(finding_of(table.name, column.name, "written as no value", n, int(counts["n"])))
    return (rows.mutate(**changed) if changed else rows), findings


def _means_none(rows: ir.Table, column: Column, zone: str) -> ir.BooleanValue | None:
    """Whether a value of a column means none; None for a column in which every value is one."""
    if column.name not in rows.columns or column.name in CUSTOMER_ID_COLUMNS:
        return None
    value = rows[column.name]
    dtype = value.type()
    is_time = column.kind == "timestamp"
    if column.required and not is_time:
        return None
    if dtype.is_string() and (column.kind != "text" or column.name in _NOT_FREE):
        # Nearly all numbers begin with a digit, and times with a year of this century: only others are looked at.
        usual = value.between("1971", "3") if is_time else value.between("0", ":")
        text = value.strip()
        word = text.lower().isin(NO_VALUE) if not column.required else ibis.literal(False)
        zero = text.re_search(_zeros(zone, column)) if is_time else ibis.literal(False)
        return ibis.ifelse(usual, False, word | zero)
    if is_time and (dtype.is_timestamp() or dtype.is_date()):
        return value.isin([ibis.literal(moment).cast(dtype) for moment in _zero_clocks(zone)])
    if is_time and dtype.is_integer() and column.name not in EVENTS_AFTER:
        return value == 0
    return None


def _zeros(zone: str, column: Column) -> str:
    """Return the regular expression of dates and times that mean none; in a required column only of Unix' zero.

    >>> import re
    >>> joined_at = contract.TABLES["customers"].by_name["joined_at"]
    >>> bool(re.search(_zeros("Asia/Shanghai", joined_at), "1970-01-01 08:00:00"))
    True
    >>> bool(re.search(_zeros("UTC", joined_at), "1970-01-01 08:00:00"))
    False
    """
    dates = f"(?:{'|'.join(ZERO_DATES)}){_MIDNIGHT}"
    clocks = "|".join(
        rf"{moment:%Y-%m-%d}[ T]{moment:%H:%M}(?::{moment:%S}(?:\.0+)?)?" for moment in _zero_clocks(zone)
    )
    if column.required:  # a date alone may be meant
        return rf"^(?:{clocks}){_UTC}$"
    numbers = "" if column.name in EVENTS_AFTER else r"|0+(?:\.0+)?"  # there 0 means no: see `answers`
    return rf"^(?:(?:{dates}|{clocks}){_UTC}{numbers})$"


def _zero_clocks(zone: str) -> Iterable[dt.datetime]:
    """Return the zero of Unix in UTC and on the clock of a zone, as times without a zone."""
    zero = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    clocks = (zero.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None) for name in ("UTC", zone))
    return tuple(dict.fromkeys(clocks))
