"""From the bytes of a CSV file to a table of text that the engine can read, without hurting a single character.

A file is UTF-8 (with or without a byte order mark), else GB18030, or UTF-16 where a byte order mark says so. Nothing is
guessed from what would merely decode: bytes are never replaced, and text that is neither is refused with its line.
Every field stays text here: a reader that guesses types makes 123 of `00123` and costs 19-digit ids their last digits.
"""

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import pyarrow as pa
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from smsroi_helpers.errors import DataError, shortened

__all__ = [
    "LINE",
    "CsvTable",
    "Encoding",
    "Utf8File",
    "as_utf8",
    "csv_to_parquet",
]

Encoding = Literal["utf-8", "gb18030", "utf-16"]

MAX_UNPACKED_BYTES = 64 * 2**30
"""A text file may unpack to this; more is a mistake or an attack, and belongs into parquet."""
_MAX_COMPRESSION_RATIO = 400
"""Real tables shrink 5 to 50 times; a bomb comes near the 1,030 times that gzip can at most."""
_BINARY_SIGNATURES = (b"PK\x03\x04", b"PAR1", b"\x80\x04", b"\x80\x05", b"%PDF", b"\xd0\xcf\x11\xe0", b"SQLite format")
"""How zip (and Excel), parquet, pickle, PDF, old Excel and SQLite files begin."""
_CHUNK = 4 * 2**20
_MIN_MULTIBYTE = 5
"""So many multi-byte UTF-8 characters in a row do not happen by chance in GBK text (each has a chance of 9 %)."""


@dataclass(frozen=True)
class Utf8File:
    """A text file as the engine will read it."""

    path: Path
    """The file itself where it is plain UTF-8 already, else a UTF-8 copy."""
    encoding: Encoding


def as_utf8(file: Path, copy_to: Path) -> Utf8File:
    """The file as UTF-8, itself or as a copy.

    Args:
        file: `.csv` or `.csv.gz`.
        copy_to: where a copy goes, if one is needed.

    Raises:
        DataError: no bytes, not a whole gzip file, unpacks beyond measure, a NUL byte, or bytes that are neither
            UTF-8 nor GB18030; with file and line.
    """
    head = next(_read_chunks(file), b"")
    if not head:
        raise DataError(f"{file.name}: the file is empty (0 bytes); export it again")
    if head.startswith(_BINARY_SIGNATURES):
        raise DataError(f"{file.name}: this is no text file, whatever its name says; export it as CSV")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _copy_as_utf8(file, "utf-16", copy_to)
    first_error = _first_decoding_error(file, "utf-8")
    if first_error is None:
        return Utf8File(file, "utf-8")
    if (
        first_error.non_ascii < _MIN_MULTIBYTE
        and _first_decoding_error(file, "gb18030") is None
        and _is_mostly_chinese(file)
    ):
        return _copy_as_utf8(file, "gb18030", copy_to)
    other = "" if first_error.non_ascii >= _MIN_MULTIBYTE else " nor GB18030"
    neither = "not" if first_error.non_ascii >= _MIN_MULTIBYTE else "neither"
    raise DataError(
        f"{file.name}, line {first_error.line}: {neither} UTF-8{other} (a byte that cannot be read); "
        "save the file as UTF-8"
    )


