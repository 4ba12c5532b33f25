"""Rates of each latent class in each arm of a test, from counts by profile of customers.

Customers of a profile p are of class k with probability φ_pk. Their events in arm a follow

    events_pa ~ Poisson(exposure_pa · Σ_k φ_pk · exp(b_k + α_a + δ_ka)),   δ_ka ~ N(0, τ²)

so a class's rates are estimated although nobody's class is seen: weighting customers by φ instead would pull the
classes together. With one class per profile this is a Poisson regression with random arm effects. Fits by several τ are
averaged, each weighted by its evidence, by Laplace's approximation (MacKay 1992, Neural Computation 4(3); Hoeting and
others 1999, Statistical Science 14(4)). The most likely τ alone is often the smallest where events are few: it would
say that classes do not differ where it is only not known (Gelman 2006, Bayesian Analysis 1(3)). Errors come from the
delete-a-group jackknife in one step: θ₋g = θ − H⁻¹ s_g, with s_g the group's score (Kott 2001, Journal of Official
Statistics 17(4)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smsroi_helpers.statistics import Floats

__all__ = ["ClassRates", "fit_rates", "standard_error"]

SDS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6)
"""Values of τ that are averaged over."""
_BASE_SD, _ARM_SD = 1.5, 1.0
"""Prior standard deviations of b_k around the company's rate, and of α_a."""
_STEPS, _TOLERANCE = 50, 1e-8


@dataclass(frozen=True)
class ClassRates:
    """log rates of K classes in A arms, with delete-a-group replicates."""

    log_rate: Floats
    """(K, A)."""
    replicates: Floats
    """(G, K, A): without each group of customers."""
    sd: float
    """τ: its mean, weighted by the evidence."""

    @property
    def rate(self) -> Floats:
        """(K, A): events per unit of exposure."""
        return np.exp(self.log_rate)

    @property
    def covariance(self) -> Floats:
        """(K·A, K·A) of the log rates, by the jackknife."""
        groups = len(self.replicates)
        moved = (self.replicates - self.replicates.mean(axis=0)).reshape(groups, -1)
        return np.asarray((groups - 1) / groups * moved.T @ moved)


def standard_error(replicates: Floats) -> Floats:
    """Delete-a-group jackknife over the first axis, whose first entry is the estimate."""
    groups = len(replicates) - 1
    moved = replicates[1:] - replicates[1:].mean(axis=0)
    return np.asarray(np.sqrt((groups - 1) / groups * (moved**2).sum(axis=0)))


@dataclass(frozen=True)
class _Design:
    """θ = (b − b₀, α, δ) to log rates: log_rate = b₀ + design @ θ, and the prior's precisions."""

    matrix: Floats
    precision: Floats
    start: float


def _design(classes: int, arms: int, start: float, sd: float) -> _Design:
    rows = np.zeros((classes * arms, classes + arms + classes * arms))
    for k in range(classes):
        for a in range(arms):
            rows[k * arms + a, [k, classes + a, classes + arms + k * arms + a]] = 1.0
    precision = np.concatenate([
        np.full(classes, _BASE_SD**-2.0), np.full(arms, _ARM_SD**-2.0), np.full(classes * arms, sd**-2.0)
    ])  # fmt: skip
    return _Design(rows, precision, start)


def fit_rates(events: Floats, exposure: Floats, membership: Floats, sds: Sequence[float] = SDS) -> ClassRates:
    """The rates of each class in each arm.

    Args:
        events: (G, P, A), by group of customers, profile and arm, ≥ 0.
        exposure: (G, P, A): texts, or weeks; ≥ 0.
        membership: (P, K): φ, rows sum to 1.
        sds: values of τ that are averaged over, equally likely beforehand.

    Raises:
        ValueError: there are no events.

    >>> events, exposure = np.full((64, 1, 2), [[3.0, 6.0]]), np.full((64, 1, 2), 100.0)
    >>> fit_rates(events, exposure, np.ones((1, 1))).rate.round(3)
    array([[0.03, 0.06]])
    """
    all_events, all_exposure = events.sum(axis=0), exposure.sum(axis=0)
    if not all_events.sum() > 0:
        raise ValueError("there are no events, so no rates")
    start = float(np.log(all_events.sum() / all_exposure.sum()))
    shape = (membership.shape[1], events.shape[2])
    reached, rates = [], []
    for sd in sds:
        design = _design(*shape, start, sd)
        theta, hessian = _maximise(all_events, all_exposure, membership, design)
        reached.append(_log_evidence(all_events, all_exposure, membership, design, theta, hessian))
        log_rate = (design.start + design.matrix @ theta).reshape(shape)
        scores = _group_scores(events, exposure, membership, design, log_rate)
        moved = theta - np.linalg.solve(hessian, scores.T).T
        replicates = (design.start + moved @ design.matrix.T).reshape(len(events), *shape)
        rates.append(np.concatenate([log_rate[None], replicates]))
    weights = np.exp(np.array(reached) - max(reached))
    weights /= weights.sum()
    found = np.tensordot(weights, np.array(rates), axes=1)
    return ClassRates(found[0], found[1:], float(weights @ np.array(sds)))


