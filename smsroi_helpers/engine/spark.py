"""Everything specific to Spark: the session, errors, and how results become files.

Every count, join and write is computed by Spark. Files of one piece (a table of the run, a list) are put together by
DuckDB from the parts that Spark wrote, as a stream: so they are like those of the other engine. Tables that Python
already holds, such as a small table of decisions, are written without asking Spark.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkSchema
from ibis.formats.pyarrow import PyArrowSchema
from py4j.java_gateway import JavaGateway
from py4j.protocol import Py4JError, Py4JJavaError
from pyarrow import parquet
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.logger import PySparkLogger
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
    "share",
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
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.extraJavaOptions": (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=256m -XX:+UseSerialGC"
    ),
    "spark.buffer.pageSize": "2m",  # else up to 64 MB, filled with zeros for each sort and each grouping
    "spark.sql.ui.retainedExecutions": "10",
    "spark.ui.retainedJobs": "10",
    "spark.ui.retainedStages": "10",
    "spark.sql.ui.explainMode": "simple",
}
"""Of Spark on this machine (`master: local[…]`), where a job of many small tasks takes longer than its data need."""

_MOST_FOOTERS = 200
"""Number of parquet files whose schemas are read here; of more, Spark reads them in a job."""


_TYPES = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INT", "int64": "BIGINT", "float": "FLOAT",
    "double": "DOUBLE", "string": "STRING", "date32[day]": "DATE", "timestamp[us]": "TIMESTAMP_NTZ",
    "timestamp[us, tz=UTC]": "TIMESTAMP_LTZ",
}  # fmt: skip
"""Types that Spark reads from parquet files as they stand there: those of Arrow, in Spark's words."""

_PORT, _SECRET = "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"
_MANY_PROCESSES = {"PYSPARK_PIN_THREAD": "false"}
"""With this variable of the environment, several processes may talk to one Java."""

PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True  # it would print values of the data


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
        """Leave the session; Spark itself runs on for the other connections."""
        self.local.disconnect()

    def read_parquet(self, path: Any, /, *, table_name: str | None = None, **_: Any) -> ir.Table:
        """Name parquet files as a table.

        Args:
            path: a file, a folder, or several of them.
            table_name: name of the table; None: a new one.
        """
        paths = [str(Path(each).absolute()) for each in ([path] if isinstance(path, str | Path) else path)]
        name = table_name or ibis.util.gen_name("read_parquet")
        found = _schema_of_files(paths)
        with _errors():
            reader = self._session.read.option("__globPaths__", "false")  # signs such as * and [ are part of a name
            if found is not None:
                columns = (f"`{field.name.replace('`', '``')}` {_TYPES[str(field.type)]}" for field in found)
                reader = reader.schema(", ".join(columns))
            frame = reader.parquet(*map(_uri, paths))
            frame.createOrReplaceTempView(name)
        schema = PySparkSchema.to_ibis(frame.schema) if found is None else PyArrowSchema.to_ibis(found)
        return ops.DatabaseTable(name=name, schema=schema, source=self, namespace=ops.Namespace()).to_expr()

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


def connect(folder: Path, master: str, settings: Mapping[str, str]) -> SparkConnection:
    """Open a session of Spark: of the one that `share` started, else of this process' own, which the first call starts.

    Args:
        folder: of temporary files.
        master: where Spark runs: `local[2]` (two threads of this machine) or the address of a cluster.
        settings: Spark's own settings (name → value), such as `spark.executor.memory`.

    Raises:
        SparkError: it does not start.
    """
    with _errors():
        context = SparkContext._active_spark_context
        if context is None:
            shared = _PORT in os.environ
            context = _context_of(launch_gateway() if shared else _start(folder, master, settings))
        con = SparkConnection()
        con.do_connect(SparkSession(context).newSession(), folder)
    return con


