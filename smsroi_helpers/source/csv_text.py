"""Convert CSV files to parquet in which every field is text, without changing a character.

The encodings that are recognised are UTF-8 and UTF-16 (with or without a byte order mark) and GB18030; source.yml can
name another. Bytes that cannot be decoded are never replaced; the file is refused, and the message
names the line. Every field stays text: a reader that guesses types turns `00123` into 123 and truncates 19-digit ids.
"""

import array
import codecs
import contextlib
import csv
import functools
import gzip
import itertools
import re
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, redact, shortened
from smsroi_helpers.source.backslashes import has_backslashed_quotes, with_doubled_quotes
from smsroi_helpers.source.bad_rows import BadRow, are_cut_at_the_end, is_remark, padded
from smsroi_helpers.source.east_asian import is_mostly_common, other_language
from smsroi_helpers.source.header import LINE, Header, find_text_header
from smsroi_helpers.source.loaded import Finding, finding_of
from smsroi_helpers.source.row_lines import RowLines, has_blank_lines, lines_of_rows
from smsroi_helpers.source.signatures import advice_for, looks_like_utf16

__all__ = [
    "LINE",
    "CsvTable",
    "Utf8File",
    "as_utf8",
    "csv_to_parquet",
]

MAX_UNPACKED_BYTES = 64 * 2**30
"""Largest unpacked size of a text file, in bytes; larger tables belong in parquet."""
_MAX_COMPRESSION_RATIO = 400
"""Largest accepted ratio of unpacked to packed size. Real tables reach 5 to 50, gzip bombs up to 1,030."""
_CHUNK = 4 * 2**20
_CHARACTERS = 10_000
"""Number of non-ASCII characters that are looked at."""
_MIN_MULTIBYTE = 5
"""A file with this many valid multi-byte UTF-8 characters is UTF-8: in GBK text each occurs by chance with 9 %."""


@dataclass(frozen=True)
class Utf8File:
    """A text file that is UTF-8, or has been converted to it."""

    path: Path
    """The file itself if it is UTF-8, else a UTF-8 copy."""
    encoding: str


