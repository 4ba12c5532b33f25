"""Levels of campaigns against a Poisson regression, and the errors of effects that are compared at them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from smsroi_helpers.send_plan.campaign_levels import CampaignSums, fit_levels, level_shift
from smsroi_helpers.send_plan.mixture_rates import standard_error
from smsroi_helpers.statistics import GROUPS

EVERY = np.arange(GROUPS)


def test_levels_of_campaigns_are_those_of_a_poisson_regression():
    rng = np.random.default_rng(1)
    trials = rng.integers(200, 900, (5, 3)).astype(float)
    events = rng.poisson(trials * np.exp(rng.normal(-3, 0.5, (5, 1))) * [1.0, 1.4, 0.7]).astype(float)
    found = fit_levels(trials, events)
    stratum, text = (each.ravel() for each in np.indices((5, 3)))
    table = pd.DataFrame({"s": stratum, "t": text, "n": trials.ravel(), "y": events.ravel()})
    reference = smf.glm("y ~ C(s) + C(t)", table, family=sm.families.Poisson(), exposure=table["n"]).fit()
    levels = np.exp(np.append(0.0, reference.params.filter(like="C(s)")))
    assert np.allclose(found / found[0], levels, rtol=1e-5)
    assert np.average(found, weights=trials.sum(axis=1)) == pytest.approx(1)


def test_replicates_are_fitted_one_by_one():
    rng = np.random.default_rng(2)
    trials = rng.integers(0, 90, (4, 6, 3)).astype(float)
    events = rng.binomial(trials.astype(int), 0.2).astype(float)
    together = fit_levels(trials, events)
    assert np.allclose(together, [fit_levels(n, y) for n, y in zip(trials, events, strict=True)])


def test_a_campaign_without_clicks_has_level_nothing():
    assert fit_levels(np.full((2, 2), 50.0), np.array([[2.0, 3], [0, 0]]))[1] == 0
    assert fit_levels(np.zeros((0, 3)), np.zeros((0, 3))).size == 0


def chained(rng, size):
    """Texts 0 and 1 in one campaign, 1 and 2 in another: 0 and 2 are compared through 1 only."""
    trials = np.zeros((GROUPS, 2, 3))
    trials[:, 0, :2] = trials[:, 1, 1:] = size
    rate = np.array([[0.10, 0.08, 0.0], [0.0, 0.04, 0.06]])
    return CampaignSums(trials, rng.poisson(trials * rate).astype(float))


def contrast(sums, *, shifted):
    """(1 + G,): log effect of text 0 over text 2, at levels of all customers, or at each replicate's own."""
    level = fit_levels(sums.trials.sum(axis=0), sums.events.sum(axis=0))
    events, exposure = sums.events.sum(axis=1), (sums.trials * level[:, None]).sum(axis=1)
    events, exposure = (
        np.concatenate([each.sum(axis=0)[None], each.sum(axis=0) - each]) for each in (events, exposure)
    )
    logs = np.log(events / exposure) - (level_shift(sums, EVERY) if shifted else 0.0)
    return logs[:, 0] - logs[:, 2]


def test_the_error_of_texts_that_were_never_sent_together_includes_that_of_the_levels():
    """By the delta method: the four counts' 1 / events add up. With fixed levels half of that is missing."""
    rng, found, errors, fixed = np.random.default_rng(3), [], [], []
    for _ in range(300):
        sums = chained(rng, 20.0)
        values = contrast(sums, shifted=True)
        found.append(values[0])
        errors.append(standard_error(values))
        fixed.append(standard_error(contrast(sums, shifted=False)))
    expected = np.sqrt((1 / (GROUPS * 20 * np.array([0.10, 0.08, 0.04, 0.06]))).sum())
    assert np.std(found) == pytest.approx(expected, rel=0.17)  # four standard errors of 300 draws
    assert np.mean(errors) == pytest.approx(expected, rel=0.04)
    assert np.mean(fixed) < 0.8 * expected
    assert np.mean(found) == pytest.approx(np.log(0.10 / 0.08 * 0.04 / 0.06), abs=4 * expected / np.sqrt(300))


def test_of_all_customers_nothing_shifts_and_of_some_their_own_levels_count():
    sums = chained(np.random.default_rng(4), 20.0)
    assert np.allclose(level_shift(sums, EVERY)[0], 0.0)
    half = EVERY[::2]
    own = CampaignSums(sums.trials[half], sums.events[half])
    fixed, alone = (fit_levels(each.trials.sum(axis=0), each.events.sum(axis=0)) for each in (sums, own))
    trials = own.trials.sum(axis=0)
    assert np.allclose(level_shift(sums, half)[0], np.log(alone @ trials / (fixed @ trials)))


def test_an_option_without_texts_does_not_shift():
    sums = CampaignSums(np.full((GROUPS, 1, 3), [9.0, 9.0, 0.0]), np.full((GROUPS, 1, 3), [1.0, 2.0, 0.0]))
    assert (level_shift(sums, EVERY)[:, 2] == 0).all()
    nothing = CampaignSums(np.zeros((GROUPS, 0, 2)), np.zeros((GROUPS, 0, 2)))
    assert np.array_equal(level_shift(nothing, EVERY), np.zeros((1 + GROUPS, 2)))
