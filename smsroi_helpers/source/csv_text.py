"""Convert CSV files to parquet in which every field is text, without changing a character.

The accepted encodings are UTF-8 (with or without a byte order mark), GB18030, and UTF-16 with a byte order mark. Bytes
that cannot be decoded are never replaced; the file is refused, and the message names the line. Every field stays text:
a reader that guesses types turns `00123` into 123 and truncates 19-digit ids.
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
"""Largest unpacked size of a text file, in bytes; larger tables belong in parquet."""
_MAX_COMPRESSION_RATIO = 400
"""Largest accepted ratio of unpacked to packed size. Real tables reach 5 to 50, gzip bombs up to 1,030."""
_BINARY_SIGNATURES = (b"PK\x03\x04", b"PAR1", b"\x80\x04", b"\x80\x05", b"%PDF", b"\xd0\xcf\x11\xe0", b"SQLite format")
"""First bytes of zip (and Excel), parquet, pickle, PDF, old Excel and SQLite files."""
_CHUNK = 4 * 2**20
_MIN_MULTIBYTE = 5
"""A file with this many valid multi-byte UTF-8 characters is UTF-8: in GBK text each occurs by chance with 9 %."""


@dataclass(frozen=True)
class Utf8File:
    """A text file that is UTF-8, or has been converted to it."""

    path: Path
    """The file itself if it is UTF-8, else a UTF-8 copy."""
    encoding: Encoding


def as_utf8(file: Path, copy_to: Path) -> Utf8File:
    """Return the file as UTF-8: the file itself, or a converted copy.

    Args:
        file: `.csv` or `.csv.gz`.
        copy_to: path of the copy, if one is needed.

    Raises:
        DataError: the file is empty, a damaged gzip file, too large once unpacked, contains a NUL byte, or is
            neither UTF-8 nor GB18030. The message names the file and the line.
    """
    head = next(_read_chunks(file), b"")
    if not head:
        raise DataError(f"{file.name}: the file is empty (0 bytes); export it again")
    if head.startswith(_BINARY_SIGNATURES):
        raise DataError(f"{file.name}: not a text file, whatever its name says; export it as CSV")
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
    """Yield the unpacked bytes of the file, a few megabytes at a time."""
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
                        f"{file.name}: unpacks to more than {total / 2**30:.1f} GiB from {packed:,} bytes;"
                        " check the file, or export it as parquet"
                    )
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{file.name}: the gzip file is damaged or cut short; compress it again") from None


@dataclass(frozen=True)
class _DecodingError:
    line: int
    non_ascii: int
    """Number of non-ASCII characters decoded before the error."""


def _first_decoding_error(file: Path, encoding: str) -> _DecodingError | None:
    """Return where decoding in this encoding first fails; None if it never does.

    Raises:
        DataError: the file contains a NUL byte.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, non_ascii = 1, 0
    for chunk in _read_chunks(file):
        if b"\0" in chunk:
            at = line + chunk[: chunk.index(b"\0")].count(b"\n")
            raise DataError(
                f"{file.name}, line {at}: a NUL byte; not a text file, or it was truncated: export it again"
            )
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
    """Whether most non-ASCII characters are common Chinese. Latin-1 also decodes as GB18030, but to rare characters."""
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
                raise DataError(
                    f"{file.name}, after line {line}: invalid {encoding.upper()}; save the file as UTF-8"
                ) from None
            if "\0" in text:
                raise DataError(f"{file.name}, after line {line}: a NUL character; not a text file: export it again")
            line += text.count("\n")
            copy.write(text)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise DataError(f"{file.name}: the file ends in the middle of a character; export it again") from None
    return Utf8File(copy_to, encoding)


# --- text to parquet -------------------------------------------------------------------------------------------------

LINE = "line__"
"""Column with the row number of each record in its file. The header is row 1; blank rows are not counted."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_LINE_BREAK = re.compile("[\r\n]")
_MAX_HEADER_LENGTH = 100_000
"""Characters; a longer first line means that the file has no line breaks or no header."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file turned into parquet."""

    path: Path
    encoding: Encoding
    ragged: list[int] = field(default_factory=list)
    """Row numbers with too few or too many fields; these rows are not in the table."""


def csv_to_parquet(file: Path, to: Path) -> CsvTable:
    """Convert a CSV file to parquet: every field as text, empty fields as null, the row number in `LINE`.

    Args:
        file: `.csv` or `.csv.gz`. The delimiter is the most frequent of comma, semicolon and tab in the header.
        to: the parquet file.

    Raises:
        DataError: the text cannot be decoded, a column name is empty or repeated, or a quote is never closed.
    """
    text = as_utf8(file, to.with_suffix(".utf8.csv"))
    names, delimiter = _read_header(text, file.name)
    ragged: list[int] = []
    unclosed_quotes: list[int] = []

    def on_invalid_row(row: arrow_csv.InvalidRow) -> str:
        # An invalid row that spans several lines is not a short row: an unclosed quote absorbed the rows after it.
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
            raise DataError(f"{file.name}: there are no rows below the header; export it again") from None
        raise DataError(f"{file.name}: cannot be read as CSV: {str(error).splitlines()[0][:200]}") from None
    else:
        if has_line_breaks and (row := _first_unclosed_quote(text.path, delimiter)):
            raise DataError(f"{file.name}, line {row}: {_UNCLOSED_QUOTE}")
    finally:
        if text.path != file:
            text.path.unlink()
    return CsvTable(to, text.encoding, ragged)


_UNCLOSED_QUOTE = "a quote is opened but not closed in its row; double it or remove it"


def _has_line_break(column: pa.Array) -> bool:
    return any(compute.any(compute.match_substring(column, character)).as_py() for character in "\r\n")


def _first_unclosed_quote(file: Path, delimiter: str) -> int | None:
    """Return the first row with a quote that ends inside a field or never; None if there is none.

    In the last column such a quote absorbs rows without changing the number of fields.
    """
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
    """Return the column names and the delimiter, from the first row."""
    with _open_text(text.path) as lines:
        first = lines.readline(_MAX_HEADER_LENGTH + 1).rstrip("\r\n")
    if len(first) > _MAX_HEADER_LENGTH:
        raise DataError(f"{name}: the first line is too long for a header; export the file with column names")
    if not first.strip():
        raise DataError(f"{name}: the first line is empty; it must contain the column names")
    counts = {character: first.count(character) for character in _DELIMITERS}
    delimiter = max(counts, key=lambda character: counts[character])
    cells = next(csv.reader([first], delimiter=delimiter))
    names = ["".join(character for character in cell if character.isprintable()).strip() for cell in cells]
    if empty := [place for place, cell in enumerate(names, start=1) if not cell]:
        raise DataError(f"{name}: column {empty[0]} has no name in the first line; name it or remove it")
    if repeated := [cell for cell, count in Counter(names).items() if count > 1]:
        raise DataError(f"{name}: column {shortened(repeated[0])} appears twice in the first line; rename one of them")
    if LINE in names:
        raise DataError(f"{name}: the column name {LINE} is reserved; rename the column")
    return names, delimiter


def _open_text(file: Path, newline: str | None = None) -> IO[str]:
    opener = gzip.open if file.suffix == ".gz" else open
    return opener(file, "rt", encoding="utf-8-sig", newline=newline)
