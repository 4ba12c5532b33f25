"""Maximum-likelihood fits of BG/NBD, MBG/NBD, Pareto/NBD and Gamma–Gamma to weighted cells.

The likelihoods and their sources are in `likelihoods`. Time is in weeks. A cell holds `customers` people with the same
history. Cells by the day give the same estimates as one row per customer.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
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
"""Bound of the logarithm of a parameter, so that it lies between 1e-5 and 1e5: beyond, a shape changes nothing more."""
_PRIOR_SD = 2.0
"""Standard deviation of the weakly informative prior on the logarithm of a parameter. A parameter whose standard error
is larger is not identified: its 95 % interval runs from less than 1/50 of the estimate to more than 50 times it."""
_POSTERIOR_DRAWS = 64


@dataclass(frozen=True)
class Fit:
    """A fitted model: estimates, their covariance, and whether they are identified."""

    model: str
    parameters: dict[str, float]
    covariance: Floats
    """Of the logarithms of the parameters: robust (sandwich), the customer as unit; NaN where not identified."""
    log_likelihood: float
    customers: int
    status: Literal["converged", "not_identified", "no_data"]
    """`not_identified`: the likelihood is flat, or still rises at the bound; there are no intervals then. `no_data`: no
    purchase has an amount, so every parameter is NaN, and so is every amount predicted with them."""
    unidentified: tuple[str, ...] = ()
    """The names of the parameters that are not identified."""
    posterior_mode: Floats | None = None
    """Where not identified: the mode of the posterior under a weak prior, with which predictions are made. The
    predictions may be well determined even where the parameters are not."""
    draw_posterior_sample: Callable[[], Floats] | None = field(default=None, repr=False, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether there were data to fit: False where the value of a purchase is not known."""
        return self.status != "no_data"

    @property
    def values(self) -> Floats:
        """The estimates in the order of the model's parameters."""
        return np.array(list(self.parameters.values()))

    @property
    def predicting(self) -> Floats:
        """The parameters that predictions use: the estimates, or the posterior mode where not identified."""
        return self.values if self.posterior_mode is None else self.posterior_mode

    @cached_property
    def posterior_sample(self) -> Floats | None:
        """Where not identified: a sample of the posterior under a weak prior, draws × parameters; else None."""
        return None if self.draw_posterior_sample is None else self.draw_posterior_sample()

    @property
    def drop_out_identified(self) -> bool:
        """Whether the parameters of drop-out are identified."""
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
        """Covariance of the logarithms of the parameters that predictions use."""
        if self.posterior_sample is None:
            return self.covariance
        deviation = np.log(self.posterior_sample / self.predicting)
        return np.asarray(deviation.T @ deviation / len(deviation), float)

    def deviations(self, compute: Callable[[Floats], Any]) -> Floats:
        """Deviations of a prediction due to the parameters' uncertainty; their sum of squares is its variance.

        Args:
            compute: a function from parameters to an array (or number).

        Returns:
            an array with one more axis, the last. Where identified (delta method): the derivatives by the logarithms of
            the parameters times a square root of their covariance. Else: the differences between each draw of the
            posterior and its mode, divided by √draws.
        """
        if self.posterior_sample is not None:
            centre = np.asarray(compute(self.predicting), float)
            others = np.stack([np.asarray(compute(values), float) for values in self.posterior_sample])
            others -= centre
            others /= np.sqrt(len(others))
            return np.moveaxis(others, 0, -1)  # each deviation stays in one piece of memory
        steps = 1e-4 * np.eye(len(self.values))
        up, down = ([np.asarray(compute(self.values * np.exp(sign * d)), float) for d in steps] for sign in (1, -1))
        slopes = (np.stack(up, axis=-1) - np.stack(down, axis=-1)) / 2e-4
        eigenvalues, eigenvectors = np.linalg.eigh(self.covariance)
        return np.asarray(slopes @ (eigenvectors * np.sqrt(np.maximum(eigenvalues, 0))), float)

    def draw_parameters(self, draws: int, rng: np.random.Generator) -> Floats:
        """Draw parameters from their sampling or posterior distribution: draws × parameters.

        Where identified, from the normal approximation on the log scale, in antithetic pairs; else from the posterior
        sample.
        """
        if self.posterior_sample is not None:
            return self.posterior_sample[rng.integers(0, len(self.posterior_sample), draws)]
        eigenvalues, eigenvectors = np.linalg.eigh(self.covariance)
        half = rng.standard_normal((-(-draws // 2), len(self.values))) * np.sqrt(np.maximum(eigenvalues, 0))
        steps = np.concatenate([half, -half])[:draws] @ eigenvectors.T
        return np.asarray(self.values * np.exp(np.clip(steps, -_BOUND, _BOUND)), float)


# --- fitting ---------------------------------------------------------------------------------------------------------

Loss = Callable[[Floats], tuple[float, Floats]]
Recall = Callable[[str, Callable[[], str]], str]
"""Returns the text of a name, made by the function where it is not known yet: `Shop.recall`."""


def _fit(model: str, likelihood: Likelihood, starts: list[Floats]) -> Fit:
    """Maximise the likelihood from every start, first that of coarser cells, and judge the identification.

    A parameter is not identified in three cases: it lies at the bound, it has a part in a direction in which the
    log-likelihood is flatter than the prior, or its robust standard error exceeds the prior's standard deviation. Then
    the fit has the mode and a sample of the posterior.
    """
    coarse = likelihood.coarse
    tries = [_minimise(coarse.loss, np.log(start), 1e-5) for start in starts]
    best, derivatives = _polish(likelihood, min(tries, key=coarse.value))
    hessian = -derivatives.curvature
    eigenvalues, eigenvectors = np.linalg.eigh(hessian)
    # At the bound the likelihood still rises. In a flat direction the data do not determine the parameters.
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
    posterior, rough = (_Posterior(each, np.log(starts[0])) for each in (likelihood, coarse))
    tries = [_minimise(rough.loss, start, 1e-5) for start in (best, posterior.middle)]
    mode = _minimise(posterior.loss, min(tries, key=rough.value))
    return replace(
        fit, posterior_mode=np.exp(mode), draw_posterior_sample=partial(_sample_posterior, posterior, rough, mode)
    )


@dataclass(frozen=True)
class _Posterior:
    """The posterior under a weak prior, which is normal on the log scale; all values are means per customer."""

    likelihood: Likelihood
    middle: Floats
    """Mean of the prior of the parameters' logarithms; the standard deviation is `_PRIOR_SD`."""

    def value(self, log_values: Floats) -> float:
        """Minus the logarithm of the density, up to a constant."""
        return self.likelihood.value(log_values) + self._prior(log_values)

    def loss(self, log_values: Floats) -> tuple[float, Floats]:
        """`value` and its derivatives."""
        value, slopes = self.likelihood.loss(log_values)
        return value + self._prior(log_values), slopes + (log_values - self.middle) / self._scale

    def values(self, log_values: Floats) -> Floats:
        """`value` at several parameters, draws × parameters."""
        return self.likelihood.values(log_values) + np.array([self._prior(each) for each in log_values])

    @property
    def _scale(self) -> float:
        return _PRIOR_SD**2 * self.likelihood.customers

    def _prior(self, log_values: Floats) -> float:
        deviation = log_values - self.middle
        return float(deviation @ deviation) / (2 * self._scale)


def _hessian(loss: Loss, at: Floats) -> Floats:
    curved = approx_fprime(at, lambda log_values: loss(log_values)[1], 1e-5)
    return np.asarray((curved + curved.T) / 2, float)


def _minimise(loss: Loss, start: Floats, slope: float = 1e-8) -> Floats:
    """Minimise the loss within the bounds by L-BFGS-B, from `start` (log parameters), to a slope of at most `slope`."""
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": slope},
    )  # fmt: skip
    return np.asarray(found.x if np.isfinite(found.fun) else start, float)


def _polish(likelihood: Likelihood, near: Floats) -> tuple[Floats, Derivatives]:
    """Maximise the likelihood from a point nearby: log parameters and the derivatives there.

    By Newton's method, which converges quadratically; the derivatives are those before the last step, which is below
    1e-6. Where the steps do not become small within eight, by `_minimise`.
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


def _sample_posterior(posterior: _Posterior, rough: _Posterior, mode: Floats) -> Floats:
    """Draw a sample of the posterior: draws × parameters.

    Importance sampling from a normal around the mode, adapted twice (Bugallo et al. 2017, IEEE Signal Processing
    Magazine 34(4)), at the points of a Halton sequence, so that the same data give the same sample. What proposes the
    points is adapted to the posterior of coarser cells (`rough`); the weights of the last points are exact.
    """
    scale = posterior.likelihood.customers
    eigenvalues, eigenvectors = np.linalg.eigh(_hessian(posterior.loss, mode) * scale)
    root = eigenvectors / np.sqrt(np.maximum(eigenvalues, _PRIOR_SD**-2))
    points = norm.ppf(qmc.Halton(len(mode), scramble=False).random(4 * _POSTERIOR_DRAWS + 1)[1:])
    # Shuffled, since the resampling below takes points at even steps and the sequence has a regular order.
    points = np.random.default_rng(0).permutation(points)
    centre = mode
    for density in (rough, rough, posterior):
        tried = np.clip(centre + 1.3 * points @ root.T, -_BOUND, _BOUND)
        standardised = np.linalg.solve(1.3 * root, (tried - centre).T)
        log_weights = np.square(standardised).sum(axis=0) / 2 - scale * density.values(tried)
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
    """Columns of numbers as a cache key: equal if their bytes are equal."""

    columns: list[Floats] = field(compare=False, repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        digest = blake2b()
        for column in self.columns:
            digest.update(column.tobytes())
        object.__setattr__(self, "digest", digest.digest())


def fit_purchases(cells: pd.DataFrame, model: Model, recall: Recall | None = None) -> Fit:
    """Fit a purchase model to weighted cells by maximum likelihood; the result is cached by the cells.

    Args:
        cells: frequency (≥ 0), recency_weeks, T_weeks (weeks), customers (≥ 1).
        model: the purchase model.
        recall: `Shop.recall`, so that the notebooks of a run make this fit once; None: this process alone.

    Raises:
        ValueError: the model is unknown, or there are no cells.
    """
    if model not in get_args(Model):
        raise ValueError(f"model must be one of {', '.join(get_args(Model))}, not {model!r}")
    mean_T, of = _mean_age(cells), _HashedColumns(columns_of(cells, *HISTORY, "customers"))
    if recall is None:
        return _fit_to_columns(model, mean_T, of)
    name = f"fit of {model} to {of.digest.hex()}"
    fit = _from_text(recall(name, lambda: _to_text(_fit_to_columns(model, mean_T, of))))
    if fit.posterior_mode is None:
        return fit

    def draw() -> Floats:
        return np.asarray(_fit_to_columns(model, mean_T, of).posterior_sample)

    return replace(
        fit,
        draw_posterior_sample=lambda: np.array(
            json.loads(recall(f"posterior sample, {name}", lambda: json.dumps(draw().tolist())))
        ),
    )


def _to_text(fit: Fit) -> str:
    """A fit as JSON, without what draws its sample of the posterior, for `_from_text`; numbers are kept exactly."""
    kept = {one.name: getattr(fit, one.name) for one in fields(fit) if one.name != "draw_posterior_sample"}
    return json.dumps(kept, default=lambda array: array.tolist())


def _from_text(text: str) -> Fit:
    kept = json.loads(text)
    for name in ("covariance", "posterior_mode"):
        kept[name] = None if kept[name] is None else np.array(kept[name], float)
    return Fit(**kept | {"unidentified": tuple(kept["unidentified"])})


@lru_cache(maxsize=32)  # the models and channels of a run; an entry is about the size of its cells
def _fit_to_columns(model: Model, mean_T: float, of: _HashedColumns) -> Fit:
    # Neutral values, values typical of shops, and values far from both. Scales are relative to the mean age.
    shapes = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.2, 0.8, 2.5), (0.1, 0.05, 0.1, 5.0))
    starts = [
        np.array([r, mean_T * share, third, mean_T / fourth if model == "pareto_nbd" else fourth])
        for r, share, third, fourth in shapes
    ]
    kind = ParetoLikelihood if model == "pareto_nbd" else Likelihood
    likelihood = kind(purchase_terms(model), of.columns)
    return _fit(model, likelihood, starts)


def fit_rates(cells: pd.DataFrame) -> Fit:
    """Fit the baseline `nbd`: customers differ in their purchase rate and never leave (gamma–Poisson)."""
    starts = [np.array([1.0, _mean_age(cells)]), np.array([0.1, _mean_age(cells) / 20])]
    return _fit("nbd", Likelihood(rate_terms, columns_of(cells, "frequency", "T_weeks", "customers")), starts)


def _mean_age(cells: pd.DataFrame) -> float:
    if cells.empty:
        raise ValueError("cells is empty: there are no customers to fit a model to")
    return max(float(np.average(cells["T_weeks"], weights=cells["customers"])), 1.0)


def fit_value(cells: pd.DataFrame) -> Fit:
    """Fit the Gamma–Gamma model of money per purchase by maximum likelihood.

    Where all customers spend the same amount per purchase, the result is the limit of the model: it predicts that
    amount for everybody, without error. Without cells the value of a purchase is not known (`Fit.is_known`).

    Args:
        cells: frequency (≥ 1), log_mean_value (mean over the cell of the logarithm of a customer's mean repeat value),
            customers.
    """
    if cells.empty:
        unknown = dict.fromkeys(PARAMETER_NAMES["gamma_gamma"], float("nan"))
        return Fit("gamma_gamma", unknown, np.zeros((3, 3)), float("nan"), 0, "no_data")
    _x, log_mean, weights = columns = columns_of(cells, "frequency", "log_mean_value", "customers")
    typical = float(np.exp(np.average(log_mean, weights=weights)))
    if np.ptp(log_mean) < 1e-9:
        sharp = float(np.exp(_BOUND))
        same = {"p": sharp, "q": sharp, "v": typical * (sharp - 1) / sharp}
        return Fit("gamma_gamma", same, np.zeros((3, 3)), 0.0, round(weights.sum()), "converged")
    starts = [np.array(start) for start in ((5.0, 4.0, typical / 2), (1.0, 2.0, typical), (20.0, 10.0, typical / 2))]
    return _fit("gamma_gamma", Likelihood(value_terms, columns), starts)
