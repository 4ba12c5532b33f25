"""When to send, in pandas: what an analyst would compute of a simulated company for `03_timing`.

    python -m benchmarks.peers.timing FOLDER

It covers: human clicks (not within 5 seconds, not by who clicks everything) by the recipient's local hour, of the hour
test by segment, weekday and arm, and of the log of 26 weeks by campaign, weekday and hour, both by 64 groups of
customers; a logistic regression of the log's clicks on hour and weekday; clicks, orders and profit by arm; each
customer's own hours. It leaves out curves, sets of best hours, intervals, money, places and days off.
"""

import sys

import numpy as np
import pandas as pd
import statsmodels.api as sm

GROUPS = 64


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    people = pd.read_parquet(f"{folder}/customers", columns=["customer_id", "timezone", "attr_member_level"])
    orders = pd.read_parquet(f"{folder}/orders", columns=["customer_id", "ordered_at", "amount"])
    columns = ["customer_id", "campaign_id", "channel", "sent_at", "delivered_at", "clicked_at"]
    rows = pd.read_parquet(f"{folder}/messages", columns=columns)
    rows = rows[(rows["channel"] == "sms") & (rows["sent_at"] < rows["sent_at"].max() - pd.Timedelta(hours=72))]
    rows = rows.merge(people, on="customer_id", how="left")
    local = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    for zone, own in rows.groupby("timezone")["sent_at"]:
        local.loc[own.index] = own.dt.tz_convert(zone).dt.tz_localize(None).astype("datetime64[us]")
    rows["weekday"], rows["hour"] = local.dt.dayofweek, local.dt.hour
    clicked = rows["clicked_at"].notna()
    fast = (rows["clicked_at"] - rows["delivered_at"]).dt.total_seconds() < 5
    every = rows.assign(clicked=clicked).groupby("customer_id")["clicked"].agg(["size", "mean"])
    machines = every.index[(every["size"] >= 10) & (every["mean"] >= 0.9)]
    rows["click"] = clicked & ~fast & ~rows["customer_id"].isin(machines)
    rows["fold"] = pd.util.hash_array(rows["customer_id"].to_numpy(object)) % GROUPS
    tests = pd.read_parquet(f"{folder}/experiments.parquet")
    test = tests[tests["kind"] == "timing"].iloc[0]
    assigned = pd.read_parquet(f"{folder}/assignments")
    own = assigned[assigned["experiment_id"] == test["experiment_id"]]
    inside = rows.merge(own[["customer_id", "arm", "assigned_at"]], on="customer_id")
    inside = inside[(inside["sent_at"] >= inside["assigned_at"]) & (inside["sent_at"] < test["ended_at"])]
    tested = inside.groupby(["attr_member_level", "weekday", "arm", "fold"])["click"].agg(["size", "sum"])
    start = rows["sent_at"].max() - pd.Timedelta(weeks=26)
    log = rows[(rows["sent_at"] >= start) & ~rows["customer_id"].isin(own["customer_id"])]
    logged = log.groupby(["attr_member_level", "campaign_id", "weekday", "hour", "fold"])["click"].agg(["size", "sum"])
    cells = log.groupby(["weekday", "hour"])["click"].agg(["size", "sum"]).reset_index()
    design = pd.get_dummies(cells[["weekday", "hour"]].astype("category"), drop_first=True, dtype=float)
    counts = np.column_stack([cells["sum"], cells["size"] - cells["sum"]])
    fit = sm.GLM(counts, sm.add_constant(design), family=sm.families.Binomial()).fit()
    after = orders.merge(own[["customer_id", "arm", "assigned_at"]], on="customer_id")
    after = after[(after["ordered_at"] >= after["assigned_at"]) & (after["ordered_at"] < test["ended_at"])]
    by_customer = own.set_index("customer_id")[["arm"]]
    by_customer["clicks"] = inside.groupby("customer_id")["click"].sum()
    by_customer["spent"] = after.groupby("customer_id")["amount"].sum()
    outcomes = by_customer.fillna({"clicks": 0, "spent": 0}).groupby("arm").agg(["mean", "var", "size"])
    bought = orders.merge(people, on="customer_id")
    bought["hour"] = 0
    for zone, at in bought.groupby("timezone")["ordered_at"]:
        bought.loc[at.index, "hour"] = at.dt.tz_convert(zone).dt.hour
    personal = bought.groupby(["customer_id", "hour"]).size()
    print(len(tested), len(logged), len(fit.params), len(outcomes), len(personal))


if __name__ == "__main__":
    main(sys.argv[1])
