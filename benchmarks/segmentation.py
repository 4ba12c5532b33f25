"""Time and memory of `01_segmentation` on a large log, compared with pandas.

    .venv/bin/python benchmarks/segmentation.py               1 M customers, 5 M orders, 10 M messages; a few minutes
    .venv/bin/python benchmarks/segmentation.py --rows 0.1    a tenth of the rows

Target: 60 s and 2 GB on two cores for everything that the notebook counts and decides, without reading and drawing. The
data are computed without random numbers, so they are the same everywhere. Each measurement is a separate process with
two threads. The baseline is pandas. It computes the scores and rule-based segments on three days, the clusters'
features, and the share of the next period's outcomes that segments, stages and attributes explain, with the jackknife.
It has no test of clusters, profiles, experiments, intervals of shares or writing of tables.
"""

import argparse
import tempfile
from pathlib import Path

import duckdb

from benchmarks.load import compare_with_pandas

STAGE = """
import sys, time
from pathlib import Path
from smsroi_helpers import segmentation
from smsroi_helpers.source import load, open_shop

place = Path(sys.argv[2])
shop = open_shop(load(sys.argv[1], place / ".loaded", 0.01), "", place / ".cache")
began = time.perf_counter()
days = segmentation.period_of(shop)
found = segmentation.find_grouping(shop)
scores = segmentation.score_table(shop)
outcomes = segmentation.collect_outcomes(shop, found, days)
by_segment = segmentation.outcomes_by_segment(shop, outcomes, "rfm_group")
explained = segmentation.explained(shop, outcomes)
rules = segmentation.rule_table(shop, found.cuts)
profiles = segmentation.profile(found.sample, found.clusters)
chosen = segmentation.segments(shop, "rfm_group", cuts=found.cuts, clusters=found.clusters)
portraits = segmentation.draw_portraits(shop, chosen)
themes = segmentation.find_themes(shop, chosen)
moved = segmentation.count_moves(shop, found, "rfm_group", days)
steps = segmentation.count_funnel(shop, found.cuts)
criteria = segmentation.evaluate_criteria(shop, found, "rfm_group", explained, outcomes)
recency = segmentation.response_by_recency(shop, outcomes)
moved_cuts = segmentation.move_cuts(shop, found.cuts)
returns = segmentation.count_returns(shop, found.cuts, days)
factors = segmentation.factor_loadings(shop, found.sample)
findings = segmentation.Findings(by_segment, explained, criteria, recency, scores, days)
answer = segmentation.decide(found, "rfm_group", findings)
rows = shop.write(segmentation.customer_segments(shop, found), place / "customer_segments.parquet")
print(f"{time.perf_counter() - began:.1f} s for {rows:,} customers; {answer[0].action}")
"""

PANDAS = """
import sys, time
import numpy as np, pandas as pd
from benchmarks.peers.company import rfm

began = time.perf_counter()
orders = pd.read_parquet(sys.argv[1] + "/orders.parquet", columns=["customer_id", "ordered_at", "amount"])
people = pd.read_parquet(sys.argv[1] + "/customers.parquet")
columns = ["customer_id", "sent_at", "delivered_at", "clicked_at"]
messages = pd.read_parquet(sys.argv[1] + "/messages.parquet", columns=columns)
orders["day"] = orders["ordered_at"].dt.floor("D")
end, day = orders["day"].max(), pd.Timedelta(days=1)

def features(at):
    rows = rfm(orders, at)
    sent = messages[messages["sent_at"].dt.floor("D") <= at]
    sent = sent.assign(click=(sent["clicked_at"] - sent["delivered_at"]).dt.total_seconds() >= 5)
    clicks = sent.groupby("customer_id").agg(n=("delivered_at", "count"), click=("click", "sum"))
    rows = rows.join(clicks).fillna({"n": 0, "click": 0})
    rate = (rows["days"] - 0.5) / ((at + day - rows["first"]).dt.days + 40)
    return rows.assign(orders=np.log(rows["days"]), rate=np.log(rate), value=np.log(rows["monetary"] / rows["days"]),
                       click=np.log((rows["click"] + 1) / (rows["n"] + 20)))

split = end - 91 * day
now, then, before = features(end), features(split), rfm(orders, split - 91 * day)
later = orders[orders["day"] > split].groupby("customer_id")
later = later.agg(spend=("amount", "sum"), orders_later=("amount", "size"))
described = people.set_index("customer_id")[["attr_level", "acquisition_channel"]]
rows = then.join(later).fillna({"spend": 0, "orders_later": 0}).join(described)
rows["scores"] = rows["r"] * 100 + rows["f"] * 10 + rows["m"]
rows["fold"] = pd.util.hash_array(rows.index.to_numpy().astype(object), categorize=False) % 64
for column in ("group", "scores", "attr_level", "acquisition_channel"):
    for outcome in ("spend", "orders_later"):
        cells = rows.groupby([column, "fold"])[outcome].agg(["size", "sum"])
        others = cells.groupby(level=0).transform("sum") - cells
        predicted = rows.join((others["sum"] / others["size"]).rename("prediction"), on=[column, "fold"])
        residual, total = predicted[outcome] - predicted["prediction"], predicted[outcome] - predicted[outcome].mean()
        explained = 1 - (residual**2).sum() / (total**2).sum()
moves = pd.crosstab(then["group"].reindex(now.index), now["group"])
kept = ["customer_id", "recency", "frequency", "monetary", "r", "f", "m", "group"]
now.reset_index()[kept].to_parquet(sys.argv[2] + "/by_hand.parquet")
print(f"{time.perf_counter() - began:.1f} s for {len(now):,} customers")
"""


