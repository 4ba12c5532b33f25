"""Effects within strata: another implementation, known truths, refusals."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit

from smsroi_helpers.content.feature_effects import FeatureEffect, regress
from smsroi_helpers.content.figures import features_figure
from smsroi_helpers.content.pooling import pool
from smsroi_helpers.content.within_campaign import fit_within

NAMES = ["a", "b", "c", "d"]


def draw_cells(rng, effect, strata=12, size=40):
    """Cells of `fit_within`: strata whose levels and mixtures differ, so that raw rates mislead."""
    stratum, option, group = (
        x.ravel() for x in np.meshgrid(range(strata), range(len(effect)), range(64), indexing="ij")
    )
    level = rng.normal(-1.5, 0.7, strata)
    share = 0.2 + rng.random((strata, len(effect)))
    messages = rng.poisson(size * share[stratum, option])
    clicks = rng.binomial(messages, expit(level[stratum] + np.asarray(effect)[option]))
    return pd.DataFrame({"stratum": stratum, "option": option, "group": group, "messages": messages, "clicks": clicks})


def test_the_same_estimate_as_a_logistic_regression_with_dummies():
    cells = draw_cells(np.random.default_rng(1), [0.3, 0.0, -0.1, -0.2])
    found = fit_within(cells, NAMES)
    sums = cells.groupby(["stratum", "option"], as_index=False)[["messages", "clicks"]].sum()
    x = pd.concat([pd.get_dummies(sums["stratum"]), pd.get_dummies(sums["option"]).iloc[:, 1:]], axis=1).astype(float)
    y = np.column_stack([sums["clicks"], sums["messages"] - sums["clicks"]])
    fit = sm.GLM(y, x.to_numpy(), family=sm.families.Binomial()).fit()
    assert found.effect[1:] - found.effect[0] == pytest.approx(fit.params[-3:], abs=1e-6)
    own = np.sqrt([found.covariance[at, at] + found.covariance[0, 0] - 2 * found.covariance[0, at] for at in (1, 2, 3)])
    assert own == pytest.approx(fit.bse[-3:], rel=0.36)  # a standard deviation of 64 groups: 4 / sqrt(2 · 63)


def test_intervals_hold_the_truth():
    truth, inside, trials = np.array([0.3, 0.0, -0.1, -0.2]), 0, 0
    for seed in range(60):
        found = fit_within(draw_cells(np.random.default_rng(seed), truth, strata=6, size=15), NAMES)
        inside += int(((found.low < truth) & (truth < found.high)).sum())
        trials += len(truth)
    assert inside / trials > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 60)


def test_options_never_sent_beside_one_another_are_not_compared():
    cells = draw_cells(np.random.default_rng(2), [0.3, 0.0, -0.1, -0.2])
    apart = cells[(cells["option"] < 2) == (cells["stratum"] < 6)]
    found = fit_within(apart, NAMES)
    assert found.connected[0] == found.connected[1] != found.connected[2] == found.connected[3]
    alone = fit_within(cells[(cells["option"] == 0) == (cells["stratum"] < 6)], NAMES)
    assert np.isnan(alone.effect[0])


def test_few_events_have_no_effect():
    cells = draw_cells(np.random.default_rng(3), [0.3, 0.0, -0.1, -0.2])
    cells.loc[cells["option"] == 3, "clicks"] = 0
    found = fit_within(cells, NAMES)
    assert found.known.tolist() == [True, True, True, False]


def test_pooling_covers_segments_drawn_from_its_model():
    inside = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        common = rng.normal(0, 0.2, 4)
        truth = common + rng.normal(0, 0.1, (4, 4))
        truth = truth - truth.mean(axis=1, keepdims=True)
        fits = [fit_within(draw_cells(rng, each, strata=4, size=20), NAMES) for each in truth]
        draws = pool(fits, rng, draws=800).draws
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        inside.append(np.mean((low <= truth) & (truth <= high)))
        assert draws.sum(axis=2) == pytest.approx(0, abs=1e-9)
    assert np.mean(inside) > 0.95 - 4 * np.std(inside, ddof=1) / np.sqrt(len(inside)) - 0.01


def test_feature_effects_are_recovered():
    inside = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        feature = np.repeat([1.0, 0.0], 6)
        covariance = np.diag(rng.uniform(0.01, 0.04, 12))
        effect = 0.3 * feature + rng.normal(0, 0.15, 12) + rng.multivariate_normal(np.zeros(12), covariance)
        beta, error, df, _spread = regress(effect, covariance, feature)
        inside.append(abs(beta - 0.3) < 2.228 * error)
        assert df == 10
    assert np.mean(inside) > 0.95 - 4 * np.sqrt(0.05 * 0.95 / 150)


def test_limits_are_those_of_student_with_a_degree_for_every_group_but_one():
    found = fit_within(draw_cells(np.random.default_rng(1), [0.3, 0.0, -0.1, -0.2]), NAMES)
    assert found.groups == 64
    assert (found.high - found.effect) / found.standard_error == pytest.approx(1.9983, abs=1e-4)  # t of .975 at 63
    value, error = found.contrast(1)
    assert (value[1], error[1]) == (0, pytest.approx(0, abs=1e-9))
    assert value[0] == found.effect[0] - found.effect[1]


@pytest.mark.parametrize(("known", "title"), [
    (("link",), "Of 3 features only “Link” could be estimated: no effect on clicks is shown"),
    (("link", "emoji"), "Of 3 features only 2 could be estimated: none is shown to change clicks"),
    (("link", "emoji", "reply"), "No feature is shown to change clicks"),
])  # fmt: skip
def test_the_title_says_how_many_features_could_be_estimated(known, title):
    limits = {True: (-0.1, 0.1), False: (np.nan, np.nan)}
    features = [
        FeatureEffect(name, 4, 5, 0.02, *limits[name in known], p_value=0.6, own_sd=0.1, adjusted_p=0.6)
        for name in ("link", "emoji", "reply")
    ]
    assert title in str(features_figure(SimpleNamespace(features=features)))
