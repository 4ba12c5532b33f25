"""Time and memory of `03_timing` on a large log, compared with the same tables in pandas.

    .venv/bin/python -m benchmarks.timing               200,000 customers, 10 M messages; a few minutes
    .venv/bin/python -m benchmarks.timing --rows 0.1    a tenth of the rows

Target: 30 s and 2 GB on two cores for everything that the notebook counts and decides, without reading and drawing, and
fewer than 200,000 rows loaded into Python. The data are computed without random numbers, so they are the same
everywhere. Each measurement is a separate process with two threads. The baseline is pandas. It computes human clicks at
local hours by segment, weekday, hour and group of customers, for the experiment and for the log by campaign. It also
computes the outcomes of the arms of a frequency test, and each customer's hours. It has no curves, sets, intervals,
money or writing of tables.
"""

import argparse
import tempfile
from pathlib import Path

import duckdb

from benchmarks.load import compare_with_pandas

STAGE = """
import sys, time
from pathlib import Path
import numpy as np
from smsroi_helpers import measures, timing
from smsroi_helpers.source import Shop, load, open_shop

place = Path(sys.argv[2])
shop = open_shop(load(sys.argv[1], place / ".loaded", 0.01), "", place / ".cache")
brought, count = [], Shop.count
def counting(self, cells):
    found = count(self, cells)
    brought.append(len(found))
    return found
Shop.count = counting
began = time.perf_counter()
hours = timing.analyse(shop, segment_by="attr_level")
answers = timing.find_best_hours(hours, np.random.default_rng(1), smallest_gain=0.002)
outcomes = timing.compare_arms(timing.count_outcomes(shop, hours.test))
personal = timing.analyse_personal_send_times(shop, hours, "attr_level")
days = timing.analyse_days(shop, hours.sends)
gap = timing.observational_gap(hours.randomised, hours.observational)
places = measures.count_places(shop)
decided = timing.decide(hours, answers)
table = timing.customer_send_hours(shop, personal, "attr_level")
rows = shop.write(table, place / "customer_send_hour.parquet")
took = time.perf_counter() - began
print(f"{took:.1f} s; {sum(brought):,} rows into Python; {rows:,} customers; {decided[0].action}")
"""

PANDAS = """
import sys, time
import numpy as np, pandas as pd

began = time.perf_counter()
read = lambda name, columns=None: pd.read_parquet(f"{sys.argv[1]}/{name}.parquet", columns=columns)
people, orders, assigned = read("customers"), read("orders"), read("assignments")
arms = read("arms")
rows = read("messages", ["customer_id", "campaign_id", "sent_at", "delivered_at", "clicked_at"])
rows = rows[rows["sent_at"] < rows["sent_at"].max() - pd.Timedelta(hours=72)]
rows = rows.merge(people[["customer_id", "timezone", "region", "attr_level"]], on="customer_id")
local = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
for zone, own in rows.groupby("timezone")["sent_at"]:
    local.loc[own.index] = own.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None).astype("datetime64[us]")
rows["weekday"], rows["hour"], rows["day"] = local.dt.dayofweek, local.dt.hour, local.dt.floor("D")
seconds = (rows["clicked_at"] - rows["delivered_at"]).dt.total_seconds()
clicked = rows["clicked_at"].notna()
every = rows.assign(click=clicked).groupby("customer_id")["click"].agg(["size", "sum"])
machine = every.index[(every["size"] >= 10) & (every["sum"] >= 0.9 * every["size"])]
second = rows["clicked_at"].dt.floor("s")
bursts = rows[clicked & (seconds >= 5)].groupby(["campaign_id", second]).size()
bursts = bursts[bursts >= 20]
rows["machine"] = (seconds < 5) | rows["customer_id"].isin(machine)
rows["click"] = clicked & ~rows["machine"]
rows["fold"] = pd.util.hash_array(rows["customer_id"].to_numpy().astype(object)) % 64
test = assigned[assigned["experiment_id"] == "hours"].merge(arms[["arm", "hour_start"]], on="arm")
inside = rows.merge(test[["customer_id", "assigned_at", "hour_start"]], on="customer_id")
inside = inside[inside["sent_at"] >= inside["assigned_at"]]
keys = ["attr_level", "weekday", "hour_start", "fold"]
tested = inside.groupby(keys).agg(messages=("machine", "size"), clicks=("click", "sum"))
start = rows["sent_at"].max() - pd.Timedelta(weeks=26)
log = rows[(rows["sent_at"] >= start) & ~rows["customer_id"].isin(assigned["customer_id"])]
logged = log.groupby(["attr_level", "campaign_id", "weekday", "hour", "fold"])
logged = logged.agg(messages=("machine", "size"), clicks=("click", "sum"))
practice = log.groupby(["attr_level", "timezone", "region", "weekday", "hour"]).size()
doses = assigned[assigned["experiment_id"] == "doses"]
for name, table, column in (("profit", orders, "amount"), ("clicks", rows, "click")):
    at = "ordered_at" if name == "profit" else "sent_at"
    own = table.merge(doses[["customer_id", "assigned_at"]], on="customer_id")
    own = own[own[at] >= own["assigned_at"]].groupby("customer_id")[column].sum()
    doses = doses.join(own.rename(name), on="customer_id")
moments = doses.fillna({"profit": 0, "clicks": 0}).groupby("arm")[["profit", "clicks"]].agg(["mean", "var", "size"])
texted = rows[["customer_id", "day"]].drop_duplicates()
events = orders.assign(day=orders["ordered_at"].dt.floor("D"), hour=orders["ordered_at"].dt.hour)
events = events.merge(texted.assign(texted=True), on=["customer_id", "day"], how="left")
own_hours = events[events["texted"].isna()].groupby(["customer_id", "hour"]).size()
months = rows.groupby([rows["day"].dt.to_period("M"), "fold"])["click"].agg(["size", "sum"])
print(f"{time.perf_counter() - began:.1f} s; {len(tested):,} and {len(logged):,} cells")
"""


