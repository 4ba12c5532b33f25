"""What is particular to an engine: opening it, its errors, its SQL, local time, and a hash the engines agree on."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import duckdb
import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend as Connection

__all__ = [
    "Connection",
    "EngineError",
    "EngineIOError",
    "EngineName",
    "connect",
    "copy_to_parquet",
    "hash_group",
    "is_ascii",
    "is_one_select",
    "local_time",
    "normalise_nfc",
    "sql_of",
    "total",
    "utc_from_local",
    "utc_from_offset",
]

EngineName = Literal["duckdb"]
"""The engines a source can be counted with, as source.yml names them."""

EngineError = duckdb.Error
"""Whatever the engine raises."""

EngineIOError = duckdb.IOException
"""An `EngineError`: a file cannot be read or written."""


@ibis.udf.scalar.builtin(name="timezone")
def _local_to_utc(zone: str, clock: idt.timestamp) -> idt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]
    """DuckDB: what a clock in that zone shows → the instant."""


@ibis.udf.scalar.builtin(name="timezone")
def _utc_to_local(zone: str, instant: idt.Timestamp(timezone="UTC")) -> idt.timestamp:  # type: ignore[valid-type]
    """DuckDB: an instant → what a clock in that zone shows."""


@ibis.udf.scalar.builtin(name="md5")
def _md5(text: str) -> str:  # type: ignore[empty-body]
    """The digest in lower-case hexadecimal; the engines agree on it."""


@ibis.udf.scalar.builtin(name="nfc_normalize")
def normalise_nfc(text: str) -> str:  # type: ignore[empty-body]
    """DuckDB: text with letters and their accents as one sign (Unicode NFC)."""


@ibis.udf.scalar.builtin(name="strlen")
def _byte_length(text: str) -> int:  # type: ignore[empty-body]
    """DuckDB: how many bytes the text has in UTF-8."""


def is_ascii(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a text has nothing but plain signs, told without looking at each."""
    return _byte_length(text) == text.length()


def local_time(instant: ir.TimestampValue, zone: ir.StringValue | str, common: Sequence[str] = ()) -> ir.TimestampValue:
    """What the clock of a time zone shows at an instant (stored in UTC, without a zone): a timestamp without a zone.

    Args:
        instant: of each row.
        zone: one for all rows, or of each.
        common: names of zones that many rows have. Of a zone named in the query DuckDB makes its calendar once, else
            for each row, which takes five times as long; the result is the same.
    """
    if isinstance(zone, str) and zone == "UTC":
        return instant
    read = _utc_to_local(zone, _local_to_utc("UTC", instant))
    if isinstance(zone, str) or not common:
        return read
    return ibis.cases(
        *((zone == name, _utc_to_local(name, _local_to_utc("UTC", instant))) for name in common), else_=read
    )


def utc_from_offset(instant: ir.TimestampValue) -> ir.TimestampValue:
    """An instant that carries its offset, as stored: in UTC, without a zone."""
    return _utc_to_local("UTC", instant)


def utc_from_local(clock: ir.TimestampValue, zone: str) -> ir.TimestampValue:
    """The instant, in UTC, at which the clock of a zone shows this."""
    return clock if zone == "UTC" else _utc_to_local("UTC", _local_to_utc(zone, clock))


def hash_group(customer_id: ir.StringValue, purpose: str, groups: int = 64) -> ir.IntegerValue:
    """A number 0 … groups − 1 that hangs on the customer and the purpose alone, the same on every engine.

    It is `md5(purpose ‖ ':' ‖ customer_id)`, its first two hexadecimal digits, modulo `groups` (a power of two up to
    256, so that groups are equally likely). Each use has a purpose of its own: with one hash for two uses a whole
    group of the one would be one arm of the other.
    """
    if groups not in (2, 4, 8, 16, 32, 64, 128, 256):
        raise ValueError(f"groups must be a power of two up to 256, not {groups}")
    digits = ibis.literal("0123456789abcdef")
    digest = _md5(ibis.literal(f"{purpose}:") + customer_id)
    return (digits.find(digest.substr(0, 1)) * 16 + digits.find(digest.substr(1, 1))) % groups


def total(amounts: ir.FloatingColumn, digits: int = 6, **where: ir.BooleanValue) -> ir.FloatingScalar:
    """Their sum, rounded: the order in which an engine's threads add numbers up leaves no trace in the result."""
    return amounts.sum(**where).round(digits)


def sql_of(rows: ir.Table) -> str:
    """The query that yields these rows, in the engine's SQL."""
    return str(ibis.to_sql(rows, dialect="duckdb"))


def is_one_select(query: str) -> bool:
    """Whether a query is a single SELECT, which reads and changes nothing.

    Raises:
        EngineError: it cannot be parsed.
    """
    return [statement.type for statement in duckdb.extract_statements(query)] == [duckdb.StatementType.SELECT]


def copy_to_parquet(con: Connection, query: str, file: Path) -> None:
    """Write the result of a query in the engine's SQL as a parquet file."""
    place = str(file).replace("'", "''")
    con.raw_sql(f"COPY ({query}) TO '{place}' (FORMAT parquet)")


def connect(folder: Path) -> Connection:
    """DuckDB in memory, spilling into `folder`, within the threads and megabytes the runner grants this process."""
    con: Connection = ibis.duckdb.connect(temp_directory=str(folder / f".spill-{os.getpid()}"))
    if threads := os.environ.get("SMSROI_THREADS"):
        con.raw_sql(f"SET threads = {int(threads)}")
    if megabytes := os.environ.get("SMSROI_MEMORY_MB"):
        con.raw_sql(f"SET memory_limit = '{int(float(megabytes))}MB'")
    con.raw_sql("SET TimeZone = 'UTC'")
    if "ipykernel" not in sys.modules:  # in a kernel there is no bar, and DuckDB refuses to be told so
        con.raw_sql("SET enable_progress_bar = false")  # it would write into the runner's own lines
    con.raw_sql("SET autoinstall_known_extensions = false")  # no query makes the engine fetch code from elsewhere
    return con
