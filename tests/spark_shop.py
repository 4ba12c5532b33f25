"""A shop on Spark: the same tables and expressions on a second engine of Ibis."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
from pyarrow import parquet

from smsroi_helpers.contract import tables as contract_tables
from smsroi_helpers.source.shop import Shop

if TYPE_CHECKING:
    from ibis.backends.pyspark import Backend  # imports PySpark, which only .ci/run installs


def connect_spark(folder: Path) -> "Backend":
    """A local Spark session in UTC, like DuckDB.

    `engine.local_time` uses DuckDB's `timezone(zone, instant)`; Spark's equivalent is `from_utc_timestamp`. Queries are
    interpreted, because compiling them takes longer than reading the small tables of a test.
    """
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.autoBroadcastJoinThreshold", "-1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    con = ibis.pyspark.connect(session.newSession())  # with its own table names
    con.raw_sql(
        "CREATE OR REPLACE TEMPORARY FUNCTION timezone(zone STRING, instant TIMESTAMP_NTZ) RETURNS TIMESTAMP_NTZ"
        " RETURN CAST(from_utc_timestamp(CAST(instant AS TIMESTAMP), zone) AS TIMESTAMP_NTZ)"
    )
    return con


class SparkShop(Shop):
    """A `Shop` that computes every expression with Spark."""

    def __init__(self, like: Shop, cache: Path) -> None:
        self.loaded, self.as_of, self.settings, self.end = like.loaded, like.as_of, like.settings, like.end
        self.seed, self.made = like.seed, {}
        self._cache, self.spark = cache, connect_spark(cache)
        self._tables = {
            name: self._until_as_of(self._read(name, *map(str, table.paths)), contract_tables.TABLES[name])
            for name, table in like.loaded.tables.items()
        }

    def _read(self, name: str, *paths: str) -> ir.Table:
        self.spark._session.read.parquet(*paths).repartition(3).createOrReplaceTempView(name)
        return self.spark.table(name)

    def keep(self, rows: ir.Table) -> ir.Table:
        file = self._computed(rows)
        return self._read(f"kept_{file.stem}", str(file))

    def _computed(self, rows: ir.Table) -> Path:
        sql = str(self.spark.compile(rows))
        file = self._cache / f"{hashlib.sha256(sql.encode()).hexdigest()}.parquet"
        self._cache.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            parquet.write_table(self.spark.to_pyarrow(rows), file)
        return file
