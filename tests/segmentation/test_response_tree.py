"""Trees over the levels of groupings: divisions, nesting, and finding the groups that react differently."""

import numpy as np

from smsroi_helpers.segmentation.response_gain import ResponseCells, training_sums
from smsroi_helpers.segmentation.response_tree import (
    Split,
    assign_groups,
    cross_validate_tree,
    grow,
    levels_of_groups,
)

SIZES = (3, 2)
LEVELS = np.array([(a, b) for a in range(3) for b in range(2)])
NOBODY = np.zeros(64, bool)


def world(rng, best, n=9000, strength=1.0):
    """A test of three arms; `best` gives the best arm of each combination of levels."""
    combination, arm, fold = rng.integers(0, 6, n), rng.integers(0, 3, n), rng.integers(0, 64, n)
    outcome = rng.normal(0, 1, n) + strength * (arm == np.asarray(best)[combination])
    sums = [np.zeros((6, 3, 64)) for _ in range(3)]
    for part, value in zip(sums, (np.ones(n), outcome, outcome**2), strict=True):
        np.add.at(part, (combination, arm, fold), value)
    return ResponseCells("t", "timing", ("a", "b", "c"), 1.0, *sums)


def test_a_division_makes_its_number_the_group_of_those_who_leave():
    splits = [Split(0, 0, frozenset({0, 1})), Split(0, 1, frozenset({0}))]
    assert assign_groups(splits, LEVELS).tolist() == [0, 2, 0, 2, 1, 1]
    assert levels_of_groups(splits, SIZES) == [
        {0: frozenset({0, 1}), 1: frozenset({0})},
        {0: frozenset({2})},
        {0: frozenset({0, 1}), 1: frozenset({1})},
    ]


def test_a_tree_finds_the_groups_and_merges_levels_that_react_alike():
    """Arm a is best for the levels 0 and 1 of the first grouping; for level 2, b or c by the second grouping."""
    test = world(np.random.default_rng(1), best=[0, 0, 0, 0, 1, 2])
    splits = grow([training_sums(test, NOBODY)], np.ones(1), LEVELS, SIZES, most=3)
    group = assign_groups(splits, LEVELS)
    assert len(set(group[:4])) == 1
    assert len(set(group)) == 3


def test_cross_validation_gains_what_the_groups_differ_by():
    """One arm is right for four of six combinations; with three groups for all six: ⅓ more, with two at most ⅙ less."""
    gains = cross_validate_tree([world(np.random.default_rng(2), [0, 0, 0, 0, 1, 2])], LEVELS, SIZES, most=4)
    assert abs(gains[1].estimate - 1 / 3) < 3 * gains[1].error
    assert gains[0].estimate < gains[1].estimate
    assert abs(gains[2].estimate - gains[1].estimate) < 0.05


def test_nothing_is_divided_where_all_react_alike():
    test = world(np.random.default_rng(3), [1] * 6)
    gains = cross_validate_tree([test], LEVELS, SIZES)
    assert all(abs(gain.estimate) < 0.02 for gain in gains)
