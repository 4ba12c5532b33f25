"""Groups made of the levels of one or several groupings, so that the best arm differs between them: a shallow tree.

Each step divides one group by the levels of one grouping. Of all divisions the one is taken after which choosing the
best arm of each half gains most; the differences between the halves are shrunken first by what chance would show. How
many groups to keep is decided by cross-validation in which the tree is grown anew on each training part.

References:
    Breiman, Friedman, Olshen & Stone (1984), Classification and regression trees.
    Zeileis, Hothorn & Hornik (2008), Model-based recursive partitioning, JCGS 17(2): divide by how models differ.
    James & Stein (1961): the share of differences that is kept, 1 − degrees of freedom ÷ Q.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from smsroi_helpers.segmentation.response_gain import (
    FEWEST_IN_CELL,
    Gain,
    ResponseCells,
    choose_arms,
    divisions,
    merge_levels,
    policy_gain,
    shrunken_means,
    training_sums,
)
from smsroi_helpers.statistics import GROUPS, Floats, Ints

__all__ = [
    "MOST_GROUPS",
    "Split",
    "assign_groups",
    "cross_validate_tree",
    "grow",
    "levels_of_groups",
]

MOST_GROUPS = 6
"""As many groups as RFM has with those who have not bought."""
LEAST_SHARE = 0.05
"""The smallest group that a division may leave, as a share of the customers of every test."""
_EVERY_SUBSET = 6
"""Up to so many levels every division in two is tried; more levels are put in order first."""
Sums = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Split:
    """One division: the customers of `group` whose level is not in `stay` become a group of their own."""

    group: int
    column: int
    stay: frozenset[int]
    """Levels of the column that keep the number of the group."""


def assign_groups(splits: Sequence[Split], levels: Ints) -> Ints:
    """The group of each combination of levels (combinations × columns); the k-th division makes the group k."""
    group = np.zeros(len(levels), int)
    for number, split in enumerate(splits, start=1):
        leaves = ~np.isin(levels[:, split.column], sorted(split.stay))
        group[(group == split.group) & leaves] = number
    return group


def levels_of_groups(splits: Sequence[Split], sizes: Sequence[int]) -> list[dict[int, frozenset[int]]]:
    """Of each group: column → the levels that its customers may have, for the columns that divide it.

    Args:
        splits: of `grow`.
        sizes: the number of levels of each column.
    """
    groups: list[dict[int, frozenset[int]]] = [{}]
    for split in splits:
        before = groups[split.group].get(split.column, frozenset(range(sizes[split.column])))
        groups.append(groups[split.group] | {split.column: before - split.stay})
        groups[split.group] = groups[split.group] | {split.column: before & split.stay}
    return groups


# --- one division ----------------------------------------------------------------------------------------------------


def _subsets(of_levels: Sequence[Sums], weights: Floats) -> Floats:
    """Divisions of levels in two (divisions × levels, 1 where the level is in the first half), the first level in it.

    More than six levels are put in the order of their main difference in what arms do, and divided along it.
    """
    count = len(of_levels[0][0])
    if count <= _EVERY_SUBSET:
        rest = itertools.product((0.0, 1.0), repeat=count - 1)
        return np.array([(1.0, *flags) for flags in rest][:-1])
    parts = []
    for (n, y, yy), weight in zip(of_levels, weights, strict=True):
        means = shrunken_means(n, y, yy)
        centred = means - means.mean(axis=1, keepdims=True)
        parts.append(weight * (centred - centred.mean(axis=0)))
    order = np.argsort(np.linalg.svd(np.concatenate(parts, axis=1), full_matrices=False)[0][:, 0], kind="stable")
    place = np.argsort(order)
    return (place[None, :] <= np.arange(count - 1)[:, None]).astype(float)


def _division_gains(halves: Floats, sums: Sums, least: float) -> Floats:
    """(divisions,): Σ over customers gained by choosing the best arm in each half; −∞ where a half is too small."""
    n, y, yy = sums
    left = [halves @ part for part in sums]
    right = [part.sum(axis=0) - half for part, half in zip(sums, left, strict=True)]
    small = np.minimum(left[0], right[0]).min(axis=1) < FEWEST_IN_CELL
    small |= np.minimum(left[0].sum(axis=1), right[0].sum(axis=1)) < least
    whole_n, whole_y = n.sum(axis=0), y.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = whole_y / whole_n
        means = [part[1] / part[0] for part in (left, right)]
        spread = np.maximum((yy.sum(axis=0) - whole_n * whole**2) / np.maximum(whole_n - 1, 1), 1e-12)
        spread = np.maximum(spread, 1e-3 * spread.max())
        variance = spread * (1 / left[0] + 1 / right[0])
        apart = means[0] - means[1]
        common = (apart / variance).sum(axis=1) / (1 / variance).sum(axis=1)
        own = apart - common[:, None]
        q = (own**2 / variance).sum(axis=1)
        kept = np.maximum(1 - (own.shape[1] - 1) / np.maximum(q, 1e-12), 0.0)
        difference = common[:, None] + kept[:, None] * own
        share = left[0] / whole_n
        best = [(whole + (1 - share) * difference).max(axis=1), (whole - share * difference).max(axis=1)]
    total = whole_n.sum()
    of_left = left[0].sum(axis=1)
    gain = of_left * best[0] + (total - of_left) * best[1] - _best_for_both(whole, share, difference, of_left, total)
    return np.where(small, -np.inf, gain)


def _best_for_both(whole: Floats, share: Floats, difference: Floats, of_left: Floats, total: float) -> Floats:
    """(divisions,): Σ over customers under the one arm that is best for both halves together."""
    left, right = whole + (1 - share) * difference, whole - share * difference
    return np.asarray((of_left[:, None] * left + (total - of_left)[:, None] * right).max(axis=1))


def _best_split(
    members: np.ndarray, levels: Ints, sizes: Sequence[int], training: Sequence[Sums], weights: Floats
) -> tuple[float, int, frozenset[int]]:
    """The division of a group with the largest gain per customer: gain, column, levels of the first half."""
    best: tuple[float, int, frozenset[int]] = (0.0, -1, frozenset())
    for column in range(len(sizes)):
        own = levels[members, column]
        present = np.unique(own)
        if len(present) < 2:
            continue
        turn = (present[:, None] == own[None, :]).astype(float)
        of_levels = [tuple(turn @ part[members] for part in sums) for sums in training]
        halves = _subsets(of_levels, weights)
        gains = np.zeros(len(halves))
        for sums, whole, weight in zip(of_levels, training, weights, strict=True):
            everybody = whole[0].sum()
            gains += weight / everybody * _division_gains(halves, sums, LEAST_SHARE * everybody)
        at = int(np.argmax(gains))
        if gains[at] > best[0] + 1e-15:
            best = (float(gains[at]), column, frozenset(int(k) for k in present[halves[at] > 0]))
    return best


def grow(
    training: Sequence[Sums], weights: Floats, levels: Ints, sizes: Sequence[int], most: int = MOST_GROUPS
) -> list[Split]:
    """The divisions in the order of what they gain, each of the group in which most is gained.

    Args:
        training: of each test n, y, yy (combinations × arms).
        weights: of each test.
        levels: (combinations, columns), the level of each combination in each column.
        sizes: the number of levels of each column.
        most: groups.
    """
    group = np.zeros(len(levels), int)
    splits: list[Split] = []
    candidates = {0: _best_split(group == 0, levels, sizes, training, weights)}
    while len(splits) < most - 1:
        at = max(candidates, key=lambda k: (candidates[k][0], -k))
        gain, column, stay = candidates[at]
        if column < 0 or gain <= 0:
            break
        splits.append(Split(at, column, stay))
        group = assign_groups(splits, levels)
        for number in (at, len(splits)):
            candidates[number] = _best_split(group == number, levels, sizes, training, weights)
    return splits


# --- cross-validation ------------------------------------------------------------------------------------------------


def _nested(splits: Sequence[Split], tests: Sequence[ResponseCells], levels: Ints) -> Iterator[list[ResponseCells]]:
    """The tests by the groups of the first one, two … divisions."""
    if not splits:
        return
    cells = [merge_levels(test, assign_groups(splits, levels), len(splits) + 1) for test in tests]
    found = [cells]
    for number in range(len(splits), 1, -1):
        back = np.arange(number + 1)
        back[number] = splits[number - 1].group
        cells = [merge_levels(test, back, number) for test in cells]
        found.append(cells)
    yield from reversed(found)


def cross_validate_tree(
    tests: Sequence[ResponseCells], levels: Ints, sizes: Sequence[int], most: int = MOST_GROUPS
) -> list[Gain]:
    """The cross-validated gain of a tree of two groups, three … `most`, grown on each training part.

    Args:
        tests: by combination of levels.
        levels: (combinations, columns).
        sizes: the number of levels of each column.
        most: groups.
    """
    parts = np.zeros((most - 1, GROUPS))
    weights = np.array([test.weight for test in tests])
    every = divisions()
    for held_out in itertools.chain.from_iterable(every):
        training = [training_sums(test, held_out) for test in tests]
        splits = grow(training, weights, levels, sizes, most)
        for number, cells in enumerate(_nested(splits, tests, levels)):
            for test in cells:
                n, y, yy = training_sums(test, held_out)
                means = shrunken_means(n, y, yy)
                arms, for_all = choose_arms(means, n)
                added = policy_gain(test, held_out, means, arms, for_all)
                # a tree that stops early stays as it is
                upto = slice(number, None) if number == len(splits) - 1 else slice(number, number + 1)
                parts[upto] += test.weight / test.n.sum() * added / len(every)
    return [Gain(each) for each in parts]
