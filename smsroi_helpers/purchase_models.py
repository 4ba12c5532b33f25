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
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter
from numpy.typing import NDArray
from scipy.optimize import approx_fprime, minimize
from scipy.special import digamma, gammaln, roots_jacobi
from scipy.stats import norm

__all__ = [
    "Fit",
    "Model",
    "draw_orders",
    "expected_order_value",
    "expected_orders",
    "expected_orders_of_new",
    "fit_purchases",
    "fit_value",
    "log_likelihood",
    "log_likelihood_of_value",
    "probability_alive",
]

Model = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
Floats = NDArray[np.float64]


class _ParetoNBD(ParetoNBDFitter):  # type: ignore[misc]
    """The library's Pareto/NBD on our likelihood, which stays a number for very active customers."""

    @staticmethod
    def _conditional_log_likelihood(params: Any, freq: Floats, rec: Floats, T: Floats) -> Floats:
        return _pareto_terms(np.asarray(params, float), freq, rec, T)[0]

    def conditional_probability_alive(self, frequency: Floats, recency: Floats, T: Floats) -> Floats:
        r, alpha, s, beta = values = np.asarray(self._unload_params("r", "alpha", "s", "beta"), float)
        x = np.asarray(frequency, float)
        here = gammaln(r + x) - gammaln(r) + r * np.log(alpha / (alpha + T)) + s * np.log(beta / (beta + T))
        here -= x * np.log(alpha + T)
        return np.exp(here - _pareto_terms(values, x, recency, T)[0])


PARAMETER_NAMES: dict[str, tuple[str, ...]] = {
    "bg_nbd": ("r", "alpha", "a", "b"),
    "mbg_nbd": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
    "gamma_gamma": ("p", "q", "v"),
}
_FITTERS = {"bg_nbd": BetaGeoFitter, "mbg_nbd": ModifiedBetaGeoFitter, "pareto_nbd": _ParetoNBD}
_BOUND = 11.5
"""Parameters are sought between exp(−11.5) and exp(11.5), 1e-5 … 1e5: further out a shape changes nothing any more."""


_WIDEST = float(np.log(1_000) / norm.ppf(0.975))
"""A parameter whose 95 % interval reaches from a thousandth to a thousandfold of its estimate is not identified."""


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

    @property
    def values(self) -> Floats:
        """The estimates in the order of the model's parameters."""
        return np.array(list(self.parameters.values()))

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


# --- likelihoods -----------------------------------------------------------------------------------------------------


def _beta_geometric_terms(model: str, values: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
    """Log-likelihood of each row and its derivatives by (log r, log α, log a, log b), for BG/NBD and MBG/NBD.

    The two differ in one place: MBG/NBD gives every buyer one more chance to leave, right after the first purchase
    (k = 1), and so lets those who bought once be gone; BG/NBD (k = 0) does not. Fader, Hardie & Lee 2005, eq. 6 in
    the form of their note on computing it; Batislam et al. 2007, eq. 4.
    """
    r, alpha, a, b = values
    k = 1 if model == "mbg_nbd" else 0
    can_be_gone = x + k > 0
    past = b + np.where(can_be_gone, x + k, 1) - 1
    a1 = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    a2 = gammaln(a + b) + gammaln(b + x + k) - gammaln(b) - gammaln(a + b + x + k)
    a3 = -(r + x) * np.log(alpha + T)
    a4 = np.where(can_be_gone, np.log(a) - np.log(past) - (r + x) * np.log(alpha + t_x), -np.inf)
    log_sum = np.logaddexp(a3, a4)
    gone = np.exp(a4 - log_sum)
    alive = 1 - gone
    slopes = np.stack(
        [
            digamma(r + x) - digamma(r) + np.log(alpha) - alive * np.log(alpha + T) - gone * np.log(alpha + t_x),
            r / alpha - (r + x) * (alive / (alpha + T) + gone / (alpha + t_x)),
            digamma(a + b) - digamma(a + b + x + k) + gone / a,
            digamma(a + b) + digamma(b + x + k) - digamma(b) - digamma(a + b + x + k) - gone / past,
        ],
        axis=1,
    )
    return a1 + a2 + log_sum, slopes * values


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
    pieces = alpha_tau * beta_tau ** -(s + 1) * _NODE_WEIGHTS
    integral = pieces.sum(axis=1)
    pieces /= integral[:, None]
    with np.errstate(divide="ignore"):
        gone = np.log(s) - shape * np.log(alpha + t_x) + np.log(span / shape) + np.log(integral)
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
        ],
        axis=1,
    )  # fmt: skip
    start = gammaln(shape) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return start + log_sum, slopes * values


