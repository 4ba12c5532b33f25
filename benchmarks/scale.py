"""Time and memory of every notebook on a simulated company: counting, reasoning, and the page.

    .venv/bin/python -m benchmarks.scale                            10,000, 100,000 and 200,000 customers; half an hour
    .venv/bin/python -m benchmarks.scale --customers 20000          one size; about 1 M messages
    .venv/bin/python -m benchmarks.scale --only timing --queries 20 its 20 slowest queries
    .venv/bin/python -m benchmarks.scale --peers                    with the pandas notebooks of `benchmarks.peers`

A company of n customers has about 48 n messages a year. It is simulated to disk once, and its source is loaded once;
both are kept in `--place`. Then the notebooks run one after another, each in a kernel of its own with two threads, as
in a run of the workbook: what an earlier notebook has counted is not counted again.

The columns: *count* is the time of queries, *page* that of the cells that draw figures and tables without their
queries, *reason* that of all other cells without their queries, *start* the imports and the kernel. CPU seconds hardly
depend on what else the machine does; ratios are theirs. *Scans* are the rows that queries read of the messages, or of
tables with a row per message, ÷ the number of messages. The floor is one scan by the engine of all columns of the
messages that notebooks read; `× floor` is for the queries. A peer is compared with the whole notebook, page and all.
"""

import argparse
import datetime as dt
import functools
import json
import os
import platform
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pandas
import psutil
from pyarrow import parquet

from benchmarks import peers
from benchmarks.load import Measurement, measure
from smsroi_helpers.engine import QUERY_LOG
from smsroi_helpers.runner import execute
from smsroi_helpers.runner.parameters import Notebook, read_notebook
from smsroi_helpers.source import project_root

LOAD = """
import sys
from pathlib import Path
from smsroi_helpers.source import load
load(sys.argv[1], Path(sys.argv[2]) / ".loaded", 0.01)
"""

FLOOR = """
import sys, time
import duckdb
con = duckdb.connect()
con.execute("SET threads = 2; SET enable_progress_bar = false")
columns = ", ".join(f"count({name})" for name in sys.argv[2].split(","))
began, cpu_began = time.perf_counter(), time.process_time()
con.execute(f"SELECT {columns} FROM read_parquet('{sys.argv[1]}/*.parquet')").fetchall()
print(time.perf_counter() - began, time.process_time() - cpu_began)
"""

MESSAGE_COLUMNS = (
    "message_id", "customer_id", "campaign_id", "sent_at", "channel", "variant", "cost", "delivered_at", "opened_at",
    "clicked_at", "replied_at", "opted_out_at", "plan_id",
)  # fmt: skip
"""What the notebooks read of the messages."""

_PAGE = re.compile(r"\b(\w*figures|\w*tables|groups_note|decide|begin)\b[.(]")
"""Cells of the page: what they show was computed by others."""


@dataclass
class Query:
    """One query that a notebook had to compute."""

    notebook: str
    asked_by: list[str]
    seconds: float
    cpu_seconds: float
    scans: list[tuple[str, int]]
    """Files read, and the rows read of each."""
    rows_out: int
    bytes_out: int
    sql: str
    key: str

    @property
    def rows_in(self) -> int:
        """Rows read of all tables."""
        return sum(rows for _, rows in self.scans)

    def scans_of(self, messages: int) -> float:
        """Rows read of tables with about a row per message ÷ the number of messages."""
        return sum(rows for _, rows in self.scans if rows > messages / 10) / messages


@dataclass
class Timed:
    """One notebook's times, in seconds."""

    name: str
    wall: float
    cpu: float
    peak_mb: float
    cells: float
    """All cells together."""
    page_cells: float
    """The cells that show something, with the queries in them."""
    queries: list[Query] = field(default_factory=list)
    count_in_page: float = 0.0
    status: str = "ok"

    @property
    def count(self) -> float:
        """Of all queries."""
        return sum(query.seconds for query in self.queries)

    @property
    def count_cpu(self) -> float:
        """CPU seconds of all queries."""
        return sum(query.cpu_seconds for query in self.queries)

    @property
    def page(self) -> float:
        """Of the cells that show something, without their queries."""
        return max(0.0, self.page_cells - self.count_in_page)

    @property
    def reason(self) -> float:
        """Of the other cells, without their queries."""
        return max(0.0, self.cells - self.count - self.page)

    @property
    def start(self) -> float:
        """Of the processes and imports."""
        return max(0.0, self.wall - self.cells)


class _Silent:
    """Progress that nobody watches."""

    def started(self, name: str) -> None: ...

    def advanced(self, name: str, cell: int, cells: int, seconds: float) -> None: ...

    def ended(self, name: str, outcome: execute.Outcome) -> None: ...


def simulate(place: Path, customers: int) -> Path:
    """Return the folder of a simulated company, made if it is missing."""
    source = place / f"c{customers}"
    if not source.exists():
        script = (
            "import sys; from pathlib import Path; from smsroi_helpers.simulation.write import write_company;"
            "write_company(Path(sys.argv[1]), customers=int(sys.argv[2]), weeks=52, seed=1)"
        )
        measure([sys.executable, "-c", script, str(source), str(customers)])
    return source


