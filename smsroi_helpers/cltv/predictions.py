"""Predictions of a fitted purchase model: P(alive), expected purchases, their variance and their distribution.

Every prediction is that for a customer who is alive, times P(alive). The first depends on frequency x and age T alone,
so it is computed once per pair (x, T), of which there are far fewer than cells. Time is in weeks; `cells` always have
the columns frequency, recency_weeks and T_weeks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import betaln, expit, hyp2f1, roots_jacobi, xlog1py, xlogy
from scipy.stats import nbinom

from smsroi_helpers.cltv.ages import compute_by_age
from smsroi_helpers.cltv.fitting import Fit
from smsroi_helpers.cltv.likelihoods import HISTORY, columns_of
from smsroi_helpers.cltv.pareto import Grid, pareto_alive
from smsroi_helpers.statistics import Floats

__all__ = [
    "CLOSED_FORM",
    "Cells",
    "Histories",
    "draw_orders",
    "draw_orders_if_alive",
    "expected_order_value",
    "expected_orders",
    "expected_orders_of_new",
    "log_probability_of_orders",
    "orders_if_alive",
    "pairs_of",
    "probability_alive",
    "survival_of_pairs",
    "survival_probability",
    "variance_of_orders",
    "weeks_as_customer",
]

CLOSED_FORM = ("nbd", "pareto_nbd")
"""Models whose expected purchases are a rate times expected weeks, in closed form (`weeks_as_customer`)."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_NEAR_ONE = 1e-4
"""With a this close to 1 the closed form of BG/NBD is a difference of large numbers, so the mean is integrated."""


@dataclass(frozen=True)
class Histories:
    """The histories of cells, with what every prediction needs of them: computed once, not for all parameters anew."""

    x: Floats
    """Repeat purchases."""
    t_x: Floats
    """Weeks from the first purchase to the last."""
    T: Floats
    """Weeks from the first purchase to now."""

    @classmethod
    def of(cls, cells: "Cells") -> "Histories":
        """The histories of cells; of histories, themselves."""
        return cells if isinstance(cells, Histories) else cls(*columns_of(cells, *HISTORY))

    def __len__(self) -> int:
        """The number of cells."""
        return len(self.x)

    @cached_property
    def grid(self) -> Grid:
        """The distinct counts and times, and the place of each cell among them."""
        return Grid.of(self.x, self.t_x, self.T)

    @cached_property
    def pairs(self) -> tuple[Floats, Floats, Any]:
        """`pairs_of` frequency and age."""
        return pairs_of(self.x, self.T)

    @cached_property
    def ages(self) -> tuple[Floats, Any]:
        """The distinct ages, and for each cell the index of its age."""
        return np.unique(self.T, return_inverse=True)

    @cached_property
    def age_of_pair(self) -> Any:
        """For each pair of frequency and age, the index of its age."""
        return np.searchsorted(self.ages[0], self.pairs[1])

    @cached_property
    def alive(self) -> dict[tuple[str, bytes], Floats]:
        """P(alive) by model and parameters: every prediction at the same parameters needs it again."""
        return {}


Cells: TypeAlias = "pd.DataFrame | Histories"
"""Cells with frequency, recency_weeks and T_weeks, or their histories."""


def pairs_of(x: Floats, T: Floats) -> tuple[Floats, Floats, Any]:
    """The distinct pairs of two columns, and for each row the index of its pair."""
    known, place = np.unique(x + 1j * T, return_inverse=True)
    return known.real, known.imag, place


def _check_finite(values: Any, what: str, cells: Histories) -> Floats:
    values = np.asarray(values, float)
    if not np.all(np.isfinite(values)):
        worst = int(np.argmin(np.isfinite(values)))
        raise ArithmeticError(
            f"{what} is not finite for {int((~np.isfinite(values)).sum())} kinds of customers, the first with"
            f" {cells.x[worst]:.0f} repeat purchases in {cells.T[worst]:.1f} weeks"
        )
    return values


