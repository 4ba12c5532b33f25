"""The matrix of bad data (D1 to D24), tried as a user meets it: `smsroi run`, its exit code, its one line, its report.

A source is refused (exit code 10, one line that says what, where and what to do) or its bad rows are put aside and
counted; either way what was published before stays as it was, to the byte.
"""

import datetime as dt
import gzip
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from smsroi_helpers import cli
from smsroi_helpers.contract import rules
from smsroi_helpers.contract import tables as contract_tables
from smsroi_helpers.runner.publish import ReportFolder
from tests.faults.tiny import PACKAGE_HOME, make_project, report_files, smsroi

pytestmark = pytest.mark.slow

Files = dict[str, str | bytes]

HEAD = "order_id,customer_id,ordered_at,amount,discount\n"
ROWS = "".join(f"{i:03},c{i % 4},2024-01-{1 + i:02} 10:00:00,{i}.5,\n" for i in range(9))
ORDERS = HEAD + ROWS
PHONE, EMAIL, PASSWORD = "13812345678", "ann@example.com", "geheim-7"


class Project:
    """A project with one small notebook and a published report, whose source is another every time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = make_project(root, {"00_alpha": ["1"]})
        parameters = (root / "notebooks" / "00_alpha.ipynb").read_text(encoding="utf-8")
        shared = parameters.replace("margin = 0.3 ", "max_rejected_share = 0.01 ")
        (root / "notebooks" / "00_alpha.ipynb").write_text(shared, encoding="utf-8")

    def fill(self, files: Files) -> None:
        """Put these files, and nothing else, into the source."""
        folder = self.root / "data" / "tiny"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def run(self, *options: str) -> tuple[int, str, str]:
        """`smsroi run`: exit code, standard output, standard error."""
        result = CliRunner().invoke(cli.app, ["run", str(self.file), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    def published(self) -> dict[str, bytes]:
        """What a reader of the report finds, and the list of reports."""
        return report_files(self.root) | {"../index.html": (self.root / "reports" / "index.html").read_bytes()}

    def manifest(self) -> dict[str, Any]:
        latest = ReportFolder(self.root, "tiny").latest()
        assert latest is not None
        return dict(latest["manifest"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        patch.setenv("SHOP_DB", f"postgres://me:{PASSWORD}@127.0.0.1:1/shop")
        made = Project(root)
        assert made.run()[0] == 0
        yield made


def refusal(project: Project, files: Files, *options: str) -> str:
    """The line with which a run over this source ends; nothing that was published is touched."""
    before = project.published()
    project.fill(files)
    code, stdout, stderr = project.run(*options)
    assert project.published() == before
    assert (code, stdout) == (10, ""), stderr
    (line,) = stderr.splitlines()
    check_line(line, project.root)
    failed = re.search(r" \(see (reports/tiny/failed-[\w-]+)\)$", line)
    if failed:
        manifest = json.loads((project.root / failed[1] / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["status"], manifest["exit_code"]) == ("failed", 10)
        assert line.startswith(f"smsroi: {manifest['reason']}")
        assert not list((project.root / failed[1]).rglob("*.html"))
    return line.removesuffix(failed[0] if failed else "")


def check_line(line: str, root: Path) -> None:
    assert line.startswith("smsroi: ")
    assert line.isprintable()
    assert len(line) < 1000
    assert not any(secret in line for secret in (PHONE, EMAIL, PASSWORD, str(root), "Traceback", "unexpected"))


# --- what refuses a source -------------------------------------------------------------------------------------------


def as_parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink, compression="snappy", use_dictionary=False)
    return sink.getvalue()


def orders_parquet(**changed: Any) -> bytes:
    columns = {
        "order_id": [f"{i:03}" for i in range(200)],
        "customer_id": [f"c{i % 40}" for i in range(200)],
        "ordered_at": [dt.datetime(2024, 1, 1) + dt.timedelta(hours=i) for i in range(200)],
        "amount": [i / 2 for i in range(200)],
    }
    return as_parquet(**(columns | changed))


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (77,)


PEOPLE = "customer_id,timezone,opted_out_at\nc0,Asia/Shanghai,\nc1,,2024-01-01 09:00:00\nc2,UTC,\nc3,UTC,\n"
TRIAL: Files = {
    "orders.csv": ORDERS,
    "experiments.csv": "experiment_id,kind,control_arm,started_at,primary_metric\nx,holdout,no,2024-01-01,\n",
    "arms.csv": "experiment_id,arm,share,hour_start\nx,no,0.25,\nx,yes,0.75,9\n",
    "assignments.csv": "experiment_id,customer_id,arm,assigned_at\n"
    + "".join(f"x,c{i},{'no' if i == 0 else 'yes'},2024-01-01\n" for i in range(4)),
    "messages.csv": "message_id,customer_id,campaign_id,sent_at,clicked_at,cost\n"
    + "".join(f"m{i},c{i},k,2024-01-01 10:00:00,2024-01-01 10:00:09,0.05\n" for i in range(4)),
    "customers.csv": PEOPLE,
}


def trial(**changed: tuple[str, str]) -> Files:
    """The sound trial with something else in one table."""
    files = dict(TRIAL)
    for table, (old, new) in changed.items():
        content = files[f"{table}.csv"]
        assert isinstance(content, str)
        assert old in content
        files[f"{table}.csv"] = content.replace(old, new)
    return files


def orders(*rows: str) -> Files:
    return {"orders.csv": ORDERS + "".join(f"{row}\n" for row in rows)}


GBK = "order_id,customer_id,ordered_at,amount,备注\n001,c1,2024-01-01,5,老顾客\n"
MANY = "".join(f"{i:06},顾客{i % 99},2024-01-01,5,\n" for i in range(900_000))

REFUSED: dict[str, tuple[Files | Callable[[], Files], str]] = {
    "D1 no bytes": ({"orders.csv": b""}, r"orders\.csv: the file is empty \(0 bytes\); export it again"),
    "D1 no bytes packed": ({"orders.csv.gz": b""}, r"orders\.csv\.gz: the file is empty"),
    "D1 no bytes of parquet": (
        {"orders.parquet": b""},
        r"orders\.parquet: cannot be read as parquet: .*; export it again",
    ),
    "D1 no file": ({"readme.txt": ""}, r"there is no table orders \(orders\.parquet, .*data/README\.md"),
    "D1 an empty folder of parts": (
        {"orders/readme.txt": ""},
        r"table orders: the folder orders/ holds no \.parquet file",
    ),
    "D2 header only": ({"orders.csv": HEAD}, "table orders: it has no rows; take the file away"),
    "D2 header without an end": ({"orders.csv": HEAD.strip()}, r"orders\.csv: it has no rows below its first line"),
    "D2 parquet without rows": (
        lambda: {
            "orders.parquet": orders_parquet(
                **{
                    name: pa.array([], kind)
                    for name, kind in (
                        ("order_id", pa.string()),
                        ("customer_id", pa.string()),
                        ("ordered_at", pa.timestamp("us")),
                        ("amount", pa.float64()),
                    )
                }
            )
        },
        "table orders: it has no rows",
    ),
    "D6 conflicting keys": (
        orders("000,c1,2024-01-01 10:00:00,99,"),
        r"table orders: 2 of 10 rows \(20\.0%\).*column order_id, conflicting key in 2 rows: rows of one key differ",
    ),
    "D6 repeated rows": (
        {"orders.csv": ORDERS + ROWS},
        r"table orders: 9 of 18 rows .*column order_id, repeated row in 9 rows: the row stands twice",
    ),
    "D6 a copy that cannot be read": (
        orders("000,c0,2024-01-01 10:00:00,0.5,oops"),
        r"table orders: 2 of 10 rows .*column (order_id, conflicting key|discount, unreadable) in 1 rows",
    ),
    "D7 ids of no value": (orders(",c1,2024-01-01,5,"), "column order_id, missing in 1 rows: every row needs a value"),
    "D8 only refunds of no number": (
        {"orders.csv": HEAD + "1,c1,2024-01-01,minus five,\n"},
        "table orders: 1 of 1 rows .*column amount, unreadable in 1 rows: write it as a number",
    ),
    "D10 a time the clock never showed": (
        orders("a,c1,2024-03-10 02:30:00,5,") | {"source.yml": "timezone: America/New_York\n"},
        "column ordered_at, no such local time in 1 rows: the clock was set forward .*; write times with their offset",
    ),
    "D10 Shanghai in 1991": (
        orders("a,c1,1991-04-14 02:30:00,5,") | {"source.yml": "timezone: Asia/Shanghai\n"},
        "column ordered_at, no such local time in 1 rows",
    ),
    "D10 no leap day": (orders("a,c1,2023-02-29,5,"), "column ordered_at, unreadable in 1 rows: write it as a date"),
    "D11 serial dates": (orders("a,c1,45295,5,"), "column ordered_at, spreadsheet date in 1 rows: .*export again"),
    "D11 a year that no calendar has": (
        lambda: {"orders.parquet": orders_parquet(ordered_at=pa.array([2**62] * 200).cast(pa.timestamp("us")))},
        "column ordered_at, unreadable in 200 rows",
    ),
    "D12 rounded ids": (
        orders("1.38E+10,c1,2024-01-01,5,"),
        "column order_id, spreadsheet damage in 1 rows: .*export again",
    ),
    "D12 customer ids are telephone numbers": (
        {"orders.csv": HEAD + "".join(f"{i},{int(PHONE) + i},2024-01-01,5,\n" for i in range(4))},
        "table orders, column customer_id: most values are telephone numbers.*`smsroi pseudonymise`",
    ),
    "D12 customer ids are addresses": (
        {"orders.csv": HEAD + "".join(f"{i},{EMAIL}{i},2024-01-01,5,\n" for i in range(4))},
        "table orders, column customer_id: most values are telephone numbers or e-mail addresses",
    ),
    "D13 UTF-16 cut": ({"orders.csv": ORDERS.encode("utf-16")[:-1]}, r"orders\.csv: cut in the middle of a character"),
    "D13 UTF-16 without its mark": ({"orders.csv": ORDERS.encode("utf-16-le")}, r"orders\.csv, line 1: a NUL byte"),
    "D13 Latin-1": (
        {"orders.csv": (ORDERS + "a,Jérôme,2024-01-01,5,\n").encode("latin-1")},
        r"orders\.csv, line 11: neither UTF-8 nor GB18030 .*; save the file as UTF-8",
    ),
    "D13 a bad byte in row 900,000": (
        lambda: {"orders.csv": (HEAD + MANY).encode() + b"x,\xff,2024-01-01,5,\n"},
        r"orders\.csv, line 900002: not UTF-8 \(a byte that cannot be read\); save the file as UTF-8",
    ),
    "D15 amounts of no size": (
        orders("a,c1,2024-01-01,1e999,"),
        "column amount, not finite in 1 rows: .*leave the field empty",
    ),
    "D16 another delimiter": (
        {"orders.csv": ORDERS.replace(",", "|")},
        r"table orders: no column order_id, .*; rename it in the file, or map it in orders\.sql",
    ),
    "D16 ragged": (
        orders("a,c1,2024-01-01,5", "b,c1,2024-01-01,5,,,"),
        "wrong number of fields in 2 rows: .*needs quotes",
    ),
    "D16 an open quote": (
        {"orders.csv": HEAD + '000,"c0,2024-01-01,5,\n' + ROWS},
        r"orders\.csv, line 2: a quote is opened and not closed .*; double it",
    ),
    "D16 an open quote in the last column": (
        {"orders.csv": HEAD + '000,c0,2024-01-01,5,"0\n' + ROWS},
        r"orders\.csv, line 2: a quote is opened and not closed",
    ),
    "D16 no lines at all": ({"orders.csv": "a" * 200_000}, r"orders\.csv: the first line is too long .*; export"),
    "D16 a NUL": (orders("a,c\0,2024-01-01,5,"), r"orders\.csv, line 11: a NUL byte"),
    "D17 a missing column": (
        {"orders.csv": "order_id,customer_id,amount\n1,a,5\n"},
        r"table orders: no column ordered_at \(there are: order_id, customer_id, amount\); rename it in the file",
    ),
    "D17 a column twice": (
        {"orders.csv": HEAD.replace("discount", "amount") + ROWS},
        r"orders\.csv: column amount stands twice .*; rename one",
    ),
    "D17 a column without a name": (
        {"orders.csv": ORDERS.replace("discount", "")},
        r"orders\.csv: column 5 has no name .*; name it",
    ),
    "D17 a column of the reader's own name": (
        {"orders.csv": ORDERS.replace("discount", "line__")},
        r"orders\.csv: the column name line__ is the reader's own; rename",
    ),
    "D17 the heading is missing": (
        {"orders.csv": f"1,{PHONE},2024-01-01,5\n2,b,2024-01-01,6\n"},
        "table orders: no column order_id",
    ),
    "D18 parquet cut": (
        lambda: {"orders.parquet": orders_parquet()[:-200]},
        r"orders\.parquet: cannot be read as parquet: .*; export it again",
    ),
    "D18 a byte of a page": (
        lambda: {"orders.parquet": flipped(orders_parquet(), 8)},
        "table orders: cannot be read: .*export it again",
    ),
    "D18 a byte of the heading": (
        lambda: {"orders.parquet": flipped(orders_parquet(), -7)},
        "cannot be read.*export it again",
    ),
    "D18 parquet called csv": (
        lambda: {"orders.csv": orders_parquet()},
        r"orders\.csv: this is no text file, .*; export it as CSV",
    ),
    "D18 csv called parquet": (
        {"orders.parquet": ORDERS},
        r"orders\.parquet: cannot be read as parquet: .*; export it again",
    ),
    "D18 csv called gz": ({"orders.csv.gz": ORDERS}, r"orders\.csv\.gz: not a whole gzip file; pack it again"),
    "D18 gz cut": (
        {"orders.csv.gz": gzip.compress(ORDERS.encode())[:-20]},
        r"orders\.csv\.gz: not a whole gzip file; pack it again",
    ),
    "D18 two files": (
        {"orders.csv": ORDERS, "orders.sql": "SELECT 1"},
        r"table orders: 2 files claim to be it .*; keep one",
    ),
    "D18 parts that differ": (
        lambda: {"orders/1.parquet": orders_parquet(), "orders/2.parquet": as_parquet(order_id=["1"])},
        "table orders: cannot be read: .*export it again",
    ),
    "D19 a bomb": (
        lambda: {"orders.csv.gz": gzip.compress(ORDERS.encode() + b"\n" * 120_000_000, 6)},
        r"orders\.csv\.gz: unpacks to more than .*; this is no table",
    ),
    "D19 a pickle": (lambda: {"orders.csv": pickle.dumps(Bomb(), protocol=4)}, r"orders\.csv: this is no text file"),
    "D19 a pickle called parquet": (
        lambda: {"orders.parquet": pickle.dumps(Bomb())},
        r"orders\.parquet: cannot be read as parquet",
    ),
    "D19 zip": ({"orders.csv": b"PK\x03\x04" + b"\0" * 60}, r"orders\.csv: this is no text file"),
    "D19 an address": (
        {"orders.sql": "SELECT * FROM export", "source.yml": "files: {export: 'http://127.0.0.1:9/orders.csv'}\n"},
        r"source\.yml, files\.export: there is no file orders\.csv at that path",
    ),
    "D19 a tag in source.yml": (
        {"orders.csv": ORDERS, "source.yml": "title: !!python/object/apply:os._exit [77]\n"},
        "source.yml cannot be read as YAML",
    ),
    "D19 source.yml not UTF-8": (
        {"orders.csv": ORDERS, "source.yml": "title: 街角\n".encode("gbk")},
        r"source\.yml: not UTF-8; save the file as UTF-8",
    ),
    "D19 an address of a database": (
        {"orders.csv": ORDERS, "source.yml": "database: ${SHOP_DB}\n"},
        r"source\.yml, database: cannot be opened .*; check the address",
    ),
    "D20 a mapping of two statements": (
        {"export.csv": ORDERS, "orders.sql": "SELECT * FROM export; COPY export TO 'stolen.csv'"},
        r"orders\.sql: the query fails: it must be one SELECT",
    ),
    "D20 a mapping not UTF-8": (
        {"export.csv": ORDERS, "orders.sql": "SELECT '街' FROM export".encode("gbk")},
        r"orders\.sql: not UTF-8; save the file",
    ),
    "D20 a mapping quotes a value": (
        {
            "orders.sql": "SELECT '1' AS order_id, 'a' AS customer_id, DATE '2024-01-01' AS ordered_at,"
            f" CAST('{PHONE} {EMAIL}' AS INT) AS amount"
        },
        r"orders\.sql: the query fails: Conversion Error: .*\[number\] \[e-mail\]",
    ),
    "D21 shares": (
        trial(arms=("yes,0.75", "yes,0.8")),
        r"table arms, column share: shares do not sum to 1 \(x: 1\.05\); the planned shares",
    ),
    "D21 a control that is no arm": (
        trial(experiments=("holdout,no", "holdout,none")),
        r"table experiments, column control_arm: is none of the arms \(x: none\); list the control arm",
    ),
    "D21 in two arms": (
        trial(assignments=("x,c3,yes,2024-01-01\n", "x,c3,yes,2024-01-01\nx,c3,no,2024-01-01\n")),
        r"table assignments: 2 of 5 rows .*column experiment_id \+ customer_id, in two arms in 2 rows: .*keep the ",
    ),
    "D21 an unknown arm": (
        trial(assignments=("x,c3,yes", "x,c3,perhaps")),
        "table assignments: .*column arm, unknown arm in 1 rows: .*check the spelling",
    ),
    "D22 a click before it was sent": (
        trial(messages=("10:00:09,0.05\nm3", "09:59:59,0.05\nm3")),
        "table messages: 1 of 4 rows .*column clicked_at, before it was sent in 1 rows: .*check the clocks",
    ),
    "D23 messages without orders": ({"messages.csv": TRIAL["messages.csv"]}, "there is no table orders"),
    "D24 an experiment of no rows": (
        trial(experiments=("x,holdout,no,2024-01-01,\n", "")),
        "table experiments: it has no rows; take the file away",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_source_that_cannot_be_used_is_refused_in_one_line(project: Project, case: str) -> None:
    files, words = REFUSED[case]
    line = refusal(project, files() if callable(files) else files)
    assert re.search(words, line), line
    assert "stolen.csv" not in [file.name for file in Path.cwd().iterdir()]


def test_as_of_before_the_first_order_is_refused(project: Project) -> None:
    line = refusal(project, {"orders.csv": ORDERS}, "-p", "as_of=2023-12-31")
    assert line == "smsroi: as_of 2023-12-31: the first order is of 2024-01-01; choose a later day"


def test_the_command_itself_says_the_same(project: Project) -> None:
    """All of it once in a process of its own, where nothing of the test's can catch what it should not."""
    before = project.published()
    project.fill({"orders.csv": HEAD + f"1,{PHONE},someday,5,\n"})
    result = smsroi(project.root, "run", str(project.file))
    assert (result.returncode, result.stdout) == (10, "")
    (line,) = result.stderr.splitlines()
    check_line(line, project.root)
    assert "table orders: 1 of 1 rows (100.0%) cannot be used" in line
    assert project.published() == before


