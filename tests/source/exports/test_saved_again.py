"""Exports that are saved again: a later one under the same name, by a spreadsheet, or with corrected settings."""

import csv
import datetime as dt
import io
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from smsroi_helpers.errors import DataError, UsageError
from smsroi_helpers.source.exports import import_exports
from smsroi_helpers.source.read import load
from tests.source.exports import makers
from tests.source.exports.test_imports import TAOBAO
from tests.workbooks import write_workbook


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path.resolve()))
    monkeypatch.setenv("SMSROI_KEY", "a key of thirty-two bytes or more, for tests only")
    return tmp_path.resolve()


def save(root: Path, name: str, content: str) -> Path:
    file = root / name
    file.write_text(content, encoding="utf-8")
    return file


def frames(loaded):
    return {name: pd.read_parquet(table.paths[0]) for name, table in loaded.tables.items()}


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_with_force_a_newer_export_of_orders_keeps_the_texts_and_the_analysts_own_files(project):
    export = save(project, "few.csv", makers.shopify(12, 5))
    log = save(project, "few-texts.csv", makers.twilio(2, 12))
    import_exports([("", export), ("", log)], "data/both")
    file = project / "data" / "both" / "source.yml"
    file.write_text(file.read_text(encoding="utf-8") + "  feedback: ../feedback.csv\n", encoding="utf-8")
    newer = save(project, "newer.csv", makers.shopify(20, 5))
    made = import_exports([("", newer)], "data/both", force=True)
    assert {"orders", "messages"} <= set(made.tables)
    assert [note.split(";")[0] for note in made.notes if "read again" in note] == [
        "few.csv: read again", "few-texts.csv: read again",
    ]  # fmt: skip
    files = yaml.safe_load(file.read_text(encoding="utf-8"))["files"]
    names = {alias: Path(path).name for alias, path in files.items()}
    assert names == {
        "shopify_orders_file": "few.csv",
        "shopify_orders_file_2": "newer.csv",
        "twilio_log_file": "few-texts.csv",
        "feedback": "feedback.csv",
    }  # fmt: skip
    log.unlink()
    with pytest.raises(UsageError, match=r"few-texts\.csv, which the earlier import read, is not there any more"):
        import_exports([("", newer)], "data/both", force=True)


def test_numbers_that_a_spreadsheet_rounded_are_said_and_never_merged(project):
    """Taobao's order numbers have 19 digits: eighty orders would be one."""
    rows = [
        dict(zip(TAOBAO, f"2.00000E+18|tea{n}|{n}.00|交易成功|2024-05-01 10:00:00|2024-05-01 10:01:00||".split("|"),
                 strict=True)) for n in range(1, 81)
    ]  # fmt: skip
    export = save(project, "rounded.csv", makers.written(TAOBAO, rows))
    made = import_exports([("", export)], "data/rounded")
    assert made.notes[0].startswith("Taobao orders (淘宝订单报表), column 订单编号: a spreadsheet has rounded 80 of 80")
    with pytest.raises(DataError, match="80 of 80 rows .* spreadsheet damage"):
        load("data/rounded", project / "rounded loaded")


def test_the_sheet_of_a_workbook_that_is_an_export_is_read(project):
    """Behind a cover; and the sheet that source.yml names, if there are two."""
    names = ["Name", "Created at", "Financial Status", "Total", "Email"]
    table = [names, *([row[name] for name in names] for row in records(makers.shopify(12, 5)))]
    file = write_workbook(project / "book.xlsx", {"Cover": [["note"], ["for you"]], "Orders": table, "Old": table[:3]})
    made = import_exports([("", file)], "data/book")
    assert made.files[0].rows == len(table) - 1
    source = project / "data" / "book" / "source.yml"
    assert yaml.safe_load(source.read_text(encoding="utf-8"))["sheets"] == {"book.xlsx": "Orders"}
    assert load("data/book", project / "loaded").tables["orders"].rows_in > 2
    source.write_text(source.read_text(encoding="utf-8").replace("Orders", "Old"), encoding="utf-8")
    assert import_exports([("", file)], "data/book", force=True).files[0].rows == 2
    cover = write_workbook(project / "cover.xlsx", {"Cover": [["note"], ["a"]], "Other": [["word"], ["b"]]})
    with pytest.raises(UsageError, match=r"cover\.xlsx: not an export of .*; nor is another of its sheets: Other$"):
        import_exports([("", cover)], "data/cover")


def test_rounded_order_numbers_beside_good_ones_are_refused_by_their_number(project):
    """80 of 280 orders: they do not become one row, which would be within the limit."""
    names = ["order_id", "order_date", "status", "order_total", "billing_email"]
    rows = [["1.00235E+11", "2024-05-01 10:00:00", "completed", f"{n}.00", f"{n}@b.example"] for n in range(80)]
    woo = save(project, "woo.csv", makers.written(names, [dict(zip(names, row, strict=True)) for row in rows]))
    shopify = save(project, "good.csv", makers.shopify(200, 50, plain=True))
    import_exports([("", woo), ("", shopify)], "data/mixed")
    with pytest.raises(DataError, match=r"80 of \d+ rows .* spreadsheet damage"):
        load("data/mixed", project / "loaded")


