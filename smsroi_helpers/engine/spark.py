"""Everything specific to Spark: the session, errors, and how results become files.

Every count, join and write is computed by Spark. Files of one piece (a table of the run, a list) are put together by
DuckDB from the parts that Spark wrote, as a stream: so they are the same files as those of the other engine. Tables that
Python already holds, such as a small table of decisions, are written without asking Spark.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.formats.pyarrow import PyArrowSchema
from py4j.protocol import Py4JError
from pyarrow import parquet
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from smsroi_helpers.engine import duckdb as local
from smsroi_helpers.engine.spark_compiler import Compiler

__all__ = [
    "SparkConnection",
    "SparkError",
    "SparkIOError",
    "connect",
    "copy_to_csv",
    "copy_to_json_lines",
    "count_to_parquet",
    "keep_as_parquet",
    "write_parquet",
]

_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # the contract's instants are in UTC, without a zone
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "true",  # what cannot be computed is an error, as on DuckDB
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""What results depend on; settings of source.yml cannot change it."""

_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "4g",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.legacy.allowUntypedScalaUDF": "false",
    "spark.log.level": "ERROR",
}
"""Of Spark on this machine (`master: local[…]`), where a job of many small tasks takes longer than its data need."""


class SparkError(local.EngineError):  # type: ignore[misc]  # DuckDB's classes are untyped
    """Spark cannot compute an expression."""


class SparkIOError(SparkError, local.EngineIOError):  # type: ignore[misc]
    """A file cannot be read or written."""


class SparkConnection(Backend):  # type: ignore[misc]  # Ibis has no types
    """A session of Spark with its own names of tables, and a DuckDB beside it for tables that Python holds."""

    compiler = Compiler()

    def do_connect(self, session: SparkSession, folder: Path) -> None:
        """Use a session; temporary files go to `folder`."""
        self._mode = "batch"
        self._session = session
        self.local = local.connect(folder)
        for name, value in _SESSION.items():
            with contextlib.suppress(PySparkException):  # a setting that this version does not know
                session.conf.set(name, value)

    def disconnect(self) -> None:
        """Leave the session; Spark itself runs on for the other connections of this process."""
        for view in self._session.catalog.listTables():
            if view.isTemporary:
                self._session.catalog.dropTempView(view.name)
        self.local.disconnect()

    def read_parquet(self, path: Any, /, *, table_name: str | None = None, **_: Any) -> ir.Table:
        """Name parquet files as a table.

        Args:
            path: a file, a folder, or several of them.
            table_name: name of the table; None: a new one.
        """
        paths = [path] if isinstance(path, str | Path) else list(path)
        name = table_name or ibis.util.gen_name("read_parquet")
        with _errors():
            frame = self._session.read.parquet(*(str(Path(each).absolute()) for each in paths))
            frame.createOrReplaceTempView(name)
        return self.table(name)

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The result as a table (array, value) of Arrow."""
        table = expr.as_table()
        return expr.__pyarrow_result__(_arrow(self, table, self.compile(table)))

    def execute(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The result as a data frame (series, value)."""
        from ibis.formats.pandas import PandasData

        table = expr.as_table()
        frame = _arrow(self, table, self.compile(table)).to_pandas()
        return expr.__pandas_result__(PandasData.convert_table(frame, table.schema()))

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        with _errors():
            self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)


def connect(folder: Path, master: str = "local[2]", settings: Mapping[str, str] | None = None) -> SparkConnection:
    """Open a session of Spark; the first of a process starts it.

    Args:
        folder: of temporary files.
        master: where Spark runs: `local[2]` (two threads of this machine) or the address of a cluster.
        settings: Spark's own settings (name → value), such as `spark.executor.memory`.
    """
    builder = SparkSession.builder.master(master).appName("smsroi")
    given = {"spark.sql.warehouse.dir": str(Path(folder).absolute() / "warehouse")}
    if master.startswith("local"):
        given |= _LOCAL
    if threads := os.environ.get("SMSROI_SPARK_PARTITIONS"):
        given["spark.sql.shuffle.partitions"] = threads
    for name, value in {**given, **(settings or {}), **_SESSION}.items():
        builder = builder.config(name, value)
    with _errors():
        session = builder.getOrCreate().newSession()
    con = SparkConnection()
    con.do_connect(session, folder)
    return con


