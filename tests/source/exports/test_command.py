"""What `smsroi import` prints: what was found and assumed, what comes next, and no value of the files."""

import csv
import io

import pytest
from typer.testing import CliRunner

from smsroi_helpers import commands
from smsroi_helpers.errors import UsageError
from smsroi_helpers.source.exports.command import files_with_kinds
from smsroi_helpers.source.settings import read_settings
from tests.source.exports import makers
from tests.workbooks import write_workbook


@pytest.fixture
def invoke(tmp_path):
    def run(*arguments):
        result = CliRunner().invoke(
            commands.app, ["import", *map(str, arguments)], env={"SMSROI_PROJECT": str(tmp_path)}
        )
        return result.exit_code, result.stdout, result.stderr

    return run


def test_kinds_stand_before_their_files(tmp_path, monkeypatch):
    named = [
        (kind, str(path)) for kind, path in files_with_kinds(["a.csv", "twilio", "b.csv", "c.csv", "shopify", "d"])
    ]
    assert named == [("", "a.csv"), ("twilio", "b.csv"), ("twilio", "c.csv"), ("shopify", "d")]
    with pytest.raises(UsageError, match="name a file"):
        files_with_kinds(["twilio"])


def test_a_workbook_is_imported_and_everything_is_said(tmp_path, invoke):
    rows = list(csv.reader(io.StringIO(makers.youzan(40, 9).decode("gbk"))))
    assert any("交易关闭" in row for row in rows)
    for row in rows[1:]:
        row[1] = "交易未知" if row[1] == "已发货" else row[1]
    file = write_workbook(tmp_path / "订单.xlsx", {"订单": rows})
    code, said, errors = invoke(file, "--to", "data/tea")
    assert (code, errors) == (0, "")
    for line in (
        "订单.xlsx: Youzan orders (有赞订单), ",
        "  columns found and not used: 商品名称, 商品数量, 收货省份\n",
        "  timezone: Asia/Shanghai (youzan is a platform of that country)\n",
        "  country: CN (",
        "  currency: CNY (",
        "words of 订单状态 that the mapping does not know, check how it reads them: 交易未知\n",
        "not verified: the whole layout",
        "  left out, in exclusions.sql: Youzan orders that were not paid (待付款): ",
        "  export SMSROI_KEY_FILE=~/smsroi.key   # in each terminal",
        "data/tea\n",
        "notebooks/parameters/tea.yaml\n",
    ):
        assert line in said
    assert "1380000" not in said
    assert sorted(path.name for path in (tmp_path / "data" / "tea").iterdir()) == [
        "_youzan_orders.sql", "exclusions.sql", "identities.sql", "orders.sql", "source.yml",
    ]  # fmt: skip


def test_an_unknown_file_is_one_line_and_leaves_nothing(tmp_path, invoke):
    (tmp_path / "stock.csv").write_text("Shelf,Tea\n1,2\n", encoding="utf-8")
    code, said, errors = invoke(tmp_path / "stock.csv", "--to", "data/shop")
    assert (code, said) == (2, "")
    assert errors.startswith("smsroi: stock.csv: not an export of a platform that is known (columns found: Shelf, Tea)")
    assert errors.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_file_in_the_folder_named_like_a_table_is_refused(tmp_path, invoke):
    (tmp_path / "data" / "shop").mkdir(parents=True)
    file = tmp_path / "data" / "shop" / "orders.csv"
    file.write_text(makers.shopify(3, 2), encoding="utf-8")
    code, _said, errors = invoke(file, "--to", "data/shop")
    assert code == 2
    assert (
        "orders.csv is in the folder of the source, where its name means a table of the contract; rename it" in errors
    )