# --- what is put aside, and what is sound ----------------------------------------------------------------------------


@dataclass
class Kept:
    """A run that was published: its tables (rows in, rows kept), what was put aside, and other findings."""

    tables: dict[str, tuple[int, int]]
    aside: dict[str, int]
    others: dict[str, int]
    first_and_last: tuple[str, str]
    manifest: dict[str, Any]


def published(project: Project, files: Files, share: float = 1.0) -> Kept:
    """A run over this source that ends well; what was published before is still there, to the byte."""
    before = project.published()
    project.fill(files)
    code, stdout, stderr = project.run("-p", f"max_rejected_share={share}", "--force")
    assert code == 0, stderr
    after = project.published()
    moving = {"latest.json", "latest.html", "../index.html"}
    assert all(after[name] == content for name, content in before.items() if name not in moving)
    assert stdout.strip().endswith("index.html")
    manifest = project.manifest()
    tables = manifest["source"]["tables"]
    findings = manifest["source"]["findings"]
    aside: dict[str, int] = {}
    for name, table in tables.items():
        errors = {f"{name}.{f['column']}: {f['rule']}".replace(".:", ":"): f["rows"] for f in findings
                  if f["table"] == name and f["severity"] == "error"}  # fmt: skip
        assert table["rows_in"] == table["rows_out"] + sum(errors.values())
        aside |= errors
    assert all(f["remedy"] for f in findings)
    others = {f"{f['table']}.{f['column']}: {f['rule']}": f["rows"] for f in findings
              if f["severity"] != "error" and f["table"] != "quarantine"}  # fmt: skip
    rows = {name: (table["rows_in"], table["rows_out"]) for name, table in tables.items()}
    return Kept(rows, aside, others, (tables["orders"]["first"], tables["orders"]["last"]), manifest)


