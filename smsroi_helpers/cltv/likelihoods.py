"""Likelihoods of BG/NBD, MBG/NBD, Pareto/NBD, NBD and Gamma–Gamma for weighted cells, with their derivatives.

Time is in weeks. A cell holds `customers` people with the same frequency x (repeat purchases), recency t_x (first
to last purchase) and age T (first purchase to now); cells by the day have the likelihood of one row per customer.

References:
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2): BG/NBD.
    Batislam, Denizel & Filiztekin (2007), Int. J. of Research in Marketing 24(3): MBG/NBD.
    Schmittlein, Morrison & Colombo (1987), Management Science 33(1): Pareto/NBD.
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 25 of brucehardie.com.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, Self

import numpy as np
import pandas as pd
from scipy.optimize import approx_fprime
from scipy.special import digamma, gammaln, zeta

from smsroi_helpers.statistics import Floats

__all__ = [
    "HISTORY",
    "PARAMETER_NAMES",
    "Derivatives",
    "Likelihood",
    "Model",
    "Terms",
    "columns_of",
    "log_likelihood",
    "pareto_log_likelihood",
    "purchase_terms",
    "rate_terms",
    "value_terms",
]

Model = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]

PARAMETER_NAMES: dict[str, tuple[str, ...]] = {
    "bg_nbd": ("r", "alpha", "a", "b"),
    "mbg_nbd": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
    "nbd": ("r", "alpha"),
    "gamma_gamma": ("p", "q", "v"),
}
HISTORY = ("frequency", "recency_weeks", "T_weeks")
_BATCH_SIZE = 16_384
"""Cells per batch, so that the intermediate arrays stay in the processor's cache."""
_FEW_CELLS = 300
"""Up to so many cells nothing is gained by making them coarser."""
_COARSE_STEPS = 24
"""Steps between the lowest and the highest moment of coarser cells."""


# --- of each cell ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """The log-likelihood of each row at given parameters; derivatives are by the logarithms of the parameters."""

    rows: Floats
    """Log-likelihood of one customer of each row."""
    slopes: Floats
    """Its derivatives, parameters × rows."""
    curvature: Callable[[Floats], Floats]
    """A function from weights of the rows to the weighted sum of the second derivatives, parameters × parameters."""


def _by_differences(terms: Callable[..., Terms], values: Floats, *columns: Floats) -> Callable[[Floats], Floats]:
    """The curvature by finite differences of the slopes, for models without analytic second derivatives."""

    def curvature(weights: Floats) -> Floats:
        hessian = approx_fprime(np.log(values), lambda at: terms(np.exp(at), *columns).slopes @ weights, 1e-5)
        return np.asarray((hessian + hessian.T) / 2, float)

    return curvature


