"""Time and memory of one experiment with ten million customers: `python -m benchmarks.ab_test`.

The measurement starts with a source that has been read and checked and ends with its effects. It covers outcomes per
customer from orders, messages and opt-outs, moments by arm, the test of the split, and every metric with its intervals.
Target: 20 s on two cores and 2 GB. The baseline computes the same profit, revenue, orders and opt-outs in pandas from
the same files, with Welch's test from SciPy. Each runs in its own process; seconds are those of one run on one machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

OURS = """
import json, os, resource, sys, time
from pathlib import Path
from smsroi_helpers import ab_test, experiments
from smsroi_helpers.source import load, open_shop
place = Path(sys.argv[2])
shop = open_shop(load(sys.argv[1], place / ".loaded"), "", place / ".cache")
shop.con.raw_sql("SET threads = 2")
shop.con.raw_sql("SET memory_limit = '1500MB'")
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
start, before = time.perf_counter(), cpu()
found = experiments.list_experiments(shop)[0]
split = experiments.check_split(found)
effects = ab_test.measure_effects(found, experiments.count_outcomes(shop))
seconds, cpu_seconds = time.perf_counter() - start, cpu() - before
row = effects.find("profit", "b")
effect = [row.unadjusted_difference, row.unadjusted_low, row.unadjusted_high]
print(json.dumps([seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, effect]))
"""

PANDAS = """
import json, resource, sys, time
import pandas as pd
from scipy import stats
folder = sys.argv[1]
start, before_cpu = time.perf_counter(), time.process_time()
people = pd.read_parquet(folder + "/assignments.parquet", columns=["customer_id", "arm", "assigned_at"])
orders = pd.read_parquet(folder + "/orders.parquet", columns=["customer_id", "ordered_at", "amount"])
sends = pd.read_parquet(folder + "/messages.parquet", columns=["customer_id", "sent_at", "cost"])
outs = pd.read_parquet(folder + "/customers.parquet", columns=["customer_id", "opted_out_at"])
at = people.set_index("customer_id")["assigned_at"]
orders["after"] = orders["ordered_at"] >= orders["customer_id"].map(at)
after = orders[orders["after"]].groupby("customer_id")["amount"].agg(spend="sum", orders="size")
before = orders[~orders["after"]].groupby("customer_id")["amount"].sum()
cost = sends[sends["sent_at"] >= sends["customer_id"].map(at)].groupby("customer_id")["cost"].sum()
people = people.set_index("customer_id").join(after).join(before.rename("before")).join(cost)
people = people.join(outs.set_index("customer_id"))
people[["spend", "orders", "before", "cost"]] = people[["spend", "orders", "before", "cost"]].fillna(0.0)
people["profit"] = 0.3 * people["spend"] - people["cost"]
people["out"] = people["opted_out_at"] >= people["assigned_at"]
for name in ("profit", "spend", "orders", "out"):
    a, b = (people.loc[people["arm"] == arm, name].astype(float) for arm in "ab")
    test = stats.ttest_ind(b, a, equal_var=False)
    if name == "profit":
        effect = [b.mean() - a.mean(), *test.confidence_interval()]
seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - before_cpu
print(json.dumps([seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, effect]))
"""


def write_source(folder: Path, customers: int) -> None:
    """Write one experiment with two arms: half the customers order in eight weeks, all get a message, some opt out."""
    con = duckdb.connect()
    con.execute("SET threads = 2; SET memory_limit = '1500MB'")
    (folder / "source.yml").write_text("margin: 0.3\n")
    start, end = "TIMESTAMP '2025-03-03'", "TIMESTAMP '2025-03-31'"

    def write(table: str, query: str) -> None:
        con.execute(f"COPY ({query}) TO '{folder / f'{table}.parquet'}' (FORMAT parquet)")

    write(
        "experiments",
        f"SELECT 'x' AS experiment_id, 'content' AS kind, 'a' AS control_arm, {start} AS started_at, {end} AS ended_at",
    )
    write("arms", "SELECT 'x' AS experiment_id, unnest(['a', 'b']) AS arm, 0.5 AS share")
    write(
        "assignments",
        f"SELECT 'x' AS experiment_id, 'c' || i AS customer_id, CASE WHEN hash(i) % 2 = 0 THEN 'a' ELSE 'b' END AS arm,"
        f" {start} AS assigned_at FROM range({customers}) t(i)",
    )
    write(
        "customers",
        f"SELECT 'c' || i AS customer_id, CASE WHEN hash(i + 7) % 50 = 0 THEN {start} + to_hours((i * 13) % 600"
        f" + 600) END AS opted_out_at FROM range({customers}) t(i)",
    )
    write(
        "orders",
        f"SELECT 'o' || i AS order_id, 'c' || (hash(i + 3) % {customers}) AS customer_id, {start}"
        f" + to_minutes((i * 7919) % 80000 - 40000) AS ordered_at,"
        f" round(5 + (hash(i + 5) % 9000) / 100.0, 2)::DOUBLE AS amount FROM range({customers // 2}) t(i)",
    )
    write(
        "messages",
        f"SELECT 'm' || i AS message_id, 'c' || i AS customer_id, 'k' AS campaign_id,"
        f" {start} + to_minutes(i % 9000 + 1) AS sent_at, 0.02::DOUBLE AS cost FROM range({customers}) t(i)",
    )


def run(program: str, *arguments: str) -> tuple[float, float, float, list[float]]:
    """Run a program: wall seconds, CPU seconds, peak megabytes, and the difference in profit with its interval."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    seconds, cpu_seconds, megabytes, effect = json.loads(done.stdout.strip().splitlines()[-1])
    return seconds, cpu_seconds, megabytes, effect


def main() -> None:
    """Print time and memory of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000_000)
    parser.add_argument("--no-pandas", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "source"
        folder.mkdir()
        write_source(folder, chosen.customers)
        seconds, cpu_seconds, megabytes, our_effect = run(OURS, str(folder), place)
        print(
            f"{chosen.customers:,} customers: {seconds:.1f} s ({cpu_seconds:.1f} s of CPU time), {megabytes:,.0f} MB"
            " peak (including reading)"
        )
        if not chosen.no_pandas:
            theirs, their_cpu_seconds, their_megabytes, their_effect = run(PANDAS, str(folder))
            print(
                f"pandas: {theirs:.1f} s ({their_cpu_seconds:.1f} s of CPU time), {their_megabytes:,.0f} MB;"
                f" {theirs / seconds:.1f} times as long"
            )
            disagreement = max(abs(ours / other - 1) for ours, other in zip(our_effect, their_effect, strict=True))
            print(f"the difference in profit and its interval agree within {disagreement:.0e} (relative)")


if __name__ == "__main__":
    main()