EVERY_FAULT: Files = {
    "source.yml": "timezone: America/New_York\n",
    "orders.csv": ORDERS
    + "1.38E+10,c1,2024-01-01,5,\n"
    + "a,c1,45295,5,\nb,c1,2024-03-10 02:30,5,\nc,c1,someday,5,\nd,c1,2024-01-01,five,\ne,c1,2024-01-01,,\n"
    + "f,c1,2024-01-01,NaN,\ng,c1,2024-01-01,5,-1\nh,,2024-01-01,5,\n,c1,2024-01-01,5,\n"
    + "000,c0,2024-01-01 10:00:00,0.5,\n001,c1,2024-01-02 10:00:00,99,\ni,c1,2024-01-01,5\n",
    "customers.csv": PEOPLE + "c4,Mars/Base,\n",
    "messages.csv": "message_id,customer_id,campaign_id,sent_at"
    + ",delivered_at,opened_at,clicked_at,replied_at,opted_out_at\n"
    + "m0,c1,k,2024-01-01 10:00,2024-01-01 10:01,,,,\n"
    + "".join(f"m{i + 1},c1,k,2024-01-01 10:00{',' * i}2024-01-01 09:59{',' * (5 - i)}\n" for i in range(1, 6)),
    "experiments.csv": "experiment_id,kind,control_arm,started_at,primary_metric\n"
    + "x,holdout,no,2024-01-01,\ny,guess,no,2024-01-01,\nz,holdout,no,2024-01-01,joy\n",
    "arms.csv": "experiment_id,arm,share,hour_start\nx,no,0.25,\nx,yes,0.75,9\nx,more,0.5,nine\nx,most,1.5,\n",
    "assignments.csv": "experiment_id,customer_id,arm,assigned_at\nx,c0,no,2024-01-01\nx,c1,perhaps,2024-01-01\n"
    + "x,c2,no,2024-01-01\nx,c2,yes,2024-01-01\n",
}