# --- results as files ------------------------------------------------------------------------------------------------


def count_to_parquet(con: SparkConnection, rows: ir.Table, query: str, file: Path) -> None:
    """Compute a small result and write it as one parquet file.

    Args:
        con: the session.
        rows: an expression.
        query: its SQL.
        file: written over.
    """
    if _is_in_memory(rows):
        con.local.to_parquet(rows, file)
        return
    parquet.write_table(_arrow(con, rows, query), file)


def keep_as_parquet(con: SparkConnection, rows: ir.Table, query: str, file: Path) -> None:
    """Compute a result and write it as a folder of parquet files, one for each task that made it."""
    con._run_pre_execute_hooks(rows)
    with _errors(writing=True):
        con._session.sql(query).write.mode("overwrite").parquet(str(file.absolute()))


def write_parquet(con: SparkConnection, rows: ir.Table, file: Path) -> None:
    """Compute a result and write it as one parquet file; it does not pass through Python."""
    if _is_in_memory(rows):
        con.local.to_parquet(rows, file)
        return
    with _parts(con, rows, file) as parts:
        local.copy_to_parquet(con.local, parts, file)


def copy_to_csv(con: SparkConnection, rows: ir.Table, file: Path, *, byte_order_mark: bool) -> None:
    """As `engine.duckdb.copy_to_csv`, whose text it writes."""
    with _parts(con, rows, file) as parts:
        local.copy_to_csv(con.local, con.local.sql(parts), file, byte_order_mark=byte_order_mark)


def copy_to_json_lines(con: SparkConnection, rows: ir.Table, file: Path) -> None:
    """As `engine.duckdb.copy_to_json_lines`, whose text it writes."""
    with _parts(con, rows, file) as parts:
        local.copy_to_json_lines(con.local, con.local.sql(parts), file)


@contextlib.contextmanager
def _parts(con: SparkConnection, rows: ir.Table, file: Path) -> Iterator[str]:
    """Let Spark write the rows beside a file, in parts; the context is DuckDB's query that reads them, in their order."""
    folder = file.parent.absolute() / f".{file.name}-parts"
    try:
        keep_as_parquet(con, rows, con.compile(rows), folder)
        files = ", ".join("'" + str(part).replace("'", "''") + "'" for part in sorted(folder.glob("part-*")))
        yield f"SELECT * FROM read_parquet([{files}])"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _arrow(con: SparkConnection, rows: ir.Table, query: str) -> pa.Table:
    con._run_pre_execute_hooks(rows)
    with _errors():
        return con._session.sql(query).toArrow()


def _is_in_memory(rows: ir.Table) -> bool:
    """Whether an expression asks only tables that Python holds."""
    return bool(rows.op().find(ops.InMemoryTable)) and not rows.op().find(ops.DatabaseTable)


@contextlib.contextmanager
def _errors(*, writing: bool = False) -> Iterator[None]:
    """Raise Spark's errors as the engine's."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        kind = SparkIOError if writing and ("java.io" in text or "java.nio" in text or "IOException" in text) else SparkError
        raise kind(text.partition("\nJVM stacktrace")[0]) from error


def create_view(con: SparkConnection, name: str, rows: ir.Table) -> ir.Table:
    """As `engine.duckdb.create_view`."""
    with _errors():
        con._session.sql(con.compile(rows)).createOrReplaceTempView(name)
    return ops.DatabaseTable(name=name, schema=rows.schema(), source=con, namespace=ops.Namespace()).to_expr()
