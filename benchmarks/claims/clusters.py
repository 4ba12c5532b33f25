"""Claims of the A/B page on tests that assign households or stores: errors between clusters.

Customers of a household of 3 to 10 are alike: of the variance of their log spend, and of their log click rate, 0.3 is
the household's. Half of what differs between customers was so before the assignment.
"""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chisquare

from benchmarks.claims import Claim, Interval, Verdict
from smsroi_helpers.statistics.effects import compare, estimate_means, estimate_ratios
from smsroi_helpers.statistics.units import product_name, products_of, sum_name

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HOUSEHOLDS = 300
STORES = 40
ALIKE = 0.3
EFFECTS = {"no effect": 0.0, "a fifth more": 0.2}


def _households(rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Each customer's household, and their arm: half of the households in each."""
    sizes = rng.integers(3, 11, HOUSEHOLDS)
    arm = rng.permutation(HOUSEHOLDS) % 2
    return np.repeat(np.arange(HOUSEHOLDS), sizes), np.repeat(arm, sizes)


def _stores(rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Stores of 20 to some 200 customers, half of them in each arm."""
    sizes = 20 + rng.lognormal(3.5, 0.5, STORES).astype(int)
    return np.repeat(np.arange(STORES), sizes), np.repeat(rng.permutation(STORES) % 2, sizes)


def _levels(rng: np.random.Generator, cluster: Ints, alike: float) -> Floats:
    """A standard normal level of each customer, of which the share `alike` of the variance is the cluster's."""
    shared = rng.standard_normal(cluster.max() + 1)[cluster]
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.standard_normal(len(cluster))


def _spend(level: Floats, more: Floats | float = 1.0) -> Floats:
    """Log-normal spend with mean 20 times `more`."""
    return 20 * more * np.exp(0.8 * level - 0.32)


def _moments(arm: Ints, unit: Ints, **variables: Floats) -> pd.DataFrame:
    """The moments that `measures.arm_moments_together` counts, of y and perhaps x and k."""
    arm_of = np.zeros(unit.max() + 1, np.int64)
    arm_of[unit] = arm
    sums = {"n": np.bincount(unit).astype(float)}
    sums |= {name: np.bincount(unit, values) for name, values in variables.items()}
    columns = {sum_name(name): values for name, values in sums.items()}
    columns |= {product_name(a, b): sums[a] * sums[b] for a, b in products_of(list(sums))}
    return pd.DataFrame({"arm": arm_of, "units": 1.0, **columns}).groupby("arm", as_index=False).sum()


def _difference(
    rng: np.random.Generator, world: str, effect: float, *, adjust: bool, as_customers: bool = False
) -> tuple[float, float, float, float]:
    """Estimate, low, high and p-value of the difference in spend in one world."""
    cluster, arm = _households(rng) if world == "households" else _stores(rng)
    alike = ALIKE if world == "households" else 0.05
    level = _levels(rng, cluster, alike)
    y = _spend(level, np.where(arm > 0, 1 + effect, 1.0))
    x = _spend(np.sqrt(0.5) * level + np.sqrt(0.5) * _levels(rng, cluster, alike))
    unit = np.arange(len(cluster)) if as_customers else cluster
    known = rng.random(len(x)) < 0.8
    past = {"x": np.where(known, x, 0.0), "k": known.astype(float)} if adjust else {}
    found = compare(estimate_means(_moments(arm, unit, y=y, **past), (0, 1)), 0)  # type: ignore[arg-type]
    return float(found.estimate[1]), float(found.low[1]), float(found.high[1]), float(found.p_value[1])


def difference(rng: np.random.Generator, world: str, *, adjust: bool = False) -> list[Interval]:
    """The difference in spend between arms of clusters."""
    return [
        Interval(*_difference(rng, world, effect, adjust=adjust)[:3], truth=20 * effect, part=part, null=0.0)
        for part, effect in EFFECTS.items()
    ]


def as_customers(rng: np.random.Generator) -> Interval:
    """The same with customers as units."""
    found = _difference(rng, "households", 0.0, adjust=False, as_customers=True)
    return Interval(*found[:3], truth=0.0, null=0.0)


def no_effect(rng: np.random.Generator, world: str) -> Verdict:
    """Whether the p-value of a test without an effect is below .05."""
    return Verdict(_difference(rng, world, 0.0, adjust=True)[3] < 0.05)


def clicks_per_message(rng: np.random.Generator) -> list[Interval]:
    """Clicks ÷ messages, where households click and are sent alike."""
    found = []
    for part, effect in EFFECTS.items():
        cluster, arm = _households(rng)
        messages = 1 + rng.poisson(3 * np.exp(0.5 * _levels(rng, cluster, ALIKE) - 0.125))
        chance = np.minimum(0.1 * np.exp(0.7 * _levels(rng, cluster, ALIKE) - 0.245), 0.6)
        clicks = rng.binomial(messages, chance * np.where(arm > 0, 1 + effect, 1.0))
        moments = _moments(arm, cluster, y=clicks.astype(float), x=messages.astype(float))
        told = compare(estimate_ratios(moments, (0, 1)), 0)  # type: ignore[arg-type]
        found.append(Interval(told.estimate[1], told.low[1], told.high[1], MEAN_CHANCE * effect, part, null=0.0))
    return found


_Z = np.linspace(-9, 9, 20_001)
MEAN_CHANCE = float(
    np.trapezoid(np.minimum(0.1 * np.exp(0.7 * _Z - 0.245), 0.6) * np.exp(-(_Z**2) / 2), _Z) / np.sqrt(2 * np.pi)
)


def split(rng: np.random.Generator, *, of_customers: bool) -> Verdict:
    """Whether a sound split of households, each assigned by a coin, is called broken (p < .01)."""
    sizes = rng.integers(3, 11, HOUSEHOLDS)
    arm = rng.integers(0, 2, HOUSEHOLDS)
    counts = np.bincount(arm, sizes if of_customers else None, 2)
    return Verdict(bool(chisquare(counts).pvalue < 0.01))


CLAIMS = [
    Claim(
        "cluster_difference",
        "difference in spend of 300 households of 3 to 10, alike by .3, errors between households",
        "A/B", "two_sided", partial(difference, world="households"), n=2_000,
    ),
    Claim(
        "cluster_adjusted",
        "the same, adjusted for spend before (CUPED), unknown for a fifth of customers",
        "A/B", "two_sided", partial(difference, world="households", adjust=True), n=2_000,
    ),
    Claim(
        "cluster_few_stores",
        "difference in spend of 40 stores of unequal size, alike by .05, errors between stores",
        "A/B", "at_least", partial(difference, world="stores"), n=2_000,
    ),
    Claim(
        "cluster_clicks",
        "clicks per message of 300 households, errors between households",
        "A/B", "two_sided", clicks_per_message, n=2_000,
    ),
    Claim(
        "cluster_no_effect", "p-value of the adjusted difference of 300 households without an effect",
        "A/B", "false_alarm", partial(no_effect, world="households"), n=2_000,
    ),
    Claim(
        "cluster_split", "split of 300 households by a coin each: χ² of households, p < .01",
        "A/B", "false_alarm", partial(split, of_customers=False), n=4_000, alpha=0.01,
    ),
    Claim(
        "cluster_split_of_customers", "the same split: χ² of customers, as if each had a coin of their own",
        "nowhere", "false_alarm", partial(split, of_customers=True), n=4_000, alpha=0.01, known_wrong=True,
    ),
    Claim(
        "cluster_as_customers",
        "difference in spend of 300 households, as if their customers were independent",
        "nowhere", "two_sided", as_customers, known_wrong=True,
    ),
]  # fmt: skip
