"""Clusters: that one population of customers, however skewed and correlated what they do is, is not parted."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.claims import Claim, Verdict
from smsroi_helpers.cluster_reference import try_clusterings
from smsroi_helpers.clusters import Features, Sample

Floats = NDArray[np.float64]
CUSTOMERS = 1_500
NUMBERS = ("rate", "order_value", "click_rate")


def _sample(numbers: Floats, levels: dict[str, NDArray[np.str_]]) -> Sample:
    rows = pd.DataFrame(numbers, columns=list(NUMBERS[: numbers.shape[1]])).assign(**levels)
    values = {name: tuple(sorted(set(column))) for name, column in levels.items()}
    return Sample(rows, Features(tuple(rows.columns[: numbers.shape[1]]), values, 40, 0.05), 1.0)


def correlated_and_skewed(rng: np.random.Generator) -> Verdict:
    """Three features and two attributes of one population, correlations and skewness drawn anew."""
    loading = rng.uniform(0.2, 0.9, (5, 2)) * rng.choice([1, 1, -1], (5, 2))
    scale = np.sqrt((loading**2).sum(axis=1) + rng.uniform(0.1, 0.8, 5))
    z = rng.standard_normal((CUSTOMERS, 2)) @ loading.T
    z = (z + rng.standard_normal(z.shape) * np.sqrt(scale**2 - (loading**2).sum(axis=1))) / scale
    skew = rng.uniform(0.2, 1.0, 2)
    rate = np.log(1 + np.floor(np.exp(skew[0] * 1.5 * z[:, 0])))  # whole numbers: many have the least
    numbers = np.column_stack([rate, np.exp(skew[1] * z[:, 1]), z[:, 2] ** 3])
    levels = {
        "level": np.digitize(z[:, 3], np.sort(rng.normal(0, 0.7, 2))).astype(str),
        "age": np.digitize(z[:, 4], np.sort(rng.normal(0, 0.7, 3))).astype(str),
    }
    return Verdict(try_clusterings(_sample(numbers, levels), rng).stands)


def one_shop(rng: np.random.Generator) -> Verdict:
    """One BG/NBD and Gamma–Gamma population in its first year, with clicks and attributes: what rules have to part.

    Fader, Hardie & Lee (2005) and Fader & Hardie (2013); no two kinds of customers, no Gaussian copula either.
    """
    r, alpha = rng.uniform(0.4, 2.0), rng.uniform(4.0, 14.0)
    a, b = rng.uniform(0.6, 1.2), rng.uniform(1.5, 9.0)
    weeks = 52 * (1 - 0.75 * rng.beta(0.8, 1.8, CUSTOMERS))
    rate, leaving = rng.gamma(r, 1 / alpha, CUSTOMERS), rng.beta(a, b, CUSTOMERS)
    at, repeats, alive = np.zeros(CUSTOMERS), np.zeros(CUSTOMERS), np.ones(CUSTOMERS, bool)
    while alive.any():
        at = at + rng.exponential(1.0, CUSTOMERS) / rate
        bought = alive & (at < weeks)
        repeats += bought
        alive = bought & (rng.random(CUSTOMERS) >= leaving)
    scale = rng.gamma(4.0, 1.0, CUSTOMERS)
    value = rng.gamma(5.0 * (repeats + 1)) / (repeats + 1) / scale
    sent = rng.poisson(rng.uniform(10, 60), CUSTOMERS)
    clicked = rng.binomial(sent, rng.beta(2.0, 38.0, CUSTOMERS))
    numbers = np.column_stack(
        [
            np.log((repeats + 0.5) / (7 * weeks + 40)),
            np.log(value),
            np.log((clicked + 1) / (sent + 20)),
        ]
    )
    levels = {
        name: rng.choice(list("abcd"), CUSTOMERS, p=rng.dirichlet([4.0] * 4)) for name in ("level", "age", "taste")
    }
    return Verdict(try_clusterings(_sample(numbers, levels), rng).stands)


CLAIMS = [
    Claim(
        "no_clusters_in_one_population",
        "that clusters stand, in one population of correlated, skewed features (1,500 customers)",
        "01_segmentation: whether clusters stand",
        "false_alarm",
        correlated_and_skewed,
        n=200,
    ),
    Claim(
        "no_clusters_in_one_shop",
        "that clusters stand, in one BG/NBD and Gamma–Gamma population with clicks and attributes (1,500 customers)",
        "01_segmentation: whether clusters stand",
        "false_alarm",
        one_shop,
        n=200,
    ),
]
