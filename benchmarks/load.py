"""Time and memory of `smsroi check` on large sources, compared with what a user would write instead.

    .venv/bin/python -m benchmarks.load                  all, about three minutes
    .venv/bin/python -m benchmarks.load gb18030          a million orders as GB18030 CSV; target: 15 s and 1 GB
    .venv/bin/python -m benchmarks.load workbook         200,000 orders as .xlsx; target: 30 s and 1 GB
    .venv/bin/python -m benchmarks.load messages         ten million messages as parquet; target: 20 s
    .venv/bin/python -m benchmarks.load --rows 0.1       a tenth of the rows

The data are computed without random numbers, so they are the same everywhere. Each measurement is a separate process:
wall time, CPU time (other users may load the machine) and peak resident memory. The baseline is pandas. It checks every
row for required values, duplicate keys, ranges and the order of times. It has no time zones, full-width digits,
quarantine, opt-outs or counts of the whole log.
"""

import argparse
import contextlib
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil

from tests.workbooks import Cell, write_workbook

PANDAS_GB18030 = """
import sys, pandas as pd
rows = pd.read_csv(sys.argv[1] + "/orders.csv", encoding="gb18030", dtype={"order_id": str, "customer_id": str})
rows["ordered_at"] = pd.to_datetime(rows["ordered_at"], errors="coerce")
rows["amount"] = pd.to_numeric(rows["amount"], errors="coerce")
required = ["order_id", "customer_id", "ordered_at", "amount"]
print(len(rows), int(rows[required].isna().any(axis=1).sum()), int(rows["order_id"].duplicated().sum()),
      int((rows["discount"] < 0).sum()), int(rows.duplicated(["customer_id", "ordered_at", "amount"]).sum()))
"""

PANDAS_WORKBOOK = """
import sys, pandas as pd
rows = pd.read_excel(sys.argv[1] + "/orders.xlsx", engine="calamine")
required = ["order_id", "customer_id", "ordered_at", "amount"]
print(len(rows), int(rows[required].isna().any(axis=1).sum()), int(rows["order_id"].duplicated().sum()),
      int((rows["discount"] < 0).sum()), int(rows.duplicated(["customer_id", "ordered_at", "amount"]).sum()))
"""

PANDAS_MESSAGES = """
import sys, pandas as pd
rows = pd.read_parquet(sys.argv[1] + "/messages.parquet")
people = pd.read_parquet(sys.argv[1] + "/customers.parquet")
orders = pd.read_parquet(sys.argv[1] + "/orders.parquet")
required = ["message_id", "customer_id", "campaign_id", "sent_at"]
print(len(rows), int(rows[required].isna().any(axis=1).sum()), int(rows["message_id"].duplicated().sum()),
      int((rows["cost"] < 0).sum()), int((rows["delivered_at"] < rows["sent_at"]).sum()),
      int((rows["clicked_at"] < rows["sent_at"]).sum()), int((~rows["customer_id"].isin(people["customer_id"])).sum()))
required = ["order_id", "customer_id", "ordered_at", "amount"]
print(len(orders), int(orders[required].isna().any(axis=1).sum()), int(orders["order_id"].duplicated().sum()))
print(len(people), int(people["customer_id"].isna().sum()), int(people["customer_id"].duplicated().sum()))
"""


@dataclass(frozen=True)
class Measurement:
    """One process and those that it started, measured from outside."""

    seconds: float
    cpu_seconds: float
    """CPU time of all its threads and of the processes it started; hardly depends on the load of the machine."""
    peak_mb: float
    """Resident memory, of the processes it started too; what they share counts more than once."""
    output: str


def measure(command: list[str]) -> Measurement:
    """Run a command to its end and measure it.

    Raises:
        SystemExit: the command fails.
    """
    began, cpu_began = time.perf_counter(), _cpu_of_children()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")  # noqa: S603
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))  # a full pipe would stop the process
    reader.start()
    watched, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        peak = max(peak, _resident(watched))
        time.sleep(0.02)
    reader.join()
    output = "".join(lines)
    seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {process.returncode}:\n{output}")
    return Measurement(seconds, _cpu_of_children() - cpu_began, peak / 2**20, output)


