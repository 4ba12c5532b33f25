"""The same expression has the same key in every process, and another one another."""

import datetime as dt
import subprocess
import sys

import ibis
import pandas as pd

from smsroi_helpers.engine import connect, expression_key, hash_group, local_time

ROWS = ibis.table({"who": "string", "day": "int64", "paid": "float64", "at": "timestamp", "seen": "bool"}, name="rows")
NAMES = ibis.table({"who": "string", "name": "string"}, name="names")

EXPRESSIONS = {
    "all rows": lambda: ROWS,
    "other rows": lambda: ibis.table(ROWS.schema(), name="others"),
    "another type": lambda: ibis.table(dict(ROWS.schema().items()) | {"day": "int32"}, name="rows"),
    "never empty": lambda: ibis.table(dict(ROWS.schema().items()) | {"day": "!int64"}, name="rows"),
    "two columns": lambda: ROWS.select("who", "day"),
    "in another order": lambda: ROWS.select("day", "who"),
    "under another name": lambda: ROWS.select(who="who", date="day"),
    "without columns": lambda: ROWS.drop("who", "day"),
    "without others": lambda: ROWS.drop("who", "paid"),
    "more than one": lambda: ROWS.filter(ROWS.day > 1),
    "more than one, as a number": lambda: ROWS.filter(ROWS.day > 1.0),
    "at least one": lambda: ROWS.filter(ROWS.day >= 1),
    "less than one": lambda: ROWS.filter(ROWS.day < 1),
    "of some": lambda: ROWS.filter(ROWS.who.isin(["a", "b"])),
    "of others": lambda: ROWS.filter(ROWS.who.isin(["a", "c"])),
    "of one with a comma": lambda: ROWS.filter(ROWS.who.isin(["a, b"])),
    "before": lambda: ROWS.filter(ROWS.at < ibis.literal(dt.datetime(2025, 1, 1))),
    "before another day": lambda: ROWS.filter(ROWS.at < ibis.literal(dt.datetime(2025, 1, 2))),
    "sums": lambda: ROWS.group_by("who").aggregate(paid=ROWS.paid.sum()),
    "sums of some": lambda: ROWS.group_by("who").aggregate(paid=ROWS.paid.sum(where=ROWS.seen)),
    "means": lambda: ROWS.group_by("who").aggregate(paid=ROWS.paid.mean()),
    "sorted": lambda: ROWS.order_by("day"),
    "sorted down": lambda: ROWS.order_by(ibis.desc("day")),
    "the first": lambda: ROWS.limit(1),
    "the second": lambda: ROWS.limit(1, offset=1),
    "local": lambda: ROWS.mutate(local=local_time(ROWS.at, "Asia/Shanghai")),
    "local elsewhere": lambda: ROWS.mutate(local=local_time(ROWS.at, "Asia/Tokyo")),
    "groups": lambda: ROWS.mutate(group=hash_group(ROWS.who, "one")),
    "groups for another use": lambda: ROWS.mutate(group=hash_group(ROWS.who, "two")),
    "by hour": lambda: ROWS.mutate(at=ROWS.at.truncate("h")),
    "by day": lambda: ROWS.mutate(at=ROWS.at.truncate("D")),
    "joined": lambda: ROWS.join(NAMES, "who"),
    "joined, all left": lambda: ROWS.left_join(NAMES, "who"),
    "those with a name": lambda: ROWS.semi_join(NAMES, "who"),
    "numbered": lambda: ROWS.mutate(n=ibis.row_number().over(group_by="who", order_by="day")),
    "numbered by time": lambda: ROWS.mutate(n=ibis.row_number().over(group_by="who", order_by="at")),
    "earlier": lambda: ROWS.mutate(n=ROWS.paid.sum().over(ibis.cumulative_window(group_by="who", order_by="day"))),
    "of three days": lambda: ROWS.mutate(
        n=ROWS.paid.sum().over(ibis.trailing_window(3, group_by="who", order_by="day"))
    ),
    "Python's": lambda: ibis.memtable(pd.DataFrame({"who": ["a"], "day": [1]})),
    "Python's others": lambda: ibis.memtable(pd.DataFrame({"who": ["a"], "day": [2]})),
    "with Python's": lambda: ROWS.join(ibis.memtable(pd.DataFrame({"who": ["a"], "day": [1]})), "who"),
}

PROGRAM = """
import sys, tempfile
from pathlib import Path
from smsroi_helpers.engine import connect, expression_key
from tests.engine.test_expression_key import EXPRESSIONS
with tempfile.TemporaryDirectory() as folder:
    con = connect(Path(folder))
    for name in sorted(EXPRESSIONS, reverse=len(sys.argv) > 1):
        print(name, expression_key(con, EXPRESSIONS[name]().op(), {}), sep=": ")
"""


def test_each_expression_has_a_key_of_its_own(tmp_path):
    con, known = connect(tmp_path), {}
    keys = {name: expression_key(con, make().op(), known) for name, make in EXPRESSIONS.items()}
    assert None not in keys.values()
    assert len(set(keys.values())) == len(EXPRESSIONS)
    again = {name: expression_key(con, make().op(), {}) for name, make in reversed(EXPRESSIONS.items())}
    assert again == keys


def test_another_process_finds_the_same_keys():
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM, *order], capture_output=True, text=True, check=True)
        for order in ([], ["reversed"])
    ]
    first, second = (sorted(run.stdout.splitlines()) for run in runs)
    assert first == second
    assert len(first) == len(EXPRESSIONS)


def test_the_engine_counts(tmp_path, monkeypatch):
    con = connect(tmp_path)
    before = expression_key(con, ROWS.op(), {})
    monkeypatch.setattr(type(con), "name", "another")
    assert expression_key(con, ROWS.op(), {}) != before


def test_what_its_parts_do_not_identify_has_no_key(tmp_path):
    numbered_by_the_process = ROWS.join(ROWS.view(), "who")
    assert expression_key(connect(tmp_path), numbered_by_the_process.op(), {}) is None


def test_an_expression_in_which_parts_are_used_again_and_again_costs_its_parts(tmp_path):
    rows, known = ROWS, {}
    for _ in range(60):  # 2 to the power of 60 paths
        rows = rows.mutate(paid=rows.paid + rows.paid)
    assert expression_key(connect(tmp_path), rows.op(), known) is not None
    assert len(known) < 60 * 20
