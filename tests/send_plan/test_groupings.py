"""Candidate groupings: every customer has a profile, small groups join the largest, classes keep their memberships."""

import itertools

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.send_plan.customer_types import CustomerTypes, Indicator, read_codes
from smsroi_helpers.send_plan.groupings import ALL, CLASSES, find_groupings

SIZES = {"attr_age": 3, "attr_level": 4, "acquisition_channel": 2, "purchases": 4, "recency": 3}
VALUES = {"attr_age": ("18", "30", "60"), "attr_level": ("a", "b", "c", "d"), "acquisition_channel": ("web", "shop")}


@pytest.fixture(scope="module")
def types():
    indicators = tuple(Indicator(name, size) for name, size in SIZES.items())
    return CustomerTypes(None, indicators, VALUES, (), (), float("nan"), None)


def codes_of(rows):
    return pd.Series(["".join(str(level + 10) for level in row) for row in rows])


@pytest.fixture(scope="module")
def everybody():
    """Every code, with customers of two classes that differ in all; level d of attr_level is rare."""
    rows = np.array(list(itertools.product(*(range(size) for size in SIZES.values()))))
    rng = np.random.default_rng(1)
    ps = [[rng.dirichlet(np.full(size, 0.6)) for size in SIZES.values()] for _ in range(2)]
    likely = [np.prod([p[j][rows[:, j]] for j, _ in enumerate(SIZES)], axis=0) for p in ps]
    customers = rng.poisson(6_000 * (0.6 * likely[0] + 0.4 * likely[1])).astype(float)
    customers[rows[:, 1] == 3] = 0.0
    customers[np.flatnonzero(rows[:, 1] == 3)[:7]] = 1.0
    return rows, customers


@pytest.fixture(scope="module")
def found(types, everybody):
    rows, customers = everybody
    return {each.name: each for each in find_groupings(types, codes_of(rows), customers)}


def test_codes_are_read_as_written(everybody):
    assert (read_codes(codes_of(everybody[0])) == everybody[0]).all()


def test_candidates_are_one_for_all_each_attribute_and_classes(found):
    assert set(found) == {ALL, *VALUES, CLASSES}
    for each in found.values():
        assert each.membership.shape[1] == each.parameters == len(each.class_names)
        assert np.allclose(each.membership.sum(axis=1), 1)
        assert (each.membership >= 0).all()
        assert set(each.profile) <= set(range(len(each.membership)))


def test_one_policy_for_all_has_one_profile(found):
    assert not found[ALL].profile.any()
    assert found[ALL].membership.tolist() == [[1.0]]


def test_an_attribute_has_a_class_for_each_value_that_is_not_rare(found, everybody):
    rows, customers = everybody
    grouping = found["attr_level"]
    assert grouping.class_names == ("a", "b", "c")
    sizes = np.bincount(rows[:, 1], customers)[:3]
    expected = np.append(np.arange(3), sizes.argmax())
    assert (grouping.profile == expected[rows[:, 1]]).all(), "who has a rare value is treated as most are"
    assert np.array_equal(grouping.membership, np.eye(3))


def test_profiles_of_latent_classes_keep_the_memberships(found, everybody):
    """Customers of a profile have about the membership that is theirs; over all, nothing is moved."""
    rows, customers = everybody
    grouping = found[CLASSES]
    assert grouping.parameters == 2
    assert 2 <= len(grouping.membership) <= 40
    shares = customers @ grouping.membership[grouping.profile] / customers.sum()
    assert shares[0] == pytest.approx(max(shares))
    assert np.ptp(grouping.membership[:, 0]) > 0.8
    weights = np.bincount(grouping.profile, customers)
    assert weights @ grouping.membership[:, 0] / weights.sum() == pytest.approx(shares[0])
    assert len(rows) == len(grouping.profile)


def test_an_attribute_of_which_one_value_is_left_is_no_candidate(types, everybody):
    rows, customers = everybody
    only = np.where(rows[:, 0] == 1, customers, 0.0)
    names = {each.name for each in find_groupings(types, codes_of(rows), only)}
    assert "attr_age" not in names
    assert ALL in names


def test_the_same_seed_gives_the_same_candidates(types, everybody, found):
    rows, customers = everybody
    again = {each.name: each for each in find_groupings(types, codes_of(rows), customers)}
    for name, each in found.items():
        assert np.array_equal(each.profile, again[name].profile)
        assert np.array_equal(each.membership, again[name].membership)
