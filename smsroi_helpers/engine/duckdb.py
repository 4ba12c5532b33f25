"""Everything specific to the engine: connection, errors, SQL, local time, and a hash that all engines share."""

import datetime as dt
import functools
import os
import sys
from pathlib import Path

import duckdb
import ibis
import ibis.expr.datatypes as idt
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend as Connection

from smsroi_helpers.engine.compiler import Compiler

__all__ = [
    "Connection",
    "EngineError",
    "EngineIOError",
    "connect",
    "copy_to_csv",
    "copy_to_json_lines",
    "copy_to_parquet",
    "create_view",
    "guard_formula",
    "hash_group",
    "is_ascii",
    "keep_rows",
    "local_time",
    "may_be_set",
    "normalise_nfc",
    "total",
    "utc_from_local",
    "utc_from_local_read",
    "utc_from_offset",
]

_FIRST_YEAR, _LAST_YEAR = 2000, 2040
"""Years of which the days are known on which a clock is set."""

_STARTS_OF_FORMULAS = tuple("=+-@\t\r\n＝＋－＠")

EngineError = duckdb.Error
"""Base class of the engine's exceptions."""

EngineIOError = duckdb.IOException
"""An `EngineError`: a file cannot be read or written."""


@ibis.udf.scalar.builtin(name="timezone")
def _local_to_utc(zone: str, clock: idt.timestamp) -> idt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]
    """DuckDB: local time in a zone → instant."""


@ibis.udf.scalar.builtin(name="timezone")
def _utc_to_local(zone: str, instant: idt.Timestamp(timezone="UTC")) -> idt.timestamp:  # type: ignore[valid-type]
    """DuckDB: instant → local time in a zone."""


@ibis.udf.scalar.builtin(name="epoch_us")
def _epoch_us(instant: idt.Timestamp(timezone="UTC")) -> int:  # type: ignore[empty-body,valid-type]
    """DuckDB: microseconds since 1970 of an instant."""


@ibis.udf.scalar.builtin(name="make_timestamp")
def _make_timestamp(microseconds: int) -> idt.timestamp:
    """DuckDB: microseconds since 1970 → the time in UTC, without a zone."""


@ibis.udf.scalar.builtin(name="md5")
def _md5(text: str) -> str:  # type: ignore[empty-body]
    """MD5 in lower-case hexadecimal; the same on all engines."""


@ibis.udf.scalar.builtin(name="nfc_normalize")
def normalise_nfc(text: str) -> str:  # type: ignore[empty-body]
    """DuckDB: text in Unicode NFC (a letter and its accent as one character)."""


@ibis.udf.scalar.builtin(name="strlen")
def _byte_length(text: str) -> int:  # type: ignore[empty-body]
    """DuckDB: length in bytes of the text in UTF-8."""


