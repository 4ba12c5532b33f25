"""What a data source is: its folder, what it says of itself, its files, and what reading it has found.

`smsroi_helpers.reading` reads it, `smsroi_helpers.shop` opens the result for a stage.
"""

import datetime as dt
import hashlib
import os
import re
import urllib.parse
import uuid
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from babel.numbers import get_currency_precision

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, StorageError, redact

__all__ = [
    "Finding",
    "Loaded",
    "LoadedTable",
    "Settings",
    "aliased_files",
    "database_state",
    "fingerprint_inputs",
    "input_files",
    "project_root",
    "read_settings",
    "read_source_yml",
    "resolve_as_of",
    "resolve_path",
    "sha256_of",
    "source_folder",
    "sqlite_file",
    "table_files",
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
    database: str = pydantic.Field("", exclude=True, repr=False)
    """Address of a database to read tables from; it may hold a password, so it is neither recorded nor shown."""
    files: dict[str, str] = {}
    """Alias → path of a file elsewhere, for `.sql` mappings to select from."""
    timezone: str = "UTC"
    currency: str = pydantic.Field("USD", pattern="^[A-Z]{3}$")
    margin: float = pydantic.Field(0.3, ge=0, le=1)
    message_cost: float | None = pydantic.Field(None, ge=0)
    jurisdiction: str = ""

    @property
    def currency_digits(self) -> int:
        """Decimals of the currency: 2 for USD, 0 for JPY."""
        return get_currency_precision(self.currency)

    @pydantic.field_validator("title")
    @classmethod
    def _nobodys_number(cls, title: str) -> str:
        return redact(title)

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
    in_address = value.rfind("@") if where == "database" else -1

    def fill(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(f"source.yml, {where}: the environment has no {match[1]}; set it before the run")
        filled = os.environ[match[1]]
        # A user or a password in an address (before its @) may hold signs that would end it there.
        return urllib.parse.quote(filled, safe="") if match.start() < in_address else filled

    return re.sub(r"\$\{(\w+)\}", fill, value)


class _Loader(yaml.SafeLoader):
    """YAML in which no name stands twice: of two values it would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.MarkedYAMLError(None, None, f"the name {twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_settings(folder: Path) -> Settings:
    """What `source.yml` says; the defaults where there is none.

    Raises:
        DataError: it cannot be read, or says what it cannot.
    """
    said = read_source_yml(folder)
    try:
        return Settings(**{name: _fill_environment(value, name) for name, value in said.items()})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"source.yml, {name[:60]}: {first['msg']}") from None


def read_source_yml(folder: Path) -> dict[str, Any]:
    """What stands in `source.yml`, its `${…}` unfilled; nothing where there is no such file.

    Raises:
        DataError: it cannot be read.
    """
    file = folder / "source.yml"
    if not file.exists():
        return {}
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader) or {}  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        raise DataError("source.yml: not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        raise DataError(f"source.yml cannot be read as YAML: {error}") from None
    except (ValueError, RecursionError):  # PyYAML's, of values such as 2024-13-01
        raise DataError("source.yml cannot be read as YAML: a value in it is none") from None
    if not isinstance(content, dict):
        raise DataError("source.yml: not a list of `name: value` lines")
    return {str(name): value for name, value in content.items()}


# --- what was found and what came of it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """One thing met while reading, and what to do about it."""

    table: str
    column: str
    rule: str
    severity: Literal["error", "warning", "note", "stated"]
    """`error`: rows put aside; `stated`: left out by the mapping, as it says itself."""
    rows: int
    share: float | None
    """Of the table's rows, 0–1; None where what they are a share of is not known."""
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
    key_id: str = ""
    """Of the secret key under which the quarantine has pseudonyms; empty: there was none."""

    @property
    def title(self) -> str:
        """Whose data this is."""
        return self.settings.title or Path(self.folder).name


_CSV_NAMES = ("{}.csv", "{}.csv.gz")


def table_files(folder: Path, name: str) -> tuple[str, list[Path]]:
    """How a table is held (`parquet`, `csv`, `sql`, or `` for not at all) and in which files.

    Raises:
        DataError: two files claim to be it, or its folder is empty.
    """
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


def aliased_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """The files that `.sql` mappings may select from: those named in source.yml, and others beside the mappings.

    Raises:
        DataError: a named file is not there.
    """
    aliases = {alias: (folder / path).resolve() for alias, path in settings.files.items()}
    for file in sorted(folder.iterdir()):
        stem = file.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".parquet")
        if file.is_file() and stem != file.name and re.fullmatch(r"[A-Za-z_]\w*", stem):
            aliases.setdefault(stem, file)
    for alias, file in aliases.items():
        if not file.is_file():
            raise DataError(f"source.yml, files.{alias}: there is no file {file.name} at that path")
    return aliases


def input_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Every file the source is read from, by the name it is known under."""
    files = {}
    if (file := folder / "source.yml").is_file():
        files["source.yml"] = file
    for name in contract.TABLES:
        for file in table_files(folder, name)[1]:
            files[file.relative_to(folder).as_posix()] = file
    if (file := folder / "exclusions.sql").is_file():
        files["exclusions.sql"] = file
    if (database := sqlite_file(settings, folder)) is not None:
        files["database"] = database
    if settings.database:
        return files
    if any(name.endswith(".sql") for name in files):
        known = set(files.values())
        files |= {f"files.{a}": f for a, f in aliased_files(folder, settings).items() if f not in known}
    return files


def sqlite_file(settings: Settings, folder: Path) -> Path | None:
    """The file of the database, where it is SQLite: `sqlite:///shop.db` (from the source's folder) or an absolute path.

    Raises:
        DataError: there is no such file.
    """
    scheme, _, place = settings.database.partition("://")
    if scheme != "sqlite":
        return None
    file = (folder / place.removeprefix("/")) if not place.startswith("//") else Path(place[1:])
    if not file.is_file():
        raise DataError(f"source.yml, database: there is no file {file.name} at that path")
    return file.resolve()


_OF_THIS_PROCESS = uuid.uuid4().hex


def database_state(settings: Settings) -> str:
    """What tells one reading of a server's tables from another: they can change unseen, so each process has its own."""
    return _OF_THIS_PROCESS if settings.database and not settings.database.startswith("sqlite:") else ""


def source_folder(data: str | Path) -> Path:
    """The folder a source is in.

    Raises:
        DataError: there is none.
    """
    folder = resolve_path(data)
    if not folder.is_dir():
        raise DataError(
            f"there is no data folder {data}; see data/README.md, or make one: `smsroi example cdnow` makes data/cdnow"
        )
    return folder


def sha256_of(file: Path) -> str:
    """The digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_inputs(data: str | Path) -> dict[str, str]:
    """The SHA-256 of every file a source is read from, by file name.

    Raises:
        DataError: there is no such folder, or its source.yml cannot be read.
    """
    folder = source_folder(data)
    try:
        settings = read_settings(folder)
        prints = {name: sha256_of(file) for name, file in input_files(folder, settings).items()}
        return prints | ({"database": state} if (state := database_state(settings)) else {})
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: a file cannot be read: {error.strerror}") from None


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