def probability_alive(fit: Fit, cells: Cells, *, values: Floats | None = None) -> Floats:
    """P(alive), the probability (0–1) that a customer of each cell is still active; 1 for one-time buyers by BG/NBD.

    Under BG/NBD 1 / {1 + a / (b + x − 1) · ((α + T) / (α + t_x))^(r + x)} where x > 0 (Fader, Hardie & Lee 2008, note
    21 of brucehardie.com, eq. 1); under MBG/NBD b + x instead of b + x − 1, for every x (Batislam et al. 2007); under
    Pareto/NBD the likelihood of being alive divided by the whole likelihood (`pareto`).

    Args:
        fit: a fitted purchase model.
        cells: frequency, recency_weeks, T_weeks.
        values: parameters to use instead of the fit's, for the error of a prediction.
    """
    histories = Histories.of(cells)
    values = fit.predicting if values is None else np.asarray(values, float)
    key = fit.model, values.tobytes()
    if key not in histories.alive:
        alive = _check_finite(_probability_alive(fit.model, values, histories), "P(alive)", histories)
        alive.flags.writeable = False
        histories.alive[key] = alive
    return histories.alive[key]


def _probability_alive(model: str, values: Floats, histories: Histories) -> Floats:
    x, t_x, T = histories.x, histories.t_x, histories.T
    if model == "nbd":
        return np.ones(len(histories))
    if model == "pareto_nbd":
        return pareto_alive(values, x, t_x, T, histories.grid)
    r, alpha, a, b = values
    chances = x + (1 if model == "mbg_nbd" else 0)
    odds = np.log(a / (b + np.maximum(chances, 1) - 1)) + (r + x) * np.log1p((T - t_x) / (alpha + t_x))
    return np.where(chances > 0, expit(-odds), 1.0)


