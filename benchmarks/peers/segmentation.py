"""Who the customers are, in pandas: what an analyst would compute of a simulated company for `01_segmentation`.

    python -m benchmarks.peers.segmentation FOLDER

It covers: RFM scores and rule-based groups on three days; k-means of log features of a sample, with silhouettes, and
the nearest centre of every customer; next-quarter spend, orders and clicks by group and the share of variance that
groups explain; migration; a reach table; profit by arm and group of each experiment. It leaves out the test whether
clusters exist, stability, intervals, portraits, the choice by response and the funnel.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from benchmarks.peers.company import rfm


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    orders = pd.read_parquet(f"{folder}/orders", columns=["customer_id", "ordered_at", "amount"])
    people = pd.read_parquet(f"{folder}/customers")
    columns = ["customer_id", "channel", "sent_at", "delivered_at", "clicked_at", "cost"]
    messages = pd.read_parquet(f"{folder}/messages", columns=columns)
    refunds, orders = orders[orders["amount"] < 0], orders[orders["amount"] >= 0]
    orders = orders.assign(
        day=orders["ordered_at"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.floor("D")
    )
    end, quarter = orders["day"].max(), pd.Timedelta(days=91)
    now, before, earlier = (rfm(orders, end - k * quarter) for k in (0, 1, 2))
    messages["click"] = (messages["clicked_at"] - messages["delivered_at"]).dt.total_seconds() >= 5
    sent = messages.groupby("customer_id").agg(delivered=("delivered_at", "count"), clicks=("click", "sum"))
    rows = now.join(sent).join(people.set_index("customer_id")[["attr_member_level", "acquisition_channel"]])
    rate = rows["clicks"].sum() / rows["delivered"].sum()
    features = pd.DataFrame({
        "rate": np.log((rows["days"] - 0.5) / ((end - rows["first"]).dt.days + 60)),
        "value": np.log(np.maximum(rows["monetary"] / rows["days"], 0.01)),
        "clicks": np.log((rows["clicks"].fillna(0) + 20 * rate) / (rows["delivered"].fillna(0) + 20)),
    })  # fmt: skip
    features = features.join(pd.get_dummies(rows[["attr_member_level", "acquisition_channel"]], dtype=float))
    sample = features.sample(min(20_000, len(features)), random_state=1)
    scaler = StandardScaler().fit(sample)
    best = max(
        (KMeans(k, n_init=10, random_state=1).fit(scaler.transform(sample)) for k in range(2, 8)),
        key=lambda fit: silhouette_score(scaler.transform(sample), fit.labels_, sample_size=5_000, random_state=1),
    )
    rows["cluster"] = best.predict(scaler.transform(features))
    after = orders[orders["day"] > end - quarter].groupby("customer_id")["amount"].agg(["sum", "size"])
    recent = messages[messages["sent_at"] >= messages["sent_at"].max() - quarter]
    outcomes = before.join(after).join(recent.groupby("customer_id")["click"].sum()).fillna({"sum": 0, "size": 0})
    explained = {}
    for outcome in ("sum", "size", "click"):
        values = outcomes[outcome].fillna(0)
        explained[outcome] = values.groupby(outcomes["group"]).transform("mean").var() / values.var()
    moves = pd.crosstab(earlier["group"].reindex(now.index, fill_value="new"), now["group"])
    consenting = people["opted_in_at"].notna() & people["opted_out_at"].isna()
    reach = rows.assign(reachable=consenting.set_axis(people["customer_id"]).reindex(rows.index)).groupby("group")
    profit = orders.groupby("customer_id")["amount"].sum() * 0.4
    profit = profit.sub(messages.groupby("customer_id")["cost"].sum(), fill_value=0)
    profit = profit.add(refunds.groupby("customer_id")["amount"].sum() * 0.4, fill_value=0)
    assigned = pd.read_parquet(f"{folder}/assignments")
    assigned["group"] = assigned["customer_id"].map(before["group"]).fillna("prospect")
    assigned["profit"] = assigned["customer_id"].map(profit).fillna(0)
    reactions = assigned.groupby(["experiment_id", "arm", "group"])["profit"].agg(["mean", "var", "size"])
    print(len(rows), len(moves), len(reach.size()), len(reactions), best.n_clusters, explained)


if __name__ == "__main__":
    main(sys.argv[1])