def write_log(folder: Path, share: float) -> str:
    """Write the log of a year with an hour test and a frequency test; returns a summary."""
    customers, orders, messages = (int(share * n) for n in (200_000, 1_000_000, 10_000_000))
    con = duckdb.connect()
    con.execute("SET threads = 2")

    def chance(what: str, salt: int) -> str:
        return f"(hash({what} + {salt}) % 1000003 / 1000003.0)"

    start = "TIMESTAMP '2025-01-01'"
    name = "'c' || lpad({}::VARCHAR, 8, '0')"
    con.execute(f"""
        COPY (SELECT {name.format("i")} AS customer_id, {start} - INTERVAL 90 DAY AS joined_at,
                     ['America/New_York', 'America/Chicago', 'Asia/Shanghai'][1 + i % 3] AS timezone,
                     ['New York', 'Illinois', 'East'][1 + i % 3] AS region,
                     ['none', 'silver', 'gold', 'top'][1 + ({chance("i", 2)} * 4)::INTEGER % 4] AS attr_level,
                     NULL::TIMESTAMP AS opted_out_at
              FROM range({customers}) AS t(i)) TO '{folder}/customers.parquet'""")
    con.execute(f"""
        COPY (SELECT 'o' || j AS order_id,
                     {name.format(f"floor({customers} * pow({chance('j', 3)}, 2))::BIGINT")} AS customer_id,
                     {start} + to_seconds(({chance("j", 4)} * 365 * 86400)::BIGINT) AS ordered_at,
                     round(5 + 80 * pow({chance("j", 5)}, 3), 2) AS amount
              FROM range({orders}) AS t(j)) TO '{folder}/orders.parquet'""")
    # Two customers in five are in the hour test, one in five in the frequency test; texts: 8:00–20:00 New York time.
    con.execute(f"""
        COPY (SELECT 'm' || k AS message_id, {name.format("customer")} AS customer_id,
                     'c' || (floor({chance("k", 8)} * 52))::INTEGER AS campaign_id, 0.02 AS cost, sent_at,
                     sent_at + INTERVAL 3 SECOND AS delivered_at,
                     CASE WHEN {chance("k", 7)} < 0.04 + 0.015 * sin((hour(sent_at) - 8) / 4.0)
                          THEN sent_at + to_seconds((30 + 3000 * {chance("k", 9)})::BIGINT) END AS clicked_at
              FROM (SELECT k, customer,
                           date_trunc('day', {start} + to_seconds(({chance("k", 8)} * 365 * 86400)::BIGINT))
                           + to_hours(CASE WHEN customer % 5 < 2 THEN 13 + (customer // 5) % 12
                                           ELSE 13 + ({chance("k", 10)} * 12)::INTEGER % 12 END)
                           + to_seconds(({chance("k", 11)} * 3600)::BIGINT) AS sent_at
                    FROM (SELECT k, floor({customers} * {chance("k", 6)})::BIGINT AS customer
                          FROM range({messages}) AS t(k)))) TO '{folder}/messages.parquet'""")
    con.execute(f"""
        COPY (SELECT * FROM (VALUES ('hours', 'timing', 'h8', {start} + INTERVAL 180 DAY),
                                    ('doses', 'frequency', 'd0', {start} + INTERVAL 180 DAY))
              AS e(experiment_id, kind, control_arm, started_at)) TO '{folder}/experiments.parquet'""")
    con.execute(f"""
        COPY (SELECT 'hours' AS experiment_id, 'h' || (8 + h) AS arm, 1 / 12.0 AS share, 8.0 + h AS hour_start,
                     9.0 + h AS hour_end, NULL::DOUBLE AS messages_per_week FROM range(12) AS t(h)
              UNION ALL SELECT 'doses', 'd' || d, 0.5, NULL, NULL, 1.0 * d FROM range(2) AS t(d))
        TO '{folder}/arms.parquet'""")
    con.execute(f"""
        COPY (SELECT CASE WHEN i % 5 < 2 THEN 'hours' ELSE 'doses' END AS experiment_id,
                     {name.format("i")} AS customer_id,
                     CASE WHEN i % 5 < 2 THEN 'h' || (8 + (i // 5) % 12)
                          ELSE 'd' || ((i // 5) % 2) END AS arm, {start} + INTERVAL 180 DAY AS assigned_at
              FROM range({customers}) AS t(i) WHERE i % 5 < 3) TO '{folder}/assignments.parquet'""")
    (folder / "source.yml").write_text("timezone: America/New_York\ncurrency: USD\n", encoding="utf-8")
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
