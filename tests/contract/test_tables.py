"""The tables of a source, as they are described to the reader and as they can be read."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from smsroi_helpers.contract.tables import (
    CUSTOMER_ID_COLUMNS,
    PERSONAL_DATA_PATTERN,
    PLANNED_TIMES,
    TABLES,
    gap_name,
    raw_name,
)


def test_the_tables_are_those_of_the_contract_page():
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        section = re.search(rf"^\| {name} \|(.*)$", page, re.M)
        assert section, f"data/README.md does not describe {name}"
        for column in table.columns:
            assert re.search(rf"`{column.name}`{'[*]' if column.required else '(?![*])'}", section[1]), column


def test_keys_are_columns_and_are_required():
    for table in TABLES.values():
        assert all(table.by_name[name].required for name in table.key)
        assert not table.event_time or table.by_name[table.event_time].kind == "timestamp"


def test_columns_named_elsewhere_are_columns_of_the_contract():
    assert all(TABLES[table].by_name[column].kind == "timestamp" for table, column in PLANNED_TIMES)
    for name in CUSTOMER_ID_COLUMNS:
        assert any(name in table.by_name for table in TABLES.values()), name


@pytest.mark.parametrize(
    ("text", "personal"),
    [
        ("13812345678", True), ("+8613812345678", True), ("8613812345678", True), ("+4915112345678", True),
        ("ann@example.com", True), ("12812345678", False), ("1381234567", False), ("c0000012", False),
        ("+1234567", False),
    ],
)  # fmt: skip
def test_a_personal_id_is_one_to_both_engines_that_look_for_it(text, personal):
    assert duckdb.execute("SELECT regexp_matches(?, ?)", [text, PERSONAL_DATA_PATTERN]).fetchone() == (personal,)
    assert pc.match_substring_regex(pa.array([text]), PERSONAL_DATA_PATTERN).to_pylist() == [personal]


def test_the_names_on_the_way_are_no_columns():
    columns = {column for table in TABLES.values() for column in table.by_name}
    assert not columns & {name(column) for column in columns for name in (raw_name, gap_name)}
