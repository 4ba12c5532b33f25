"""The Pareto/NBD likelihood of many cells at once, by running integrals instead of one integral per cell.

With n = r + x a customer's likelihood is (Schmittlein, Morrison & Colombo 1987, in the form of `likelihoods`)

    L = Γ(n)/Γ(r) α^r β^s { h(T) + s ∫ f(τ) dτ from t_x to T },   h(t) = (α+t)^−n (β+t)^−s,   f(t) = h(t) / (β+t).

The integral over [t_x, T] is the difference of two running integrals S(t) = ∫ f from t to the last day of all, so that

    L ∝ s S(t_x) + {h(T) − s S(T)}:

one number for each pair (x, t_x) and one for each pair (x, T). Both are at least 0 (s S(t) ≤ h(t)), so the sum loses no
precision. There are at most as many pairs as purchase counts times days. So the cost of the integrals does not depend
on the number of customers, and a cell costs an addition and a logarithm.

Each interval between two neighbouring times is integrated by Gauss–Legendre quadrature with four nodes. It is cut where
f may fall by more than a factor of exp(1.5) in it. Within that factor the error is below 2e-8 of the integral for a
function that falls exponentially. Log-likelihoods differ from adaptive integration by less than 1e-7 per customer
(tests/cltv/test_pareto.py).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from smsroi_helpers.cltv.likelihoods import Derivatives, Likelihood, pareto_log_likelihood
from smsroi_helpers.statistics import Floats

__all__ = ["Grid", "ParetoLikelihood", "RunningIntegrals", "integrate", "pareto_alive"]

Places = NDArray[np.intp]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_MAX_LOG_FALL = 1.5
"""The largest fall of log f over one interval."""
_MAX_LOG_RANGE = 1_300.0
"""The largest range of log h over the times of one count that fits in a double, centred at h = 1."""
_BATCH_SIZE = 2**18
"""Powers that are computed together, so that they stay in the processor's cache."""
_LARGEST_LOG = 690.0
"""Logarithms between this and its negative have exponentials that fit in a double."""


@dataclass(frozen=True)
class Grid:
    """The distinct counts and times of the rows (x, t_x, T), and the place of each row among them."""

    counts: Floats
    """The distinct x, ascending."""
    times: Floats
    """The distinct t_x and T, ascending, in weeks."""
    earliest: Floats
    """For each count, the earliest time at which it is needed."""
    last: Places
    """For each row, the flat index of (x, t_x) in counts × times."""
    now: Places
    """For each row, the flat index of (x, T)."""
    of_count: Places
    """For each row, the index of x in counts."""

    @classmethod
    def of(cls, x: Floats, t_x: Floats, T: Floats) -> "Grid":
        """Build the grid of rows.

        Args:
            x: repeat purchases.
            t_x: weeks from first to last purchase.
            T: weeks from first purchase to now, at least t_x.
        """
        counts, of_count = np.unique(x, return_inverse=True)
        times, place = np.unique(np.concatenate([t_x, T]), return_inverse=True)
        earliest = np.full(len(counts), np.inf)
        np.minimum.at(earliest, of_count, t_x)
        row = of_count * len(times)
        return cls(counts, times, earliest, row + place[: len(x)], row + place[len(x) :], of_count)

    @property
    def size(self) -> int:
        """The number of pairs of a count and a time."""
        return len(self.counts) * len(self.times)

    @property
    def pays(self) -> bool:
        """Whether running integrals over all pairs cost less than an integral per row (of 32 nodes)."""
        return self.size <= 20 * len(self.last)


