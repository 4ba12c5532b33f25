"""The weekly drop-out rate, compared with simulated customers."""

import numpy as np
import pandas as pd

from smsroi_helpers.cltv import weekly_drop_out


def draw_cells(rng, customers, s, beta, weeks=104.0):
    """Pareto/NBD customers: cells, and the true mean drop-out rate of those still alive."""
    age = rng.uniform(20, weeks, customers)
    rate = rng.gamma(1.2, 1 / 6.0, customers)
    lost = rng.gamma(s, 1 / beta, customers)
    life = rng.exponential(1 / np.maximum(lost, 1e-12))
    counts = rng.poisson(rate * np.minimum(life, age))
    last = np.where(counts > 0, np.minimum(life, age) * rng.beta(np.maximum(counts, 1), 1), 0.0)
    alive = life > age
    rows = pd.DataFrame({
        "frequency": counts.astype(float), "recency_weeks": np.round(last * 7) / 7, "T_weeks": np.round(age * 7) / 7,
    })  # fmt: skip
    cells = rows.groupby(list(rows.columns), as_index=False).size().rename(columns={"size": "customers"})
    return cells, float(-np.expm1(-lost[alive]).mean())


def test_it_is_the_rate_of_customers_who_still_buy():
    held, estimates, truths = 0, [], []
    for seed in range(5):
        cells, truth = draw_cells(np.random.default_rng(seed), 4_000, s=0.6, beta=20.0)
        estimate, low, high = weekly_drop_out(cells)
        held += low <= truth <= high
        estimates.append(estimate)
        truths.append(truth)
    assert held >= 4
    assert abs(np.log(np.mean(estimates) / np.mean(truths))) < 0.15
