"""Which text to send, in pandas: what an analyst would compute of a simulated company for `06_content`.

    python -m benchmarks.peers.content FOLDER

It covers: billing segments and features of each text; delivered texts of 26 weeks with human clicks, opt-outs, replies
and orders by last touch within 72 hours, by campaign, segment and creative, with profit per text; a logistic regression
of clicks on campaign, segment and creative; clicks by feature, content type and times seen; arms of the text test (by
segment too) with Welch's intervals; texts billed and sent in the last four weeks, by segment. It leaves out the
jackknife over customers, partial pooling between segments, the value of a subscriber and of a click by creative, sets
of best texts, cheaper wordings, CUPED and always-valid intervals, and the agreement of test and log.
"""

import re
import sys

import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.genmod.families import Binomial

from benchmarks.peers import company

HOURS, WEEKS = 72, 26
GSM_7 = re.compile(r"[\w @£$¥\n\r!\"#¤%&'()*+,\-./:;<=>?¡¿§^{}\[\]~|€\\]*", re.ASCII)
FEATURES = {
    "link": r"\w\.\w+/", "discount": r"\d+ ?%|折", "urgency": r"last chance|tonight|only|最后|今晚|仅限",
    "question": r"[?？]", "reply": r"\breply [\dA-C]\b|回复?\s*\d", "emoji": "[\U0001f300-\U0001faff\u2600-\u27bf]",
    "festival": r"holiday|festival|节",
}  # fmt: skip


