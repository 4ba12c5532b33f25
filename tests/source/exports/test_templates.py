"""Templates: lines of columns that an export lacks, several files, quoting, and times with and without an offset."""

import ibis
import pytest

from smsroi_helpers.source.exports.layouts import KINDS, layout_of
from smsroi_helpers.source.exports.templates import ExportFile, fill_template, read_rows, sql_text
from smsroi_helpers.source.mappings import provide_settings

SETTINGS = {"zone": "Asia/Shanghai"}


@pytest.fixture(scope="module")
def con():
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    provide_settings(con, "Asia/Shanghai", "CNY")
    return con


def filled(kind, table, found, **more):
    layout = layout_of(kind)
    return fill_template(layout, layout.parts[0], table, [ExportFile("f", found)], SETTINGS, **more)


def queries(con, kind, files, part=None):
    """The queries of a part by table; its helper views are made known to the engine."""
    layout = layout_of(kind)
    part = part or layout.parts[0]
    texts = {table: fill_template(layout, part, table, files, SETTINGS) for table in part.templates}
    for helper in part.helpers:
        con.raw_sql(f'CREATE OR REPLACE VIEW "{helper}" AS {texts[helper]}')
    return texts


ALIYUN = {"phone": "手机号码", "sent_at": "发送时间", "status": "发送状态", "template": "模板CODE"}


def test_a_line_of_a_column_that_the_export_lacks_is_left_out():
    assert "AS segments" in filled("aliyun", "messages", ALIYUN | {"segments": "计费条数"})
    assert "AS segments," not in filled("aliyun", "messages", ALIYUN)
    assert "-- if" not in filled("aliyun", "messages", ALIYUN)


def test_a_table_whose_column_the_export_lacks_is_left_out():
    assert filled("aliyun", "creatives", ALIYUN) == ""
    assert filled("aliyun", "creatives", ALIYUN | {"text": "短信内容"}) != ""


def test_a_mapping_says_from_where_the_layout_is_known():
    text = filled("aliyun", "messages", ALIYUN)
    assert "-- Layout: https://help.aliyun.com/document_detail/59840.html (read 2026-11-28)" in text
    assert "-- Not verified: the Chinese headings" in text


def test_headings_and_texts_are_quoted(con):
    con.create_table("odd", ibis.memtable({'a "b" c': ["x\t", " "]}), overwrite=True)
    part = layout_of("aliyun").parts[0]
    rows = con.sql(read_rows(part, [ExportFile("odd", {"phone": 'a "b" c'})], ["phone", "text"], "UTC")).to_pyarrow()
    assert rows.to_pylist() == [{"phone": "x", "text": None, "file": 1}, {"phone": None, "text": None, "file": 1}]
    assert sql_text("a'b") == "'a''b'"


def test_times_of_every_form_are_the_same_instant(con):
    """1,715,000,400 s after 1970 is 2024-05-06 13:00 UTC and 21:00 in Shanghai (`date -d @1715000400`)."""
    forms = [
        "1715000400", "1715000400000", "2024-05-06T13:00:00Z", "2024-05-06 09:00:00 -0400", "2024-05-06 21:00:00",
        "2024-05-06T15:00:00+02:00", "Mon, 06 May 2024 13:00:00 +0000", "May 6, 2024 at 9:00 PM", "2024/05/06 21:00",
        "2024-05-06 06:00:00 PDT", "2024-05-06 09:00 EDT", "Mon, 06 May 2024 13:00:00 GMT", "2024-05-06 13:00:00 UTC",
        "6/5/2024 21:00", "06.05.2024 21:00:00", "6/5/2024 9:00 PM", "2024年5月6日 21:00", "2024/5/6 下午9:00",
        "2024-05-06 09:00:00 PM", "2024-05-06 09:00:00 AM EDT",
    ]  # fmt: skip
    con.create_table("times", ibis.memtable({"Timestamp": forms}), overwrite=True)
    part = layout_of("klaviyo").parts[0]
    files = [ExportFile("times", {"happened_at": "Timestamp"})]
    query = read_rows(part, files, ["happened_at"], "Asia/Shanghai", "day")
    found = con.sql(f"SELECT CAST(epoch(happened_at) AS BIGINT) AS s FROM ({query})").to_pyarrow()["s"].to_pylist()
    assert found == [1_715_000_400] * len(forms)


