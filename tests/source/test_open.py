"""The matrix of bad data (D1 to D24), tried as a user meets it: what refuses a source.

Exit code 10 and one line that says what, where and what to do; what was published before stays as it was, to the byte.
"""

import datetime as dt
import gzip
import io
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from smsroi_helpers.contract import rules
from tests.faults.bad_data import (
    EMAIL,
    HEAD,
    ORDERS,
    PHONE,
    ROWS,
    TRIAL,
    Files,
    Project,
    check_line,
    orders,
    refusal,
    trial,
)
from tests.faults.tiny import smsroi

pytestmark = pytest.mark.slow


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


GBK = "order_id,customer_id,ordered_at,amount,备注\n001,c1,2024-01-01,5,老顾客\n"
MANY = "".join(f"{i:06},顾客{i % 99},2024-01-01,5,\n" for i in range(900_000))

REFUSED: dict[str, tuple[Files | Callable[[], Files], str]] = {
    "D1 no bytes": ({"orders.csv": b""}, r"orders\.csv: the file is empty \(0 bytes\); export it again"),
    "D1 no bytes packed": ({"orders.csv.gz": b""}, r"orders\.csv\.gz: the file is empty"),
    "D1 no bytes of parquet": (
        {"orders.parquet": b""},
        r"orders\.parquet: cannot be read as parquet: .*; export it again",
    ),
    "D1 no file": ({"readme.txt": ""}, r"no table orders and no table messages \(orders\.parquet, .*data/README\.md"),
    "D1 an empty folder of parts": (
        {"orders/readme.txt": ""},
        r"table orders: the folder orders/ contains no \.parquet file",
    ),
    "D2 header only": ({"orders.csv": HEAD}, "table orders: no rows; delete the file"),
    "D2 header without an end": ({"orders.csv": HEAD.strip()}, r"orders\.csv: there are no rows below the header"),
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
        "table orders: no rows",
    ),
    "D6 conflicting keys": (
        orders("000,c1,2024-01-01 10:00:00,99,"),
        r"table orders: 2 of 10 rows \(20\.0%\).*column order_id, conflicting key in 2 rows: rows with the same key",
    ),
    "D6 repeated rows": (
        {"orders.csv": ORDERS + ROWS},
        r"table orders: 9 of 18 rows .*column order_id, repeated row in 9 rows: the row has exact duplicates",
    ),
    "D6 a copy that cannot be read": (
        orders("000,c0,2024-01-01 10:00:00,0.5,oops"),
        r"table orders: 2 of 10 rows .*column (order_id, conflicting key|discount, unreadable) in 1 rows",
    ),
    "D7 ids of no value": (orders(",c1,2024-01-01,5,"), "column order_id, missing in 1 rows: every row needs a value"),
    "D8 only refunds of no number": (
        {"orders.csv": HEAD + "1,c1,2024-01-01,minus five,\n"},
        "table orders: 1 of 1 rows .*column amount, unreadable in 1 rows, such as minus five: write it as a number",
    ),
    "D10 a time the clock never showed": (
        orders("a,c1,2024-03-10 02:30:00,5,") | {"source.yml": "timezone: America/New_York\n"},
        "column ordered_at, no such local time in 1 rows: the clock was set forward.*; write times with their offset",
    ),
    "D10 Shanghai in 1991": (
        orders("a,c1,1991-04-14 02:30:00,5,") | {"source.yml": "timezone: Asia/Shanghai\n"},
        "column ordered_at, no such local time in 1 rows",
    ),
    "D10 no leap day": (
        orders("a,c1,2023-02-29,5,"),
        "column ordered_at, unreadable in 1 rows, such as 2023-02-29: write it as a date",
    ),
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
    "D13 UTF-16 cut": (
        {"orders.csv": ORDERS.encode("utf-16")[:-1]},
        r"orders\.csv: the file ends in the middle of a character",
    ),
    "D13 a NUL byte": ({"orders.csv": "\0" + ORDERS}, r"orders\.csv, line 1: a NUL byte"),
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
        {"orders.csv": ORDERS.replace(",", "^")},
        r"table orders: no column order_id, .*; rename it in the file, or map it in orders\.sql",
    ),
    "D16 ragged": (
        orders("a,c1,2024-01-01,5", "b,c1,2024-01-01,5,,,"),
        "wrong number of fields in 2 rows, the first in line 11: .*quote fields that contain the delimiter",
    ),
    "D16 an open quote": (
        {"orders.csv": HEAD + '000,"c0,2024-01-01,5,\n' + ROWS},
        r"orders\.csv, line 2: a quote is opened but not closed .*; double it",
    ),
    "D16 an open quote in the last column": (
        {"orders.csv": HEAD + '000,c0,2024-01-01,5,"0\n' + ROWS},
        r"orders\.csv, line 2: a quote is opened but not closed",
    ),
    "D16 no lines at all": ({"orders.csv": "a" * 200_000}, r"orders\.csv: the first line is too long .*; export"),
    "D16 a NUL": (orders("a,c\0,2024-01-01,5,"), r"orders\.csv, line 11: a NUL byte"),
    "D17 a missing column": (
        {"orders.csv": "order_id,customer_id,amount\n1,a,5\n"},
        r"table orders: no column ordered_at \(columns found: order_id, customer_id, amount\); rename it in the file",
    ),
    "D17 a column twice": (
        {"orders.csv": HEAD.replace("discount", "amount") + ROWS},
        r"orders\.csv: column amount appears twice .*; rename one",
    ),
    "D17 a column without a name": (
        {"orders.csv": ORDERS.replace("amount", "")},
        r"orders\.csv: column 4 has no name .*; name it",
    ),
    "D17 a column of the reader's own name": (
        {"orders.csv": ORDERS.replace("discount", "line__")},
        r"orders\.csv: the column name line__ is reserved; rename",
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
        r"orders\.csv: not a text file, .*: give it the ending \.parquet",
    ),
    "D18 csv called parquet": (
        {"orders.parquet": ORDERS},
        r"orders\.parquet: cannot be read as parquet: .*; export it again",
    ),
    "D18 csv called gz": (
        {"orders.csv.gz": ORDERS},
        r"orders\.csv\.gz: the gzip file is damaged or cut short; compress it again",
    ),
    "D18 gz cut": (
        {"orders.csv.gz": gzip.compress(ORDERS.encode())[:-20]},
        r"orders\.csv\.gz: the gzip file is damaged or cut short; compress it again",
    ),
    "D18 two files": (
        {"orders.csv": ORDERS, "orders.sql": "SELECT 1"},
        r"table orders: 2 sources for one table .*; keep one",
    ),
    "D18 parts that differ": (
        lambda: {"orders/1.parquet": orders_parquet(), "orders/2.parquet": as_parquet(order_id=["1"])},
        "table orders: cannot be read: .*export it again",
    ),
    "D19 a bomb": (
        lambda: {"orders.csv.gz": gzip.compress(ORDERS.encode() + b"\n" * 120_000_000, 6)},
        r"orders\.csv\.gz: unpacks to more than .*; check the file",
    ),
    "D19 a pickle": (lambda: {"orders.csv": pickle.dumps(Bomb(), protocol=4)}, r"orders\.csv: not a text file"),
    "D19 a pickle called parquet": (
        lambda: {"orders.parquet": pickle.dumps(Bomb())},
        r"orders\.parquet: cannot be read as parquet",
    ),
    "D19 zip": ({"orders.csv": b"PK\x03\x04" + b"\0" * 60}, r"orders\.csv: not a text file"),
    "D19 an address": (
        {"orders.sql": "SELECT * FROM export", "source.yml": "files: {export: 'http://127.0.0.1:9/orders.csv'}\n"},
        r"source\.yml, files\.export: no file orders\.csv at that path",
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
        r"orders\.sql: a mapping must be one SELECT",
    ),
    "D20 a mapping not UTF-8": (
        {"export.csv": ORDERS, "orders.sql": "SELECT '街' FROM export".encode("gbk")},
        r"orders\.sql: not UTF-8; save the file",
    ),
    "D20 a mapping converts a value that is no number": (
        {
            "export.csv": f"id,who,day,paid\n1,a,2024-01-01,{PHONE} {EMAIL} 王小明\n",
            "orders.sql": "SELECT id AS order_id, who AS customer_id, day AS ordered_at,"
            "\n paid::INT AS amount FROM export",
        },
        r"orders\.sql, line 2, column amount: a text is not a whole number; use try_cast[^王]*$",
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
        r"table assignments: 2 of 5 rows .*column experiment_id \+ customer_id, in two arms in 2 rows: "
        "a customer in two arms had both treatments.*leave the customer out",
    ),
    "D21 an unknown arm": (
        trial(assignments=("x,c3,yes", "x,c3,perhaps")),
        "table assignments: .*column arm, unknown arm in 1 rows: .*check the spelling",
    ),
    "D22 a click before it was sent": (
        trial(messages=("10:00:09,0.05\nm3", "09:59:59,0.05\nm3")),
        "table messages: 1 of 4 rows .*column clicked_at, before it was sent in 1 rows: .*check the clocks",
    ),
    "D23 neither orders nor messages": (
        {"customers.csv": TRIAL["customers.csv"]},
        "no table orders and no table messages",
    ),
    "D24 an experiment of no rows": (
        trial(experiments=("x,holdout,no,2024-01-01,\n", "")),
        "table experiments: no rows; delete the file",
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
    assert line == "smsroi: as_of 2023-12-31 is before the first order (2024-01-01); choose a later day"


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


def test_every_rule_of_whole_tables_has_its_case() -> None:
    words = [words for _files, words in REFUSED.values()]
    for rule in rules.TABLE_RULES:
        assert any(f"table {rule.table}, column {rule.column}: {rule.code}" in line for line in words), rule
