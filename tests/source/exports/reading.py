"""Read small exports through the templates alone, without a source."""

from collections.abc import Sequence
from typing import Any

import ibis
import pyarrow as pa

from smsroi_helpers.source.exports.layouts import layout_of, match_part
from smsroi_helpers.source.exports.templates import ExportFile, fill_template
from smsroi_helpers.source.mappings import provide_settings

Rows = Sequence[Sequence[str | None]]


def mapped(
    kind: str, headings: Sequence[str], *files: Rows, part: int = 0, currency: str = "USD", zone: str = "UTC"
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table of the mappings over files with the same headings."""
    con = ibis.duckdb.connect()
    con.raw_sql("SET TimeZone = 'UTC'")
    layout = layout_of(kind)
    chosen = layout.parts[part]
    match = match_part(chosen, headings)
    assert not match.missing
    exports = []
    for n, rows in enumerate(files):
        columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(headings)}
        con.con.register(f"rows{n}", pa.table(columns))
        con.raw_sql(f"CREATE TABLE file{n} AS FROM rows{n}")
        exports.append(ExportFile(f"file{n}", match.found))
    provide_settings(con, zone, currency)
    settings = {"zone": zone, "year_last": "day"}
    found = {}
    for table in chosen.templates:
        query = fill_template(layout, chosen, table, exports, settings)
        if table in chosen.helpers:
            con.raw_sql(f'CREATE TABLE "{table}" AS {query}')
        elif query:
            found[table] = con.con.sql(query).to_arrow_table().to_pylist()
    con.disconnect()
    return found


def reasons(found: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """What the mappings leave out: reason → rows."""
    return {row["reason"]: row["rows"] for row in found["exclusions"]}