def load_source(source: Path, run: Path) -> Measurement:
    """Load the source for the run."""
    return measure([sys.executable, "-W", "ignore", "-c", LOAD, str(source), str(run)])


def scan_once(run: Path) -> tuple[tuple[float, float], int]:
    """Return the seconds and CPU seconds of one scan of the messages (the fastest of three), and their number."""
    folder = run / ".loaded"
    files = sorted(folder.rglob("messages*/*.parquet")) or sorted(folder.rglob("messages*.parquet"))
    con = duckdb.connect()
    names = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM '{files[0]}'").fetchall()]
    (rows,) = con.execute("SELECT count(*) FROM read_parquet(?)", [[str(file) for file in files]]).fetchone() or (0,)
    columns = ",".join(name for name in MESSAGE_COLUMNS if name in names)
    command = [sys.executable, "-c", FLOOR.replace("*.parquet", "messages*.parquet" if files[0].parent == folder else
               "*.parquet"), str(files[0].parent), columns]  # fmt: skip
    return min((float(wall), float(cpu)) for wall, cpu in (measure(command).output.split() for _ in range(3))), int(
        rows
    )


def run_notebook(notebook: Notebook, source: Path, run: Path, root: Path) -> Timed:
    """Execute one notebook as the runner does, with a log of its queries."""
    output, log = run / "notebooks" / notebook.file.name, run / f"queries-{notebook.name}.jsonl"
    log.unlink(missing_ok=True)
    os.environ[QUERY_LOG] = str(log)
    given = {"data": str(source), "run_dir": str(run)}
    parameters = {name: given.get(name, known.default) for name, known in notebook.parameters.items()}
    instead = notebook.instead and notebook.instead.relative_to(root)
    job = execute.Job(notebook.name, notebook.stage, notebook.file.relative_to(root), output, parameters, instead)
    began, cpu_began = time.perf_counter(), _cpu_of_children()
    outcome = execute.execute_notebooks([job], root=root, logs=run / ".logs", progress=_Silent(), max_parallel=1)
    done = outcome[notebook.name]
    wall, cpu = time.perf_counter() - began, _cpu_of_children() - cpu_began
    found = Timed(notebook.name, wall, cpu, done.peak_memory_mb or 0, 0.0, 0.0, status=done.status)
    if done.status == "failed":
        found.status = f"failed: {done.error}"
    found.queries = read_log(log, notebook.name, run)
    _add_cells(found, output, log)
    return found


def read_log(log: Path, notebook: str, run: Path) -> list[Query]:
    """Return the queries of a notebook's log."""
    if not log.exists():
        return []
    found = []
    for line in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        found.append(Query(
            notebook, line["asked_by"], line["seconds"], line["cpu_seconds"],
            [(str(name).replace(str(run), ""), min(int(rows), _rows_of(str(name)))) for name, rows in line["scans"]],
            line["rows"], line["bytes"], line["query"], line["key"],
        ))  # fmt: skip
    return found


@functools.cache
def _rows_of(file: str) -> int:
    """Rows of a parquet file: with several threads, the engine's profile counts some of them twice."""
    return int(parquet.read_metadata(file).num_rows) if Path(file).is_file() else sys.maxsize