def _beta_geometric_terms(model: str, values: Floats, x: Floats, t_x: Floats, T: Floats) -> Terms:
    """Terms of BG/NBD and MBG/NBD; derivatives by (log r, log α, log a, log b).

    The models differ in one point. MBG/NBD lets a customer drop out right after the first purchase as well (k = 1), so
    that one-time buyers may have left. BG/NBD (k = 0) does not. Fader, Hardie & Lee 2005, eq. 6 in the form of their
    note on computing it; Batislam et al. 2007, eq. 4.
    """
    r, alpha, a, b = values
    count = x.astype(np.intp)
    most = 1 << int(count.max()).bit_length()  # a power of two, so that the batches of a pass share the cached tables
    known = _beta_geometric_counts(model, *values.tolist(), most)
    start, leaving, by_r, by_a, by_b, b_of_past = np.take(known, count, axis=1)
    shape, per_T, per_t = r + x, 1 / (alpha + T), 1 / (alpha + t_x)
    log_T, silent = np.log(alpha + T), (T - t_x) * per_t
    between, later = np.log1p(silent), silent * per_T  # log (α+T)/(α+t_x), 1/(α+t_x) − 1/(α+T)
    # Having left at t_x against being alive: the log odds and, without overflow, the probability.
    odds = leaving + shape * between
    less = np.exp(-np.abs(odds))
    gone = np.exp(np.minimum(odds, 0)) / (1 + less)
    per_end = per_T + gone * later
    rows = start - shape * log_T + np.maximum(odds, 0) + np.log1p(less)
    slopes = np.stack(
        [by_r - r * (log_T - gone * between), r - alpha * shape * per_end, by_a + gone, by_b - gone * b_of_past]
    )

    def curvature(weights: Floats) -> Floats:
        have_left = weights * gone
        odds_by = np.stack([r * between, -alpha * shape * later, np.ones_like(x), -b_of_past])
        hessian = (odds_by * (have_left * (1 - gone))) @ odds_by.T
        hessian[0, 1] += r * (weights.sum() - alpha * (weights @ per_end))
        hessian[1, 1] += alpha**2 * (weights @ (shape * per_T**2) + have_left @ (shape * later * (per_t + per_T)))
        hessian[1, 1] -= r * weights.sum()
        hessian[2, 2] -= have_left.sum()
        hessian[3, 3] += have_left @ b_of_past**2
        # The terms that depend on x alone have trigamma functions as second derivatives.
        customers = np.bincount(count, weights, most)
        trigamma_r, trigamma_b, trigamma_both = _beta_geometric_trigammas(model, *values.tolist(), most) @ customers
        hessian[0, 0] += r**2 * trigamma_r
        hessian[2, 2] += a**2 * trigamma_both
        hessian[2, 3] += a * b * trigamma_both
        hessian[3, 3] += b**2 * (trigamma_both + trigamma_b)
        # The second derivative by log θ is θ² times that by θ, plus θ times the first.
        hessian += np.diag(slopes @ weights)
        return np.asarray(np.triu(hessian) + np.triu(hessian, 1).T, float)

    return Terms(rows, slopes, curvature)


@lru_cache(maxsize=16)
def _beta_geometric_counts(model: str, r: float, alpha: float, a: float, b: float, most: int) -> Floats:
    """The terms that depend on x alone, for x = 0 … most − 1: quantities × counts.

    The quantities: log-likelihood; log odds of having left; derivatives by log r, log a and log b; and minus the
    derivative of the log odds by log b.
    """
    n, k = np.arange(most), 1 if model == "mbg_nbd" else 0
    past = b + np.maximum(n + k, 1) - 1
    return np.stack(
        [
            gammaln(r + n) - gammaln(r) + r * np.log(alpha)
            + gammaln(a + b) + gammaln(b + n + k) - gammaln(b) - gammaln(a + b + n + k),
            np.where(n + k > 0, np.log(a) - np.log(past), -np.inf),
            r * (digamma(r + n) - digamma(r) + np.log(alpha)),
            a * (digamma(a + b) - digamma(a + b + n + k)),
            b * (digamma(a + b) + digamma(b + n + k) - digamma(b) - digamma(a + b + n + k)),
            b / past,
        ]
    )  # fmt: skip


@lru_cache(maxsize=16)
def _beta_geometric_trigammas(model: str, r: float, _alpha: float, a: float, b: float, most: int) -> Floats:
    """Second derivatives of the log gamma terms in r, in b and in a + b, for x = 0 … most − 1; trigamma is ζ(2, ·)."""
    n, k = np.arange(most), 1 if model == "mbg_nbd" else 0
    return np.stack(
        [
            zeta(2, r + n) - zeta(2, r),
            zeta(2, b + n + k) - zeta(2, b),
            zeta(2, a + b) - zeta(2, a + b + n + k),
        ]
    )


def _by_count(compute: Callable[[Floats], Floats], x: Floats) -> Floats:
    """Evaluate `compute` once per count x and look the rows up: columns × rows."""
    return np.take(compute(np.arange(x.max() + 1.0)), x.astype(np.intp), axis=1)


_LEGENDRE_NODES, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(32)
_NODES = ((_LEGENDRE_NODES + 1) / 2) ** 2
_NODE_WEIGHTS = _LEGENDRE_WEIGHTS / 2 * (_LEGENDRE_NODES + 1)