@dataclass(frozen=True)
class RunningIntegrals:
    """h and the running integrals at given parameters, counts × times. Amounts are scaled by exp(−log_scale).

    All have the leading axes of `values`: several parameters at once, which takes a fraction of the time for each.
    """

    grid: Grid
    values: Floats
    """… × (r, α, s, β)."""
    log_scale: Floats
    """For each count: the logarithm of the factor that undoes the scaling."""
    here: Floats
    """h."""
    gone: Floats
    """s S."""
    _nodes: Floats
    """The times at which f is evaluated: nodes × intervals."""
    _pieces: Floats
    """f times the weight of the node: counts × nodes × intervals."""
    _interval: Places
    """For each time, the index of the interval that begins there."""

    @cached_property
    def likelihood(self) -> Floats:
        """For each row: L / exp(`log_scale` + `start`), the likelihood without the factor of its count."""
        return self._of_rows(self.gone, self.here - self.gone)

    def _of_rows(self, by_last: Floats, by_now: Floats) -> Floats:
        """The sum of the amounts of (x, t_x) and of (x, T), for each row."""
        flat = (*self.values.shape[:-1], self.grid.size)
        found = np.take(by_last.reshape(flat), self.grid.last, axis=-1)
        found += np.take(by_now.reshape(flat), self.grid.now, axis=-1)
        return found

    @cached_property
    def start(self) -> Floats:
        """For each count: log Γ(n)/Γ(r) α^r β^s."""
        r, alpha, s, beta = _each(self.values)
        return np.asarray(gammaln(r + self.grid.counts) - gammaln(r) + r * np.log(alpha) + s * np.log(beta), float)

    def rows(self) -> Floats:
        """The log-likelihood of each row."""
        return np.asarray(np.log(self.likelihood) + (self.start + self.log_scale)[self.grid.of_count], float)

    def alive(self) -> Floats:
        """P(alive) of each row's customer: h(T) / L."""
        flat = self.here.reshape(*self.values.shape[:-1], self.grid.size)
        return np.asarray(np.minimum(np.take(flat, self.grid.now, axis=-1) / self.likelihood, 1.0), float)

    def total(self, weights: Floats, of_counts: Floats) -> Floats:
        """The weighted sum of `rows`; `of_counts` holds the weights summed by count."""
        return np.asarray(np.log(self.likelihood) @ weights + (self.start + self.log_scale) @ of_counts, float)

    def slopes_of_total(self, weights: Floats, of_counts: Floats) -> Floats:
        """The derivatives of `total` by the logarithms of r, α, s, β."""
        r, alpha, s, beta = self.values
        grid, n = self.grid, r + self.grid.counts
        shape = self.here.shape
        share = weights / self.likelihood
        by_now = np.bincount(grid.now, share, grid.size).reshape(shape)
        by_last = np.bincount(grid.last, share, grid.size).reshape(shape)
        # In the sum over rows, each piece of an integral counts once for every row whose integral contains it.
        at_start = np.zeros((shape[0], self._nodes.shape[1]))
        at_start[:, self._interval] = by_last - by_now
        belongs = np.cumsum(at_start, axis=1)
        sums = np.stack([np.ones(len(n)), n])
        plain, by_shape = (np.einsum("cni,ci->ni", self._pieces, each[:, None] * belongs).ravel() for each in sums)
        at_alpha, at_beta = alpha + self._nodes.ravel(), beta + self._nodes.ravel()
        slopes = -s * np.array(
            [plain @ np.log(at_alpha), by_shape @ (1 / at_alpha), plain @ np.log(at_beta) - plain.sum() / s,
             (s + 1) * (plain @ (1 / at_beta))]
        )  # fmt: skip
        plain, by_shape = sums @ (by_now * self.here)
        times = grid.times
        slopes -= [
            plain @ np.log(alpha + times), by_shape @ (1 / (alpha + times)), plain @ np.log(beta + times),
            s * (plain @ (1 / (beta + times))),
        ]  # fmt: skip
        customers = of_counts.sum()
        slopes += [
            of_counts @ (digamma(n) - digamma(r)) + customers * np.log(alpha), customers * r / alpha,
            customers * np.log(beta), customers * s / beta,
        ]  # fmt: skip
        return np.asarray(slopes * self.values, float)

    def slopes_of_rows(self) -> Floats:
        """The derivatives of `rows` by the logarithms of r, α, s, β: 4 × rows."""
        r, alpha, s, beta = self.values
        grid, n = self.grid, r + self.grid.counts
        start = np.stack(
            [digamma(n) - digamma(r) + np.log(alpha), np.full(len(n), r / alpha), np.full(len(n), np.log(beta)),
             np.full(len(n), s / beta)]
        )  # fmt: skip
        found = start[:, grid.of_count]

        def by(of: Floats) -> list[Floats]:
            return [np.log(alpha + of), 1 / (alpha + of), np.log(beta + of), 1 / (beta + of)]

        factors = (1.0, 1.0, 1.0, s)
        for row, (factor, at_times, at_nodes) in enumerate(zip(factors, by(grid.times), by(self._nodes), strict=True)):
            gone = _from_each(np.einsum("cni,ni->ci", self._pieces, at_nodes), self._interval)
            gone *= -(s + 1 if row == 3 else 1) * s
            here = -factor * self.here * at_times
            if row == 1:
                gone, here = n[:, None] * gone, n[:, None] * here
            if row == 2:
                gone += self.gone / s
            found[row] += self._of_rows(gone, here - gone) / self.likelihood
        return np.asarray(found * self.values[:, None], float)


