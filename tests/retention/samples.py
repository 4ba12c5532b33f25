"""Companies whose retention is known, written as CSV text for `read_once`."""

import datetime as dt

import numpy as np
import pandas as pd

from smsroi_helpers.simulation.behaviour import draw_purchases

START = dt.date(2023, 1, 1)
R, ALPHA, A, B = 1.6, 4.0, 0.9, 4.0
"""BG/NBD: purchases a week ~ Gamma(R, ALPHA), leaving after a repeat purchase ~ Beta(A, B)."""


def orders_csv(customer, day):
    """Orders from numbers of customers and days since `START`."""
    lines = (
        f"o{i},c{c},{START + dt.timedelta(days=int(d))} 12:00:00,10\n"
        for i, (c, d) in enumerate(zip(customer, day, strict=True))
    )
    return "order_id,customer_id,ordered_at,amount\n" + "".join(lines)


def buyers(seed, customers, *, weeks, join_weeks):
    """Purchases of a BG/NBD company of the project's simulator whose customers join at random: customer, day."""
    rng = np.random.default_rng(seed)
    joined = rng.uniform(0, join_weeks, customers)
    rate, dropout = rng.gamma(R, 1 / ALPHA, customers), rng.beta(A, B, customers)
    who, after = draw_purchases(rate, dropout, weeks - joined, rng)
    customer = np.concatenate([np.arange(customers), who])
    time = np.concatenate([joined, joined[who] + after])
    return customer, np.floor(7 * time).astype(int)


def purchase_days(customer, day):
    """The same as a data frame of purchase days, for plain pandas."""
    days = pd.Timestamp(START) + pd.to_timedelta(np.asarray(day), unit="D")
    return pd.DataFrame({"customer": customer, "day": days}).drop_duplicates(ignore_index=True)


def custom_of(days, gone_after_days, as_of):
    """Plain pandas: first day, days to the last purchase before the first long silence, and whether there was one."""
    days = days.sort_values(["customer", "day"])
    following = days.groupby("customer")["day"].shift(-1).fillna(pd.Timestamp(as_of) + pd.Timedelta(days=1))
    long = (following - days["day"]).dt.days > gone_after_days
    first = days.groupby("customer")["day"].min()
    ended = days[long].groupby("customer")["day"].min().reindex(first.index)
    seen = (pd.Timestamp(as_of) - first).dt.days
    length = (ended - first).dt.days.fillna(seen - gone_after_days)
    found = pd.DataFrame({"days": length.astype(int), "event": ended.notna().astype(int), "seen": seen})
    return found[found["seen"] >= gone_after_days]
