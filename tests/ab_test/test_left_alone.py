"""Segments better left alone: pooled over tests, against least squares by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from statsmodels.api import WLS

from smsroi_helpers.ab_test.left_alone import CONTRAST_COLUMNS, pool_segments


def one_test(name, effects, error=1.0):
    rows = [(name, "profit", segment, 100.0, effect, error) for segment, effect in zip("abc", effects, strict=True)]
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))


def test_the_interaction_is_that_of_weighted_least_squares():
    frames = [one_test("x", (2.0, 0.5, -4.0)), one_test("y", (1.0, 1.5, -3.0), error=0.5)]
    found = pool_segments(frames)
    rows = pd.concat(frames)
    weight = rows["error"] ** -2.0
    by_test = pd.get_dummies(rows["experiment"], dtype=float)
    by_segment = pd.get_dummies(rows["segment"], dtype=float).iloc[:, 1:]
    one = WLS(rows["effect"], by_test, weights=weight).fit()
    two = WLS(rows["effect"], pd.concat([by_test, by_segment], axis=1), weights=weight).fit()
    left = [(weight * fit.resid**2).sum() for fit in (one, two)]
    assert found.interaction_p == pytest.approx(chi2.sf(left[0] - left[1], 2))
    of_c = found.segments.set_index("segment").loc["c"]
    assert of_c["effect"] == pytest.approx((-4.0 * 1 + -3.0 * 4) / 5)
    assert of_c["p_value"] == pytest.approx(2 * chi2.sf((3.2**2 * 5), 1) / 2)
    assert found.harmed == ("c",)


def test_one_negative_segment_of_one_test_is_not_enough():
    alone = one_test("x", (0.0, 0.0, -3.0))
    rest = [one_test(name, (0.0, 0.0, 0.5)) for name in "yzuv"]
    assert pool_segments([alone, *rest]).harmed == ()


def test_harm_that_is_the_same_everywhere_singles_out_no_segment():
    assert pool_segments([one_test(name, (-3.0, -3.0, -3.0)) for name in "xyz"]).harmed == ()
    assert not pool_segments([]).tests
    assert np.isnan(pool_segments([]).interaction_p)
