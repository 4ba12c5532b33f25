"""Time from two exports to the page, without editing anything: `smsroi import`, `smsroi check`, `smsroi run`.

    .venv/bin/python -m benchmarks.exports                  all three, about six minutes
    .venv/bin/python -m benchmarks.exports shopify          100,000 orders of Shopify and 264,000 texts of Twilio
    .venv/bin/python -m benchmarks.exports youzan           the same of Youzan and Aliyun: GBK, tabs, `￥1,299.50`
    .venv/bin/python -m benchmarks.exports klaviyo          the same of Klaviyo: events, and orders beside them
    .venv/bin/python -m benchmarks.exports --orders 10000   fewer orders, and texts in proportion

The target is 120 s for the three commands together. What the source holds afterwards is compared with a count of the
same files in pandas; a difference ends the benchmark with exit code 1. That count is also the baseline of time.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Measurement, measure
from smsroi_helpers.source.settings import project_root
from tests.source.exports import makers

TARGET_SECONDS = 120.0
_KEY = "a key of thirty-two bytes or more, for benchmarks only"
_CUSTOMERS = 0.12
"""Customers who are texted, per order."""
_SENDS = 22

_LOADED = """
import json, sys, pathlib, duckdb
from smsroi_helpers.source.read import load
place = pathlib.Path(sys.argv[2])
loaded = load(sys.argv[1], place, max_rejected_share=0.0)
guests = place / "guest_orders.parquet"
orders = [*loaded.tables["orders"].paths, *([str(guests)] if guests.exists() else [])]
texts = duckdb.read_parquet(list(loaded.tables["messages"].paths))
amounts = duckdb.sql(f"SELECT amount FROM read_parquet({[str(path) for path in orders]}, union_by_name=true)")
sold, refunded = amounts.aggregate(
    "coalesce(sum(amount) FILTER (amount > 0), 0), coalesce(-sum(amount) FILTER (amount < 0), 0)").fetchone()
columns = [*texts.columns]
count = {name: f"count({name})" if name in columns else "0" for name in ("delivered_at", "clicked_at")}
messages, delivered, clicked, people = texts.aggregate(
    f"count(*), {count['delivered_at']}, {count['clicked_at']}, count(DISTINCT customer_id)").fetchone()
print(json.dumps({"sold": round(sold, 2), "refunded": round(refunded, 2), "messages": messages,
                  "delivered": delivered, "clicked": clicked, "people texted": people}))
"""

_SHOPIFY = """
import json, sys, pandas as pd
orders = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False).drop_duplicates("Name")
orders = orders[(orders["Cancelled at"] == "") & (orders["Currency"] == "USD")
                & ~orders["Financial Status"].isin(["pending", "voided", "expired"])]
unpaid = orders["Outstanding Balance"].astype(float).where(orders["Financial Status"] == "partially_paid", 0.0)
log = pd.read_csv(sys.argv[2], dtype=str, keep_default_na=False).drop_duplicates("Sid")
log = log[(log["Direction"] != "inbound") & (log["ErrorCode"] != "21610") & (log["Status"] != "queued")]
print(json.dumps({"sold": round((orders["Total"].astype(float) - unpaid).sum(), 2),
                  "refunded": round(orders["Refunded Amount"].astype(float).sum(), 2), "messages": len(log),
                  "delivered": int(log["Status"].isin(["delivered", "sent"]).sum()), "clicked": 0,
                  "people texted": log["To"].nunique()}))
"""

_YOUZAN = """
import json, sys, pandas as pd
orders = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False, encoding="gbk").drop_duplicates("订单号")
orders = orders[orders["付款时间"] != ""]
paid = orders["订单实付金额(元)"].str.strip("￥").str.replace(",", "").astype(float)
closed = orders["订单状态"] == "交易关闭"
log = pd.read_csv(sys.argv[2], dtype=str, keep_default_na=False, encoding="gbk")
print(json.dumps({"sold": round(paid.sum(), 2), "refunded": round(paid[closed].sum(), 2), "messages": len(log),
                  "delivered": int(log["发送状态"].isin(["发送成功", "等待回执"]).sum()), "clicked": 0,
                  "people texted": log["手机号码"].nunique()}))
"""

_KLAVIYO = """
import json, sys, pandas as pd
orders = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False)
events = pd.read_csv(sys.argv[2], dtype=str, keep_default_na=False)
sent = events[events["Metric"].isin(["Received SMS", "Failed to Deliver SMS"])]
clicked = events[events["Metric"] == "Clicked SMS"].drop_duplicates(["Profile ID", "Campaign ID"])
print(json.dumps({"sold": round(orders["Value"].str.strip("$").str.replace(",", "").astype(float).sum(), 2),
                  "refunded": 0.0, "messages": len(sent), "delivered": int((sent["Metric"] == "Received SMS").sum()),
                  "clicked": len(clicked), "people texted": sent["Profile ID"].nunique()}))