def _pareto_terms(values: Floats, x: Floats, t_x: Floats, T: Floats) -> Terms:
    """Terms of Pareto/NBD; derivatives by (log r, log α, log s, log β).

    L = Γ(r+x)/Γ(r) α^r β^s { (α+T)^−(r+x) (β+T)^−s + s ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ }, the integral over the times
    τ from t_x to T at which a customer may have left. In the variable w = ((α+t_x)/(α+τ))^(r+x) the integrand is smooth
    except near w = 0, and 32 Gauss–Legendre nodes in √w suffice. The hypergeometric form overflows for very active
    customers.
    """
    r, alpha, s, beta = values
    shape = r + x
    span = -np.expm1(-shape * np.log((alpha + T) / (alpha + t_x)))
    w = 1 - span[:, None] * (1 - _NODES)
    alpha_tau = (alpha + t_x)[:, None] * np.exp(-np.log(w) / shape[:, None])
    beta_tau = np.maximum(alpha_tau - alpha, t_x[:, None]) + beta
    pieces = alpha_tau * (beta_tau / (beta + t_x)[:, None]) ** -(s + 1) * _NODE_WEIGHTS
    integral = pieces.sum(axis=1)
    pieces /= integral[:, None]
    with np.errstate(divide="ignore"):
        gone = np.log(s) - shape * np.log(alpha + t_x) - (s + 1) * np.log(beta + t_x) + np.log(span / shape * integral)
    here = -shape * np.log(alpha + T) - s * np.log(beta + T)
    log_sum = np.logaddexp(here, gone)
    was_gone = np.exp(gone - log_sum)
    was_here = 1 - was_gone
    slopes = np.stack(
        [
            digamma(shape) - digamma(r) + np.log(alpha)
            - was_here * np.log(alpha + T) - was_gone * (pieces * np.log(alpha_tau)).sum(axis=1),
            r / alpha - shape * (was_here / (alpha + T) + was_gone * (pieces / alpha_tau).sum(axis=1)),
            np.log(beta) - was_here * np.log(beta + T)
            + was_gone * (1 / s - (pieces * np.log(beta_tau)).sum(axis=1)),
            s / beta - was_here * s / (beta + T) - was_gone * (s + 1) * (pieces / beta_tau).sum(axis=1),
        ]
    )  # fmt: skip
    start = gammaln(shape) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return Terms(start + log_sum, slopes * values[:, None], _by_differences(_pareto_terms, values, x, t_x, T))


def rate_terms(values: Floats, x: Floats, T: Floats) -> Terms:
    """Terms of the NBD (gamma–Poisson: nobody leaves); derivatives by (log r, log α)."""
    r, alpha = values
    rows = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
    slopes = np.stack(
        [digamma(r + x) - digamma(r) + np.log(alpha) - np.log(alpha + T), r / alpha - (r + x) / (alpha + T)]
    )
    return Terms(rows, slopes * values[:, None], _by_differences(rate_terms, values, x, T))


def value_terms(values: Floats, x: Floats, log_mean: Floats) -> Terms:
    """Terms of Gamma–Gamma (note 25, eq. 1a); derivatives by (log p, log q, log v)."""
    p, q, v = values

    def of_count(n: Floats) -> Floats:
        n = np.maximum(n, 1)  # all rows have n ≥ 1
        return np.stack(
            [
                gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v) + p * n * np.log(n),
                digamma(p * n + q) - digamma(p * n) + np.log(n),
                digamma(p * n + q) - digamma(q) + np.log(v),
            ]
        )

    start, by_p, by_q = _by_count(of_count, x)
    total = v + x * np.exp(log_mean)
    log_total = np.log(total)
    rows = start + (p * x - 1) * log_mean - (p * x + q) * log_total
    slopes = np.stack([x * (by_p + log_mean - log_total), by_q - log_total, q / v - (p * x + q) / total])
    return Terms(rows, slopes * values[:, None], _by_differences(value_terms, values, x, log_mean))


def purchase_terms(model: str) -> Callable[..., Terms]:
    """The function from (values, x, t_x, T) to the terms of a purchase model."""
    return _pareto_terms if model == "pareto_nbd" else partial(_beta_geometric_terms, model)


def columns_of(cells: pd.DataFrame, *names: str) -> list[Floats]:
    """Columns of the cells as numbers."""
    return [cells[name].to_numpy(float) for name in names]


