"""Simulated companies with known parameters, for the tests of the stage cltv; each is determined by a seed."""

import datetime as dt

import numpy as np
import pandas as pd

from smsroi_helpers.cltv.level_error import LevelError

START = dt.datetime(2023, 1, 1)
HEAD = "order_id,customer_id,ordered_at,amount\n"


def world_as_csv(seed, customers=1500, days=420, shares=None):
    """Orders of a BG/NBD population with Gamma–Gamma spend, as a source file.

    `shares`: share of the customers by channel. Customers of channel `i` buy `i + 1` times as often as those of channel
    0. With `shares`, also returns the table customers; a customer of channel `i` costs about `5 · (i + 1)`.
    """
    rng = np.random.default_rng(seed)
    channel = rng.choice(len(shares), customers, p=shares) if shares else np.zeros(customers, int)
    rate = rng.gamma(0.6, 1 / 35.0, customers) * (channel + 1)  # purchases a day
    dropout = rng.beta(0.9, 2.6, customers)
    joined = rng.integers(0, 90, customers)
    scale = rng.gamma(4.0, 1 / 16.0, customers)
    lines = []
    for i in range(customers):
        at, bought = float(joined[i]) + rng.random(), 0
        while at < days:
            amount = rng.gamma(6.0, 1 / scale[i]) if scale[i] > 0 else 0
            lines.append(f"{i}-{bought},c{i},{START + dt.timedelta(days=at):%Y-%m-%d %H:%M:%S},{amount:.2f}")
            bought += 1
            if bought > 1 and rng.random() < dropout[i]:
                break
            at += rng.exponential(1 / rate[i])
    orders = HEAD + "\n".join(lines) + "\n"
    if not shares:
        return orders
    people = [f"c{i},channel {channel[i]},{5 * (channel[i] + 1) + i % 3 - 1}" for i in range(customers)]
    return orders, "customer_id,acquisition_channel,acquisition_cost\n" + "\n".join(people) + "\n"


def histories(rng, *, r, alpha, a, b, customers=150, longest=60):
    """One row per customer of a BG/NBD population: frequency, recency_weeks, T_weeks, customers = 1 (exact times)."""
    rate, dropout = rng.gamma(r, 1 / alpha, customers), rng.beta(a, b, customers)
    T = rng.integers(10, longest, customers).astype(float)
    times = np.cumsum(rng.exponential(1.0, (customers, 400)) / np.maximum(rate, 1e-12)[:, None], axis=1)
    stays = rng.geometric(np.clip(dropout, 1e-12, 1))
    made = (times < T[:, None]) & (np.arange(1, 401)[None, :] <= stays[:, None])
    x = made.sum(axis=1)
    t_x = np.where(x > 0, np.take_along_axis(times, np.maximum(x - 1, 0)[:, None], 1)[:, 0], 0.0)
    return pd.DataFrame({"frequency": x, "recency_weeks": t_x, "T_weeks": T, "customers": 1})


KINDS = {
    "typical": {"r": 0.7, "alpha": 5.0, "a": 0.9, "b": 3.1},
    "rare": {"r": 0.15, "alpha": 8.0, "a": 0.8, "b": 2.5},
    "hardly ever leave": {"r": 2.0, "alpha": 10.0, "a": 0.02, "b": 5.0},
    "leave at once": {"r": 0.5, "alpha": 4.0, "a": 3.0, "b": 1.0},
    "all alike": {"r": 30.0, "alpha": 100.0, "a": 0.3, "b": 3.0},
}
"""Populations for which lifetimes raises ConvergenceError on some or most data sets of 150 customers."""

LEVEL = LevelError(
    weights=np.array([0.5, 0.5]), means=np.array([0.02, 0.02]), variances=np.array([0.01, 0.04]), season_share=0.4,
    kinds_sd=0.1, tested_weeks=39.0, horizon_weeks=39.0, log_weeks=78.0,
)  # fmt: skip
"""A bias of 2 % with a standard deviation of 16 %."""
