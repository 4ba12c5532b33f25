"""What a click of each text brings, relative to a click of today's mixture, from attributed orders.

A discount costs money on every order and may bring more orders; a story may draw readers who never buy. Within
campaigns and segments, orders that would have come anyway are the same for all texts, so they cancel in differences:

    profit before discounts per text of creative c = constant + β · clicks per text of c · (1 + b x_c + η_c)
    discounts given per text of c                  = a mean, with the error of sampling

with η_c ~ N(0, σ²) and x_c the discounts per click ÷ g. A click of c then brings g · (1 + b x_c + η_c) less its
discounts, with g such that a click of the mixture brings what a click is worth. Discounts are taken as they were
counted, because they hardly vary by chance: orders that would have come anyway have few. What a click brings before
them varies much by chance, and is drawn towards the usual at that discount: with little data a click brings the same
whichever text it came from. β is near g, but attribution also credits orders that were only moved forward, and misses
late ones. log(β ÷ g) and b have normal priors, σ half a normal one; σ and β ÷ g are averaged over a grid.

References:
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., sections 5.4 (the normal hierarchical model) and 5.7 (weakly
        informative priors of σ, which few groups need).
"""

import numpy as np

from smsroi_helpers.content.pooling import contrasts
from smsroi_helpers.statistics import Floats

__all__ = [
    "draw_profit_per_click",
]

_SDS = np.concatenate([[0.0], np.geomspace(0.03, 0.8, 12)])
"""Values of σ."""
_PRIOR_SD = 0.1
"""Of half a normal distribution, the prior of σ: what a reader does in the shop depends little on the text."""
_PULL_SD = 1.0
"""Of b, around 0: a discount that costs as much as a usual click earns may double its orders, or do nothing."""
_SCALE_SD = 0.3
"""Prior standard deviation of log(β ÷ g)."""
_SCALES = np.exp(_SCALE_SD * np.linspace(-3, 3, 13))
"""Values of β ÷ g."""


def draw_profit_per_click(
    earned: tuple[Floats, Floats], given: tuple[Floats, Floats], clicks: Floats, price: float, share: Floats,
    rng: np.random.Generator, draws: int = 4_000,
) -> Floats:  # fmt: skip
    """Draw what a click of each creative brings, relative to a click of the mixture.

    Args:
        earned: attributed profit before discounts, per text of each creative (money), up to a constant that all have
            in common; and its covariance.
        given: discounts of attributed orders per text of each creative (money); and their covariance.
        clicks: per text of each creative, above 0.
        price: the value of a click of the mixture (money, above 0).
        share: of each creative in the mixture (sums to 1).
        rng: of the draws.
        draws: their number.

    Returns:
        draws × creatives; 1 throughout where no orders are known.
    """
    size = len(clicks)
    turn = contrasts(size)
    y, error = turn @ earned[0], turn @ earned[1] @ turn.T
    known = all(np.isfinite(part).all() for part in (y, error, *given))
    if not (known and np.trace(error) > 0 and price > 0):
        return np.ones((draws, size))
    of_mixture = share * clicks / (share @ clicks)
    discount = given[0] / clicks
    gross = price + max(float(of_mixture @ discount), 0.0)
    times = _draw_times(y, error, turn * (gross * clicks), discount / gross, rng, draws)
    lost = (given[0] + rng.standard_normal((draws, size)) @ _half(given[1]).T) / clicks
    found = gross * times / np.maximum(times @ of_mixture, 0.1)[:, None] - lost
    return np.asarray((found + (price - found @ of_mixture)[:, None]) / price)


def _draw_times(
    y: Floats, error: Floats, slopes: Floats, discount: Floats, rng: np.random.Generator, draws: int
) -> Floats:
    """Draws × creatives of 1 + b x + η, from contrasts of what was earned: around slopes · scale · these."""
    size = slopes.shape[1]
    pull = _PULL_SD**2 * np.outer(discount, discount)
    density, means, covariances = [], [], []
    for sd in _SDS:
        prior = sd**2 * np.eye(size) + pull
        for scale in _SCALES:
            slope = scale * slopes
            variance = error + slope @ prior @ slope.T
            gain = np.linalg.solve(variance, slope @ prior).T
            residual = y - slope.sum(axis=1)
            density.append(-(residual @ np.linalg.solve(variance, residual) + np.linalg.slogdet(variance)[1]) / 2)
            means.append(gain @ residual)
            covariances.append(prior - gain @ slope @ prior)
    log_density = np.array(density) - np.tile((np.log(_SCALES) / _SCALE_SD) ** 2 / 2, len(_SDS))
    log_density -= np.repeat((_SDS / _PRIOR_SD) ** 2 / 2, len(_SCALES))
    weight = np.exp(log_density - log_density.max()) * np.repeat(np.gradient(_SDS), len(_SCALES))
    places, counts = np.unique(rng.choice(len(weight), draws, p=weight / weight.sum()), return_counts=True)
    parts = [
        1 + means[place] + rng.standard_normal((many, size)) @ _half(covariances[place]).T
        for place, many in zip(places.tolist(), counts.tolist(), strict=True)
    ]
    return rng.permutation(np.concatenate(parts))


def _half(covariance: Floats) -> Floats:
    """A matrix A with A Aᵀ = the covariance, which may be singular."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
