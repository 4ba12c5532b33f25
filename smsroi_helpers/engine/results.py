"""How results leave the engine, as files: the same verbs for each engine."""

import contextlib
import functools
import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import ibis.expr.types as ir
import pyarrow as pa
from ibis.expr.operations import InMemoryTable
from pyarrow import parquet

from smsroi_helpers.engine import duckdb
from smsroi_helpers.engine.duckdb import Connection, EngineError

__all__ = [
    "EngineName",
    "connect_engine",
    "copy_to_csv",
    "copy_to_json_lines",
    "count_rows",
    "count_to_parquet",
    "keep_as_parquet",
    "share_engine",
    "write_parquet",
]

EngineName = Literal["duckdb", "spark"]
"""Engines that can be named in source.yml."""

_INSTALL = "install it with `python3 bootstrap.py python -m pip install 'pyspark>=4,<5'`"


def connect_engine(
    engine: EngineName, folder: Path, *, master: str = "local[2]", settings: Mapping[str, str] | None = None
) -> Connection:
    """Open an engine with which the tables of a source are queried.

    Args:
        engine: its name in source.yml.
        folder: of its temporary files.
        master: where Spark runs.
        settings: Spark's own settings.

    Raises:
        EngineError: Spark's programs are missing, or Spark does not start.
    """
    if engine == "duckdb":
        return duckdb.connect(folder)
    con: Connection = _spark().connect(folder, master, settings or {})
    return con


def share_engine(
    engine: EngineName, folder: Path, *, master: str = "local[2]", settings: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[dict[str, str]]:
    """Start what several processes use together, if the engine has such a thing.

    Arguments and errors: as of `connect_engine`.

    Returns:
        the context of the environment variables by which `connect_engine` finds it in these processes.
    """
    if engine == "duckdb":
        return contextlib.nullcontext({})
    shared: contextlib.AbstractContextManager[dict[str, str]] = _spark().share(folder, master, settings or {})
    return shared


def count_to_parquet(con: Connection, rows: ir.Table, query: str, file: Path) -> None:
    """Compute a small result and write it as one parquet file, in the order of the expression.

    Args:
        con: the engine.
        rows: an expression.
        query: its SQL (`con.compile`), so that it is not written twice: that takes longer than most queries.
        file: written over.

    Raises:
        EngineError: it cannot be computed.
        EngineIOError: the file cannot be written.
    """
    if _is_spark(con):
        _spark().count_to_parquet(con, rows, query, file)
    elif rows.op().find(InMemoryTable):
        rows.to_parquet(file)
    else:
        duckdb.copy_to_parquet(con, query, file)


def keep_as_parquet(con: Connection, rows: ir.Table, query: str, file: Path) -> None:
    """Compute a result of any size, for the engine to read again: a parquet file, or a folder of them.

    Arguments and errors: as of `count_to_parquet`.
    """
    if _is_spark(con):
        _spark().keep_as_parquet(con, rows, query, file)
    else:
        count_to_parquet(con, rows, query, file)


def write_parquet(con: Connection, rows: ir.Table, file: Path) -> None:
    """Compute a result of any size and write it as one parquet file, in the order of the expression.

    Raises:
        EngineError: it cannot be computed.
        EngineIOError: the file cannot be written.
    """
    if isinstance(held := rows.op(), InMemoryTable):  # rows of Python: the engine has nothing to compute
        parquet.write_table(_with_types(held.data.to_pyarrow(held.schema)), file)
    elif _is_spark(con):
        _spark().write_parquet(con, rows, file)
    else:
        rows.to_parquet(file)


def _with_types(table: pa.Table) -> pa.Table:
    """A column without any value gets the type that DuckDB gives it, for a reader to find it among others."""
    fields = [field.with_type(pa.int32()) if pa.types.is_null(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


def copy_to_csv(con: Connection, rows: ir.Table, file: Path, *, byte_order_mark: bool) -> None:
    """Write rows as CSV in UTF-8, with a heading; they do not pass through Python.

    Args:
        con: the engine.
        rows: an expression.
        file: written over.
        byte_order_mark: whether the file begins with one, by which spreadsheets know UTF-8.
    """
    (_spark() if _is_spark(con) else duckdb).copy_to_csv(con, rows, file, byte_order_mark=byte_order_mark)


def copy_to_json_lines(con: Connection, rows: ir.Table, file: Path) -> None:
    """Write rows as JSON in UTF-8, one object per line; they do not pass through Python."""
    (_spark() if _is_spark(con) else duckdb).copy_to_json_lines(con, rows, file)


def count_rows(file: Path) -> int:
    """Return the number of rows of a parquet file, or of a folder of them."""
    files = sorted(file.glob("*.parquet")) if file.is_dir() else [file]
    return sum(int(parquet.read_metadata(part).num_rows) for part in files)


def _is_spark(con: Connection) -> bool:
    return bool(con.name == "pyspark")


def _spark() -> Any:
    """The module for Spark; importing it imports PySpark, which is an extra.

    Raises:
        EngineError: PySpark or Java is missing.
    """
    if missing := _missing_for_spark():
        raise EngineError(missing)
    from smsroi_helpers.engine import spark

    return spark


@functools.cache
def _missing_for_spark() -> str:
    """Say what `engine: spark` lacks on this machine; empty if nothing."""
    if importlib.util.find_spec("pyspark") is None:
        return f"engine: spark needs PySpark, the extra `spark` of pyproject.toml; {_INSTALL}"
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "engine: spark needs Java 17 or newer; install it, for example with apt-get install default-jre-headless"
    return ""
