"""Open the raw tables of a source: decode files, run mappings, query the database. Types and rules come later."""

import contextlib
import difflib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import ibis.expr.types as ir

from smsroi_helpers import contract
from smsroi_helpers.engine import Connection, EngineError, connect, named_tables
from smsroi_helpers.errors import DataError, reason_of, redact, shortened, shown_value
from smsroi_helpers.source import files as source_files
from smsroi_helpers.source.csv_text import LINE, CsvTable, csv_to_parquet
from smsroi_helpers.source.database import Database, connect_database
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.mappings import order_mappings, provide_settings, recorded_rows, run_mapping, with_helpers
from smsroi_helpers.source.settings import Settings
from smsroi_helpers.source.total_row import without_total_row
from smsroi_helpers.source.workbook import workbook_to_parquet

__all__ = [
    "TEXT",
    "Opened",
    "RawTable",
    "TornFile",
    "open_tables",
]

TEXT = ".text"
"""Folder of the temporary parquet files made from text files, workbooks and query results."""
_TEXT_FILES_AT_ONCE = 2
"""Each takes memory; a shop's export and that of a gateway are two."""


@dataclass
class RawTable:
    """A table before typing and validation."""

    rows: ir.Table
    files: list[Path] = field(default_factory=list)
    """Parquet files of the source that can be used in place; empty for text and queries."""
    ragged: list[int] = field(default_factory=list)
    """Row numbers of a CSV file with the wrong number of fields; these rows are not in `rows`."""


@dataclass
class Opened:
    """The raw tables of a source, and the exclusions that its mappings declare."""

    con: Connection
    """The engine that holds the tables; the caller closes it."""
    tables: dict[str, RawTable]
    declared_exclusions: list[Finding]
    name: str
    """Name of the source's folder, for messages."""
    findings: list[Finding] = field(default_factory=list)
    """What was skipped, renamed or not used."""
    torn: list["TornFile"] = field(default_factory=list)
    """Files behind mappings of which rows cannot be read."""


@dataclass(frozen=True)
class TornFile:
    """A text file that a mapping queries, with rows of the wrong number of fields, which no mapping can see."""

    name: str
    lines: tuple[int, ...]
    """Lines of these rows."""
    rows: int
    """Rows of the file, with these."""


def open_tables(folder: Path, work_folder: Path, settings: Settings) -> Opened:
    """Open every table of a source.

    Args:
        folder: folder of the source.
        work_folder: folder of temporary files, under `TEXT`.
        settings: settings of source.yml.

    Raises:
        DataError: there are neither orders nor messages, a file cannot be read, a query fails, or the database does not
            answer.
    """
    opener = _Opener(folder, work_folder, settings)
    database = connect_database(settings, folder)
    try:
        return opener.open(database)
    finally:
        if database is not None:
            database.close()