def _value_terms(values: Floats, x: Floats, log_mean: Floats) -> tuple[Floats, Floats]:
    """Gamma–Gamma log-likelihood of each row and its derivatives by (log p, log q, log v): note 25, eq. 1a."""
    p, q, v = values
    mean = np.exp(log_mean)
    total = v + x * mean
    rows = (
        gammaln(p * x + q)
        - gammaln(p * x)
        - gammaln(q)
        + q * np.log(v)
        + (p * x - 1) * log_mean
        + p * x * np.log(x)
        - (p * x + q) * np.log(total)
    )
    slopes = np.stack(
        [
            x * (digamma(p * x + q) - digamma(p * x) + log_mean + np.log(x) - np.log(total)),
            digamma(p * x + q) - digamma(q) + np.log(v) - np.log(total),
            q / v - (p * x + q) / total,
        ],
        axis=1,
    )
    return rows, slopes * values


def _terms(model: str, values: Floats, cells: pd.DataFrame) -> tuple[Floats, Floats]:
    x, t_x, T = (cells[name].to_numpy(float) for name in ("frequency", "recency_weeks", "T_weeks"))
    if model == "pareto_nbd":
        return _pareto_terms(values, x, t_x, T)
    return _beta_geometric_terms(model, values, x, t_x, T)


def log_likelihood(model: Model, parameters: dict[str, float], cells: pd.DataFrame) -> float:
    """The log-likelihood of a purchase model: the sum over all customers of all cells.

    Args:
        model: which.
        parameters: by the names of `PARAMETER_NAMES[model]`, all above 0; time in weeks.
        cells: frequency, recency_weeks, T_weeks, customers.
    """
    values = np.array([parameters[name] for name in PARAMETER_NAMES[model]])
    return float(cells["customers"].to_numpy(float) @ _terms(model, values, cells)[0])


def log_likelihood_of_value(parameters: dict[str, float], cells: pd.DataFrame) -> float:
    """The Gamma–Gamma log-likelihood over cells of frequency ≥ 1, log_mean_value and customers."""
    values = np.array([parameters[name] for name in PARAMETER_NAMES["gamma_gamma"]])
    x, log_mean = cells["frequency"].to_numpy(float), cells["log_mean_value"].to_numpy(float)
    return float(cells["customers"].to_numpy(float) @ _value_terms(values, x, log_mean)[0])


# --- fitting ---------------------------------------------------------------------------------------------------------


def _fit(model: str, terms: Callable[[Floats], tuple[Floats, Floats]], weights: Floats, starts: list[Floats]) -> Fit:
    """Maximise Σ weight · log-likelihood over log parameters, from every start, and keep the best."""
    total = weights.sum()

    def loss(log_values: Floats) -> tuple[float, Floats]:
        rows, slopes = terms(np.exp(log_values))
        return -float(weights @ rows) / total, -(weights @ slopes) / total

    box = [(-_BOUND, _BOUND)] * len(starts[0])
    tries = [
        minimize(
            loss, np.log(start), jac=True, method="L-BFGS-B", bounds=box,
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
        )
        for start in starts
    ]  # fmt: skip
    best = min((t for t in tries if np.isfinite(t.fun)), key=lambda t: t.fun)
    rows, slopes = terms(np.exp(best.x))
    hessian = approx_fprime(best.x, lambda at: loss(at)[1], 1e-5) * total
    hessian = (hessian + hessian.T) / 2
    strengths = np.linalg.eigvalsh(hessian)
    # At the edge the likelihood still rises; flat in some direction, a parameter could be anything.
    covariance = np.full_like(hessian, np.nan)
    identified = bool(strengths[0] > 0 and np.all(np.abs(best.x) < _BOUND - 0.01))
    if identified:
        bread = np.linalg.inv(hessian)
        covariance = bread @ (slopes.T * weights @ slopes) @ bread
        identified = bool(np.sqrt(np.diag(covariance)).max() < _WIDEST)
        covariance = covariance if identified else np.full_like(hessian, np.nan)
    return Fit(
        model=model,
        parameters=dict(zip(PARAMETER_NAMES[model], np.exp(best.x).tolist(), strict=True)),
        covariance=covariance,
        log_likelihood=float(weights @ rows),
        customers=round(total),
        status="converged" if identified else "not_identified",
    )


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
    if cells.empty:
        raise ValueError("there is no customer to fit a model to")
    weights = cells["customers"].to_numpy(float)
    mean_T = max(float(np.average(cells["T_weeks"], weights=weights)), 1.0)
    # Shapes as they are found in shops, the scale by the customers' age, and two far from both.
    starts = [
        np.array(start)
        for start in ((0.3, mean_T / 5, 0.8, 2.5), (1.0, mean_T, 1.0, 1.0), (0.1, mean_T / 20, 0.1, 5.0))
    ]
    if model == "pareto_nbd":
        starts = [np.array([r, alpha, s, mean_T / 3]) for r, alpha, s, _ in starts]
    return _fit(model, lambda values: _terms(model, values, cells), weights, starts)


