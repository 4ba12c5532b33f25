"""The columns of a table that are read, and how their values are understood as a whole."""

from collections.abc import Collection
from dataclasses import dataclass

import ibis.expr.datatypes as idt
import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, shortened, shown_value
from smsroi_helpers.source.answers import Answers, split_answers
from smsroi_helpers.source.currencies import ShownCurrency
from smsroi_helpers.source.forms import Form, find_forms
from smsroi_helpers.source.header import LINE
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.no_value import without_no_values
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.types import find_plain_texts

__all__ = [
    "TableColumns",
    "find_columns",
    "has_contract_types",
]

_COSTS = ("cost", "acquisition_cost")


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are read."""

    present: list[contract.Column]
    attributes: list[str]
    """Columns of `customers` that begin with `ATTRIBUTE_PREFIX`."""
    dates: frozenset[str]
    """Timestamps in which dates have become midnights: see `_date_columns`."""
    forms: dict[str, Form]
    """How the text of columns is written."""
    answers: Answers
    """The raw rows, and the events that are told without a time."""
    emptied: bool
    """Values were read as empty that the file has (see `no_value`), or columns are left out."""
    findings: list[Finding]
    """How values were understood."""
    currencies: list[ShownCurrency]
    """What the columns with money show of their currency."""

    @property
    def kept(self) -> list[str]:
        """Columns of the valid table."""
        return [column.name for column in self.present] + self.attributes

    @property
    def read(self) -> list[str]:
        """Columns that are read, with those that `answers` adds."""
        return [*self.kept, *self.answers.columns.values()]

    @property
    def plain(self) -> set[str]:
        """Columns without a value that has to be rewritten."""
        return {name for name, form in self.forms.items() if form.plain}

    @property
    def times(self) -> list[str]:
        """Columns with times."""
        return [column.name for column in self.present if column.kind == "timestamp"]


def find_columns(
    table: contract.Table, raw_rows: ir.Table, settings: Settings, plain_ids: Collection[str] = ()
) -> TableColumns:
    """Return the columns of a table to read.

    Args:
        table: the table's definition.
        raw_rows: its rows as they are in the file.
        settings: of the source.
        plain_ids: columns of ids in which no value has to be rewritten.

    Raises:
        DataError: a required column is missing, or it is not clear how the values of a column are meant.
    """
    missing = [column.name for column in table.columns if column.required and column.name not in raw_rows.columns]
    if missing:
        found_columns = shortened(", ".join(shown_value(name) for name in raw_rows.columns if name != LINE), 300)
        raise DataError(
            f"table {table.name}: no column {', '.join(missing)} (columns found: {found_columns});"
            f" rename it in the file, or map it in {table.name}.sql"
        )
    customer_columns = raw_rows.columns if table.name == "customers" else ()
    attributes = [name for name in customer_columns if name.startswith(contract.ATTRIBUTE_PREFIX)]
    rows, empty = without_no_values(table, raw_rows, settings.timezone)
    rows, unfilled = _without_empty_costs(table, rows)
    present = [column for column in table.columns if column.name in rows.columns]
    answers = split_answers(table, rows)
    forms = find_forms(table.name, answers.rows, present, settings)
    plain = find_plain_texts(answers.rows, present, plain_ids)
    return TableColumns(
        present,
        attributes,
        _date_columns(answers.rows, present),
        forms.of | {name: Form(plain=True) for name in plain},
        answers,
        bool(empty or unfilled),
        [*empty, *unfilled, *answers.findings, *forms.findings],
        forms.currencies,
    )


def _without_empty_costs(table: contract.Table, rows: ir.Table) -> tuple[ir.Table, list[Finding]]:
    """The rows without columns of costs that are empty in every row: an empty cost is unknown, not 0."""
    if not (names := [name for name in _COSTS if name in table.by_name and name in rows.columns]):
        return rows, []
    (found,) = rows.aggregate(rows__=rows.count(), **{n: rows[n].count() for n in names}).to_pyarrow().to_pylist()
    n = found["rows__"]
    empty = [name for name in names if n and not found[name]]
    return (rows.drop(*empty) if empty else rows), [
        finding_of(table.name, c, "empty in every row", n, n) for c in empty
    ]


def _date_columns(raw_rows: ir.Table, columns: list[contract.Column]) -> frozenset[str]:
    """The events after a message that are timestamps without an offset, and of whose values most are midnights."""
    names = []
    for column in columns:
        dtype = raw_rows[column.name].type()
        if column.name in contract.EVENTS_AFTER and dtype.is_timestamp() and dtype.timezone is None:
            names.append(column.name)
    if not names:
        return frozenset()
    midnights = {name: (raw_rows[name] == raw_rows[name].truncate("D")).mean() for name in names}
    shares = raw_rows.aggregate(**midnights).execute().iloc[0]
    return frozenset(name for name in names if shares[name] > 0.5)  # NaN where there is no value


def has_contract_types(raw_rows: ir.Table, columns: list[contract.Column], kept: list[str], zone: str) -> bool:
    """Whether a parquet table already has the contract's types, so that it can be used in place."""
    wanted = {"id": "string", "text": "string", "float": "float64", "int": "int64"}
    for column in columns:
        dtype = raw_rows[column.name].type()
        if column.kind == "timestamp":
            if not dtype.is_timestamp() or dtype.timezone is not None or zone != "UTC":
                return False
            if column.name in contract.LAST_DAYS:  # of which a midnight is the end of its day
                return False
        elif dtype.copy(nullable=True) != idt.dtype(wanted[column.kind]):
            return False
    return set(raw_rows.columns) == set(kept)
