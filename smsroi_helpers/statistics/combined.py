"""Intervals of products and sums of independent estimates, from their own intervals.

References:
    Cox & Hinkley (1974), Theoretical Statistics, section 9.3: the profile likelihood.
    Zou & Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics in
        Medicine 27(10): MOVER, limits of a sum.
"""

import numpy as np

__all__ = [
    "product_interval",
    "sum_interval",
]

Interval = tuple[float, float, float]
"""Estimate, low, high."""
_TURN = np.linspace(0, 2 * np.pi, 1441)
_AROUND = tuple((share, share >= 0) for share in (np.cos(_TURN), np.sin(_TURN)))
"""The points of the unit circle on which products are evaluated: each coordinate, and where it is not negative."""


def product_interval(one: Interval, two: Interval) -> Interval:
    """The product of two independent estimates with its interval.

    The interval is that of the profile likelihood (Cox & Hinkley 1974): all products a·b on or within the ellipse whose
    half-axes are the distances to the limits. If both intervals lie above 0, so does the product's.

    >>> product_interval((2.0, 1.0, 3.0), (4.0, 4.0, 4.0))
    (8.0, 4.0, 12.0)
    """
    products = np.ones(1)
    for (value, low, high), (share, is_above) in zip((one, two), _AROUND, strict=True):
        products = products * (value + np.where(is_above, high - value, value - low) * share)
    return one[0] * two[0], float(products.min()), float(products.max())


def sum_interval(one: Interval, two: Interval, correlation: float = 0.0) -> Interval:
    """The sum of two estimates with its interval (MOVER; Zou & Donner 2008).

    Args:
        one: an estimate with its limits.
        two: another.
        correlation: of the two estimates.

    >>> sum_interval((1.0, -2.0, 4.0), (2.0, -2.0, 6.0))
    (3.0, -2.0, 8.0)
    """

    def half(a: float, b: float) -> float:
        return float(np.sqrt(max(a * a + b * b + 2 * correlation * a * b, 0.0)))

    estimate = one[0] + two[0]
    below, above = half(one[0] - one[1], two[0] - two[1]), half(one[2] - one[0], two[2] - two[0])
    return estimate, estimate - below, estimate + above