class _Opener:
    """Opens one source."""

    def __init__(self, folder: Path, work_folder: Path, settings: Settings) -> None:
        self._folder, self._work_folder, self._settings = folder, work_folder, settings
        self._con = connect(work_folder)
        stated = settings.currency if "currency" in settings.model_fields_set else ""
        provide_settings(self._con, settings.timezone, stated)
        self._findings: list[Finding] = []
        self._torn: list[TornFile] = []
        self._texts: dict[str, Future[CsvTable]] = {}
        """Text files and workbooks being converted, by the name of the table or file."""

    def open(self, database: Database | None) -> Opened:
        """Open every table; mappings last, since they query the other tables."""
        files_of_table = {name: source_files.table_files(self._folder, name) for name in contract.TABLES}
        database_tables = database.list_tables() if database is not None else set()
        if not any(files_of_table[name][0] or name in database_tables for name in ("orders", "messages")):
            names = source_files.unused_files(self._folder, self._settings)
            found = f"; files found: {redact(shortened(', '.join(names), 200))}" if names else ""
            raise DataError(
                f"data {self._folder.name}: no table orders and no table messages (orders.parquet, .csv, .xlsx or"
                f" .sql{found}){source_files.other_format(self._folder, names)}; data/README.md describes the tables of"
                " a source"
            )
        used = source_files.used_files(self._folder, self._settings)
        texts = {name: files[0] for name, (kind, files) in files_of_table.items() if kind not in ("", "sql", "parquet")}
        more = {
            alias: file
            for alias, file in used.items()
            if alias.casefold() not in texts and file.suffix.lower() != ".parquet"
        }
        with ThreadPoolExecutor(_TEXT_FILES_AT_ONCE) as pool:
            for alias, file in (texts | more).items():
                self._texts[alias] = pool.submit(self._convert, alias, file, contract.TABLES.get(alias))
            try:
                return self._open(database, database_tables, files_of_table, used)
            finally:
                pool.shutdown(cancel_futures=True)

    def _open(
        self,
        database: Database | None,
        database_tables: set[str],
        files_of_table: dict[str, tuple[str, list[Path]]],
        used: dict[str, Path],
    ) -> Opened:
        tables: dict[str, RawTable] = {}
        mappings: dict[str, Path] = {}
        for name, (kind, files) in files_of_table.items():
            if kind == "sql":
                mappings[name] = files[0]
            elif kind:
                tables[name] = self._open_files(name, files)
            elif database is not None and name in database_tables:
                database.copy_table(name, self._text_file(name))
                tables[name] = self._read_text_file(name)
        mappings |= source_files.mapping_files(self._folder)
        if database is not None:
            for name in (name for name in mappings if not source_files.is_helper(name)):
                database.copy_query(name, with_helpers(name, mappings), self._text_file(name))
                tables |= self._recorded(name, mappings[name], self._read_text_file(name))
        elif mappings:
            for alias, file in used.items():
                if alias.casefold() not in tables and (lines := self._open_files(alias, [file]).ragged):
                    n = int(self._con.table(alias).count().to_pyarrow().as_py())
                    self._torn.append(TornFile(redact(shortened(file.name)), tuple(lines), n + len(lines)))
            tables |= self._run_mappings(mappings)
        findings = _declared_exclusions(tables.pop("exclusions").rows) if "exclusions" in tables else []
        self._findings += [
            finding_of(redact(shortened(name)), "", "file not used", 0)
            for name in source_files.unused_files(self._folder, self._settings)
        ]
        return Opened(self._con, tables, findings, self._folder.name, self._findings, self._torn)

    def _convert(self, alias: str, file: Path, table: contract.Table | None) -> CsvTable:
        """Write a text file or a workbook as parquet."""
        to = self._text_file(alias)
        if file.suffix.lower() == ".xlsx":
            return workbook_to_parquet(file, to, table, self._settings.sheets.get(file.name, ""))
        return csv_to_parquet(file, to, table, self._settings.encoding)

    def _open_files(self, alias: str, files: list[Path]) -> RawTable:
        if files[0].suffix.lower() == ".parquet":
            try:
                return RawTable(self._con.read_parquet([str(file) for file in files], table_name=alias), files)
            except EngineError as error:
                reason = reason_of(error)
                raise DataError(f"{files[0].name}: cannot be read as parquet: {reason}; export it again") from None
        file, read = files[0], self._texts[alias].result()
        self._findings += read.findings
        every = self._con.read_parquet(read.path, table_name=alias)
        rows, said = without_total_row(every, file.name)
        if said is not None:
            self._findings.append(said)
            kept = self._text_file(f"{alias} without its total")
            rows.to_parquet(kept)
            read.path.unlink()
            return RawTable(self._con.read_parquet(kept, table_name=alias), [], read.ragged)
        return RawTable(every, [], read.ragged)

    def _text_file(self, alias: str) -> Path:
        file = self._work_folder / TEXT / f"{alias}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _read_text_file(self, alias: str) -> RawTable:
        """Read a table from its temporary file; rows from a database have no row numbers."""
        rows = self._con.read_parquet(self._text_file(alias), table_name=alias)
        return RawTable(rows.drop(LINE) if LINE in rows.columns else rows)

    def _run_mappings(self, mappings: dict[str, Path]) -> dict[str, RawTable]:
        """Run the mappings in the order of their dependencies, each once; return the tables without helper views."""
        finished: dict[str, RawTable] = {}
        for name in order_mappings(mappings, source_files.aliased_files(self._folder, self._settings)):
            run_mapping(self._con, mappings[name], self._text_file(name), self._no_such_table)
            rows = self._con.read_parquet(self._text_file(name), table_name=name)
            if not source_files.is_helper(name):
                finished |= self._recorded(name, mappings[name], RawTable(rows))
        return finished

    def _recorded(self, name: str, mapping: Path, table: RawTable) -> dict[str, RawTable]:
        """Return a mapping's table without the columns that it calls unknown, by its name; nothing if none is left."""
        rows, unrecorded = recorded_rows(name, table.rows, source_files.read_query(mapping))
        if unrecorded:
            n = int(table.rows.count().to_pyarrow().as_py())
            self._findings += [finding_of(name, column, "empty in every row", n, n) for column in unrecorded]
        elif rows is None:
            self._findings.append(finding_of(name, "", "mapping without rows", 0))
        return {} if rows is None else {name: RawTable(rows)}

    def _no_such_table(self, query: str) -> str:
        """Return which tables of a query do not exist, and which names it can use; empty if that is not the fault."""
        known = {name.casefold() for name in self._con.list_tables()}
        named: set[str] = set()
        with contextlib.suppress(EngineError):
            named = {name for name in named_tables(query) if name.casefold() not in known}
        if not named:
            return ""
        aliases = source_files.aliased_files(self._folder, self._settings)
        found = ", ".join(f'"{alias}"' for alias in aliases) or "none"
        missing = ", ".join(f'"{name}"' for name in sorted(named))
        helpers = [file.stem for file in sorted(self._folder.glob("_*.sql"))]
        names = {name.casefold(): name for name in (*aliases, *helpers)}
        alike = [difflib.get_close_matches(name.casefold(), names, 1) for name in sorted(named)]
        meant = ", ".join(f'"{names[match]}"' for matches in alike for match in matches)
        hint = (
            f"; did you mean {redact(shortened(meant))}?" if meant else source_files.other_format(self._folder, named)
        )
        return (
            f"no table or file {shown_value(missing)}{hint}; files that can be queried: {redact(shortened(found, 300))}"
        )


def _declared_exclusions(rows: ir.Table) -> list[Finding]:
    """Return the exclusions that the mappings declare, as findings."""
    if missing := [column for column in ("reason", "rows") if column not in rows.columns]:
        raise DataError(f"exclusions.sql: no column {', '.join(missing)}; the query must return reason and rows")
    try:
        declared = rows.select(reason=rows.reason.cast("string"), rows=rows.rows.cast("int64")).order_by("reason")
        frame = declared.execute()
    except EngineError as error:
        raise DataError(f"exclusions.sql: {reason_of(error)}") from None
    if frame.isna().any(axis=None):
        raise DataError("exclusions.sql: a reason or its number of rows is empty; fill it with coalesce(…, 0)")
    remedy = "declared by the mapping, in exclusions.sql"
    return [
        Finding("mapping", "", redact(str(row.reason)), "stated", int(row.rows), None, remedy)
        for row in frame.itertuples()
    ]