def is_ascii(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a text is ASCII: it has as many bytes as characters."""
    return _byte_length(text) == text.length()


def local_time(instant: ir.TimestampValue, zone: ir.StringValue | str) -> ir.TimestampValue:
    """Return the local time of an instant in a time zone, as a timestamp without a zone.

    Args:
        instant: instants in UTC, stored without a zone.
        zone: one zone for all rows, or a column of zones.
    """
    if isinstance(zone, str) and zone == "UTC":
        return instant
    return _utc_to_local(zone, _local_to_utc("UTC", instant))


def utc_from_offset(instant: ir.TimestampValue) -> ir.TimestampValue:
    """Convert a timestamp with an offset to UTC, without a zone; null if it is infinite.

    For reading a source, which DuckDB alone does: by microseconds it takes a twentieth of the time.
    """
    return _make_timestamp(_epoch_us(instant))


def utc_from_local(clock: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """Convert a local time in a zone to UTC."""
    return clock if zone == "UTC" else _utc_to_local("UTC", _local_to_utc(zone, clock))


def utc_from_local_read(clock: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """`utc_from_local` for reading a source, which DuckDB alone does: by microseconds it takes a third of the time."""
    return clock if zone == "UTC" else _make_timestamp(_epoch_us(_local_to_utc(zone, clock)))


def may_be_set(clock: ir.TimestampValue, zone: str) -> ir.BooleanValue:
    """Whether the clock of a zone may be set forward or back on the day of a local time (false: it is not)."""
    known = clock.between(ibis.timestamp(f"{_FIRST_YEAR}-01-02"), ibis.timestamp(f"{_LAST_YEAR}-12-31"))
    days = _days_when_set(zone)
    return ibis.ifelse(known, clock.date().isin(days) if days else ibis.literal(False), True)


@functools.cache
def _days_when_set(zone: str) -> tuple[dt.date, ...]:
    """Return the local days of `_FIRST_YEAR` to `_LAST_YEAR` on which the engine sets the clock of a zone.

    >>> [str(day) for day in _days_when_set("Europe/Berlin") if day.year == 2024]
    ['2024-03-31', '2024-10-27']
    >>> _days_when_set("Asia/Shanghai")
    ()
    """
    query = f"""
        WITH days AS (
            SELECT day, timezone($zone, timezone('UTC', day)) - day AS ahead
            FROM range(TIMESTAMP '{_FIRST_YEAR}-01-01', TIMESTAMP '{_LAST_YEAR + 1}-01-02', INTERVAL 1 DAY) t(day)),
        changes AS (SELECT day, ahead <> lead(ahead) OVER (ORDER BY day) AS changed FROM days),
        hours AS (
            SELECT day, unnest(range(day, day + INTERVAL 25 HOUR, INTERVAL 1 HOUR)) AS hour
            FROM changes WHERE changed),
        clocks AS (SELECT day, hour, timezone($zone, timezone('UTC', hour)) AS clock FROM hours),
        steps AS (SELECT clock, lead(clock) OVER (PARTITION BY day ORDER BY hour) AS next FROM clocks)
        SELECT DISTINCT unnest([clock, next, clock + INTERVAL 1 HOUR])::DATE AS day
        FROM steps WHERE next <> clock + INTERVAL 1 HOUR ORDER BY day"""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        return tuple(day for (day,) in con.execute(query, {"zone": zone}).fetchall())


def hash_group(customer_id: ir.StringValue, purpose: str, groups: int = 64) -> ir.IntegerValue:
    """Return a group, 0 to groups − 1, that depends only on the customer and the purpose, on every engine.

    The group is the first two hexadecimal digits of `md5(purpose ‖ ':' ‖ customer_id)`, modulo `groups`. Every use
    needs its own purpose: with one hash for two uses, a group of the first would fall into one arm of the second.

    Args:
        customer_id: ids of the customers.
        purpose: name of the use.
        groups: a power of two up to 256, so that groups are equally likely.

    Raises:
        ValueError: `groups` is not such a power.
    """
    if groups not in (2, 4, 8, 16, 32, 64, 128, 256):
        raise ValueError(f"groups must be a power of two up to 256, not {groups}")
    digits = ibis.literal("0123456789abcdef")
    digest = _md5(ibis.literal(f"{purpose}:") + customer_id)
    return (digits.find(digest.substr(0, 1)) * 16 + digits.find(digest.substr(1, 1))) % groups


def total(amounts: ir.FloatingColumn, digits: int = 6, **where: ir.BooleanValue) -> ir.FloatingScalar:
    """Return the rounded sum, so that the result does not depend on the order in which threads add."""
    return amounts.sum(**where).round(digits)


def copy_to_parquet(con: Connection, query: str, file: Path) -> None:
    """Write the result of a query in the engine's SQL as a parquet file."""
    _copy(con, query, file, "FORMAT parquet")


def copy_to_csv(con: Connection, rows: ir.Table, file: Path, *, byte_order_mark: bool) -> None:
    """Write rows over parquet files as CSV in UTF-8, with a heading; they do not pass through Python.

    Args:
        con: the engine.
        rows: an expression.
        file: written over.
        byte_order_mark: whether the file begins with one, by which spreadsheets know UTF-8.
    """
    if byte_order_mark:  # DuckDB has no option for it, but writes the name of the first column as it is
        first = rows.columns[0]
        rows = rows.rename({f"\N{ZERO WIDTH NO-BREAK SPACE}{first}": first})
    _copy(con, con.compile(rows), file, "FORMAT csv, HEADER true, DELIMITER ','")


def guard_formula(text: ir.StringValue) -> ir.StringValue:
    """The text with an apostrophe before what a spreadsheet would run as a formula: `= + - @`, tab, line breaks.

    The full-width forms count too. A number in a column of numbers is no text, and stays a number.
    """
    return ibis.ifelse(text.substr(0, 1).isin(_STARTS_OF_FORMULAS), ibis.literal("'") + text, text)


def copy_to_json_lines(con: Connection, rows: ir.Table, file: Path) -> None:
    """Write rows over parquet files as JSON in UTF-8, one object per line; they do not pass through Python."""
    _copy(con, con.compile(rows), file, "FORMAT json, ARRAY false")


def _copy(con: Connection, query: str, file: Path, options: str) -> None:
    place = str(file).replace("'", "''")
    con.raw_sql(f"COPY ({query}) TO '{place}' ({options})")


def create_view(con: Connection, name: str, rows: ir.Table) -> ir.Table:
    """Name an expression, so that its SQL is written once and not for each use; tables in memory cannot be in it."""
    con.raw_sql(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {con.compile(rows)}')
    # Ibis would ask the engine for the schema, which costs as much as a query of a small source.
    return ops.DatabaseTable(name=name, schema=rows.schema(), source=con, namespace=ops.Namespace()).to_expr()


def keep_rows(con: Connection, name: str, rows: ir.Table) -> ir.Table:
    """Compute the rows of an expression and keep them in a temporary table; tables in memory cannot be in it."""
    con.raw_sql(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {con.compile(rows)}')
    return ops.DatabaseTable(name=name, schema=rows.schema(), source=con, namespace=ops.Namespace()).to_expr()


def connect(folder: Path) -> Connection:
    """Open DuckDB in memory, spilling to `folder`, with the threads and memory that the runner allots."""
    con: Connection = ibis.duckdb.connect()
    con.compiler = Compiler()
    spill = str(folder / f".spill-{os.getpid()}").replace("'", "''")
    con.raw_sql(f"SET temp_directory = '{spill}'")
    if threads := os.environ.get("SMSROI_THREADS"):
        con.raw_sql(f"SET threads = {int(threads)}")
    if megabytes := os.environ.get("SMSROI_MEMORY_MB"):
        con.raw_sql(f"SET memory_limit = '{int(float(megabytes))}MB'")
    con.raw_sql("SET TimeZone = 'UTC'")
    if "ipykernel" not in sys.modules:  # in a kernel there is no progress bar, and DuckDB rejects the setting
        con.raw_sql("SET enable_progress_bar = false")  # it would mix with the runner's output
    con.raw_sql("SET autoinstall_known_extensions = false")  # no query may download code
    return con
