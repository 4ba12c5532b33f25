"""The benchmark of all notebooks: its sums and its tables."""

from benchmarks.scale import Query, Timed, aligned, slowest_queries, table


def query(seconds: float, cpu: float, *rows: int) -> Query:
    return Query("03_timing", ["timing.counts.count"], seconds, cpu, [(f"t{n}", n) for n in rows], 7, 70, "SELECT", "k")


def timed(**changes: float) -> Timed:
    own = {"wall": 20.0, "cpu": 17.0, "peak_mb": 500.0, "cells": 18.0, "page_cells": 5.0, "count_in_page": 1.0}
    queries = [query(3.0, 2.5, 1_000, 1_000, 40), query(1.0, 0.5, 600)]
    return Timed(name="03_timing", queries=queries, **(own | changes))  # type: ignore[arg-type]


def test_the_parts_of_a_notebook_add_up_to_its_time():
    one = timed()
    assert (one.count, one.page, one.reason, one.start) == (4.0, 4.0, 10.0, 2.0)
    assert one.count + one.page + one.reason + one.start == one.wall


def test_scans_are_counted_of_tables_as_long_as_the_messages_alone():
    assert query(1.0, 1.0, 1_000, 1_000, 40).scans_of(1_000) == 2.0
    assert query(1.0, 1.0, 1_000, 1_000, 40).rows_in == 2_040


def test_the_table_has_the_ratio_to_the_floor_and_a_row_for_all():
    rows = [line.split("|") for line in table([timed(), timed(cpu=3.0)], 0.5, 1_000, {}).splitlines()]
    cells = [[cell.strip() for cell in row[1:-1]] for row in rows]
    of = dict(zip(cells[0], cells[-1], strict=True))
    found = [of[name] for name in ("notebook", "CPU s", "count CPU s", "scans", "× floor")]
    assert found == ["all", "20.0", "6.0", "5", "12"]


def test_slow_queries_come_first():
    lines = slowest_queries([timed()], 1_000, 2).splitlines()
    assert "2,040" in lines[2]
    assert "600" in lines[3]


def test_a_table_is_as_wide_as_its_longest_cell():
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "| a   | bb |\n| --- | -- |\n| ccc | d  |"
