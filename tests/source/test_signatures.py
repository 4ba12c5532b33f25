"""A file that is not what its name says is refused by what it is; text in UTF-16 is read without a mark."""

import gzip
import io
import zipfile

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load
from tests.workbooks import write_workbook

ORDERS = "order_id,customer_id,ordered_at,amount,备注\no1,c1,2024-03-01,20,第一次来的老顾客\n"


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("orders.csv", ORDERS)
    return packed.getvalue()


def workbook(folder) -> bytes:
    write_workbook(folder / "book", {"Orders": [["order_id"], ["o1"]]})
    content = (folder / "book").read_bytes()
    (folder / "book").unlink()
    return content


OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
XML = b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">'


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_text_in_utf_16_is_read_with_and_without_a_mark(tmp_path, encoding):
    (tmp_path / "orders.csv").write_bytes(ORDERS.encode(encoding))
    assert load(tmp_path, tmp_path / ".loaded").tables["orders"].rows_out == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("orders.csv", archive(), "an archive: unpack it"),
        ("orders.csv", OLD, "a workbook of an old format of Excel: save it as .xlsx"),
        ("orders.csv", XML, "a workbook of an old format of Excel"),
        ("orders.csv", b"<html><table><tr><td>order_id", r"a web page \(HTML\)"),
        ("orders.txt", b"\xef\xbb\xbf\n <TABLE border=1>", r"a web page \(HTML\)"),
        ("orders.csv", gzip.compress(ORDERS.encode(), mtime=0), "give it the ending .gz"),
        ("orders.csv.gz", gzip.compress(b"<!DOCTYPE html><html>", mtime=0), r"a web page \(HTML\)"),
        ("orders.csv", f"<!DOCTYPE html><table>{ORDERS}".encode("utf-16"), r"a web page \(HTML\)"),
        ("orders.csv", f"<table>{ORDERS}".encode("utf-16-le"), r"a web page \(HTML\)"),
        ("orders.csv", b'[{"order_id": 1, "amount": 2}]', "JSON: convert it"),
        ("orders.csv", b'{"order_id": 1}\n{"order_id": 2}\n', "JSON: convert it"),
        ("orders.csv", b"PAR1" + bytes(50), "give it the ending .parquet"),
        ("orders.xls", OLD, "a workbook of an old format of Excel: save it as .xlsx"),
        ("ORDERS.XLS", b"order_id\to1", "a workbook of an old format of Excel"),
        ("orders.zip", archive(), "an archive: unpack it"),
        ("orders.csv.zip", archive(), "an archive: unpack it"),
        ("orders.json", b"[]", "JSON: convert it"),
        ("orders.xlsx", OLD, "a workbook of an old format of Excel"),
        ("orders.xlsx", archive(), "an archive: unpack it"),
        ("orders.xlsx", b"<table>", r"a web page \(HTML\)"),
        ("orders.xlsx", b"order_id,amount\n", "not a workbook, or a damaged one"),
    ],
)  # fmt: skip
def test_another_file_than_its_name_says_is_refused_by_what_it_is(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"^{name}: .*{said}"):
        load(tmp_path, tmp_path / ".loaded")


def test_a_workbook_under_the_name_of_a_text(tmp_path):
    (tmp_path / "orders.csv").write_bytes(workbook(tmp_path))
    with pytest.raises(DataError, match=r"^orders\.csv: .*a workbook \(\.xlsx\): give it the ending \.xlsx"):
        load(tmp_path, tmp_path / ".loaded")


def test_an_archive_beside_the_table_is_ignored(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "orders.zip").write_bytes(archive())
    loaded = load(tmp_path, tmp_path / ".loaded")
    assert {f.rule for f in loaded.findings} >= {"file not used"}


def test_a_packed_workbook_is_named_too(tmp_path):
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(workbook(tmp_path), mtime=0))
    with pytest.raises(DataError, match=r"^orders\.csv\.gz: .*a workbook \(\.xlsx\)"):
        load(tmp_path, tmp_path / ".loaded")


def test_a_mapping_that_queries_such_a_file_is_told_what_it_is(tmp_path):
    (tmp_path / "export.xls").write_bytes(OLD)
    (tmp_path / "orders.sql").write_text("SELECT * FROM export")
    words = r'no table or file "export"; export\.xls is not read; it is a workbook of an old format of Excel'
    with pytest.raises(DataError, match=words):
        load(tmp_path, tmp_path / ".loaded")


def test_the_only_file_of_a_folder_is_named_with_what_to_do(tmp_path):
    (tmp_path / "订单.zip").write_bytes(archive())
    with pytest.raises(
        DataError, match=r"files found: 订单\.zip\); 订单\.zip is not read; it is an archive: unpack it"
    ):
        load(tmp_path, tmp_path / ".loaded")
