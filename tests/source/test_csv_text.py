"""Every encoding a spreadsheet leaves gives the same text, and no byte is ever replaced."""

import gzip

import pytest
from pyarrow import parquet

from smsroi_helpers.errors import DataError
from smsroi_helpers.source import csv_text

ROWS = '订单号,customer_id,金额\n001,张三,12.5\n002,李四,"1,234.50"\n003,"王\n五",￥99\n'
EXPECTED = [["001", "张三", "12.5", 2], ["002", "李四", "1,234.50", 3], ["003", "王\n五", "￥99", 4]]


def read(tmp_path, content, name="t.csv"):
    file = tmp_path / name
    file.write_bytes(content)
    table = csv_text.csv_to_parquet(file, tmp_path / "out" / "t.parquet")
    return table, [list(row.values()) for row in parquet.read_table(table.path).to_pylist()]


@pytest.fixture(autouse=True)
def _out(tmp_path):
    (tmp_path / "out").mkdir()


@pytest.mark.parametrize(
    ("content", "encoding", "name"),
    [
        (ROWS.encode(), "utf-8", "t.csv"),
        (ROWS.encode("utf-8-sig"), "utf-8", "t.csv"),
        (ROWS.encode("gbk"), "gb18030", "t.csv"),
        (ROWS.encode("gb18030"), "gb18030", "t.csv"),
        (ROWS.encode("utf-16"), "utf-16", "t.csv"),
        ("\ufeff".encode("utf-16-be") + ROWS.encode("utf-16-be"), "utf-16", "t.csv"),
        (gzip.compress(ROWS.encode(), mtime=0), "utf-8", "t.csv.gz"),
        (gzip.compress(ROWS.encode("gb18030"), mtime=0), "gb18030", "t.csv.gz"),
        (ROWS.replace("\n", "\r\n").replace("王\r\n五", "王\n五").encode(), "utf-8", "t.csv"),
        (ROWS.replace(",", ";").replace("1;234", "1,234").encode(), "utf-8", "t.csv"),
        (ROWS.replace(",", "\t").replace("1\t234", "1,234").encode("utf-16"), "utf-16", "t.csv"),
        (ROWS.rstrip("\n").encode(), "utf-8", "t.csv"),
    ],
    ids=["utf8", "bom", "gbk", "gb18030", "utf16", "utf16be", "gz", "gz-gb18030", "crlf", "semicolon", "tab", "no-end"],
)
def test_the_same_table_from_every_encoding_and_delimiter(tmp_path, content, encoding, name):
    table, rows = read(tmp_path, content, name)
    assert rows == EXPECTED
    assert (table.encoding, table.ragged) == (encoding, [])
    assert list((tmp_path / "out").iterdir()) == [table.path]


@pytest.mark.parametrize("sign", ["测", "㐀", "𠀀"])
def test_one_sign_is_enough_and_four_bytes_are_read(tmp_path, sign):
    text = f"id,name\n1,{sign}测试顾客\n"
    assert read(tmp_path, text.encode("gb18030"))[1] == [["1", f"{sign}测试顾客", 2]]


@pytest.mark.parametrize("text", ["id,name\n1,Müller\n", "id,name\n1,café\n2,naïve\n", "id,name\n1,Señor Ibáñez\n"])
def test_latin_letters_are_not_taken_for_chinese(tmp_path, text):
    """Some Latin-1 text decodes as GB18030, to rare signs; then it would be read wrong without a word."""
    with pytest.raises(DataError, match="line 2: neither UTF-8 nor GB18030"):
        read(tmp_path, text.encode("latin-1"))


def test_one_bad_byte_in_a_long_utf8_file_is_named_with_its_line(tmp_path):
    good = "i,客\n" + "".join(f"{i},顾客{i}\n" for i in range(900_000))
    with pytest.raises(DataError, match=r"t\.csv, line 900002: not UTF-8"):
        read(tmp_path, good.encode() + b"900000,\xff\n" + "1,顾客\n".encode())


def test_a_million_rows_of_gbk(tmp_path):
    text = "i,客\n" + "".join(f"{i},顾客{i}\n" for i in range(1_000_000))
    _table, rows = read(tmp_path, text.encode("gbk"))
    assert len(rows) == 1_000_000
    assert rows[-1] == ["999999", "顾客999999", 1_000_001]


def test_short_and_long_rows_are_reported_by_line(tmp_path):
    table, rows = read(tmp_path, b"a,b,c\n1,2,3\n4,5\n6,7,8\n9\n10,11,12\n13,14,15,16\n")
    assert table.ragged == [3, 5, 7]
    assert rows == [["1", "2", "3", 2], ["6", "7", "8", 4], ["10", "11", "12", 6]]


def test_nothing_is_taken_for_another_type(tmp_path):
    values = "00123,NA,null,None,1e5,True,9007199254740993123,2024-01-01,"
    _table, rows = read(tmp_path, f"a,b,c,d,e,f,g,h,i\n{values}\n".encode())
    assert rows == [["00123", "NA", "null", "None", "1e5", "True", "9007199254740993123", "2024-01-01", None, 2]]


def test_names_lose_marks_that_cannot_be_seen(tmp_path):
    table, _rows = read(tmp_path, "\ufeffa\u200b, b \n1,2\n".encode())
    assert parquet.read_schema(table.path).names == ["a", "b", csv_text.LINE]


def test_a_bomb_is_not_unpacked(tmp_path):
    with pytest.raises(DataError, match="unpacks to more than"):
        read(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 30_000_000, 9), "t.csv.gz")


@pytest.mark.parametrize("content", [b"\x80\x04\x95pickle", b"PK\x03\x04", b"PAR1", b"SQLite format 3\0"])
def test_what_is_no_text_is_not_opened(tmp_path, content):
    with pytest.raises(DataError, match="not a text file"):
        read(tmp_path, content + b"rest")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,name\n1,Fäßler\n2,Müller\n", "cp1252"),  # äß is one (rare) character of GB18030
        ("id,name\n1,Señor Ibáñez\n2,“quoted” – €5\n", "cp1252"),
        ("id,name\n1,訂單顧客\n2,台北市\n3,優惠活動\n", "big5"),
        ("id,name\n1,お客様\n2,東京都新宿区\n", "shift_jis"),
        ("id,name\n1,Łódź\n2,Gdańsk\n", "cp1250"),
    ],
)
def test_other_encodings_are_asked_for_and_read_when_named(tmp_path, text, encoding):
    with pytest.raises(
        DataError, match=r"line \d: neither UTF-8 nor GB18030 .*name its encoding, .*`encoding: cp1252` in source\.yml"
    ):
        read(tmp_path, text.encode(encoding))
    file = tmp_path / "t.csv"
    table = csv_text.csv_to_parquet(file, tmp_path / "out" / "t.parquet", encoding=encoding)
    names = [row["name"] for row in parquet.read_table(table.path).to_pylist()]
    assert names == [line.split(",")[1] for line in text.splitlines()[1:]]


def test_a_named_encoding_does_not_change_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes(ROWS.encode())
    table = csv_text.csv_to_parquet(tmp_path / "t.csv", tmp_path / "out" / "t.parquet", encoding="cp1252")
    assert table.encoding == "utf-8"
