"""A company's tables as a stage sees them, and the two ways to ask them: `count` for cells, `write` for customers."""

import datetime as dt
import functools
import hashlib
import zoneinfo
from pathlib import Path

import filelock
import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.expr.operations import InMemoryTable, Relation
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.engine import EngineIOError, connect, copy_to_parquet, local_time, sql_of
from smsroi_helpers.errors import DataError, StorageError
from smsroi_helpers.source.loaded import Loaded, resolve_as_of

__all__ = [
    "MAX_CELLS",
    "Shop",
    "open_shop",
]

MAX_CELLS = 5_000_000
"""More rows than this are customers, not cells: `Shop.count` refuses to bring them into memory."""
_COMMON_ZONES = 12
"""So many zones are named in a query; each is asked of every row."""


class Shop:
    """A company's tables as a stage sees them: instants in UTC, nothing later than the last day observed.

    Tables are attributes (`shop.orders`): Ibis expressions over views whose names do not change, so that the same
    question is counted once per run. A row later than `as_of` is left out, any other later instant reads as null.
    """

    def __init__(self, loaded: Loaded, as_of: dt.date, cache: Path, seed: int = 1) -> None:
        self.loaded, self.as_of, self._cache, self.seed = loaded, as_of, cache, seed
        self.settings = loaded.settings
        self._kept: dict[Relation, ir.Table] = {}
        """What `keep` has computed, by the expression asked for."""
        self.end = self.start_of(as_of + dt.timedelta(days=1))
        """The first instant no longer observed, in UTC."""
        self.con = connect(cache)
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
            raise DataError(f"this source has no table {name}; data/README.md says what it would hold")
        return self._tables[name]

    def has(self, table: str, *columns: str) -> bool:
        """Whether the source holds this table and these of its columns."""
        return table in self._tables and set(columns) <= set(self._tables[table].columns)

    @property
    def quarantine_file(self) -> Path | None:
        """The rows that were put aside when the source was read; None where there were none."""
        file = Path(self.loaded.output_folder) / "quarantine.parquet"
        return file if file.exists() else None

    def start_of(self, day: dt.date) -> dt.datetime:
        """The instant (UTC) at which a day begins on the source's clock: quicker to compare with than `day`."""
        midnight = dt.datetime.combine(day, dt.time(), tzinfo=zoneinfo.ZoneInfo(self.settings.timezone))
        return midnight.astimezone(dt.UTC).replace(tzinfo=None)

    def day(self, instant: ir.TimestampValue) -> ir.DateValue:
        """The date of an instant on the source's clock."""
        return local_time(instant, self.settings.timezone).date()

    @functools.cached_property
    def common_zones(self) -> tuple[str, ...]:
        """The time zones that most customers live in, for `engine.local_time`; none where the source tells none."""
        if not self.has("customers", "timezone"):
            return ()
        with_timezone = self.customers.filter(self.customers.timezone.notnull())
        sizes = with_timezone.group_by("timezone").aggregate(n=with_timezone.count())
        most_common = self.count(sizes.order_by(ibis.desc("n"), "timezone").limit(_COMMON_ZONES))
        return tuple(most_common["timezone"])

    def days_until_as_of(self, date: ir.DateValue) -> ir.IntegerValue:
        """Whole days from a date to the last day observed."""
        return ibis.literal(self.as_of).delta(date, unit="day")

    def count(self, cells: ir.Table) -> pd.DataFrame:
        """The cells of a counting expression as a frame; the same question is asked of the engine once per run.

        The result is kept under the run by (SQL, input fingerprint). The expression should end in an `order_by`, so
        that identical data give identical frames.

        Raises:
            ValueError: more rows than cells can be (5 million): a customer-sized table belongs to `write`.
        """
        file = self._computed(cells)
        if (rows := parquet.read_metadata(file).num_rows) > MAX_CELLS:
            raise ValueError(f"{rows:,} rows are no cells; write them with the engine instead")
        return pd.read_parquet(file)

    def keep(self, rows: ir.Table) -> ir.Table:
        """The rows of an expression, computed once in a run: for what many counts rest on. They stay in the engine."""
        if (expression := rows.op()) not in self._kept:
            file = self._computed(rows)
            self._kept[expression] = self.con.read_parquet(file, table_name=f"kept_{file.stem}")
        return self._kept[expression]

    def _computed(self, rows: ir.Table) -> Path:
        """The file that holds an expression's rows, by (SQL, input fingerprint); made if it is not there."""
        sql = sql_of(rows)
        key = hashlib.sha256(f"{sql}\n{self.loaded.fingerprint}".encode()).hexdigest()
        self._cache.mkdir(parents=True, exist_ok=True)
        file = self._cache / f"{key}.parquet"
        with filelock.FileLock(self._cache / f"{key}.lock"):
            if not file.exists():
                new = file.with_suffix(".new")
                if rows.op().find(InMemoryTable):
                    rows.to_parquet(new)
                else:  # the same, but for Ibis writing the SQL out anew, which takes longer than most counts
                    copy_to_parquet(self.con, sql, new)
                new.replace(file)
        return file

    def write(self, rows: ir.Table, file: Path) -> int:
        """Write a customer-sized result as parquet by the engine alone; returns its number of rows.

        The file appears whole or not at all.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        try:
            rows.to_parquet(new)
            new.replace(file)
        except (OSError, EngineIOError) as error:
            raise StorageError(f"{file.name} cannot be written: {error}") from None
        return parquet.read_metadata(file).num_rows


def open_shop(loaded: Loaded, as_of: str, cache: Path, seed: int = 1) -> Shop:
    """The tables of a loaded source, cut at a day, with counts kept under `cache`.

    Args:
        loaded: what `load` returned.
        as_of: the last day observed (ISO), or empty for the last order or message.
        cache: folder of the counts.
        seed: of what every notebook must draw alike, such as the search for clusters.

    Raises:
        DataError: `as_of` lies before the first order.
    """
    return Shop(loaded, dt.date.fromisoformat(resolve_as_of(loaded, as_of)), cache, seed)
