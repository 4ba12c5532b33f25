"""Orders, samples of customers and answers that several tests of the segmentation use."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from smsroi_helpers.segmentation import clusters, criteria, decision, membership, predictive_value, rfm, wording

ROOT = Path(__file__).parents[2]
CUSTOMERS = 5_000
HEAD = "order_id,customer_id,ordered_at,amount\n"


def orders_csv(rng, customers=300, orders=1200):
    """Orders of customers of whom a few buy most; whole amounts, so that money ties too."""
    who = np.floor(customers * rng.random(orders) ** 2).astype(int)
    day = rng.integers(0, 300, orders)
    amount = rng.integers(1, 30, orders)
    moments = [
        dt.datetime(2023, 3, 1) + dt.timedelta(days=int(d), hours=int(h))
        for d, h in zip(day, rng.integers(0, 24, orders), strict=True)
    ]
    return [f"{i},c{w},{m:%Y-%m-%d %H:%M:%S},{a}" for i, (w, m, a) in enumerate(zip(who, moments, amount, strict=True))]


def frame_of(shop, rows, key="customer_id"):
    return rows.order_by(key).execute()


def sample_of(numbers, names=("orders", "rate", "order_value", "click_rate"), **categories):
    """A sample made by hand: columns of logarithms, and categories."""
    frame = pd.DataFrame(numbers, columns=list(names[: numbers.shape[1]])).assign(**categories)
    levels = {name: tuple(sorted(set(values))) for name, values in categories.items()}
    return clusters.Sample(frame, clusters.Features(tuple(frame.columns[: numbers.shape[1]]), levels, 30, 0.05), 1.0)


def one_population(rng, customers):
    """Correlated, skewed features and an ordered attribute of one population: a Gaussian copula."""
    correlation = np.array([[1, 0.8, 0.3, 0.4], [0.8, 1, 0.2, 0.3], [0.3, 0.2, 1, 0.3], [0.4, 0.3, 0.3, 1]])
    z = rng.standard_normal((customers, 4)) @ np.linalg.cholesky(correlation).T
    orders = np.log(1 + np.floor(np.exp(1.2 * z[:, 0])))
    numbers = np.column_stack([orders, np.exp(0.4 * z[:, 1]), z[:, 2] ** 3 / 3 + z[:, 2]])
    return sample_of(numbers, level=np.digitize(z[:, 3], [-0.5, 0.8]).astype(str))


def decide_all(shop, segment_by="rfm_group", found=None, today=None):
    """Everything the notebook asks, and its decisions."""
    found = found or membership.find_grouping(shop)
    days = membership.period_of(shop)
    later = predictive_value.collect_outcomes(shop, found, days)
    segment_outcomes = predictive_value.outcomes_by_segment(shop, later, segment_by)
    table = predictive_value.explained(shop, later)
    found_criteria = criteria.evaluate_criteria(shop, found, segment_by, table, later)
    recency = predictive_value.response_by_recency(shop, later)
    findings = decision.Findings(
        segment_outcomes, table, found_criteria, recency, rfm.score_table(shop), days, today or {}
    )
    return wording.decide(found, segment_by, findings)
