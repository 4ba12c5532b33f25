"""Read one export: as text, without its total row, and of a workbook the sheet that is an export."""

from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from smsroi_helpers.engine import Connection
from smsroi_helpers.errors import UsageError, shortened, shown_value
from smsroi_helpers.source.csv_text import csv_to_parquet
from smsroi_helpers.source.exports.layouts import Match, recognise
from smsroi_helpers.source.header import LINE
from smsroi_helpers.source.loaded import Finding
from smsroi_helpers.source.total_row import without_total_row
from smsroi_helpers.source.workbook import visible_sheets, workbook_to_parquet

__all__ = [
    "ReadExport",
    "read_export",
]


@dataclass(frozen=True)
class ReadExport:
    """An export that was recognised by its columns."""

    rows: ir.Table
    headings: tuple[str, ...]
    match: Match
    findings: tuple[Finding, ...]
    """What was skipped or renamed."""
    ragged: list[int]
    """Lines of rows with the wrong number of fields, which are not in `rows`."""
    sheet: str
    """Name of the sheet; empty for the first of a workbook, and for text."""


def read_export(con: Connection, file: Path, raw: Path, kind: str, encoding: str, sheet: str = "") -> ReadExport:
    """Read a file and recognise it; of a workbook the first visible sheet that is an export.

    Args:
        con: the engine.
        file: a text file or a workbook.
        raw: parquet file for its rows.
        kind: the platform, if it is known; empty: any.
        encoding: of a text file, if it is stated.
        sheet: the sheet to read, if it is stated.

    Raises:
        DataError: the file cannot be read.
        UsageError: no layout fits.
    """
    if file.suffix.lower() != ".xlsx":
        return _read(con, file, raw, kind, encoding, "")
    if sheet:
        return _read(con, file, raw, kind, "", sheet)
    names = visible_sheets(file)
    try:
        return _read(con, file, raw, kind, "", "")
    except UsageError as error:
        for name in names[1:]:
            try:
                return _read(con, file, raw, kind, "", name)
            except UsageError:
                continue
        others = shortened(", ".join(map(shown_value, names[1:])), 200)
        raise UsageError(f"{error}; nor is another of its sheets: {others}" if others else str(error)) from None


def _read(con: Connection, file: Path, raw: Path, kind: str, encoding: str, sheet: str) -> ReadExport:
    if file.suffix.lower() == ".xlsx":
        read = workbook_to_parquet(file, raw, sheet=sheet)
    else:
        read = csv_to_parquet(file, raw, encoding=encoding)
    rows, total = without_total_row(con.read_parquet(raw), file.name)
    headings = tuple(name for name in rows.columns if name != LINE)
    match = recognise(file.name, headings, kind)
    return ReadExport(rows, headings, match, (*read.findings, *([total] if total else [])), read.ragged, sheet)
