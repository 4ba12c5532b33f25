"""Partial pooling: segments' curves are shrunken towards a common curve as far as the data support it.

The standard deviations of segments around the common curve, of curves around a wave, and of weekdays around the common
weekdays are estimated from all segments together and integrated over (Gelman et al. 2013, section 5.4), so that
intervals include the pooling uncertainty. Departures from a wave are small unless the data say otherwise (a half-Cauchy
prior; Gelman 2006, Bayesian Analysis 1:515).
"""

from dataclasses import dataclass

import numpy as np

from smsroi_helpers.statistics import Floats, Ints
from smsroi_helpers.timing.basis import COLUMNS, HOUR_COLUMNS, WEEKDAY_COLUMNS

__all__ = [
    "Pooled",
    "pool",
]

_COMMON_SD = 2.0
"""Prior standard deviation (logit) of the common wave and weekdays: weakly informative."""
_SEGMENT_SDS = np.array([0.005, 0.04, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4, 0.55, 0.8])
_DEPARTURE_SDS = np.array([0.004, 0.02, 0.04, 0.07, 0.11, 0.17, 0.26, 0.4])
_WEEKDAY_SDS = np.array([0.005, 0.05, 0.1, 0.16, 0.25, 0.4])
_SEGMENT_PRIOR, _WEEKDAY_PRIOR = 0.5, 0.3
"""Scales (logit) of half-normal priors on the standard deviations of segments and of weekdays by segment."""
_DEPARTURE_PRIOR = 0.05
"""Scale (logit) of the half-Cauchy prior on departures from a wave: mostly small, sometimes large."""


@dataclass
class Pooled:
    """The posterior of the coefficients, mixed over the nodes."""

    mean: Floats
    """(segments, columns)."""
    covariance: Floats
    """(segments, columns, columns)."""
    common: Floats
    """(columns,): posterior mean of the common coefficients."""
    between: Floats
    """(columns,): variance of segments' coefficients around the common ones: posterior mean; the prior's with one
    segment."""
    likely: Ints
    """The nodes with non-negligible weight."""


@dataclass
class _Nodes:
    """A grid of the three standard deviations, each node with its log prior × cell width."""

    segment_sd: Floats
    departure_sd: Floats
    weekday_sd: Floats
    log_prior: Floats

    def take(self, among: Ints) -> "_Nodes":
        """A subset of the nodes."""
        return _Nodes(self.segment_sd[among], self.departure_sd[among], self.weekday_sd[among], self.log_prior[among])


def _nodes(segments: int) -> _Nodes:
    """All nodes; with a single segment the standard deviations between segments have one value."""
    segment_sds = _SEGMENT_SDS if segments > 1 else _SEGMENT_SDS[:1]
    weekday_sds = _WEEKDAY_SDS if segments > 1 else _WEEKDAY_SDS[:1]
    logs = [
        np.log(np.gradient(points) if len(points) > 1 else np.ones(1)) + density
        for points, density in (
            (segment_sds, -0.5 * (segment_sds / _SEGMENT_PRIOR) ** 2),
            (_DEPARTURE_SDS, -np.log1p((_DEPARTURE_SDS / _DEPARTURE_PRIOR) ** 2)),
            (weekday_sds, -0.5 * (weekday_sds / _WEEKDAY_PRIOR) ** 2),
        )
    ]
    grid = np.meshgrid(segment_sds, _DEPARTURE_SDS, weekday_sds, indexing="ij")
    prior = logs[0][:, None, None] + logs[1][None, :, None] + logs[2][None, None, :]
    return _Nodes(grid[0].ravel(), grid[1].ravel(), grid[2].ravel(), prior.ravel())


def pool(
    information: Floats,
    score: Floats,
    theta: Floats,
    dispersion: Floats,
    common_wave: float,
    among: Ints | None = None,
) -> Pooled:
    """The segments' coefficients given tempered information and score at theta, over the grid of standard deviations.

    Segment s: θ_s = c + d_s, with independent normal c and d_s whose variances are those of the node. d_s is
    integrated out in closed form, then c; the nodes are weighted with the marginal likelihood.

    Args:
        information: segments × columns × columns, of the likelihood at theta.
        score: segments × columns, its slope there.
        theta: segments × columns, where both were computed.
        dispersion: segments × 2: the divisors of the information of hours and of weekdays.
        common_wave: root mean square of the common wave in the previous step.
        among: the nodes to use; None for all.
    """
    h, g = _temper(information, score, theta, dispersion)
    nodes = _nodes(len(information))
    nodes = nodes if among is None else nodes.take(among)
    precision_own, precision_common = _precisions(nodes, len(information), common_wave)
    own, common = _integrate(h, g, precision_own, precision_common)
    weight = _weigh_nodes(nodes, g, own, common, precision_own, precision_common)
    mean, covariance = _mix(g, own, common, precision_own, weight)
    likely = np.flatnonzero(weight > 1e-4 * weight.max()) if among is None else among
    return Pooled(
        mean, covariance, weight @ common.mean,
        weight @ _between(nodes, precision_own, len(information), common_wave), likely,
    )  # fmt: skip