def pareto_log_likelihood(values: Floats, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """The Pareto/NBD log-likelihood of each row, at r, α, s, β."""
    return _pareto_terms(values, *np.broadcast_arrays(x, t_x, T)).rows


def log_likelihood(model: Model, parameters: dict[str, float], cells: pd.DataFrame) -> float:
    """The log-likelihood of a purchase model: the sum over all customers of all cells.

    Args:
        model: the purchase model.
        parameters: by the names of `PARAMETER_NAMES[model]`, all above 0; time in weeks.
        cells: frequency, recency_weeks, T_weeks, customers.
    """
    values = np.array([parameters[name] for name in PARAMETER_NAMES[model]])
    rows = purchase_terms(model)(values, *columns_of(cells, *HISTORY)).rows
    return float(cells["customers"].to_numpy(float) @ rows)


# --- of all ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Derivatives:
    """The log-likelihood of all customers at given parameters; derivatives are by the logarithms of the parameters."""

    log_likelihood: float
    slopes: Floats
    """First derivatives."""
    squares: Floats
    """Σ n s sᵀ over cells: s are the slopes of one customer, n the customers of the cell."""
    curvature: Floats
    """Second derivatives."""


@dataclass(frozen=True)
class Likelihood:
    """The likelihood of weighted cells, as a function of the parameters' logarithms."""

    terms: Callable[..., Terms]
    """A function from the parameters and the cells' columns to the terms of each cell."""
    columns: list[Floats]
    """The cells' columns; the last one holds the weights."""

    @cached_property
    def customers(self) -> float:
        """The sum of the weights."""
        return float(self.columns[-1].sum())

    @cached_property
    def coarse(self) -> Self:
        """The likelihood of fewer cells, whose moments are rounded; itself where it has few cells.

        Counts are kept, all other columns are rounded to one of `_COARSE_STEPS` steps. Estimates differ by some per
        cent: enough for where to begin, and for what proposes parameters.
        """
        counts, *moments, weights = self.columns
        if len(weights) <= _FEW_CELLS:
            return self
        lowest = min(float(moment.min()) for moment in moments)
        step = (max(float(moment.max()) for moment in moments) - lowest) / _COARSE_STEPS or 1.0
        key = counts.astype(np.int64)
        for moment in moments:
            key = key * (_COARSE_STEPS + 1) + np.rint((moment - lowest) / step).astype(np.int64)
        key, cell = np.unique(key, return_inverse=True)
        rounded = []
        for _moment in moments:
            key, places = np.divmod(key, _COARSE_STEPS + 1)
            rounded.append(lowest + step * places)
        return replace(self, columns=[key.astype(float), *reversed(rounded), np.bincount(cell, weights).astype(float)])

    def _parts(self, log_values: Floats) -> Iterator[tuple[Terms, Floats]]:
        values = np.exp(log_values)
        for first in range(0, len(self.columns[-1]), _BATCH_SIZE):
            *columns, weights = (column[first : first + _BATCH_SIZE] for column in self.columns)
            yield self.terms(values, *columns), weights

    def value(self, log_values: Floats) -> float:
        """The mean negative log-likelihood per customer."""
        return self.loss(log_values)[0]

    def values(self, log_values: Floats) -> Floats:
        """`value` at several parameters, draws × parameters."""
        return np.array([self.value(each) for each in log_values])

    def loss(self, log_values: Floats) -> tuple[float, Floats]:
        """The mean negative log-likelihood per customer, and its derivatives."""
        rows, slopes = 0.0, np.zeros(len(log_values))
        for part, weights in self._parts(log_values):
            rows += float(weights @ part.rows)
            slopes += part.slopes @ weights
        return -rows / self.customers, -slopes / self.customers

    def derivatives(self, log_values: Floats) -> Derivatives:
        """The log-likelihood of all customers and its derivatives."""
        size = len(log_values)
        rows, slopes, squares, curvature = 0.0, np.zeros(size), np.zeros((size, size)), np.zeros((size, size))
        for part, weights in self._parts(log_values):
            rows += float(weights @ part.rows)
            slopes += part.slopes @ weights
            squares += (part.slopes * weights) @ part.slopes.T
            curvature += part.curvature(weights)
        return Derivatives(rows, slopes, squares, curvature)
