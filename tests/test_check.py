"""`smsroi check`: reports the problems of a source without a run."""

import datetime as dt
import io
import re
import sys
import tempfile

import pytest
from typer.testing import CliRunner

from smsroi_helpers import commands

HEAD = "order_id,customer_id,ordered_at,amount\n"
GOOD = "".join(f"{i},c{i},2024-01-{1 + i:02},5\n" for i in range(4))


@pytest.fixture
def check(make_source, tmp_path, monkeypatch):
    """Checks a source with these files and returns exit code, standard output, standard error; leaves no files."""

    def checked(*options: str, **files: str) -> tuple[int, str, str]:
        folder = make_source(**files)
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        before = {path: path.read_bytes() for path in folder.rglob("*")}
        result = CliRunner().invoke(commands.app, ["check", str(folder), *options])
        assert list((tmp_path / "tmp").iterdir()) == []
        assert {path: path.read_bytes() for path in folder.rglob("*")} == before
        return result.exit_code, result.stdout, result.stderr

    return checked


def cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def test_a_sound_source(check):
    code, stdout, stderr = check(orders=HEAD + GOOD)
    assert (code, stderr) == (0, "")
    assert [cells(line) for line in stdout.splitlines()] == [
        ["table", "rows in", "rows kept", "days"],
        ["orders", "4", "4", "2024-01-01 to 2024-01-04"],
        ["last day observed (as_of): 2024-01-04"],
        ["can run: 00_quality, 01_segmentation, 02_cltv, 04_frequency, 07_retention, 08_effectiveness"],
        [
            "cannot run: 03_timing (needs messages), 05_ab_test (needs experiments, arms, assignments), 06_content"
            " (needs messages, creatives), 09_send_plan (needs messages, experiments, arms, assignments)"
        ],
        ["too little data for an answer: 02_cltv (0 customers bought on a second day; it needs 30)"],
        ["compare with the shop's own totals: 4 orders for $20.00"],
        [""],
        ["nothing to report"],
    ]


@pytest.mark.parametrize(
    ("customers", "days", "line"),
    [
        (30, 70, ""),
        (29, 70, "02_cltv (29 customers bought on a second day; it needs 30)"),
        (30, 9, "02_cltv (the orders cover 9 days; it needs 56)"),
    ],
)
def test_a_notebook_that_will_say_not_enough_is_named(check, customers, days, line):
    first = dt.date(2024, 1, 1)
    rows = [f"{i}-{n},c{i},{first + dt.timedelta(days=days * n)},5\n" for i in range(customers) for n in (0, 1)]
    stdout = check(orders=HEAD + "".join(rows))[1]
    assert ("too little data" in stdout) == bool(line)
    assert line in stdout


def test_money_is_told_as_the_shop_counts_it(check):
    guests = "".join(f"g{i},guest,2024-01-02,7\n" for i in range(3)) + "back,guest,2024-01-03,-1.50\n"
    rows = GOOD + "9,c1,2024-01-03,-2.50\n" + guests
    stdout = check(orders=HEAD + rows, source="currency: EUR\n")[1]
    told = "4 orders for €20.00, 1 refund for €2.50, besides 3 orders of guests for €21.00"
    told += ", 1 refund of guests for €1.50"
    assert f"compare with the shop's own totals: {told}\n" in stdout


@pytest.mark.parametrize(
    ("columns", "after", "told"),
    [
        (
            ",delivered_at,clicked_at,opted_out_at",
            [",2024-01-01 10:01,2024-01-01 10:05,2024-01-01 11:00", ",2024-01-01 10:01,,", ",,,"],
            ", 2 delivered or of unknown outcome, 1 clicked, by machines too, 1 customer opted out",
        ),
        ("", ["", "", ""], ""),  # what is not recorded is not told
    ],
)
def test_texts_are_told_as_the_gateway_counts_them(check, columns, after, told):
    sent = [f"{who},{who},k,2024-01-01 10:00" for who in "abc"]
    rows = "".join(f"{one}{more}\n" for one, more in zip(sent, after, strict=True))
    stdout = check(messages=f"message_id,customer_id,campaign_id,sent_at{columns}\n{rows}")[1]
    assert f"compare with the gateway's own totals: 3 texts{told}\n" in stdout


