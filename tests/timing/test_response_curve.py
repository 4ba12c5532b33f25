"""The fit recovers a wave, treats customers as units, and gives no level without clicks."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from smsroi_helpers.statistics.jackknife import GROUPS
from smsroi_helpers.timing.response import columns_of
from tests.timing.samples import cells_of, fitted, wave


def test_a_wave_is_recovered_and_agrees_with_an_unpooled_fit():
    rng = np.random.default_rng(1)
    cells = cells_of(rng, lambda hour, name: wave(hour), customers=6_000)
    found = fitted(cells)
    sums = cells.groupby("hour")[["clicks", "messages"]].sum()
    turn = 2 * np.pi * (sums.index.to_numpy() + 0.5) / 24
    x = sm.add_constant(np.stack([np.cos(turn), np.sin(turn)], axis=1))
    plain = sm.GLM(np.stack([sums["clicks"], sums["messages"] - sums["clicks"]], axis=1), x, sm.families.Binomial())
    theirs = plain.fit()
    error = np.sqrt(np.diag(found.covariance[0]))[:2]
    truth = 0.5 * np.array([np.cos(2 * np.pi * 17 / 24), np.sin(2 * np.pi * 17 / 24)])
    assert (np.abs(found.mean[0, :2] - truth) < 4 * error).all()
    # The other fit has no spline, weekdays or shrinkage: it differs by less than the error.
    assert (np.abs(found.mean[0, :2] - theirs.params[1:]) < error).all()
    assert 0.5 < error[0] / theirs.bse[1] < 2.5
    centre, joint = found.logits("s", columns_of(pd.DataFrame({"hour": [12], "until": [13]})))
    assert abs(centre[0] - np.log(wave(12) / (1 - wave(12)))) < 4 * np.sqrt(joint[0, 0]) + 0.02


def test_customers_who_click_a_lot_widen_the_bands():
    """Single messages alone would give 1; of 20 messages to each, clicked at a rate whose coefficient of variation is
    1, a group's score varies by 1 + 20 · p · 1² / (1 − p) as much, which is 2.9 at p = .087.
    """
    rng = np.random.default_rng(3)
    customers = 4_000
    hour, group = rng.integers(0, 24, customers), rng.integers(0, GROUPS, customers)
    chance = {"alike": np.full(customers, 0.087), "unlike": 0.087 * rng.gamma(1.0, 1.0, customers)}
    found = {}
    for name, p in chance.items():
        clicks = rng.binomial(20, np.minimum(p, 1))
        cells = pd.DataFrame({"segment": "s", "stratum": 0, "weekday": 0, "hour": hour, "until": hour + 1,
                              "group": group, "messages": 20, "clicks": clicks})  # fmt: skip
        keys = ["segment", "stratum", "weekday", "hour", "until", "group"]
        found[name] = fitted(cells.groupby(keys, as_index=False).sum()).dispersion[0, 0]
    # Eight directions of 63 degrees of freedom: a relative error of √(2/504) = .063.
    assert found["alike"] == pytest.approx(1.0, abs=4 * 0.063)
    assert found["unlike"] == pytest.approx(2.9, rel=4 * 0.063 + 0.05)


def test_a_segment_without_a_click_has_the_common_curve_and_no_level():
    cells = cells_of(np.random.default_rng(4), lambda hour, name: wave(hour), segments=("a", "b"))
    cells.loc[cells["segment"] == "b", "clicks"] = 0
    found = fitted(cells)
    assert np.isnan(found.level[1])
    assert np.isfinite(found.level[0])
