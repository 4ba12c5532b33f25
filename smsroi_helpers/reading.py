"""A source read once: its files decoded, mapped and typed, its rows judged, what was met written down.

`load` leaves typed parquet with instants in UTC; a parquet file that is so already is used where it lies.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import filelock
import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend
from pyarrow import parquet

from smsroi_helpers import contract, decoding, engine, source, typed
from smsroi_helpers.decoding import LINE, csv_to_parquet, shortened
from smsroi_helpers.engine import connect, local_time
from smsroi_helpers.errors import DataError, StorageError, redact
from smsroi_helpers.source import Finding, Loaded, LoadedTable, Settings
from smsroi_helpers.typed import type_column

__all__ = ["load"]

_TEXT = ".text"
"""Where CSV files and query results stand as parquet while they are read."""

# More than half of an id column's values looking so makes them telephone numbers or addresses.
_PERSONAL_ID = r"@|^\+[0-9]{8,15}$|^(?:\+?86)?1[3-9][0-9]{9}$"
_NAMES_PEOPLE = ("customer_id", "referred_by")


def load(data: str | Path, into: str | Path, max_rejected_share: float = 0.01) -> Loaded:
    """Read and check a source folder once, leaving typed parquet, a quarantine and `source.json` in `into`.

    A second call over unchanged files (same sizes and times) reads only `source.json`.

    Args:
        data: the source's folder; relative to the project's root.
        into: where the typed tables go, normally `<run_dir>/.loaded`.
        max_rejected_share: the share (0–1) of a table's rows that may be put aside before the source is refused.

    Raises:
        DataError: a table cannot be read, misses a required column, has no rows, breaks a rule as a whole, or loses too
            many rows.
    """
    folder, into = source.source_folder(data), Path(into)
    settings = source.read_settings(folder)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(into / ".lock"):
            state = _state_of(folder, settings, max_rejected_share)
            record = into / "source.json"
            if record.exists() and (known := json.loads(record.read_text(encoding="utf-8")))["state"] == state:
                return _from_record(known["loaded"])
            record.unlink(missing_ok=True)
            try:
                loaded = _Reading(folder, into, settings, max_rejected_share).read()
            finally:
                shutil.rmtree(into / _TEXT, ignore_errors=True)
            text = json.dumps({"state": state, "loaded": _to_record(loaded)}, ensure_ascii=False, indent=1)
            (into / "source.json.new").write_text(text, encoding="utf-8")
            (into / "source.json.new").replace(record)
            return loaded
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: {error.strerror or error}") from None


def _state_of(folder: Path, settings: Settings, max_rejected_share: float) -> list[Any]:
    """What a reuse hangs on: the reader's own code, the settings, and each file's size and time."""
    modules = (contract, decoding, engine, source, typed)
    code = [source.sha256_of(Path(str(module.__file__))) for module in modules] + [source.sha256_of(Path(__file__))]
    files = source.input_files(folder, settings).items()
    stats = [[name, str(file), file.stat().st_size, file.stat().st_mtime_ns] for name, file in files]
    return [code, settings.model_dump(), max_rejected_share, stats, source.database_state(settings)]


def _to_record(loaded: Loaded) -> dict[str, Any]:
    return {**dataclasses.asdict(loaded), "settings": loaded.settings.model_dump()}


def _from_record(record: dict[str, Any]) -> Loaded:
    def table(entry: dict[str, Any]) -> LoadedTable:
        return LoadedTable(**{**entry, "paths": tuple(entry["paths"]), "columns": tuple(entry["columns"])})

    return Loaded(
        **{
            **record,
            "settings": Settings(**record["settings"]),
            "tables": {name: table(entry) for name, entry in record["tables"].items()},
            "findings": tuple(Finding(**entry) for entry in record["findings"]),
        }
    )


@dataclasses.dataclass
class _Raw:
    """A table as it came."""

    rows: ir.Table
    files: list[Path]
    """Parquet files that could be used where they lie; none for text and queries."""
    ragged: list[int] = dataclasses.field(default_factory=list)
    """Rows of a CSV file with the wrong number of fields; they are not among `rows`."""


class _Reading:
    """One reading of one source."""

    def __init__(self, folder: Path, into: Path, settings: Settings, max_rejected_share: float) -> None:
        self._folder, self._into, self._settings, self._most = folder, into, settings, max_rejected_share
        self._con: Backend = connect(into)
        self._findings: list[Finding] = []
        self._good: dict[str, ir.Table] = {}

    def read(self) -> Loaded:
        """Everything, table by table; what one table's rules ask of another stands before it in the contract."""
        raw = self._open_tables()
        tables: dict[str, LoadedTable] = {}
        quarantine: list[ir.Table] = []
        for name in contract.TABLES:
            if name in raw:
                try:
                    tables[name], rejected = self._judge(contract.TABLES[name], raw[name])
                    self._good[name] = self._con.read_parquet(list(tables[name].paths), table_name=f"good_{name}")
                except duckdb.Error as error:
                    reason = _reason(error)
                    raise DataError(f"table {name}: cannot be read: {reason}; mend it or export it again") from None
                quarantine += [rejected] if rejected is not None else []
        self._check_tables()
        aside = self._into / "quarantine.parquet"
        aside.unlink(missing_ok=True)
        if quarantine:
            ibis.union(*quarantine).order_by("table", "line").to_parquet(aside)
        self._con.disconnect()
        inputs = source.fingerprint_inputs(self._folder)
        identity = json.dumps([inputs, self._settings.model_dump()], sort_keys=True)
        return Loaded(
            folder=str(self._folder),
            place=str(self._into),
            settings=self._settings,
            tables=tables,
            findings=tuple(self._findings),
            inputs=inputs,
            fingerprint=hashlib.sha256(identity.encode()).hexdigest(),
        )

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open_tables(self) -> dict[str, _Raw]:
        held = {name: source.table_files(self._folder, name) for name in contract.TABLES}
        database = self._connect_database()
        in_database = set(database.list_tables()) if database is not None else set()
        if not held["orders"][0] and "orders" not in in_database:
            raise DataError(
                f"data {self._folder.name}: there is no table orders (orders.parquet, .csv, .csv.gz or .sql); "
                "data/README.md says what a source holds"
            )
        raw: dict[str, _Raw] = {}
        mappings: dict[str, Path] = {}
        for name, (kind, files) in held.items():
            if kind == "sql":
                mappings[name] = files[0]
            elif kind:
                raw[name] = self._open_files(name, files)
            elif database is not None and name in in_database:
                raw[name] = self._copy_query(name, database.table(name), "database")
        stated = self._folder / "exclusions.sql"
        if stated.is_file():
            mappings["exclusions"] = stated
        if database is not None:
            for name, file in mappings.items():
                raw[name] = self._copy_query(name, _query(database, file), file.name)
        elif mappings:
            for alias, file in source.aliased_files(self._folder, self._settings).items():
                if alias not in raw:
                    self._open_files(alias, [file])
            raw |= self._run_mappings(mappings)
        if "exclusions" in raw:
            self._note_exclusions(raw.pop("exclusions").rows)
        return raw

    def _open_files(self, alias: str, files: list[Path]) -> _Raw:
        ragged: list[int] = []
        ready = files
        if files[0].suffix != ".parquet":
            read = csv_to_parquet(files[0], self._text_file(alias))
            files, ready, ragged = [read.path], [], read.ragged
        try:
            return _Raw(self._con.read_parquet([str(file) for file in files], table_name=alias), ready, ragged)
        except duckdb.Error as error:
            raise DataError(f"{files[0].name}: cannot be read as parquet: {_reason(error)}; export it again") from None

    def _text_file(self, alias: str) -> Path:
        file = self._into / _TEXT / f"{alias}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _run_mappings(self, mappings: dict[str, Path]) -> dict[str, _Raw]:
        """Run the mappings, those first that others select from."""
        done: dict[str, _Raw] = {}
        waiting = dict(mappings)
        while waiting:
            failures: dict[str, DataError] = {}
            tried = list(waiting)
            for name in tried:
                try:
                    rows = _query(self._con, waiting[name])
                except DataError as failure:
                    failures[name] = failure
                    continue
                done[name] = _Raw(self._con.read_parquet(self._written(name, rows, waiting[name]), table_name=name), [])
                del waiting[name]
            if len(failures) == len(waiting) == len(tried):
                raise failures[tried[0]]
        return done

    def _written(self, name: str, rows: ir.Table, mapping: Path) -> Path:
        """The result of a mapping, once, for all that is asked of it."""
        file = self._text_file(name)
        try:
            rows.to_parquet(file)
        except duckdb.Error as error:
            raise DataError(f"{mapping.name}: the query fails: {str(error).splitlines()[0]}") from None
        return file

    def _note_exclusions(self, rows: ir.Table) -> None:
        if missing := [column for column in ("reason", "rows") if column not in rows.columns]:
            raise DataError(f"exclusions.sql: no column {', '.join(missing)}; it yields reason and rows")
        try:
            stated = rows.select(reason=rows.reason.cast("string"), rows=rows.rows.cast("int64")).order_by("reason")
            frame = stated.execute()
        except duckdb.Error as error:
            raise DataError(f"exclusions.sql: {_reason(error)}") from None
        self._findings += [
            Finding(
                "mapping",
                "",
                str(row.reason),
                "stated",
                int(row.rows),
                None,
                "stated by the mapping itself, in exclusions.sql",
            )
            for row in frame.itertuples()
        ]

    # --- a database --------------------------------------------------------------------------------------------------

    def _connect_database(self) -> BaseBackend | None:
        url = self._settings.database
        if not url:
            return None
        try:
            if source.sqlite_file(self._settings, self._folder) is not None:
                return ibis.sqlite.connect(source.sqlite_file(self._settings, self._folder))
            return ibis.connect(url)
        except Exception as error:  # each driver has its own
            raise DataError(
                f"source.yml, database: cannot be opened ({type(error).__name__}); check the address and that it is up"
            ) from None

    def _copy_query(self, alias: str, rows: ir.Table, place: str) -> _Raw:
        """The result of a query in the database, as parquet, in batches."""
        file = self._text_file(alias)
        try:
            schema = rows.schema().to_pyarrow()
            with parquet.ParquetWriter(file, schema) as writer:
                for batch in rows.to_pyarrow_batches(chunk_size=100_000):
                    writer.write_batch(batch.cast(schema) if batch.schema != schema else batch)
        except Exception as error:  # the driver's or Arrow's
            kind = type(error).__name__
            raise DataError(f"{place}, table {alias}: the query fails: {kind}: {_reason(error)}") from None
        return _Raw(self._con.read_parquet(file, table_name=alias), [])

    # --- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, table: contract.Table, raw: _Raw) -> tuple[LoadedTable, ir.Table | None]:
        """Type and judge one table; its good rows stand in parquet afterwards, its bad ones are returned."""
        held = raw.rows
        missing = [column.name for column in table.columns if column.required and column.name not in held.columns]
        if missing:
            there = shortened(", ".join(name for name in held.columns if name != LINE), 300)
            raise DataError(
                f"table {table.name}: no column {', '.join(missing)} (there are: {there});"
                f" rename it in the file, or map it in {table.name}.sql"
            )
        present = [column for column in table.columns if column.name in held.columns]
        attributes = [
            name for name in held.columns if table.name == "customers" and name.startswith(contract.ATTRIBUTE_PREFIX)
        ]
        judged = self._rows_with_faults(table, held, present, attributes)
        times = [column.name for column in present if column.kind == "timestamp"]
        tally = self._tally(judged, times)
        good = tally[tally["fault"].isna()]
        rows_in, rows_out = int(tally["rows"].sum()) + len(raw.ragged), int(good["rows"].sum())
        if rows_in == 0:
            raise DataError(f"table {table.name}: it has no rows; take the file away if there is nothing to say")
        faults = {str(row.fault): int(row.rows) for row in tally[tally["fault"].notna()].itertuples()}
        if raw.ragged:
            faults[f"row: {contract.WRONG_FIELDS}"] = len(raw.ragged)
        self._report(table, faults, rows_in)
        self._refuse_too_many(table, faults, rows_in)
        self._refuse_personal_ids(table, judged, present)
        unread = set(held.columns) - set(table.by_name) - set(attributes) - {LINE}
        self._findings += [
            Finding(
                table.name,
                redact(shortened(name)),
                "not in the contract",
                "note",
                rows_in,
                1.0,
                "the column is not read",
            )
            for name in sorted(unread)
        ]
        for name in times:
            if twice := int(good[f"fold__{name}"].sum()):
                remedy = "the clock was set back over it and the offset is unknown; write times with their offset"
                self._findings.append(
                    Finding(table.name, name, "time shown twice", "warning", twice, twice / rows_in, remedy)
                )
        kept = [column.name for column in present] + attributes
        untouched = rows_out == rows_in and not int(tally["altered"].sum())
        if untouched and raw.files and _lies_ready(held, present, kept, self._settings.timezone):
            paths = [str(file) for file in raw.files]
        else:
            target = self._into / f"{table.name}.parquet"
            judged.filter(judged.fault.isnull()).select(kept).to_parquet(target)
            paths = [str(target)]
        first, last = (_day(good[name].iloc[0]) if len(good) else None for name in ("first", "last"))
        loaded = LoadedTable(table.name, tuple(paths), tuple(kept), rows_in, rows_out, first, last)
        return loaded, self._quarantined(table, judged, raw.ragged) if rows_out < rows_in else None

    def _rows_with_faults(
        self, table: contract.Table, held: ir.Table, present: list[contract.Column], attributes: list[str]
    ) -> ir.Table:
        columns = {column.name: type_column(held[column.name], column, self._settings.timezone) for column in present}
        times = [column.name for column in present if column.kind == "timestamp"]
        rows = held.select(
            **{name: column.value for name, column in columns.items()},
            **{name: held[name] for name in attributes},
            **{contract.raw_name(name): _blank_as_null(held[name]) for name in columns},
            **{contract.gap_name(name): columns[name].in_gap for name in times},
            **{f"fold__{name}": columns[name].in_fold for name in times},
            altered=ibis.or_(
                ibis.literal(False),
                *(
                    ~held[column.name].identical_to(columns[column.name].value)
                    for column in present
                    if column.kind in ("id", "text") and held[column.name].type().is_string()
                ),
            ),
            line=held[LINE] if LINE in held.columns and held[LINE].type().is_integer() else ibis.row_number() + 1,
        )
        names = rows.select(*table.key) if table.key else rows
        names_repeat = bool(table.key) and names.count().execute() > names.distinct().count().execute()
        judged = contract.judge_rows(rows, table, self._good, names_repeat=names_repeat)
        own = judged[table.own_time] if table.own_time in columns else ibis.null("timestamp")
        return judged.mutate(clock=local_time(own, self._settings.timezone))

    def _tally(self, judged: ir.Table, times: list[str]) -> pd.DataFrame:
        """One row per fault: its rows, first and last day, and times that the clock showed twice."""
        folds = {f"fold__{name}": judged[f"fold__{name}"].cast("int64").sum() for name in times}
        by_fault = judged.group_by("fault").aggregate(
            rows=judged.count(),
            altered=judged.altered.cast("int64").sum(),
            first=judged.clock.min(),
            last=judged.clock.max(),
            **folds,
        )
        return by_fault.order_by("fault").execute()

    def _report(self, table: contract.Table, faults: dict[str, int], rows_in: int) -> None:
        for fault, count in sorted(faults.items()):
            column, _, rule = fault.partition(": ")
            remedy = contract.remedy_for(fault, table)
            self._findings.append(Finding(table.name, column, rule, "error", count, count / rows_in, remedy))

    def _refuse_too_many(self, table: contract.Table, faults: dict[str, int], rows_in: int) -> None:
        put_aside = sum(faults.values())
        none_left = put_aside == rows_in and table.name == "orders"
        if put_aside <= self._most * rows_in and not none_left:
            return
        worst = max(faults, key=lambda fault: faults[fault])
        column, _, rule = worst.partition(": ")
        limit = "so none is left" if none_left else f"above max_rejected_share {self._most:.1%}"
        raise DataError(
            f"table {table.name}: {put_aside:,} of {rows_in:,} rows ({put_aside / rows_in:.1%}) cannot be used,"
            f" {limit}; most: column {column}, {rule} in {faults[worst]:,} rows:"
            f" {contract.remedy_for(worst, table)}"
        )

    def _refuse_personal_ids(self, table: contract.Table, judged: ir.Table, present: list[contract.Column]) -> None:
        for name in _NAMES_PEOPLE:
            if name in {column.name for column in present}:
                ids = judged.select(id=judged[name]).distinct()
                found = ids.aggregate(
                    all=ids.id.count(), personal=ids.id.count(where=ids.id.re_search(_PERSONAL_ID))
                ).execute()
                if found["personal"].iloc[0] > found["all"].iloc[0] / 2:
                    raise DataError(
                        f"table {table.name}, column {name}: most values are telephone numbers or e-mail addresses; "
                        "replace them with `smsroi pseudonymise`"
                    )

    def _quarantined(self, table: contract.Table, judged: ir.Table, ragged: list[int]) -> ir.Table:
        rejected = judged.filter(judged.fault.notnull())
        rows = rejected.select(table=ibis.literal(table.name), line=rejected.line.cast("int64"), reason=rejected.fault)
        if not ragged:
            return rows
        reasons = [f"row: {contract.WRONG_FIELDS}"] * len(ragged)
        lines = pa.table({"table": [table.name] * len(ragged), "line": pa.array(ragged, pa.int64()), "reason": reasons})
        return rows.union(ibis.memtable(lines))

    def _check_tables(self) -> None:
        for rule in contract.TABLE_RULES:
            if set(rule.needs) <= set(self._good):
                groups = rule.broken(self._good).order_by("name").limit(3).execute()
                if len(groups):
                    named = "; ".join(
                        f"{shortened(row['name'])}: {shortened(row['found'])}" for _place, row in groups.iterrows()
                    )
                    raise DataError(f"table {rule.table}, column {rule.column}: {rule.code} ({named}); {rule.remedy}")


