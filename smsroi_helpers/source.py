"""A data folder read once: its files typed, its rows judged, what was met written down.

`load` turns the files of a source into typed parquet with instants in UTC (a parquet file that is so already is used
where it lies). `smsroi_helpers.shop` opens the result for a stage.
"""

import dataclasses
import datetime as dt
import gzip
import hashlib
import json
import os
import re
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import filelock
import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir
import pandas as pd
import pydantic
import yaml
from ibis.backends.duckdb import Backend

from smsroi_helpers import contract, engine
from smsroi_helpers.engine import connect, local_time, utc_of_clock, utc_of_instant
from smsroi_helpers.errors import DataError, StorageError

__all__ = [
    "Finding",
    "Loaded",
    "LoadedTable",
    "Settings",
    "fingerprint_inputs",
    "load",
    "project_root",
    "resolve_as_of",
    "resolve_path",
]


def project_root() -> Path:
    """The project's folder: `$SMSROI_PROJECT`, else the nearest folder upwards with notebooks/, else this checkout."""
    if named := os.environ.get("SMSROI_PROJECT"):
        return Path(named).resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    return Path(__file__).resolve().parents[1]


def resolve_path(path: str | Path) -> Path:
    """A path as the parameters mean it: relative ones from the project's root."""
    return (project_root() / path).resolve()


# --- what a source says of itself ------------------------------------------------------------------------------------


class Settings(pydantic.BaseModel):
    """`source.yml`: what the tables themselves cannot say."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Whose data this is, as the pages show it; empty: the folder's name."""
    simulated: bool = False
    """The company is made up: every page says so."""
    engine: Literal["duckdb"] = "duckdb"
    files: dict[str, str] = {}
    """Alias → path of a file elsewhere, for `.sql` mappings to select from."""
    timezone: str = "UTC"
    currency: str = pydantic.Field("USD", pattern="^[A-Z]{3}$")
    margin: float = pydantic.Field(0.3, ge=0, le=1)
    message_cost: float | None = pydantic.Field(None, ge=0)
    jurisdiction: str = ""

    @pydantic.field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError(f"{name!r} is no IANA time zone (such as Asia/Shanghai)")
        return name


def _fill_environment(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill_environment(inner, f"{where}.{key}") for key, inner in value.items()}
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(f"source.yml, {where}: the environment has no {match[1]}; set it before the run")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", fill, value)


def _read_settings(folder: Path) -> Settings:
    file = folder / "source.yml"
    if not file.exists():
        return Settings()
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if not isinstance(content, dict):
            raise DataError("source.yml: not a list of `name: value` lines")
        return Settings(**{key: _fill_environment(value, str(key)) for key, value in content.items()})
    except yaml.YAMLError as error:
        raise DataError(f"source.yml cannot be read as YAML: {error}") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"source.yml, {name}: {first['msg']}") from None


# --- what was found and what came of it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One thing met while reading, and what to do about it."""

    table: str
    column: str
    rule: str
    severity: Literal["error", "warning", "note"]
    rows: int
    share: float
    """Of the table's rows, 0–1."""
    remedy: str


@dataclass(frozen=True)
class LoadedTable:
    """One table as it stands after reading."""

    name: str
    paths: tuple[str, ...]
    """Parquet files with the contract's types."""
    columns: tuple[str, ...]
    rows_in: int
    rows_out: int
    first: str | None
    """First day of the table's own time, on the source's clock; None where it has none."""
    last: str | None


@dataclass(frozen=True)
class Loaded:
    """A source that has been read and checked."""

    folder: str
    place: str
    """Where the typed tables and the quarantine lie."""
    settings: Settings
    tables: dict[str, LoadedTable]
    findings: tuple[Finding, ...]
    inputs: dict[str, str]
    """File name → SHA-256."""
    fingerprint: str
    """Of the inputs and of the settings."""

    @property
    def title(self) -> str:
        """Whose data this is."""
        return self.settings.title or Path(self.folder).name


_CSV_NAMES = ("{}.csv", "{}.csv.gz")


def _table_files(folder: Path, name: str) -> tuple[str, list[Path]]:
    """How a table is held (`parquet`, `csv`, `sql`, or `` for not at all) and in which files."""
    found: list[tuple[str, list[Path]]] = []
    if (file := folder / f"{name}.parquet").is_file():
        found.append(("parquet", [file]))
    if (parts := folder / name).is_dir():
        found.append(("parquet", sorted(parts.glob("*.parquet"))))
    found += [("csv", [file]) for pattern in _CSV_NAMES if (file := folder / pattern.format(name)).is_file()]
    if (file := folder / f"{name}.sql").is_file():
        found.append(("sql", [file]))
    if len(found) > 1:
        names = ", ".join(sorted(files[0].name if files else name for _, files in found))
        raise DataError(f"table {name}: {len(found)} files claim to be it ({names}); keep one")
    if found and not found[0][1]:
        raise DataError(f"table {name}: the folder {name}/ holds no .parquet file")
    return found[0] if found else ("", [])


