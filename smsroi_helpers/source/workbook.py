"""Convert a sheet of a workbook (.xlsx) to parquet in which every field is text, as `csv_text` does with CSV.

A cell is written as the contract reads it: whole numbers without decimals, times in ISO form. A spreadsheet keeps 15
digits of a number; longer ones are written as `1.38E+18`, which the contract's rule for damaged ids recognises.
"""

import datetime as dt
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import python_calamine
from pyarrow import parquet

from smsroi_helpers import contract
from smsroi_helpers.errors import DataError, redact, shortened, shown_value
from smsroi_helpers.source.csv_text import CsvTable, refuse_values_without_name
from smsroi_helpers.source.header import LINE, SAMPLE_ROWS, find_header
from smsroi_helpers.source.loaded import finding_of
from smsroi_helpers.source.signatures import advice_for, is_workbook

__all__ = [
    "visible_sheets",
    "workbook_to_parquet",
]

_MAX_UNPACKED_BYTES = 4 * 2**30
_MAX_COMPRESSION_RATIO = 400
_EXACT_DIGITS = 10**15
_ROWS_AT_A_TIME = 20_000


def workbook_to_parquet(file: Path, to: Path, table: contract.Table | None = None, sheet: str = "") -> CsvTable:
    """Convert one sheet to parquet: every field as text, empty fields as null, the row number in `LINE`.

    Args:
        file: the workbook.
        to: the parquet file.
        table: the definition of the table in the file; None for the export that a mapping reads.
        sheet: name of the sheet; empty: the first one that is not hidden.

    Raises:
        DataError: the file is no workbook, damaged or protected, has no such sheet, or the sheet has no column names.
    """
    _refuse_bomb(file)
    try:
        with python_calamine.CalamineWorkbook.from_path(str(file)) as workbook:
            name, unread = _chosen_sheet(workbook, file.name, sheet)
            rows = _numbered_rows(workbook.get_sheet_by_name(name))
            return _write(rows, file, name, unread, to, table)
    except python_calamine.PasswordError:
        raise DataError(f"{file.name}: the workbook is protected by a password; save it without one") from None
    except (python_calamine.CalamineError, OSError) as error:
        raise _damaged(file) from error


def visible_sheets(file: Path) -> list[str]:
    """Return the names of a workbook's sheets that are not hidden, in order; none if it cannot be read."""
    try:
        with python_calamine.CalamineWorkbook.from_path(str(file)) as workbook:
            return _shown(workbook)
    except (python_calamine.CalamineError, OSError):
        return []


def _shown(workbook: python_calamine.CalamineWorkbook) -> list[str]:
    return [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.visible == python_calamine.SheetVisibleEnum.Visible
        and sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]


def _damaged(file: Path) -> DataError:
    with file.open("rb") as stream:
        head = stream.read(2**12)
    what = (
        "" if head.startswith(b"PK") and (is_workbook(file) or not zipfile.is_zipfile(file)) else advice_for(file, head)
    )
    if what:
        return DataError(f"{file.name}: not a workbook, whatever its name says, but {what}")
    return DataError(f"{file.name}: not a workbook, or a damaged one; save it again as .xlsx, or export it as CSV")


def _refuse_bomb(file: Path) -> None:
    if file.stat().st_size == 0:
        raise DataError(f"{file.name}: the file is empty (0 bytes); export it again")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        raise _damaged(file) from None
    if unpacked > min(_MAX_UNPACKED_BYTES, max(_MAX_COMPRESSION_RATIO * file.stat().st_size, 2**26)):
        raise DataError(
            f"{file.name}: unpacks to {unpacked / 2**30:.1f} GiB from {file.stat().st_size:,} bytes; check the file, or"
            " export it as CSV"
        )


def _chosen_sheet(workbook: python_calamine.CalamineWorkbook, file_name: str, wanted: str) -> tuple[str, list[str]]:
    """Return the name of the sheet to read, and the names of the others."""
    shown = _shown(workbook)
    if wanted and wanted not in workbook.sheet_names:
        names = shortened(", ".join(map(shown_value, workbook.sheet_names)), 200)
        raise DataError(f"{file_name}: no sheet {wanted} (sheets: {names}); correct `sheets` in source.yml")
    if not wanted and not shown:
        raise DataError(f"{file_name}: the workbook has no visible sheet; name one under `sheets` in source.yml")
    name = wanted or shown[0]
    return name, [other for other in shown if other != name]


def _numbered_rows(sheet: python_calamine.CalamineSheet) -> Iterator[tuple[int, list[str | None]]]:
    """Yield the rows that are not blank, with their numbers in the sheet."""
    first = (sheet.start or (0, 0))[0]  # blank rows above are not in the iteration
    for number, row in enumerate(sheet.iter_rows(), start=first + 1):
        cells = [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _text(cell: object) -> str | None:
    """Return what a cell holds, as text; None if it is empty."""
    match cell:
        case str():
            return cell or None
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer():
            return f"{cell:.0f}" if abs(cell) < _EXACT_DIGITS else f"{cell:.14E}"
        case int():
            return str(cell) if abs(cell) < _EXACT_DIGITS else f"{float(cell):.14E}"
        case float():
            return f"{cell:.15g}"  # 0.1 + 0.2 is shown as 0.3
        case dt.datetime():
            whole = cell + dt.timedelta(microseconds=500)  # a day's fraction has an error of some microseconds
            whole = whole.replace(microsecond=whole.microsecond // 1000 * 1000)
            return str(whole.date()) if whole.time() == dt.time() else whole.isoformat(" ")
        case _:
            return str(cell)


def _write(
    rows: Iterator[tuple[int, list[str | None]]],
    file: Path,
    sheet: str,
    unread: list[str],
    to: Path,
    table: contract.Table | None,
) -> CsvTable:
    head = list(itertools.islice(rows, SAMPLE_ROWS))
    if not head:
        raise DataError(f"{file.name}, sheet {shown_value(sheet)}: no cells; name another under `sheets` in source.yml")
    header = find_header(
        [[cell or "" for cell in cells] for _number, cells in head], file.name, table,
        numbers=[number for number, _cells in head],
    )  # fmt: skip
    width, kept = len(header.names), len(header.names) - len(header.unnamed)
    schema = pa.schema([*((name, pa.string()) for name in header.names[:kept]), (LINE, pa.int64())])
    below = itertools.chain(head[header.row :], rows)
    with parquet.ParquetWriter(to, schema) as writer:
        while part := list(itertools.islice(below, _ROWS_AT_A_TIME)):
            columns = list(zip(*((cells + [None] * width)[:width] for _number, cells in part), strict=True))
            batch = pa.record_batch([pa.array(column, pa.string()) for column in columns], names=header.names)
            refuse_values_without_name(batch, header, file.name)
            numbers = pa.array([number for number, _cells in part], pa.int64())
            writer.write_batch(pa.record_batch([*batch.columns[:kept], numbers], schema=schema))
    place = redact(shortened(file.name))
    others = [finding_of(place, "", "sheet not read", 0, name=shown_value(name)) for name in unread]
    return CsvTable(to, "xlsx", [], (*header.findings, *others))