def segments(text: str) -> int:
    """Billing segments of a text."""
    single, part = (160, 153) if GSM_7.fullmatch(text) else (70, 67)
    size = len(text) if single == 160 else len(text.encode("utf-16-le")) // 2
    return 1 if size <= single else -(-size // part)


def tables(folder: str) -> dict[str, pd.DataFrame]:
    """The tables by name."""
    orders, texts = company.read_orders(folder), pd.read_parquet(f"{folder}/creatives.parquet")
    columns = ["message_id", "channel", "variant", "cost", "opted_out_at"]
    rows = company.read_messages(folder, columns)
    end, window = company.midnight_after(orders["ordered_at"], rows["sent_at"]), pd.Timedelta(hours=HOURS)
    credited = company.touches(
        orders[orders["amount"] >= 0], rows[["message_id", "customer_id", "delivered_at"]], HOURS
    )
    credited = credited.groupby("message_id").agg(orders=("gain", "size"), gain=("gain", "sum"))
    texts["segments"] = texts["text"].map(segments)
    wording = texts.drop_duplicates("text")[["text", "variant", "content_type", "segments"]].reset_index(drop=True)
    for name, pattern in FEATURES.items():
        wording[name] = wording["text"].str.contains(pattern, case=False)
    sends = rows[["customer_id", "sent_at", "cost", "human"]].rename(columns={"human": "click"})
    rows = rows[rows["channel"] == "sms"].merge(texts, on=["campaign_id", "variant"])
    last = rows[rows["sent_at"] >= end - pd.Timedelta(weeks=4)]
    billed = last.groupby(["variant", "segments"])["cost"].agg(["size", "sum"])
    rows = rows[rows["delivered_at"].notna() & (end - rows["delivered_at"] >= window)]
    rows = rows.sort_values(["sent_at", "message_id"])
    rows["seen"] = (rows.groupby(["customer_id", "content_type"]).cumcount() + 1).clip(upper=6)
    first = (end.tz_convert(company.ZONE) - pd.DateOffset(days=7 * WEEKS)).tz_localize(None)
    rows = rows[company.local(rows["sent_at"]) >= first].merge(credited, on="message_id", how="left")
    until = rows["delivered_at"] + window
    rows["sold"] = rows["orders"].notna()
    rows["click"], rows["left"] = rows["human"] & (rows["clicked_at"] < until), rows["opted_out_at"] < until
    rows["profit"] = rows["gain"].fillna(0.0) - rows["cost"]
    purchases = orders[orders["amount"] >= 0]
    group = company.rfm(purchases, first - pd.Timedelta(days=1))["group"]
    rows["segment"] = rows["customer_id"].map(group).fillna("prospect")
    rows["known"] = ~rows["machine"]
    sums = {
        "sent": ("known", "size"), "messages": ("known", "sum"), "clicks": ("click", "sum"), "orders": ("sold", "sum"),
        "opt_outs": ("left", "sum"), "cost": ("cost", "sum"), "profit": ("profit", "sum"),
    }  # fmt: skip
    cells = rows.groupby(["campaign_id", "segment", "variant"]).agg(**sums).reset_index()
    response = cells.groupby(["segment", "variant"])[list(sums)].sum()
    response = response.assign(click_rate=response["clicks"] / response["messages"],
                               profit_per_text=response["profit"] / response["sent"])  # fmt: skip
    used = cells[cells["messages"] > 0].assign(rate=lambda f: f["clicks"] / f["messages"])
    fit = smf.glm("rate ~ C(campaign_id) + segment + variant", used, family=Binomial(),
                  freq_weights=used["messages"]).fit()  # fmt: skip
    effects = pd.DataFrame({"effect": fit.params, "error": fit.bse}).filter(like="variant", axis=0)
    of_text = rows.groupby("text").agg(**sums).join(wording.set_index("text"))
    features = {name: of_text.groupby(name)[["messages", "clicks", "orders"]].sum() for name in FEATURES}
    found = {
        "texts": wording, "cells": cells, "response": response, "effects": effects, "billed": billed,
        "creatives": cells.groupby("variant")[list(sums)].sum(), "features": pd.concat(features),
        "types": rows.groupby("content_type").agg(**sums), "seen": rows.groupby(["content_type", "seen"]).agg(**sums),
        "today": pd.crosstab(last["customer_id"].map(company.rfm(purchases, purchases["day"].max())["group"]),
                             last["variant"], normalize="index"),
    }  # fmt: skip
    return found | evaluate(folder, orders, sends)


def evaluate(folder: str, orders: pd.DataFrame, sends: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Arms of the test of texts: human clicks, and profit per customer with Welch's interval, by segment too."""
    tests = pd.read_parquet(f"{folder}/experiments.parquet")
    test = tests[tests["kind"] == "content"].iloc[0]
    people = pd.read_parquet(f"{folder}/assignments")
    people = people[people["experiment_id"] == test["experiment_id"]].drop(columns="experiment_id")
    start = company.local(people["assigned_at"]).min() - pd.Timedelta(days=1)
    people["segment"] = people["customer_id"].map(company.rfm(orders[orders["amount"] >= 0], start)["group"])
    for name, at, table in (("gain", "ordered_at", orders), ("click", "sent_at", sends), ("cost", "sent_at", sends)):
        inside = table[["customer_id", at, name]].merge(people[["customer_id", "assigned_at"]], on="customer_id")
        inside = inside[(inside[at] >= inside["assigned_at"]) & (inside[at] < test["outcome_until"])]
        people[name] = people["customer_id"].map(inside.groupby("customer_id")[name].sum()).fillna(0.0)
    people["profit"], people["segment"] = people["gain"] - people["cost"], people["segment"].fillna("prospect")
    overall = company.welch(people.groupby("arm")["profit"].agg(["mean", "var", "size"]), test["control_arm"])
    by_segment = {
        name: company.welch(own.groupby("arm")["profit"].agg(["mean", "var", "size"]), test["control_arm"])
        for name, own in people.groupby("segment")
    }
    clicks = people.groupby("arm")["click"].agg(["sum", "size"])
    return {"tests": overall, "tests_by_segment": pd.concat(by_segment), "clicks": clicks}


def main(folder: str) -> None:
    """Compute the tables and print how many rows they have."""
    print({name: len(table) for name, table in tables(folder).items()})


if __name__ == "__main__":
    main(sys.argv[1])