def _aliased_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """The files that `.sql` mappings may select from: those named in source.yml, and others beside the mappings."""
    aliases = {alias: (folder / path).resolve() for alias, path in settings.files.items()}
    for file in sorted(folder.iterdir()):
        stem = file.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".parquet")
        if file.is_file() and stem != file.name and re.fullmatch(r"[A-Za-z_]\w*", stem):
            aliases.setdefault(stem, file)
    for alias, file in aliases.items():
        if not file.is_file():
            raise DataError(f"source.yml, files.{alias}: there is no file {file.name} at that path")
    return aliases


def _input_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Every file the source is read from, by the name it is known under."""
    files = {}
    if (file := folder / "source.yml").is_file():
        files["source.yml"] = file
    for name in contract.TABLES:
        for file in _table_files(folder, name)[1]:
            files[file.relative_to(folder).as_posix()] = file
    if any(name.endswith(".sql") for name in files):
        known = set(files.values())
        files |= {f"files.{a}": f for a, f in _aliased_files(folder, settings).items() if f not in known}
    return files


def _source_folder(data: str | Path) -> Path:
    folder = resolve_path(data)
    if not folder.is_dir():
        raise DataError(f"there is no data folder {data}; make it (see data/README.md) or name another")
    return folder


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_inputs(data: str | Path) -> dict[str, str]:
    """The SHA-256 of every file a source is read from, by file name.

    Raises:
        DataError: there is no such folder, or its source.yml cannot be read.
    """
    folder = _source_folder(data)
    try:
        return {name: _sha256(file) for name, file in _input_files(folder, _read_settings(folder)).items()}
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: a file cannot be read: {error.strerror}") from None


# --- reading ---------------------------------------------------------------------------------------------------------


def _check_text(file: Path) -> None:
    """Refuse bytes that are no UTF-8 before the engine meets them, and say where they stand."""
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rb") as stream:
            if not stream.read(1):
                raise DataError(f"{file.name}: the file is empty (0 bytes)")
            stream.seek(0)
            for line, raw in enumerate(stream, start=1):
                try:
                    raw.decode("utf-8")
                except UnicodeDecodeError:
                    raise DataError(f"{file.name}, line {line}: not UTF-8; save the file as UTF-8") from None
                if b"\0" in raw:
                    raise DataError(f"{file.name}, line {line}: a NUL byte; this is no text file") from None
    except (gzip.BadGzipFile, EOFError):
        raise DataError(f"{file.name}: not a whole gzip file; pack it again") from None


def _open_file(con: Backend, alias: str, files: list[Path]) -> ir.Table:
    """Files of one kind as one engine table under that alias; CSV as text throughout."""
    try:
        if files[0].suffix == ".parquet":
            return con.read_parquet([str(file) for file in files], table_name=alias)
        for file in files:
            _check_text(file)
        return con.read_csv(
            [str(file) for file in files],
            table_name=alias,
            all_varchar=True,
            header=True,
            delim=",",
            quote='"',
            escape='"',
        )
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{files[0].name}: cannot be read as {files[0].suffix.lstrip('.')}: {reason}") from None


def _run_mapping(con: Backend, file: Path) -> ir.Table:
    query = file.read_text(encoding="utf-8-sig").strip().rstrip(";")
    try:
        return con.sql(query)
    except Exception as error:  # DuckDB's, sqlglot's and Ibis' errors have no common ancestor
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"{file.name}: the query fails: {reason}") from None


def _typed(value: ir.Value, column: contract.Column, zone: str) -> ir.Value:
    """A raw column with the contract's type; null where a value cannot be read as one."""
    kind, dtype = column.kind, value.type()
    if dtype.is_string():
        value = value.strip().nullif("")
    match kind:
        case "timestamp":
            if dtype.is_string():
                has_offset = value.re_search(r"[0-9](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$") & value.contains(":")
                instant = value.try_cast(idt.Timestamp(timezone="UTC"))
                clock = value.try_cast("timestamp")
                return ibis.ifelse(has_offset, utc_of_instant(instant), utc_of_clock(clock, zone))
            if dtype.is_timestamp() and dtype.timezone is not None:
                return utc_of_instant(value)
            return utc_of_clock(value.try_cast("timestamp"), zone)
        case "float":
            return value.try_cast("float64")
        case "int":
            return value.try_cast("int64")
        case _:
            return value if dtype.is_string() else value.cast("string")