def _cpu_of_children() -> float:
    """CPU seconds of all processes that this one has waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(process: psutil.Process) -> int:
    """Bytes in memory, of a process and of those that it started."""
    size = 0
    with contextlib.suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                size += one.memory_info().rss
    return size


def compare_with_pandas(stage: str, pandas_script: str, source: Path, place: Path) -> None:
    """Run the workbook's part and the pandas baseline in separate processes with two threads; print time and memory.

    Args:
        stage: a script that gets the source and its own folder; its last line begins with its seconds (`1.5 s`).
        pandas_script: the same for pandas.
        source: the source that both read.
        place: the folder in which their folders are made.
    """
    threads = ["OMP_NUM_THREADS=2", "OPENBLAS_NUM_THREADS=2", "SMSROI_THREADS=2", "SMSROI_MEMORY_MB=1200"]
    seconds = []
    for name, script in (("workbook", stage), ("pandas", pandas_script)):
        out = place / name
        out.mkdir()
        measured = measure(["env", *threads, sys.executable, "-W", "ignore", "-c", script, str(source), str(out)])
        line = measured.output.strip().splitlines()[-1]
        seconds.append(float(line.split(" s")[0]))
        cpu_time = f"{measured.cpu_seconds:.0f} s of CPU time in total"
        print(f"{name:>9}: {line}; {measured.peak_mb:,.0f} MB peak; {cpu_time}", flush=True)
    print(f"the workbook takes {seconds[0] / seconds[1]:.2f} times as long as the tables in pandas")


def write_gb18030(folder: Path, rows: int) -> str:
    """Write a million orders by a fifth as many customers, as a spreadsheet exports them; returns a summary."""
    with (folder / "orders.csv").open("w", encoding="gb18030", newline="") as file:
        file.write("order_id,customer_id,ordered_at,amount,discount,门店,备注\n")
        for i in range(rows):
            customer = i * 7919 % max(rows // 5, 1)
            day, hour, minute = 1 + i * 31 % 28, i * 17 % 24, i * 13 % 60
            discount = f"{i % 50}.5" if i % 4 == 0 else ""
            file.write(
                f"{i:09},会员{customer:07},2024-{1 + i * 11 % 12:02}-{day:02} {hour:02}:{minute:02}:00,"
                f"{1 + i % 997}.{i % 100:02},{discount},杭州{i % 40}店,老顾客 第{i % 1000}单\n"
            )
    (folder / "source.yml").write_text("timezone: Asia/Shanghai\ncurrency: CNY\n", encoding="utf-8")
    return f"{rows:,} orders, {(folder / 'orders.csv').stat().st_size / 2**20:.0f} MB of GB18030"


def write_orders_workbook(folder: Path, rows: int) -> str:
    """Write 200,000 orders as a workbook, with texts, numbers and times; returns a summary."""
    start = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - a sheet has no zone
    orders: list[list[Cell]] = [["order_id", "customer_id", "ordered_at", "amount", "discount", "门店", "备注"]]
    for i in range(rows):
        at = start + dt.timedelta(minutes=i * 7919 % (60 * 24 * 360))
        discount = i % 50 + 0.5 if i % 4 == 0 else None
        customer = f"会员{i * 7919 % max(rows // 5, 1):07}"
        orders.append([10**8 + i, customer, at, 1 + i % 997 + i % 100 / 100, discount, f"杭州{i % 40}店", f"第{i}单"])
    write_workbook(folder / "orders.xlsx", {"订单": orders})
    (folder / "source.yml").write_text("timezone: Asia/Shanghai\ncurrency: CNY\n", encoding="utf-8")
    return f"{rows:,} orders, {(folder / 'orders.xlsx').stat().st_size / 2**20:.0f} MB of .xlsx"


def write_messages(folder: Path, rows: int) -> str:
    """Write ten million messages to a twentieth as many customers, and their orders; returns a summary."""
    people, orders = max(rows // 20, 1), max(rows // 10, 1)
    tables = {
        "customers": f"""SELECT 'p' || i AS customer_id,
            TIMESTAMP '2023-01-01' + INTERVAL (i % 500000) SECOND AS joined_at,
            CASE WHEN i % 3 = 0 THEN 'Asia/Shanghai' END AS timezone, 'region ' || i % 30 AS region,
            CASE WHEN i % 25 = 0 THEN TIMESTAMP '2024-11-01' END AS opted_out_at FROM range({people}) t(i)""",
        "orders": f"""SELECT 'o' || i AS order_id, 'p' || (i * 7919 % {people}) AS customer_id,
            TIMESTAMP '2024-01-01' + INTERVAL (i * 104729 % 31536000) SECOND AS ordered_at,
            (100 + i % 99700) / 100 AS amount FROM range({orders}) t(i)""",
        "messages": f"""SELECT 'm' || i AS message_id, 'p' || (i * 6007 % {people}) AS customer_id,
            'k' || i // {max(rows // 100, 1)} AS campaign_id,
            TIMESTAMP '2024-01-01' + INTERVAL (i * 86028121 % 31536000) SECOND AS sent_at,
            CASE WHEN i % 10 = 0 THEN 'wechat' ELSE 'sms' END AS channel, 'AB'[1 + i % 2] AS variant, 0.045 AS cost,
            CASE WHEN i % 50 <> 0 THEN sent_at + INTERVAL 5 SECOND END AS delivered_at,
            CASE WHEN i % 17 = 0 THEN sent_at + INTERVAL 90 MINUTE END AS clicked_at,
            NULL::TIMESTAMP AS opted_out_at FROM range({rows}) t(i)""",
    }
    for name, query in tables.items():
        duckdb.sql(query).write_parquet(str(folder / f"{name}.parquet"))
    size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / 2**20
    return f"{rows:,} messages, {orders:,} orders, {people:,} customers, {size:.0f} MB of parquet"


CASES = {
    "gb18030": (write_gb18030, 1_000_000, PANDAS_GB18030, (15.0, 1024.0)),
    "workbook": (write_orders_workbook, 200_000, PANDAS_WORKBOOK, (30.0, 1024.0)),
    "messages": (write_messages, 10_000_000, PANDAS_MESSAGES, (20.0, None)),
}


def main() -> None:
    """Measure the cases named on the command line and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="gb18030, workbook or messages; all by default")
    parser.add_argument("--rows", type=float, default=1.0, metavar="SHARE", help="share of the rows, for a quick run")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    memory = psutil.virtual_memory().total / 2**30
    print(f"{os.cpu_count()} cores, {memory:.0f} GB, Python {sys.version.split()[0]}, duckdb {duckdb.__version__}")
    for name in options.cases or CASES:
        write, rows, pandas_script, (seconds, megabytes) = CASES[name]
        with tempfile.TemporaryDirectory(prefix="smsroi-bench-") as place:
            folder = Path(place)
            print(f"\n{name}: {write(folder, round(rows * options.rows))}")
            ours = measure([sys.executable, "-m", "smsroi_helpers.cli", "check", str(folder)])
            theirs = measure([sys.executable, "-c", pandas_script, str(folder)])
        target = f"target {seconds:.0f} s" + (f" and {megabytes:,.0f} MB" if megabytes else "")
        met = ours.seconds < seconds and (not megabytes or ours.peak_mb < megabytes)
        print(ours.output.rstrip())
        for title, one, words in (
            ("smsroi check", ours, f"{target}: {'met' if met else 'MISSED'}"),
            ("pandas by hand", theirs, f"found {' '.join(theirs.output.split())}"),
        ):
            print(f"  {title:15}{one.seconds:7.1f} s {one.cpu_seconds:7.1f} CPU s {one.peak_mb:7,.0f} MB   {words}")
        ratios = (ours.seconds / theirs.seconds, ours.cpu_seconds / theirs.cpu_seconds, ours.peak_mb / theirs.peak_mb)
        print("  {:15}{:7.2f}   {:7.2f}       {:7.2f}".format("ratio", *ratios))


if __name__ == "__main__":
    main()
