"""Run the `.sql` files of a source in the order of their dependencies: helper views first, then what queries them.

A helper view is a file `_name.sql`: other mappings can query it as `_name`, and it is no table of the source.

A log of events says nothing about a kind of event that it does not record. A mapping says so in a line of its own,
`-- unknown if empty: clicked_at`: if the column is empty in every row, it is taken as missing, not as “nobody clicked”.
Of several columns in one line, each is recorded if any of them is. With a line `-- no table without rows` a mapping
that gives no row is no table; else it is refused, since something is wrong with the export.
"""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.engine import (
    Connection,
    QueryError,
    failing_column,
    query_columns,
    single_select,
    write_query,
)
from smsroi_helpers.errors import DataError, shown_value
from smsroi_helpers.source.files import is_helper, queried_names, read_query
from smsroi_helpers.source.no_value import NO_VALUE, ZERO_DATES
from smsroi_helpers.source.query_errors import mapping_failure

__all__ = [
    "order_mappings",
    "provide_settings",
    "recorded_rows",
    "run_mapping",
    "with_helpers",
]

_UNKNOWN_IF_EMPTY = re.compile(r"^\s*-- *unknown if empty: *(\w+(?:, *\w+)*)\s*$", re.MULTILINE | re.IGNORECASE)

_NO_TABLE = re.compile(r"^\s*-- *no table without rows\s*$", re.MULTILINE | re.IGNORECASE)


def order_mappings(mappings: Mapping[str, Path], files: Collection[str] = ()) -> list[str]:
    """Return the names of mappings, each after those that it queries.

    Args:
        mappings: name of the mapping (without `.sql`) → file.
        files: names of files that can be queried; a mapping called like a file reads the file, not itself.

    Raises:
        DataError: mappings need each other in a circle.
    """
    own = {name.casefold() for name in files}
    by_name = {name.casefold(): name for name in mappings}
    # In a query that cannot be parsed (a database's own SQL) only names of other helper views are looked for.
    guesses = {name: [other for other in by_name if is_helper(other) and by_name[other] != name] for name in mappings}
    needs = {
        name: sorted(by_name[o] for o in queried_names(read_query(file), guesses[name]) if o in by_name)
        for name, file in mappings.items()
    }
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            _refuse_circle([mappings[step].name for step in path[path.index(name) :]])
        if name not in order:
            for other in needs[name]:
                if other != name or name.casefold() not in own:
                    visit(other, (*path, name))
            order.append(name)

    for name in mappings:
        visit(name, ())
    return order


def _refuse_circle(names: list[str]) -> None:
    if len(names) == 1:
        raise DataError(f"{names[0]} needs itself: no file or table has that name; query a file instead")
    rest = ", which needs ".join([*names[1:], names[0]])
    raise DataError(f"{names[0]} needs {rest}: none of them can be first; let one of them query a file instead")


def run_mapping(con: Connection, file: Path, to: Path, missing: Callable[[str], str]) -> None:
    """Write the result of a mapping over files as parquet.

    Args:
        con: the engine that holds the tables.
        file: the mapping.
        to: the parquet file.
        missing: returns which tables of a query do not exist, and which names it can use; empty if all exist.

    Raises:
        DataError: the query fails, or two of its columns have the same name.
    """
    query = read_query(file)
    columns: list[str] = []
    try:
        select = single_select(query)
        columns = query_columns(con, select)
        names = [column.casefold() for column in columns]
        if twice := next((column for column, name in zip(columns, names, strict=True) if names.count(name) > 1), ""):
            raise DataError(f"{file.name}: two columns are called {shown_value(twice)}; rename one with AS")
        write_query(con, select, to)
    except QueryError as error:
        if not columns:
            raise mapping_failure(file.name, query, error, reason=missing(query)) from None
        raise mapping_failure(file.name, query, error, failing_column(con, select, columns)) from None


def provide_settings(con: Connection, timezone: str, currency: str) -> None:
    """Let mappings over files ask for settings: `getvariable('timezone')`, `getvariable('currency')`.

    Args:
        con: the engine that runs the mappings.
        timezone: of times without an offset (IANA).
        currency: of the amounts (ISO 4217); empty: not known, a null for the mappings.
    """
    for name, value in (("timezone", timezone), ("currency", currency)):
        text = "'" + value.replace("'", "''") + "'"
        con.raw_sql(f"SET VARIABLE {name} = {text if value else 'NULL'}")


def recorded_rows(table: str, rows: ir.Table, query: str) -> tuple[ir.Table | None, list[str]]:
    """Return the result of a mapping without what its lines `-- unknown if empty:` make unknown.

    Args:
        table: of the contract, or `exclusions`.
        rows: the result of the mapping.
        query: the mapping.

    Returns:
        the rows without unrecorded columns; None if there are none and need be none, or if only the table's key is
        left, which says nothing; and the names of these columns.

    Raises:
        DataError: a line names no column.
    """
    if _NO_TABLE.search(query) and not rows.limit(1).count().to_pyarrow().as_py():
        return None, []
    by_name = {name.casefold(): name for name in rows.columns}
    lines = [re.split(", *", found.casefold()) for found in _UNKNOWN_IF_EMPTY.findall(query)]
    if strange := [name for line in lines for name in line if name not in by_name and not _is_column(table, name)]:
        raise DataError(f"{table}.sql: `unknown if empty: {strange[0]}` names no column of the result or of the table")
    groups = [[by_name[name] for name in line if name in by_name] for line in lines]
    names = list(dict.fromkeys(name for group in groups for name in group))
    if not names:
        return rows, []
    (filled,) = rows.aggregate(**{name: _says_something(rows[name]).sum() for name in names}).to_pyarrow().to_pylist()
    recorded = {name for group in groups if any(filled[other] for other in group) for name in group}
    unrecorded = [name for name in names if name not in recorded]
    kept = rows.drop(*unrecorded)
    says_nothing = bool(unrecorded) and set(kept.columns) <= set(contract.TABLES[table].key)
    return (None if says_nothing else kept), unrecorded


def _is_column(table: str, name: str) -> bool:
    return table in contract.TABLES and name in contract.TABLES[table].by_name


def _says_something(value: ir.Value) -> ir.BooleanValue:
    """Whether a value is there; a word for no value is none, nor is a date for none."""
    if not value.type().is_string():
        return value.notnull()
    text = value.strip().lower()
    zero = text.re_search(f"^({'|'.join(ZERO_DATES)})")
    return (value.notnull() & ~text.isin(["", *NO_VALUE]) & ~zero).fill_null(False)


def with_helpers(name: str, mappings: Mapping[str, Path]) -> str:
    """Return the query of a mapping over a database, with the helper views that it needs in front.

    Args:
        name: of the mapping.
        mappings: every mapping and helper view of the source → file. Other names are tables of the database.

    Raises:
        DataError: helper views need each other in a circle.
    """
    query = read_query(mappings[name])
    helpers = {other: file for other, file in mappings.items() if is_helper(other)}
    needed = queried_names(query, helpers)
    order = order_mappings(helpers)
    for helper in reversed(order):
        if helper in needed:
            needed |= queried_names(read_query(helpers[helper]), helpers)
    used = [helper for helper in order if helper in needed]
    if not used:
        return query
    views = ",\n".join(f'"{helper}" AS (\n{read_query(helpers[helper])}\n)' for helper in used)
    return f"WITH {views}\nSELECT * FROM (\n{query}\n) AS mapped"
