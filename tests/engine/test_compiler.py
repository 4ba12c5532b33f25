"""The SQL of expressions is that of Ibis, and the same in every process."""

import subprocess
import sys

import ibis
import pytest

from smsroi_helpers.engine import Connection, connect
from smsroi_helpers.engine.compiler import Compiler

ROWS = ibis.table({"who": "string", "day": "int64", "paid": "float64", "seen": "bool"}, name="rows")
NAMES = ibis.table({"who": "string", "name": "string"}, name="names")


def totals():
    return ROWS.group_by("who").aggregate(paid=ROWS.paid.sum())


def joined_twice():
    """Two joins over one aggregate; the inner one is a side of the outer."""
    one = totals().left_join(NAMES, "who").drop("who_right")
    return one.filter(one.paid > 1).left_join(totals().rename(other="paid"), "who").drop("who_right")


def joined_with_itself():
    sums = totals()
    other = sums.view()
    return sums.join(other, sums.paid > other.paid, lname="{name}_left")


def chain():
    """A chain of five joins, each below the next."""
    rows = totals()
    for n in range(5):
        rows = rows.join(NAMES.rename({f"name{n}": "name"}), "who").filter(lambda t: t.paid > 0).limit(9)
    return rows


def pieces():
    one = ROWS.filter(ROWS.seen).distinct()
    return ibis.union(one, ROWS.filter(ROWS.day > 3)).semi_join(NAMES, "who").anti_join(totals(), "who")


@pytest.mark.parametrize("make", [totals, joined_twice, joined_with_itself, chain, pieces])
def test_the_sql_is_that_of_ibis(make):
    ours, theirs = (compiler.to_sqlglot(make()).sql("duckdb") for compiler in (Compiler(), Connection.compiler))
    assert ours == theirs


def test_the_engine_writes_with_it(tmp_path):
    assert isinstance(connect(tmp_path).compiler, Compiler)


def test_the_joins_of_a_query_are_computed(tmp_path):
    con = connect(tmp_path)
    con.raw_sql("CREATE TABLE rows AS FROM (VALUES ('a', 2.5), ('a', 3.0), ('b', 0.5)) r(who, paid)")
    con.raw_sql("CREATE TABLE names AS SELECT 'a' AS who, 'Ann' AS name UNION ALL SELECT 'b', 'Bo'")
    rows, names = con.table("rows"), con.table("names")
    paid = rows.group_by("who").aggregate(paid=rows.paid.sum())
    one = paid.join(names, "who").filter(lambda t: t.paid > 1)
    both = one.left_join(paid.rename(again="paid"), "who").drop("who_right").order_by("who")
    assert con.to_pyarrow(both).to_pylist() == [{"who": "a", "paid": 5.5, "name": "Ann", "again": 5.5}]


def test_the_sql_is_the_same_in_every_process():
    """Columns left out are in a set of Ibis, whose order depends on the seed of Python's hashes."""
    code = (
        "import pathlib, ibis; from smsroi_helpers.engine import connect;"
        "names = ['one', 'two', 'three', 'four', 'five', 'six'];"
        "rows = ibis.table({name: 'int64' for name in [*names, *(f'kept_{n}' for n in range(14))]}, name='rows');"
        "print(connect(pathlib.Path('.')).compile(rows.drop(*names)))"
    )
    written = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
                       capture_output=True, encoding="utf-8", check=True).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(written) == 1
    assert '("five", "four", "one", "six", "three", "two")' in written.pop()
