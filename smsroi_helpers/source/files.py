"""The files of a data source: which exist, what each is called, and their fingerprints.

`smsroi_helpers.source.read` reads them; `smsroi_helpers.source.shop` opens the result for a stage.
"""

import hashlib
import re
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

from smsroi_helpers import contract
from smsroi_helpers.engine import EngineError, named_tables
from smsroi_helpers.errors import DataError, StorageError, redact, shortened
from smsroi_helpers.source.settings import Settings, read_settings, resolve_path
from smsroi_helpers.source.signatures import OTHER_ENDINGS

__all__ = [
    "aliased_files",
    "database_state",
    "fingerprint_inputs",
    "input_files",
    "is_helper",
    "mapping_files",
    "other_format",
    "queried_names",
    "read_query",
    "sha256_of",
    "source_folder",
    "sqlite_file",
    "table_files",
    "unused_files",
    "used_files",
]


_TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_ENDINGS = (*_TEXT_ENDINGS, ".xlsx", ".parquet")
"""Endings of the files that can be read, in any case."""


def table_files(folder: Path, name: str) -> tuple[str, list[Path]]:
    """Return the format of a table and its files.

    The format is `parquet`, `csv`, `text` (another text file), `xlsx` or `sql`; empty if the table is missing. The name
    and the ending may be in capital letters.

    Raises:
        DataError: there are several files for the table, its folder is empty, or its only file has a format that is not
            read, such as .xls or .zip.
    """
    found: list[tuple[str, list[Path]]] = []
    if (parts := folder / name).is_dir():
        found.append(("parquet", sorted(parts.glob("*.parquet"))))
    for file in _visible(folder):
        stem, ending = _split(file)
        if file.is_file() and ending and stem.lower() == name:
            found.append((_format(file, ending), [file]))
    if (file := folder / f"{name}.sql").is_file():
        found.append(("sql", [file]))
    if len(found) > 1:
        names = shortened(", ".join(sorted(files[0].name if files else name for _, files in found)), 200)
        raise DataError(f"table {name}: {len(found)} sources for one table ({names}); keep one")
    if not found:
        _refuse_other_formats(folder, name)
    if found and not found[0][1]:
        raise DataError(f"table {name}: the folder {name}/ contains no .parquet file; add one or delete the folder")
    return found[0] if found else ("", [])


_OTHER_FILE = re.compile(rf"([^.]+)(?:\.[a-z]+)?({'|'.join(map(re.escape, sorted(OTHER_ENDINGS, key=len)[::-1]))})")


def other_format(folder: Path, names: Collection[str]) -> str:
    """Return what the first of these files is and what to do, for a message; empty if each has a format that is read.

    Args:
        folder: folder of the source.
        names: of files, with or without their endings.
    """
    wanted = {name.casefold() for name in names}
    for file in _visible(folder):
        what = OTHER_ENDINGS.get(file.suffix.lower(), "")
        if what and file.is_file() and wanted & {file.name.casefold(), file.stem.casefold()}:
            return f"; {redact(shortened(file.name))} is not read; it is {what}"
    return ""


def _refuse_other_formats(folder: Path, name: str) -> None:
    for file in _visible(folder):
        found = _OTHER_FILE.fullmatch(file.name.lower())
        if found and found[1] == name and file.is_file():
            raise DataError(f"{shortened(file.name)}: is not read; it is {OTHER_ENDINGS[found[2]]}")


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder, without hidden files and the lock files of spreadsheets."""
    return sorted(file for file in folder.iterdir() if not file.name.startswith((".", "~$")))


def _split(file: Path) -> tuple[str, str]:
    """Return the name without its ending, and the ending in lower case; empty if it is none that can be read."""
    for ending in _ENDINGS:
        if file.name.lower().endswith(ending):
            return file.name[: -len(ending)], ending
    return file.name, ""


def _format(file: Path, ending: str) -> str:
    if ending in (".parquet", ".xlsx"):
        return ending[1:]
    return "csv" if file.name.endswith((".csv", ".csv.gz")) else "text"


def aliased_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Return the files that `.sql` mappings can query: those named in source.yml, and those in the folder.

    The alias is the name without its ending. Of several files that differ only by the ending (or by capital letters,
    which SQL does not distinguish), each has its whole name as alias.

    Raises:
        DataError: a named file does not exist.
    """
    aliases = {alias: (folder / path).resolve() for alias, path in settings.files.items()}
    taken = {alias.casefold() for alias in aliases}
    readable = [file for file in _visible(folder) if file.is_file() and _split(file)[1]]
    stems = [_split(file)[0].casefold() for file in readable]
    for file, stem in zip(readable, stems, strict=True):
        alias = _split(file)[0] if stems.count(stem) == 1 else file.name
        if alias.casefold() not in taken:
            aliases[alias] = file
    for alias, file in aliases.items():
        if not file.is_file():
            raise DataError(f"source.yml, files.{alias}: no file {file.name} at that path; correct the path")
    return aliases


