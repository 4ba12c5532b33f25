"""Time and memory of simulating a company: `python -m benchmarks.simulate`.

No other generator of such companies exists for comparison. The ratio compares it with reading the messages once, which
every use must do. Seconds are those of one run on one machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

WRITE = """
import json, resource, sys, time
from pathlib import Path
from smsroi_helpers.simulation.write import write_company
start = time.perf_counter()
write_company(Path(sys.argv[1]), customers=int(sys.argv[2]), weeks=int(sys.argv[3]), seed=1)
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measure(folder: Path, customers: int, weeks: int) -> str:
    """Simulate one company in a separate process; returns a line with its size, seconds, peak memory and the ratio."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", WRITE, str(folder), str(customers), str(weeks)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, megabytes = json.loads(done.stdout)
    con = duckdb.connect()
    start = time.perf_counter()
    (messages,) = con.sql(f"SELECT count(*) FROM '{folder}/messages/*.parquet'").fetchone() or (0,)
    con.sql(f"SELECT max(hash(m)) FROM '{folder}/messages/*.parquet' AS m").fetchone()
    reading = time.perf_counter() - start
    return (
        f"{customers:>9,} customers × {weeks} weeks: {messages:>11,} messages, {seconds:7.1f} s, "
        f"{megabytes:6,.0f} MB peak, {seconds / reading:5.1f} × reading the messages once"
    )


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="5000,100000,1000000", help="numbers of customers, separated by commas")
    parser.add_argument("--weeks", type=int, default=52)
    chosen = parser.parse_args()
    for customers in map(int, chosen.sizes.split(",")):
        with tempfile.TemporaryDirectory() as place:
            print(measure(Path(place) / "company", customers, chosen.weeks), flush=True)


if __name__ == "__main__":
    main()
