"""The place of a row is the line at which an editor shows it; a quote may have a backslash before it."""

import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.csv_text import LINE, csv_to_parquet
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD


def read(folder, text, **options):
    (folder / "t.csv").write_bytes(text.encode())
    table = csv_to_parquet(folder / "t.csv", folder / "t.parquet", **options)
    return table, parquet.read_table(table.path).to_pylist()


@settings(max_examples=40)
@given(seed=st.integers(0, 10**9), end=st.sampled_from(["\n", "\r\n"]), blank=st.booleans(), broken=st.booleans())
def test_each_row_has_the_line_at_which_it_begins(tmp_path_factory, seed, end, blank, broken):
    """Blank lines, values with line breaks, and rows with a field too few, in any order."""
    rng = random.Random(seed)
    lines, expected, ragged = ["id,note,more"], {}, []
    for n in range(40):
        lines += [""] * (rng.choice([0, 0, 0, 1, 3]) * blank)
        if rng.random() < 0.1:
            ragged.append(len(lines) + 1)
            lines.append(f"{n},short")
            continue
        expected[str(n)] = len(lines) + 1
        note = end.join(["a", "", "b"][: rng.choice([1, 1, 2, 3])] if broken else ["a"])
        lines += f'{n},"{note}",x'.split(end)
    table, rows = read(tmp_path_factory.mktemp("lines"), end.join(lines) + end * rng.randrange(3))
    assert {row["id"]: row[LINE] for row in rows} == expected
    assert table.ragged == ragged


def test_a_quote_that_is_never_closed_has_its_line(tmp_path):
    with pytest.raises(DataError, match=r"t\.csv, line 6: a quote is opened"):
        read(tmp_path, 'id,note\n\n1,"a\nb"\n\n2,"c\n3,d\n')


VALUES = ['Say "hi", ok', 'a "b" c', "C:\\tmp\\", "plain", 'two\nlines "quoted"', '"', "it's", "\\N is not here", ""]


@settings(max_examples=30)
@given(seed=st.integers(0, 10**9), delimiter=st.sampled_from(",;\t"))
def test_quotes_with_a_backslash_are_read_as_mysql_writes_them(tmp_path_factory, seed, delimiter):
    """MySQL: SELECT … INTO OUTFILE … OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\'; an empty value is \\N."""
    rng = random.Random(seed)
    values = ['the first "word" of it', *rng.choices(VALUES, k=12)]
    escaped = [text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\\n") for text in values]
    rows = [f'{n}{delimiter}"{text}"{delimiter}\\N' for n, text in enumerate(escaped)]
    table, found = read(
        tmp_path_factory.mktemp("mysql"), "\n".join([delimiter.join(["id", "note", "x"]), *rows]) + "\n"
    )
    assert [(row["note"] or "", row["x"]) for row in found] == [(text, "\\N") for text in values]
    assert [finding.rule for finding in table.findings] == ["quotes after a backslash"]


@pytest.mark.parametrize("value", ["C:\\", 'a\\"b', "\\", 'x\\" y, z', '{"a": "\\"b\\""}'])
def test_backslashes_in_files_with_doubled_quotes_are_kept(tmp_path, value):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["id", "note", "x"], ["1", value, "y"], ["2", value, "z"]])
    table, found = read(tmp_path, text.getvalue())
    assert [row["note"] for row in found] == [value, value]
    assert table.findings == ()


def test_a_wrong_number_of_fields_says_the_line(make_source, tmp_path):
    folder = make_source(orders=HEAD + "1,c1,2024-01-01,5\n\n2,c2,2024-01-01,5,6\n")
    with pytest.raises(DataError, match="wrong number of fields in 1 rows, the first in line 4: "):
        load(folder, tmp_path / "into")


def test_spellings_that_programs_leave(make_source, tmp_path):
    numbers = ["+12025550143", "+12025550143.0", "rcs:+12025550143", "RCS: +1 202 555 0143"]
    members = "".join(f"m{i},c{i},2024-01-01,5\n" for i in range(30))
    rows = "".join(f"{i},{text},2024-01-01,5\n" for i, text in enumerate(numbers))
    loaded = load(make_source(orders=HEAD + members + rows), tmp_path / "into")
    found = parquet.read_table(loaded.tables["orders"].paths[0])["customer_id"].to_pylist()
    assert set(found) == {f"c{i}" for i in range(30)} | {"+12025550143"}
    with pytest.raises(DataError, match="column customer_id, spreadsheet damage in 4 rows"):
        load(
            make_source(orders=HEAD + "".join(f"{i},2.02555014{i}E9,2024-01-01,5\n" for i in range(4))), tmp_path / "b"
        )
