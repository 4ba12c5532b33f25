"""Find the column names of a text table: its delimiter, the lines above the names, and columns without a name."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, redact, shortened, shown_value
from smsroi_helpers.source.loaded import Finding, finding_of

__all__ = [
    "LINE",
    "SAMPLE_ROWS",
    "Header",
    "find_header",
    "find_text_header",
]

LINE = "line__"
"""Column with the place of each record in its file: of text the line at which it begins, of a workbook the row."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_MAX_HEADER_LENGTH = 100_000
"""Characters; a longer first line means that the file has no line breaks or no header."""
_SAMPLE_CHARACTERS = 2**18
SAMPLE_ROWS = 100
"""Number of rows in which column names are looked for."""
_NO_NAME = re.compile(r"[-+]?[\d.,:/\s年月日-]*\d[\d.,:/\sTZ年月日+-]*%?")
"""Numbers, dates and times, which are no column names."""

Row = Sequence[str]


@dataclass(frozen=True)
class Header:
    """Where the column names of a table are, and what they are."""

    names: list[str]
    """Names of all fields of a row; fields without a name are `unnamed`."""
    unnamed: tuple[str, ...]
    """Placeholders of the last fields, which have no name; they must be empty."""
    row: int
    """Row number of the names: 1, or more below lines of a report; blank rows are not counted."""
    delimiter: str = ""
    lines: int = 0
    """Lines of the file up to the names, blank ones included."""
    findings: tuple[Finding, ...] = ()


def find_text_header(text: IO[str], file_name: str, table: contract.Table | None) -> Header:
    """Return the header of delimited text. The delimiter is given by a line `sep=;`, else by the line of the names.

    Args:
        text: the stream, opened with `newline=""`.
        file_name: for messages.
        table: the definition of the table in the file; None for the export that a mapping reads.

    Raises:
        DataError: there is no line of column names.
    """
    head = text.read(_SAMPLE_CHARACTERS)
    first = next((line for line in re.split(r"[\r\n]+", head) if line.strip()), "")
    if len(first) > _MAX_HEADER_LENGTH:
        raise DataError(f"{file_name}: the first line is too long for a header; export the file with column names")
    if not first:
        raise DataError(f"{file_name}: the first line is empty; it must contain the column names")
    stated = re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE)
    by_frequency = sorted(_DELIMITERS, key=lambda character: -first.count(character))  # stable: commas first
    delimiters = [stated[1]] if stated else by_frequency
    skipped = 1 if stated else 0
    parsed = {delimiter: _parsed(head, delimiter) for delimiter in delimiters}
    below = {delimiter: rows[skipped:] for delimiter, (rows, _lines) in parsed.items()}
    delimiter, place = _place_of_names(below, table)
    rows, lines = parsed[delimiter]
    place = min(place + skipped, len(rows) - 1)
    numbers = [line - sum(map(_breaks, row)) for row, line in zip(rows, lines, strict=True)]
    found = find_header(rows, file_name, table, place, stated=min(skipped, place), numbers=numbers)
    return Header(found.names, found.unnamed, place + 1, delimiter, lines[place], found.findings)


def find_header(
    rows: Sequence[Row],
    file_name: str,
    table: contract.Table | None,
    place: int | None = None,
    *,
    stated: int = 0,
    numbers: Sequence[int] = (),
) -> Header:
    """Return the header of a table from its first rows.

    Args:
        rows: the first rows that are not blank, at most `SAMPLE_ROWS`.
        file_name: for messages.
        table: the definition of the table in the file; None for the export that a mapping reads.
        place: index of the names; None: they are looked for.
        stated: number of rows before the names that are no lines of a report.
        numbers: the line or row of the file at which each of the rows begins; empty: none is blank.

    Raises:
        DataError: a column has no name, or a column of the contract appears twice.
    """
    if place is None:
        place = _place_of_names({"": rows}, table)[1]
    cells = _names(rows[place], table)
    names = _without_empty_end(cells)
    if not names:
        raise DataError(f"{file_name}: the first line is empty; it must contain the column names")
    if empty := [number for number, cell in enumerate(names, start=1) if not cell]:
        raise DataError(f"{file_name}: column {empty[0]} has no name in the first line; name it or remove it")
    names, findings = _numbered(names, file_name, table)
    findings += [
        finding_of(redact(shortened(file_name)), shown_value(written), "column name in another spelling", 0, name=name)
        for written, name in zip(map(_clean, rows[place]), names, strict=False)
        if table and name in table.by_name and written != name
    ]
    if LINE in names:
        raise DataError(f"{file_name}: the column name {LINE} is reserved; rename the column")
    if skipped := place - stated:
        above = "report lines above the column names"
        findings.append(
            finding_of(
                redact(shortened(file_name)), "", above, skipped, row=str(numbers[place] if numbers else place + 1)
            )
        )
    width = _width(rows[place + 1 :], len(names), len(cells))
    unnamed = tuple(f"column {number}" for number in range(len(names) + 1, width + 1))
    return Header([*names, *unnamed], unnamed, place + 1, findings=tuple(findings))