@contextlib.contextmanager
def share(folder: Path, master: str, settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start Spark once for several processes, as its start takes longer than many a notebook.

    The context is the environment variables by which `connect` finds it in other processes of this machine. They hold
    the secret of the connection. Spark ends with the context, or with this process.
    Arguments and errors: as of `connect`.
    """
    with _errors():
        gateway = _start(folder, master, settings)
    try:
        found = gateway.gateway_parameters
        yield {_PORT: str(found.port), _SECRET: found.auth_token, **_MANY_PROCESSES}
    finally:
        with contextlib.suppress(Py4JError):
            gateway.jvm.org.apache.spark.SparkContext.getOrCreate().stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # on which Java ends
        gateway.proc.wait()


def _start(folder: Path, master: str, settings: Mapping[str, str]) -> JavaGateway:
    """Start Java with Spark in it; what both write to standard error goes to `spark.log` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = SparkConf(loadDefaults=False)
    for name, value in _configuration(folder, master, settings).items():
        configuration.set(name, value)
    with (folder / "spark.log").open("w", encoding="utf-8") as log, _variables(_MANY_PROCESSES):
        gateway = launch_gateway(configuration, {"stderr": log, "stdout": log})
    gateway.jvm.JavaSparkContext(gateway.jvm.SparkConf())
    return gateway


def _configuration(folder: Path, master: str, settings: Mapping[str, str]) -> dict[str, str]:
    """What Spark is started with: our defaults, then the user's settings, then what results depend on."""
    own = {"spark.master": master, "spark.app.name": "smsroi"}
    if master.startswith("local"):
        place = str(folder.absolute())
        own |= {**_LOCAL, "spark.local.dir": f"{place}/.spark", "spark.sql.warehouse.dir": f"{place}/.spark-warehouse"}
    return {**own, **settings, **_SESSION}


def _context_of(gateway: JavaGateway) -> SparkContext:
    """Python's side of the Spark that runs behind a gateway."""
    java = gateway.jvm.JavaSparkContext.fromSparkContext(gateway.jvm.org.apache.spark.SparkContext.getOrCreate())
    return SparkContext(gateway=gateway, jsc=java, conf=SparkConf(loadDefaults=False, _jconf=java.getConf()))


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)


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
        con._session.sql(query).write.mode("overwrite").parquet(_uri(file))


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
    """Let Spark write the rows beside a file, in parts; the context is DuckDB's query for them, in their order."""
    folder = file.parent.absolute() / f".{file.name}-parts"
    try:
        keep_as_parquet(con, rows, con.compile(rows), folder)
        files = ", ".join("'" + str(part).replace("'", "''") + "'" for part in sorted(folder.glob("part-*")))
        yield f"SELECT * FROM read_parquet([{files}])"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _uri(path: str | Path) -> str:
    """A path of this machine's files for Spark, whose own default may be a cluster's store."""
    return f"file://{Path(path).absolute()}"


def _arrow(con: SparkConnection, rows: ir.Table, query: str) -> pa.Table:
    con._run_pre_execute_hooks(rows)
    with _errors():
        return con._session.sql(query).toArrow()


def _is_in_memory(rows: ir.Table) -> bool:
    """Whether an expression asks only tables that Python holds."""
    return bool(rows.op().find(ops.InMemoryTable)) and not rows.op().find(ops.DatabaseTable)


def _schema_of_files(paths: Sequence[str]) -> pa.Schema | None:
    """Return the one schema of parquet files; None if they differ or Spark has to find it out.

    Spark starts a job to find it out, which takes longer than most queries of a small source.
    """
    parts = [
        part
        for path in paths
        for part in (sorted(Path(path).glob("*.parquet")) if Path(path).is_dir() else [Path(path)])
    ]
    if not parts or len(parts) > _MOST_FOOTERS or not all(part.is_file() for part in parts):
        return None
    first, *others = (parquet.read_schema(part).remove_metadata() for part in parts)
    if any(other != first for other in others) or not all(str(field.type) in _TYPES for field in first):
        return None
    return pa.schema([field.with_nullable(True) for field in first])  # as Spark reads any file


@contextlib.contextmanager
def _errors(*, writing: bool = False) -> Iterator[None]:
    """Raise Spark's errors as the engine's."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        text = str(error)
        of_files = isinstance(error, Py4JJavaError) or any(name in text for name in ("java.io.", "java.nio.file."))
        kind = SparkIOError if writing and of_files else SparkError
        raise kind(text.partition("\nJVM stacktrace")[0]) from error
