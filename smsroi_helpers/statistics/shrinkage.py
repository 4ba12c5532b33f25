"""Partial pooling (shrinkage) of estimates, with intervals that include the pooling uncertainty.

References:
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 5.4: the normal hierarchical model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import norm

from smsroi_helpers.statistics.arrays import Floats
from smsroi_helpers.statistics.jackknife import Interval, t_quantile
from smsroi_helpers.statistics.proportions import bisect

__all__ = [
    "Shrunken",
    "draw_shrunken",
    "shrink",
]


# --- shrinkage -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shrunken(Interval):
    """Estimates shrunken towards a common mean or regression."""

    common: Floats
    """The target of each estimate: the common mean, or the covariates' fit."""
    sd: float
    """The posterior mean of τ, the standard deviation of the true values around `common`."""


def shrink(
    estimates: ArrayLike,
    errors: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    df: float = np.inf,
    level: float = 0.95,
) -> Shrunken:
    """Partial pooling of estimates with known errors; the intervals include the pooling uncertainty.

    y ~ N(θ, Σ), θ_i ~ N(x_iᵀβ, τ²), with flat priors on β and on τ ≥ 0 (Gelman et al. 2013, section 5.4). β is
    integrated in closed form, τ on a grid; the limits are quantiles of the resulting mixture of normals. Coverage is
    `level` on average over cells, not for each cell: it is lower for a cell whose true value is far from the others.
    Use a scale on which the estimates are nearly normal (logits of rates).

    Args:
        estimates: y, at least three more than the columns of `covariates`.
        errors: standard errors (1-D), or the covariance Σ (2-D).
        covariates: estimates × columns, with a column of ones for an intercept; None for a common mean.
        df: degrees of freedom of the errors (groups − 1 from a jackknife). Estimated errors are enlarged: a
            covariance of k estimates by df/(df − k − 1), because its inverse is biased (Hartlap, Simon & Schneider
            2007, Astronomy & Astrophysics 464); standard errors by the ratio of t to z.
        level: of the intervals.

    Raises:
        ValueError: there are too few estimates, or too many for their covariance; an estimate is not finite, or an
            error not above 0; the shapes differ.
    """
    y, errors = np.asarray(estimates, float), np.asarray(errors, float)
    x = np.ones((len(y), 1)) if covariates is None else np.asarray(covariates, float)
    if len(y) < x.shape[1] + 2:
        raise ValueError(f"{len(y)} estimates are too few to estimate their variance; {x.shape[1] + 2} are needed")
    if errors.shape not in ((len(y),), (len(y), len(y))) or x.shape[0] != len(y):
        raise ValueError(f"shapes {y.shape}, {errors.shape} and {x.shape} of estimates, errors, covariates differ")
    if errors.ndim == 1:
        variance, turn = (errors * t_quantile(level, df) / norm.ppf((1 + level) / 2)) ** 2, np.eye(len(y))
    elif len(y) < df - 1:
        variance, turn = np.linalg.eigh(errors * (1 if np.isinf(df) else df / (df - len(y) - 1)))
    else:
        raise ValueError(
            f"a covariance of {len(y)} estimates needs more than {len(y) + 1} degrees of freedom, not {df:.0f}; pass"
            " standard errors instead"
        )
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(variance)) and np.all(variance > 0)):
        raise ValueError("estimates must be finite and their errors above 0; leave the others out")
    tau, weight = _weigh_tau(turn.T @ y, turn.T @ x, variance)
    means, sds, common = _posterior_given_tau(tau, turn, turn.T @ y, turn.T @ x, variance)
    return Shrunken(
        estimate=weight @ means,
        low=_mixture_quantile((1 - level) / 2, weight, means, sds),
        high=_mixture_quantile((1 + level) / 2, weight, means, sds),
        common=weight @ common,
        sd=float(weight @ tau),
    )