def test_every_rule_is_reached_by_a_run_and_says_so_in_its_manifest(project: Project) -> None:
    kept = published(project, EVERY_FAULT)
    assert kept.aside == {
        "orders.order_id: spreadsheet damage": 1,
        "orders.ordered_at: spreadsheet date": 1,
        "orders.ordered_at: no such local time": 1,
        "orders.ordered_at: unreadable": 1,
        "orders.amount: unreadable": 1,
        "orders.amount: missing": 1,
        "orders.amount: not finite": 1,
        "orders.discount: too small": 1,
        "orders.customer_id: missing": 1,
        "orders.order_id: missing": 1,
        "orders.order_id: repeated row": 1,
        "orders.order_id: conflicting key": 2,
        "orders: wrong number of fields": 1,
        "customers.timezone: unknown time zone": 1,
        "messages.delivered_at: before it was sent": 1,
        "messages.opened_at: before it was sent": 1,
        "messages.clicked_at: before it was sent": 1,
        "messages.replied_at: before it was sent": 1,
        "messages.opted_out_at: before it was sent": 1,
        "experiments.kind: unknown kind": 1,
        "experiments.primary_metric: unknown metric": 1,
        "arms.hour_start: unreadable": 1,
        "arms.share: too large": 1,
        "assignments.arm: unknown arm": 1,
        "assignments.experiment_id + customer_id: in two arms": 2,
    }
    reached = set()
    codes = set()
    for finding in kept.aside:
        place, _, code = finding.partition(": ")
        table, _, column = place.partition(".")
        codes.add(code)
        known = contract_tables.TABLES[table].by_name.get(column)
        reached |= {rule for rule in rules.RULES
                    if rule.code == code and known and rule.holds_for(contract_tables.TABLES[table], known)}  # fmt: skip
    assert set(rules.RULES) - reached == set()
    assert {*rules.KEY_FAULTS, rules.WRONG_FIELDS} <= codes
    assert codes == {rule.code for rule in rules.RULES} | {*rules.KEY_FAULTS, rules.WRONG_FIELDS}


