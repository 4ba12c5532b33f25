"""What several of the pandas notebooks begin with: orders, messages with human clicks, RFM groups, last touch, Welch.

An analyst would copy these between notebooks. Only the columns that are asked for are read.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

ZONE, MARGIN, FAST = "America/New_York", 0.4, 5.0


def local(instants: pd.Series) -> pd.Series:
    """The source's clock, without a zone."""
    return instants.dt.tz_convert(ZONE).dt.tz_localize(None)


def midnight_after(*instants: pd.Series) -> pd.Timestamp:
    """The end (UTC) of the last day in the log."""
    last = max(each.max() for each in instants).tz_convert(ZONE)
    return (last.normalize() + pd.Timedelta(days=1)).tz_convert("UTC")


def read_orders(folder: str) -> pd.DataFrame:
    """Orders and refunds with their day and their profit before message costs (`gain`)."""
    orders = pd.read_parquet(f"{folder}/orders")
    orders["day"] = local(orders["ordered_at"]).dt.floor("D")
    discount = orders["discount"].fillna(0.0).where(orders["amount"] >= 0, 0.0)
    orders["gain"] = MARGIN * (orders["amount"] + discount) - discount
    return orders


def read_messages(folder: str, columns: Sequence[str]) -> pd.DataFrame:
    """Messages with these columns and those that a click is judged by; `human` and `machine` say who clicked.

    A machine clicks within five seconds, or 20 times in one second on a campaign, or nearly all messages of a customer.
    """
    needed = ["customer_id", "campaign_id", "sent_at", "delivered_at", "clicked_at", "replied_at"]
    rows = pd.read_parquet(f"{folder}/messages", columns=list(dict.fromkeys([*needed, *columns])))
    clicked = rows["clicked_at"].notna()
    shown = rows["delivered_at"].isna() & (clicked | rows["replied_at"].notna())
    rows["delivered_at"] = rows["delivered_at"].mask(shown, rows["sent_at"])
    machine = clicked & ((rows["clicked_at"] - rows["delivered_at"]).dt.total_seconds() < FAST)
    slow = rows.loc[clicked & ~machine, ["campaign_id", "clicked_at"]]
    slow = slow.assign(second=slow["clicked_at"].dt.floor("s"), minute=slow["clicked_at"].dt.floor("min"))
    in_second = slow.groupby(["campaign_id", "second"])["minute"].transform("size")
    in_minute = slow.groupby(["campaign_id", "minute"])["second"].transform("size")
    burst = slow.index[(in_second >= 20) & (in_second >= 10 * (in_minute - in_second) / 59)]
    machine.loc[burst] = True
    every = clicked[rows["delivered_at"].notna()].groupby(rows["customer_id"]).agg(["size", "mean"])
    machine |= clicked & rows["customer_id"].isin(every.index[(every["size"] >= 10) & (every["mean"] >= 0.9)])
    return rows.assign(human=clicked & ~machine, machine=machine)


def rfm(orders: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Scores and group of each customer with a purchase up to a day."""
    by_customer = orders[orders["day"] <= at].groupby("customer_id")
    rows = by_customer.agg(first=("day", "min"), last=("day", "max"), frequency=("amount", "size"),
                           monetary=("amount", "sum"), days=("day", "nunique"))  # fmt: skip
    rows["recency"] = (at - rows["last"]).dt.days + 1
    for name, values in (("r", -rows["recency"]), ("f", rows["frequency"]), ("m", rows["monetary"])):
        rows[name] = ((values.rank(method="min") - 1) * 5 // len(rows)).astype(int) + 1
    often = (rows["f"] >= 4) & (rows["frequency"] >= 2)
    rules = [rows["recency"] > 200, rows["recency"] > 90, often & (rows["m"] >= 5), often]
    rows["group"] = np.select(rules, ["lost", "dormant", "gold", "value"], "growth")
    return rows


def touches(orders: pd.DataFrame, messages: pd.DataFrame, hours: float) -> pd.DataFrame:
    """Each order with the last message delivered to its buyer within so many hours before it, if any.

    Args:
        orders: purchases only.
        messages: message_id, customer_id, delivered_at, and what else the result is to have.
        hours: the attribution window.
    """
    left = orders.sort_values("ordered_at")
    right = messages[messages["delivered_at"].notna()].sort_values(["delivered_at", "message_id"])
    pairs = pd.merge_asof(left, right, left_on="ordered_at", right_on="delivered_at", by="customer_id")
    pairs = pairs[pairs["message_id"].notna()]
    return pairs[pairs["ordered_at"] - pairs["delivered_at"] < pd.Timedelta(hours=hours)]


def welch(table: pd.DataFrame, control: str) -> pd.DataFrame:
    """The difference of each arm's mean from the control's, with 95 % limits and p; from mean, var and size by arm."""
    base, each = table.loc[control], table["var"] / table["size"]
    error = np.sqrt(each + each[control])
    df = error**4 / (each**2 / (table["size"] - 1) + each[control] ** 2 / (base["size"] - 1))
    found = table.assign(difference=table["mean"] - base["mean"], error=error)
    half = stats.t.ppf(0.975, df) * error
    found = found.assign(low=found["difference"] - half, high=found["difference"] + half)
    return found.assign(p=2 * stats.t.sf((found["difference"] / error).abs(), df)).drop(index=control)