def _temper(information: Floats, score: Floats, theta: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
    """The tempered quadratic log-likelihood of each segment, g'θ − θ'hθ/2: h and g."""
    temper = np.repeat(1 / np.sqrt(dispersion), [HOUR_COLUMNS, WEEKDAY_COLUMNS], axis=1)
    h = information * temper[:, :, None] * temper[:, None, :]
    return h, score * temper**2 + np.einsum("sij,sj->si", h, theta)


def _precisions(nodes: _Nodes, segments: int, common_wave: float) -> tuple[Floats, Floats]:
    """(nodes, columns) each: the prior precisions of d_s and of c.

    Relative to its own size, d_s departs from a wave as much as c does relative to `common_wave` (root mean square of
    c's wave). So the differences between segments are as smooth as the common curve.
    """
    own = np.empty((len(nodes.segment_sd), COLUMNS))
    share = (
        np.minimum(nodes.segment_sd / max(common_wave, 1e-9), 1.0)
        if segments > 1
        else _DEPARTURE_SDS[0] / nodes.departure_sd
    )
    own[:, :2] = 1 / nodes.segment_sd[:, None] ** 2
    own[:, 2:HOUR_COLUMNS] = 1 / (share * nodes.departure_sd)[:, None] ** 2
    own[:, HOUR_COLUMNS:] = 1 / nodes.weekday_sd[:, None] ** 2
    common = np.full(own.shape, 1 / _COMMON_SD**2)
    common[:, 2:HOUR_COLUMNS] = 1 / nodes.departure_sd[:, None] ** 2
    return own, common


def _between(nodes: _Nodes, precision_own: Floats, segments: int, common_wave: float) -> Floats:
    """(nodes, columns): the variance of d_s. One segment says nothing of others, so there it is that of the prior."""
    if segments > 1:
        return 1 / precision_own
    of_prior = np.empty_like(precision_own)
    of_prior[:, :2] = _SEGMENT_PRIOR**2
    of_prior[:, 2:HOUR_COLUMNS] = (min(_SEGMENT_PRIOR / max(common_wave, 1e-9), 1.0) * nodes.departure_sd[:, None]) ** 2
    of_prior[:, HOUR_COLUMNS:] = _WEEKDAY_PRIOR**2
    return of_prior


@dataclass
class _Common:
    """The posterior of c at each node, with d_s integrated out."""

    mean: Floats
    covariance: Floats
    precision: Floats
    pull: Floats
    """(nodes, columns): the linear term of the log-likelihood of c."""


def _integrate(h: Floats, g: Floats, precision_own: Floats, precision_common: Floats) -> tuple[Floats, _Common]:
    """The covariance of d_s given c (nodes × segments × columns × columns), and c."""
    eye = np.eye(COLUMNS)
    own = np.linalg.inv(h[None] + precision_own[:, None, :, None] * eye)
    explained = h[None] @ own
    information = h[None] - explained @ h[None]
    pull = (g[None] - np.einsum("nsij,sj->nsi", explained, g)).sum(axis=1)
    precision = information.sum(axis=1) + precision_common[:, :, None] * eye
    covariance = np.linalg.inv(precision)
    mean = np.einsum("nij,nj->ni", covariance, pull)
    return np.asarray(own, float), _Common(mean, covariance, precision, pull)


def _weigh_nodes(
    nodes: _Nodes, g: Floats, own: Floats, common: _Common, precision_own: Floats, precision_common: Floats
) -> Floats:
    """The posterior weights of the nodes: prior × marginal likelihood, summing to 1."""
    segments = own.shape[1]
    log_weight = (
        nodes.log_prior
        + 0.5 * segments * np.log(precision_own).sum(axis=1)
        + 0.5 * np.linalg.slogdet(own)[1].sum(axis=1)
        + 0.5 * np.log(precision_common).sum(axis=1)
        - 0.5 * np.linalg.slogdet(common.precision)[1]
        + 0.5 * np.einsum("si,nsij,sj->n", g, own, g)
        + 0.5 * np.einsum("ni,ni->n", common.pull, common.mean)
    )
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _mix(g: Floats, own: Floats, common: _Common, precision_own: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of every θ_s over the nodes.

    θ_s = c + own (g − h c). As own (h + precision) = 1, the coefficient of c is own · precision.
    """
    remains = precision_own[:, None, None, :] * own
    mean = np.einsum("nsij,nj->nsi", remains, common.mean) + np.einsum("nsij,sj->nsi", own, g)
    covariance = own + remains @ common.covariance[:, None] @ remains.swapaxes(-1, -2)
    overall = np.einsum("n,nsi->si", weight, mean)
    off = mean - overall
    between = np.einsum("nsi,nsj->sij", off * weight[:, None, None], off)
    return overall, np.tensordot(weight, covariance, axes=1) + between