def _query(con: BaseBackend, file: Path) -> ir.Table:
    """The result of a mapping.

    Raises:
        DataError: the query fails.
    """
    try:
        query = file.read_text(encoding="utf-8-sig").strip().rstrip(";")
    except UnicodeDecodeError:
        raise DataError(f"{file.name}: not UTF-8; save the file as UTF-8") from None
    try:
        if isinstance(con, Backend):
            kinds = [statement.type for statement in duckdb.extract_statements(query)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise ValueError("it must be one SELECT")
        return con.sql(query)
    except Exception as error:  # DuckDB's, sqlglot's and Ibis' errors have no common ancestor
        raise DataError(f"{file.name}: the query fails: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """What an engine says of a failure, in one line that names a file but not the machine's folders."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    line = re.sub(r"""["'][^"']*[/\\]([^"'/\\]+)["']""", r"\1", line)
    return shortened(line, 200)


def _lies_ready(held: ir.Table, columns: list[contract.Column], kept: list[str], zone: str) -> bool:
    """Whether a parquet table has the contract's types already, so that it can be used where it lies."""
    wanted = {"id": "string", "text": "string", "float": "float64", "int": "int64"}
    for column in columns:
        dtype = held[column.name].type()
        if column.kind == "timestamp":
            if not dtype.is_timestamp() or dtype.timezone is not None or zone != "UTC":
                return False
        elif dtype.copy(nullable=True) != idt.dtype(wanted[column.kind]):
            return False
    return set(held.columns) == set(kept)


def _blank_as_null(value: ir.Value) -> ir.Value:
    return value.strip().nullif("") if value.type().is_string() else value


def _day(moment: Any) -> str | None:
    return None if pd.isna(moment) else str(pd.Timestamp(moment).date())