def test_an_order_in_two_files_counts_once_as_in_the_last(con):
    """The later export knows of a refund, and of an order more; an item row of the first has no total."""
    names = ["Name", "Created at", "Financial Status", "Total", "Refunded Amount"]
    first = [
        ["#1", "x", "paid", "10.00", "0.00"],
        ["#1", "x", None, None, None],
        ["#2", "x", "pending", "7.00", "0.00"],
    ]
    later = [
        ["#1", "x", "refunded", "10.00", "10.00"],
        ["#2", "x", "paid", "7.50", "0.00"],
        ["#3", "x", "paid", "1", "0"],
    ]
    files = []
    for name, rows in (("first", first), ("later", later)):
        con.create_table(name, ibis.memtable(rows, columns=names), overwrite=True)
        columns = ["order_name", "created_at", "financial_status", "total", "refunded"]
        files.append(ExportFile(name, dict(zip(columns, names, strict=True))))
    query = queries(con, "shopify", files)["orders"]
    found = {row["order_id"]: float(row["amount"]) for row in con.sql(query).to_pyarrow().to_pylist()}
    assert found == {"#1": 10.0, "#1 refund": -10.0, "#2": 7.5, "#3": 1.0}


def test_amounts_that_a_spreadsheet_dressed_reach_the_reader_as_they_are(con):
    """A refund of `$1,234.50` is a refund; the reader of the source makes numbers of the texts."""
    names = {"order_name": "Name", "created_at": "Created at", "financial_status": "Financial Status", "total": "Total",
             "refunded": "Refunded Amount", "outstanding": "Outstanding Balance"}  # fmt: skip
    rows = [
        ["#1", "x", "refunded", "$1,234.50", "$1,234.50", "$0.00"],
        ["#2", "x", "paid", "$7.00", "$0.00", "$0.00"],
        ["#3", "x", "partially_paid", "9.00", "0.00", "2.50"],
        ["#4", "x", "partially_paid", "$9.00", "0.00", "$2.50"],
    ]
    con.create_table("dressed", ibis.memtable(rows, columns=list(names.values())), overwrite=True)
    query = queries(con, "shopify", [ExportFile("dressed", names)])["orders"]
    found = {row["order_id"]: row["amount"] for row in con.sql(query).to_pyarrow().to_pylist()}
    assert found == {"#1": "$1,234.50", "#1 refund": "-$1,234.50", "#2": "$7.00", "#3": "6.50", "#4": "6.50"}


