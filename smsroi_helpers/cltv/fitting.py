"""Models of when customers buy and how much, fitted to weighted cells: BG/NBD, MBG/NBD, Pareto/NBD and Gamma–Gamma.

Their likelihoods, and the papers, are in `likelihoods`. Time is in weeks. A cell stands for `customers` people
with the same history; cells by the day give the estimate of one row per customer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm, qmc

from smsroi_helpers.cltv.likelihoods import (
    HISTORY,
    PARAMETER_NAMES,
    Derivatives,
    Likelihood,
    Model,
    columns_of,
    purchase_terms,
    rate_terms,
    value_terms,
)
from smsroi_helpers.cltv.pareto import ParetoLikelihood
from smsroi_helpers.statistics import Floats, sandwich

__all__ = [
    "Fit",
    "fit_purchases",
    "fit_rates",
    "fit_value",
]

_DROP_OUT = {"a", "b", "s", "beta"}
_BOUND = 11.5
"""Parameters are sought between exp(−11.5) and exp(11.5), 1e-5 … 1e5: further out a shape changes nothing any more."""
_PRIOR_SD = 2.0
"""Where the standard error of a logarithm is larger, the 95 % interval reaches beyond a fiftieth and the fiftyfold: the
parameter is not identified. As the standard deviation of a weak prior, it rules out no more than that either."""
_POSTERIOR_DRAWS = 64


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
    posterior_mode: Floats | None = None
    """Where not identified: the parameters that the data and a weak prior make most plausible. Predictions are made
    with them: what is flat in the parameters is not so in what customers will do."""
    draw_posterior_sample: Callable[[], Floats] | None = field(default=None, repr=False, compare=False)

    @property
    def values(self) -> Floats:
        """The estimates in the order of the model's parameters."""
        return np.array(list(self.parameters.values()))

    @property
    def predicting(self) -> Floats:
        """The parameters that predictions are made with: the estimates, or where not identified the most plausible."""
        return self.values if self.posterior_mode is None else self.posterior_mode

    @cached_property
    def posterior_sample(self) -> Floats | None:
        """Where not identified: all kinds of parameters (rows) that the data and a weak prior leave plausible."""
        return None if self.draw_posterior_sample is None else self.draw_posterior_sample()

    @property
    def drop_out_identified(self) -> bool:
        """Whether the data tell how fast customers leave."""
        return not _DROP_OUT.intersection(self.unidentified)

    def table(self) -> pd.DataFrame:
        """One row a parameter: parameter, value, low, high (95 %, on the log scale, so always above 0)."""
        half_width = norm.ppf(0.975) * np.sqrt(np.diag(self.covariance))
        return pd.DataFrame(
            {
                "parameter": list(self.parameters),
                "value": self.values,
                "low": self.values * np.exp(-half_width),
                "high": self.values * np.exp(half_width),
            }
        )

    @property
    def log_covariance(self) -> Floats:
        """Of the logarithms of the parameters that predictions are made with."""
        if self.posterior_sample is None:
            return self.covariance
        deviation = np.log(self.posterior_sample / self.predicting)
        return np.asarray(deviation.T @ deviation / len(deviation), float)

    def deviations(self, compute: Callable[[Floats], Any]) -> Floats:
        """How far a prediction is off for want of knowing the parameters: its variance is the sum of their squares.

        Args:
            compute: from parameters to an array (or number).

        Returns:
            an array with one more axis, the last: the slopes by the logarithms of the parameters times a root of their
            covariance (the delta method), or the deviations of the cloud from the most plausible.
        """
        if self.posterior_sample is not None:
            centre = np.asarray(compute(self.predicting), float)
            others = [np.asarray(compute(values), float) - centre for values in self.posterior_sample]
            return np.stack(others, axis=-1) / np.sqrt(len(others))
        steps = 1e-4 * np.eye(len(self.values))
        up, down = ([np.asarray(compute(self.values * np.exp(sign * d)), float) for d in steps] for sign in (1, -1))
        slopes = (np.stack(up, axis=-1) - np.stack(down, axis=-1)) / 2e-4
        eigenvalues, eigenvectors = np.linalg.eigh(self.covariance)
        return np.asarray(slopes @ (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))), float)

    def draw_parameters(self, draws: int, rng: np.random.Generator) -> Floats:
        """Random parameters (draws × parameters) as the data leave them plausible.

        From the normal approximation on the log scale, in opposite pairs; where not identified, from the cloud.
        """
        if self.posterior_sample is not None:
            return self.posterior_sample[rng.integers(0, len(self.posterior_sample), draws)]
        eigenvalues, eigenvectors = np.linalg.eigh(self.covariance)
        half = rng.standard_normal((-(-draws // 2), len(self.values))) * np.sqrt(np.maximum(eigenvalues, 0))
        steps = np.concatenate([half, -half])[:draws] @ eigenvectors.T
        return np.asarray(self.values * np.exp(np.clip(steps, -_BOUND, _BOUND)), float)


# --- fitting ---------------------------------------------------------------------------------------------------------

Loss = Callable[[Floats], tuple[float, Floats]]
_START_CELLS = 10_000
"""Cells from which parameters come out within some per cent: from there on Newton's steps need three passes of all."""


def _fit(model: str, likelihood: Likelihood, starts: list[Floats]) -> Fit:
    """The parameters of the greatest likelihood, sought from every start; of very many cells by some of them first."""
    subsample_likelihood = likelihood.subsample(_START_CELLS)
    tries = [_minimise(subsample_likelihood.loss, np.log(start), 1e-5) for start in starts]
    best, derivatives = _polish(likelihood, min(tries, key=lambda found: subsample_likelihood.loss(found)[0]))
    hessian = -derivatives.curvature
    eigenvalues, eigenvectors = np.linalg.eigh(hessian)
    # At the edge the likelihood still rises; flat in some direction, a parameter could be anything.
    flat = eigenvectors[:, eigenvalues < _PRIOR_SD**-2]
    loose = (np.abs(best) > _BOUND - 0.01) | (np.square(flat) > 0.1).any(axis=1)
    covariance = np.full_like(hessian, np.nan)
    if not loose.any():
        covariance = sandwich(derivatives.squares, hessian)
        loose = ~(np.sqrt(np.diag(covariance)) < _PRIOR_SD)
    identified = not loose.any()
    names = PARAMETER_NAMES[model]
    fit = Fit(
        model=model,
        parameters=dict(zip(names, np.exp(best).tolist(), strict=True)),
        covariance=covariance if identified else np.full_like(hessian, np.nan),
        log_likelihood=derivatives.log_likelihood,
        customers=round(likelihood.customers),
        status="converged" if identified else "not_identified",
        unidentified=tuple(name for name, is_loose in zip(names, loose, strict=True) if is_loose),
    )
    if identified:
        return fit
    middle, scale = np.log(starts[0]), likelihood.customers

    def penalised_loss(log_values: Floats) -> tuple[float, Floats]:
        value, slopes = likelihood.loss(log_values)
        deviation = (log_values - middle) / _PRIOR_SD
        return value + float(deviation @ deviation) / (2 * scale), slopes + deviation / (_PRIOR_SD * scale)

    tries = [_minimise(penalised_loss, start) for start in (best, middle)]
    mode = min(tries, key=lambda found: penalised_loss(found)[0])

    def negative_log_posterior(log_values: Floats) -> float:
        deviation = (log_values - middle) / _PRIOR_SD
        return likelihood.value(log_values) + float(deviation @ deviation) / (2 * scale)

    draw_posterior_sample = partial(_sample_posterior, penalised_loss, negative_log_posterior, scale, mode)
    return replace(fit, posterior_mode=np.exp(mode), draw_posterior_sample=draw_posterior_sample)


def _hessian(loss: Loss, at: Floats) -> Floats:
    curved = approx_fprime(at, lambda log_values: loss(log_values)[1], 1e-5)
    return np.asarray((curved + curved.T) / 2, float)


def _minimise(loss: Loss, start: Floats, slope: float = 1e-8) -> Floats:
    """Log parameters where the loss is least within the box, coming from `start`, down to such a slope."""
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": slope},
    )  # fmt: skip
    return np.asarray(found.x if np.isfinite(found.fun) else start, float)


def _polish(likelihood: Likelihood, near: Floats) -> tuple[Floats, Derivatives]:
    """Log parameters of the greatest likelihood, from near there, and the derivatives there.

    By Newton's steps, of which each errs by about the square of the one before (the derivatives are those before the
    last, of less than a millionth); where they do not soon become small, by `_minimise`.
    """
    at = near
    for _step in range(8):
        derivatives = likelihood.derivatives(at)
        if np.linalg.eigvalsh(derivatives.curvature)[-1] > -1e-6 * likelihood.customers:
            break
        step = -np.linalg.solve(derivatives.curvature, derivatives.slopes)
        at = at + step
        if np.abs(step).max() < 1e-6:
            return at, derivatives
        if not np.all(np.abs(at - near) < 0.5):
            break
    best = _minimise(likelihood.loss, near)
    return best, likelihood.derivatives(best)


def _sample_posterior(
    penalised_loss: Loss, negative_log_posterior: Callable[[Floats], float], scale: float, mode: Floats
) -> Floats:
    """Parameters that the likelihood and a weak prior leave plausible: a sample of exp(−scale · height).

    The prior is normal on the log scale, with standard deviation 2, about what is neither here nor there (the first of
    the starts). Drawn by importance from a normal about the mode, adapted twice (Bugallo et al. 2017, IEEE Signal
    Processing Magazine 34(4)), at the points of a Halton sequence: the same data give the same cloud.
    """
    eigenvalues, eigenvectors = np.linalg.eigh(_hessian(penalised_loss, mode) * scale)
    root = eigenvectors / np.sqrt(np.maximum(eigenvalues, _PRIOR_SD**-2))
    points = norm.ppf(qmc.Halton(len(mode), scramble=False).random(4 * _POSTERIOR_DRAWS + 1)[1:])
    # Shuffled: the sample below takes them at even steps, and so does the sequence its values.
    points = np.random.default_rng(0).permutation(points)
    centre = mode
    for _round in range(3):
        tried = np.clip(centre + 1.3 * points @ root.T, -_BOUND, _BOUND)
        standardised = np.linalg.solve(1.3 * root, (tried - centre).T)
        log_weights = np.array([-scale * negative_log_posterior(log_values) for log_values in tried])
        log_weights += np.square(standardised).sum(axis=0) / 2
        weights = np.nan_to_num(np.exp(log_weights - np.nanmax(log_weights)))
        weights /= weights.sum()
        centre = weights @ tried
        deviation = tried - centre
        eigenvalues, eigenvectors = np.linalg.eigh((deviation.T * weights) @ deviation)
        root = eigenvectors * np.sqrt(np.maximum(eigenvalues, 1e-8))
    places = np.searchsorted(np.cumsum(weights), (np.arange(_POSTERIOR_DRAWS) + 0.5) / _POSTERIOR_DRAWS)
    return np.exp(tried[np.minimum(places, len(tried) - 1)])


@dataclass(frozen=True)
class _HashedColumns:
    """Columns of numbers that are equal where their bytes are."""

    columns: list[Floats] = field(compare=False, repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        digest = blake2b()
        for column in self.columns:
            digest.update(column.tobytes())
        object.__setattr__(self, "digest", digest.digest())


def fit_purchases(cells: pd.DataFrame, model: Model) -> Fit:
    """The maximum-likelihood fit of a purchase model to weighted cells; the same cells are fitted once.

    Args:
        cells: frequency (≥ 0), recency_weeks, T_weeks (weeks), customers (≥ 1).
        model: which.

    Raises:
        ValueError: an unknown model, or no cells.
    """
    if model not in get_args(Model):
        raise ValueError(f"model must be one of {', '.join(get_args(Model))}, not {model!r}")
    mean_T = _mean_age(cells)
    return _fit_to_columns(model, mean_T, _HashedColumns(columns_of(cells, *HISTORY, "customers")))


@lru_cache(maxsize=32)  # of a run's models and channels; what they hold is about the size of their cells
def _fit_to_columns(model: Model, mean_T: float, of: _HashedColumns) -> Fit:
    # Neither here nor there, as shops often are, and far from both; the scales by the customers' age.
    shapes = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.2, 0.8, 2.5), (0.1, 0.05, 0.1, 5.0))
    starts = [
        np.array([r, mean_T * share, third, mean_T / fourth if model == "pareto_nbd" else fourth])
        for r, share, third, fourth in shapes
    ]
    kind = ParetoLikelihood if model == "pareto_nbd" else Likelihood
    likelihood = kind(purchase_terms(model), of.columns)
    return _fit(model, likelihood, starts)


def fit_rates(cells: pd.DataFrame) -> Fit:
    """The fit of a naive rival, `nbd`: customers differ in their rate of buying and never leave (gamma–Poisson)."""
    starts = [np.array([1.0, _mean_age(cells)]), np.array([0.1, _mean_age(cells) / 20])]
    return _fit("nbd", Likelihood(rate_terms, columns_of(cells, "frequency", "T_weeks", "customers")), starts)


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
    _x, log_mean, weights = columns = columns_of(cells, "frequency", "log_mean_value", "customers")
    typical = float(np.exp(np.average(log_mean, weights=weights)))
    if np.ptp(log_mean) < 1e-9:
        sharp = float(np.exp(_BOUND))
        same = {"p": sharp, "q": sharp, "v": typical * (sharp - 1) / sharp}
        return Fit("gamma_gamma", same, np.zeros((3, 3)), 0.0, round(weights.sum()), "converged")
    starts = [np.array(start) for start in ((5.0, 4.0, typical / 2), (1.0, 2.0, typical), (20.0, 10.0, typical / 2))]
    return _fit("gamma_gamma", Likelihood(value_terms, columns), starts)