def fit_value(cells: pd.DataFrame) -> Fit:
    """The maximum-likelihood fit of the Gamma–Gamma model of money per purchase.

    Args:
        cells: frequency (≥ 1), log_mean_value (mean over the cell of the logarithm of a customer's mean repeat value),
            customers.

    Raises:
        ValueError: no cells.
    """
    if cells.empty:
        raise ValueError("nobody bought twice: there is no repeat value to model")
    x, log_mean = cells["frequency"].to_numpy(float), cells["log_mean_value"].to_numpy(float)
    weights = cells["customers"].to_numpy(float)
    typical = float(np.exp(np.average(log_mean, weights=weights)))
    starts = [np.array(start) for start in ((5.0, 4.0, typical / 2), (1.0, 2.0, typical), (20.0, 10.0, typical / 2))]
    return _fit("gamma_gamma", lambda values: _value_terms(values, x, log_mean), weights, starts)


# --- what a fit says of customers ------------------------------------------------------------------------------------


def _with_values(fit: Fit, values: Floats) -> Any:
    """The library's fitter carrying these parameters: its expectations are used, its optimiser is not."""
    fitter = _FITTERS[fit.model]()
    fitter.params_ = pd.Series(dict(zip(PARAMETER_NAMES[fit.model], values, strict=True)))
    return fitter


