"""Predictions of customers of many ages, computed at few of them and interpolated.

Under BG/NBD and MBG/NBD a prediction for a customer who is alive is a mean over p of functions of 1 + p·t / (α + T). As
a function of u = log(α + T) it is analytic where |Im u| < π, since p·t ≥ 0. A polynomial through the Chebyshev points
of an interval of half-length h then errs by about exp(−n · arsinh(π / h)) with n points, which gives n.

References:
    Trefethen (2013), Approximation Theory and Approximation Practice, theorem 8.2 and equation 5.13 (barycentric form).
"""

from collections.abc import Callable

import numpy as np

from smsroi_helpers.statistics import Floats

__all__ = ["compute_by_age"]

_DIGITS = 12
_MORE = 4
"""Points beyond the rate of convergence, for its constant."""
_WIDEST = 10.0
"""Interval of log(α + T) from which on every pair is computed: α + T of the oldest is 22,000 times the youngest's."""


def compute_by_age(compute: Callable[[Floats, Floats], Floats], x: Floats, T: Floats, alpha: float) -> Floats:
    """Return compute(x, T), a row for each pair; by interpolation over T where that needs fewer than half the pairs.

    Args:
        compute: a function of repeat purchases and ages (a row each), smooth in log(alpha + T): rows × columns.
        x: repeat purchases, few distinct ones.
        T: ages in weeks, ≥ 0.
        alpha: above 0.

    >>> T = np.linspace(0, 52, 365)
    >>> exact = compute_by_age(lambda x, T: ((9 + T) / (22 + T))[:, None] ** x[:, None], np.repeat([1.0, 2.0], 365),
    ...                        np.tile(T, 2), 9.0)
    >>> bool(np.allclose(exact[:365, 0], (9 + T) / (22 + T), rtol=1e-10))
    True
    """
    counts, of_count = np.unique(x, return_inverse=True)
    ages, of_age = np.unique(np.log(alpha + T), return_inverse=True)
    middle, half = (ages[-1] + ages[0]) / 2, (ages[-1] - ages[0]) / 2
    if not 0 < half < _WIDEST / 2:
        return compute(x, T)
    n = int(np.ceil(_DIGITS * np.log(10) / np.arcsinh(np.pi / half))) + _MORE
    if 2 * n * len(counts) > len(x):
        return compute(x, T)
    angles = (np.arange(n) + 0.5) * np.pi / n
    nodes = middle + half * np.cos(angles)
    at_nodes = compute(np.repeat(counts, n), np.tile(np.exp(nodes) - alpha, len(counts)))
    at_nodes = at_nodes.reshape(len(counts), n, -1).swapaxes(0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (-1.0) ** np.arange(n) * np.sin(angles) / (ages[:, None] - nodes)
        shares /= shares.sum(axis=1, keepdims=True)
    on_node = ages[:, None] == nodes
    shares = np.where(on_node.any(axis=1, keepdims=True), on_node, shares)
    return np.asarray((shares @ at_nodes.reshape(n, -1)).reshape(len(ages), len(counts), -1)[of_age, of_count], float)
