"""Whatever was done to a source, it ends in one clear line or in totals that add up, and never in anything else.

A few examples of each kind are tried here, the same ones every time. `SMSROI_DAMAGE=2000` tries so many in all (four
minutes on two cores with `-n 2`), `SMSROI_DAMAGE_SEED=7` others than the usual ones.
"""

import math
import os
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyarrow import parquet

from smsroi_helpers.contract import rules
from smsroi_helpers.contract import tables as contract_tables
from smsroi_helpers.errors import DataError, StorageError, UsageError
from smsroi_helpers.source.loaded import Loaded
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop
from tests import damage
from tests.damage import PHONE, Source, expect

ALL = int(os.environ.get("SMSROI_DAMAGE", "150"))
SEED = os.environ.get("SMSROI_DAMAGE_SEED", "")
SHARE_OF_KINDS = {"cells": 0.4, "sources": 0.3, "parquet": 0.3}


def tries(kind: str) -> Any:
    """How many examples of a kind, and which."""
    profile = settings(
        max_examples=round(ALL * SHARE_OF_KINDS[kind]),
        derandomize=not SEED,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if SEED or ALL > 150 else [])],
    )
    return (lambda test: seed(int(SEED))(profile(test))) if SEED else profile


@pytest.fixture(scope="module", autouse=True)
def _tally():
    yield
    print(f"\nendings: {dict(ENDINGS.most_common())}")


ENDINGS: Counter[str] = Counter()


def ending(source: Source) -> tuple[Loaded | None, str]:
    """What reading the source came to: itself, or the line it was refused with."""
    place = Path(tempfile.mkdtemp(prefix="damage-"))
    try:
        folder = place / "a {source}"
        folder.mkdir()
        for name, content in source.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        try:
            loaded = load(folder, place / "run" / ".loaded", source.share)
        except (DataError, StorageError, UsageError) as refusal:
            line = str(refusal)
            ENDINGS[re.sub(r"[0-9]+|'.*'|\(.*\)", "#", line)[:60]] += 1
            check_line(line, place)
            return None, line
        ENDINGS["loaded"] += 1
        check_totals(loaded, source)
        if source.orders is not None:
            check_against_plain_reading(loaded, source)
        check_shop(loaded, place / "run" / ".cache")
        return loaded, ""
    finally:
        shutil.rmtree(place)


def check_line(line: str, place: Path) -> None:
    assert line
    assert "\n" not in line
    assert len(line) < 1000, "a clear line is no page"
    assert PHONE not in line
    assert str(place) not in line, f"it names a file, not the machine: {line}"
    assert "Traceback" not in line
    assert line.isprintable(), repr(line)


def check_totals(loaded: Loaded, source: Source) -> None:
    aside = Path(loaded.output_folder) / "quarantine.parquet"
    put_aside = parquet.read_table(aside).to_pylist() if aside.exists() else []
    assert all(set(row) == {"table", "line", "reason", "key"} for row in put_aside)
    for name, table in loaded.tables.items():
        errors = Counter(
            {rules.fault_name(found.column, found.rule): found.rows for found in loaded.findings
             if found.table == name and found.severity == "error"}
        )  # fmt: skip
        assert table.rows_in == table.rows_out + errors.total()
        assert errors.total() <= source.share * table.rows_in
        mine = [row for row in put_aside if row["table"] == name]
        assert Counter(row["reason"] for row in mine) == errors
        lines = [row["line"] for row in mine]
        if f"{name}.sql" not in source.files:  # a mapping may bring one row twice
            assert len(set(lines)) == len(lines)
            assert all(1 <= line <= table.rows_in + 1 for line in lines)
        check_kept_rows(contract_tables.TABLES[name], list(table.paths), table.rows_out)


def check_kept_rows(table: contract_tables.Table, paths: list[str], rows_out: int) -> None:
    """What the contract says of kept rows, asked of the file in plain SQL."""
    rows = duckdb.read_parquet(paths)
    wanted = {"id": "VARCHAR", "text": "VARCHAR", "timestamp": "TIMESTAMP", "float": "DOUBLE", "int": "BIGINT"}
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    tests = []
    for column in table.columns:
        if column.name in types:
            assert types[column.name] in (wanted[column.kind], "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S")
            tests += [f"{column.name} IS NOT NULL"] * column.required
            tests += [f"coalesce(isfinite({column.name}), true)"] * (column.kind in ("float", "timestamp"))
            tests += [f"coalesce({column.name} >= {column.minimum}, true)"] * (column.minimum is not None)
            tests += [f"coalesce({column.name} <= {column.maximum}, true)"] * (column.maximum is not None)
    assert rows.filter(" AND ".join(tests)).shape[0] == rows.shape[0] == rows_out
    if table.key:
        assert rows.project(", ".join(table.key)).distinct().shape[0] == rows_out


def check_against_plain_reading(loaded: Loaded, source: Source) -> None:
    expected = expect(source.orders, source.share)
    assert not expected.refused
    table = loaded.tables["orders"]
    rows = duckdb.read_parquet(list(table.paths)).project("order_id, amount").fetchall()
    assert table.rows_in == expected.rows_in
    assert dict(rows) == expected.kept
    assert math.fsum(amount / 16 for _id, amount in rows) == math.fsum(a / 16 for a in expected.kept.values())
    aside = Path(loaded.output_folder) / "quarantine.parquet"
    lines = set(parquet.read_table(aside)["line"].to_pylist()) if aside.exists() else set()
    assert lines == expected.rejected


def check_shop(loaded: Loaded, cache: Path) -> None:
    """What a stage sees of it: nothing later than the last day observed, and amounts that are those of the file."""
    try:
        shop = open_shop(loaded, "", cache)
    except DataError as refusal:
        check_line(str(refusal), cache)
        return
    seen = shop.count(shop.orders.aggregate(rows=shop.orders.count(), amount=shop.orders.amount.sum())).iloc[0]
    observed = duckdb.read_parquet(list(loaded.tables["orders"].paths)).filter(f"ordered_at < '{shop.end}'")
    amounts = [amount for (amount,) in observed.project("amount").fetchall()]
    assert seen["rows"] == len(amounts)
    assert not amounts or damage.same_sum(seen["amount"], sum(amounts))


@tries("cells")
@given(damage.text_orders())
def test_damaged_cells_end_as_a_plain_reading_expects(source: Source) -> None:
    assert source.orders is not None
    _loaded, line = ending(source)
    assert bool(line) == bool(expect(source.orders, source.share).refused), line


@tries("sources")
@given(damage.sources())
def test_damaged_files_end_in_one_line_or_in_totals_that_add_up(source: Source) -> None:
    ending(source)


@tries("parquet")
@given(damage.parquet_sources())
def test_damaged_parquet_ends_in_one_line_or_in_totals_that_add_up(source: Source) -> None:
    ending(source)
