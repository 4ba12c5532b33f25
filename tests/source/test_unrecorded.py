"""A column that a mapping calls unknown if empty is read once anything stands in it, and missing before."""

import ibis
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.exports import import_exports
from smsroi_helpers.source.mappings import recorded_rows
from smsroi_helpers.source.read import load

LINES = "-- unknown if empty: replied_at, opted_out_at\n-- unknown if empty: clicked_at\n"
SENT = ["Received SMS", "2024-05-01 10:00:00", "p1", "c1"]
CLICKED = ["Clicked SMS", "2024-05-01 11:00:00", "p1", "c1"]
LEFT = ["Unsubscribed from SMS Marketing", "2024-05-01 12:00:00", "p2", ""]


def message(**values):
    empty = dict.fromkeys(("clicked_at", "replied_at", "opted_out_at"))
    return {"message_id": "1", "customer_id": "a", **empty, **values}


@pytest.mark.parametrize(
    ("rows", "unrecorded"),
    [
        ([message()], ["replied_at", "opted_out_at", "clicked_at"]),
        ([message(), message(clicked_at="x")], ["replied_at", "opted_out_at"]),
        ([message(replied_at="x")], ["clicked_at"]),
        ([message(clicked_at="x", opted_out_at="x")], []),
    ],
)
def test_the_columns_of_a_line_are_recorded_together(rows, unrecorded):
    schema = dict.fromkeys(message(), "string")
    kept, names = recorded_rows("messages", ibis.memtable(rows, schema=schema), f"{LINES}SELECT 1")
    assert names == unrecorded
    assert kept.columns == tuple(name for name in message() if name not in unrecorded)


@pytest.mark.parametrize("nothing", ["", " - ", "NULL", "0000-00-00", None])
@pytest.mark.parametrize("line", ["-- Unknown if empty: Clicked_At\r\n", "\t-- unknown if empty: clicked_at\n"])
def test_words_for_no_value_are_empty_and_spelling_does_not_matter(nothing, line):
    rows = ibis.memtable([message(clicked_at=nothing)], schema=dict.fromkeys(message(), "string"))
    assert recorded_rows("messages", rows, f"{line}SELECT 1")[1] == ["clicked_at"]
    rows = ibis.memtable([message(clicked_at="none of it")], schema=dict.fromkeys(message(), "string"))
    assert recorded_rows("messages", rows, f"{line}SELECT 1")[1] == []


def test_a_name_that_is_no_column_is_refused():
    rows = ibis.memtable([message()], schema=dict.fromkeys(message(), "string"))
    with pytest.raises(DataError, match=r"^messages\.sql: `unknown if empty: click_at` names no column"):
        recorded_rows("messages", rows, "-- unknown if empty: click_at\nSELECT 1")


def test_without_such_a_line_an_empty_column_says_that_nothing_happened():
    rows = ibis.memtable([message()], schema=dict.fromkeys(message(), "string"))
    kept, names = recorded_rows("messages", rows, "-- clicked_at is unknown if empty\nSELECT 1")
    assert names == []
    assert kept.equals(rows)


def test_a_table_of_its_key_alone_is_none():
    rows = ibis.memtable(
        [{"customer_id": "1", "opted_out_at": None}], schema={"customer_id": "str", "opted_out_at": "str"}
    )
    query = "-- unknown if empty: opted_out_at\nSELECT 1"
    assert recorded_rows("customers", rows, query) == (None, ["opted_out_at"])
    assert recorded_rows("customers", rows.mutate(region=ibis.literal("NO")), query)[0].columns == (
        "customer_id",
        "region",
    )


def test_the_first_clicks_and_opt_outs_of_a_later_export_are_read(tmp_path, monkeypatch):
    """The mappings were made when nobody had clicked or opted out; the next export has the same name."""
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    monkeypatch.setenv("SMSROI_KEY", "a key of thirty-two bytes or more, for tests only")
    export = tmp_path / "events.csv"

    def read(*rows):
        lines = [["Metric", "Timestamp", "Profile ID", "Campaign ID"], SENT, *rows]
        export.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
        return lambda: load("data/shop", tmp_path / "loaded")

    reread = read()
    made = import_exports([("", export)], "data/shop")
    assert set(made.tables) == {"messages", "campaigns"}
    first = reread()
    assert "clicked_at" not in first.tables["messages"].columns
    assert "customers" not in first.tables
    said = sorted((f.table, f.column) for f in first.findings if f.rule == "empty in every row")
    events = ("clicked_at", "opened_at", "opted_out_at", "replied_at")
    assert said == [("customers", "opted_out_at"), *(("messages", name) for name in events)]
    later = read(CLICKED, LEFT)()
    assert "clicked_at" in later.tables["messages"].columns
    assert later.tables["customers"].rows_out == 2
    assert "opted_out_at" in later.tables["customers"].columns


@pytest.mark.parametrize("empty", ["", "-"])
def test_costs_without_a_number_are_unknown_not_0(tmp_path, monkeypatch, empty):
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    folder = tmp_path / "data" / "shop"
    folder.mkdir(parents=True)
    for last, known in ((empty, False), ("0.04", True)):
        rows = [("1", empty), ("2", last)]
        lines = [f"{n},a,k,2024-05-0{n} 10:00,{cost}\n" for n, cost in rows]
        text = "message_id,customer_id,campaign_id,sent_at,cost\n" + "".join(lines)
        (folder / "messages.csv").write_text(text, encoding="utf-8")
        loaded = load("data/shop", tmp_path / f"loaded{known}")
        assert ("cost" in loaded.tables["messages"].columns) is known
        said = [finding.column for finding in loaded.findings if finding.rule == "empty in every row"]
        assert said == ([] if known else ["cost"])


def test_rows_of_an_export_that_cannot_be_read_are_errors_behind_a_mapping_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    folder = tmp_path / "data" / "shop"
    folder.mkdir(parents=True)
    (folder / "orders.sql").write_text(
        "SELECT no AS order_id, who AS customer_id, day AS ordered_at, paid AS amount FROM export", encoding="utf-8"
    )
    rows = [f"{n},a,2024-05-01,1.00\n" for n in range(1, 201)]
    rows[9] = "10,a,2024-05-01,1,000.00\n"
    (folder / "export.csv").write_text("no,who,day,paid\n" + "".join(rows), encoding="utf-8")
    loaded = load("data/shop", tmp_path / "loaded")
    (found,) = [finding for finding in loaded.findings if finding.rule == "wrong number of fields"]
    assert (found.table, found.severity, found.rows, found.share) == ("export.csv", "error", 1, 1 / 200)
    (folder / "export.csv").write_text("no,who,day,paid\n" + "".join(rows[:20]), encoding="utf-8")
    with pytest.raises(DataError, match=r"^export\.csv: 1 of 20 rows \(5\.0%\) cannot be used.*the first in line 11"):
        load("data/shop", tmp_path / "loaded")
