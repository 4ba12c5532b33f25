"""Partial pooling of creatives' effects over segments: each segment's effects, drawn towards what segments share.

    effect of creative in segment s = common + own part,  common ~ N(0, ω²),  own part ~ N(0, τ²)

on the logit scale, with flat priors on ω and τ over a grid. Estimates enter as information (inverse covariance) and
score, so a segment that never got a creative says nothing of it and takes the common effect.

References:
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 5.4: the normal hierarchical model.
    Hartlap, Simon & Schneider (2007), Astronomy & Astrophysics 464: the bias of an inverse covariance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smsroi_helpers.content.within_campaign import OptionEffects
from smsroi_helpers.statistics import GROUPS, Floats

__all__ = [
    "Pooled",
    "pool",
]

_SDS = np.concatenate([[0.0], np.geomspace(0.01, 1.5, 24)])
"""Values of ω and τ (logit)."""


@dataclass(frozen=True)
class Pooled:
    """Draws from the joint posterior of the effects."""

    options: tuple[str, ...]
    draws: Floats
    """draws × segments × options; effects sum to 0 over the options."""
    common_sd: float
    """Posterior mean of ω."""
    own_sd: float
    """Posterior mean of τ."""


def contrasts(size: int) -> Floats:
    """Orthonormal rows that sum to 0: (size − 1) × size."""
    basis = np.linalg.qr(np.column_stack([np.ones(size), np.eye(size)[:, 1:]]))[0]
    return np.asarray(basis[:, 1:].T)


def pool(fits: Sequence[OptionEffects], rng: np.random.Generator, draws: int = 4_000) -> Pooled:
    """Draw the effects of all segments together.

    Args:
        fits: one per segment, with the same options; at least two options.
        rng: of the draws.
        draws: the number of draws.
    """
    options = fits[0].options
    turn = contrasts(len(options))
    information, score = (np.stack(parts) for parts in zip(*(_information(fit, turn) for fit in fits), strict=True))
    eye = np.eye(len(turn))
    tau, omega = (grid.ravel() for grid in np.meshgrid(_SDS, _SDS, indexing="ij"))
    kept, precision, target = {}, {}, {}
    own_density = {}
    for sd in _SDS:
        inverse = np.linalg.inv(eye + sd**2 * information)
        kept[sd] = inverse
        precision[sd] = (inverse @ information).sum(axis=0)
        target[sd] = np.einsum("sij,sj->i", inverse, score)
        quadratic = sd**2 * np.einsum("si,sij,sj->", score, inverse, score)
        own_density[sd] = (quadratic - np.linalg.slogdet(eye + sd**2 * information)[1].sum()) / 2
    log_density = np.empty(len(tau))
    for place, (own, common) in enumerate(zip(tau, omega, strict=True)):
        inner = eye + common**2 * precision[own]
        explained = common**2 * target[own] @ np.linalg.solve(inner, target[own])
        log_density[place] = own_density[own] + (explained - np.linalg.slogdet(inner)[1]) / 2
    width = np.gradient(_SDS)
    weight = np.exp(log_density - log_density.max()) * np.outer(width, width).ravel()
    weight = weight / weight.sum()
    chosen, times = np.unique(rng.choice(len(tau), draws, p=weight), return_counts=True)
    parts = []
    for place, many in zip(chosen.tolist(), times.tolist(), strict=True):
        own, common = tau[place], omega[place]
        covariance = common**2 * np.linalg.inv(eye + common**2 * precision[own])
        shared = covariance @ target[own] + _normal(rng, covariance, many)
        own_parts = [
            (shared + own**2 * score[s]) @ kept[own][s].T + _normal(rng, own**2 * kept[own][s], many)
            for s in range(len(fits))
        ]
        parts.append(np.stack(own_parts, axis=1))
    found = np.concatenate(parts) @ turn
    return Pooled(options, rng.permutation(found), float(weight @ omega), float(weight @ tau))


def _normal(rng: np.random.Generator, covariance: Floats, many: int) -> Floats:
    """Draws × dimensions; the covariance may be 0."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    half = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(rng.standard_normal((many, len(covariance))) @ half.T)


def _information(fit: OptionEffects, turn: Floats) -> tuple[Floats, Floats]:
    """Information of the contrasts and information × estimate; 0 for what the segment does not show."""
    covariance = np.nan_to_num(fit.covariance)
    rank = max(int(fit.known.sum()) - 1, 1)
    shrunk = max((GROUPS - 1 - rank - 1) / (GROUPS - 1), 0.05)
    inverse = np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) * shrunk
    return turn @ inverse @ turn.T, turn @ inverse @ np.nan_to_num(fit.effect)
