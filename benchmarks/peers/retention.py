"""Who stays, in pandas with lifelines and lifetimes: what an analyst would compute for `07_retention`.

    python -m benchmarks.peers.retention FOLDER

It covers: both cohort triangles; survival of custom (gone after 120 days without a purchase) and of consent (delayed
entry) by Kaplan and Meier, for all, by channel, segment and first campaign; retained and won back in every test with an
arm without texts; the five views of the customer-base audit; P(alive) of MBG/NBD and fading clicks as warnings, with
precision, recall and area under the curve; a logistic regression of buying again on texts. It leaves out the choice of
the silence and its checks, the jackknife, Miettinen and Nurminen's and always-valid intervals, the value of a point of
retention, the size of the next test, and the list of inactive customers.
"""

import sys

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from lifelines import KaplanMeierFitter
from lifetimes import ModifiedBetaGeoFitter
from sklearn.metrics import roc_auc_score

from benchmarks.peers import company
from benchmarks.peers.cltv import summary

GONE = 120


def triangle(first: pd.Series, month: pd.Series, customers: pd.Series) -> pd.DataFrame:
    """Distinct customers by cohort and age in months."""
    rows = pd.DataFrame({"cohort": first, "age": month - first, "customer_id": customers}).drop_duplicates()
    return rows.groupby(["cohort", "age"]).size().unstack(fill_value=0)  # noqa: PD010