"""


@dataclass(frozen=True)
class Case:
    """Exports of a shop and of what sends its texts."""

    orders: Callable[[int, int], str | bytes]
    """Number of orders, number of customers → the shop's export."""
    messages: Callable[[int, int], str | bytes]
    """Number of sends, number of customers → the other export."""
    count: str
    """Counts both in pandas."""


CASES = {
    "shopify": Case(makers.shopify, makers.twilio, _SHOPIFY),
    "youzan": Case(makers.youzan, makers.aliyun, _YOUZAN),
    "klaviyo": Case(makers.klaviyo_orders, makers.klaviyo_events, _KLAVIYO),
}


def measure_case(case: Case, orders: int, place: Path) -> bool:
    """Make the exports, run the three commands and print what they took.

    Args:
        case: the exports.
        orders: their number.
        place: an empty folder, in which a project is made.

    Returns:
        whether the totals are those of the count in pandas, and the three commands took less than `TARGET_SECONDS`.
    """
    people = round(orders * _CUSTOMERS)
    files = (place / "orders_export.csv", place / "texts.csv")
    for file, content in zip(files, (case.orders(orders, people), case.messages(_SENDS, people)), strict=True):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    print(f"{orders:,} orders, {_SENDS * people:,} texts, {sum(file.stat().st_size for file in files) / 2**20:.0f} MB")
    project = place / "project"
    (project / "notebooks").mkdir(parents=True)
    for notebook in (project_root() / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, project / "notebooks")
    checkout = str(Path(__file__).resolve().parents[1])
    prefix = ["env", f"SMSROI_PROJECT={project}", f"SMSROI_KEY={_KEY}", f"PYTHONPATH={checkout}", sys.executable]
    command = [*prefix, "-m", "smsroi_helpers.cli"]
    names = [str(file) for file in files]
    steps = {
        "import": measure([*command, "import", *names, "--to", "data/shop"]),
        "check": measure([*command, "check", "data/shop"]),
        "run": measure([*command, "run", str(project / "notebooks" / "parameters" / "shop.yaml")]),
    }
    by_hand = measure([sys.executable, "-c", case.count, *names])
    loaded = measure([*prefix, "-c", _LOADED, "data/shop", str(place / "loaded")])
    (manifest,) = (project / "reports" / "shop").glob("*/manifest.json")
    stages = json.loads(manifest.read_text(encoding="utf-8"))["notebooks"]
    print("  seconds by notebook:", ", ".join(f"{name} {one['seconds']:.0f}" for name, one in stages.items()))
    return _report(steps, by_hand, json.loads(loaded.output.splitlines()[-1]))


def _report(steps: dict[str, Measurement], by_hand: Measurement, found: dict[str, float]) -> bool:
    def show(title: str, one: Measurement, words: str = "") -> None:
        print(
            f"  {title:16}{one.seconds:7.1f} s {one.cpu_seconds:7.1f} CPU s {one.peak_mb:7,.0f} MB   {words}".rstrip()
        )

    for name, one in steps.items():
        show(f"smsroi {name}", one)
    all_steps = Measurement(
        sum(one.seconds for one in steps.values()), sum(one.cpu_seconds for one in steps.values()),
        max(one.peak_mb for one in steps.values()), "",
    )  # fmt: skip
    in_time = all_steps.seconds < TARGET_SECONDS
    show("together", all_steps, f"target {TARGET_SECONDS:.0f} s: {'met' if in_time else 'MISSED'}")
    expected = json.loads(by_hand.output)
    show("pandas by hand", by_hand, ", ".join(f"{name} {value:,}" for name, value in expected.items()))
    print(f"  ratio of seconds {all_steps.seconds / by_hand.seconds:.1f}, of CPU seconds", end=" ")
    print(f"{all_steps.cpu_seconds / by_hand.cpu_seconds:.1f}")
    differing = {name: (found[name], value) for name, value in expected.items() if abs(found[name] - value) > 0.005}
    print("  totals " + (f"DIFFER (source, count): {differing}" if differing else "equal to the count"), flush=True)
    return in_time and not differing


def main() -> None:
    """Measure the cases named on the command line; exit code 1 if one misses its target or differs from the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; all by default")
    parser.add_argument("--orders", type=int, default=100_000, help="number of orders")
    options = parser.parse_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (time of day depends on it, CPU time hardly)")
    met = []
    for name in options.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="smsroi-bench-") as place:
            print(f"\n{name}: ", end="", flush=True)
            met.append(measure_case(CASES[name], options.orders, Path(place)))
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