def test_every_rule_of_whole_tables_has_its_case() -> None:
    words = [words for _files, words in REFUSED.values()]
    for rule in rules.TABLE_RULES:
        assert any(f"table {rule.table}, column {rule.column}: {rule.code}" in line for line in words), rule


def test_a_share_of_bad_rows_that_is_allowed_is_published_and_the_next_one_is_not(project: Project) -> None:
    bad = orders("a,c1,someday,5,")
    assert published(project, bad, share=0.1).aside == {"orders.ordered_at: unreadable": 1}
    line = refusal(project, bad, "-p", "max_rejected_share=0.09", "--force")
    assert "1 of 10 rows (10.0%) cannot be used, above max_rejected_share 9.0%" in line


SOUND: dict[str, tuple[Files | Callable[[], Files], dict[str, tuple[int, int]], dict[str, int], tuple[str, str]]] = {
    "D7 a column without a value": (
        {"orders.csv": ORDERS, "customers.csv": "customer_id,joined_at,referred_by\nc0,,\nc1,,\n"},
        {"orders": (9, 9), "customers": (2, 2)},
        {},
        ("2024-01-01", "2024-01-09"),
    ),
    "D3 one order": (
        {"orders.csv": HEAD + "1,a,2024-01-01,5,\n"},
        {"orders": (1, 1)},
        {},
        ("2024-01-01", "2024-01-01"),
    ),
    "D5 one timestamp, D4 nobody twice": (
        {"orders.csv": HEAD + "".join(f"{i},c{i},2024-01-01 10:00,5,\n" for i in range(30))},
        {"orders": (30, 30)},
        {},
        ("2024-01-01", "2024-01-01"),
    ),
    "D7 D8 D9 D11 D12 D15 D17": (
        {
            "orders.csv": "\ufeffamount,colour,ordered_at,order_id,customer_id\n"
            "-5,red,2024-01-01T10:00:00+08:00,NaN,NA\n"
            "0,red,2024-01-01 10:00:00,null,None\n"
            "-999,red,2024-01-02T00:30-05:00,None,all-refunds\n"
            "1e308,red,1970-01-01,00123,ann\n"
            '"1,234.50",red,2024/1/3,9007199254740993123,ａｎｎ\n'
            "￥99,red,2024年1月4日,e\u0301,\u202eann\n"
            "１２３,red,20240105,🎁,a\u200bnn\n"
            "5,red,2999-01-01,é2,=1+1\n"
            "5,red,2020-12-31 23:59:59,w53,<b>\n"
            "5,red,2024-02-29,leap,{x}\n"
        },
        {"orders": (10, 10)},
        {"orders.colour: not in the contract": 10},
        ("1970-01-01", "2999-01-01"),
    ),
    "D10 the hour shown twice": (
        {
            "source.yml": "timezone: America/New_York\n",
            "orders.csv": HEAD + "1,a,2024-11-03 01:30:00,5,\n2,b,2024-11-03T01:30:00-05:00,5,\n",
        },
        {"orders": (2, 2)},
        {"orders.ordered_at: time shown twice": 1},
        ("2024-11-03", "2024-11-03"),
    ),
    "D13 D14 200,000 rows of GBK (a million: test_decoding)": (
        lambda: {
            "orders.csv": (
                "order_id,customer_id,ordered_at,amount,备注\n"
                + "".join(f"{i:07},顾客{i % 999},2024-01-0{1 + i % 9},5,老顾客\n" for i in range(200_000))
            ).encode("gbk")
        },
        {"orders": (200_000, 200_000)},
        {"orders.备注: not in the contract": 200_000},
        ("2024-01-01", "2024-01-09"),
    ),
    "D13 GB18030 of four bytes, D16 semicolons and CR": (
        {
            "orders.csv": (
                'order_id;customer_id;ordered_at;amount\r1;老顾客㐀;2024-01-01;"1,5"\r2;常来𠀀;2024-01-02;5\r'
            ).encode("gb18030")
        },
        {"orders": (2, 1)},
        {},
        ("2024-01-02", "2024-01-02"),
    ),
    "D13 UTF-16, D22 sends after the opt-out, D24 an empty arm": (
        lambda: {
            name: str(content).encode("utf-16")
            for name, content in trial(assignments=("x,c0,no,2024-01-01\n", ""), messages=("m1,c1", "m1,c1")).items()
        },
        {
            "orders": (9, 9),
            "customers": (4, 4),
            "messages": (4, 4),
            "experiments": (1, 1),
            "arms": (2, 2),
            "assignments": (3, 3),
        },
        {},
        ("2024-01-01", "2024-01-09"),
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_odd_and_sound_is_read_and_counted(project: Project, case: str) -> None:
    files, tables, others, days = SOUND[case]
    kept = published(project, files() if callable(files) else files)
    assert (kept.tables, kept.others, kept.first_and_last) == (tables, others, days)


# --- hostile text ----------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "{x}", "{{ 7*7 }}", "${HOME}",
    "\u202ereversed", "a\u200bb", "🎁", "'; DROP TABLE orders; --", "../../etc/passwd", "x" * 10_000, "%s%n", "\\",
    "\x1b[31m", PHONE, EMAIL,
)  # fmt: skip


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def test_hostile_text_is_data_everywhere(project: Project) -> None:
    """D20: in ids, in names of columns, in names of experiments, in a refusal, and in what a run leaves."""
    ids = "".join(f"{quoted(text)},{quoted(text)},2024-01-01,5,1,2,3,4,5\n" for text in HOSTILE)
    sound = "".join(f"{i},c{i},2024-01-02,5,1,2,3,4,5\n" for i in range(20))
    names = (HOSTILE[0], HOSTILE[2], PHONE, EMAIL, "n" * 10_000)
    heading = f"order_id,customer_id,ordered_at,amount,{','.join(map(quoted, names))}\n"
    files: Files = {"orders.csv": heading + ids + sound, "source.yml": f"title: {quoted(HOSTILE[1])}\n"}
    kept = published(project, files)
    assert kept.tables == {"orders": (len(HOSTILE) + 20, len(HOSTILE) + 20)}
    run = project.root / "reports" / "tiny" / kept.manifest["run"]
    for file in run.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert PHONE.encode() not in content
        assert EMAIL.encode() not in content
        if file.suffix == ".html":
            assert b"<script>alert" not in content
            assert b"<img src=x" not in content
    for text in HOSTILE:
        changed = trial(
            experiments=("x,holdout,no", f"{quoted(text)},holdout,no"),
            arms=("x,no,0.25,\nx,yes", f"{quoted(text)},no,0.5,\n{quoted(text)},yes"),
        )
        line = refusal(project, {name: changed[name] for name in ("orders.csv", "experiments.csv", "arms.csv")})
        assert "shares do not sum to 1" in line


def test_a_table_of_bad_rows_keeps_no_raw_value_in_its_quarantine(project: Project, tmp_path: Path) -> None:
    from smsroi_helpers.source.read import load

    project.fill(orders(f"{PHONE},{EMAIL},someday,5,", f"{PHONE}9,{EMAIL},someday,5,"))
    load("data/tiny", tmp_path / "into", 1.0)
    rows = duckdb.sql(f"FROM '{tmp_path / 'into' / 'quarantine.parquet'}'").fetchall()
    assert rows == [("orders", 11, "ordered_at: unreadable", None), ("orders", 12, "ordered_at: unreadable", None)]


# --- the notebooks themselves ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with the workbook's own notebooks; nothing is published yet."""
    root = tmp_path_factory.mktemp("workbook").resolve()
    made = Project(root)
    (root / "notebooks" / "00_alpha.ipynb").unlink()
    for name in ("00_quality", "02_cltv"):
        shutil.copy(PACKAGE_HOME / "notebooks" / f"{name}.ipynb", root / "notebooks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMSROI_PROJECT", str(root))
        yield made


ODD: dict[str, Files] = {
    "D3 one customer, one order": {"orders.csv": HEAD + "1,a,2024-01-01,5,\n"},
    "D4 D5 nobody bought twice, all at once": {
        "orders.csv": HEAD + "".join(f"{i},c{i},2024-01-01 10:00,5,\n" for i in range(30))
    },
    "D8 D20 refunds, and hostile text": {
        "source.yml": f"title: {quoted(HOSTILE[0])}\n",
        "orders.csv": HEAD
        + "".join(f"{i},c{i % 20},2024-{1 + i % 9:02}-11,{i - 9},\n" for i in range(120))
        + "".join(f"{quoted(text)},{quoted(text)},2024-02-01,-5,\n" for text in HOSTILE),
        "customers.csv": f"customer_id,region,{quoted('attr_' + HOSTILE[0])}\n"
        + "".join(f"{quoted(text)},{quoted(text)},{quoted(text)}\n" for text in HOSTILE),
    },
}


@pytest.mark.parametrize("case", ODD)
def test_the_notebooks_publish_what_little_or_odd_data_allow(workbook: Project, case: str) -> None:
    workbook.fill(ODD[case])
    code, _stdout, stderr = workbook.run()
    assert code == 0, stderr
    manifest = workbook.manifest()
    assert manifest["notebooks"]["00_quality"]["status"] == "ok"
    cltv = manifest["notebooks"]["02_cltv"]
    assert cltv["status"] in ("ok", "skipped")
    assert cltv["status"] == "ok" or cltv["reason"]
    run = workbook.root / "reports" / "tiny" / manifest["run"]
    for page in run.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not any(word in text for word in (PHONE, EMAIL, "<script>alert", "<img src=x", "Traceback"))


# --- one shop in every form ------------------------------------------------------------------------------------------

COLUMNS = ("order_id", "customer_id", "ordered_at", "amount", "discount")


def some_orders() -> list[tuple[str, ...]]:
    """Orders of 60 customers over two years, some of them of people with Chinese names; amounts are of whole cents."""
    made = []
    for i in range(900):
        person = i * 37 % 60 if i % 3 else i % 11
        day = dt.date(2023, 1, 1) + dt.timedelta(days=i * 29 % 720)
        time = f"{day} {i * 7 % 24:02}:{i * 11 % 60:02}:00"
        made.append(
            (f"{i:05}", f"顾客{person}", time, f"{(i * 7919 % 20000 - 900) / 100:.2f}", "" if i % 5 else "1.50")
        )
    return made


def in_every_form() -> dict[str, Files]:
    rows = some_orders()
    text = "".join(",".join(row) + "\n" for row in [COLUMNS, *rows])
    table = duckdb.from_arrow(pa.table({name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)})).project(
        "order_id, customer_id,"
        " timezone('UTC', timezone('Asia/Shanghai', CAST(ordered_at AS TIMESTAMP))) AS ordered_at,"
        " CAST(amount AS DOUBLE) AS amount, CAST(nullif(discount, '') AS DOUBLE) AS discount"
    )
    # A parquet time is on the source's clock too, unless it carries its zone.
    typed = table.select("* REPLACE (timezone('UTC', ordered_at) AS ordered_at)").to_arrow_table()

    def parquet_of(part: pa.Table) -> bytes:
        sink = io.BytesIO()
        parquet.write_table(part, sink)
        return sink.getvalue()

    parts = [parquet_of(typed.slice(start, 300)) for start in (0, 300, 600)]
    export = text.replace("order_id,customer_id,ordered_at,amount,discount", "订单,顾客,时间,实付,优惠")
    mapping = (
        "SELECT 订单 AS order_id, 顾客 AS customer_id, 时间 AS ordered_at, 实付 AS amount, 优惠 AS discount FROM export"
    )
    forms: dict[str, Files] = {
        "UTF-8": {"orders.csv": text},
        "BOM": {"orders.csv": "\ufeff" + text},
        "GB18030": {"orders.csv": text.encode("gb18030")},
        "UTF-16": {"orders.csv": text.encode("utf-16")},
        "gzip": {"orders.csv.gz": gzip.compress(text.encode())},
        "parquet": {"orders.parquet": parquet_of(typed)},
        "three parts": {f"orders/{name}.parquet": part for name, part in zip("abc", parts, strict=True)},
        "three parts in another order": {
            f"orders/{name}.parquet": part for name, part in zip("cab", parts, strict=True)
        },
        "a mapping": {"export.csv": export, "orders.sql": mapping},
        "semicolons, rows in another order": {
            "orders.csv": "\n".join(";".join(row) for row in [COLUMNS, *sorted(rows, key=lambda row: row[3])]) + "\n"
        },
    }
    settings = "title: One shop\ntimezone: Asia/Shanghai\ncurrency: CNY\n"
    return {name: {"source.yml": settings, **files} for name, files in forms.items()}