def test_an_encoding_is_named_on_the_command_line(tmp_path, invoke):
    """A file of Windows: refused with what to write, and read with it; the source remembers it."""
    file = tmp_path / "orders.csv"
    file.write_bytes(
        makers.shopify(12, 3).replace("leave at the door", "à côté, déposé, près de l’église").encode("cp1252")
    )
    code, _said, errors = invoke(file, "--to", "data/eu")
    assert (code, "--encoding cp1252" in errors) == (10, True)
    for forced in ((), ("--force",)):
        code, said, errors = invoke(file, "--to", "data/eu", "--encoding", "cp1252", *forced)
        assert (code, errors) == (0, "")
        assert "Shopify orders" in said
    assert "encoding: cp1252" in (tmp_path / "data" / "eu" / "source.yml").read_text(encoding="utf-8")
    assert invoke(file, "--to", "data/eu", "--force")[0] == 0


def test_prices_in_another_currency_are_no_costs(tmp_path, invoke):
    """Orders in pounds, texts priced in dollars."""
    orders, log = tmp_path / "orders.csv", tmp_path / "log.csv"
    orders.write_text(makers.shopify(12, 3).replace(",USD,", ",GBP,"), encoding="utf-8")
    log.write_text(makers.twilio(1, 12), encoding="utf-8")
    code, said, _errors = invoke(orders, log, "--to", "data/uk")
    assert code == 0
    assert "prices are in USD, not GBP; set message_cost in source.yml" in said
    assert "sent.cost" not in (tmp_path / "data" / "uk" / "messages.sql").read_text(encoding="utf-8")
    assert "# message_cost:" in (tmp_path / "data" / "uk" / "source.yml").read_text(encoding="utf-8")


def test_what_is_left_out_of_a_file_is_said(tmp_path, invoke):
    """A total, lines above the names, a repeated name, and a row with a field too many: 130 orders of $10 remain."""
    names = ["Name", "Created at", "Financial Status", "Total", "Email", "Notes", "Notes"]
    orders = [
        [f"#{n}", f"2024-05-{n % 28 + 1:02} 10:00:00 -0400", "paid", "10.00", f"a{n}@example.com"]
        for n in range(1, 131)
    ]
    rows = [["Report: orders"], names, *([*row, "", ""] for row in orders), ["Total", "", "", "1300.00", "", "", ""]]
    text = io.StringIO()
    csv.writer(text).writerows([*rows[:3], ["#99", *[""] * 9], *rows[3:]])
    (tmp_path / "orders.csv").write_text(text.getvalue())
    code, said, errors = invoke(tmp_path / "orders.csv", "--to", "data/tea")
    assert (code, errors) == (0, "")
    for line in (
        "orders.csv: Shopify orders, 130 rows\n",
        "  orders.csv: total row: the last row is the sum of the rows above it (column Total), so it is left out\n",
        "  orders.csv: report lines above the column names: the lines are skipped; the column names are in row 2\n",
        "  orders.csv: column name repeated: it is read as Notes_2\n",
        "  orders.csv: 1 rows have the wrong number of fields, the first in line 4, and are left out\n",
        "  orders.sql: 130 rows\n",
    ):
        assert line in said


def test_an_export_in_another_encoding_is_imported_when_it_is_named(tmp_path, invoke):
    rows = makers.shopify(30, 9).splitlines()
    text = "\n".join([f"{rows[0]},Note", *(f"{row},Grüße aus München – schöne Straße" for row in rows[1:])])
    (tmp_path / "orders.csv").write_bytes(text.encode("cp1252"))
    code, _said, errors = invoke(tmp_path / "orders.csv", "--to", "data/shop")
    assert code == 10
    assert "`smsroi import --encoding cp1252`" in errors
    code, _said, errors = invoke(tmp_path / "orders.csv", "--to", "data/shop", "--encoding", "cp1252")
    assert (code, errors) == (0, "")
    assert read_settings(tmp_path / "data" / "shop").encoding == "cp1252"
    assert invoke(tmp_path / "orders.csv", "--to", "data/shop", "--force")[0] == 0
    assert read_settings(tmp_path / "data" / "shop").encoding == "cp1252"
    code, _said, errors = invoke(tmp_path / "orders.csv", "--to", "data/other", "--encoding", "cp99")
    assert (code, errors.count("\n")) == (2, 1)
    assert "encoding: " in errors
    assert "'cp99' is not an encoding" in errors
