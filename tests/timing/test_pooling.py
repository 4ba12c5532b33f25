"""Partial pooling of segments."""

import numpy as np
import pandas as pd

from smsroi_helpers.timing.response import columns_of
from tests.timing.samples import cells_of, fitted, wave


def test_similar_segments_are_pooled_more_than_different_ones():
    def alike(hour, name):
        return wave(hour)

    def apart(hour, name):
        return wave(hour, best=9 if name == "b" else 21, strength=0.8)

    one, two = (fitted(cells_of(np.random.default_rng(2), how, segments=("a", "b"))) for how in (alike, apart))
    assert one.segment_sd < two.segment_sd
    columns = columns_of(pd.DataFrame({"hour": [9, 21], "until": [10, 22]}))
    at_nine, at_nine_too = (two.contrast(name, columns)[0] for name in ("a", "b"))
    assert at_nine[1] > at_nine[0]
    assert at_nine_too[0] > at_nine_too[1]
