"""Shrunken means: against a numeric integral, and what they must and must not draw together."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from smsroi_helpers.send_plan.recipient_means import Means, choose_arms, shrink_means


def cells(means, members, variance=4.0):
    """Sums of members with these means and this variance of an outcome within each cell."""
    means, members = np.broadcast_arrays(np.asarray(means, float), np.asarray(members, float))
    return members, members * means, members * (means**2 + variance)


def test_two_classes_of_one_size_have_the_mean_of_a_numeric_integral():
    """Only the interaction d = y11 − y10 − y01 + y00 is drawn towards 0, by τ² ÷ (τ² + noise), averaged over τ."""
    members, interaction = 5_000.0, 0.09
    means = shrink_means(*cells([[1.0, 1.2], [1.5, 1.7 + interaction]], members), np.eye(2)).mean
    noise = 4.0 / members

    def weigh(share):
        return norm.pdf(interaction, scale=2 * np.sqrt(noise / (1 - share)))  # τ² + noise

    kept = quad(lambda share: share * weigh(share), 0, 1)[0] / quad(weigh, 0, 1)[0]
    assert means[1, 1] - means[1, 0] - means[0, 1] + means[0, 0] == pytest.approx(kept * interaction, rel=0.01)
    assert means.mean(axis=1) == pytest.approx([1.1, 1.6 + interaction / 2], abs=1e-4)
    assert means.mean(axis=0) == pytest.approx([1.25, 1.45 + interaction / 2], abs=1e-4)


def test_levels_and_arms_are_not_drawn_together():
    additive = np.array([[0.0], [3.0], [50.0]]) + np.array([0.0, 0.7, -2.0])
    found = shrink_means(*cells(additive, [[300.0, 500, 400], [800, 900, 700], [600, 650, 620]]), np.eye(3))
    assert found.mean == pytest.approx(additive, abs=1e-4)


def test_differences_far_beyond_noise_stay_and_those_within_noise_go():
    truth = np.array([[0.0, 1.0], [0.0, -1.0], [0.0, 0.5]])
    clear = shrink_means(*cells(truth, 1e6), np.eye(3))
    assert clear.mean == pytest.approx(truth, abs=0.004)  # two standard errors
    # With 40 members the standard error of an effect is 0.45, as large as the effects' differences.
    unclear = shrink_means(*cells(0.3 * truth, 40), np.eye(3)).mean
    assert np.ptp(unclear[:, 1] - unclear[:, 0]) < 0.5 * 0.3 * np.ptp(truth[:, 1])


def test_a_class_without_members_in_an_arm_gets_what_the_arm_does_elsewhere():
    members = np.array([[4_000.0, 4_000.0], [4_000.0, 0.0], [4_000.0, 4_000.0]])
    found = shrink_means(*cells([[1.0, 2.0], [5.0, 0.0], [3.0, 4.0]], members), np.eye(3)).mean
    assert found[1, 1] - found[1, 0] == pytest.approx(1.0, abs=0.02)


def test_profiles_of_mixed_classes_are_taken_apart():
    """Customers of one profile are of class 0 with probability 0.8, of the other with 0.3."""
    membership, truth = np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([[0.0, 2.0], [1.0, 0.0]])
    found = shrink_means(*cells(membership @ truth, 4e6), membership)
    assert found.mean == pytest.approx(truth, abs=0.01)


def test_a_cell_where_nobody_bought_is_not_without_noise():
    """Four buyers of 2,000 against none: without noise, class 1 would be sure to do the opposite of class 0."""
    members = np.full((2, 2), 2_000.0)
    bought = np.array([[40.0, 80.0], [4.0, 0.0]])
    found = shrink_means(members, bought, bought, np.eye(2)).mean
    effect = found[:, 1] - found[:, 0]
    assert -0.002 < effect[1] < effect[0] < 0.02


def test_an_arm_without_members_is_refused():
    with pytest.raises(ValueError, match="no members"):
        shrink_means(*cells(1.0, [[10.0, 0.0]]), np.eye(1))


def test_nothing_is_chosen_unless_an_arm_has_more():
    means = Means(np.array([[1.0, 1.0, 0.9], [1.0, 0.8, 1.3]]), 0.1)
    assert choose_arms(means, np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])).argmax(axis=1).tolist() == [0, 2, 2]
