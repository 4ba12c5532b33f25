"""What the messages achieved, in pandas: what an analyst would compute of a simulated company for `08_effectiveness`.

    python -m benchmarks.peers.effectiveness FOLDER

It covers: KPIs of messages (last touch within 72 hours) by campaign, channel, segment and month, and those of customers
by month and segment; credit by last and any touch in seven windows beside the incremental revenue of the tests with an
arm without texts; orders claimed by several campaigns; an entropy score; rank correlations and a regression clustered
by campaign; NPS by texts before the answer; sets of channels; each day against its weekday's mean of eight weeks; texts
at closed hours, after an opt-out and without consent. It leaves out the jackknife, Fieller's and always-valid
intervals, intervals of ranks and other weights, goals, calibrated false-alarm rates, and the checks of the models.
"""

import sys

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

from benchmarks.peers import company

HOURS, WINDOWS = 72, (12, 24, 48, 72, 168, 336, 720)
RATES = {
    "delivered_rate": ("delivered", "messages"), "click_rate": ("clicked", "click_known"),
    "conversion_rate": ("converted", "delivered"), "reply_rate": ("replied", "reply_known"),
    "opt_out_rate": ("left", "reply_known"), "revenue_per_message": ("revenue", "delivered"), "roi": ("gain", "cost"),
}  # fmt: skip


def tables(folder: str) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    orders, people = company.read_orders(folder), pd.read_parquet(f"{folder}/customers")
    columns = ["message_id", "channel", "cost", "opted_out_at"]
    rows = company.read_messages(folder, columns)
    end, bought = company.midnight_after(orders["ordered_at"], rows["sent_at"]), orders[orders["amount"] >= 0]
    pairs = company.touches(bought[["order_id", "customer_id", "ordered_at", "amount", "gain"]],
                            rows[["message_id", "customer_id", "delivered_at", "channel"]], WINDOWS[-1])  # fmt: skip
    close = pairs[pairs["ordered_at"] - pairs["delivered_at"] < pd.Timedelta(hours=HOURS)]
    credit = close.groupby("message_id").agg(orders=("amount", "size"), revenue=("amount", "sum"), gain=("gain", "sum"))
    rows["local"] = company.local(rows["sent_at"])
    rows["month"], rows["day"] = rows["local"].dt.to_period("M"), rows["local"].dt.floor("D")
    until = rows["delivered_at"] + pd.Timedelta(hours=HOURS)
    months = pd.period_range(end=rows["month"].max(), periods=12, freq="M")
    mature = rows["delivered_at"].fillna(rows["sent_at"]) + pd.Timedelta(hours=HOURS) <= end
    used = rows[mature & (rows["month"] >= months[0])].merge(credit, on="message_id", how="left")
    groups = {month: company.rfm(bought, month.start_time - pd.Timedelta(days=1))["group"]
              for month in months if month.start_time > bought["day"].min()}  # fmt: skip
    label = pd.concat(groups, names=["month"]).rename("segment").reset_index()
    used = used.merge(label, on=["customer_id", "month"], how="left").fillna({"segment": "prospect"})
    used["delivered"], until = used["delivered_at"].notna(), used["delivered_at"] + pd.Timedelta(hours=HOURS)
    used["clicked"] = used["human"] & (used["clicked_at"] < until)
    used["click_known"], used["converted"] = used["delivered"] & ~used["machine"], used["orders"].notna()
    texts = used["channel"] == "sms"
    used["replied"], used["left"] = texts & used["replied_at"].notna(), texts & (used["opted_out_at"] < until)
    used["reply_known"], used["revenue"] = texts & used["delivered"], used["revenue"].fillna(0.0)
    used["gain"] = (used["gain"].fillna(0.0) - used["cost"]).where(texts, 0.0)
    used["all"] = "all"
    summed = [
        "delivered",
        "clicked",
        "click_known",
        "converted",
        "replied",
        "reply_known",
        "left",
        "revenue",
        "gain",
        "cost",
    ]
    found = {}
    for by in ("all", "campaign_id", "channel", "segment", "month", ["segment", "month"]):
        own = used.groupby(by)
        sums = own[summed].sum().assign(messages=own.size(), customers=own["customer_id"].nunique())
        sums["reached"] = used[used["delivered"]].groupby(by)["customer_id"].nunique()
        for name, (top, bottom) in RATES.items():
            sums[name] = sums[top] / sums[bottom].where(sums[bottom] > 0)
        found[f"by {by}"] = sums
    found["customers"] = activity(folder, orders, rows, label)
    found["overlap"] = claims(bought, used)
    got = used[used["delivered"]].groupby(["customer_id", "channel"]).size().unstack(fill_value=0) > 0  # noqa: PD010
    spent = orders.groupby("customer_id")["amount"].sum()
    found["channel sets"] = got.assign(spent=spent).groupby(list(got))["spent"].agg(["size", "mean"])
    campaigns = found["by campaign_id"]
    campaigns = campaigns[campaigns["cost"] > 0]
    found["ranks"] = campaigns[list(RATES)].corr("spearman")
    parts = (
        campaigns[["delivered_rate", "click_rate", "conversion_rate", "opt_out_rate", "roi"]].dropna().rank(pct=True)
    )
    parts["opt_out_rate"] = 1 - parts["opt_out_rate"]
    share = (parts / parts.sum()).clip(lower=1e-12)
    weights = 1 + (share * np.log(share)).sum() / np.log(len(parts))
    found["score"] = (parts * weights / weights.sum()).sum(axis=1).sort_values().to_frame("score")
    used["part"] = pd.cut(used["local"].dt.hour, [-1, 9, 13, 17, 24], labels=["early", "noon", "day", "evening"])
    used["weekday"] = used["local"].dt.dayofweek
    by = ["campaign_id", "channel", "segment", "weekday", "part"]
    cells = used[used["delivered"]].groupby(by, observed=True)[
        ["click_known", "clicked", "converted", "delivered"]].sum().reset_index()  # fmt: skip
    for top, bottom in (("clicked", "click_known"), ("converted", "delivered")):
        own = cells[cells[bottom] > 0].assign(share=lambda f, t=top, b=bottom: f[t] / f[b])
        fit = smf.wls("share ~ channel + segment + C(weekday) + part", own, weights=own[bottom]).fit(
            cov_type="cluster", cov_kwds={"groups": own["campaign_id"].factorize()[0]})  # fmt: skip
        found[f"drivers of {top}"] = fit.params.to_frame("effect").assign(error=fit.bse)
    found["daily"] = watch(used)
    return found | compare(folder, orders, rows, pairs, end) | rules(rows, people)


