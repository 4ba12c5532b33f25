"""Opt-outs by texts per week: natural and caused opt-outs of every group, smoothed over doses and partially pooled.

Of a group's customers, per subscribed week, with d texts a week:

    H(d) = c + q(d),   log q(d) = α + α_g + (β + β_g) · log d + ε(d) + ε_g(d),   log c = γ + γ_g

c are the opt-outs without texts. Groups differ in level (α_g) and in shape (β_g): one group's opt-outs may rise in
proportion to texts, another's with their square. ε(d) is a deviation from the power law that groups share, ε_g(d) one
of one group at one dose, so that one unlucky arm moves its neighbours little. Deviations are alike at doses that are
alike (correlation exp(−|log d − log d′|)). All are normal with mean 0. Their standard deviations are integrated over a
grid. q increases with d (isotonic draws). Untried doses follow from the same model.

The posterior is Laplace's approximation at every point of the grid (Rasmussen & Williams 2006, Gaussian Processes for
Machine Learning, section 3.4), with the expected information of the Poisson counts in place of the observed one.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from smsroi_helpers.statistics import Floats, Ints

__all__ = [
    "draw_opt_outs",
]

_NATURAL = (np.log(0.001), 2.0)
"""Prior mean and standard deviation of γ: 0.1 % a week, within a factor of 50 either way."""
_LEVEL = (np.log(0.004), 2.0)
"""Of α: 0.4 % a week at one text a week, within a factor of 50."""
_SLOPE = (1.2, 0.6)
"""Of β: about in proportion to texts; between hardly rising and rising with more than their square."""
_GROUPS_NATURAL = 0.5
"""Standard deviation of γ_g: natural opt-outs of groups are within a factor of 3 of each other."""
_GRID = {
    "level": (0.1, 0.3, 0.6, 1.2),
    "slope": (0.03, 0.2, 0.5),
    "shared": (0.02, 0.2),
    "own": (0.02, 0.2),
}
"""Standard deviations of α_g, β_g, ε(d) and ε_g(d) that are summed over, equally likely before the data."""
_STEPS = 40


@dataclass(frozen=True)
class _Counts:
    """Opt-outs and subscribed weeks, groups × doses; the first dose is 0; untried doses have 0 weeks."""

    seen: Floats
    weeks: Floats


def draw_opt_outs(
    opt_outs: Floats, weeks: Floats, doses: Floats, grid: Floats, rng: np.random.Generator, draws: int
) -> Floats:
    """Draw H, the weekly opt-out rate: groups × grid × draws.

    Args:
        opt_outs: groups × doses.
        weeks: subscribed customer-weeks, groups × doses.
        doses: texts a week that were tested, ascending; the first is 0.
        grid: texts a week to draw at, ascending; contains all `doses`.
        rng: of the draws.
        draws: the number of draws.
    """
    place = np.searchsorted(grid, doses)
    seen, exposed = (np.zeros((len(opt_outs), len(grid))) for _ in range(2))
    seen[:, place], exposed[:, place] = opt_outs, weeks
    counts = _Counts(seen, exposed)
    several = len(opt_outs) > 1
    choices = itertools.product(*(_GRID[name] if several or name == "own" else _GRID[name][:1] for name in _GRID))
    mean = np.concatenate([np.full((len(opt_outs), 1), _NATURAL[0]), _prior_mean(grid, len(opt_outs))], axis=1)
    fits = [_laplace(counts, mean.ravel(), _covariance(grid, len(opt_outs), *sds)) for sds in choices]
    log_weight = np.array([fit[2] for fit in fits])
    weight = np.exp(log_weight - log_weight.max())
    number = rng.multinomial(draws, weight / weight.sum())
    drawn = [
        mode[:, None] + root @ rng.standard_normal((len(mode), n))
        for (mode, root, _density), n in zip(fits, number, strict=True)
        if n
    ]
    latent = np.concatenate(drawn, axis=1)[:, rng.permutation(draws)].reshape(len(opt_outs), len(grid), draws)
    rates = np.exp(np.minimum(latent, 0.0))
    caused = _increasing(rates[:, 1:], place[1:] - 1)
    return np.asarray(np.minimum(np.concatenate([rates[:, :1], rates[:, :1] + caused], axis=1), 1 - 1e-9))


def _prior_mean(grid: Floats, groups: int) -> Floats:
    return np.tile(_LEVEL[0] + _SLOPE[0] * np.log(grid[1:]), (groups, 1))


def _covariance(grid: Floats, groups: int, level: float, slope: float, shared: float, own: float) -> Floats:
    """Prior covariance of log c and log q of every group, given the standard deviations of the groups."""
    x = np.log(grid[1:])
    alike = np.ones((groups, groups))
    same = np.eye(groups)
    near = np.exp(-np.abs(x[:, None] - x))
    size = len(grid)
    joint = np.zeros((groups, size, groups, size))
    line, rise = np.ones((len(x), len(x))), np.outer(x, x)
    caused = np.einsum("gh,de->gdhe", alike, _LEVEL[1] ** 2 * line + _SLOPE[1] ** 2 * rise + shared**2 * near)
    caused += np.einsum("gh,de->gdhe", same, level**2 * line + slope**2 * rise + own**2 * near)
    joint[:, 1:, :, 1:] = caused
    joint[:, 0, :, 0] = _NATURAL[1] ** 2 * alike + _GROUPS_NATURAL**2 * same
    return joint.reshape(groups * size, groups * size)


def _laplace(counts: _Counts, mean: Floats, covariance: Floats) -> tuple[Floats, Floats, float]:
    """Mode, root of the posterior covariance, and log marginal density of the counts."""
    precision = np.linalg.inv(covariance)
    groups, size = counts.seen.shape
    start = mean.reshape(groups, size).copy()
    known = counts.weeks[:, 0] > 0
    start[known, 0] = np.log((counts.seen[known, 0] + 0.5) / counts.weeks[known, 0])
    at = start.ravel()
    for _step in range(_STEPS):
        slopes, information = _derivatives(counts, at)
        posterior = precision + information
        step = np.linalg.solve(posterior, slopes - precision @ (at - mean))
        at = at + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-6:
            break
    posterior = precision + _derivatives(counts, at)[1]
    root = np.linalg.cholesky(np.linalg.inv(posterior))
    rest = at - mean
    density = _log_likelihood(counts, at) - (rest @ precision @ rest) / 2
    density -= (np.linalg.slogdet(posterior)[1] + np.linalg.slogdet(covariance)[1]) / 2
    return at, root, float(density)


def _rates(counts: _Counts, at: Floats) -> tuple[Floats, Floats]:
    """Natural (c) and caused (q, 0 at no texts) opt-out rates of each group and dose."""
    parts = np.exp(np.minimum(at.reshape(counts.seen.shape), 0.0))
    caused = parts.copy()
    caused[:, 0] = 0.0
    return parts[:, :1], caused


def _log_likelihood(counts: _Counts, at: Floats) -> float:
    natural, caused = _rates(counts, at)
    expected = counts.weeks * (natural + caused)
    return float((counts.seen * np.log(np.maximum(natural + caused, 1e-300)) - expected).sum())


def _derivatives(counts: _Counts, at: Floats) -> tuple[Floats, Floats]:
    """Slopes and expected information of the Poisson log-likelihood by log c and log q."""
    natural, caused = _rates(counts, at)
    groups, size = counts.seen.shape
    rate = natural + caused
    excess = counts.seen / rate - counts.weeks
    slopes = excess * caused
    slopes[:, 0] = (excess * natural).sum(axis=1)
    per = counts.weeks / rate
    information = np.zeros((groups, size, groups, size))
    for g in range(groups):
        own = np.diag(per[g] * caused[g] ** 2)
        own[0, 1:] = own[1:, 0] = (per[g] * caused[g])[1:] * natural[g, 0]
        own[0, 0] = (per[g] * natural[g, 0] ** 2).sum()
        information[g, :, g] = own
    return slopes.ravel(), information.reshape(groups * size, groups * size)


def _increasing(caused: Floats, tested: Ints) -> Floats:
    """Caused opt-outs that never fall with the dose: isotonic over the tested doses; the others between neighbours.

    The isotonic regression of each draw by its max–min formula (Robertson, Wright & Dykstra 1988).

    Args:
        caused: groups × positive doses × draws.
        tested: the positions of the tested doses.
    """
    own = caused[:, tested]
    sums = np.concatenate([np.zeros_like(own[:, :1]), own.cumsum(axis=1)], axis=1)
    count = own.shape[1]
    rising = np.empty_like(own)
    for k in range(count):
        best = None
        for i in range(k + 1):
            lowest = np.min([(sums[:, j + 1] - sums[:, i]) / (j + 1 - i) for j in range(k, count)], axis=0)
            best = lowest if best is None else np.maximum(best, lowest)
        rising[:, k] = best
    found = caused.copy()
    found[:, tested] = rising
    for k in range(caused.shape[1]):
        if k in tested:
            continue
        below, above = np.flatnonzero(tested < k), np.flatnonzero(tested > k)
        low = rising[:, below[-1]] if len(below) else 0.0
        high = rising[:, above[0]] if len(above) else np.inf
        found[:, k] = np.clip(found[:, k], low, high)
    return np.maximum.accumulate(found, axis=1)