def test_the_same_orders_in_every_form_leave_the_same_tables(workbook: Project) -> None:
    """To the byte. The notebook of values, which takes long, sees the two forms read in the least like ways."""
    seen: dict[str, dict[str, bytes]] = {}
    for form, files in in_every_form().items():
        workbook.fill(files)
        code, _stdout, stderr = workbook.run("--force", *([] if form in ("UTF-8", "a mapping") else ["--only=quality"]))
        assert code == 0, (form, stderr)
        tables = workbook.root / "reports" / "tiny" / workbook.manifest()["run"] / "tables"
        seen[form] = {str(file.relative_to(tables)): file.read_bytes() for file in tables.rglob("*.parquet")}
    whole = seen["UTF-8"]
    assert {"exclusions.parquet", "quarantine.parquet", "decisions/00_quality.parquet"} < set(whole)
    assert set(seen["a mapping"]) == set(whole)
    for form, tables_of in seen.items():
        assert [name for name, content in tables_of.items() if whole[name] != content] == [], form


# --- canaries --------------------------------------------------------------------------------------------------------


def canary_files() -> Files:
    """A sound source in which somebody's number and address stand wherever a source can hold text."""
    canary = f"{PHONE} {EMAIL}"
    return {
        "source.yml": f"title: Shop of {canary}\njurisdiction: CN\n",
        "orders.csv": f"order_id,customer_id,ordered_at,amount,tel{PHONE},{EMAIL}\n"
        + "".join(f"{PHONE}{i:02},c{i % 9},2024-{1 + i % 6:02}-{1 + i % 28:02},{5 + i},x,y\n" for i in range(90))
        + f"{EMAIL},{PHONE},2024-06-29,5,x,y\n8,c1,{canary},5,x,y\n9,c1,2024-06-29,{canary},x,y\n",
        "people.csv": "customer_id,region,attr_who\n"
        + "".join(f"c{i},{canary},{canary}\n" for i in range(9))
        + f"{PHONE},{PHONE},{EMAIL}\n",
        "customers.sql": "SELECT * FROM people",
        "exclusions.sql": f"SELECT 'left out because of {canary}_{PHONE}' AS reason, 3 AS rows",
        "messages.csv": "message_id,customer_id,campaign_id,sent_at,channel,variant\n"
        + "".join(f"{PHONE}{i:02},c{i % 9},{canary},2024-03-{1 + i % 28:02},{canary},{EMAIL}\n" for i in range(40)),
        "campaigns.csv": f"campaign_id,name,objective\n{canary},{canary},{EMAIL}\n",
        "creatives.csv": f"campaign_id,variant,text\n{canary},{EMAIL},call {canary}\n",
    }