def _each(values: Floats) -> Floats:
    """Each parameter with an axis of length 1 after the leading axes."""
    return np.moveaxis(values, -1, 0)[..., None]


def _from_each(pieces: Floats, interval: Places) -> Floats:
    """Sums from each time to the end: counts × times."""
    from_the_end = np.cumsum(pieces[..., ::-1], axis=-1)
    return np.take(from_the_end, pieces.shape[-1] - 1 - interval, axis=-1)


def integrate(values: Floats, grid: Grid) -> RunningIntegrals | None:
    """Compute the running integrals at … × (r, α, s, β); None where the amounts of a count do not fit in one scale.

    That happens with hundreds of purchases in a log of many years. Then each row is integrated separately.
    """
    r, alpha, s, beta = _each(values)
    n, times = r + grid.counts, grid.times
    highest, lowest = (-n * np.log(alpha + time) - s * np.log(beta + time) for time in (grid.earliest, times[-1]))
    if (highest - lowest).max() > _MAX_LOG_RANGE:
        return None
    log_scale = (highest + lowest) / 2
    starts, widths, interval = _cut(times, n[..., -1:], alpha, s, beta)
    nodes = starts + _NODES[:, None] * widths
    flat = nodes.ravel()
    with np.errstate(divide="ignore"):
        log_weights = np.log(_WEIGHTS[:, None] * widths).ravel() - (s + 1) * np.log(beta + flat)
    log_factors = np.concatenate([log_weights, -s * np.log(beta + times)], axis=-1)
    log_bases = np.log(np.concatenate([alpha + flat, alpha + times], axis=-1))
    powers, log_scale = _powers(r, grid.counts, log_bases, log_factors, log_scale)
    pieces, here = powers[..., : len(flat)], powers[..., len(flat) :]
    pieces = pieces.reshape(*pieces.shape[:-1], *nodes.shape)
    gone = s[..., None] * _from_each(pieces.sum(axis=-2), interval)
    return RunningIntegrals(grid, np.asarray(values, float), log_scale, here, gone, nodes, pieces, interval)


def _powers(
    r: Floats, counts: Floats, log_base: Floats, log_factor: Floats, log_scale: Floats
) -> tuple[Floats, Floats]:
    """exp(log_factor − (r + x) log base − log_scale) for each count x and each base, and the log_scale used.

    The powers of x = 0, 1, 2, … are products of earlier ones, which takes a third of the time of exponentials; their
    scale is that of the first count, times a power. Where a product could be too large or too small for a double, each
    number is an exponential with the scale given, at most exp(`_LARGEST_LOG`).
    """
    lowest, highest = (find(log_base, axis=-1, keepdims=True) for find in (np.min, np.max))
    middle = (lowest + highest) / 2
    first = log_factor - (r + counts[0]) * log_base - log_scale[..., :1]
    more = counts - counts[0]
    half = float((more[-1] * (highest - lowest)).max()) / 2
    smallest = np.min(first, where=np.isfinite(first), initial=0.0) - half
    if first.max() + half > _LARGEST_LOG or smallest < -_LARGEST_LOG:
        logs = log_factor[..., None, :] - (r + counts)[..., None] * log_base[..., None, :] - log_scale[..., None]
        return np.exp(np.minimum(logs, _LARGEST_LOG)), log_scale
    rows = np.empty((*log_base.shape[:-1], int(more[-1]) + 1, log_base.shape[-1]))
    rows[..., 0, :] = np.exp(first)
    power, known = np.exp(middle - log_base)[..., None, :], 1
    while known < rows.shape[-2]:
        power = power if known == 1 else power * power
        next_rows = rows[..., known : 2 * known, :]
        np.multiply(rows[..., : next_rows.shape[-2], :], power, out=next_rows)
        known *= 2
    if rows.shape[-2] > len(counts):
        rows = np.take(rows, more.astype(np.intp), axis=-2)
    return rows, log_scale[..., :1] - more * middle


