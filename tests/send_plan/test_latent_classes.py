"""Latent classes: recovery of a simulated mixture, and one class where there is one."""

import numpy as np
import pytest
from scipy import stats

from smsroi_helpers.send_plan.latent_classes import choose_classes, fit_classes

SHARES = np.array([0.5, 0.3, 0.2])
SIZES = (2, 3, 4, 2, 3)
N = 12_000


@pytest.fixture(scope="module")
def levels():
    """p of three classes that are distinguished with errors."""
    rng = np.random.default_rng(4)
    return [rng.dirichlet(np.full(size, 0.7), 3) * 0.96 + 0.04 / size for size in SIZES]


def draw(levels, n=N, seed=1):
    """True class of n customers, their types, and how many are of each distinct type."""
    rng = np.random.default_rng(seed)
    member = rng.choice(len(SHARES), n, p=SHARES)
    rows = np.column_stack(
        [(rng.random(n)[:, None] > np.cumsum(p[member], axis=1)[:, :-1]).sum(axis=1) for p in levels]
    )
    types, number, customers = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return member, types, number.ravel(), customers.astype(float)


@pytest.fixture(scope="module")
def drawn(levels):
    return draw(levels)


@pytest.fixture(scope="module")
def found(drawn):
    return choose_classes(drawn[1], drawn[3], SIZES, most=5)


def posterior(types, shares, levels):
    """P(class | type), by products."""
    joint = np.array([[share * np.prod([levels[j][k, row[j]] for j in range(len(row))]) for k, share in
                       enumerate(shares)] for row in types])  # fmt: skip
    return joint / joint.sum(axis=1, keepdims=True), joint.sum(axis=1)


def test_a_simulated_mixture_is_recovered(found, levels):
    assert found.size == 3
    assert np.allclose(found.shares, SHARES, atol=0.04)
    for each, truth in zip(found.levels, levels, strict=True):
        assert np.allclose(each, truth, atol=0.06)


def test_memberships_are_nearly_those_of_the_truth_and_are_calibrated(found, drawn, levels):
    member, types, number, customers = drawn
    rows = found.membership(types)
    best, _ = posterior(types, SHARES, levels)
    assert np.average(abs(rows - best).sum(axis=1), weights=customers) < 0.08
    said = rows[number]
    for k in range(3):
        for low in (0.0, 0.25, 0.5, 0.75):
            kept = (said[:, k] >= low) & (said[:, k] < low + 0.25)
            if kept.sum() > 200:
                mean = said[kept, k].mean()
                assert abs((member[kept] == k).mean() - mean) < 0.04 + 4 * np.sqrt(mean * (1 - mean) / kept.sum())


def test_memberships_add_up_to_one_and_to_the_shares(found, drawn):
    _member, types, _number, customers = drawn
    rows = found.membership(types)
    assert np.allclose(rows.sum(axis=1), 1)
    assert found.shares.sum() == pytest.approx(1)
    assert (np.diff(found.shares) <= 0).all()
    assert np.allclose(np.average(rows, weights=customers, axis=0), found.shares, atol=0.005)
    for each in found.levels:
        assert np.allclose(each.sum(axis=1), 1)
        assert (each > 0).all()


def test_likelihood_and_bic_are_those_of_the_definition(found, drawn):
    _member, types, _number, customers = drawn
    rows, likelihood = posterior(types, found.shares, found.levels)
    assert found.log_likelihood == pytest.approx(customers @ np.log(likelihood), rel=1e-6)
    assert np.allclose(found.membership(types), rows)
    free = 2 + 3 * (1 + 2 + 3 + 1 + 2)
    assert found.bic == pytest.approx(-2 * found.log_likelihood + free * np.log(N))


@pytest.mark.parametrize("seed", range(3))
def test_one_class_where_there_is_one(levels, seed):
    alike = [np.repeat(each[:1], 3, axis=0) for each in levels]
    _member, types, _number, customers = draw(alike, 4_000, seed)
    one = choose_classes(types, customers, SIZES, most=3)
    assert one.size == 1
    for j, each in enumerate(one.levels):
        counted = np.bincount(types[:, j], customers, SIZES[j])
        assert np.allclose(each[0], counted / counted.sum(), atol=1e-3)


def test_more_classes_fit_better_and_cost_more(drawn):
    _member, types, _number, customers = drawn
    fits = [fit_classes(types, customers, k, SIZES) for k in (1, 2, 3, 4)]
    likelihoods = [fit.log_likelihood for fit in fits]
    assert likelihoods[0] < likelihoods[1] < likelihoods[2] < likelihoods[3] + 5
    gain = 2 * (likelihoods[2] - likelihoods[0])
    assert stats.chi2.sf(gain, 20) < 1e-10
    assert min(fits, key=lambda fit: fit.bic).size == 3


def test_the_same_seed_gives_the_same_classes(drawn):
    _member, types, _number, customers = drawn
    one, two = (fit_classes(types, customers, 3, SIZES, seed=5) for _ in range(2))
    assert (one.shares == two.shares).all()
    assert one.log_likelihood == two.log_likelihood