def write_log(folder: Path, share: float) -> str:
    """Write the log of a year; customers differ in how often they buy and click. Returns a summary."""
    customers, orders, messages = (int(share * n) for n in (1_000_000, 5_000_000, 10_000_000))
    con = duckdb.connect()
    con.execute("SET threads = 2")

    def chance(what: str, salt: int) -> str:
        return f"(hash({what} + {salt}) % 1000003 / 1000003.0)"

    start = "TIMESTAMP '2025-01-01'"
    con.execute(f"""
        COPY (SELECT 'c' || lpad(i::VARCHAR, 8, '0') AS customer_id,
                     {start} + to_days(({chance("i", 1)} * 200)::INTEGER) AS joined_at,
                     {start} AS opted_in_at, NULL::TIMESTAMP AS opted_out_at,
                     ['shop', 'search', 'social'][1 + (i % 7 % 3)] AS acquisition_channel,
                     ['none', 'silver', 'gold'][1 + ({chance("i", 2)} * 3)::INTEGER % 3] AS attr_level,
                     ['north', 'south', 'east', 'west'][1 + i % 4] AS region
              FROM range({customers}) AS t(i)) TO '{folder}/customers.parquet'""")
    # The square makes some customers buy far more often than others.
    con.execute(f"""
        COPY (SELECT 'o' || j AS order_id,
                     'c' || lpad(floor({customers} * pow({chance("j", 3)}, 2))::BIGINT::VARCHAR, 8, '0')
                       AS customer_id,
                     {start} + to_seconds(({chance("j", 4)} * 365 * 86400)::BIGINT) AS ordered_at,
                     round(5 + 80 * pow({chance("j", 5)}, 3), 2) AS amount
              FROM range({orders}) AS t(j)) TO '{folder}/orders.parquet'""")
    con.execute(f"""
        COPY (SELECT 'm' || k AS message_id,
                     'c' || lpad(floor({customers} * {chance("k", 6)})::BIGINT::VARCHAR, 8, '0') AS customer_id,
                     'week' || (k % 52) AS campaign_id, ['a', 'b', 'c'][1 + k % 3] AS variant, 0.02 AS cost, sent_at,
                     sent_at + INTERVAL 3 SECOND AS delivered_at,
                     CASE WHEN {chance("k", 7)} < 0.04 THEN sent_at + INTERVAL 20 MINUTE END AS clicked_at
              FROM (SELECT k, {start} + to_seconds(({chance("k", 8)} * 365 * 86400)::BIGINT) AS sent_at
                    FROM range({messages}) AS t(k))) TO '{folder}/messages.parquet'""")
    return f"{customers:,} customers, {orders:,} orders, {messages:,} messages"


def main() -> None:
    """Print time and memory of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1.0, help="share of the full size")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "log"
        folder.mkdir()
        print(write_log(folder, chosen.rows), flush=True)
        compare_with_pandas(STAGE, PANDAS, folder, Path(place))


if __name__ == "__main__":
    main()