def _lies_ready(raw: ir.Table, columns: list[contract.Column], zone: str) -> bool:
    """A parquet table whose types are the contract's already can be used where it lies."""
    wanted = {"id": "string", "text": "string", "float": "float64", "int": "int64"}
    for column in columns:
        dtype = raw[column.name].type()
        if column.kind == "timestamp":
            if not dtype.is_timestamp() or dtype.timezone is not None or zone != "UTC":
                return False
        elif dtype.copy(nullable=True) != idt.dtype(wanted[column.kind]):
            return False
    return set(raw.columns) == {column.name for column in columns}


def _attribute_columns(table: contract.Table, raw: ir.Table) -> list[str]:
    if table.name != "customers":
        return []
    return [name for name in raw.columns if name.startswith(contract.ATTRIBUTE_PREFIX)]


def _load_table(
    table: contract.Table, raw: ir.Table, held_as: str, files: list[Path], into: Path, settings: Settings
) -> tuple[LoadedTable, list[Finding], ir.Table | None]:
    """Type and judge one table; its good rows stand in parquet afterwards, its bad ones are counted and returned."""
    missing = [column.name for column in table.columns if column.required and column.name not in raw.columns]
    if missing:
        raise DataError(
            f"table {table.name}: no column {', '.join(missing)} (there are: {', '.join(raw.columns)});"
            f" rename it in the file, or map it in {table.name}.sql"
        )
    present = [column for column in table.columns if column.name in raw.columns]
    attributes = _attribute_columns(table, raw)
    unread = [name for name in raw.columns if name not in table.by_name and name not in attributes]
    typed = raw.select(
        **{column.name: _typed(raw[column.name], column, settings.timezone) for column in present},
        **{name: raw[name] for name in attributes},
        **{contract.text_of(column.name): _blank_as_null(raw[column.name]) for column in present},
        line=ibis.row_number() + (2 if held_as == "csv" else 1),
    )
    names = typed.select(*table.key) if table.key else typed
    names_repeat = bool(table.key) and names.count().execute() > names.distinct().count().execute()
    judged = contract.judge_rows(typed, table, names_repeat=names_repeat)
    if table.own_time in judged.columns:
        judged = judged.mutate(clock=local_time(judged[table.own_time], settings.timezone))
    else:
        judged = judged.mutate(clock=ibis.null("timestamp"))
    try:
        tally = (
            judged.group_by("fault")
            .aggregate(rows=judged.count(), first=judged.clock.min(), last=judged.clock.max())
            .order_by("fault")
            .execute()
        )
    except duckdb.Error as error:
        raise DataError(f"table {table.name}: {str(error).splitlines()[0]}") from None
    rows_in = int(tally["rows"].sum())
    if rows_in == 0:
        raise DataError(f"table {table.name}: it has no rows; take the file away if there is nothing to say")
    good = tally[tally["fault"].isna()]
    rows_out = int(good["rows"].sum())
    findings = [
        Finding(
            table.name,
            row.fault.partition(": ")[0],
            row.fault.partition(": ")[2],
            "error",
            int(row.rows),
            row.rows / rows_in,
            contract.remedy_for(row.fault, table),
        )
        for row in tally[tally["fault"].notna()].itertuples()
    ]
    findings += [
        Finding(table.name, name, "not in the contract", "note", rows_in, 1.0, "the column is not read")
        for name in unread
    ]
    kept = [column.name for column in present] + attributes
    if rows_out == rows_in and held_as == "parquet" and _lies_ready(raw, present, settings.timezone):
        paths = [str(file) for file in files]
    else:
        target = into / f"{table.name}.parquet"
        judged.filter(judged.fault.isnull()).select(kept).to_parquet(target)
        paths = [str(target)]
    loaded = LoadedTable(
        table.name,
        tuple(paths),
        tuple(kept),
        rows_in,
        rows_out,
        *(_day(good[name].iloc[0]) if len(good) else None for name in ("first", "last")),
    )
    rejected = judged.filter(judged.fault.notnull()) if rows_out < rows_in else None
    if rejected is not None:
        rejected = rejected.select(table=ibis.literal(table.name), line=rejected.line, reason=rejected.fault)
    return loaded, findings, rejected


def _blank_as_null(value: ir.Value) -> ir.Value:
    return value.strip().nullif("") if value.type().is_string() else value


def _day(moment: Any) -> str | None:
    return None if pd.isna(moment) else str(pd.Timestamp(moment).date())