def test_orders_of_one_name_in_two_shops_are_two_orders(con):
    names = {"order_name": "Name", "id": "Id", "created_at": "Created at", "financial_status": "Financial Status",
             "total": "Total"}  # fmt: skip
    for shop, number in (("one", "7"), ("two", "8")):
        rows = [
            ["#1", number, "x", "paid", number],
            ["#1", None, "x", None, None],
            [f"#{number}", "3", "x", "paid", "1"],
        ]
        con.create_table(shop, ibis.memtable(rows, columns=list(names.values())), overwrite=True)
    files = [ExportFile(shop, names) for shop in ("one", "two")]
    query = queries(con, "shopify", files)["orders"]
    found = {row["order_id"]: float(row["amount"]) for row in con.sql(query).to_pyarrow().to_pylist()}
    assert found == {"#1 7": 7.0, "#1 8": 8.0, "#7": 1.0, "#8": 1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_runs_with_all_its_columns_and_with_the_required_ones_only(con, kind):
    """On an empty export: the engine accepts each query, and it has the key columns of its table."""
    for part in layout_of(kind).parts:
        all_columns = {column: headings[0] for column, headings in part.columns.items()}
        least = {column: all_columns[column] for column in (*part.required, *part.one_of[:1])}
        for found in (all_columns, least):
            schema = dict.fromkeys(found.values(), "string")
            con.create_table("f", schema=schema, overwrite=True)
            for table, query in queries(con, kind, [ExportFile("f", found)], part).items():
                if query:
                    assert con.sql(query).count().execute() == 0, table


def test_what_several_tables_need_of_an_export_is_in_one_helper_view(con):
    """The trimmed columns of the file, and the rule which orders count, stand in one place, to be changed there."""
    found = {column: headings[0] for column, headings in layout_of("shopify").parts[0].columns.items()}
    con.create_table("f", schema=dict.fromkeys(found.values(), "string"), overwrite=True)
    texts = queries(con, "shopify", [ExportFile("f", found)])
    assert list(texts) == ["_shopify_orders", "orders", "identities", "exclusions"]
    for text in ('FROM "f"', "'voided'", "getvariable('currency')"):
        assert [table for table, query in texts.items() if text in query] == ["_shopify_orders"]


@pytest.mark.parametrize(
    ("reply", "opts_out"),
    [
        ("stop", True), ("STOP!", True), ("Stop.", True), ('"STOP"', True), ("Stop please", True),
        ("please stop", True), ("STOP\n\nSent from my phone", True), ("stop\N{ZERO WIDTH SPACE}", True),
        ("Opt-out", True), ("stop by on Friday?", False), ("do you ship?", False), ("nonstop", False),
    ],
)  # fmt: skip
def test_opt_outs_as_people_write_them(con, reply, opts_out):
    columns = ["sid", "sender", "recipient", "text", "status", "sent_at", "direction"]
    rows = [
        ["1", "+1888", "+1202", "Sale", "delivered", "2024-05-01T10:00:00Z", "outbound-api"],
        ["2", "+1202", "+1888", reply, "received", "2024-05-01T11:00:00Z", "inbound"],
    ]
    con.create_table("log", ibis.memtable(rows, columns=columns), overwrite=True)
    files = [ExportFile("log", dict(zip(columns, columns, strict=True)))]
    (message,) = con.sql(queries(con, "twilio", files)["messages"]).to_pyarrow().to_pylist()
    assert (message["opted_out_at"] is not None, message["replied_at"] is not None) == (opts_out, not opts_out)


def test_one_call_of_aliyun_to_many_numbers_is_many_messages(con):
    columns = [*ALIYUN, "serial"]
    rows = [[phone, "2024-05-01 10:00:00", "发送成功", "SMS_1", "900^0"] for phone in ("13812345678", "13912345678")]
    con.create_table("log", ibis.memtable(rows, columns=columns), overwrite=True)
    files = [ExportFile("log", dict(zip(columns, columns, strict=True)))]
    found = con.sql(queries(con, "aliyun", files)["messages"]).to_pyarrow().to_pylist()
    assert len({row["message_id"] for row in found}) == 2
    assert not any("1381234" in row["message_id"] for row in found)


@pytest.mark.parametrize("kind", ["aliyun", "tencent"])
def test_a_text_in_two_files_counts_once_as_in_the_last(con, kind):
    """The first export still waited for the receipt."""
    columns = ["phone", "sent_at", "status", "template", "serial"]
    for name, status in (("first", "等待回执"), ("last", "发送失败")):
        rows = [[f"1381234567{n}", "2024-05-01 10:00:00", status, "SMS_1", "900^0"] for n in range(2)]
        con.create_table(name, ibis.memtable(rows, columns=columns), overwrite=True)
    files = [ExportFile(name, dict(zip(columns, columns, strict=True))) for name in ("first", "last")]
    texts = queries(con, kind, files)
    found = con.sql(texts["messages"]).to_pyarrow().to_pylist()
    assert [row["delivered_at"] for row in found] == ["no", "no"]
    (left_out,) = con.sql(texts["exclusions"]).to_pyarrow().to_pylist()
    assert (left_out["reason"].endswith("texts that the files repeat"), left_out["rows"]) == (True, 2)


@pytest.mark.parametrize("kind", ["aliyun", "tencent"])
def test_a_serial_number_that_a_spreadsheet_rounded_joins_no_texts(con, kind):
    columns = ["phone", "sent_at", "status", "template", "serial"]
    rows = [[f"1381234567{n}", f"2024-05-0{day} 10:00:00", "失败", "SMS_1", "2.02402E+15"]
            for n in range(2) for day in (1, 2)]  # fmt: skip
    con.create_table("log", ibis.memtable(rows, columns=columns), overwrite=True)
    texts = queries(con, kind, [ExportFile("log", dict(zip(columns, columns, strict=True)))])
    assert len(con.sql(texts["messages"]).to_pyarrow()) == 4
    assert len(con.sql(texts["exclusions"]).to_pyarrow()) == 0


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("aliyun", {"phone": "13812345678", "status": "发送成功", "template": "T", "serial": "900^0"}),
        ("aliyun", {"phone": "13812345678", "status": "发送成功", "template": "T"}),
        ("tencent", {"phone": "13812345678", "status": "SUCCESS", "serial": "5:1"}),
        ("attentive", {"phone": "13812345678", "type": "MESSAGE_RECEIPT", "message_id": "M1"}),
        ("klaviyo", {"phone": "13812345678", "metric": "Received SMS", "campaign": "C1"}),
    ],
)
def test_an_id_of_a_text_has_nothing_of_the_telephone_number(con, kind, names):
    """Nor a digest of it, which one can find by trying every number: another number gets the same id."""
    time = "sent_at" if kind in ("aliyun", "tencent") else "happened_at"
    found = []
    for phone in (names["phone"], "13912345678"):
        row = names | {time: "2024-05-01 10:00:00", "phone": phone}
        con.create_table("log", ibis.memtable([list(row.values())], columns=list(row)), overwrite=True)
        query = queries(con, kind, [ExportFile("log", {name: name for name in row})])["messages"]
        found += con.sql(query).to_pyarrow()["message_id"].to_pylist()
    assert found[0] == found[1] is not None