def _cut(times: Floats, n: Floats, alpha: Floats, s: Floats, beta: Floats) -> tuple[Floats, Floats, Places]:
    """Intervals between neighbouring times, cut where f may fall too far: starts, widths, and each time's interval.

    An interval that is too long is halved towards its beginning, where f falls fastest. The interval of the last time
    has width 0. Several parameters share the cuts that one of them needs.
    """
    widths = np.append(times[1:] - times[:-1], 0.0)
    fall = widths * (n / (alpha + times) + (s + 1) / (beta + times)).reshape(-1, len(times)).max(axis=0)
    if fall.max() <= _MAX_LOG_FALL:
        return times, widths, np.arange(len(times))
    halvings = np.ceil(np.log2(np.maximum(fall / _MAX_LOG_FALL, 1.0))).astype(int)
    parts = halvings + 1
    interval = np.concatenate([[0], np.cumsum(parts)[:-1]])
    of_time = np.repeat(np.arange(len(times)), parts)
    part = np.arange(len(of_time)) - interval[of_time]
    left = np.where(part == 0, 0.0, 0.5 ** (parts[of_time] - part))
    right = 0.5 ** (parts[of_time] - 1 - part)
    return times[of_time] + left * widths[of_time], (right - left) * widths[of_time], interval


# --- of all customers, and of each -----------------------------------------------------------------------------------


class ParetoLikelihood(Likelihood):
    """`Likelihood` of Pareto/NBD: by running integrals where they cost less and fit, else by an integral per cell.

    Its terms are those of `likelihoods`; its columns are x, t_x, T and the weights.
    """

    @cached_property
    def _grid(self) -> Grid:
        return Grid.of(*self.columns[:3])

    @cached_property
    def _of_counts(self) -> Floats:
        return np.asarray(np.bincount(self._grid.of_count, self.columns[-1]), float)

    def _integrals(self, log_values: Floats) -> RunningIntegrals | None:
        return integrate(np.exp(log_values), self._grid) if self._grid.pays else None

    def value(self, log_values: Floats) -> float:
        """The mean negative log-likelihood per customer."""
        there = self._integrals(log_values)
        if there is None:
            return super().value(log_values)
        return -float(there.total(self.columns[-1], self._of_counts)) / self.customers

    def values(self, log_values: Floats) -> Floats:
        """`value` at several parameters, draws × parameters."""
        grid, weights = self._grid, self.columns[-1]
        together = max(_BATCH_SIZE // (grid.size * (len(_NODES) + 1)), 1)
        found: list[Floats] = []
        for first in range(0, len(log_values), together):
            part = log_values[first : first + together]
            there = self._integrals(part)
            if there is None:
                found.append(super().values(part))
            else:
                found.append(-there.total(weights, self._of_counts) / self.customers)
        return np.concatenate(found)

    def loss(self, log_values: Floats) -> tuple[float, Floats]:
        """The mean negative log-likelihood per customer, and its derivatives."""
        there = self._integrals(log_values)
        if there is None:
            return super().loss(log_values)
        weights = self.columns[-1]
        slopes = there.slopes_of_total(weights, self._of_counts)
        return -float(there.total(weights, self._of_counts)) / self.customers, -slopes / self.customers

    def derivatives(self, log_values: Floats) -> Derivatives:
        """The log-likelihood of all customers and its derivatives; second derivatives by differences of the first."""
        there = self._integrals(log_values)
        if there is None:
            return super().derivatives(log_values)
        weights, slopes = self.columns[-1], there.slopes_of_rows()
        steps = 1e-4 * np.eye(4)
        hessian = np.stack([self.loss(log_values - step)[1] - self.loss(log_values + step)[1] for step in steps])
        hessian *= self.customers / 2e-4
        return Derivatives(
            log_likelihood=float(there.total(weights, self._of_counts)),
            slopes=slopes @ weights,
            squares=(slopes * weights) @ slopes.T,
            curvature=(hessian + hessian.T) / 2,
        )


def pareto_alive(values: Floats, x: Floats, t_x: Floats, T: Floats, grid: Grid) -> Floats:
    """P(alive) of each row's customer at r, α, s, β; `grid` is the grid of the rows."""
    there = integrate(values, grid) if grid.pays else None
    if there is not None:
        return there.alive()
    r, alpha, s, beta = values
    here = gammaln(r + x) - gammaln(r) + r * np.log(alpha / (alpha + T)) + s * np.log(beta / (beta + T))
    here -= x * np.log(alpha + T)
    return np.asarray(np.minimum(np.exp(here - pareto_log_likelihood(values, x, t_x, T)), 1.0), float)