def _parsed(head: str, delimiter: str) -> tuple[list[Row], list[int]]:
    """Return the first rows that are not blank, and the number of lines up to the end of each."""
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    rows: list[Row] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # what follows is read, and refused, later
    if len(rows) > 1 and len(head) == _SAMPLE_CHARACTERS and len(rows) < SAMPLE_ROWS:
        del rows[-1], lines[-1]  # it may have been cut
    return rows, lines


def _place_of_names(tables: Mapping[str, Sequence[Row]], table: contract.Table | None) -> tuple[str, int]:
    """Return the delimiter of a table, and the index of the row with its column names.

    It is the first row, unless that cannot be: it lacks columns that the contract requires, has fields without a name,
    or has one field where the other rows have several. Then it is the first row that has the required columns, else the
    first complete row, provided that no row above it is more than half full.

    Args:
        tables: the rows by delimiter, the likeliest first.
        table: the definition of the table in the file.
    """
    likeliest = next(iter(tables))
    if not tables[likeliest]:
        return likeliest, 0
    required = {column.name for column in table.columns if column.required} if table else set()
    first = _without_empty_end(_names(tables[likeliest][0], table))
    narrow = not required and len(first) == 1 < _usual_width(tables[likeliest])
    if all(first) and required <= set(first) and not narrow:
        return likeliest, 0
    for delimiter, rows in tables.items() if required else ():
        for place, row in enumerate(rows):
            if required <= set(_names(row, table)):
                return delimiter, place
    for delimiter, rows in tables.items():
        if (below := _first_complete_row(rows)) is not None:
            return delimiter, below
    return likeliest, 0


def _first_complete_row(rows: Sequence[Row]) -> int | None:
    """Return the first row below others that can be column names; None if there is none."""
    width = _usual_width(rows) if rows else 0
    for place, row in enumerate(rows):
        names = _without_empty_end([_clean(cell) for cell in row])
        if place and width > 1 and len(names) >= width and all(names) and not any(map(_NO_NAME.fullmatch, names)):
            return place
        if _filled(row) > width / 2:
            return None
    return None


def _usual_width(rows: Sequence[Row]) -> int:
    """Return the most frequent number of fields, without empty ones at the end; the larger of two that are as many."""
    widths = Counter(len(_without_empty_end(row)) for row in rows)
    return max(widths, key=lambda width: (widths[width], width))


def _width(rows: Sequence[Row], named: int, fields: int) -> int:
    """Return the number of fields in a row: those with a name, and empty ones that end most rows."""
    widths = Counter(map(len, rows))
    usual = max(widths, key=lambda width: (widths[width], width), default=fields)
    if usual < named or any(cell.strip() for row in rows if len(row) == usual for cell in row[max(named, fields) :]):
        return fields
    return usual


def _numbered(names: list[str], file_name: str, table: contract.Table | None) -> tuple[list[str], list[Finding]]:
    """Number names that appear several times; the engine does not distinguish capital letters."""
    counts = Counter(name.casefold() for name in names)
    taken, numbered, findings = set(counts), [], []
    seen: Counter[str] = Counter()
    for name in names:
        key = name.casefold()
        seen[key] += 1
        if counts[key] == 1 or seen[key] == 1:
            numbered.append(name)
            continue
        if table and key in table.by_name:
            raise DataError(
                f"{file_name}: column {shown_value(name)} appears twice in the first line; rename one of them"
            )
        number = seen[key]
        while (new := f"{name}_{number}").casefold() in taken:
            number += 1
        taken.add(new.casefold())
        numbered.append(new)
        place, shown = redact(shortened(file_name)), shown_value(new)
        findings.append(finding_of(place, shown_value(name), "column name repeated", 0, name=shown))
    return numbered, findings


def _names(row: Row, table: contract.Table | None) -> list[str]:
    """Return the cleaned cells of a row; names of the table's columns as the contract spells them.

    `Order ID`, `order-id` and `ORDER_ID` are order_id, unless the row has a column of exactly that name too.
    """
    cells = [_clean(cell) for cell in row]
    if table is None:
        return cells
    spelled = [re.sub(r"[\s_-]+", "_", cell).casefold() for cell in cells]
    return [
        new if new in table.by_name and new not in cells else cell for cell, new in zip(cells, spelled, strict=True)
    ]


def _clean(cell: str) -> str:
    return "".join(character for character in cell if character.isprintable()).strip()


def _without_empty_end(cells: Sequence[str]) -> list[str]:
    kept = list(cells)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def _breaks(cell: str) -> int:
    return cell.count("\n") + cell.count("\r") - cell.count("\r\n")


def _filled(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row)
