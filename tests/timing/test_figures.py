"""The captions of figures."""

import numpy as np
import pytest

from smsroi_helpers.timing import best_hours
from smsroi_helpers.timing import figures as timing_figures
from tests.timing.samples import looked


@pytest.mark.parametrize(
    ("chosen", "explained"), [((5, 6, 11), True), ((0, 5), True), ((10, 11), False), ((11,), False)]
)
def test_an_isolated_first_or_last_hour_is_explained(clear, chosen, explained):
    seen = looked(clear)
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1))
    answers[0].windows["set_of_best"] = np.isin(np.arange(12), chosen)
    drawn = timing_figures.curve_figure(seen, answers)
    assert ("neighbours on both sides" in drawn.markup) is explained
    assert "Counted: delivered texts, and clicks on them within 72 hours." in drawn.caption