def _fit_common(tau: Floats, y: Floats, x: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """For each τ: β by weighted least squares, its covariance, and log p(τ | y) up to a constant."""
    weight = 1 / (variance + tau[:, None] ** 2)
    precision = np.einsum("tk,ki,kj->tij", weight, x, x)
    beta_covariance = np.linalg.inv(precision)
    fitted = np.einsum("tij,tk,kj,k->ti", beta_covariance, weight, x, y)
    rest = y - fitted @ x.T
    log_density = (np.log(weight).sum(axis=1) - np.linalg.slogdet(precision)[1] - (weight * rest**2).sum(axis=1)) / 2
    return fitted, beta_covariance, log_density


def _weigh_tau(y: Floats, x: Floats, variance: Floats, nodes: int = 200) -> tuple[Floats, Floats]:
    """Nodes τ and their posterior weights, in u = τ/(τ + scale): a coarse grid finds the mass, a fine one covers it."""
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    scale = float(np.sqrt(np.mean(rest**2)) + np.sqrt(np.median(variance)) / 10)

    def weigh(u: Floats) -> tuple[Floats, Floats]:
        tau = scale * u / (1 - u)
        # dτ = scale du/(1 − u)²
        return tau, _fit_common(tau, y, x, variance)[2] - 2 * np.log1p(-u)

    coarse = (np.arange(nodes) + 0.5) / nodes
    density = weigh(coarse)[1]
    inside = np.flatnonzero(density > density.max() - 30)
    start = coarse[max(inside[0] - 1, 0)] if inside[0] > 0 else 0.0
    end = coarse[min(inside[-1] + 1, nodes - 1)] if inside[-1] < nodes - 1 else 1.0
    at, share = np.polynomial.legendre.leggauss(nodes)
    tau, density = weigh(start + (end - start) * (at + 1) / 2)
    weight = share * np.exp(density - density.max())
    return tau, weight / weight.sum()


def _posterior_given_tau(
    tau: Floats, turn: Floats, y: Floats, x: Floats, variance: Floats
) -> tuple[Floats, Floats, Floats]:
    """For each τ: posterior means and standard deviations of θ, and the common part (each τ × estimates)."""
    fitted, beta_covariance, _ = _fit_common(tau, y, x, variance)
    kept = tau[:, None] ** 2 / (variance + tau[:, None] ** 2)
    rest = y - fitted @ x.T
    common = fitted @ (turn @ x).T
    means = common + (kept * rest) @ turn.T
    own = (kept * variance) @ (turn**2).T
    # θ depends on β with the weight that is not on the estimate.
    lever = np.einsum("ik,tk,kj->tij", turn, 1 - kept, x)
    shared = np.einsum("tij,tjl,til->ti", lever, beta_covariance, lever)
    return means, np.sqrt(own + shared), common


def _mixture_quantile(share: float, weight: Floats, means: Floats, sds: Floats) -> Floats:
    """The quantile of each column's mixture of normals, by bisection."""
    half_width = 40.0
    left, right = (means - half_width * sds).min(axis=0), (means + half_width * sds).max(axis=0)
    return bisect(lambda at: weight @ ndtr((at - means) / np.maximum(sds, 1e-300)) < share, left, right)


def draw_shrunken(
    estimates: ArrayLike, errors: ArrayLike, rng: np.random.Generator, *, draws: int, df: float = np.inf
) -> Floats:
    """Draws × estimates from the posterior of `shrink`, for functions of several estimates.

    Args:
        estimates: y, at least three.
        errors: their standard errors, independent of each other.
        rng: of the draws.
        draws: the number of draws.
        df: degrees of freedom of the errors; see `shrink`.

    >>> draws = draw_shrunken([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], np.random.default_rng(1), draws=40_000)
    >>> bool(np.abs(draws.mean(axis=0) - shrink([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]).estimate).max() < 0.03)
    True
    """
    y = np.asarray(estimates, float)
    variance = (np.asarray(errors, float) * t_quantile(0.95, df) / norm.ppf(0.975)) ** 2
    tau, weight = _weigh_tau(y, np.ones((len(y), 1)), variance)
    tau_squared = tau[rng.choice(len(tau), draws, p=weight / weight.sum())][:, None] ** 2
    precision = 1 / (variance + tau_squared)
    total = precision.sum(axis=1, keepdims=True)
    common = (precision * y).sum(axis=1, keepdims=True) / total + rng.standard_normal((draws, 1)) / np.sqrt(total)
    kept = tau_squared * precision
    return kept * y + (1 - kept) * common + np.sqrt(kept * variance) * rng.standard_normal((draws, len(y)))
