"""Time and memory of `04_frequency` on a large log, compared with the same tables in pandas.

    .venv/bin/python -m benchmarks.frequency                      200,000 simulated customers, 9.6 M messages
    .venv/bin/python -m benchmarks.frequency --customers 20000    fewer

Target: 30 s and 2 GB on two cores for everything that the notebook counts and decides, without reading and drawing, and
fewer than 200,000 rows loaded into Python. Each measurement is a separate process with two threads. The baseline is
pandas. It computes the test's arms by segment (customers, subscribed weeks, opt-outs, human clicks, profit) and the
customer-weeks of today's practice with the covariates known before. It has no pooling, intervals, long-run value,
weighting of the log, early warning or P(alive).
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.load import compare_with_pandas
from smsroi_helpers.simulation.write import write_company

STAGE = """
import sys, time
from pathlib import Path
import numpy as np
from smsroi_helpers import frequency
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
rng = np.random.default_rng(1)
study = frequency.analyse(shop, rng)
policy = frequency.choose_frequencies(study, rng)
stages = frequency.choose_frequencies(study, rng, by="stage")
lost = frequency.measure_saturation(study, policy)
weeks = frequency.trace_pull_forward(shop, study)
fading = frequency.warn_early(shop, study)
scores = frequency.score_by_frequency(shop, study)
decided = frequency.decide(study, policy, "USD")
took = time.perf_counter() - began
print(f"{took:.1f} s; {sum(brought):,} rows into Python; {decided[0].action}")
"""

PANDAS = """
import sys, time
import numpy as np, pandas as pd

began = time.perf_counter()
read = lambda name, columns=None: pd.read_parquet(f"{sys.argv[1]}/{name}", columns=columns)
people = read("customers", ["customer_id", "opted_in_at", "opted_out_at"])
orders = read("orders", ["customer_id", "ordered_at", "amount", "discount"])
rows = read("messages", ["customer_id", "channel", "sent_at", "delivered_at", "clicked_at", "cost"])
rows = rows[rows["channel"] == "sms"]
rows["click"] = (rows["clicked_at"] - rows["delivered_at"]).dt.total_seconds() >= 5
orders["profit"] = 0.4 * (orders["amount"] + orders["discount"]) - orders["discount"]
orders.loc[orders["amount"] < 0, "profit"] = 0.4 * orders["amount"]
tests, arms, assigned = (read(f"{name}.parquet") if name != "assignments" else read(name)
                         for name in ("experiments", "arms", "assignments"))
head = tests[tests["kind"] == "frequency"].iloc[0]
own = assigned[assigned["experiment_id"] == head["experiment_id"]].merge(people, on="customer_id")
first = own["assigned_at"].min()
bought = orders[(orders["amount"] >= 0) & (orders["ordered_at"] < first)].groupby("customer_id")["ordered_at"]
known = bought.agg(["max", "size"]).reset_index()
own = own.merge(known, on="customer_id", how="left")
days = (first - own["max"]).dt.days
own["segment"] = np.select([own["max"].isna(), days < 30, days < 90], ["prospect", "recent", "middle"], "dormant")
left_at = own["opted_out_at"].fillna(head["ended_at"]).clip(upper=head["ended_at"])
own["weeks"] = (left_at - own["assigned_at"]).dt.total_seconds() / 604800
own["opted_out"] = own["opted_out_at"].between(own["assigned_at"], head["ended_at"])
for name, table, at in (("gross", orders.rename(columns={"profit": "gross"}), "ordered_at"),
                        ("cost", rows, "sent_at"), ("click", rows, "sent_at")):
    inside = table.merge(own[["customer_id", "assigned_at"]], on="customer_id")
    inside = inside[(inside[at] >= inside["assigned_at"]) & (inside[at] < head["ended_at"])]
    own = own.merge(inside.groupby("customer_id")[name].sum().reset_index(), on="customer_id", how="left")
own[["gross", "cost", "click"]] = own[["gross", "cost", "click"]].fillna(0)
own["profit"] = own["gross"] - own["cost"]
columns = {name: "sum" for name in ("weeks", "opted_out", "click", "cost")} | {"profit": ["size", "mean", "var"]}
table = own.groupby(["segment", "arm"]).agg(columns)
end, parts = rows["sent_at"].max().normalize(), []
in_test = set(assigned.loc[assigned["experiment_id"] == head["experiment_id"], "customer_id"])
week = pd.Timedelta(weeks=1)
for landmark in (end - 4 * k * week for k in range(1, 7)):
    subscribers = people[(people["opted_in_at"] < landmark) & ~(people["opted_out_at"] < landmark)]
    subscribers = subscribers[~subscribers["customer_id"].isin(in_test)][["customer_id"]]
    earlier = rows[(rows["sent_at"] < landmark) & (rows["sent_at"] >= landmark - 8 * week)]
    texted = rows[(rows["sent_at"] >= landmark) & (rows["sent_at"] < landmark + week)]
    after = orders[(orders["ordered_at"] >= landmark) & (orders["ordered_at"] < landmark + 4 * week)]
    before = orders[orders["ordered_at"] < landmark].groupby("customer_id")
    subscribers = subscribers.join(before["ordered_at"].agg(["max", "size"]), on="customer_id")
    subscribers = subscribers.join(before["amount"].sum(), on="customer_id")
    counts = earlier.groupby("customer_id").agg(before=("click", "size"), clicks=("click", "sum"))
    subscribers = subscribers.join(counts, on="customer_id")
    subscribers = subscribers.join(texted.groupby("customer_id").size().rename("texts"), on="customer_id")
    parts.append(subscribers.join(after.groupby("customer_id")["profit"].sum(), on="customer_id"))
practice = pd.concat(parts)
print(f"{time.perf_counter() - began:.1f} s; {len(table)} arms and segments, {len(practice):,} customer-weeks")
"""


def main() -> None:
    """Print time and memory of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000, metavar="N")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "company"
        write_company(source, customers=chosen.customers, weeks=52, seed=1)
        compare_with_pandas(STAGE, PANDAS, source, Path(place))


if __name__ == "__main__":
    main()