def activity(folder: str, orders: pd.DataFrame, rows: pd.DataFrame, label: pd.DataFrame) -> pd.DataFrame:
    """Active customers, revenue, repurchase, cost of acquisition and NPS by month and segment."""
    visits, answers = (pd.read_parquet(f"{folder}/{name}") for name in ("visits", "feedback"))
    bought = orders.loc[orders["amount"] >= 0, ["customer_id", "day"]].drop_duplicates().sort_values("day")
    bought["next"] = bought.groupby("customer_id")["day"].shift(-1)
    clicks = rows.loc[rows["human"], ["customer_id"]].assign(day=company.local(rows["clicked_at"]).dt.floor("D"))
    visits["day"] = company.local(visits["visited_at"]).dt.floor("D")
    days = pd.concat([bought[["customer_id", "day"]], clicks, visits[["customer_id", "day"]]]).drop_duplicates()
    keys = ["month", "customer_id"]
    days, bought, spent = (f.assign(month=f["day"].dt.to_period("M")) for f in (days, bought, orders))
    each = days.groupby(keys).size().to_frame("days").join(spent.groupby(keys)["amount"].sum())
    first = bought.drop_duplicates(keys).set_index(keys)
    each["again"] = (first["next"] - first["day"]).dt.days <= 90
    answers["month"] = company.local(answers["responded_at"]).dt.to_period("M")
    last = answers.sort_values("responded_at").drop_duplicates(keys, keep="last").set_index(keys)["score"]
    each["nps"] = (last >= 9).astype(float) - (last <= 6)
    earlier = rows[["customer_id", "sent_at"]].merge(
        answers[["customer_id", "responded_at", "score"]], on="customer_id"
    )
    ago = earlier["responded_at"] - earlier["sent_at"]
    earlier = earlier[(ago > pd.Timedelta(0)) & (ago <= pd.Timedelta(weeks=4))]
    texts = earlier.groupby(["customer_id", "responded_at"]).agg(n=("sent_at", "size"), score=("score", "first"))
    by_texts = texts.groupby(pd.cut(texts["n"], [0, 4, 8, 16, 99]), observed=True)["score"].agg(["size", "mean"])
    each = each.reset_index().merge(label, on=keys, how="left").fillna({"segment": "prospect"})
    means = {"active": ("days", "size"), "days": ("days", "mean"), "revenue": ("amount", "sum"),
             "again": ("again", "mean"), "nps": ("nps", "mean")}  # fmt: skip
    parts = {by: each.groupby(by).agg(**means) for by in ("month", "segment")}
    return pd.concat([*parts.values(), by_texts])