def _add_cells(found: Timed, output: Path, log: Path) -> None:
    """Add the durations of cells, from the executed notebook; queries belong to the cell in whose time they began."""
    if not output.exists():
        return
    began = [json.loads(line)["at"] for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    for cell in json.loads(output.read_text(encoding="utf-8"))["cells"]:
        timing = cell.get("metadata", {}).get("papermill", {})
        if cell["cell_type"] != "code" or not timing.get("duration"):
            continue
        found.cells += timing["duration"]
        lines = [line for line in "".join(cell["source"]).splitlines() if line and not line.startswith((" ", "#", ")"))]
        if not lines or not all(_PAGE.search(line) or "=" in line.split("(")[0] for line in lines[-1:]):
            continue
        shows = [line for line in lines if _PAGE.search(line)]
        if shows and len(shows) == len(lines):
            start, end = (
                dt.datetime.fromisoformat(timing[name]).replace(tzinfo=dt.UTC).timestamp()
                for name in ("start_time", "end_time")
            )
            found.page_cells += timing["duration"]
            found.count_in_page += sum(
                query.seconds for query, at in zip(found.queries, began, strict=True) if start <= at < end
            )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def machine() -> str:
    """Return the machine and the versions."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, {platform.system()}, Python"
        f" {platform.python_version()}, DuckDB {duckdb.__version__}, pandas {pandas.__version__}"
    )


def table(timed: Sequence[Timed], floor_cpu: float, messages: int, by_peer: dict[str, Measurement]) -> str:
    """Return the table of one size."""
    heads = ["notebook", "wall s", "start s", "count s", "reason s", "page s", "CPU s", "count CPU s", "peak MB"]
    heads += ["scans", "× floor"]
    heads += ["peer CPU s", "peer MB", "× CPU", "× memory"] if by_peer else []
    rows = [heads]
    for one in [*timed, _sum(timed)]:
        scans = sum(query.scans_of(messages) for query in one.queries)
        seconds = (one.wall, one.start, one.count, one.reason, one.page, one.cpu, one.count_cpu)
        row = [one.name, *(f"{value:.1f}" for value in seconds), f"{one.peak_mb:,.0f}", f"{scans:.0f}",
               f"{one.count_cpu / floor_cpu:.0f}"]  # fmt: skip
        if by_peer:
            peer = by_peer.get(one.name.partition("_")[2])
            row += [f"{peer.cpu_seconds:.1f}", f"{peer.peak_mb:,.0f}", f"{peer.cpu_seconds / one.cpu:.2f}",
                    f"{peer.peak_mb / one.peak_mb:.1f}"] if peer else [""] * 4  # fmt: skip
        rows.append(row if one.status == "ok" else [one.name, one.status])
    return aligned(rows)


def _sum(timed: Sequence[Timed]) -> Timed:
    wall, cpu = sum(one.wall for one in timed), sum(one.cpu for one in timed)
    cells, page_cells = sum(one.cells for one in timed), sum(one.page_cells for one in timed)
    every = Timed("all", wall, cpu, max(one.peak_mb for one in timed), cells, page_cells)
    every.count_in_page = sum(one.count_in_page for one in timed)
    every.queries = [query for one in timed for query in one.queries]
    return every


def slowest_queries(timed: Sequence[Timed], messages: int, number: int) -> str:
    """Return the slowest queries: notebook, who asked, rows in and out, seconds, scans."""
    queries = sorted((query for one in timed for query in one.queries), key=lambda query: -query.seconds)
    rows = [["notebook", "asked by", "rows in", "rows out", "s", "CPU s", "scans"]]
    for query in queries[:number]:
        asked = " < ".join(query.asked_by[:2])
        rows.append([query.notebook, asked, f"{query.rows_in:,}", f"{query.rows_out:,}", f"{query.seconds:.2f}",
                     f"{query.cpu_seconds:.2f}", f"{query.scans_of(messages):.1f}"])  # fmt: skip
    return aligned(rows)


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text as a Markdown table with aligned columns."""
    rows = [list(row) for row in rows]
    width = [max(len(row[k]) for row in rows if k < len(row)) for k in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(width[k]) for k, text in enumerate(row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * size for size in width) + " |")
    return "\n".join(lines)


def measure_size(place: Path, customers: int, only: Sequence[str], with_peers: bool, queries: int) -> dict[str, Any]:
    """Measure one size; print its table and return what was measured."""
    root = project_root()
    source, run = simulate(place, customers), place / f"run{customers}"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    loaded = load_source(source, run)
    (floor, floor_cpu), messages = scan_once(run)
    print(f"\n{customers:,} customers, {messages:,} messages; loading {loaded.seconds:.1f} s ({loaded.cpu_seconds:.1f}"
          f" CPU s, {loaded.peak_mb:,.0f} MB); one scan {floor:.2f} s ({floor_cpu:.2f} CPU s)", flush=True)  # fmt: skip
    notebooks = [read_notebook(file) for file in sorted((root / "notebooks").glob("[0-9]*.ipynb"))]
    timed = []
    for notebook in notebooks:
        if only and notebook.stage not in only:
            continue
        timed.append(run_notebook(notebook, source, run, root))
        print(f"  {timed[-1].name}: {timed[-1].wall:.1f} s, {timed[-1].cpu:.1f} CPU s", file=sys.stderr, flush=True)
    by_peer = peers.measure_all(source, [one.name.partition("_")[2] for one in timed]) if with_peers else {}
    print(table(timed, floor_cpu, messages, by_peer))
    if queries:
        print("\n" + slowest_queries(timed, messages, queries))
    return {
        "customers": customers, "messages": messages, "floor": floor, "floor_cpu": floor_cpu, "machine": machine(),
        "load": vars(loaded), "notebooks": [_record(one) for one in timed],
        "peers": {name: vars(one) for name, one in by_peer.items()},
    }  # fmt: skip


def _record(one: Timed) -> dict[str, Any]:
    names = ("name", "status", "wall", "start", "count", "count_cpu", "reason", "page", "cpu", "peak_mb")
    return {name: getattr(one, name) for name in names} | {"queries": [vars(query) for query in one.queries]}


def main() -> None:
    """Print one table for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[10_000, 100_000, 200_000], metavar="N")
    parser.add_argument("--place", type=Path, default=Path("reports/.scale"), help="folder for companies and runs")
    parser.add_argument("--only", nargs="*", default=[], metavar="STAGE")
    parser.add_argument("--peers", action="store_true", help="also run the pandas notebooks of benchmarks/peers")
    parser.add_argument("--queries", type=int, default=0, metavar="N", help="list the N slowest queries")
    parser.add_argument("--json", type=Path, help="file for everything measured, with the SQL of each query")
    chosen = parser.parse_args()
    print(machine())
    place = chosen.place.resolve()
    found = [measure_size(place, n, chosen.only, chosen.peers, chosen.queries) for n in chosen.customers]
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
