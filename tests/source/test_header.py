"""The same orders from every way of writing a text table: delimiter, encoding, ending, lines above, columns beside."""

import csv
import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.read import load

NAMES = ["order_id", "customer_id", "ordered_at", "amount"]
COUNTER = itertools.count()

cells = st.text("aé顾客 ,;|\"'\t", max_size=5)
rows = st.lists(st.tuples(cells, st.decimals(1, 999, places=2)), min_size=2, max_size=6)


def rendered(rows, delimiter, *, before=(), after=0, name_trailing=True, line_end="\n", sep_line=False):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    if sep_line:
        text.write(f"sep={delimiter}{line_end}")
    for line in before:
        writer.writerow(line)
    writer.writerow([*NAMES, "note", *[""] * (after if name_trailing else 0)])
    for number, (note, amount) in enumerate(rows):
        writer.writerow([f"o{number}", f"c{number}", f"2024-03-0{1 + number} 10:00", amount, f"n{note}", *[""] * after])
    return text.getvalue()


@settings(max_examples=10)
@given(
    rows=rows,
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    ending=st.sampled_from(["csv", "CSV", "tsv", "txt", "TXT"]),
    before=st.sampled_from([[], [["Report: orders"]], [["Report: orders", "", "", ""], ["Generated", "2024-06-30"]],
                            [["报表"], [], ["店铺", "杭州"]]]),
    after=st.integers(0, 2),
    name_trailing=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    sep_line=st.booleans(),
    seed=st.integers(0, 10**9),
)  # fmt: skip
def test_random_relatives_of_one_table(
    tmp_path_factory, rows, delimiter, encoding, ending, before, after, name_trailing, line_end, sep_line, seed
):
    text = rendered(
        rows, delimiter, before=before, after=after, name_trailing=name_trailing, line_end=line_end, sep_line=sep_line
    )
    folder = tmp_path_factory.mktemp("source")
    (folder / f"orders.{ending}").write_bytes(text.encode(encoding))
    if encoding == "gb18030":
        (folder / "source.yml").write_text("encoding: gb18030\n")  # a few rare characters are no evidence of Chinese
    loaded = load(folder, folder / ".loaded")
    import pandas as pd

    read = pd.read_parquet(loaded.tables["orders"].paths[0])
    assert list(read["order_id"]) == [f"o{number}" for number in range(len(rows))]
    assert list(read["amount"]) == [float(amount) for _note, amount in rows]
    skipped = {f.rule: f.rows for f in loaded.findings}
    assert skipped.pop("report lines above the column names", 0) == sum(map(bool, before))
    assert set(skipped) == {"not in the contract"}


def source(tmp_path, text, name="orders.csv", **others):
    for other, content in {name: text, **{key.replace("__", "."): value for key, value in others.items()}}.items():
        (tmp_path / other).write_text(content, encoding="utf-8")
    return load(tmp_path, tmp_path / ".loaded", 0.5)


def test_the_line_of_a_rejected_row_counts_the_lines_above_the_names(tmp_path):
    text = "Report,,,\n\n" + ",".join(NAMES) + "\no1,c1,2024-01-01,1\n\no2,c2,soon,2\no3,c3\no4,c4,2024-01-02,3\n"
    source(tmp_path, text)
    import pandas as pd

    lines = pd.read_parquet(tmp_path / ".loaded" / "quarantine.parquet").sort_values("line")
    assert list(lines["line"]) == [6, 7]  # as an editor counts


def test_what_is_said_of_lines_above_names_the_line_of_the_column_names(tmp_path):
    loaded = source(tmp_path, "Report,,,\n\n\n" + ",".join(NAMES) + "\no1,c1,2024-01-01,1\n")
    (said,) = [f.filled_remedy for f in loaded.findings if f.rule == "report lines above the column names"]
    assert said.endswith("are in row 4")


def test_values_in_a_column_without_a_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"orders\.csv: column 5 has no name in the first line, but values; name it"):
        source(tmp_path, ",".join(NAMES) + ",\no1,c1,2024-01-01,1,\no2,c2,2024-01-01,1,x\n")


@pytest.mark.parametrize(
    "spell",
    [str.upper, str.title, lambda name: f" {name.replace('_', ' ').title()} ", lambda name: name.replace("_", "-")],
)
def test_names_of_columns_in_another_spelling(tmp_path, spell):
    names = [spell(name) for name in NAMES]
    above = "Report of May\n\n"  # looked for below lines of a report, too
    loaded = source(tmp_path, above + ",".join(names) + "\no1,c1,2024-01-01,1.5\no2,c2,2024-01-02,2.5\n")
    said = {(f.column, f.filled_remedy) for f in loaded.findings if f.rule == "column name in another spelling"}
    assert said == {
        (new.strip(), f"it is read as {name}") for new, name in zip(names, NAMES, strict=True) if new.strip() != name
    }
    assert loaded.tables["orders"].rows_out == 2


def test_a_column_of_exactly_the_name_is_the_one(tmp_path):
    loaded = source(tmp_path, ",".join(["Order ID", *NAMES]) + "\nx,o1,c1,2024-01-01,1\n")
    assert loaded.tables["orders"].rows_out == 1


def test_an_inner_column_without_a_name_is_not_taken_for_a_report(tmp_path):
    with pytest.raises(DataError, match=r"x\.csv: column 2 has no name"):
        source(tmp_path, "code,,meaning\na,b,c\n", "x.csv", orders__sql="SELECT * FROM x")


def test_repeated_names_are_numbered_in_exports(tmp_path):
    text = "id,Name,name,Name,when,amount\n" + "".join(f"o{i},c{i},x,y,2024-03-0{1 + i},20\n" for i in range(3))
    mapping = 'SELECT id AS order_id, "Name" AS customer_id, "when" AS ordered_at, amount, name_2, "Name_3" FROM e'
    loaded = source(tmp_path, text, "e.csv", orders__sql=mapping)
    said = [(f.table, f.column, f.filled_remedy) for f in loaded.findings if f.rule == "column name repeated"]
    assert said == [("e.csv", "name", "it is read as name_2"), ("e.csv", "Name", "it is read as Name_3")]
    import pandas as pd

    assert list(pd.read_parquet(loaded.tables["orders"].paths[0])["customer_id"]) == ["c0", "c1", "c2"]
