"""Copy a source with pseudonyms instead of telephone numbers, so that the notebooks may read it.

`smsroi_helpers.source.pseudonym_key` defines the pseudonym and the key. An id is normalised before: a telephone number
to E.164 (`+8613812345678`), an e-mail address trimmed and in lower case, so that every spelling of one gives the same
pseudonym. Guests keep no pseudonym: their id becomes `guest`.

Pseudonymised data remain personal data.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import pyarrow as pa
import yaml
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.contract import CUSTOMER_ID_COLUMNS, SPELLING
from smsroi_helpers.engine import EngineError, connect
from smsroi_helpers.errors import DataError, StorageError, UsageError
from smsroi_helpers.source import files as source_files
from smsroi_helpers.source import loaded
from smsroi_helpers.source import settings as source_settings
from smsroi_helpers.source.csv_text import LINE
from smsroi_helpers.source.guests import GUEST_ID
from smsroi_helpers.source.identities import find_everyone, has_spellings
from smsroi_helpers.source.open import RawTable, open_tables
from smsroi_helpers.source.people import People, is_personal, refuse_unclear_country
from smsroi_helpers.source.pseudonym_key import key_id, pseudonym
from smsroi_helpers.source.types import read_id

__all__ = [
    "PseudonymisedSource",
    "pseudonymise",
]

_ROWS_AT_A_TIME = 100_000


@dataclass(frozen=True)
class PseudonymisedSource:
    """The copy that was written."""

    folder: Path
    rows: dict[str, int]
    """Table → number of rows."""
    key_id: str
    notes: list[str]
    """Messages for the user: what was not copied, and which columns may still identify people."""


def pseudonymise(data: str | Path, out: str | Path, key: bytes) -> PseudonymisedSource:
    """Copy a source with `customer_id` and `referred_by` replaced by pseudonyms; other columns are unchanged.

    The values of `identities` become pseudonyms too.

    CSV stays CSV (UTF-8, commas) and parquet stays parquet. Results of mappings and databases become parquet, because
    the raw export that they query is not copied. `exclusions.sql` keeps its counts.

    Args:
        data: folder of the source, relative to the project's root.
        out: the new folder. It is written completely or not at all; only its owner can open it.
        key: the result of `pseudonym_key.read_key`.

    Raises:
        UsageError: `out` exists, or is inside the source.
        DataError: a table cannot be read, or the country of telephone numbers without a country code is not clear.
        StorageError: the folder cannot be written.
    """
    folder, target = source_files.source_folder(data), source_settings.resolve_path(out)
    settings = source_settings.read_settings(folder)
    if target.exists():
        raise UsageError(f"{target.name} already exists; name a new folder, or delete it first")
    if target.is_relative_to(folder):
        raise UsageError(f"{target.name} is inside the source; name a folder outside it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work_folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            (work_folder / "read").mkdir()
            output_folder = work_folder / "made"
            output_folder.mkdir(mode=0o700)
            copier = _Copier(folder, work_folder / "read", settings, output_folder, key)
            copied = copier.copy(target)
            output_folder.rename(target)
        finally:
            shutil.rmtree(work_folder, ignore_errors=True)
    except OSError as error:
        if error.errno is None:  # raised by Arrow: the file is damaged, not the disk
            raise DataError(f"data {folder.name}: {error}") from None
        raise StorageError(f"{target.name}: {error.strerror}") from None
    except (pa.ArrowException, EngineError) as error:
        raise DataError(f"data {folder.name}: {str(error).splitlines()[0]}") from None
    return copied


@dataclass
class _Copier:
    """Copies one source."""

    folder: Path
    read_folder: Path
    """Temporary files with raw ids; deleted afterwards."""
    settings: source_settings.Settings
    output_folder: Path
    key: bytes
    people: People = field(init=False)
    """What the ids are."""
    value_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(table, column) → number of values, for columns that are not ids."""
    has_spellings: bool = False
    """Several ids in `customers` are of one customer: the copy says which rows have the same id, so that they merge."""
    personal_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(table, column) → number of values that look like telephone numbers or e-mail addresses."""

    def __post_init__(self) -> None:
        self.con = connect(self.read_folder)

    def copy(self, target: Path) -> PseudonymisedSource:
        """Copy every table, then the settings."""
        opened = open_tables(self.folder, self.read_folder, self.settings)
        tables = {name: raw.rows for name, raw in opened.tables.items()}
        self.people = find_everyone(opened.con, tables, self.settings, self.read_folder).people
        self.has_spellings = has_spellings(opened.con, self.people, "customers.customer_id")
        notes = list(self._notes_on_people())
        rows: dict[str, int] = {}
        handled_files = {"source.yml", "exclusions.sql"}
        for name, raw in opened.tables.items():
            kind, files = source_files.table_files(self.folder, name)
            rows[name] = self._copy_table(name, kind, files, raw)
            handled_files |= {file.relative_to(self.folder).parts[0] for file in files}
            if raw.ragged:
                notes.append(
                    f"{files[0].name}: {len(raw.ragged):,} rows with the wrong number of fields are left out,"
                    " because their columns cannot be identified"
                )
        opened.con.disconnect()
        self.con.disconnect()
        self._write_settings()
        if (self.folder / "exclusions.sql").is_file():
            self._write_exclusions(opened.declared_exclusions)
        notes += [
            f"table {table}, column {column}: most values look like telephone numbers or e-mail addresses; they were"
            " copied unchanged: remove the column"
            for (table, column), found in sorted(self.personal_counts.items())
            if found > self.value_counts[table, column] / 2
        ]
        if ignored_files := sorted(file.name for file in self.folder.iterdir() if file.name not in handled_files):
            notes.append(f"not copied, because they are not tables: {', '.join(ignored_files)}")
        return PseudonymisedSource(target, rows, key_id(self.key), notes)

    def _notes_on_people(self) -> Iterator[str]:
        """Yield what was done to telephone numbers and e-mail addresses.

        Raises:
            DataError: the country of numbers without a country code is not clear.
        """
        people = self.people
        refuse_unclear_country(people, self.folder.name)
        if people.inferred and people.national:
            yield (
                f"{people.national:,} telephone numbers without a country code were read as numbers of"
                f" {people.country}; add `country: {people.country}` to source.yml (or the right country), so that"
                " every run reads them alike"
            )

    def _copy_table(self, name: str, kind: str, files: list[Path], raw: RawTable) -> int:
        if kind == "parquet":
            return sum(self._copy_parquet(name, file) for file in files)
        raw_rows = raw.rows.drop(LINE) if LINE in raw.rows.columns else raw.rows
        batches = raw_rows.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME)
        to = self.output_folder / (files[0].name if kind == "csv" else f"{name}.parquet")
        return self._write(name, batches.schema, batches, to)

    def _copy_parquet(self, name: str, file: Path) -> int:
        to = self.output_folder / file.relative_to(self.folder)
        to.parent.mkdir(exist_ok=True)
        with parquet.ParquetFile(file) as original:
            return self._write(name, original.schema_arrow, original.iter_batches(_ROWS_AT_A_TIME), to)

    def _write(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], to: Path) -> int:
        # Metadata of the file, such as the index of a data frame, may identify people too.
        schema = pa.schema(
            [
                pa.field(column.name, pa.string()) if _has_ids(table, column.name) else column.remove_metadata()
                for column in schema
            ]
        )
        if table == "customers" and self.has_spellings and SPELLING not in schema.names:
            schema = schema.append(pa.field(SPELLING, pa.string()))
        rows = 0
        with ExitStack() as stack:
            if to.suffix == ".parquet":
                writer = stack.enter_context(parquet.ParquetWriter(to, schema))
            else:
                stream = stack.enter_context(pa.output_stream(to))  # compresses if the name ends in .gz
                writer = stack.enter_context(arrow_csv.CSVWriter(stream, schema))
            for batch in batches:
                writer.write_batch(self._pseudonymised(table, schema, batch))
                rows += len(batch)
        return rows

    def _pseudonymised(self, table: str, schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if _has_ids(table, name):
                columns.append(self._pseudonyms(table, name, column))
            else:
                self._count_personal_values(table, name, column)
                columns.append(column)
        if len(schema.names) > len(columns):
            columns.append(self._translated(batch["customer_id"], self._spelling))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _pseudonyms(self, table: str, name: str, ids: pa.Array) -> pa.Array:
        copied = self._translated(ids, lambda plain_id: self._pseudonym(table, name, plain_id))
        return copied.fill_null(GUEST_ID) if name == "customer_id" and self.people.is_guest(table, None) else copied

    def _translated(self, ids: pa.Array, translate: Callable[[str | None], str | None]) -> pa.Array:
        """Return what each id (of `read_id`) becomes; each different one is translated once."""
        if pa.types.is_dictionary(ids.type):
            ids = ids.dictionary_decode()
        elif pa.types.is_string_view(ids.type):
            ids = ids.cast(pa.string())
        encoded = ids.dictionary_encode()
        distinct = ibis.memtable(pa.table({"place": range(len(encoded.dictionary)), "id": encoded.dictionary}))
        normalised = distinct.select("place", id=read_id(distinct.id)).order_by("place")
        plain_ids = self.con.to_pyarrow(normalised)["id"].to_pylist()
        return pa.array([translate(plain_id) for plain_id in plain_ids], pa.string()).take(encoded.indices)

    def _spelling(self, plain_id: str | None) -> str | None:
        """Return a sign of how an id is written, from which the id cannot be found without the key."""
        return None if plain_id is None else pseudonym(f"spelling:{plain_id}", self.key)[:8]

    def _pseudonym(self, table: str, name: str, plain_id: str | None) -> str | None:
        if plain_id is None:
            return None
        if name == "customer_id" and self.people.is_guest(table, plain_id):
            return GUEST_ID
        return pseudonym(self.people.normal_id(f"{table}.{name}", plain_id), self.key)

    def _count_personal_values(self, table: str, name: str, column: pa.Array) -> None:
        """Count the telephone numbers and e-mail addresses in a column that is copied unchanged."""
        known = contract.TABLES[table].by_name.get(name)
        if (known and known.kind != "text") or not (
            pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_integer(column.type)
        ):
            return
        text = column.cast(pa.string()).drop_null()
        self.value_counts[table, name] += len(text)
        for value in text.value_counts().to_pylist():
            if "@" in value["values"] or is_personal(self.people.read(f"{table}.{name}", value["values"])):
                self.personal_counts[table, name] += value["counts"]

    def _write_settings(self) -> None:
        """Write source.yml without `files` and `database`; `${…}` is not filled in."""
        content = source_settings.read_source_yml(self.folder)
        dropped = ("files", "database", "pseudonyms", "pseudonymise")
        kept = {name: value for name, value in content.items() if name not in dropped}
        were = {
            "country": self.people.country if self.people.national else "",
            "telephone_numbers": self.people.contacts.get("phone", 0),
            "email_addresses": self.people.contacts.get("email", 0),
        }
        kept["pseudonyms"] = {"key_id": key_id(self.key)} | {name: value for name, value in were.items() if value}
        text = (
            "# Made by `smsroi pseudonymise`: customer_id and referred_by are pseudonyms (HMAC-SHA-256, 32 digits).\n"
            f"# Key id: {key_id(self.key)}. The key is not in this folder. These are still personal data.\n"
        )
        text += yaml.safe_dump(kept, allow_unicode=True, sort_keys=False)
        (self.output_folder / "source.yml").write_text(text, encoding="utf-8")

    def _write_exclusions(self, declared: list[loaded.Finding]) -> None:
        quoted = [f"    ('{found.rule.replace(chr(39), 2 * chr(39))}', {found.rows})" for found in declared]
        if quoted:
            lines = ",\n".join(quoted)
            text = f"SELECT * FROM (VALUES\n{lines}\n) AS stated (reason, rows)\n"
            (self.output_folder / "exclusions.sql").write_text(text, encoding="utf-8")


def _has_ids(table: str, column: str) -> bool:
    """Whether a column's values become pseudonyms."""
    return column in CUSTOMER_ID_COLUMNS or (table, column) == ("identities", "value")
