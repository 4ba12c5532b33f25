"""Claims about the cluster test: one population of customers, however skewed and correlated, has no clusters.

One replicate takes seconds; most end early. If two of six reference populations are clustered as well as the data, the
data cannot beat all thirty-nine, and the rest are not drawn. Worlds with orders only are the hard cases: with unrelated
features no clusters are looked for.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import beta, gamma

from benchmarks.claims import Claim, Verdict
from smsroi_helpers.segmentation.cluster_test import run_cluster_test
from smsroi_helpers.segmentation.clusters import PURCHASES, Features, Sample

Floats = NDArray[np.float64]
CUSTOMERS = 1_500
NUMBERS = ("rate", "order_value", "click_rate")
ATTRIBUTES = ("level", "age", "taste")


def _sample(numbers: Floats, levels: dict[str, NDArray[np.str_]], purchases: Floats) -> Sample:
    rows = pd.DataFrame(numbers, columns=list(NUMBERS[: numbers.shape[1]])).assign(**levels)
    values = {name: tuple(sorted(set(column))) for name, column in levels.items()}
    features = Features(NUMBERS[: numbers.shape[1]], values, 40, 0.05)
    return Sample(rows.assign(**{PURCHASES: purchases}), features, 1.0)


def _verdict(sample: Sample, rng: np.random.Generator) -> Verdict:
    hopeless = run_cluster_test(sample, rng, draws=6).p_value > 0.3
    return Verdict(not hopeless and run_cluster_test(sample, rng).accepted)


def _traits(rng: np.random.Generator, traits: int) -> Floats:
    """Normal traits that are correlated through two latent factors with random loadings: customers × traits."""
    loading = rng.uniform(0.2, 0.8, (traits, 2)) * rng.choice([1, 1, -1], (traits, 2))
    own = np.sqrt(rng.uniform(0.2, 1.0, traits))
    z = rng.standard_normal((CUSTOMERS, 2)) @ loading.T + rng.standard_normal((CUSTOMERS, traits)) * own
    return np.asarray(z / np.sqrt((loading**2).sum(axis=1) + own**2))


def correlated_and_skewed(rng: np.random.Generator) -> Verdict:
    """Three features and two attributes of one population, with random correlations and skewness."""
    z = _traits(rng, 5)
    skew = rng.uniform(0.2, 1.0, 2)
    rate = np.log(1 + np.floor(np.exp(skew[0] * 1.5 * z[:, 0])))  # whole numbers: many customers have the minimum
    numbers = np.column_stack([rate, np.exp(skew[1] * z[:, 1]), z[:, 2] ** 3])
    levels = {
        "level": np.digitize(z[:, 3], np.sort(rng.normal(0, 0.7, 2))).astype(str),
        "age": np.digitize(z[:, 4], np.sort(rng.normal(0, 0.7, 3))).astype(str),
    }
    return _verdict(_sample(numbers, levels, np.ones(CUSTOMERS)), rng)


def one_shop(
    rng: np.random.Generator,
    *,
    linked: bool = False,
    described: bool = True,
    weeks: float = 52,
    shapes: tuple[float, float] = (0.4, 2.0),
    scales: tuple[float, float] = (4.0, 14.0),
) -> Verdict:
    """One BG/NBD and Gamma–Gamma population: one kind of customer, and not a Gaussian copula.

    Fader, Hardie & Lee (2005) and Fader & Hardie (2013).

    Args:
        rng: the generator for everything.
        linked: whether purchase rate, drop-out, spend, clicks and attributes are correlated.
        described: whether there are messages and attributes.
        weeks: length of the log; first purchases lie in its first three quarters.
        shapes: range from which r of the purchase rates is drawn.
        scales: range from which alpha is drawn.
    """
    z = _traits(rng, 7) if linked else rng.standard_normal((CUSTOMERS, 7))
    share = np.clip(ndtr(z), 1e-9, 1 - 1e-9).T
    rate = gamma.ppf(share[0], rng.uniform(*shapes)) / rng.uniform(*scales)
    leaving = beta.ppf(share[1], rng.uniform(0.6, 1.2), rng.uniform(1.5, 9.0))
    tenure = weeks * (1 - 0.75 * rng.beta(0.8, 1.8, CUSTOMERS))
    at, purchases, alive = np.zeros(CUSTOMERS), np.ones(CUSTOMERS), np.ones(CUSTOMERS, bool)
    gaps = []
    while alive.any():
        pause = rng.exponential(1.0, CUSTOMERS) / np.maximum(rate, 1e-12)
        at = at + pause
        bought = alive & (at < tenure)
        purchases += bought
        gaps.append(pause[bought])
        alive = bought & (rng.random(CUSTOMERS) >= leaving)
    usual = 7 * np.quantile(np.concatenate(gaps), 0.75) / 2
    value = rng.gamma(5.0 * purchases) / purchases / gamma.ppf(share[2], 4.0)
    columns = [np.log((purchases - 0.5) / (7 * tenure + usual)), np.log(value)]
    levels = {}
    if described:
        sent = rng.poisson(rng.uniform(10, 60), CUSTOMERS)
        clicked = rng.binomial(sent, beta.ppf(share[3], 2.0, 38.0))
        columns.append(np.log((clicked + 1) / (sent + 20)))
        for name, place in zip(ATTRIBUTES, share[4:], strict=True):
            cuts = np.cumsum(rng.dirichlet([4.0] * 4))[:-1]
            levels[name] = np.array(list("abcd"))[np.searchsorted(cuts, place)]
    return _verdict(_sample(np.column_stack(columns), levels, purchases), rng)


def _claim(name: str, what: str, run: Callable[[np.random.Generator], Verdict]) -> Claim:
    return Claim(
        f"no_clusters_{name}",
        f"that clusters stand, in {what} (1,500 customers)",
        "01_segmentation: whether clusters stand",
        "false_alarm",
        run,
        n=200,
    )


CLAIMS = [
    _claim("in_one_population", "one population of correlated, skewed features", correlated_and_skewed),
    _claim("in_one_shop", "one BG/NBD and Gamma–Gamma population with clicks and attributes", one_shop),
    _claim("where_traits_are_linked", "such a population, all its traits correlated", partial(one_shop, linked=True)),
    _claim(
        "in_orders_alone",
        "such a population, its traits correlated, known by its orders alone",
        partial(one_shop, linked=True, described=False),
    ),
    _claim(
        "in_a_short_log",
        "the same watched for twenty weeks",
        partial(one_shop, linked=True, described=False, weeks=20),
    ),
    _claim(
        "where_rates_are_even",
        "the same whose customers buy nearly alike often",
        partial(one_shop, linked=True, described=False, shapes=(3.0, 6.0), scales=(20.0, 50.0)),
    ),
]
