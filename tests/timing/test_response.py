"""Tests of the curve and of the hours, and the gap between the experiment and the log."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing import best_hours
from smsroi_helpers.timing import wording as timing_wording
from smsroi_helpers.timing.response import (
    fit_cells,
    hours_differ_p,
    mean_rate,
    observational_gap,
    rate_by_hour,
    rate_by_hour_at_level,
    smoothness_p,
    t_quantile,
)
from tests.timing.samples import cells_of, looked, wave


def test_one_message_each_in_one_stratum_is_pearsons_test():
    rng = np.random.default_rng(12)
    hour = rng.integers(0, 24, 6_000)
    clicked = rng.random(6_000) < 0.05
    cells = pd.DataFrame({"segment": "s", "stratum": 0, "weekday": 0, "hour": hour, "until": hour + 1, "messages": 1,
                          "group": rng.integers(0, GROUPS, 6_000), "clicks": clicked.astype(int)})  # fmt: skip
    keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
    seen = looked(cells.groupby(keys, as_index=False).sum(), hours=range(24)).main
    pearson = stats.chi2_contingency(pd.crosstab(hour, clicked).to_numpy()).statistic
    dispersion = max(seen.everybody.dispersion[0, 0], 1.0)
    assert hours_differ_p(seen) == pytest.approx(stats.f.sf(pearson / dispersion / 23, 23, GROUPS - 1), rel=1e-6)


def test_a_peak_too_narrow_for_the_curve_gives_a_warning():
    def lunch(hour, name):
        return expit(-2.5 + 0.4 * np.cos(2 * np.pi * (hour - 16.5) / 24) + 0.8 * (hour == 12))

    for how, rough in ((lunch, True), (lambda hour, name: wave(hour), False)):
        seen = looked(cells_of(np.random.default_rng(4), how, 8_000, hours=range(8, 20)))
        assert (smoothness_p(seen.randomised) < 0.01) is rough
        decision = timing_wording.decide(seen, best_hours.find_best_hours(seen, np.random.default_rng(1)))[0]
        assert ("depart from the smooth curve" in decision.caveat) is rough


def test_without_a_response_there_is_no_smoothness_test():
    seen = looked(cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), 800, hours=range(8, 20)))
    none = dataclasses.replace(seen.randomised, cells=seen.randomised.cells.assign(clicks=0))
    assert np.isnan(smoothness_p(none))


def test_with_two_hours_there_is_no_smoothness_test():
    seen = looked(cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), hours=(9, 15)), hours=(9, 15))
    assert np.isnan(smoothness_p(seen.randomised))


def test_the_gap_is_that_of_the_two_curves(clear):
    seen = looked(clear).main
    later = cells_of(np.random.default_rng(7), lambda hour, name: wave(hour, best=9), 8_000, hours=range(8, 20))
    observational = looked(later, evidence="observational").main
    rows = observational_gap(seen, observational)
    assert len(rows) == 11
    assert np.allclose(rows["gap"], rows["records"] - rows["lot"])
    at = rows.set_index("hour")
    base = int(rows["reference"].iloc[0])
    rates = rate_by_hour(seen, "all").set_index("hour")["rate"]
    assert at["lot"][17 if base != 17 else 16] == pytest.approx(rates[17 if base != 17 else 16] - rates[base])
    far = 9 if base > 12 else 17
    assert not at["low"][far] < 0 < at["high"][far]


# --- limits at a fixed mean ------------------------------------------------------------------------------------------


class Known:
    """Stands for `HourResponse`: a curve of four hours, with a joint covariance."""

    windows = pd.DataFrame({"hour": [8, 9, 10, 11], "until": [9, 10, 11, 12]})

    def __init__(self, joint):
        self.joint = joint

    def logits(self, *_asked):
        return np.array([-3.0, -2.5, -2.0, -2.5]), self.joint


def test_limits_at_a_fixed_mean_are_those_of_the_hours_errors_from_their_mean():
    rng = np.random.default_rng(3)
    root = rng.normal(0, 0.1, (4, 4))
    draws = rng.normal(size=(400_000, 4)) @ root.T
    sd = (draws - draws.mean(axis=1, keepdims=True)).std(axis=0)
    found = rate_by_hour_at_level(Known(root @ root.T), "all")
    assert np.allclose(found["high"], expit(np.array([-3.0, -2.5, -2.0, -2.5]) + t_quantile() * sd), rtol=5e-3)
    value, low, high = mean_rate(Known(root @ root.T), "all")
    assert value == pytest.approx(expit(-2.5))
    assert np.log(high / (1 - high)) + 2.5 == pytest.approx(t_quantile() * draws.mean(axis=1).std(), rel=5e-3)
    assert low < value < high


def test_what_all_hours_share_does_not_widen_them():
    own = np.diag([0.01, 0.02, 0.01, 0.02])
    one, other = (rate_by_hour_at_level(Known(own + level), "all") for level in (0.0, 4.0))
    assert np.allclose(one[["low", "high"]], other[["low", "high"]])
    assert mean_rate(Known(own + 4.0), "all")[2] > 0.5 > mean_rate(Known(own), "all")[2]


def test_a_segment_that_borrows_members_adds_nothing_to_the_others():
    """The curves of a and b are those without it, wherever it stands; its own is that of its cells alone."""
    cells = cells_of(np.random.default_rng(9), lambda hour, name: wave(hour), 600, ("a", "b"))
    lent = cells.groupby([name for name in cells if name not in ("segment", "messages", "clicks")], as_index=False)
    lent = lent[["messages", "clicks"]].sum().assign(segment="c")
    without, _everybody = fit_cells(cells)
    alone, _everybody = fit_cells(lent)
    for parts in ((cells, lent), (lent, cells)):
        curves, _everybody = fit_cells(pd.concat(parts, ignore_index=True), cells, ["c"])
        assert curves.segments == tuple(dict.fromkeys(pd.concat(parts)["segment"]))
        for name, of in (("a", without), ("b", without), ("c", alone)):
            for column in ("mean", "covariance", "centre", "level", "level_variance", "dispersion", "events", "trials"):
                got, wanted = getattr(curves, column)[curves.index(name)], getattr(of, column)[of.index(name)]
                assert np.array_equal(got, wanted), (name, column)
        assert np.array_equal(curves.common, without.common)
    # Pooled, it would make the errors of the others smaller.
    pooled, _everybody = fit_cells(pd.concat([cells, lent], ignore_index=True), cells)
    assert np.trace(pooled.covariance[0]) < 0.8 * np.trace(without.covariance[0])