def _means(log_rate: Floats, membership: Floats) -> tuple[Floats, Floats]:
    """(P, A) rates of the profiles, and (P, K, A): each class's part of them."""
    parts = membership[:, :, None] * np.exp(log_rate)[None]
    return parts.sum(axis=1), parts


def _maximise(events: Floats, exposure: Floats, membership: Floats, design: _Design) -> tuple[Floats, Floats]:
    """Fisher scoring with halved steps: θ and the information with the prior."""
    shape = (membership.shape[1], events.shape[1])
    theta = np.zeros(design.matrix.shape[1])
    value = _objective(events, exposure, membership, design, theta)
    hessian = np.diag(design.precision)
    for _ in range(_STEPS):
        log_rate = (design.start + design.matrix @ theta).reshape(shape)
        rate, parts = _means(log_rate, membership)
        slope = exposure[:, None, :] * parts  # d mean / d log rate, (P, K, A)
        residual = np.divide(events - exposure * rate, rate, out=np.zeros_like(rate), where=exposure > 0)
        score = np.einsum("pka,pa->ka", parts, residual).ravel()
        weight = np.divide(1.0, exposure * rate, out=np.zeros_like(rate), where=exposure > 0)
        information = _by_arm(np.einsum("pka,pla,pa->akl", slope, slope, weight))
        hessian = design.matrix.T @ information @ design.matrix + np.diag(design.precision)
        step = np.linalg.solve(hessian, design.matrix.T @ score - design.precision * theta)
        size = 1.0
        while size > 1e-4:
            trial = theta + size * step
            found = _objective(events, exposure, membership, design, trial)
            if found >= value:
                break
            size /= 2
        gained = found - value
        theta, value = trial, max(found, value)
        if abs(gained) < _TOLERANCE * (1 + abs(value)):
            break
    return theta, hessian


def _by_arm(of_arm: Floats) -> Floats:
    """(A, K, K) blocks as a matrix over (class, arm)."""
    arms, classes, _ = of_arm.shape
    full = np.zeros((classes, arms, classes, arms))
    for a in range(arms):
        full[:, a, :, a] = of_arm[a]
    return full.reshape(classes * arms, classes * arms)


def _objective(events: Floats, exposure: Floats, membership: Floats, design: _Design, theta: Floats) -> float:
    log_rate = (design.start + design.matrix @ theta).reshape(membership.shape[1], events.shape[1])
    if np.abs(log_rate).max() > 30:
        return -np.inf
    rate, _ = _means(log_rate, membership)
    likelihood = (events * np.log(rate) - exposure * rate).sum()
    return float(likelihood - 0.5 * (design.precision * theta**2).sum())


def _log_evidence(
    events: Floats, exposure: Floats, membership: Floats, design: _Design, theta: Floats, hessian: Floats
) -> float:
    value = _objective(events, exposure, membership, design, theta)
    return float(value + 0.5 * np.log(design.precision).sum() - 0.5 * np.linalg.slogdet(hessian)[1])


def _group_scores(events: Floats, exposure: Floats, membership: Floats, design: _Design, log_rate: Floats) -> Floats:
    """(G, parameters): each group's part of the likelihood's score."""
    rate, parts = _means(log_rate, membership)
    share = parts / rate[:, None, :]
    residual = events - exposure * rate
    return np.einsum("pka,gpa->gka", share, residual).reshape(len(events), -1) @ design.matrix
