"""Weekdays of an action: spread over customers, and chosen only where one is shown to be better."""

import numpy as np
import pytest

from smsroi_helpers.send_plan.weekdays import (
    best_weekdays,
    only_shown,
    spread_weekdays,
    turned_weekdays,
    weekday_shares,
)

EVEN = np.full(7, 1 / 7)


def effects_of(rng, rate, exposure=900.0, groups=64):
    """Clicks per text of seven weekdays over their mean, from counts by group of customers: (1 + groups, 1, 7)."""
    events = rng.poisson(np.broadcast_to(rate, 7) * exposure, (groups, 7))
    total = np.concatenate([events.sum(axis=0)[None], events.sum(axis=0) - events])
    return (total / total.mean(axis=1, keepdims=True))[:, None, :]


@pytest.mark.parametrize("texts", [0.5, 1, 1.5, 2, 3, 4, 7])
@pytest.mark.parametrize("weekdays", [(5,), (1, 5), (0, 2, 4), (0, 1, 2, 3, 4), tuple(range(7))])
def test_every_customer_has_the_weekdays_needed_and_all_together_every_weekday(texts, weekdays):
    needed = min(int(np.ceil(texts)), len(weekdays))
    turns = [turned_weekdays(texts, weekdays, turn) for turn in range(len(weekdays))]
    assert all(len(set(days)) == len(days) == needed and set(days) <= set(weekdays) for days in turns)
    assert turns[0] == spread_weekdays(texts, weekdays)
    assert [days[0] for days in turns] == list(weekdays)
    counted = np.bincount([day for days in turns for day in days], minlength=7)
    assert weekday_shares(weekdays) == pytest.approx(counted / counted.sum())


def test_no_weekdays_have_no_shares():
    assert weekday_shares(()).tolist() == [0.0] * 7
    assert best_weekdays(np.ones(7), np.array([], int), 1) == ()
    assert best_weekdays(np.ones(7), np.array([1, 2]), 3) == ()


def test_weekdays_alike_stay_alike_in_nineteen_worlds_of_twenty():
    rng = np.random.default_rng(5)
    rounds = 400
    split = [np.ptp(only_shown(effects_of(rng, 0.1), EVEN)[0]) > 0 for _ in range(rounds)]
    # The best of seven is compared with each: at most one in twenty, with what 400 rounds leave open.
    assert np.mean(split) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)


def test_a_clearly_better_weekday_is_found_and_the_mean_stays():
    rate = np.full(7, 0.1)
    rate[5] = 0.13
    seen = effects_of(np.random.default_rng(6), rate)
    found = only_shown(seen, EVEN)
    assert best_weekdays(found[0, 0], np.arange(7), 1) == (5,)
    assert best_weekdays(found[0, 0], np.arange(5), 1) != ()  # where it is not allowed, the best of the others
    assert found.mean(axis=2) == pytest.approx(seen.mean(axis=2))
    assert found[0, 0, 5] == pytest.approx(seen[0, 0, 5])


def test_an_estimate_without_replicates_is_left_as_it_is():
    one = np.linspace(0.9, 1.1, 7)[None, None]
    assert only_shown(one, EVEN) is one


def test_a_weekday_without_texts_is_not_the_best():
    """Nothing is known of it: others are not compared with it, whatever the model takes it for."""
    mix = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 0.0])
    seen = effects_of(np.random.default_rng(7), 0.1)
    seen[:, :, 5:] = 1.5
    assert len({0, 1, 2, 3, 4} & set(best_weekdays(only_shown(seen, mix)[0, 0], np.arange(7), 1))) > 1
