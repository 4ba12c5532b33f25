"""Gains of choosing by group: against values by hand, and where groups do or do not react differently."""

import numpy as np
import pytest

from smsroi_helpers.segmentation.response_gain import (
    Gain,
    ResponseCells,
    cross_validate,
    divisions,
    interaction_p,
    merge_levels,
    policy_gain,
    shrunken_means,
    simplest_of_best,
)


def cells_of(level, arm, outcome, rng, levels, arms=3):
    """The cells of customers (arrays of one length) in random hash groups."""
    sums = [np.zeros((levels, arms, 64)) for _ in range(3)]
    fold = rng.integers(0, 64, len(level))
    for part, value in zip(sums, (np.ones(len(level)), outcome, outcome**2), strict=True):
        np.add.at(part, (level, arm, fold), value)
    return ResponseCells("hours", "timing", tuple("abc"[:arms]), 1.0, *sums)


def reacting(rng, n=6000, strength=1.0):
    """Customers of two levels, for whom opposite arms are best: level, arm, outcome."""
    level, arm = rng.integers(0, 2, n), rng.integers(0, 3, n)
    return level, arm, rng.normal(0, 1, n) + strength * (arm == np.where(level == 0, 0, 2))


class TestDivisions:
    def test_every_hash_group_is_held_out_once_in_parts_of_sixteen(self):
        for division in divisions():
            assert (np.sum(division, axis=0) == 1).all()
            assert [part.sum() for part in division] == [16] * 4

    def test_no_two_divisions_have_a_part_in_common(self):
        parts = {tuple(part) for division in divisions() for part in division}
        assert len(parts) == 4 * len(divisions())


class TestMeans:
    def test_arms_that_differ_alike_are_shrunken_to_that(self):
        """Means 1, 3 and 2, 4 differ by 2 in both groups: nothing is left over."""
        n = np.full((2, 2), 100.0)
        y = n * np.array([[1.0, 3.0], [2.0, 4.0]])
        assert shrunken_means(n, y, y**2 / n + n) == pytest.approx(np.array([[1.0, 3.0], [2.0, 4.0]]))

    def test_a_difference_far_beyond_chance_is_kept(self):
        n = np.full((2, 2), 10_000.0)
        mean = np.array([[1.0, 0.0], [0.0, 1.0]])
        assert shrunken_means(n, n * mean, n * mean**2 + n) == pytest.approx(mean, abs=0.01)

    def test_the_interaction_by_hand(self):
        """Four means of variance 1/100, ±0.1 off an additive fit: Σ 4 × 0.01 × 100 = 4, χ² with 1 df: p = .0455."""
        n = np.zeros((2, 2, 64))
        n[:, :, 0] = 100.0
        mean = np.array([[0.2, 0.0], [0.0, 0.2]])
        y = n * mean[:, :, None]
        yy = n * mean[:, :, None] ** 2
        yy[:, :, 0] += 99.0  # within-cell variance 1, the same in all cells
        assert interaction_p([ResponseCells("t", "timing", ("a", "b"), 1.0, n, y, yy)]) == pytest.approx(
            0.0455, abs=0.002
        )

    def test_groups_with_few_customers_are_left_out(self):
        n = np.zeros((2, 2, 64))
        n[0, :, 0], n[1, :, 0] = 100.0, 19.0
        assert np.isnan(interaction_p([ResponseCells("t", "timing", ("a", "b"), 1.0, n, n * 0, n)]))


class TestGains:
    def test_a_policy_by_hand(self):
        """Held out: 4 of arm a with Σ 8, 4 of b with Σ 4; predicted 1 and 0.5; b for all, a for the group.

        Σ = (8 − 4·1)/½ − (4 − 4·½)/½ + 8·(1 − ½) = 8 − 4 + 4 = 8: a customer 1 more, as 2 − 1 in the data.
        """
        n, y = np.zeros((1, 2, 64)), np.zeros((1, 2, 64))
        n[0, :, 0] = 4.0
        y[0, :, 0] = 8.0, 4.0
        held_out = np.arange(64) == 0
        test = ResponseCells("t", "timing", ("a", "b"), 1.0, n, y, y)
        added = policy_gain(test, held_out, np.array([[1.0, 0.5]]), np.array([0]), 1)
        assert added[0] == pytest.approx(8.0)
        assert (added[1:] == 0).all()

    def test_opposite_groups_gain_what_they_differ_by(self):
        """One arm for all gains 1 in half of the customers, the best of each in all: ½ more."""
        rng = np.random.default_rng(1)
        gain = cross_validate([cells_of(*reacting(rng), rng, 2)])
        assert gain.estimate == pytest.approx(0.5, abs=3 * gain.error)
        assert 0.01 < gain.error < 0.1

    def test_merging_the_levels_that_differ_leaves_no_gain(self):
        rng = np.random.default_rng(2)
        cells = cells_of(*reacting(rng), rng, 2)
        merged = merge_levels(cells, np.array([0, 0]), 1)
        assert merged.n.sum() == cells.n.sum()
        assert cross_validate([merged]).estimate == 0

    def test_the_simplest_within_one_error_wins(self):
        base = np.zeros(64)
        noisy = base.copy()
        noisy[:2] = 1.0, -0.9  # 0.1 more, error far above
        sure = np.full(64, 0.1 / 64)  # 0.1 more, no error
        assert simplest_of_best([Gain(noisy), Gain(base)], [(2,), (1,)]) == 1
        assert simplest_of_best([Gain(sure), Gain(base)], [(2,), (1,)]) == 0