def claims(bought: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """Purchases by how many campaigns reached their buyer in the window before them."""
    pairs = bought[["order_id", "customer_id", "ordered_at"]].merge(
        used.loc[used["delivered"], ["customer_id", "delivered_at", "campaign_id"]], on="customer_id")  # fmt: skip
    after = pairs["ordered_at"] - pairs["delivered_at"]
    pairs = pairs[(after >= pd.Timedelta(0)) & (after < pd.Timedelta(hours=HOURS))]
    campaigns = pairs.groupby("order_id")["campaign_id"].nunique()
    return campaigns.reindex(bought["order_id"], fill_value=0).value_counts().to_frame("orders")


def compare(
    folder: str, orders: pd.DataFrame, rows: pd.DataFrame, pairs: pd.DataFrame, end: pd.Timestamp
) -> dict[str, pd.DataFrame]:
    """Attributed beside incremental revenue in each test with an arm without texts."""
    tests = pd.read_parquet(f"{folder}/experiments.parquet")
    tests = tests[tests["kind"].isin(["holdout", "frequency"])]
    members = pd.read_parquet(f"{folder}/assignments").merge(tests, on="experiment_id")
    members["until"] = members["outcome_until"].fillna(members["ended_at"]).fillna(end)
    members["treated"] = members["ended_at"].fillna(end)
    key, own = ["experiment_id", "customer_id"], ["experiment_id", "customer_id", "assigned_at", "until", "treated"]
    bought = orders[orders["amount"] >= 0].merge(members[own], on="customer_id")
    bought = bought[(bought["ordered_at"] >= bought["assigned_at"]) & (bought["ordered_at"] < bought["until"])]
    people = members.set_index(key)[["arm", "control_arm"]].assign(revenue=bought.groupby(key)["amount"].sum())
    texts = rows.loc[(rows["channel"] == "sms") & rows["delivered_at"].notna(),
                     ["customer_id", "campaign_id", "delivered_at"]]  # fmt: skip
    last = pairs[pairs["channel"] == "sms"].merge(members[own], on="customer_id")
    each = bought[[*own, "order_id", "ordered_at", "amount"]].merge(texts, on="customer_id")
    for touch, table in (("last", last), ("any", each)):
        after = table["ordered_at"] - table["delivered_at"]
        inside = table[
            (table["delivered_at"] >= table["assigned_at"]) & (table["delivered_at"] < table["treated"])
            & (table["ordered_at"] < table["until"]) & (after >= pd.Timedelta(0))
        ].assign(after=after)  # fmt: skip
        if touch == "any":
            inside = inside.sort_values("after").drop_duplicates([*key, "order_id", "campaign_id"])
        for hours in WINDOWS:
            near = inside[inside["after"] < pd.Timedelta(hours=hours)]
            people[f"{touch}_{hours}"] = near.groupby(key)["amount"].sum()
    people = people.fillna(0.0)
    names = [name for name in people if "_" in name and name != "control_arm"]
    found = {}
    for test, mine in people.groupby("experiment_id"):
        control = mine["control_arm"].iloc[0]
        found[test] = company.welch(mine.groupby("arm")["revenue"].agg(["mean", "var", "size"]), control)
        credit = mine.groupby("arm")[names].mean()
        found[test] = found[test].join((credit - credit.loc[control]).mul(found[test]["size"], axis=0), how="left")
        found[test]["incremental"] = found[test]["difference"] * found[test]["size"]
    return {"attribution": pd.concat(found)}


def watch(used: pd.DataFrame) -> pd.DataFrame:
    """Each day's rates by channel beside the mean of the same weekday in eight weeks, with an overdispersed band."""
    daily = used.groupby(["channel", "day"])[["delivered", "clicked", "click_known", "converted"]].sum()
    daily["click_rate"] = daily["clicked"] / daily["click_known"]
    daily["order_rate"] = daily["converted"] / daily["delivered"]
    wide = daily[["click_rate", "order_rate"]].unstack("channel").asfreq("D")  # noqa: PD010
    before = wide.groupby(wide.index.dayofweek).transform(lambda one: one.shift().rolling(8, min_periods=4).mean())
    spread = (wide - before).rolling(56, min_periods=28).std().shift()
    return ((wide - before).abs() > 3 * spread).stack("channel", future_stack=True)  # noqa: PD013


def rules(rows: pd.DataFrame, people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Texts by rule broken: at the recipient's closed hours, after an opt-out, without consent."""
    texts = rows[rows["channel"] == "sms"]
    out = pd.concat([people[["customer_id", "opted_out_at"]], rows[["customer_id", "opted_out_at"]]]).dropna()
    out = out.drop_duplicates().sort_values("opted_out_at")
    known = people[["customer_id", "timezone", "opted_in_at"]]
    texts = texts[["customer_id", "campaign_id", "sent_at"]].merge(known, on="customer_id", how="left")
    texts = texts.sort_values("sent_at")
    texts = pd.merge_asof(
        texts, out, left_on="sent_at", right_on="opted_out_at", by="customer_id", allow_exact_matches=False
    )
    hour = pd.Series(0, index=texts.index)
    for zone, own in texts.groupby("timezone")["sent_at"]:
        hour.loc[own.index] = own.dt.tz_convert(zone).dt.hour
    texts["closed"] = (hour < 8) | (hour >= np.where(texts["timezone"] == "Asia/Shanghai", 20, 21))
    given = texts["opted_in_at"] <= texts["sent_at"]
    texts["after_opt_out"] = given & (texts["opted_out_at"] >= texts["opted_in_at"])
    texts["without_consent"] = ~given
    broken = ["closed", "after_opt_out", "without_consent"]
    return {
        "rules": texts[broken].sum().to_frame("texts"),
        "rules by campaign": texts.groupby("campaign_id")[broken].sum(),
    }


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    print({name: len(table) for name, table in tables(folder).items()})


if __name__ == "__main__":
    main(sys.argv[1])
