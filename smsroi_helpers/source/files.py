"""The files of a data source: which exist, what each is called, and their fingerprints.

`smsroi_helpers.source.read` reads them; `smsroi_helpers.source.shop` opens the result for a stage.
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
    """Return the format of a table (`parquet`, `csv`, `sql`; empty if it is missing) and its files.

    Raises:
        DataError: there are several files for the table, or its folder is empty.
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
        raise DataError(f"table {name}: {len(found)} sources for one table ({names}); keep one")
    if found and not found[0][1]:
        raise DataError(f"table {name}: the folder {name}/ contains no .parquet file; add one or delete the folder")
    return found[0] if found else ("", [])


def aliased_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Return the files that `.sql` mappings can query: those named in source.yml, and those in the folder.

    Raises:
        DataError: a named file does not exist.
    """
    aliases = {alias: (folder / path).resolve() for alias, path in settings.files.items()}
    for file in sorted(folder.iterdir()):
        stem = file.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".parquet")
        if file.is_file() and stem != file.name and re.fullmatch(r"[A-Za-z_]\w*", stem):
            aliases.setdefault(stem, file)
    for alias, file in aliases.items():
        if not file.is_file():
            raise DataError(f"source.yml, files.{alias}: no file {file.name} at that path; correct the path")
    return aliases


def input_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Return every file of the source, by name."""
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
    """Return the SQLite file of the database; None for other databases.

    The address is `sqlite:///shop.db` (relative to the source's folder) or has an absolute path.

    Raises:
        DataError: the file does not exist.
    """
    scheme, _, place = settings.database.partition("://")
    if scheme != "sqlite":
        return None
    file = (folder / place.removeprefix("/")) if not place.startswith("//") else Path(place[1:])
    if not file.is_file():
        raise DataError(f"source.yml, database: no file {file.name} at that path; correct the path")
    return file.resolve()


_PROCESS_TOKEN = uuid.uuid4().hex


def database_state(settings: Settings) -> str:
    """Return a token for the state of a database server; empty for files.

    Changes on a server cannot be detected, so the token differs for each process.
    """
    return _PROCESS_TOKEN if settings.database and not settings.database.startswith("sqlite:") else ""


def source_folder(data: str | Path) -> Path:
    """Return the folder of a source.

    Raises:
        DataError: the folder does not exist.
    """
    folder = resolve_path(data)
    if not folder.is_dir():
        raise DataError(
            f"no data folder {data}; see data/README.md, or create one: `smsroi example cdnow` writes data/cdnow"
        )
    return folder


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_inputs(data: str | Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a source, by file name.

    Raises:
        DataError: the folder does not exist, or its source.yml cannot be read.
        StorageError: a file cannot be read.
    """
    folder = source_folder(data)
    try:
        settings = read_settings(folder)
        digests = {name: sha256_of(file) for name, file in input_files(folder, settings).items()}
        return digests | ({"database": state} if (state := database_state(settings)) else {})
    except OSError as error:
        raise StorageError(f"data {Path(data).name}: a file cannot be read: {error.strerror}") from None
