"""The tables of a source as the stages query them: `count` returns small results, `write` saves large ones."""

import contextlib
import datetime as dt
import functools
import hashlib
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import filelock
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.expr.operations import InMemoryTable, Relation

import smsroi_helpers
from smsroi_helpers import contract, engine
from smsroi_helpers.engine import (
    Connection,
    EngineError,
    EngineIOError,
    connect_engine,
    count_rows,
    count_to_parquet,
    expression_key,
    keep_as_parquet,
    local_time_within,
    logged_query,
    write_parquet,
)
from smsroi_helpers.errors import DataError, StorageError, reason_of
from smsroi_helpers.source.loaded import GUEST_ORDERS, Loaded, resolve_as_of

__all__ = [
    "MAX_CELLS",
    "Shop",
    "once",
    "open_shop",
    "share_engine",
]

_Result = TypeVar("_Result")

MAX_CELLS = 5_000_000
"""Largest number of rows that `Shop.count` loads into memory; larger results have one row per customer."""
_COMMON_ZONES = 12
"""Number of time zones named in a query; each is compared with every row."""
_SPAN = dt.timedelta(days=5 * 365)
"""Of the log, in which local time is computed by offsets: each year has two more to compare with."""


@functools.cache
def _code() -> str:
    """A hash of the package's modules."""
    folder = Path(smsroi_helpers.__file__).parent
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()


def _name_by_content(expression: Relation, sql: str) -> str:
    """The SQL in which tables of Python's rows are named by these rows; Ibis names them at random."""
    for table in expression.find(InMemoryTable):
        rows, written = table.data.to_pyarrow(table.schema), pa.BufferOutputStream()
        with pa.ipc.new_stream(written, rows.schema) as stream:
            stream.write_table(rows)
        sql = sql.replace(table.name, hashlib.sha256(written.getvalue()).hexdigest())
    return sql


def once(measure: Callable[["Shop"], _Result]) -> Callable[["Shop"], _Result]:
    """Decorate a function of a shop alone: it is called once per shop. Building an expression can outlast its query."""

    @functools.wraps(measure)
    def recalled(shop: "Shop") -> _Result:
        if measure not in shop.made:
            shop.made[measure] = measure(shop)
        found: _Result = shop.made[measure]
        return found

    return recalled