def load(data: str | Path, into: str | Path, max_rejected_share: float = 0.01) -> Loaded:
    """Read and check a source folder once, leaving typed parquet, a quarantine and `source.json` in `into`.

    A second call over unchanged files (same sizes and times) reads only `source.json`.

    Args:
        data: the source's folder; relative to the project's root.
        into: where the typed tables go, normally `<run_dir>/.loaded`.
        max_rejected_share: the share (0–1) of a table's rows that may be put aside before the source is refused.

    Raises:
        DataError: a table cannot be read, misses a required column, has no rows, or loses too many.
    """
    folder, into = _source_folder(data), Path(into)
    settings = _read_settings(folder)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(into / ".lock"):
            state = _state_of(folder, settings, max_rejected_share)
            record = into / "source.json"
            if record.exists() and (known := json.loads(record.read_text(encoding="utf-8")))["state"] == state:
                return _from_record(known["loaded"])
            loaded = _load(folder, into, settings, max_rejected_share)
            text = json.dumps({"state": state, "loaded": _to_record(loaded)}, ensure_ascii=False, indent=1)
            (into / "source.json.new").write_text(text, encoding="utf-8")
            (into / "source.json.new").replace(record)
            return loaded
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: {error.strerror or error}") from None


def _load(folder: Path, into: Path, settings: Settings, max_rejected_share: float) -> Loaded:
    held = {name: _table_files(folder, name) for name in contract.TABLES}
    if not held["orders"][0]:
        raise DataError(
            f"data {folder.name}: there is no table orders (orders.parquet, .csv, .csv.gz or .sql); "
            "data/README.md says what a source holds"
        )
    con = connect(into)
    if any(kind == "sql" for kind, _ in held.values()):
        for alias, file in _aliased_files(folder, settings).items():
            _open_file(con, alias, [file])
    tables: dict[str, LoadedTable] = {}
    findings: list[Finding] = []
    quarantine: list[ir.Table] = []
    for name, (kind, files) in held.items():
        if not kind:
            continue
        raw = _run_mapping(con, files[0]) if kind == "sql" else _open_file(con, f"raw_{name}", files)
        loaded, found, rejected = _load_table(contract.TABLES[name], raw, kind, files, into, settings)
        share = 1 - loaded.rows_out / loaded.rows_in
        if share > max_rejected_share:
            worst = max((f for f in found if f.severity == "error"), key=lambda f: f.rows)
            raise DataError(
                f"table {name}: {loaded.rows_in - loaded.rows_out:,} of {loaded.rows_in:,} rows ({share:.1%}) cannot be"
                f" used, above max_rejected_share {max_rejected_share:.1%}; most: column {worst.column}, {worst.rule}"
                f" in {worst.rows:,} rows: {worst.remedy}"
            )
        tables[name] = loaded
        findings += found
        quarantine += [rejected] if rejected is not None else []
    if quarantine:
        ibis.union(*quarantine).order_by("table", "line").to_parquet(into / "quarantine.parquet")
    else:
        (into / "quarantine.parquet").unlink(missing_ok=True)
    con.disconnect()
    inputs = {name: _sha256(file) for name, file in _input_files(folder, settings).items()}
    return Loaded(
        folder=str(folder),
        place=str(into),
        settings=settings,
        tables=tables,
        findings=tuple(findings),
        inputs=inputs,
        fingerprint=hashlib.sha256(json.dumps([inputs, settings.model_dump()], sort_keys=True).encode()).hexdigest(),
    )


def _state_of(folder: Path, settings: Settings, max_rejected_share: float) -> list[Any]:
    """What a reuse hangs on: the reader's own code, the settings, and each file's size and time."""
    code = [_sha256(Path(file)) for file in (contract.__file__, engine.__file__, __file__)]
    stats = [[n, str(f), f.stat().st_size, f.stat().st_mtime_ns] for n, f in _input_files(folder, settings).items()]
    return [code, settings.model_dump(), max_rejected_share, stats]


def _to_record(loaded: Loaded) -> dict[str, Any]:
    return {**dataclasses.asdict(dataclasses.replace(loaded)), "settings": loaded.settings.model_dump()}


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


def resolve_as_of(loaded: Loaded, as_of: str) -> str:
    """The last day observed, as an ISO date on the source's clock: as given, else the last order or message.

    Rows later than today are no evidence of when the data end, so without a date today is the latest it can be.

    Raises:
        DataError: the date given lies before the first order.
    """
    if as_of:
        first = loaded.tables["orders"].first
        if first and as_of < first:
            raise DataError(f"as_of {as_of}: the first order is of {first}; choose a later day")
        return as_of
    today = dt.datetime.now(zoneinfo.ZoneInfo(loaded.settings.timezone)).date().isoformat()
    days = [table.last for name in ("orders", "messages") if (table := loaded.tables.get(name)) and table.last]
    return min(max(days), today)
