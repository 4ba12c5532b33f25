"""What a file really is, by its first bytes: a name can promise text or a workbook and the file be something else."""

import re
import zipfile
from pathlib import Path

__all__ = [
    "OTHER_ENDINGS",
    "advice_for",
    "is_workbook",
    "looks_like_utf16",
]

_WORKBOOK = "a workbook (.xlsx): give it the ending .xlsx"
_OLD_WORKBOOK = "a workbook of an old format of Excel: save it as .xlsx, or as CSV in UTF-8"
_PACKED = "an archive: unpack it, and put the files that are in it here"
_WEB_PAGE = "a web page (HTML), as some platforms export tables: open it in a spreadsheet, and save it as .xlsx or CSV"
_SIGNATURES = (
    (b"PAR1", "a parquet file: give it the ending .parquet"),
    (b"\xd0\xcf\x11\xe0", _OLD_WORKBOOK),
    (b"\x09\x08\x10\x00", _OLD_WORKBOOK),
    (b"\x1f\x8b", "compressed (gzip): give it the ending .gz, as in orders.csv.gz"),
    (b"BZh", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", _PACKED),
    (b"Rar!", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"%PDF", "a PDF: export the table as CSV or .xlsx"),
    (b"SQLite format", "an SQLite database: name it in source.yml, as database: sqlite:///shop.db"),
    (b"\x80\x04", "a Python pickle: write it as parquet"),
    (b"\x80\x05", "a Python pickle: write it as parquet"),
)
"""First bytes → what such a file is, and what to do."""
_MARKUP = re.compile(rb"\s*(?:<!doctype html|<html|<head|<body|<meta|<table|<style|<div)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml", re.IGNORECASE)
_JSON = re.compile(rb'\s*(?:\[\s*)?\{\s*(?:"[^"]*"\s*:|\})')
OTHER_ENDINGS = {
    ".xls": _OLD_WORKBOOK, ".xlsb": _OLD_WORKBOOK, ".ods": "a workbook of another format: save it as .xlsx, or as CSV",
    ".numbers": "a workbook of another format: export it as .xlsx, or as CSV",
    ".xlsm": "a workbook with macros: save it as .xlsx",
    ".zip": _PACKED, ".rar": _PACKED, ".7z": _PACKED, ".tar": _PACKED, ".tgz": _PACKED, ".tar.gz": _PACKED,
    ".html": _WEB_PAGE, ".htm": _WEB_PAGE,
    ".json": "JSON: convert it to CSV or parquet", ".jsonl": "JSON: convert it to CSV or parquet",
    ".xml": "XML: export the table as CSV or .xlsx",
}  # fmt: skip
"""Endings of tables that are not read → what such a file is, and what to do."""
_HEAD = 4096


def advice_for(file: Path, head: bytes) -> str:
    """Return what a file is that is no text, and what to do with it; empty if it may be text.

    Args:
        file: the file.
        head: its first bytes, unpacked if it is a gzip file.

    >>> advice_for(Path("orders.csv"), b"<table><tr><td>")
    'a web page (HTML), as some platforms export tables: open it in a spreadsheet, and save it as .xlsx or CSV'
    >>> advice_for(Path("orders.csv"), b"order_id,amount")
    ''
    """
    head = head[:_HEAD].removeprefix(b"\xef\xbb\xbf")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _WORKBOOK if is_workbook(file) or b"[Content_Types].xml" in head else _PACKED
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return what
    head = head.replace(b"\0", b"").lstrip(b"\xff\xfe")  # text may be UTF-16
    if _MARKUP.match(head):
        return _WEB_PAGE
    if _XML.match(head):
        return _OLD_WORKBOOK if b"urn:schemas-microsoft-com:office:spreadsheet" in head else OTHER_ENDINGS[".xml"]
    return OTHER_ENDINGS[".json"] if _JSON.match(head) else ""


def is_workbook(file: Path) -> bool:
    """Whether a file is a whole archive with the parts of an .xlsx."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def looks_like_utf16(head: bytes) -> str:
    r"""Return `utf-16-le` or `utf-16-be` if bytes look like such text without a byte order mark; else empty.

    Of ASCII characters, which a table has at least in its first line as delimiters, every second byte is zero.

    >>> looks_like_utf16("order_id,amount".encode("utf-16-le")), looks_like_utf16("订单,金额\n".encode("utf-16-be"))
    ('utf-16-le', 'utf-16-be')
    >>> looks_like_utf16(b"order_id,amount"), looks_like_utf16(b"order_id\\0,amount")
    ('', '')
    """
    head = head[:_HEAD]
    even, odd = head[::2].count(0), head[1::2].count(0)
    least = max(2, len(head) // 50)
    larger, smaller = max(even, odd), min(even, odd)  # a few characters, such as 一, have their zero on the other side
    if larger < least or 4 * smaller > larger:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"
