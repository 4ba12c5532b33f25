"""Rows that a spreadsheet cut at their end and remarks below the rows are whole; other rows of this kind are torn."""

import csv
import io

import pytest
from pyarrow import parquet

from smsroi_helpers.source.bad_rows import BadRow, are_cut_at_the_end
from smsroi_helpers.source.csv_text import csv_to_parquet

HEAD = "id,day,paid,note,more\n"


def read(tmp_path, text):
    file = tmp_path / "export.csv"
    file.write_bytes(text.encode())
    found = csv_to_parquet(file, tmp_path / "out.parquet")
    rows = parquet.read_table(found.path).to_pylist()
    return found, rows, [finding.rule for finding in found.findings]


def full(n, note=""):
    return f"{n},2024-05-01,1.00,{note},\n"


def short(n):
    return f"{n},2024-05-01,1.00\n"


def test_a_spreadsheet_leaves_out_empty_fields_in_blocks(tmp_path):
    """Written as spreadsheets do: of each sixteen lines without a value in the last columns these are left out."""
    lines = [HEAD, *(full(n, "x, y".replace(",", "") if n in (3, 40) else "") for n in range(1, 90))]
    text = "".join(
        line if block == 0 or any("x" in one for one in lines[16 * block : 16 * block + 16]) else short(n)
        for n, line in enumerate(lines) for block in [n // 16]
    )  # fmt: skip
    found, rows, said = read(tmp_path, text)
    assert (len(rows), found.ragged, said) == (89, [], ["fields missing at the end of rows"])
    assert [row["note"] for row in rows if row["note"]] == ["x y", "x y"]
    assert [row["line__"] for row in rows] == list(range(2, 91))


def test_fields_that_no_row_has_may_be_missing_anywhere(tmp_path):
    text = HEAD + "".join(short(n) if n % 3 else full(n) for n in range(60))
    found, rows, _said = read(tmp_path, text)
    assert (len(rows), found.ragged) == (60, [])


@pytest.mark.parametrize(
    "bad",
    [
        {5: "5,2024-05-01,1,000.00,a,\n"},  # a field too many
        {5: "5,2024-05-01\n", 6: "1.00,note,\n"},  # a row on two lines
        dict.fromkeys(range(5, 60, 5), "5,2024-05-01,1.00\n"),  # here and there, though others have a note
    ],
)
def test_other_rows_are_torn(tmp_path, bad):
    text = HEAD + "".join(bad.get(n, full(n, "note")) for n in range(1, 61))
    found, rows, said = read(tmp_path, text)
    assert found.ragged == [n + 1 for n in bad]
    assert (len(rows), said) == (60 - len(bad), [])


def test_a_file_that_is_cut_off_lost_a_row(tmp_path):
    found, _rows, said = read(tmp_path, HEAD + "".join(full(n, "note") for n in range(20)) + "20,2024-05")
    assert (found.ragged, said) == ([22], [])


@pytest.mark.parametrize(
    ("last", "torn"), [("End of report\n", False), ("Exported by shop admin 2024-06-30", False), ("21\n", True)]
)
def test_a_remark_below_the_rows_is_no_row(tmp_path, last, torn):
    found, rows, said = read(tmp_path, HEAD + "".join(full(n, "note") for n in range(20)) + last)
    assert len(rows) == 20
    assert found.ragged == ([22] if torn else [])
    assert said == ([] if torn else ["remark below the rows"])


def test_a_remark_in_the_middle_is_torn(tmp_path):
    found, _rows, said = read(tmp_path, HEAD + full(1) + "a remark\n" + full(2))
    assert (found.ragged, said) == ([3], [])


def test_blank_lines_and_blocks(tmp_path):
    text = HEAD + "".join(full(n, "note") for n in range(15)) + "\n" + "".join(short(n) for n in range(15, 47))
    found, rows, said = read(tmp_path, text)
    assert (len(rows), found.ragged, said) == (47, [], ["fields missing at the end of rows"])
    assert list(csv.reader(io.StringIO(text)))[-1] == [rows[-1][name] for name in ("id", "day", "paid")]


def test_a_few_short_rows_are_no_block():
    rows = [BadRow(line, 3, False, line == 9) for line in range(3, 10)]
    assert not are_cut_at_the_end(rows, 5, 0)
    assert are_cut_at_the_end([*rows, BadRow(10, 3, False, True)], 5, 3)
