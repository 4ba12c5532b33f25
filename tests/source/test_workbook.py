"""A workbook gives the rows that the same table gives as text."""

import datetime as dt

import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load
from tests.workbooks import write_workbook

NAMES = ["order_id", "customer_id", "ordered_at", "amount"]
ROWS = [
    [100, "c1", dt.datetime(2024, 5, 3, 9, 50, 26), 10.1],
    ["007", 200, dt.date(2024, 5, 4), 12],
    ["x", "顾客", "2024-05-05 08:00", 0.1 + 0.2],
]


def read(folder, tmp_path, open_source):
    shop = open_source(folder)
    frame = shop.orders.order_by("ordered_at").execute()
    shop.con.disconnect()
    return [tuple(row) for row in frame.itertuples(index=False)], shop.loaded.findings


@pytest.mark.parametrize("name", ["orders.xlsx", "ORDERS.XLSX", "Orders.xlsx"])
def test_cells_of_every_type(make_source, tmp_path, open_source, name):
    write_workbook(make_source() / name, {"Sheet 1": [NAMES, *ROWS]})
    rows, findings = read(tmp_path / "source", tmp_path, open_source)
    assert rows == [
        ("100", "c1", dt.datetime(2024, 5, 3, 9, 50, 26), 10.1),
        ("007", "200", dt.datetime(2024, 5, 4), 12.0),
        ("x", "顾客", dt.datetime(2024, 5, 5, 8), 0.3),
    ]
    assert findings == ()


def test_the_first_sheet_or_the_one_named_and_the_others_are_listed(make_source, tmp_path, open_source):
    sheets = {"Notes": [NAMES, *ROWS[:1]], "Orders 2024": [["Report"], [], NAMES, *ROWS]}
    write_workbook(make_source() / "orders.xlsx", sheets)
    rows, findings = read(tmp_path / "source", tmp_path, open_source)
    assert len(rows) == 1
    assert [f.filled_remedy for f in findings] == [
        "sheet Orders 2024: to read it, name it under `sheets` in source.yml"
    ]
    (tmp_path / "source" / "source.yml").write_text("sheets: {orders.xlsx: Orders 2024}\n")
    rows, findings = read(tmp_path / "source", tmp_path, open_source)
    assert len(rows) == 3
    assert {(f.rule, f.rows) for f in findings} == {("report lines above the column names", 1), ("sheet not read", 0)}


def test_a_rejected_row_has_the_number_of_its_row_in_the_sheet(make_source, tmp_path):
    write_workbook(make_source() / "orders.xlsx", {"a": [["Report"], [], NAMES, *ROWS, [], ["y", "c2", "soon", 1]]})
    loaded = load(tmp_path / "source", tmp_path / "out", 0.5)
    import pandas as pd

    assert list(pd.read_parquet(tmp_path / "out" / "quarantine.parquet")["line"]) == [8]
    assert loaded.tables["orders"].rows_in == 4


def test_ids_of_more_than_15_digits_are_named_as_damaged(make_source, tmp_path):
    write_workbook(make_source() / "orders.xlsx", {"a": [NAMES, [9007199254740993123, *ROWS[0][1:]], *ROWS]})
    with pytest.raises(DataError, match="spreadsheet damage in 1 rows: .*format"):
        load(tmp_path / "source", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"\0" * 50, "not a workbook, or a damaged one"),
        (b"order_id,customer_id\n1,2\n", "not a workbook, or a damaged one"),
    ],
)
def test_what_is_no_workbook_is_one_line(make_source, tmp_path, content, words):
    (make_source() / "orders.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=rf"orders\.xlsx: .*{words}"):
        load(tmp_path / "source", tmp_path / "out")


def test_a_sheet_that_does_not_exist_names_those_that_do(make_source, tmp_path):
    write_workbook(make_source(source="sheets: {orders.xlsx: Orders}\n") / "orders.xlsx", {"A": [NAMES], "B": [["x"]]})
    with pytest.raises(DataError, match=r"orders\.xlsx: no sheet Orders \(sheets: A, B\); correct `sheets`"):
        load(tmp_path / "source", tmp_path / "out")


def test_a_bomb_is_not_unpacked(make_source, tmp_path):
    import zipfile

    with zipfile.ZipFile(make_source() / "orders.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(2**27))
    with pytest.raises(DataError, match="unpacks to"):
        load(tmp_path / "source", tmp_path / "out")
