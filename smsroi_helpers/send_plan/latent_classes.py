"""Latent classes of customers: a finite mixture over what is known of them before a text is sent.

Within a class the indicators are independent (Lazarsfeld & Henry 1968; Goodman 1974, Biometrika 61(2)):

    P(x) = Σ_k π_k Π_j p_jk(x_j)

The mixture is fitted by EM (Dempster, Laird & Rubin 1977) on counts of types: distinct rows of indicators. The number
of classes has the smallest BIC (Schwarz 1978). A Dirichlet prior of one customer per indicator and class, spread as the
levels are in the whole company, keeps probabilities away from 0.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from smsroi_helpers.statistics import Floats, Ints

__all__ = ["LatentClasses", "choose_classes", "fit_classes"]

_STARTS, _MOST_STEPS, _TOLERANCE = 3, 300, 1e-6
_SMALLEST = -40.0
"""Logarithm of the smallest ratio of two memberships."""
_PRIOR = 1.0
"""Weight of the company's own distribution in each class and indicator, in customers."""


@dataclass(frozen=True)
class LatentClasses:
    """A fitted mixture of K classes over J indicators."""

    shares: Floats
    """(K,): π, the largest class first; sums to 1."""
    levels: tuple[Floats, ...]
    """Of each indicator (K, levels): p, rows sum to 1."""
    log_likelihood: float
    customers: float

    @property
    def size(self) -> int:
        """K."""
        return len(self.shares)

    @property
    def bic(self) -> float:
        """−2 log L + parameters · log customers."""
        free = self.size - 1 + sum(self.size * (each.shape[1] - 1) for each in self.levels)
        return float(-2 * self.log_likelihood + free * np.log(self.customers))

    def membership(self, types: Ints) -> Floats:
        """(types, K): the probability of each class, given (types, J) levels of the indicators."""
        joint = _log_joint(types, self.shares, self.levels)
        return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)))


def _log_joint(types: Ints, shares: Floats, levels: Sequence[Floats]) -> Floats:
    joint = np.broadcast_to(np.log(shares), (len(types), len(shares))).copy()
    for j, of_indicator in enumerate(levels):
        joint += np.log(of_indicator).T[types[:, j]]
    return joint


def fit_classes(types: Ints, customers: Floats, classes: int, sizes: Sequence[int], seed: int = 1) -> LatentClasses:
    """The mixture with the highest likelihood of several random starts.

    Args:
        types: (T, J): level (from 0) of each indicator.
        customers: (T,): how many customers are of each type.
        classes: K, ≥ 1.
        sizes: (J,): how many levels each indicator has.
        seed: of the starts.

    >>> types = np.array([[0, 0, 0], [1, 1, 1]])
    >>> found = fit_classes(types, np.array([60.0, 40.0]), 2, (2, 2, 2))
    >>> found.shares.round(2), found.membership(types).round(2).tolist()
    (array([0.6, 0.4]), [[1.0, 0.0], [0.0, 1.0]])
    """
    rng = np.random.default_rng(seed)
    marginal = [np.bincount(types[:, j], customers, size) / customers.sum() for j, size in enumerate(sizes)]
    marginal = [(each + 1e-9) / (each + 1e-9).sum() for each in marginal]
    fits = [_climb(types, customers, marginal, classes, rng) for _ in range(_STARTS if classes > 1 else 1)]
    best = max(fits, key=lambda fit: fit.log_likelihood)
    order = np.argsort(-best.shares, kind="stable")
    return LatentClasses(
        best.shares[order], tuple(each[order] for each in best.levels), best.log_likelihood, best.customers
    )


def _climb(
    types: Ints, customers: Floats, marginal: Sequence[Floats], classes: int, rng: np.random.Generator
) -> LatentClasses:
    """EM from memberships drawn at random, until the likelihood no longer grows."""
    member = rng.dirichlet(np.full(classes, 0.3), len(types)) if classes > 1 else np.ones((len(types), 1))
    ends = np.cumsum([0, *(len(each) for each in marginal)])
    places = np.concatenate(
        [types[:, j, None] == np.arange(len(each)) for j, each in enumerate(marginal)], axis=1
    ).astype(float)
    usual = np.concatenate(marginal)
    before = -np.inf
    for _ in range(_MOST_STEPS):
        weight = member * customers[:, None]
        shares = (weight.sum(axis=0) + _PRIOR) / (customers.sum() + _PRIOR * classes)
        counts = weight.T @ places + _PRIOR * usual
        levels = tuple(_normalised(counts[:, start:end]) for start, end in itertools.pairwise(ends))
        joint = np.log(shares) + places @ np.log(np.concatenate(levels, axis=1)).T
        top = joint.max(axis=1, keepdims=True)
        member = np.exp(np.maximum(joint - top, _SMALLEST))  # without numbers so small that arithmetic is slow
        total = member.sum(axis=1, keepdims=True)
        member /= total
        reached = float(customers @ (np.log(total) + top)[:, 0])
        if reached - before < _TOLERANCE * abs(reached):
            break
        before = reached
    return LatentClasses(shares, levels, reached, float(customers.sum()))


def _normalised(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def choose_classes(types: Ints, customers: Floats, sizes: Sequence[int], most: int = 6, seed: int = 1) -> LatentClasses:
    """The mixture of 1 to `most` classes with the smallest BIC; arguments as of `fit_classes`."""
    with threadpool_limits(1):  # small products are slower on several threads
        best = fit_classes(types, customers, 1, sizes, seed)
        for classes in range(2, most + 1):
            found = fit_classes(types, customers, classes, sizes, seed)
            if found.bic < best.bic:
                best = found
            elif classes > best.size + 1:
                break
    return best
