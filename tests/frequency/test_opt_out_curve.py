"""Opt-outs by texts per week: shapes that differ between segments, an unlucky arm, monotonicity, no opt-outs."""

import numpy as np

from smsroi_helpers.frequency.opt_out_curve import draw_opt_outs

TESTED = np.array([0.0, 1.0, 2.0, 4.0])
GRID = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0])
PLACE = np.searchsorted(GRID, TESTED)


def covered(powers, seeds=40, customers=1_500):
    """Share of intervals that contain the truth, by tested dose; segments' opt-outs rise with texts to `powers`."""
    powers = np.asarray(powers)
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([11, seed])
        level = 0.005 * np.exp(0.3 * rng.standard_normal(len(powers)))
        truth = 0.002 + level[:, None] * TESTED ** powers[:, None]
        weeks = customers / 4 * 11 * np.exp(-5 * truth)
        drawn = draw_opt_outs(rng.poisson(weeks * truth).astype(float), weeks, TESTED, GRID, rng, 500)[:, PLACE]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=-1)
        found.append((low <= truth) & (truth <= high))
    return np.mean(found)


def test_segments_may_differ_in_shape():
    """Four standard errors of 640 intervals that are not quite independent: 0.05."""
    assert covered([1.0, 1.0, 1.0, 1.0]) > 0.90
    assert covered([0.5, 1.0, 1.5, 2.0]) > 0.90


def test_one_shape_for_all_would_miss():
    """Scaling all customers' opt-outs by a factor per segment, with enough data that only the shape can be wrong."""
    truth = 0.002 + 0.005 * TESTED ** np.array([[0.5], [2.0]])
    ratio = truth.mean(axis=1, keepdims=True) / truth.mean()
    assert (np.abs(ratio * truth.mean(axis=0) / truth - 1)[:, 1] > 0.3).all()
    weeks = np.full((2, 4), 4e6)
    drawn = draw_opt_outs(weeks * truth, weeks, TESTED, GRID, np.random.default_rng(1), 200)[:, PLACE]
    assert (np.abs(drawn.mean(axis=-1) / truth - 1) < 0.02).all()


def test_an_unlucky_arm_is_smoothed():
    """Twice as many opt-outs at two texts as the neighbours suggest, by chance: 20 instead of 10."""
    weeks = np.full((1, 4), 1_000.0)
    seen = np.array([[2.0, 6.0, 20.0, 18.0]])
    drawn = draw_opt_outs(seen, weeks, TESTED, GRID, np.random.default_rng(1), 4_000)[0].mean(axis=-1)
    at_two, at_four = drawn[PLACE[2]], drawn[PLACE[3]]
    assert 0.010 < at_two < 0.019
    assert at_four > at_two


def test_opt_outs_never_fall_with_texts():
    seen, weeks = np.array([[3.0, 20.0, 12.0, 9.0], [1.0, 4.0, 9.0, 2.0]]), np.full((2, 4), 1_500.0)
    drawn = draw_opt_outs(seen, weeks, TESTED, GRID, np.random.default_rng(2), 500)
    assert (np.diff(drawn, axis=1) >= -1e-12).all()
    assert ((drawn > 0) & (drawn < 1)).all()


def test_without_an_opt_out_the_rate_is_small_and_not_0():
    weeks = np.full((3, 4), 5_000.0)
    drawn = draw_opt_outs(np.zeros((3, 4)), weeks, TESTED, GRID, np.random.default_rng(3), 500)
    # 60,000 weeks without one: the exact 97.5 % limit of the pooled rate is 6e-5.
    assert drawn[:, 1:].mean() < 5e-4
    assert (drawn > 0).all()


def test_customers_who_are_not_texted_inform_the_natural_rate():
    """A group of which only the natural opt-outs were counted narrows those of the test's groups."""
    weeks = np.array([[500.0, 500, 500, 500]])
    seen = np.array([[1.0, 3, 5, 10]])
    more = np.array([[400_000.0, 0, 0, 0]])
    alone = draw_opt_outs(seen, weeks, TESTED, GRID, np.random.default_rng(4), 2_000)[0, 0]
    both = draw_opt_outs(
        np.vstack([seen, 0.002 * more]), np.vstack([weeks, more]), TESTED, GRID, np.random.default_rng(4), 2_000
    )[0, 0]
    assert both.std() < 0.8 * alone.std()
