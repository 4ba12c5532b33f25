"""Sums over the units of randomisation: customers, or clusters of them such as households and stores.

Where whole clusters are assigned to an arm, their customers are not independent draws. The residuals of a cluster's
customers are summed, and the variance between clusters of these sums is that of the estimate (linearised): for a mean,

    Var(Σy ÷ Σn) = G ÷ (G − 1) · Σ_c (Y_c − ȳ n_c)² ÷ (Σn)²

with G clusters, Y_c and n_c the sums of y and of customers over cluster c. It follows from G, the sums of y and n, and
the sums over clusters of the products Y_c², Y_c n_c and n_c², which add up over cells that share no cluster. With one
customer per cluster it is the usual s² ÷ n.

References:
    Cameron & Miller (2015), A practitioner's guide to cluster-robust inference, Journal of Human Resources 50(2).
    Donner & Klar (2000), Design and Analysis of Cluster Randomization Trials in Health Research, Arnold.
    Carter, Schnepel & Steigerwald (2017), Asymptotic behavior of a t-test robust to cluster heterogeneity, Review of
        Economics and Statistics 99(4): the effective number of clusters.
    Kish (1965), Survey Sampling, Wiley: the design effect.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np

from smsroi_helpers.statistics.arrays import Floats

__all__ = [
    "FEWEST_CLUSTERS",
    "covariates_in",
    "design_effect",
    "effective_units",
    "product_name",
    "products_of",
    "sum_name",
    "unit_covariance",
    "without_attributes",
]

FEWEST_CLUSTERS = 10
"""With a smaller effective number of clusters in an arm there is no interval (`effective_units`): the variance between
so few sums is hardly known."""
_SUMS = {"n": "n", "y": "sum_y", "x": "sum_x", "k": "n_known"}
_ROUNDING = 1e-12
_ATTRIBUTE = re.compile(r"[ab]\d+")


def sum_name(variable: str) -> str:
    """The column with the sum of a variable: n (customers), y, x, k (customers with a known x), a0, b0, a1, b1 … (the
    numeric columns of the period before, and customers with a known one).
    """
    return _SUMS.get(variable, f"sum_{variable}")


def product_name(one: str, two: str) -> str:
    """The column with the sum over units of the product of two variables' sums by unit.

    >>> product_name("y", "n")
    'unit_n_y'
    """
    first, second = sorted((one, two))
    return f"unit_{first}_{second}"


def products_of(variables: Sequence[str]) -> list[tuple[str, str]]:
    """Every pair of variables, and each with itself."""
    return list(combinations_with_replacement(variables, 2))


def covariates_in(columns: Iterable[str]) -> list[str]:
    """The covariates whose products are among the columns: x and k, and a0, b0, a1, b1 and so on.

    >>> covariates_in(["unit_n_n", "unit_n_y", "unit_k_y", "unit_x_y", "units"])
    ['k', 'x']
    """
    found = {name for column in columns if column.startswith("unit_") for name in column.split("_")[1:]}
    return sorted(found - {"n", "y"})


def without_attributes(columns: Iterable[str]) -> list[str]:
    """The columns but for those of a0, b0, a1, b1 and so on.

    >>> without_attributes(["n", "sum_y", "sum_a0", "unit_a0_y", "unit_k_y"])
    ['n', 'sum_y', 'unit_k_y']
    """
    return [name for name in columns if not any(_ATTRIBUTE.fullmatch(part) for part in name.split("_")[1:])]


def unit_covariance(cells: Mapping[str, Floats], one: str, two: str) -> Floats:
    """The covariance of two variables' means, times the number of customers, with the units as independent draws.

    Args:
        cells: n, units (how many), the sums (`sum_name`) and the products (`product_name`).
        one: a variable.
        two: another, or the same.

    Returns:
        G ÷ (G − 1) · Σ (A − ā n)(B − b̄ n) ÷ Σn; NaN with fewer than two units; 0 where it is a rounding error.

    >>> cells = {"n": 4.0, "units": 2.0, "sum_y": 8.0, "unit_n_n": 8.0, "unit_n_y": 16.0, "unit_y_y": 40.0}
    >>> unit_covariance(cells, "y", "y")  # sums 2 and 6 over two customers each: 2 · (2² + 2²) ÷ 4
    array(4.)
    """
    n, units = np.asarray(cells["n"], float), np.asarray(cells["units"], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (np.asarray(cells[sum_name(name)], float) / n for name in (one, two))
        both = np.asarray(cells[product_name(one, two)], float)
        parts = (a * cells[product_name("n", two)], b * cells[product_name("n", one)], a * b * cells["unit_n_n"])
        rest = both - parts[0] - parts[1] + parts[2]
        size = np.abs(both) + np.abs(parts[2])
        rest = np.where(np.abs(rest) <= _ROUNDING * size, 0.0, rest)
        return np.asarray(np.where(units > 1, units / (units - 1) * rest / n, np.nan))


def effective_units(cells: Mapping[str, Floats]) -> Floats:
    """How many clusters of equal size are as good as these: (Σn)² ÷ Σn² = G ÷ (1 + CV²), CV of the clusters' sizes.

    It is the number of clusters where all have one size, and smaller where a few hold most customers. Degrees of
    freedom are one less.

    >>> effective_units({"n": 12.0, "unit_n_n": 36.0 + 9.0 + 9.0}).round(2)  # clusters of 6, 3 and 3
    np.float64(2.67)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(cells["n"], float) ** 2 / np.asarray(cells["unit_n_n"], float)


def design_effect(size: float, variation: float, correlation: float) -> float:
    """How many times the customers a test of clusters needs, compared with one of independent customers.

    1 + ((1 + CV²) m − 1) ρ (Kish 1965; Donner & Klar 2000, with unequal sizes).

    Args:
        size: m, customers per cluster, ≥ 1.
        variation: CV, the standard deviation of the clusters' sizes ÷ their mean, ≥ 0.
        correlation: ρ, of two customers of one cluster (0–1).

    >>> round(design_effect(5.0, 0.0, 0.3), 6)
    2.2
    """
    return 1 + max((1 + variation**2) * size - 1, 0.0) * correlation