def assert_nobody_is_named(folder: Path) -> None:
    """In no file but the tables of customers, which are not read by others; nor in any name."""
    spellings = (PHONE, EMAIL, f"{PHONE[:3]}-{PHONE[3:7]}", f"{PHONE[:3]} {PHONE[3:7]} ", KEY)
    for file in folder.rglob("*"):
        if file.is_file() and "tables" not in file.relative_to(folder).parts:
            content = file.read_bytes().decode("utf-8", errors="replace")
            assert [spelling for spelling in spellings if spelling in content + file.name] == [], file


KEY = "a key that is thirty-two bytes long, or more"


def test_a_canary_appears_in_no_page_log_manifest_notebook_or_error(
    workbook: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMSROI_KEY", KEY)
    workbook.fill(canary_files())
    code, stdout, stderr = workbook.run("-p", "max_rejected_share=0.05", "--force")
    assert code == 0, stderr
    manifest = workbook.manifest()
    assert {f"{f['column']}: {f['rule']}" for f in manifest["source"]["findings"] if f["severity"] == "error"} == {
        "ordered_at: unreadable",
        "amount: unreadable",
    }
    assert len(manifest["source"]["key_id"]) == 8
    run = workbook.root / "reports" / "tiny" / manifest["run"]
    assert {"index.html", "00_quality.html", "manifest.json"} <= {file.name for file in run.iterdir()}
    assert_nobody_is_named(workbook.root / "reports")
    aside = duckdb.sql(f"FROM '{run / 'tables' / 'quarantine.parquet'}'").df()
    assert aside["key"].str.fullmatch("[0-9a-f]{32}").all()
    for table in ("quarantine", "exclusions"):
        assert not any(word in str(duckdb.sql(f"FROM '{run / 'tables' / table}.parquet'").fetchall())
                       for word in (PHONE, EMAIL, KEY))  # fmt: skip

    code, _stdout, refused = workbook.run("--force")  # now the two bad rows are too many
    assert code == 10
    checked = CliRunner().invoke(cli.app, ["check", "data/tiny"])
    assert checked.exit_code == 10
    for said in (stdout, stderr, refused, checked.stdout, checked.stderr):
        assert not any(word in said for word in (PHONE, EMAIL, KEY)), said
    assert_nobody_is_named(workbook.root / "reports")
