"""What customers are worth, with pandas and lifetimes: what an analyst would compute for `02_cltv`.

    python -m benchmarks.peers.cltv FOLDER

It covers: frequency, recency and age in days; BG/NBD and MBG/NBD fitted to a calibration period and tested on the
holdout; BG/NBD and Gamma–Gamma on the whole log; expected purchases, P(alive) and discounted value of 52 weeks of each
customer; totals by member level and channel; 50 bootstrap fits for the interval of the total. It leaves out
Pareto/NBD, the checks of assumptions, predictive intervals, new customers and cost of acquisition.
"""

import sys

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter

BOOTSTRAPS = 50


def summary(orders: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    """Frequency, recency, T (days) and mean repeat value of each customer."""
    own = orders[orders["day"] <= until]
    days = own.groupby(["customer_id", "day"], as_index=False)["amount"].sum()
    by_customer = days.groupby("customer_id")
    rows = by_customer.agg(first=("day", "min"), last=("day", "max"), n=("day", "size"), total=("amount", "sum"))
    rows["first_value"] = days.sort_values("day").groupby("customer_id")["amount"].first()
    repeats = rows["n"] - 1
    return pd.DataFrame({
        "frequency": repeats, "recency": (rows["last"] - rows["first"]).dt.days, "T": (until - rows["first"]).dt.days,
        "value": np.where(repeats > 0, (rows["total"] - rows["first_value"]) / np.maximum(repeats, 1), 0.0),
    })  # fmt: skip


def main(folder: str) -> None:
    """Compute the tables and print the total."""
    orders = pd.read_parquet(f"{folder}/orders", columns=["customer_id", "ordered_at", "amount"])
    orders = orders[orders["amount"] >= 0]
    orders["day"] = orders["ordered_at"].dt.tz_convert("America/New_York").dt.tz_localize(None).dt.floor("D")
    end = orders["day"].max()
    early = summary(orders, end - pd.Timedelta(weeks=26))
    later = orders[orders["day"] > end - pd.Timedelta(weeks=26)].groupby("customer_id")["day"].nunique()
    later = later.reindex(early.index, fill_value=0)
    errors = {}
    for name, model in (("bg", BetaGeoFitter), ("mbg", ModifiedBetaGeoFitter)):
        fit = model(penalizer_coef=0.0).fit(early["frequency"], early["recency"], early["T"])
        expected = fit.conditional_expected_number_of_purchases_up_to_time(
            182, early["frequency"], early["recency"], early["T"]
        )
        errors[name] = float(np.sqrt(((expected - later) ** 2).mean()))
    rows = summary(orders, end)
    model = BetaGeoFitter().fit(rows["frequency"], rows["recency"], rows["T"])
    money = rows[(rows["frequency"] > 0) & (rows["value"] > 0)]
    spend = GammaGammaFitter().fit(money["frequency"], money["value"])
    rows["alive"] = model.conditional_probability_alive(rows["frequency"], rows["recency"], rows["T"])
    rows["cltv"] = spend.customer_lifetime_value(
        model, rows["frequency"], rows["recency"], rows["T"], rows["value"], time=12, discount_rate=0.008, freq="D"
    )
    people = pd.read_parquet(f"{folder}/customers").set_index("customer_id")
    table = rows.join(people[["attr_member_level", "acquisition_channel"]])
    by_level, by_channel = (table.groupby(name)["cltv"].agg(["sum", "mean", "size"])
                            for name in ("attr_member_level", "acquisition_channel"))  # fmt: skip
    cells = rows.groupby(["frequency", "recency", "T"]).size().reset_index(name="weight")
    rng, totals = np.random.default_rng(1), []
    for _ in range(BOOTSTRAPS):
        weights = rng.multinomial(int(cells["weight"].sum()), cells["weight"] / cells["weight"].sum())
        own = cells[weights > 0]
        again = BetaGeoFitter().fit(own["frequency"], own["recency"], own["T"], weights=weights[weights > 0])
        expected = again.conditional_expected_number_of_purchases_up_to_time(
            364, own["frequency"], own["recency"], own["T"]
        )
        totals.append(float((expected * weights[weights > 0]).sum()))
    print(errors, float(rows["cltv"].sum()), len(by_level), len(by_channel), np.percentile(totals, [2.5, 97.5]))


if __name__ == "__main__":
    main(sys.argv[1])