def mapping_files(folder: Path) -> dict[str, Path]:
    """Return the `.sql` files by table, `exclusions.sql`, and the helper views (`_name.sql`) that these need."""
    found = {name: files[0] for name in contract.TABLES for kind, files in [table_files(folder, name)] if kind == "sql"}
    found |= {"exclusions": file} if (file := folder / "exclusions.sql").is_file() else {}
    helpers = {file.stem.casefold(): file for file in sorted(folder.glob("_*.sql")) if file.is_file()}
    waiting = list(found.values())
    while waiting:
        for name in sorted(queried_names(read_query(waiting.pop()), helpers)):
            if name in helpers and name not in found:
                found[name] = helpers[name]
                waiting.append(helpers[name])
    return found


def is_helper(name: str) -> bool:
    """Whether a mapping of this name is a helper view, which is no table of the source."""
    return name.startswith("_")


def queried_names(query: str, known: Iterable[str] = ()) -> set[str]:
    """Return the names of the tables that a query reads, in lower case.

    Args:
        query: the query.
        known: names of which those in the text are returned if the query cannot be parsed: running it says why.
    """
    try:
        return {name.casefold() for name in named_tables(query)}
    except EngineError:
        words = (name.casefold() for name in known)
        return {name for name in words if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query.casefold())}


def read_query(file: Path) -> str:
    """Return the query of a mapping. Its lines are those of the file.

    Raises:
        DataError: the file is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig").rstrip().rstrip(";")
    except UnicodeDecodeError:
        raise DataError(f"{file.name}: not UTF-8; save the file as UTF-8") from None


def used_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Return the files that the mappings query, by alias. Mappings over a database read no files."""
    mappings = mapping_files(folder)
    if settings.database or not mappings:
        return {}
    aliases = aliased_files(folder, settings)
    named = {name for file in mappings.values() for name in queried_names(read_query(file), aliases)}
    return {alias: file for alias, file in aliases.items() if alias.casefold() in named}


def unused_files(folder: Path, settings: Settings) -> list[str]:
    """Return the names of what is in the folder but is neither a table, a mapping nor a file that a mapping queries.

    Hidden files do not count, nor does the truth of a simulated company, which no notebook may read.
    """
    used = {folder / "source.yml", *mapping_files(folder).values(), *used_files(folder, settings).values()}
    for name in contract.TABLES:
        for file in table_files(folder, name)[1]:
            used |= {file, file.parent}
    if (database := sqlite_file(settings, folder)) is not None:
        used.add(database)
    resolved = {file.resolve() for file in used}
    unused = [file for file in _visible(folder) if file.resolve() not in resolved]
    truth = ("truth", "truth.json") if settings.simulated else ()
    return [file.name + "/" * file.is_dir() for file in unused if file.name not in truth]


def input_files(folder: Path, settings: Settings) -> dict[str, Path]:
    """Return every file of the source, by name."""
    files = {}
    if (file := folder / "source.yml").is_file():
        files["source.yml"] = file
    for name in contract.TABLES:
        for file in table_files(folder, name)[1]:
            files[file.relative_to(folder).as_posix()] = file
    files |= {file.name: file for file in mapping_files(folder).values()}
    if (database := sqlite_file(settings, folder)) is not None:
        files["database"] = database
    known = set(files.values())
    return files | {f"files.{a}": f for a, f in used_files(folder, settings).items() if f not in known}


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
