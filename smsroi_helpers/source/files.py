"""What a data source is: its folder, what it says of itself, its files, and what reading it has found.

`smsroi_helpers.source.read` reads it, `smsroi_helpers.source.shop` opens the result for a stage.
"""

import hashlib
import re
import uuid
from pathlib import Path

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, StorageError
from smsroi_helpers.source.settings import Settings, read_settings, resolve_path

__all__ = [
    "aliased_files",
    "database_state",
    "fingerprint_inputs",
    "input_files",
    "sha256_of",
    "source_folder",
    "sqlite_file",
    "table_files",
]


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


_PROCESS_TOKEN = uuid.uuid4().hex


def database_state(settings: Settings) -> str:
    """What tells one reading of a server's tables from another: they can change unseen, so each process has its own."""
    return _PROCESS_TOKEN if settings.database and not settings.database.startswith("sqlite:") else ""


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
        digests = {name: sha256_of(file) for name, file in input_files(folder, settings).items()}
        return digests | ({"database": state} if (state := database_state(settings)) else {})
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: a file cannot be read: {error.strerror}") from None