def as_utf8(file: Path, copy_to: Path, encoding: str = "") -> Utf8File:
    """Return the file as UTF-8: the file itself, or a converted copy.

    Args:
        file: a text file, packed if its name ends in `.gz`.
        copy_to: path of the copy, if one is needed.
        encoding: of a file that is neither UTF-8 nor UTF-16; empty: GB18030.

    Raises:
        DataError: the file is empty, no text, a damaged gzip file, too large once unpacked, contains a NUL byte, cannot
            be decoded, or is GB18030 only by chance (Korean and Japanese too). The message names the file and the line.
    """
    head = next(_read_chunks(file), b"")
    if not head:
        raise DataError(f"{file.name}: the file is empty (0 bytes); export it again")
    if what := advice_for(file, head):
        raise DataError(f"{file.name}: not a text file, whatever its name says, but {what}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _copy_as_utf8(file, "utf-16", copy_to)
    if wide := looks_like_utf16(head):
        return _copy_as_utf8(file, wide, copy_to)
    first_error = _first_decoding_error(file, "utf-8")
    if first_error is None:
        return Utf8File(file, "utf-8")
    if first_error.non_ascii >= _MIN_MULTIBYTE:
        raise DataError(
            f"{file.name}, line {first_error.line}: not UTF-8 (a byte that cannot be read); save the file as UTF-8"
        )
    if encoding:
        return _copy_as_utf8(file, encoding, copy_to)
    characters = _first_characters(file)
    language, likely = other_language(characters)
    if language:
        raise DataError(
            f"{file.name}, line {first_error.line}: not UTF-8, and it looks like {language}; save the file as UTF-8, or"
            f" name its encoding: `encoding: {likely}` in source.yml, or `smsroi import --encoding {likely}` (`gb18030`"
            " if it is Chinese)"
        )
    if is_mostly_common(characters):
        with contextlib.suppress(_NotDecodable):
            return _copy_as_utf8(file, "gb18030", copy_to)
    raise DataError(
        f"{file.name}, line {first_error.line}: neither UTF-8 nor GB18030 with common characters; save the file as"
        " UTF-8, or name its encoding, such as cp1252 (Western Europe), cp1251, big5 or gb18030: `encoding: cp1252` in"
        " source.yml, or `smsroi import --encoding cp1252`"
    )


def _open_binary(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if _is_packed(file) else file.open("rb")  # type: ignore[return-value]


def _is_packed(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def _read_chunks(file: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes of the file, a few megabytes at a time."""
    packed = file.stat().st_size
    total = 0
    try:
        with _open_binary(file) as stream:
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if total > MAX_UNPACKED_BYTES or (
                    _is_packed(file) and total > max(_MAX_COMPRESSION_RATIO * packed, 2**26)
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
            return _DecodingError(line + before.count(b"\n"), non_ascii + _count_non_ascii(known))
        non_ascii += _count_non_ascii(text)
        line += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _DecodingError(line, non_ascii)
    return None


def _count_non_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", errors="ignore"))


def _first_characters(file: Path) -> str:
    """Return the first non-ASCII characters of a file in GB18030; nothing if it is not GB18030."""
    decoder = codecs.getincrementaldecoder("gb18030")()
    found = ""
    for chunk in _read_chunks(file):
        try:
            others = (character for character in decoder.decode(chunk) if not character.isascii())
        except UnicodeDecodeError:
            return ""
        found += "".join(itertools.islice(others, _CHARACTERS - len(found)))
        if len(found) >= _CHARACTERS:
            break
    return found


class _NotDecodable(DataError):
    """A file is not in the encoding it was read with."""


def _copy_as_utf8(file: Path, encoding: str, copy_to: Path) -> Utf8File:
    decoder = codecs.getincrementaldecoder(encoding)()
    copy_to.parent.mkdir(parents=True, exist_ok=True)
    line = 1
    with copy_to.open("w", encoding="utf-8", newline="") as copy:
        for chunk in _read_chunks(file):
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError:
                raise _NotDecodable(
                    f"{file.name}, after line {line}: invalid {encoding.upper()}; save the file as UTF-8,"
                    " or correct the `encoding` that is named"
                ) from None
            if "\0" in text:
                raise DataError(f"{file.name}, after line {line}: a NUL character; not a text file: export it again")
            line += text.count("\n")
            copy.write(text)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise _NotDecodable(f"{file.name}: the file ends in the middle of a character; export it again") from None
    return Utf8File(copy_to, encoding)


# --- text to parquet -------------------------------------------------------------------------------------------------

_LINE_BREAK = re.compile("[\r\n]")
_LINE_FIELD = pa.field(LINE, pa.int64())


@dataclass(frozen=True)
class CsvTable:
    """A CSV file turned into parquet."""

    path: Path
    encoding: str
    ragged: list[int] = field(default_factory=list)
    """Lines of rows with too few or too many fields; these rows are not in the table."""
    findings: tuple[Finding, ...] = ()
    """Lines that were skipped, and columns that were renamed."""


def csv_to_parquet(file: Path, to: Path, table: contract.Table | None = None, encoding: str = "") -> CsvTable:
    """Convert a CSV file to parquet: every field as text, empty fields as null, the line of the file in `LINE`.

    Args:
        file: a text file. The delimiter is the most frequent of comma, semicolon, tab and pipe in the header, or the
            one that a line `sep=` above it names.
        to: the parquet file.
        table: the definition of the table in the file; None for the export that a mapping reads.
        encoding: see `as_utf8`.

    Raises:
        DataError: the text cannot be decoded, a column has no name, a column of the contract appears twice, or a quote
            is never closed.
    """
    text = as_utf8(file, to.with_suffix(".utf8.csv"), encoding)
    path, said = _with_doubled_quotes(text.path, to.with_suffix(".quotes.csv"), file.name)
    try:
        with _open_text(path, newline="") as stream:
            header = find_text_header(stream, file.name, table)
        bad = _write_rows(path, header, to, file.name)
        if are_cut_at_the_end(bad, len(header.names), _last_filled(to, header)):
            whole = to.with_suffix(".padded.csv")
            missing = {row.line: len(header.names) - row.fields for row in bad}
            with _open_text(path, newline="") as lines, whole.open("w", encoding="utf-8", newline="") as copy:
                copy.writelines(padded(lines, missing, header.delimiter))
            said.append(finding_of(redact(shortened(file.name)), "", "fields missing at the end of rows", len(bad)))
            try:
                bad = _write_rows(whole, header, to, file.name)
            finally:
                whole.unlink()
    finally:
        for copied in {text.path, path} - {file}:
            copied.unlink()
    if bad and is_remark(bad[-1]):
        said.append(finding_of(redact(shortened(file.name)), "", "remark below the rows", 1, row=str(bad.pop().line)))
    return CsvTable(to, text.encoding, [row.line for row in bad], (*header.findings, *said))


def _last_filled(rows: Path, header: Header) -> int:
    """Return the number of the last column in which a row has a value; 0 if there is none."""
    table = parquet.ParquetFile(rows)
    named = header.names[: len(header.names) - len(header.unnamed)]
    filled = [
        number
        for number in range(1, len(named) + 1)
        for group in range(table.metadata.num_row_groups)
        if (part := table.metadata.row_group(group)).column(number - 1).statistics is None
        or part.column(number - 1).statistics.null_count < part.num_rows
    ]
    return max(filled, default=0)


def _with_doubled_quotes(path: Path, copy_to: Path, file_name: str) -> tuple[Path, list[Finding]]:
    """Return the file, or a copy with doubled quotes if they are written with a backslash, and what to say of that."""
    if not any(b'\\"' in chunk for chunk in _read_chunks(path)):
        return path, []
    with _open_text(path, newline="") as text:
        if not has_backslashed_quotes(iter(functools.partial(text.read, _CHUNK), "")):
            return path, []
        text.seek(0)
        with copy_to.open("w", encoding="utf-8", newline="") as copy:
            copy.writelines(with_doubled_quotes(iter(functools.partial(text.read, _CHUNK), "")))
    return copy_to, [finding_of(redact(shortened(file_name)), "", "quotes after a backslash", 0)]


def _write_rows(path: Path, header: Header, to: Path, file_name: str) -> list[BadRow]:
    """Write the rows below the header to parquet; return those with too few or too many fields.

    Raises:
        DataError: a column without a name has a value, a quote is never closed, or the file cannot be read.
    """
    lines = RowLines(header.lines, _starts(path, header))
    ragged: list[int] = []
    fields: list[tuple[int, bool]] = []
    unclosed_quotes: list[int] = []

    def on_invalid_row(row: arrow_csv.InvalidRow) -> str:
        # An invalid row that spans several lines is not a short row: an unclosed quote absorbed the rows after it.
        number = row.number - header.lines  # Arrow counts the lines above the first row, but no blank ones below
        text = row.text.strip()
        (unclosed_quotes if _LINE_BREAK.search(text) else ragged).append(number)
        if not unclosed_quotes:
            fields.append((row.actual_columns, row.actual_columns == 1 and bool(re.search(r"\s", text))))
        return "error" if unclosed_quotes else "skip"

    try:
        with (
            arrow_csv.open_csv(
                path, **_arrow_options(header), parse_options=arrow_csv.ParseOptions(
                    delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=on_invalid_row
                ),
            ) as records,
            parquet.ParquetWriter(to, _schema(header), compression="lz4") as writer,
        ):  # fmt: skip
            has_line_breaks = False
            for batch in records:
                refuse_values_without_name(batch, header, file_name)
                has_breaks = any(_has_line_break(column) for column in batch.columns)
                has_line_breaks = has_line_breaks or has_breaks
                numbers = pa.array(lines.number(batch, ragged, has_breaks=has_breaks), pa.int64())
                writer.write_batch(batch.drop_columns(list(header.unnamed)).append_column(_LINE_FIELD, numbers))
    except pa.ArrowInvalid as error:
        if unclosed_quotes:
            raise DataError(f"{file_name}, line {lines.lines(unclosed_quotes[0])}: {_UNCLOSED_QUOTE}") from None
        if "Could not skip initial" in str(error):
            raise DataError(f"{file_name}: there are no rows below the header; export it again") from None
        raise DataError(f"{file_name}: cannot be read as CSV: {str(error).splitlines()[0][:200]}") from None
    if has_line_breaks and (line := _first_unclosed_quote(path, header)):
        raise DataError(f"{file_name}, line {line}: {_UNCLOSED_QUOTE}")
    return [
        BadRow(int(line), count, is_sentence, is_last=number >= lines.next)
        for line, number, (count, is_sentence) in zip(lines.lines(ragged), ragged, fields, strict=True)
    ]


def _starts(path: Path, header: Header) -> "array.array[int] | None":
    """Return the line of each row if the file has blank lines, which Arrow does not count."""
    if not has_blank_lines(_read_chunks(path)):
        return None
    with _unlimited_fields(), _open_text(path, newline="") as text:
        return lines_of_rows(text, header.delimiter, header.lines)


def _arrow_options(header: Header) -> dict[str, Any]:
    return {
        "read_options": arrow_csv.ReadOptions(
            use_threads=False, column_names=header.names, skip_rows=header.lines, block_size=8 * 2**20
        ),
        "convert_options": arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in header.names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    }


def _schema(header: Header) -> pa.Schema:
    named = header.names[: len(header.names) - len(header.unnamed)]
    return pa.schema([*((name, pa.string()) for name in named), _LINE_FIELD])


def refuse_values_without_name(batch: pa.RecordBatch, header: Header, file_name: str) -> None:
    """Refuse a table with values in a column that has no name.

    Raises:
        DataError: there is such a value.
    """
    for name in header.unnamed:
        if batch[name].null_count < batch.num_rows:
            raise DataError(f"{file_name}: {name} has no name in the first line, but values; name it or remove it")


_UNCLOSED_QUOTE = "a quote is opened but not closed in its row; double it or remove it"


def _has_line_break(column: pa.StringArray) -> bool:
    """Whether a value has a line break; may be true if only other values in the same memory have one."""
    characters = column.buffers()[2]  # of all values, after their validity and their offsets
    text = characters.to_pybytes() if characters is not None else b""
    return b"\n" in text or b"\r" in text


def _first_unclosed_quote(file: Path, header: Header) -> int | None:
    """Return the line of the first row with a quote that ends inside a field or never; None if there is none.

    In the last column such a quote absorbs rows without changing the number of fields.
    """
    line = header.lines + 1
    try:
        with _unlimited_fields(), _open_text(file, newline="") as lines:
            reader = csv.reader(itertools.islice(lines, header.lines, None), delimiter=header.delimiter, strict=True)
            for _row in reader:
                line = header.lines + reader.line_num + 1
    except csv.Error:
        return line
    return None


_FIELD_SIZE = threading.Lock()


@contextlib.contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Let `csv` read fields of any size; its limit is one for all threads."""
    with _FIELD_SIZE:
        before = csv.field_size_limit(2**31 - 1)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _open_text(file: Path, newline: str | None = None) -> IO[str]:
    opener = gzip.open if _is_packed(file) else open
    return opener(file, "rt", encoding="utf-8-sig", newline=newline)
