"""What a click of each text brings, relative to a click of today's mixture, from the profit of attributed orders.

A discount costs money on every order and may bring more orders; a story may draw readers who never buy. Within
campaigns and segments, orders that would have come anyway are the same for all texts, so they cancel in differences:

    attributed profit per text of creative c = constant + β · clicks per text of c · (1 + η_c),   η_c ~ N(0, σ²)

β is the attributed profit of a usual click: near the value of a click, but attribution also credits orders that were
only moved forward, and misses late ones. σ has a flat prior, log(β ÷ value of a click) a normal one, both over a grid.
With little data η is drawn towards 0: then a click brings the usual profit whichever text it came from.

References:
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 5.4: the normal hierarchical model.
"""

import numpy as np

from smsroi_helpers.content.pooling import contrasts
from smsroi_helpers.statistics import Floats

__all__ = [
    "draw_profit_per_click",
]

_SDS = np.concatenate([[0.0], np.geomspace(0.03, 0.8, 12)])
"""Values of σ."""
_SCALE_SD = 0.3
"""Prior standard deviation of log(β ÷ value of a click)."""
_SCALES = np.exp(_SCALE_SD * np.linspace(-3, 3, 13))
"""Values of β ÷ value of a click."""


def draw_profit_per_click(
    profit: Floats, covariance: Floats, clicks: Floats, price: float, share: Floats, rng: np.random.Generator,
    draws: int = 4_000,
) -> Floats:  # fmt: skip
    """Draw 1 + η of each creative, such that a click of the mixture brings what a click is worth.

    Args:
        profit: attributed profit per text of each creative, compared with the mean of the creatives (money).
        covariance: of it.
        clicks: per text of each creative, above 0.
        price: the value of a click (money, above 0).
        share: of each creative in the mixture (sums to 1).
        rng: of the draws.
        draws: their number.

    Returns:
        draws × creatives; 1 throughout where no orders are known.
    """
    size = len(clicks)
    turn = contrasts(size)
    y, error = turn @ profit, turn @ covariance @ turn.T
    if not (np.isfinite(y).all() and np.isfinite(error).all() and np.trace(error) > 0 and price > 0):
        return np.ones((draws, size))
    density, means, covariances = [], [], []
    for sd in _SDS:
        for scale in _SCALES:
            slope = turn * (scale * price * clicks)
            variance = error + sd**2 * slope @ slope.T
            gain = sd**2 * np.linalg.solve(variance, slope).T
            residual = y - slope.sum(axis=1)
            density.append(-(residual @ np.linalg.solve(variance, residual) + np.linalg.slogdet(variance)[1]) / 2)
            means.append(gain @ residual)
            covariances.append(sd**2 * np.eye(size) - sd**2 * gain @ slope)
    log_density = np.array(density) - np.tile((np.log(_SCALES) / _SCALE_SD) ** 2 / 2, len(_SDS))
    weight = np.exp(log_density - log_density.max()) * np.repeat(np.gradient(_SDS), len(_SCALES))
    places, times = np.unique(rng.choice(len(weight), draws, p=weight / weight.sum()), return_counts=True)
    parts = []
    for place, many in zip(places.tolist(), times.tolist(), strict=True):
        values, vectors = np.linalg.eigh((covariances[place] + covariances[place].T) / 2)
        half = vectors * np.sqrt(np.maximum(values, 0.0))
        parts.append(1 + means[place] + rng.standard_normal((many, size)) @ half.T)
    found = rng.permutation(np.concatenate(parts))
    of_mixture = share * clicks / (share @ clicks)
    return np.asarray(found + (1 - found @ of_mixture)[:, None])