@lru_cache(maxsize=1024)
def _beta_quadrature(a: float, b: float) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss–Jacobi quadrature for the Beta(a, b) distribution."""
    with np.errstate(all="ignore"):  # non-finite weights are not used
        nodes, weights = roots_jacobi(64, b - 1, a - 1)
        p, share = (1 + nodes) / 2, weights / weights.sum()
    if not np.all(np.isfinite(share)):  # for a very narrow distribution (b beyond some 300) the mean
        return np.array([a / (a + b)]), np.ones(1)
    return p, share


def _mean_over_drop_out(
    model: str, values: Floats, x: Floats, compute: Callable[[Floats, Floats, Any], Floats], columns: int = 0
) -> Floats:
    """The mean of a quantity over the drop-out probability p, for customers (rows) who are alive.

    p ~ Beta(a, b + x), b + x + 1 under MBG/NBD. `compute(p, frequency, rows)` is smooth in p, so Gauss–Jacobi
    quadrature is exact to ten digits. It also applies where the closed form is undefined: the third argument of 2F1(·,
    ·; a + b + x − 1; ·) is negative for x = 0 where a + b < 1.
    """
    _r, _alpha, a, b = values
    means = np.empty((len(x), columns) if columns else len(x))
    for frequency in np.unique(x):
        rows = x == frequency
        chances = frequency + (1 if model == "mbg_nbd" else 0)
        p, share = _beta_quadrature(float(a), float(b + chances))
        means[rows] = compute(p, frequency, rows) @ share
    return means


def orders_if_alive(model: str, values: Floats, x: Floats, T: Floats, weeks: float | Floats) -> Floats:
    """Expected purchases in `weeks` of customers who are alive; one row per customer, 0 ≤ x, T.

    Under Pareto/NBD (r + x) / (α + T) times the mean part of the weeks before the customer leaves,
    {1 − ((β + T) / (β + T + t))^(s − 1)} (β + T) / (s − 1): Schmittlein et al. 1987, eq. 22, in a form that also holds
    at s = 1. Under BG/NBD and MBG/NBD p ~ Beta(a, b'), b' = b + x (+ 1 under MBG/NBD), and the mean over p of
    {1 − (1 + p·t / (α + T))^−(r + x)} / p is (a + b' − 1) / (a − 1) times
    {1 − ((α + T) / (α + T + t))^(r + x) 2F1(r + x, b'; a + b' − 1; t / (α + T + t))}: Fader, Hardie & Lee 2005, eq. 10.

    Args:
        model: the purchase model.
        values: its parameters.
        x: repeat purchases.
        T: weeks from the first purchase to now.
        weeks: the horizon; a number, or one per row.
    """
    r, alpha = values[:2]
    shape, scale = r + x, alpha + T
    if model in CLOSED_FORM:
        return np.asarray(shape / scale * weeks_as_customer(model, values, T, weeks), float)
    _r, _alpha, third, fourth = values
    survived = fourth + x + (1 if model == "mbg_nbd" else 0)
    every = third + survived - 1
    with np.errstate(all="ignore"):
        alike = np.exp(-shape * np.log1p(weeks / scale)) * hyp2f1(shape, survived, every, weeks / (scale + weeks))
        orders = every / (third - 1) * (1 - alike)
    unknown = ~np.isfinite(orders) | (every <= 0) | (abs(third - 1) < _NEAR_ONE)
    if unknown.any():
        asked = (np.broadcast_to(part, orders.shape)[unknown] for part in (x, T, weeks))
        orders[unknown] = _orders_by_integration(model, values, *asked)
    return np.asarray(orders, float)


def weeks_as_customer(model: str, values: Floats, T: Floats, weeks: float | Floats) -> Floats:
    """Expected part of the coming `weeks` that a customer who is alive stays one, under Pareto/NBD and NBD.

    It depends on the age T alone; times the expected rate (r + x) / (α + T) it is `orders_if_alive`.
    """
    if model == "nbd":
        return np.asarray(weeks, float) + np.zeros_like(T)
    _r, _alpha, s, beta = values
    longest = np.log1p(weeks / (beta + T))
    power = (s - 1) * longest
    with np.errstate(invalid="ignore"):
        share = np.where(np.abs(power) < 1e-12, 1.0, -np.expm1(-power) / power)
    return np.asarray((beta + T) * longest * share, float)


def _orders_by_integration(model: str, values: Floats, x: Floats, T: Floats, weeks: float | Floats) -> Floats:
    """`orders_if_alive` under BG/NBD and MBG/NBD: the mean over p of {1 − (1 + p·t / (α + T))^−(r + x)} / p."""
    r, alpha, _a, _b = values
    ahead = np.broadcast_to(weeks, x.shape)

    def orders(p: Floats, frequency: Floats, rows: Any) -> Floats:
        growth = np.outer(ahead[rows] / (alpha + T[rows]), p)
        return np.asarray(-np.expm1(-(r + frequency) * np.log1p(growth)) / p, float)

    return _mean_over_drop_out(model, values, x, orders)


def expected_orders(fit: Fit, cells: Cells, horizon_weeks: float, *, values: Floats | None = None) -> Floats:
    """Expected purchases of one customer of each cell in the coming `horizon_weeks`.

    Args:
        fit: a fitted purchase model.
        cells: frequency, recency_weeks, T_weeks.
        horizon_weeks: above 0.
        values: parameters to use instead of the fit's, for the error of a prediction.

    Raises:
        ArithmeticError: the result is not finite for some cell.
    """
    values = fit.predicting if values is None else values
    histories = Histories.of(cells)
    x, T, place = histories.pairs
    orders = orders_if_alive(fit.model, values, x, T, horizon_weeks)[place]
    return _check_finite(orders * probability_alive(fit, histories, values=values), "expected orders", histories)


def expected_orders_of_new(fit: Fit, weeks: Floats, *, values: Floats | None = None) -> Floats:
    """Expected repeat purchases of a new customer by `weeks` after the first purchase.

    A new customer has x = 0 and T = 0. Under MBG/NBD only a share b / (a + b) does not leave right away.
    """
    values = fit.predicting if values is None else values
    weeks = np.asarray(weeks, float)
    nothing = np.zeros(weeks.size)
    orders = orders_if_alive(fit.model, values, nothing, nothing, weeks.ravel()).reshape(weeks.shape)
    return np.asarray(orders * (values[3] / (values[2] + values[3]) if fit.model == "mbg_nbd" else 1.0), float)


def survival_probability(fit: Fit, cells: Cells, weeks: Sequence[float], *, values: Floats | None = None) -> Floats:
    """The probability (0–1) that a customer of each cell who is alive now is alive after `weeks`: cells × weeks."""
    histories = Histories.of(cells)
    return survival_of_pairs(fit, histories, weeks, values=values)[histories.pairs[2]]


def survival_of_pairs(
    fit: Fit, histories: Histories, weeks: Sequence[float], *, values: Floats | None = None
) -> Floats:
    """`survival_probability` for each of `Histories.pairs`, on which alone it depends.

    Under BG/NBD and MBG/NBD a customer with purchase rate λ and drop-out probability p leaves at the rate λ·p. The mean
    over λ and p of exp(−λ·p·t) is the mean over p of (1 + p·t / (α + T))^−(r + x). Under Pareto/NBD it is ((β + T) / (β
    + T + t))^s.
    """
    values = fit.predicting if values is None else values
    ends = np.asarray(weeks, float)
    r, alpha, third, fourth = values
    if fit.model == "pareto_nbd":
        ages, _of_age = histories.ages
        return np.asarray((1 + ends / (fourth + ages)[:, None]) ** -third, float)[histories.age_of_pair]
    kinds_x, kinds_T, _place = histories.pairs

    def survived(x: Floats, T: Floats) -> Floats:
        def still(p: Floats, frequency: Floats, rows: Any) -> Floats:
            growth = (ends / (alpha + T[rows])[:, None])[:, :, None] * p
            return np.asarray(np.exp(-(r + frequency) * np.log1p(growth)), float)

        return _mean_over_drop_out(fit.model, values, x, still, len(ends))

    return compute_by_age(survived, kinds_x, kinds_T, alpha)


def variance_of_orders(fit: Fit, cells: Cells, horizon_weeks: float) -> Floats:
    """The variance of the purchases of one customer of each cell, given the parameters.

    From E[X²] of a customer who is alive. Given λ and p, with z = λ·p·t, it is (1 − e^−z) / p +
    2 (1 − p) / p² · {1 − (1 + z) e^−z}; λ ~ Gamma(r + x, α + T) is integrated in closed form, p by quadrature.
    Under Pareto/NBD it is λ·E[m] + λ²·E[m²], with m the part of the horizon before the customer leaves.
    """
    values = fit.predicting
    histories = Histories.of(cells)
    kinds_x, kinds_T, place = histories.pairs
    shape, scale = values[0] + kinds_x, values[1] + kinds_T
    if fit.model == "nbd":
        squares = shape / scale * horizon_weeks + shape * (shape + 1) * (horizon_weeks / scale) ** 2
    elif fit.model == "pareto_nbd":
        _r, _alpha, s, beta = values
        longest = np.log1p(horizon_weeks / (beta + kinds_T))[:, None]
        part = (beta + kinds_T)[:, None] * np.expm1(longest * _NODES)
        density = np.exp(-(s - 1) * longest * _NODES) * longest * _WEIGHTS * (beta + kinds_T)[:, None]
        squares = shape / scale * density.sum(axis=1)
        squares += shape * (shape + 1) / scale**2 * (2 * part * density).sum(axis=1)
    else:

        def second_moment(p: Floats, frequency: Floats, rows: Any) -> Floats:
            power = values[0] + frequency
            z = np.outer(horizon_weeks / scale[rows], p)
            first = -np.expm1(-power * np.log1p(z)) / p
            rest = -np.expm1(-power * np.log1p(z)) - power * z * (1 + z) ** -(power + 1)
            rest = np.where(power * z < 1e-4, power * (power + 1) / 2 * z**2, rest)
            return np.asarray(first + 2 * (1 - p) / p**2 * rest, float)

        squares = _mean_over_drop_out(fit.model, values, kinds_x, second_moment)
    alive = probability_alive(fit, histories)
    means = orders_if_alive(fit.model, values, kinds_x, kinds_T, horizon_weeks)
    return _check_finite(alive * squares[place] - (alive * means[place]) ** 2, "the variance of orders", histories)


def log_probability_of_orders(fit: Fit, cells: Cells, horizon_weeks: float, orders: Floats) -> Floats:
    """Log probability that a customer of each cell buys exactly `orders` times in `horizon_weeks`.

    A customer who is alive buys at a rate λ ~ Gamma(r + x, α + T), so without drop-out the count is negative binomial.
    Under BG/NBD and MBG/NBD p is independent of λ. Either the customer stays after all `orders` purchases, or leaves
    after the last one, whatever number would have followed. Under Pareto/NBD the time of the negative binomial ends
    when the customer leaves.
    """
    histories = Histories.of(cells)
    y = np.asarray(orders, float)
    x, T, pair = histories.pairs
    most = int(y.max(initial=0.0)) + 1
    kinds, place = np.unique(pair * most + y.astype(int), return_inverse=True)
    chance = _log_chance_of_orders(
        fit.model, fit.predicting, x[kinds // most], T[kinds // most], horizon_weeks, kinds % most
    )
    if fit.model == "nbd":
        return chance[place]
    alive = probability_alive(fit, histories)
    return np.log(np.maximum(alive * np.exp(chance)[place] + (1 - alive) * (y == 0), np.finfo(float).tiny))


def _log_chance_of_orders(model: str, values: Floats, x: Floats, T: Floats, horizon_weeks: float, y: Floats) -> Floats:
    """Log probability that a customer who is alive buys exactly y times."""
    shape, scale = values[0] + x, values[1] + T
    share = scale / (scale + horizon_weeks)
    log_all = np.asarray(nbinom.logpmf(y, shape, share), float)
    if model == "nbd":
        return log_all
    _r, _alpha, third, fourth = values
    if model == "pareto_nbd":
        left = -np.expm1(-third * np.log1p(horizon_weeks / (fourth + T)))[:, None]
        until = (fourth + T)[:, None] * np.expm1(-np.log1p(-left * _NODES) / third)
        # Of the negative binomial only the powers of scale / (scale + weeks) and of its complement depend on the weeks.
        powers = xlogy(y[:, None], until / (scale[:, None] + until)) - shape[:, None] * np.log1p(until / scale[:, None])
        cut_short = np.exp((log_all - shape * np.log(share) - xlog1py(y, -share))[:, None] + powers)
        chance = (1 - left[:, 0]) * np.exp(log_all) + left[:, 0] * (cut_short @ _WEIGHTS)
    else:
        survived = fourth + x + (1 if model == "mbg_nbd" else 0)
        base = betaln(third, survived)
        chance = np.exp(betaln(third, survived + y) - base + log_all)
        more = nbinom.sf(y - 1, shape, share)
        with np.errstate(all="ignore"):  # the term for y = 0 is not used
            chance += np.where(y > 0, np.exp(betaln(third + 1, survived + np.maximum(y, 1) - 1) - base) * more, 0.0)
    return np.log(np.maximum(chance, np.finfo(float).tiny))


def expected_order_value(fit: Fit, frequency: Floats, mean_value: Floats) -> Floats:
    """Expected money per purchase, given the repeat purchases and their mean value (note 25, eq. 5).

    >>> published = Fit("gamma_gamma", {"p": 6.25, "q": 3.74, "v": 15.44}, np.eye(3), 0.0, 946, "converged")
    >>> expected_order_value(published, np.array([0.0, 2.0]), np.array([0.0, 22.35])).round(2)
    array([35.22, 24.66])
    """
    p, q, v = fit.predicting
    return np.asarray(p * (v + frequency * mean_value) / (p * frequency + q - 1), float)


def draw_orders_if_alive(
    model: str, parameters: Floats, x: Floats, T: Floats, horizon_weeks: float, rng: np.random.Generator
) -> Floats:
    """Simulate the purchases of customers who are alive in the coming `horizon_weeks`.

    The purchase rate is Gamma(r + x, α + T). Independent of it, the drop-out probability after a purchase is
    Beta(a, b + x) (b + x + 1 under MBG/NBD), or under Pareto/NBD the drop-out rate Gamma(s, β + T).

    Args:
        model: the purchase model.
        parameters: the parameters of each future, futures × parameters.
        x: repeat purchases of each customer.
        T: weeks since each customer's first purchase.
        horizon_weeks: the horizon.
        rng: random generator of the draws.

    Returns:
        purchases, customers × futures.
    """
    shape = (len(x), len(parameters))
    first, scale, third, fourth = parameters.T
    x, T = x[:, None], T[:, None]
    rate = rng.standard_gamma(first + x, shape) / (scale + T)
    if model == "pareto_nbd":
        stays = rng.standard_exponential(shape) / np.maximum(rng.standard_gamma(third, shape), 1e-300) * (fourth + T)
        return rng.poisson(rate * np.minimum(horizon_weeks, stays)).astype(float)
    leaving = np.clip(rng.beta(third, fourth + x + (1 if model == "mbg_nbd" else 0), shape), 1e-12, 1.0)
    return np.minimum(rng.poisson(rate * horizon_weeks), rng.geometric(leaving)).astype(float)


def draw_orders(fit: Fit, cells: Cells, horizon_weeks: float, draws: int, rng: np.random.Generator) -> Floats:
    """Simulate the purchases of one customer of each cell, alive or not: cells × draws.

    The parameters are fixed at those that the fit predicts with.
    """
    histories = Histories.of(cells)
    x, T = histories.x, histories.T
    parameters = np.tile(fit.predicting, (draws, 1))
    orders = draw_orders_if_alive(fit.model, parameters, x, T, horizon_weeks, rng)
    return np.where(rng.random(orders.shape) < probability_alive(fit, histories)[:, None], orders, 0.0)