def test_what_one_of_two_gateways_does_not_record_is_left_out(project):
    """Attentive has clicks, Twilio has none: its texts were not “clicked by nobody”."""
    names = ["type", "timestamp", "message_id", "phone"]
    rows = [["MESSAGE_RECEIPT", "2024-05-01 10:00:00", "M1", "+12025550101"],
            ["MESSAGE_LINK_CLICK", "2024-05-01 11:00:00", "M1", "+12025550101"]]  # fmt: skip
    events = save(project, "events.csv", makers.written(names, [dict(zip(names, row, strict=True)) for row in rows]))
    log = save(project, "log.csv", makers.twilio(2, 12))
    made = import_exports([("", events), ("", log)], "data/two")
    assert any(note.startswith("messages: ") and "clicked_at" in note for note in made.notes)
    assert "clicked_at" not in load("data/two", project / "loaded").tables["messages"].columns


def test_a_night_without_an_identity_or_a_creative_goes_on(project):
    names = ["Name", "Created at", "Financial Status", "Total", "Email", "Phone"]

    def export(number):
        rows = [[f"#{n}", "2024-05-01 10:00:00 -0400", "paid", "10.00", f"{n}@b.example", number(n)] for n in range(5)]
        return makers.written(names, [dict(zip(names, row, strict=True)) for row in rows])

    file = save(project, "nightly.csv", export(lambda n: f"+1202555010{n}"))
    import_exports([("", file)], "data/nightly")
    assert load("data/nightly", project / "loaded").tables["identities"].rows_out == 5
    save(project, "nightly.csv", export(lambda n: ""))
    found = load("data/nightly", project / "loaded")
    assert "identities" not in found.tables
    assert [f.table for f in found.findings if f.rule == "mapping without rows"] == ["identities"]


def test_an_order_in_events_and_in_a_file_of_orders_counts_once(project):
    names = ["Metric", "Timestamp", "Profile ID", "Event ID", "Value"]
    rows = [["Placed Order", f"2024-05-0{n} 10:00:00", "p", f"e{n}", f"{n}.00"] for n in (1, 2, 3)]
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    events = save(project, "events.csv", makers.written(names, dicts))
    placed = save(
        project,
        "placed.csv",
        makers.written(names[1:], [{k: v for k, v in d.items() if k != "Metric"} for d in dicts[1:]]),
    )
    import_exports([("", events), ("", placed)], "data/kl")
    assert frames(load("data/kl", project / "loaded"))["orders"]["amount"].sum() == 6.0


@pytest.mark.parametrize("currency", ["usd", "USD"])
def test_capital_letters_of_a_currency_do_not_matter(project, currency):
    file = save(project, "o.csv", makers.shopify(12, 5, plain=True).replace(",USD,", f",{currency},"))
    assert import_exports([("", file)], "data/c").left_out == {}


def test_a_corrected_time_zone_or_currency_counts_as_if_it_had_been_given(project):
    headings = ["Metric", "Timestamp", "Profile ID", "Value", "Currency"]
    rows = [["Received SMS", "Feb 06, 2024 at 03:00 PM", "p", "", ""],
            *(["Placed Order", "Feb 07, 2024 at 03:00 PM", "p", amount, currency]
              for amount, currency in [("1", "USD"), ("2", "USD"), ("4", "CAD")])]  # fmt: skip
    export = save(
        project, "zone.csv", makers.written(headings, [dict(zip(headings, row, strict=True)) for row in rows])
    )
    read = {}
    for name, given in (("said", {"timezone": "America/New_York", "currency": "CAD"}), ("edited", {})):
        import_exports([("", export)], f"data/{name}", given=given)
        file = project / "data" / name / "source.yml"
        text = re.sub("timezone: UTC", "timezone: America/New_York", file.read_text(encoding="utf-8"))
        file.write_text(text.replace("currency: USD", "currency: CAD"), encoding="utf-8")
        tables = frames(load(f"data/{name}", project / f"{name} loaded"))
        read[name] = (tables["messages"]["sent_at"].astype(str).tolist(), tables["orders"]["amount"].tolist())
    assert read["edited"] == read["said"] == (["2024-02-06 20:00:00"], [4.0])


def test_dates_of_a_later_export_are_read_as_the_country_writes_them(project):
    """A log of ISO times is saved again by a spreadsheet under its name: 2/6/2024 is in February in the US."""
    log = save(project, "later.csv", makers.twilio(3, 12))
    orders = save(project, "later-orders.csv", makers.shopify(20, 5))
    import_exports([("", orders), ("", log)], "data/later", given={"country": "US"})
    first = frames(load("data/later", project / "later 1"))["messages"].set_index("message_id")["sent_at"]
    times = [dt.datetime.fromisoformat(row["SentDate"]) for row in records(makers.twilio(3, 12))]
    rows = records(makers.twilio(3, 12))
    for row, at in zip(rows, times, strict=True):
        row["SentDate"] = f"{at.month}/{at.day}/{at.year} {at:%H:%M}"
    log.write_text(makers.written(makers.TWILIO_HEADINGS, rows), encoding="utf-8")
    later = frames(load("data/later", project / "later 2"))["messages"].set_index("message_id")["sent_at"]
    assert (later == first.dt.floor("min").reindex(later.index)).all()
    assert len(later) == len(first) > 30