def curves(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Kaplan and Meier's curve of each group: rows have days, event, entry (days)."""
    parts = {}
    for name, own in rows.groupby(by):
        cells = own.groupby(["days", "event", "entry"]).size().reset_index(name="n")
        fit = KaplanMeierFitter().fit(cells["days"], cells["event"], entry=cells["entry"], weights=cells["n"])
        parts[name] = fit.survival_function_.set_axis(["survival"], axis=1).join(
            fit.confidence_interval_.set_axis(["low", "high"], axis=1))  # fmt: skip
    return pd.concat(parts)


def number(day: pd.Series) -> pd.Series:
    """Months since the year 0."""
    return 12 * day.dt.year + day.dt.month - 1


def tables(folder: str) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    orders, people = company.read_orders(folder), pd.read_parquet(f"{folder}/customers")
    rows = company.read_messages(folder, ["channel", "opted_out_at", "cost"])
    end = company.midnight_after(orders["ordered_at"], rows["sent_at"])
    today = company.local(pd.Series([end]))[0] - pd.Timedelta(days=1)
    bought = orders[orders["amount"] >= 0]
    days = bought[["customer_id", "day"]].drop_duplicates().sort_values(["customer_id", "day"])
    days["first"] = days.groupby("customer_id")["day"].transform("min")
    found = {"orders": triangle(number(days["first"]), number(days["day"]), days["customer_id"])}
    days["silence"] = days.groupby("customer_id")["day"].shift(-1).fillna(today + pd.Timedelta(days=1)) - days["day"]
    over = days[days["silence"].dt.days > GONE].groupby("customer_id")["day"].min()
    custom = days.groupby("customer_id").agg(first=("day", "min"), last=("day", "max"))
    custom["event"] = custom.index.isin(over.index)
    known = today - pd.Timedelta(days=GONE)
    custom = custom[custom["first"] <= known].assign(end=lambda f: f.index.map(over)).assign(entry=0, all="all")
    custom["days"] = (custom["end"].fillna(known).clip(upper=known) - custom["first"]).dt.days
    sms = rows[rows["channel"] == "sms"].sort_values("sent_at").drop_duplicates("customer_id")
    campaign = sms.set_index("customer_id")["campaign_id"]
    campaign = campaign.where(campaign.isin(campaign.value_counts().index[:8]), "all others")
    group = company.rfm(bought, bought["day"].min() + pd.Timedelta(days=91))["group"]
    labels = people.set_index("customer_id")[["acquisition_channel"]].assign(
        campaign=campaign, segment=group, all="all"
    )
    left = pd.concat([people[["customer_id", "opted_out_at"]], rows[["customer_id", "opted_out_at"]]]).dropna()
    left = left.merge(people[["customer_id", "opted_in_at"]].dropna(), on="customer_id")
    left = left[left["opted_out_at"] >= left["opted_in_at"]].groupby("customer_id")["opted_out_at"].min()
    consent = people.dropna(subset="opted_in_at").set_index("customer_id")[["opted_in_at"]].assign(out=left)
    began, ended = (company.local(consent[name]).dt.floor("D") for name in ("opted_in_at", "out"))
    log = company.local(rows["sent_at"]).min().floor("D")
    consent = pd.DataFrame({"event": ended.notna(), "days": (ended.fillna(today) - began).dt.days,
                            "entry": (log - began).dt.days.clip(lower=0), "began": began, "ended": ended})  # fmt: skip
    new = consent[consent["entry"] == 0]
    cohort = number(new["began"])
    sizes = cohort.value_counts().sort_index()
    gone = pd.crosstab(cohort, number(new["ended"]) - cohort)
    gone = gone.reindex(index=sizes.index, columns=range(13), fill_value=0)
    found["consent"] = -gone.cumsum(axis=1).sub(sizes, axis=0)
    for kind, table in (
        ("custom", custom[["days", "event", "entry"]]),
        ("consent", consent[consent["days"] > consent["entry"]]),
    ):
        for by in ("all", "acquisition_channel", "segment", "campaign"):
            found[f"{kind} by {by}"] = curves(table.join(labels), by)
    return found | audit(orders, bought, today) | warn(bought, rows, end, today) | tested(folder, orders, labels)


def audit(orders: pd.DataFrame, bought: pd.DataFrame, today: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The five views of the customer base."""
    length = pd.Timedelta(days=min(364, ((today - bought["day"].min()).days + 1) // 14 * 7))
    first = bought.groupby("customer_id")["day"].min()
    now = orders["day"] > today - length
    before = ~now & (orders["day"] > today - 2 * length)
    each = pd.DataFrame({name: orders[part].groupby("customer_id")["gain"].sum() for name, part in
                         (("before", before), ("now", now))}).fillna(0.0)  # fmt: skip
    for name, part in (("was", before), ("is", now)):
        each[name] = each.index.isin(orders.loc[part & (orders["amount"] >= 0), "customer_id"])
    each = each[each["was"] | each["is"]]
    new = each.index.map(first) > today - length
    rules = [~each["is"], each["was"] & (each["now"] >= each["before"]), each["was"], new]
    each["move"] = np.select(rules, ["left", "more", "less", "new"], "back")
    ranked = each[each["is"]].sort_values("now", ascending=False)
    tenth = np.arange(len(ranked)) * 10 // len(ranked) + 1
    events = orders.assign(first=orders["customer_id"].map(first)).dropna(subset="first")
    events["cohort"], events["month"] = events["first"].dt.to_period("M"), events["day"].dt.to_period("M")
    age = (events["day"] - events["first"]).dt.days
    early = events[(age <= 91) & (events["first"] <= today - pd.Timedelta(days=91))]
    again = early[(early["day"] > early["first"]) & (early["amount"] >= 0)].groupby("cohort")["customer_id"].nunique()
    ages = early.groupby("cohort").agg(customers=("customer_id", "nunique"), profit=("gain", "sum")).assign(again=again)
    months = events.groupby("month").agg(profit=("gain", "sum"), customers=("customer_id", "nunique"))
    months["of_new"] = events[events["cohort"] == events["month"]].groupby("month")["gain"].sum()
    cohort = events.groupby(["cohort", "month"]).agg(buyers=("customer_id", "nunique"), purchases=("day", "size"),
                                                     profit=("gain", "sum"))  # fmt: skip
    return {"tenths": ranked.groupby(tenth)["now"].agg(["sum", "size"]), "ages": ages, "months": months,
            "moves": each.groupby("move")[["before", "now"]].agg(["sum", "size"]), "cohorts": cohort}  # fmt: skip


def warn(bought: pd.DataFrame, rows: pd.DataFrame, end: pd.Timestamp, today: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """P(alive) and fading clicks as warnings, tested on later weeks."""
    at = today - pd.Timedelta(weeks=26)
    early = summary(bought, at)
    fit = ModifiedBetaGeoFitter().fit(early["frequency"], early["recency"], early["T"])
    early["alive"] = fit.conditional_probability_alive(early["frequency"], early["recency"], early["T"])
    early["away"] = ~early.index.isin(bought.loc[bought["day"] > at, "customer_id"])
    texts = rows[(rows["sent_at"] >= end - pd.Timedelta(weeks=52)) & (rows["channel"] == "sms")]
    early["texts"] = texts[texts["sent_at"] < end - pd.Timedelta(weeks=26)].groupby("customer_id").size()
    fitted = smf.logit("stays ~ np.log1p(texts) + frequency + recency + T", early.fillna({"texts": 0}).assign(
        stays=1 - early["away"])).fit(disp=0)  # fmt: skip
    weeks = (end - texts["sent_at"]).dt.days // 56
    clicks = texts.groupby(["customer_id", weeks])["human"].agg(["size", "sum"]).unstack(fill_value=0)  # noqa: PD010
    known = clicks[(clicks["size"][[1, 2]] >= 2).all(axis=1) & (clicks["sum"][2] > 0)]
    fading = pd.DataFrame({"warned": known["sum"][1] == 0,
                           "away": ~known.index.isin(bought.loc[bought["day"] > today - pd.Timedelta(weeks=8),
                                                                "customer_id"])})  # fmt: skip
    warned = early.assign(warned=early["alive"] < 0.5)[["warned", "away"]]
    scores = pd.DataFrame({name: {
        "customers": len(own), "warned": own["warned"].sum(), "away": own["away"].sum(),
        "precision": own.loc[own["warned"], "away"].mean(), "recall": own.loc[own["away"], "warned"].mean(),
    } for name, own in (("alive", warned), ("no_purchase", fading))})  # fmt: skip
    scores.loc["ranking", "alive"] = roc_auc_score(early["away"], -early["alive"])
    calibration = early.groupby(pd.qcut(early["alive"], 10, duplicates="drop"), observed=True)["away"].agg(
        ["size", "mean"]
    )
    return {"warnings": scores, "alive": calibration, "log": fitted.params.to_frame("effect")}


def tested(folder: str, orders: pd.DataFrame, labels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Who bought at the end of each test with an arm without texts, who still consented, and who was won back."""
    tests, arms = (pd.read_parquet(f"{folder}/{name}.parquet") for name in ("experiments", "arms"))
    people = pd.read_parquet(f"{folder}/assignments").merge(tests, on="experiment_id").merge(
        arms[["experiment_id", "arm", "messages_per_week"]], on=["experiment_id", "arm"])  # fmt: skip
    people = people[people["kind"].isin(["holdout", "frequency"])].merge(labels.reset_index(), on="customer_id")
    people["none"] = (people["messages_per_week"] == 0) | (people["arm"] == "held_out")
    until = people["outcome_until"].fillna(people["ended_at"]).fillna(orders["ordered_at"].max())
    last = orders[orders["amount"] >= 0].merge(people[["experiment_id", "customer_id", "assigned_at"]].assign(
        until=until), on="customer_id")  # fmt: skip
    before = (
        last[last["ordered_at"] < last["assigned_at"]].groupby(["experiment_id", "customer_id"])["ordered_at"].max()
    )
    inside = last[(last["ordered_at"] >= last["assigned_at"]) & (last["ordered_at"] < last["until"])]
    active = inside[inside["ordered_at"] >= inside["until"] - pd.Timedelta(days=GONE // 2)]
    gained = inside.groupby(["experiment_id", "customer_id"])["gain"].sum().rename("gain")
    people = people.join(gained, on=["experiment_id", "customer_id"]).join(
        before.rename("before"), on=["experiment_id", "customer_id"]
    )
    keys = pd.MultiIndex.from_frame(people[["experiment_id", "customer_id"]])
    people["bought"] = keys.isin(pd.MultiIndex.from_frame(active[["experiment_id", "customer_id"]]))
    inactive = people[(people["assigned_at"] - people["before"]).dt.days > GONE // 2]
    sums = {
        "customers": ("bought", "size"),
        "bought": ("bought", "sum"),
        "mean": ("gain", "mean"),
        "var": ("gain", "var"),
    }
    return {name: own.fillna({"gain": 0.0}).groupby(["experiment_id", "none"]).agg(**sums)
            for name, own in (("retained", people), ("won back", inactive))}  # fmt: skip


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    print({name: len(table) for name, table in tables(folder).items()})


if __name__ == "__main__":
    main(sys.argv[1])
