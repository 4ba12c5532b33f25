"""Models of when customers buy and how much, fitted to weighted cells: BG/NBD, MBG/NBD, Pareto/NBD and Gamma–Gamma.

Time is in weeks. A cell stands for `customers` people with the same frequency x (repeat purchases), recency t_x (first
to last purchase) and age T (first purchase to now); cells by the day give the estimate of one row per customer.

References:
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2): BG/NBD.
    Batislam, Denizel & Filiztekin (2007), Int. J. of Research in Marketing 24(3): MBG/NBD.
    Schmittlein, Morrison & Colombo (1987), Management Science 33(1): Pareto/NBD.
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value, note 25 of brucehardie.com.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize
from scipy.special import digamma, gammaln
from scipy.stats import norm, qmc

from smsroi_helpers.intervals import sandwich

__all__ = [
    "PARAMETER_NAMES",
    "Fit",
    "Floats",
    "Model",
    "fit_purchases",
    "fit_rates",
    "fit_value",
    "log_likelihood",
    "log_likelihood_of_value",
    "pareto_log_likelihood",
]

Model = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
Floats = NDArray[np.float64]

PARAMETER_NAMES: dict[str, tuple[str, ...]] = {
    "bg_nbd": ("r", "alpha", "a", "b"),
    "mbg_nbd": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
    "nbd": ("r", "alpha"),
    "gamma_gamma": ("p", "q", "v"),
}
_DROP_OUT = {"a", "b", "s", "beta"}
_BOUND = 11.5
"""Parameters are sought between exp(−11.5) and exp(11.5), 1e-5 … 1e5: further out a shape changes nothing any more."""
_WIDEST = 2.0
"""Where the standard error of a logarithm is larger, the 95 % interval reaches beyond a fiftieth and the fiftyfold: the
parameter is not identified. As the standard deviation of a weak prior, it rules out no more than that either."""
_CLOUD = 64


@dataclass(frozen=True)
class Fit:
    """A fitted model: estimates, and how far they can be trusted."""

    model: str
    parameters: dict[str, float]
    covariance: Floats
    """Of the parameters' logarithms, robust (sandwich) with the customer as unit; NaN where not identified."""
    log_likelihood: float
    customers: int
    status: Literal["converged", "not_identified"]
    """`not_identified`: the likelihood is flat or still rises at the edge of what makes sense; no intervals then."""
    unidentified: tuple[str, ...] = ()
    """The parameters that could be of any size."""
    most_plausible: Floats | None = None
    """Where not identified: the parameters that the data and a weak prior make most plausible. Predictions are made
    with them: what is flat in the parameters is not so in what customers will do."""
    make_cloud: Callable[[], Floats] | None = field(default=None, repr=False, compare=False)

    @property
    def values(self) -> Floats:
        """The estimates in the order of the model's parameters."""
        return np.array(list(self.parameters.values()))

    @property
    def predicting(self) -> Floats:
        """The parameters that predictions are made with: the estimates, or where not identified the most plausible."""
        return self.values if self.most_plausible is None else self.most_plausible

    @cached_property
    def cloud(self) -> Floats | None:
        """Where not identified: all kinds of parameters (rows) that the data and a weak prior leave plausible."""
        return None if self.make_cloud is None else self.make_cloud()

    @property
    def drop_out_identified(self) -> bool:
        """Whether the data tell how fast customers leave."""
        return not _DROP_OUT.intersection(self.unidentified)

    def table(self) -> pd.DataFrame:
        """One row a parameter: parameter, value, low, high (95 %, on the log scale, so always above 0)."""
        spread = norm.ppf(0.975) * np.sqrt(np.diag(self.covariance))
        return pd.DataFrame(
            {
                "parameter": list(self.parameters),
                "value": self.values,
                "low": self.values * np.exp(-spread),
                "high": self.values * np.exp(spread),
            }
        )

    @property
    def log_covariance(self) -> Floats:
        """Of the logarithms of the parameters that predictions are made with."""
        if self.cloud is None:
            return self.covariance
        off = np.log(self.cloud / self.predicting)
        return np.asarray(off.T @ off / len(off), float)

    def deviations(self, compute: Callable[[Floats], Any]) -> Floats:
        """How far a prediction is off for want of knowing the parameters: its variance is the sum of their squares.

        Args:
            compute: from parameters to an array (or number).

        Returns:
            an array with one more axis, the last: the slopes by the logarithms of the parameters times a root of their
            covariance (the delta method), or the deviations of the cloud from the most plausible.
        """
        if self.cloud is not None:
            centre = np.asarray(compute(self.predicting), float)
            others = [np.asarray(compute(values), float) - centre for values in self.cloud]
            return np.stack(others, axis=-1) / np.sqrt(len(others))
        steps = 1e-4 * np.eye(len(self.values))
        up, down = ([np.asarray(compute(self.values * np.exp(sign * d)), float) for d in steps] for sign in (1, -1))
        slopes = (np.stack(up, axis=-1) - np.stack(down, axis=-1)) / 2e-4
        strengths, directions = np.linalg.eigh(self.covariance)
        return np.asarray(slopes @ (directions * np.sqrt(np.maximum(strengths, 0))), float)

    def plausible(self, draws: int, rng: np.random.Generator) -> Floats:
        """Random parameters (draws × parameters) as the data leave them plausible.

        From the normal approximation on the log scale, in opposite pairs; where not identified, from the cloud.
        """
        if self.cloud is not None:
            return self.cloud[rng.integers(0, len(self.cloud), draws)]
        strengths, directions = np.linalg.eigh(self.covariance)
        half = rng.standard_normal((-(-draws // 2), len(self.values))) * np.sqrt(np.maximum(strengths, 0))
        steps = np.concatenate([half, -half])[:draws] @ directions.T
        return np.asarray(self.values * np.exp(np.clip(steps, -_BOUND, _BOUND)), float)


# --- likelihoods -----------------------------------------------------------------------------------------------------
# Of each row and, as parameters × rows, its derivatives: slopes by the logarithms, as the parameters are all above 0.


def _beta_geometric_terms(model: str, values: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of each row and its derivatives by (log r, log α, log a, log b), for BG/NBD and MBG/NBD.

    The two differ in one place: MBG/NBD gives every buyer one more chance to leave, right after the first purchase
    (k = 1), and so lets those who bought once be gone; BG/NBD (k = 0) does not. Fader, Hardie & Lee 2005, eq. 6 in
    the form of their note on computing it; Batislam et al. 2007, eq. 4.
    """
    r, alpha, a, b = values
    k = 1 if model == "mbg_nbd" else 0

    def of_count(n: Floats) -> Floats:
        past = b + np.maximum(n + k, 1) - 1
        leaving = np.where(n + k > 0, np.log(a) - np.log(past), -np.inf)
        return np.stack(
            [
                gammaln(r + n) - gammaln(r) + r * np.log(alpha)
                + gammaln(a + b) + gammaln(b + n + k) - gammaln(b) - gammaln(a + b + n + k),
                leaving,
                digamma(r + n) - digamma(r) + np.log(alpha),
                digamma(a + b) - digamma(a + b + n + k),
                digamma(a + b) + digamma(b + n + k) - digamma(b) - digamma(a + b + n + k),
                1 / past,
            ],
            axis=1,
        )  # fmt: skip

    start, leaving, by_r, by_a, by_b, by_past = _looked_up(of_count, x)
    log_here, log_then = np.log(alpha + T), np.log(alpha + t_x)
    here, left = -(r + x) * log_here, leaving - (r + x) * log_then
    log_sum = np.logaddexp(here, left)
    gone = np.exp(left - log_sum)
    alive = 1 - gone
    slopes = np.stack(
        [
            by_r - alive * log_here - gone * log_then,
            r / alpha - (r + x) * (alive / (alpha + T) + gone / (alpha + t_x)),
            by_a + gone / a,
            by_b - gone * by_past,
        ]
    )
    return start + log_sum, slopes * values[:, None]


def _looked_up(compute: Callable[[Floats], Floats], x: Floats) -> Floats:
    """What `compute` says of each row's count x, worked out once a count: columns × rows."""
    return np.asarray(compute(np.arange(x.max() + 1.0)).T[:, x.astype(np.intp)], float)


_LEGENDRE_NODES, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(32)
_NODES = ((_LEGENDRE_NODES + 1) / 2) ** 2
_NODE_WEIGHTS = _LEGENDRE_WEIGHTS / 2 * (_LEGENDRE_NODES + 1)


def _pareto_terms(values: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of each row and its derivatives by (log r, log α, log s, log β), for Pareto/NBD.

    L = Γ(r+x)/Γ(r) α^r β^s { (α+T)^−(r+x) (β+T)^−s + s ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ }, the integral over the times
    τ from t_x to T at which a customer may have left. In the variable w = ((α+t_x)/(α+τ))^(r+x) it is smooth but near
    w = 0; Gauss–Legendre's 32 nodes in √w suffice, where the hypergeometric form overflows for very active customers.
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
    return start + log_sum, slopes * values[:, None]


def _rate_terms(values: Floats, x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of each row and its derivatives by (log r, log α), for gamma–Poisson buyers who never leave."""
    r, alpha = values
    rows = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
    slopes = np.stack(
        [digamma(r + x) - digamma(r) + np.log(alpha) - np.log(alpha + T), r / alpha - (r + x) / (alpha + T)]
    )
    return rows, slopes * values[:, None]


def _value_terms(values: Floats, x: Floats, log_mean: Floats) -> tuple[Floats, Floats]:
    """Gamma–Gamma log-likelihood of each row and its derivatives by (log p, log q, log v): note 25, eq. 1a."""
    p, q, v = values

    def of_count(n: Floats) -> Floats:
        n = np.maximum(n, 1)  # nobody here has none
        return np.stack(
            [
                gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v) + p * n * np.log(n),
                digamma(p * n + q) - digamma(p * n) + np.log(n),
                digamma(p * n + q) - digamma(q) + np.log(v),
            ],
            axis=1,
        )

    start, by_p, by_q = _looked_up(of_count, x)
    total = v + x * np.exp(log_mean)
    log_total = np.log(total)
    rows = start + (p * x - 1) * log_mean - (p * x + q) * log_total
    slopes = np.stack([x * (by_p + log_mean - log_total), by_q - log_total, q / v - (p * x + q) / total])
    return rows, slopes * values[:, None]


def _purchase_terms(model: str) -> Callable[..., tuple[Floats, Floats]]:
    """The terms of a purchase model, of (values, x, t_x, T)."""
    return _pareto_terms if model == "pareto_nbd" else partial(_beta_geometric_terms, model)


def _columns(cells: pd.DataFrame, *names: str) -> list[Floats]:
    return [cells[name].to_numpy(float) for name in names]


_HISTORY = ("frequency", "recency_weeks", "T_weeks")


def pareto_log_likelihood(values: Floats, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """The Pareto/NBD log-likelihood of each row, at r, α, s, β."""
    return _pareto_terms(values, *np.broadcast_arrays(x, t_x, T))[0]


def log_likelihood(model: Model, parameters: dict[str, float], cells: pd.DataFrame) -> float:
    """The log-likelihood of a purchase model: the sum over all customers of all cells.

    Args:
        model: which.
        parameters: by the names of `PARAMETER_NAMES[model]`, all above 0; time in weeks.
        cells: frequency, recency_weeks, T_weeks, customers.
    """
    values = np.array([parameters[name] for name in PARAMETER_NAMES[model]])
    rows = _purchase_terms(model)(values, *_columns(cells, *_HISTORY))[0]
    return float(cells["customers"].to_numpy(float) @ rows)


def log_likelihood_of_value(parameters: dict[str, float], cells: pd.DataFrame) -> float:
    """The Gamma–Gamma log-likelihood over cells of frequency ≥ 1, log_mean_value and customers."""
    values = np.array([parameters[name] for name in PARAMETER_NAMES["gamma_gamma"]])
    x, log_mean = cells["frequency"].to_numpy(float), cells["log_mean_value"].to_numpy(float)
    return float(cells["customers"].to_numpy(float) @ _value_terms(values, x, log_mean)[0])


# --- fitting ---------------------------------------------------------------------------------------------------------

Loss = Callable[[Floats], tuple[float, Floats]]
_ENOUGH_TO_START = 10_000


def _fit(model: str, terms: Callable[..., tuple[Floats, Floats]], cells: list[Floats], starts: list[Floats]) -> Fit:
    """Maximise Σ weight · log-likelihood over log parameters, from every start, and keep the best.

    Args:
        model: which.
        terms: the log-likelihood of each cell and its slopes, from the parameters and the cells' columns.
        cells: the columns, the last one the weights. Of very many the starts are tried on some, taken at even steps.
        starts: parameters.
    """

    def loss_of(step: int) -> Loss:
        *columns, weights = (column[::step] for column in cells)
        total = weights.sum()

        def loss(log_values: Floats) -> tuple[float, Floats]:
            rows, slopes = terms(np.exp(log_values), *columns)
            return -float(weights @ rows) / total, -(slopes @ weights) / total

        return loss

    *columns, weights = cells
    total, loss = weights.sum(), loss_of(1)
    some = loss_of(max(1, len(weights) // _ENOUGH_TO_START))
    best = min((_minimise(some, np.log(start)) for start in starts), key=lambda found: some(found)[0])
    best = _polish(loss, best, _hessian(some, best))
    rows, slopes = terms(np.exp(best), *columns)
    hessian = _hessian(loss, best) * total
    strengths, directions = np.linalg.eigh(hessian)
    # At the edge the likelihood still rises; flat in some direction, a parameter could be anything.
    flat = directions[:, strengths < _WIDEST**-2]
    loose = (np.abs(best) > _BOUND - 0.01) | (np.square(flat) > 0.1).any(axis=1)
    covariance = np.full_like(hessian, np.nan)
    if not loose.any():
        covariance = sandwich(weights, slopes.T, hessian)
        loose = ~(np.sqrt(np.diag(covariance)) < _WIDEST)
    identified = not loose.any()
    names = PARAMETER_NAMES[model]
    fit = Fit(
        model=model,
        parameters=dict(zip(names, np.exp(best).tolist(), strict=True)),
        covariance=covariance if identified else np.full_like(hessian, np.nan),
        log_likelihood=float(weights @ rows),
        customers=round(total),
        status="converged" if identified else "not_identified",
        unidentified=tuple(name for name, is_loose in zip(names, loose, strict=True) if is_loose),
    )
    if identified:
        return fit
    middle = np.log(starts[0])

    def penalised(log_values: Floats) -> tuple[float, Floats]:
        value, slopes = loss(log_values)
        off = (log_values - middle) / _WIDEST
        return value + float(off @ off) / (2 * total), slopes + off / (_WIDEST * total)

    tries = [_minimise(penalised, start) for start in (best, middle)]
    mode = min(tries, key=lambda found: penalised(found)[0])
    make_cloud = partial(_plausible_cloud, penalised, total, mode)
    return replace(fit, most_plausible=np.exp(mode), make_cloud=make_cloud)


def _minimise(loss: Loss, start: Floats) -> Floats:
    """Log parameters where the loss is least within the box, coming from `start`."""
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-8},
    )  # fmt: skip
    return np.asarray(found.x if np.isfinite(found.fun) else start, float)


def _polish(loss: Loss, near: Floats, hessian: Floats) -> Floats:
    """Log parameters where the loss is least, from near there, by Newton's steps with a Hessian that is about right.

    Where that does not lead to slopes of nought within a few steps, by `_minimise`.
    """
    at = near
    if np.linalg.eigvalsh(hessian)[0] > 1e-6:
        for _step in range(8):
            slopes = loss(at)[1]
            if np.abs(slopes).max() < 1e-9:
                return at
            at = at - np.linalg.solve(hessian, slopes)
            if not np.all(np.abs(at - near) < 0.5):
                break
    return _minimise(loss, near)


def _hessian(loss: Loss, at: Floats) -> Floats:
    curved = approx_fprime(at, lambda there: loss(there)[1], 1e-5)
    return np.asarray((curved + curved.T) / 2, float)


def _plausible_cloud(penalised: Loss, scale: float, mode: Floats) -> Floats:
    """Parameters that the likelihood and a weak prior leave plausible: a sample of exp(−scale · penalised).

    The prior is normal on the log scale, with standard deviation 2, about what is neither here nor there (the first of
    the starts). Drawn by importance from a normal about the mode, adapted twice (Bugallo et al. 2017, IEEE Signal
    Processing Magazine 34(4)), at the points of a Halton sequence: the same data give the same cloud.
    """
    strengths, directions = np.linalg.eigh(_hessian(penalised, mode) * scale)
    spread = directions / np.sqrt(np.maximum(strengths, _WIDEST**-2))
    points = norm.ppf(qmc.Halton(len(mode), scramble=False).random(4 * _CLOUD + 1)[1:])
    # Shuffled: the sample below takes them at even steps, and so does the sequence its values.
    points = np.random.default_rng(0).permutation(points)
    centre = mode
    for _round in range(3):
        tried = np.clip(centre + 1.3 * points @ spread.T, -_BOUND, _BOUND)
        away = np.linalg.solve(1.3 * spread, (tried - centre).T)
        heights = np.array([-scale * penalised(log_values)[0] for log_values in tried])
        heights += np.square(away).sum(axis=0) / 2
        shares = np.nan_to_num(np.exp(heights - np.nanmax(heights)))
        shares /= shares.sum()
        centre = shares @ tried
        off = tried - centre
        strengths, directions = np.linalg.eigh((off.T * shares) @ off)
        spread = directions * np.sqrt(np.maximum(strengths, 1e-8))
    places = np.searchsorted(np.cumsum(shares), (np.arange(_CLOUD) + 0.5) / _CLOUD)
    return np.exp(tried[np.minimum(places, len(tried) - 1)])


def fit_purchases(cells: pd.DataFrame, model: Model) -> Fit:
    """The maximum-likelihood fit of a purchase model to weighted cells.

    Args:
        cells: frequency (≥ 0), recency_weeks, T_weeks (weeks), customers (≥ 1).
        model: which.

    Raises:
        ValueError: an unknown model, or no cells.
    """
    if model not in get_args(Model):
        raise ValueError(f"model must be one of {', '.join(get_args(Model))}, not {model!r}")
    mean_T = _mean_age(cells)
    # Neither here nor there, as shops often are, and far from both; the scales by the customers' age.
    shapes = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.2, 0.8, 2.5), (0.1, 0.05, 0.1, 5.0))
    starts = [
        np.array([r, mean_T * share, third, mean_T / fourth if model == "pareto_nbd" else fourth])
        for r, share, third, fourth in shapes
    ]
    return _fit(model, _purchase_terms(model), _columns(cells, *_HISTORY, "customers"), starts)


def fit_rates(cells: pd.DataFrame) -> Fit:
    """The fit of a naive rival, `nbd`: customers differ in their rate of buying and never leave (gamma–Poisson)."""
    starts = [np.array([1.0, _mean_age(cells)]), np.array([0.1, _mean_age(cells) / 20])]
    return _fit("nbd", _rate_terms, _columns(cells, "frequency", "T_weeks", "customers"), starts)


def _mean_age(cells: pd.DataFrame) -> float:
    if cells.empty:
        raise ValueError("there is no customer to fit a model to")
    return max(float(np.average(cells["T_weeks"], weights=cells["customers"])), 1.0)


def fit_value(cells: pd.DataFrame) -> Fit:
    """The maximum-likelihood fit of the Gamma–Gamma model of money per purchase.

    Where all customers spend the same per purchase there is nothing to differ in: the model's limit, which says that
    very amount of everybody, without error.

    Args:
        cells: frequency (≥ 1), log_mean_value (mean over the cell of the logarithm of a customer's mean repeat value),
            customers.

    Raises:
        ValueError: no cells.
    """
    if cells.empty:
        raise ValueError("nobody bought twice: there is no repeat value to model")
    _x, log_mean, weights = columns = _columns(cells, "frequency", "log_mean_value", "customers")
    typical = float(np.exp(np.average(log_mean, weights=weights)))
    if np.ptp(log_mean) < 1e-9:
        sharp = float(np.exp(_BOUND))
        same = {"p": sharp, "q": sharp, "v": typical * (sharp - 1) / sharp}
        return Fit("gamma_gamma", same, np.zeros((3, 3)), 0.0, round(weights.sum()), "converged")
    starts = [np.array(start) for start in ((5.0, 4.0, typical / 2), (1.0, 2.0, typical), (20.0, 10.0, typical / 2))]
    return _fit("gamma_gamma", _value_terms, columns, starts)
