"""A log of the queries that DuckDB computes for a shop, for benchmarks.

It is off unless `SMSROI_QUERY_LOG` names a file. Each computed query is one line of JSON; results found in the cache
are not in it.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ibis.backends.duckdb import Backend as Connection
from pyarrow import parquet

__all__ = ["QUERY_LOG", "logged_query"]

QUERY_LOG = "SMSROI_QUERY_LOG"
"""Environment variable: the file to which queries are logged."""

_OWN_FOLDERS = ("engine", "source")
"""Folders of the package whose functions are not named as the place that asked."""


@contextlib.contextmanager
def logged_query(con: Connection, query: str, result: Path) -> Iterator[None]:
    """Log a query that is computed in the context: key, place, time, seconds, CPU seconds, rows in and out, scans.

    Args:
        con: the engine.
        query: its SQL.
        result: the parquet file that it writes; its name, without the extension, is the key.
    """
    log = os.environ.get(QUERY_LOG)
    if not log or con.name != "duckdb":
        yield
        return
    asked_by, at = _asked_by(), time.time()
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.json"
        con.raw_sql("PRAGMA enable_profiling = 'json'")
        con.raw_sql(f"SET profiling_output = '{profile}'")
        began, cpu_began = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
            con.raw_sql("PRAGMA disable_profiling")
        scans = _scans(json.loads(profile.read_text(encoding="utf-8"))) if profile.exists() else []
    line = {
        "key": result.name.partition(".")[0],
        "at": at,
        "asked_by": asked_by,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "scans": scans,
        "rows": parquet.read_metadata(result).num_rows if result.exists() else 0,
        "bytes": result.stat().st_size if result.exists() else 0,
        "query": query,
    }
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _asked_by() -> list[str]:
    """Functions of the package that led to the query, the innermost first: `measures.clicks.human_clicks`."""
    package = str(Path(__file__).resolve().parents[1])
    places: list[str] = []
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(package):
            parts = Path(file).relative_to(package).with_suffix("").parts
            if parts[0] not in _OWN_FOLDERS:
                places.append(".".join([*parts, frame.f_code.co_name]))
        frame = frame.f_back  # type: ignore[assignment]
    return places


def _scans(node: dict[str, Any]) -> list[list[Any]]:
    """Return the scans of tables in a profile: each as the file (or the table) and the number of rows read."""
    found = []
    if rows := node.get("operator_rows_scanned"):
        extra = node.get("extra_info", {})
        found.append([extra.get("Filename(s)") or extra.get("Table") or node.get("operator_name", ""), rows])
    for child in node.get("children", []):
        found += _scans(child)
    return found