def _open_binary(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _read_chunks(file: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked, a few megabytes at a time."""
    packed = file.stat().st_size
    total = 0
    try:
        with _open_binary(file) as stream:
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if total > MAX_UNPACKED_BYTES or (
                    file.suffix == ".gz" and total > max(_MAX_COMPRESSION_RATIO * packed, 2**26)
                ):
                    raise DataError(
                        f"{file.name}: unpacks to more than {total / 2**30:.1f} GiB from {packed:,} bytes; this is no"
                        " table, or belongs into parquet"
                    )
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{file.name}: not a whole gzip file; pack it again") from None


@dataclass(frozen=True)
class _DecodingError:
    line: int
    non_ascii: int
    """Characters beyond ASCII that were read before it."""


def _first_decoding_error(file: Path, encoding: str) -> _DecodingError | None:
    """Where the file stops being text in this encoding; None if it never does.

    Raises:
        DataError: a NUL byte.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, non_ascii = 1, 0
    for chunk in _read_chunks(file):
        if b"\0" in chunk:
            at = line + chunk[: chunk.index(b"\0")].count(b"\n")
            raise DataError(f"{file.name}, line {at}: a NUL byte; this is no text file, or it was cut in writing")
        if chunk.isascii() and not decoder.getstate()[0]:
            line += chunk.count(b"\n")
            continue
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            before = error.object[: error.start]
            known = before.decode(encoding, errors="ignore")
            return _DecodingError(
                line + before.count(b"\n"), non_ascii + sum(not character.isascii() for character in known)
            )
        non_ascii += sum(not character.isascii() for character in text) if non_ascii < _MIN_MULTIBYTE else 0
        line += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _DecodingError(line, non_ascii)
    return None


def _is_mostly_chinese(file: Path) -> bool:
    """Whether most of what lies beyond ASCII is common Chinese: Latin-1 also decodes as GB18030, but to rare signs."""
    decoder = codecs.getincrementaldecoder("gb18030")()
    common = non_ascii_total = 0
    for chunk in _read_chunks(file):
        for character in decoder.decode(chunk):
            if not character.isascii():
                non_ascii_total += 1
                common += _is_gb2312(character)
        if non_ascii_total > 10_000:
            break
    return non_ascii_total > 0 and common / non_ascii_total > 0.5


def _is_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _copy_as_utf8(file: Path, encoding: Encoding, copy_to: Path) -> Utf8File:
    decoder = codecs.getincrementaldecoder(encoding)()
    copy_to.parent.mkdir(parents=True, exist_ok=True)
    line = 1
    with copy_to.open("w", encoding="utf-8", newline="") as copy:
        for chunk in _read_chunks(file):
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError:
                raise DataError(f"{file.name}, after line {line}: not {encoding.upper()} to its end") from None
            if "\0" in text:
                raise DataError(f"{file.name}, after line {line}: a NUL character; this is no text file")
            line += text.count("\n")
            copy.write(text)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise DataError(f"{file.name}: cut in the middle of a character; export it again") from None
    return Utf8File(copy_to, encoding)


# --- from text to a table --------------------------------------------------------------------------------------------

LINE = "line__"
"""The column that says on which row of the file a record stands: the heading is 1, blank rows are not counted."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LINE_BREAK = re.compile("[\r\n]")
_MAX_HEADER_LENGTH = 100_000
"""Characters; beyond it the file has no lines, or no heading."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file turned into parquet."""

    path: Path
    encoding: Encoding
    ragged: list[int] = field(default_factory=list)
    """Rows of the file with too few or too many fields; they are not in the table."""


def csv_to_parquet(file: Path, to: Path) -> CsvTable:
    """Write a CSV file as parquet, every field as text and empty ones as null, with each record's row in `LINE`.

    Args:
        file: `.csv` or `.csv.gz`, parted by commas, semicolons or tabs, whichever its heading has.
        to: the parquet file.

    Raises:
        DataError: the text cannot be decoded, a heading stands twice or is empty, or a quote is never closed.
    """
    text = as_utf8(file, to.with_suffix(".utf8.csv"))
    names, delimiter = _read_header(text, file.name)
    ragged: list[int] = []
    unclosed_quotes: list[int] = []

    def on_invalid_row(row: arrow_csv.InvalidRow) -> str:
        # A row that runs over lines and has the wrong fields is no short row: an open quote swallowed its neighbours.
        (unclosed_quotes if _LINE_BREAK.search(row.text.rstrip("\r\n")) else ragged).append(row.number)
        return "error" if unclosed_quotes else "skip"

    try:
        with (
            arrow_csv.open_csv(
                text.path,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, column_names=names, skip_rows=1, block_size=8 * 2**20
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=on_invalid_row
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            ) as records,
            parquet.ParquetWriter(to, records.schema.append(pa.field(LINE, pa.int64()))) as writer,
        ):
            number, ragged_passed, has_line_breaks = 2, 0, False
            for batch in records:
                has_line_breaks = has_line_breaks or any(_has_line_break(column) for column in batch.columns)
                numbers: list[int] = []
                while len(numbers) < batch.num_rows:
                    if ragged_passed < len(ragged) and ragged[ragged_passed] == number:
                        ragged_passed += 1
                    else:
                        numbers.append(number)
                    number += 1
                writer.write_batch(batch.append_column(pa.field(LINE, pa.int64()), pa.array(numbers, pa.int64())))
    except pa.ArrowInvalid as error:
        if unclosed_quotes:
            where = f"{file.name}, line {unclosed_quotes[0]}"
            raise DataError(f"{where}: {_UNCLOSED_QUOTE}") from None
        if "Could not skip initial" in str(error):
            raise DataError(f"{file.name}: it has no rows below its first line") from None
        raise DataError(f"{file.name}: cannot be read as CSV: {str(error).splitlines()[0][:200]}") from None
    else:
        if has_line_breaks and (row := _first_unclosed_quote(text.path, delimiter)):
            raise DataError(f"{file.name}, line {row}: {_UNCLOSED_QUOTE}")
    finally:
        if text.path != file:
            text.path.unlink()
    return CsvTable(to, text.encoding, ragged)


_UNCLOSED_QUOTE = "a quote is opened and not closed on its row; double it or remove it"


def _has_line_break(column: pa.Array) -> bool:
    return any(compute.any(compute.match_substring(column, character)).as_py() for character in "\r\n")


def _first_unclosed_quote(file: Path, delimiter: str) -> int | None:
    """The row whose quote ends within a field or not at all: in the last column it swallows rows and leaves no gap."""
    number, before = 1, csv.field_size_limit(2**31 - 1)
    try:
        with _open_text(file, newline="") as lines:
            for row in csv.reader(lines, delimiter=delimiter, strict=True):
                number += bool(row)
    except csv.Error:
        return number
    finally:
        csv.field_size_limit(before)
    return None


def _read_header(text: Utf8File, name: str) -> tuple[list[str], str]:
    """The column names and the delimiter, from the file's first row."""
    with _open_text(text.path) as lines:
        first = lines.readline(_MAX_HEADER_LENGTH + 1).rstrip("\r\n")
    if len(first) > _MAX_HEADER_LENGTH:
        raise DataError(
            f"{name}: the first line is too long to be one of column names; export the file with its heading"
        )
    if not first.strip():
        raise DataError(f"{name}: the first line is empty; it must hold the column names")
    counts = {character: first.count(character) for character in _DELIMITERS}
    delimiter = max(counts, key=lambda character: counts[character])
    cells = next(csv.reader([first], delimiter=delimiter))
    names = ["".join(character for character in cell if character.isprintable()).strip() for cell in cells]
    if empty := [place for place, cell in enumerate(names, start=1) if not cell]:
        raise DataError(f"{name}: column {empty[0]} has no name in the first line; name it or take it out")
    if repeated := [cell for cell, count in Counter(names).items() if count > 1]:
        raise DataError(f"{name}: column {shortened(repeated[0])} stands twice in the first line; rename one of them")
    if LINE in names:
        raise DataError(f"{name}: the column name {LINE} is the reader's own; rename the column")
    return names, delimiter


def _open_text(file: Path, newline: str | None = None) -> IO[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    return opener(file, "rt", encoding="utf-8-sig", newline=newline)
