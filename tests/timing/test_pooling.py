"""Partial pooling of segments."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.statistics import find_transport
from smsroi_helpers.timing.response import columns_of, widened
from tests.timing.samples import cells_of, fitted, wave


def test_similar_segments_are_pooled_more_than_different_ones():
    def alike(hour, name):
        return wave(hour)

    def apart(hour, name):
        return wave(hour, best=9 if name == "b" else 21, strength=0.8)

    one, two = (fitted(cells_of(np.random.default_rng(2), how, segments=("a", "b"))) for how in (alike, apart))
    assert (one.between < two.between)[:2].all()
    columns = columns_of(pd.DataFrame({"hour": [9, 21], "until": [10, 22]}))
    at_nine, at_nine_too = (two.contrast(name, columns)[0] for name in ("a", "b"))
    assert at_nine[1] > at_nine[0]
    assert at_nine_too[0] > at_nine_too[1]


def test_one_segment_says_nothing_of_how_others_differ():
    found = fitted(cells_of(np.random.default_rng(2), lambda hour, name: wave(hour), segments=("a",)))
    assert found.between[:2].tolist() == pytest.approx([0.25, 0.25])  # the prior's standard deviation is 0.5


def test_whom_a_test_does_not_cover_widens_the_curves():
    def like(hour, name):
        return wave(hour)

    two = fitted(cells_of(np.random.default_rng(2), like, segments=("a", "b")))
    everybody = fitted(cells_of(np.random.default_rng(2), like, segments=("all",)))
    then = pd.DataFrame({"segment": ["a", "b"], "cell": ["0", "0"], "n": [400, 400]})
    now = pd.DataFrame({"segment": ["a", "a", "b"], "cell": ["0", "9", "0"], "n": [200, 100, 300]})
    between = np.arange(1.0, 15.0)
    by_segment, of_all = widened(two, everybody, find_transport(then, now), between)
    # A third of a, which is half of all, is in a cell without members of the test.
    added = by_segment.covariance - two.covariance
    assert added[two.index("a")] == pytest.approx(np.diag(between) / 9)
    assert not added[two.index("b")].any()
    assert (of_all.covariance - everybody.covariance)[0] == pytest.approx(np.diag(between) / 36)
    # The uncovered of several segments may be alike, so that together they are as wrong as each.
    now = pd.concat([now.query("segment == 'a'"), now.query("segment == 'a'").assign(segment="b")])
    _by_segment, of_all = widened(two, everybody, find_transport(then, now), between)
    assert (of_all.covariance - everybody.covariance)[0] == pytest.approx(np.diag(between) / 9)
