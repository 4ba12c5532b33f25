"""The captions of figures, and the edges of their zones."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.pages import PALETTE
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


def edges(ax, colour):
    return sorted(line.get_xdata()[0] for line in ax.get_lines() if line.get_color() == PALETTE[colour])


def test_zones_have_lines_at_their_ends():
    """Pale grey and green alone have too little contrast with paper."""
    ax = plt.subplots()[1]
    timing_figures._shade(ax, SimpleNamespace(allowed=np.repeat([0.0, 0.4, 1.0, 0.0], [8, 1, 12, 3])))
    assert edges(ax, "soft") == [8, 9, 21]
    windows = pd.DataFrame({"hour": [9, 10, 11, 15, 20], "until": [10, 11, 12, 16, 21]})
    chosen = np.array([True, True, False, True, False])
    timing_figures._shade_best(ax, SimpleNamespace(windows=windows, chosen=chosen))
    assert edges(ax, "good") == [9, 11, 15, 16]
    plt.close("all")
