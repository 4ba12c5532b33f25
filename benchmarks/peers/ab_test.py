"""Did the change pay, in pandas: what an analyst would compute of a simulated company for `05_ab_test`.

    python -m benchmarks.peers.ab_test FOLDER

It covers, for every test: the sample-ratio test; profit, revenue, orders, buyers, visits, clicks and replies per text,
and opt-outs by arm, with Welch's and CUPED's intervals (ratios by the delta method) and Holm's correction; profit and
buyers by segment of the month of assignment; capped profit; the difference by week; the standing holdout's by month;
customers in two tests; of tests with an arm without texts, a T-learner of two forests on half of the customers, and
what fifths of the other half bring, ranked by it, by past spend and by past orders; sample sizes. It leaves out
always-valid intervals, exact methods for few events, the value of clicks and subscribers, strata by day of assignment,
rankings by CLTV and churn, intervals of the ranking, the pooling of tests, and the probability of being best.
"""

import sys

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

from benchmarks.peers import company

MEANS = {
    "profit": "pre_gain", "revenue": "pre_revenue", "orders": "pre_orders", "order_rate": "pre_ordered",
    "visit_rate": None, "opt_out_rate": None,
}  # fmt: skip
KEY = ["experiment_id", "customer_id"]


def read(folder: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """One row per customer and test with outcomes; orders and texts since the assignment; all orders."""
    orders = company.read_orders(folder)
    rows = company.read_messages(folder, ["channel", "cost", "opted_out_at"])
    tests, people = pd.read_parquet(f"{folder}/experiments.parquet"), pd.read_parquet(f"{folder}/customers")
    end = company.midnight_after(orders["ordered_at"], rows["sent_at"])
    own = pd.read_parquet(f"{folder}/assignments").merge(tests, on="experiment_id")
    own["until"] = own["outcome_until"].fillna(own["ended_at"]).fillna(end)
    own["since"] = own["assigned_at"] - (own["until"] - own["assigned_at"])
    windows = own[[*KEY, "assigned_at", "until", "since"]]
    bought = orders[["customer_id", "ordered_at", "amount", "gain"]].merge(windows, on="customer_id")
    bought = bought[(bought["ordered_at"] >= bought["since"]) & (bought["ordered_at"] < bought["until"])]
    bought["purchase"] = bought["amount"] >= 0
    sums = {"gain": ("gain", "sum"), "revenue": ("amount", "sum"), "orders": ("purchase", "sum")}
    after = bought["ordered_at"] >= bought["assigned_at"]
    texts = rows[["customer_id", "sent_at", "clicked_at", "replied_at", "human", "machine", "cost"]].merge(
        windows, on="customer_id")  # fmt: skip
    texts = texts[(texts["sent_at"] >= texts["assigned_at"]) & (texts["sent_at"] < texts["until"])]
    texts["human"] &= texts["clicked_at"] < texts["until"]
    texts["replied"] = texts["replied_at"] < texts["until"]
    sent = {"sent": ("cost", "size"), "cost": ("cost", "sum"), "clicks": ("human", "sum"),
            "machine": ("machine", "sum"), "replies": ("replied", "sum")}  # fmt: skip
    visits = pd.read_parquet(f"{folder}/visits", columns=["customer_id", "visited_at"])
    out = pd.concat([people[["customer_id", "opted_out_at"]], rows[["customer_id", "opted_out_at"]]]).dropna()
    parts = [bought[after].groupby(KEY).agg(**sums), bought[~after].groupby(KEY).agg(**sums).add_prefix("pre_"),
             texts.groupby(KEY).agg(**sent)]  # fmt: skip
    for name, at, table in (("visit_rate", "visited_at", visits), ("opt_out_rate", "opted_out_at", out)):
        inside = table.merge(windows, on="customer_id")
        inside = inside[(inside[at] >= inside["assigned_at"]) & (inside[at] < inside["until"])]
        parts.append((inside.groupby(KEY).size() > 0).astype(float).rename(name))
    frame = own.set_index(KEY).join(parts)
    counted = [column for part in parts for column in (part.columns if part.ndim == 2 else [part.name])]
    frame[counted] = frame[counted].fillna(0.0)
    frame["profit"], frame["known"] = frame["gain"] - frame["cost"], frame["sent"] - frame["machine"]
    frame["order_rate"], frame["pre_ordered"] = (frame[n].gt(0).astype(float) for n in ("orders", "pre_orders"))
    return frame, bought[after], texts, orders


def effects(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Every metric of every arm beside the control's, with Welch's and CUPED's difference."""
    found = {}
    for name, own in frame.groupby(by):
        control = own["control_arm"].iloc[0]
        for metric, before in MEANS.items():
            plain = company.welch(own.groupby("arm")[metric].agg(["mean", "var", "size"]), control)
            if before and own[before].var() > 0:
                theta = own[metric].cov(own[before]) / own[before].var()
                kept = (own[metric] - theta * (own[before] - own[before].mean())).groupby(own["arm"])
                plain = plain.join(company.welch(kept.agg(["mean", "var", "size"]), control).add_prefix("cuped_"))
            found[*name, metric] = plain
        for metric, top, bottom in (("click_rate", "clicks", "known"), ("reply_rate", "replies", "sent")):
            arms = own.groupby("arm")[[top, bottom]].sum()
            ratio, size = arms[top] / arms[bottom].where(arms[bottom] > 0), own.groupby("arm").size()
            rest = (own[top] - own["arm"].map(ratio) * own[bottom]).groupby(own["arm"]).var()
            table = pd.DataFrame({"mean": ratio, "var": rest / (arms[bottom] / size) ** 2, "size": size})
            found[*name, metric] = company.welch(table, control)
    table = pd.concat(found, names=[*by, "metric"])
    known = table["p"].notna()
    table.loc[known, "holm"] = multipletests(table.loc[known, "p"], method="holm")[1]
    return table


def tables(folder: str) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    frame, bought, texts, orders = read(folder)
    shares = pd.read_parquet(f"{folder}/arms.parquet").set_index(["experiment_id", "arm"])["share"]
    sizes = frame.groupby(["experiment_id", "arm"]).size()
    ratio = {name: stats.chisquare(own, shares[name].reindex(own.index.droplevel(0)) * own.sum()).pvalue
             for name, own in sizes.groupby("experiment_id")}  # fmt: skip
    purchases = orders[orders["amount"] >= 0]
    month = company.local(frame["assigned_at"]).dt.to_period("M")
    groups = {each: company.rfm(purchases, each.start_time - pd.Timedelta(days=1))["group"] for each in set(month)}
    label = pd.concat(groups, names=["month"])
    keys = pd.MultiIndex.from_arrays([month, frame.index.get_level_values("customer_id")])
    frame["segment"] = pd.Series(label.reindex(keys).to_numpy(), index=frame.index).fillna("prospect")
    limits = frame.groupby("experiment_id")["profit"].transform(lambda one: one.quantile(0.99))
    found = {
        "arms": frame.groupby(["experiment_id", "arm"])[[*MEANS, "sent", "cost", "clicks", "known"]].mean(),
        "ratio": pd.Series(ratio).to_frame("p"), "effects": effects(frame, ["experiment_id"]),
        "segments": effects(frame, ["experiment_id", "segment"]),
        "capped": effects(frame.assign(profit=frame["profit"].clip(upper=limits)), ["experiment_id"]),
        "overlaps": frame.reset_index().pipe(lambda f: f.merge(f, on="customer_id"))
        .groupby(["experiment_id_x", "experiment_id_y"]).size().to_frame("customers"),
    }  # fmt: skip
    events = pd.concat([bought[[*KEY, "assigned_at"]].assign(at=bought["ordered_at"], profit=bought["gain"]),
                        texts[[*KEY, "assigned_at"]].assign(at=texts["sent_at"], profit=-texts["cost"])])  # fmt: skip
    events["week"] = (events["at"] - events["assigned_at"]).dt.days // 7
    events["month"] = company.local(events["at"]).dt.to_period("M")
    weekly = events[events["week"] < 12].pivot_table("profit", KEY, "week", "sum", fill_value=0.0)
    weekly = weekly.reindex(frame.index, fill_value=0.0).cumsum(axis=1)
    for name, wide in (("weeks", weekly), ("months", events[events["experiment_id"] == "always-on"].pivot_table(
            "profit", KEY, "month", "sum", fill_value=0.0))):  # fmt: skip
        wide = wide.join(frame[["arm", "control_arm"]], how="left" if name == "weeks" else "right").fillna(0.0)
        parts = {(test, column): company.welch(own.groupby("arm")[column].agg(["mean", "var", "size"]),
                                               own["control_arm"].iloc[0])
                 for test, own in wide[wide.index.get_level_values(0).isin(
                     ["always-on"] if name == "months" else ratio)].groupby("experiment_id")
                 for column in wide.columns[:-2]}  # fmt: skip
        found[name] = pd.concat(parts)
    known = purchases.groupby("customer_id").agg(last=("ordered_at", "max"), n=("amount", "size"))
    found["targeting"] = pd.concat({test: rank(own.join(known[["n"]], on="customer_id"))
                                    for test, own in frame.groupby("experiment_id")
                                    if own["kind"].iloc[0] in ("holdout", "frequency")})  # fmt: skip
    spread = frame.groupby("experiment_id")["profit"].std()
    power = TTestIndPower()
    found["plan"] = pd.DataFrame({gain: [power.solve_power(gain / each, power=0.8, alpha=0.05) for each in spread]
                                  for gain in (1.0, 2.0, 5.0)}, index=spread.index)  # fmt: skip
    return found


def rank(own: pd.DataFrame) -> pd.DataFrame:
    """What the fifths of a list bring, by a T-learner, by past spend and by recent purchases: the other half's."""
    treated = (own["arm"] != own["control_arm"]).to_numpy()
    columns = ["pre_gain", "pre_revenue", "pre_orders"]
    features = own[columns].join(pd.get_dummies(own["segment"], dtype=float)).to_numpy()
    profit, learn = own["profit"].to_numpy(), np.random.default_rng(1).random(len(own)) < 0.5
    forests = [RandomForestRegressor(200, min_samples_leaf=50, random_state=1, n_jobs=2).fit(
        features[learn & (treated == arm)], profit[learn & (treated == arm)]) for arm in (True, False)]  # fmt: skip
    one, other = (forest.predict(features[~learn]) for forest in forests)
    held, parts = own[~learn], {}
    for name, score in (("effect", one - other), ("spend", held["pre_revenue"]), ("orders", held["pre_orders"])):
        fifth = (
            pd.Series(score, index=held.index).rank(method="first", ascending=False, pct=True).mul(5).clip(upper=4.999)
        )
        sums = held["profit"].groupby([fifth.astype(int).rename("fifth"), treated[~learn]]).agg(["mean", "var", "size"])
        wide = sums.unstack()  # noqa: PD010
        error = np.sqrt(sum(wide["var", arm] / wide["size", arm] for arm in (True, False)))
        parts[name] = pd.DataFrame({"gain": wide["mean", True] - wide["mean", False], "error": error})
    return pd.concat(parts)


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    print({name: len(table) for name, table in tables(folder).items()})


if __name__ == "__main__":
    main(sys.argv[1])