class Shop:
    """The tables of a source, with instants in UTC and nothing after the last day observed.

    Tables are attributes (`shop.orders`): Ibis expressions over views with fixed names, so that each query is computed
    once per run. Rows whose event time is after `as_of` are left out; other later instants are null.
    """

    def __init__(self, loaded: Loaded, as_of: dt.date, cache: Path, seed: int = 1) -> None:
        self.loaded, self.as_of, self._cache, self.seed = loaded, as_of, cache, seed
        self.settings = loaded.settings
        self._kept: dict[Relation, ir.Table] = {}
        """Results of `keep`, by expression."""
        self._files: dict[Relation, Path] = {}
        """Cached files of this shop's queries, by expression."""
        self._keys: dict[Relation, str] = {}
        """Keys of expressions and of their parts."""
        self.made: dict[Callable[[Shop], Any], Any] = {}
        """Results of the functions that are called `once`, by function."""
        self.end = self.start_of(as_of + dt.timedelta(days=1))
        """End of the observed period (exclusive), in UTC."""
        self.con = _connect(loaded, cache)
        self._tables = {
            name: self._until_as_of(self.con.read_parquet(list(table.paths), table_name=name), contract.TABLES[name])
            for name, table in loaded.tables.items()
        }

    def _until_as_of(self, table: ir.Table, definition: contract.Table) -> ir.Table:
        end = ibis.literal(self.end)
        hidden_times = {
            column.name: ibis.ifelse(table[column.name] < end, table[column.name], ibis.null("timestamp"))
            for column in definition.columns
            if column.kind == "timestamp"
            and column.name in table.columns
            and column.name != definition.event_time
            and (definition.name, column.name) not in contract.PLANNED_TIMES
        }
        if definition.event_time in table.columns:
            table = table.filter((table[definition.event_time] < end) | table[definition.event_time].isnull())
        return table.mutate(**hidden_times) if hidden_times else table

    def __getattr__(self, name: str) -> ir.Table:
        if name.startswith("_") or name not in contract.TABLES:
            raise AttributeError(name)
        if name not in self._tables:
            raise DataError(f"this source has no table {name}; data/README.md describes it")
        return self._tables[name]

    def has(self, table: str, *columns: str) -> bool:
        """Whether the source has this table, with these columns."""
        return table in self._tables and set(columns) <= set(self._tables[table].columns)

    @property
    def guest_orders(self) -> ir.Table | None:
        """order_id, ordered_at (UTC), spend: the purchases of guests (without an identity); None if there are none."""
        rows = self._rows_of_guests()
        return None if rows is None else rows.filter(rows.amount >= 0).rename(spend="amount")

    @property
    def guest_refunds(self) -> ir.Table | None:
        """order_id, ordered_at (UTC), refunded (> 0): the refunds of guests; None if guests have no orders."""
        rows = self._rows_of_guests()
        return None if rows is None else rows.filter(rows.amount < 0).mutate(refunded=-rows.amount).drop("amount")

    def _rows_of_guests(self) -> ir.Table | None:
        file = Path(self.loaded.output_folder) / GUEST_ORDERS
        if not file.exists():
            return None
        rows = self.con.read_parquet(file, table_name="guest_orders")
        return rows.filter(rows.ordered_at < ibis.literal(self.end))

    @property
    def quarantine_file(self) -> Path | None:
        """The file of the rejected rows; None if no row was rejected."""
        file = Path(self.loaded.output_folder) / "quarantine.parquet"
        return file if file.exists() else None

    def start_of(self, day: dt.date) -> dt.datetime:
        """Return the start of a day in the source's time zone, in UTC. Comparing with it is faster than with `day`."""
        midnight = dt.datetime.combine(day, dt.time(), tzinfo=zoneinfo.ZoneInfo(self.settings.timezone))
        return midnight.astimezone(dt.UTC).replace(tzinfo=None)

    def day(self, instant: ir.TimestampValue) -> ir.DateValue:
        """Return the date of an instant in the source's time zone."""
        return local_time_within(instant, self.settings.timezone, self.span).date()

    @functools.cached_property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """From when to when (UTC, exclusive) nearly all events lie: at most `_SPAN` up to the end of the period."""
        days = [dt.date.fromisoformat(table.first) for table in self.loaded.tables.values() if table.first]
        first = min(days, default=self.as_of)
        start = max(self.start_of(max(first, dt.date(2, 1, 1))), self.end - _SPAN)
        return min(start, self.end - dt.timedelta(days=1)), self.end

    @functools.cached_property
    def common_zones(self) -> tuple[str, ...]:
        """The most common time zones of customers, for `measures.local_time`; empty if the source has none."""
        if not self.has("customers", "timezone"):
            return ()
        with_timezone = self.customers.filter(self.customers.timezone.notnull())
        sizes = with_timezone.group_by("timezone").aggregate(n=with_timezone.count())
        most_common = self.count(sizes.order_by(ibis.desc("n"), "timezone").limit(_COMMON_ZONES))
        return tuple(most_common["timezone"])

    def days_until_as_of(self, date: ir.DateValue) -> ir.IntegerValue:
        """Return the whole days from a date to the last day observed."""
        return ibis.literal(self.as_of).delta(date, unit="day")

    def count(self, cells: ir.Table) -> pd.DataFrame:
        """Return the result of an expression as a data frame; each query is computed once per run.

        The result is cached by (expression, input fingerprint). The expression should end in an `order_by`, so that
        identical data give identical frames.

        Raises:
            ValueError: the result has more than `MAX_CELLS` rows; use `write`.
        """
        file = self._computed(cells, count_to_parquet)
        if (rows := count_rows(file)) > MAX_CELLS:
            raise ValueError(f"{rows:,} rows are too many to load; use Shop.write instead")
        return pd.read_parquet(file)

    def keep(self, rows: ir.Table) -> ir.Table:
        """Return the rows of an expression, computed once per run and kept in the engine."""
        if (expression := rows.op()) not in self._kept:
            file = self._computed(rows, keep_as_parquet)
            query = file.stem.partition("-")[0]  # the same name for every source: so has the SQL that uses it
            self._kept[expression] = self.con.read_parquet(file, table_name=f"kept_{query}")
        return self._kept[expression]

    def _computed(self, rows: ir.Table, compute: Callable[[Connection, ir.Table, str, Path], None]) -> Path:
        """Return the cached file of an expression, by (expression, input fingerprint); compute it if it is missing."""
        expression = rows.op()
        if expression in self._files and self._files[expression].exists():
            return self._files[expression]  # writing the SQL takes longer than most queries
        key = f"{self._key_of(rows)}-{self.loaded.fingerprint[:32]}"
        self._cache.mkdir(parents=True, exist_ok=True)
        file = self._cache / f"{key}.parquet"
        with filelock.FileLock(self._cache / f"{key}.lock"):
            if not file.exists():
                new = file.with_suffix(".new")
                sql = self.con.compile(rows)
                with logged_query(self.con, sql, new):
                    compute(self.con, rows, sql, new)
                new.replace(file)
        self._files[expression] = file
        return file

    def _key_of(self, rows: ir.Table) -> str:
        """Return the hash of what identifies an expression: its parts, or its SQL where these do not."""
        if key := expression_key(self.con, rows.op(), self._keys):
            return key
        return hashlib.sha256(_name_by_content(rows.op(), self.con.compile(rows)).encode()).hexdigest()

    def recall(self, name: str, make: Callable[[], str]) -> str:
        """Return a text, made once per run: what Python makes of counts, and takes long to make.

        It is cached by name, input fingerprint, last day observed, seed and code of the package.

        Args:
            name: of the text.
            make: makes it.
        """
        parts = [name, self.loaded.fingerprint, self.as_of.isoformat(), str(self.seed), _code()]
        file = self._cache / f"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}.txt"
        self._cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(file.with_suffix(".lock")):
            if not file.exists():
                new = file.with_suffix(".new")
                new.write_text(make(), encoding="utf-8")
                new.replace(file)
        return file.read_text(encoding="utf-8")

    def write(self, rows: ir.Table, file: Path) -> int:
        """Write a large result as parquet, without loading it into memory; return its number of rows.

        The file is written completely or not at all.

        Raises:
            StorageError: the file cannot be written.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        try:
            with logged_query(self.con, "", new):
                write_parquet(self.con, rows, new)
            new.replace(file)
        except (OSError, EngineIOError) as error:
            raise StorageError(f"{file.name} cannot be written: {error}") from None
        return count_rows(file)


@contextlib.contextmanager
def _named_in_settings() -> Iterator[None]:
    """Raise errors of the engine that source.yml names as `DataError`."""
    try:
        yield
    except EngineError as error:
        raise DataError(f"source.yml, engine: {reason_of(error)}") from None


def _connect(loaded: Loaded, cache: Path) -> Connection:
    settings = loaded.settings
    with _named_in_settings():
        return connect_engine(settings.engine, cache, master=settings.spark.master, settings=settings.spark.settings)


@contextlib.contextmanager
def share_engine(loaded: Loaded, cache: Path) -> Iterator[dict[str, str]]:
    """Start once what the engine of a source needs in every process that opens its tables, such as Spark.

    The context is the environment variables by which `open_shop` finds it in other processes; empty for DuckDB.

    Args:
        loaded: the result of `load`.
        cache: folder of temporary files.

    Raises:
        DataError: the engine is missing or does not start.
    """
    settings = loaded.settings
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _named_in_settings():
            shared = engine.share_engine(
                settings.engine, cache, master=settings.spark.master, settings=settings.spark.settings
            )
            variables = stack.enter_context(shared)
        yield variables


def open_shop(loaded: Loaded, as_of: str, cache: Path, seed: int = 1) -> Shop:
    """Open the tables of a loaded source up to a day, with results cached in `cache`.

    Args:
        loaded: the result of `load`.
        as_of: last day observed (ISO); empty: the last order or message.
        cache: folder of the cached results.
        seed: seed of the draws that all notebooks share, such as the fit of clusters.

    Raises:
        DataError: `as_of` is before the first order; without a table orders, before the first message.
    """
    return Shop(loaded, dt.date.fromisoformat(resolve_as_of(loaded, as_of)), cache, seed)
