"""The ways of grouping customers that plans are made by, and how a customer's type tells the group.

Candidates are one policy for all, the named groups, each attribute, and latent classes. Each gives every type a
profile: customers of one profile have the same probabilities φ of the candidate's classes. A grouping that sees its
groups is the special case in which each profile is a class.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from smsroi_helpers.send_plan.customer_types import RFM_GROUP, CustomerTypes, read_codes
from smsroi_helpers.send_plan.latent_classes import LatentClasses, choose_classes
from smsroi_helpers.statistics import Floats, Ints

__all__ = ["ALL", "CLASSES", "Grouping", "find_groupings"]

ALL, CLASSES = "all", "latent_classes"
MOST_PROFILES = 40
"""Memberships of latent classes are rounded to so many profiles."""
MOST_CLASSES = 6
SAMPLE_SIZE = 6_000
"""So many codes are enough to find the classes."""
_FEWEST = 50
"""A group of fewer customers is treated with the largest."""


@dataclass(frozen=True)
class Grouping:
    """One candidate."""

    name: str
    """`all`, `rfm_group`, a column of `customers`, or `latent_classes`."""
    profile: Ints
    """(codes,): the profile of each code, in the order in which they were given."""
    membership: Floats
    """(profiles, classes): φ; rows sum to 1."""
    class_names: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Number of classes: of two candidates that are worth the same, the one with fewer is preferred."""
        return len(self.class_names)


def find_groupings(types: CustomerTypes, codes: pd.Series, customers: Floats, seed: int = 1) -> tuple[Grouping, ...]:
    """Every candidate.

    Args:
        types: what codes mean.
        codes: (T,), distinct.
        customers: (T,): today's customers of each code, 0 for codes of earlier days alone.
        seed: of the starts of the latent classes.
    """
    levels = read_codes(codes)
    one = Grouping(ALL, np.zeros(len(codes), int), np.ones((1, 1)), (ALL,))
    found = [one]
    seen = [RFM_GROUP] if types.cuts is not None else []
    for name in [*seen, *types.values]:
        grouping = _by_level(name, levels[:, types.place(name)], customers, types.names(name))
        if grouping.parameters > 1:
            found.append(grouping)
    own = levels[:, list(types.independent)]
    if own.shape[1] > 1:
        sizes = [types.sizes[j] for j in types.independent]
        sample = _sample(customers, seed)
        classes = choose_classes(own[sample], customers[sample], sizes, MOST_CLASSES, seed)
        if classes.size > 1:
            found.append(_by_classes(classes, own, customers))
    return tuple(found)


def _sample(customers: Floats, seed: int) -> Ints:
    """Codes of today's customers, at most about `SAMPLE_SIZE`, equally likely."""
    today = np.flatnonzero(customers > 0)
    if len(today) <= SAMPLE_SIZE:
        return today
    return np.sort(np.random.default_rng(seed).choice(today, SAMPLE_SIZE, replace=False))


def _by_level(name: str, level: Ints, customers: Floats, names: tuple[str, ...]) -> Grouping:
    size = np.bincount(level, customers, len(names))
    kept = np.flatnonzero(size >= _FEWEST)
    if not len(kept):
        kept = np.array([int(size.argmax())])
    to = np.full(len(names), int(np.flatnonzero(kept == kept[size[kept].argmax()])[0]))
    to[kept] = np.arange(len(kept))
    return Grouping(name, to[level], np.eye(len(kept)), tuple(names[k] for k in kept))


def _by_classes(classes: LatentClasses, levels: Ints, customers: Floats) -> Grouping:
    member = classes.membership(levels)
    weight = customers + 1e-6
    drawn = np.random.default_rng(0).choice(len(member), min(len(member), 20_000), p=weight / weight.sum())
    profiles = min(MOST_PROFILES, len(np.unique(member[drawn].round(6), axis=0)))
    centres, _ = kmeans2(member[drawn], profiles, minit="++", seed=1, iter=30)
    distance = ((member**2).sum(axis=1)[:, None] - 2 * member @ centres.T + (centres**2).sum(axis=1)).argmin(axis=1)
    used, profile = np.unique(distance, return_inverse=True)
    sums = np.stack([np.bincount(profile, weight * member[:, k], len(used)) for k in range(classes.size)], axis=1)
    names = tuple(f"class {k + 1}" for k in range(classes.size))
    return Grouping(CLASSES, profile, sums / sums.sum(axis=1, keepdims=True), names)