def _columns(cells: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    return tuple(cells[name].to_numpy(float) for name in ("frequency", "recency_weeks", "T_weeks"))


def _finite(values: Any, what: str, cells: pd.DataFrame) -> Floats:
    values = np.asarray(values, float)
    if not np.all(np.isfinite(values)):
        worst = cells.iloc[int(np.argmin(np.isfinite(values)))]
        raise ArithmeticError(
            f"{what} cannot be computed for {int((~np.isfinite(values)).sum())} kinds of customers, the first with"
            f" {worst['frequency']:.0f} repeat purchases in {worst['T_weeks']:.1f} weeks"
        )
    return values


def probability_alive(fit: Fit, cells: pd.DataFrame) -> Floats:
    """The probability (0–1) that a cell's customers still buy here at all. BG/NBD gives 1 to all who bought once."""
    chance = _with_values(fit, fit.values).conditional_probability_alive(*_columns(cells))
    return _finite(chance, "P(alive)", cells)


def expected_orders(fit: Fit, cells: pd.DataFrame, horizon_weeks: float, *, values: Floats | None = None) -> Floats:
    """The expected purchases of one customer of each cell in the coming `horizon_weeks`.

    Args:
        fit: of a purchase model.
        cells: frequency, recency_weeks, T_weeks.
        horizon_weeks: above 0.
        values: other parameters than the fit's own, for derivatives.

    Raises:
        ArithmeticError: the closed form gives no number for some cell.
    """
    values = fit.values if values is None else values
    fitter = _with_values(fit, values)
    with np.errstate(all="ignore"):
        orders = np.array(fitter.conditional_expected_number_of_purchases_up_to_time(horizon_weeks, *_columns(cells)))
    if fit.model != "pareto_nbd" and not np.all(known := np.isfinite(orders)):
        rest = cells[~known]
        x, _t_x, T = _columns(rest)
        while_alive = _orders_while_alive(fit.model, values, x, T, np.full(len(rest), float(horizon_weeks)))
        orders[~known] = while_alive * fitter.conditional_probability_alive(*_columns(rest))
    return _finite(orders, "expected orders", cells)


def _orders_while_alive(model: str, values: Floats, x: Floats, T: Floats, weeks: Floats) -> Floats:
    """Expected purchases in `weeks` of customers who are alive now, where the library's hypergeometric form fails.

    With λ ~ Gamma(r + x, α + T) and p ~ Beta(a, b + x), independent, it is the mean over p of
    {1 − (1 + p·t / (α + T))^−(r + x)} / p: smooth in p, and by Gauss and Jacobi exact to ten digits. The closed form
    has 2F1(·, ·; a + b + x − 1; ·), whose third argument is negative for x = 0 where a + b < 1.
    """
    r, alpha, a, b = values
    orders = np.empty(len(x))
    for frequency in np.unique(x):
        chances = frequency + (1 if model == "mbg_nbd" else 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # of a term that is then not used
            nodes, weights = roots_jacobi(64, b + chances - 1, a - 1)
        p, share = (1 + nodes) / 2, weights / weights.sum()
        rows = x == frequency
        growth = np.outer(weeks[rows] / (alpha + T[rows]), p)
        orders[rows] = (-np.expm1(-(r + frequency) * np.log1p(growth)) / p) @ share
    return orders


def expected_orders_of_new(fit: Fit, weeks: Floats) -> Floats:
    """The expected repeat purchases of a customer by `weeks` after the first purchase."""
    weeks = np.asarray(weeks, float)
    with np.errstate(all="ignore"):
        orders = np.array(_with_values(fit, fit.values).expected_number_of_purchases_up_to_time(weeks), float)
    if fit.model == "bg_nbd" and not np.all(known := np.isfinite(orders)):
        none = np.zeros(int((~known).sum()))
        orders[~known] = _orders_while_alive(fit.model, fit.values, none, none, weeks[~known])
    return orders


def expected_order_value(fit: Fit, frequency: Floats, mean_value: Floats) -> Floats:
    """The expected money per purchase of customers with so many repeat purchases at this mean (note 25, eq. 5).

    >>> published = Fit("gamma_gamma", {"p": 6.25, "q": 3.74, "v": 15.44}, np.eye(3), 0.0, 946, "converged")
    >>> expected_order_value(published, np.array([0.0, 2.0]), np.array([0.0, 22.35])).round(2)
    array([35.22, 24.66])
    """
    p, q, v = fit.values
    return np.asarray(p * (v + frequency * mean_value) / (p * frequency + q - 1), float)


def draw_orders(
    fit: Fit, cells: pd.DataFrame, horizon_weeks: float, draws: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random futures: purchases in the coming `horizon_weeks` of `draws` customers of each cell (cells × draws).

    Given the past, a customer is alive with P(alive); then the rate is Gamma(r + x, α + T) and, independent of it, the
    chance to leave after a purchase Beta(a, b + x) (b + x + 1 under MBG/NBD), or the rate of leaving Gamma(s, β + T)
    under Pareto/NBD. Parameters are held at their estimates.
    """
    x, _, T = (column[:, None] for column in _columns(cells))
    shape = (len(cells), draws)
    first, scale, third, fourth = fit.values
    rate = rng.gamma(first + x, 1 / (scale + T), shape)
    if fit.model == "pareto_nbd":
        leaves_after = rng.exponential(1.0, shape) / rng.gamma(third, 1 / (fourth + T), shape)
        orders = rng.poisson(rate * np.minimum(horizon_weeks, leaves_after))
    else:
        chances = x + (1 if fit.model == "mbg_nbd" else 0)
        leaving = np.clip(rng.beta(third, fourth + chances, shape), 1e-12, 1.0)
        orders = np.minimum(rng.poisson(rate * horizon_weeks), rng.geometric(leaving))
    alive = rng.random(shape) < probability_alive(fit, cells)[:, None]
    return np.where(alive, orders, 0)