@pytest.mark.parametrize(("clicked", "short"), [("", True), ("2024-01-01 10:05", False)])
def test_hours_need_a_click_or_an_order(check, clicked, short):
    head = "message_id,customer_id,campaign_id,sent_at,clicked_at\n"
    stdout = check(messages=head + f"1,a,k,2024-01-01 10:00,{clicked}\n2,b,k,2024-01-01 10:00,\n")[1]
    assert ("too little data for an answer: 03_timing (no click and no order is known)" in stdout) == short


def test_findings_about_rows_mappings_and_the_whole_log(check):
    code, stdout, _ = check(
        "--max-rejected-share=0.5",
        export=HEAD + GOOD + "8,c1,someday,5\n9,,2024-01-04,1\n",
        orders__sql="SELECT * FROM export WHERE customer_id IS NOT NULL",
        exclusions__sql="SELECT 'no customer' AS reason, count(*) AS rows FROM export WHERE customer_id IS NULL",
        customers="customer_id\nc0\nc1\nc2\n",
    )
    assert code == 0
    lines = [cells(line) for line in stdout.splitlines()]
    assert ["orders", "5", "4", "2024-01-01 to 2024-01-04"] in lines
    assert [line[:4] for line in lines if line[0] in ("error", "stated", "warning")] == [
        ["stated", "mapping", "no customer", "1"],
        ["error", "orders", "ordered_at: unreadable", "1"],
        ["warning", "orders", "customers who are not in customers", "1"],
    ]
    (unreadable,) = (line for line in lines if line[2:3] == ["ordered_at: unreadable"])
    assert unreadable[4] == "20.00%"
    assert unreadable[5].startswith("write it as a date")


def test_a_refused_source_shows_all_its_errors_and_ends_with_10(check):
    code, stdout, stderr = check(orders=HEAD + GOOD + "8,c1,someday,5\n9,c1,2024-01-02,five\n")
    assert code == 10
    assert "ordered_at: unreadable" in stdout
    assert "amount: unreadable" in stdout
    assert stderr.splitlines() == [stderr.strip()]
    assert stderr.startswith("smsroi: table orders: 2 of 6 rows (33.3%) cannot be used, above max_rejected_share 1.0%")


def test_a_table_that_cannot_be_used_is_one_line(check):
    code, stdout, stderr = check(orders="order_id,customer_id,amount\n1,a,5\n")
    assert (code, stdout) == (10, "")
    assert stderr.startswith(
        "smsroi: table orders: no column ordered_at (columns found: order_id, customer_id, amount)"
    )


def test_no_good_row_at_all(check):
    code, stdout, stderr = check("--max-rejected-share", "1", orders=HEAD + GOOD.replace("2024-", ""))
    assert (code, stdout) == (10, "")
    assert stderr.startswith("smsroi: table orders: 4 of 4 rows (100.0%) cannot be used")


def test_a_share_above_1_is_refused(check):
    code, stdout, _ = check("--max-rejected-share", "2", orders=HEAD + GOOD)
    assert (code, stdout) == (2, "")


HOSTILE = "[red]13812345678[/red] \x1b[31m [link=x]ann@example.com"
SHOWN = "[red][number][/red] \N{REPLACEMENT CHARACTER}[31m [link=x][e-mail]"


def test_text_from_the_data_is_escaped(check):
    reason = HOSTILE.replace("\x1b", "' || chr(27) || '")
    _, stdout, _ = check(
        export=HEAD + GOOD,
        orders__sql="SELECT * FROM export",
        exclusions__sql=f"SELECT '{reason}' AS reason, 7 AS rows",
    )
    assert SHOWN in stdout


def test_a_terminal_gets_a_table_with_escaped_text(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stdout", Terminal())
    commands._show_table(["what", "rows"], [[HOSTILE, "1,234"]])
    shown = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert SHOWN in shown
    assert "────" in shown
