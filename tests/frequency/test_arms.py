"""The arms without a model: definitions computed by hand, and the closed form of the simulation."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.frequency.arms import compare_with_smallest, estimate_arms
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.simulation.ground_truth import SEGMENTS, draw_world, expected
from tests.frequency.samples import DOSES, cells_of


@pytest.mark.parametrize("natural", [0, 1])
def test_by_hand(natural):
    """Four customers an arm: profit 10 each without texts; 15 with two a week, of whom two left in 20 weeks."""
    zero = pd.DataFrame({"arm": "none", "weeks": 10.0, "left": [natural, 0, 0, 0], "gross": 10.0, "cost": 0.0})
    two = pd.DataFrame({"arm": "two", "weeks": [2.0, 3.0, 5.0, 10.0], "left": [1, 1, 0, 0], "gross": [16, 15, 16, 17]})
    two["cost"] = 1.0
    # The same four in each of the 64 groups: nothing for the jackknife to correct.
    people = pd.concat([zero, two]).merge(pd.DataFrame({"group": range(64)}), how="cross")
    rows = estimate_arms(cells_of(people), {"none": 0.0, "two": 2.0})
    row = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] == 2)].iloc[0]
    assert row["profit"] == pytest.approx((15 - 10) * 4 / 20)
    assert row["hazard"] == pytest.approx(2 / 20)
    none = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] == 0)].iloc[0]
    assert none["profit"] == 0.0
    assert none["hazard"] == pytest.approx(natural / 40)


def steady_policy(rng, world, kind, customers, weeks):
    """Outcomes of one simulated segment at each frequency, week by week; opting out ends the texts."""
    parts = []
    for arm, dose in DOSES.items():
        truth = expected(world, kind, texts_per_week=dose, hour=12)
        stays = (1 - truth.opt_out_per_week) * (1 - world.weekly_loss[kind])
        started = np.minimum(rng.geometric(1 - stays, customers), weeks)
        left = rng.random(customers) >= stays  # of those still there in the last week
        left = np.where(started < weeks, True, left)
        # A week brings an order of ten now and then; what they buy anyway is as skewed.
        more = truth.profit_per_week + 0.05 * dose
        gross = 10 * rng.poisson(np.maximum(more, 0) * started / 10) + rng.poisson(0.3, customers) * rng.lognormal(
            3, 0.7, customers
        )
        parts.append(pd.DataFrame({
            "arm": arm, "weeks": started.astype(float), "left": left, "gross": gross, "cost": 0.05 * dose * started,
            "group": np.arange(customers) % 64,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("kind", range(len(SEGMENTS)))
def test_profit_and_opt_outs_match_the_closed_form(kind):
    rng = np.random.default_rng([71, kind])
    world = draw_world(3)
    truth = expected(world, kind, texts_per_week=np.array([1.0, 2.0, 4.0]), hour=12)
    assert (truth.profit_per_week + 0.05 * np.array([1.0, 2.0, 4.0]) > 0).all()
    rows = estimate_arms(cells_of(steady_policy(rng, world, kind, 60_000, 11)), DOSES)
    rows = rows[(rows["segment"] == ALL) & (rows["messages_per_week"] > 0)].sort_values("messages_per_week")
    for name, low, high, true in (
        ("profit", "low", "high", truth.profit_per_week),
        ("hazard", "hazard_low", "hazard_high",
         1 - (1 - truth.opt_out_per_week) * (1 - world.weekly_loss[kind])),
    ):  # fmt: skip
        error = (rows[high] - rows[low]).to_numpy(float) / 3.92
        assert (np.abs(rows[name].to_numpy(float) - true) < 4 * error).all(), name
    assert (rows["hazard_high"] - rows["hazard_low"] < 0.3 * rows["hazard"]).all()  # tight enough to fail


def test_the_best_frequency_differs_between_short_and_long_run():
    """In the simulation, as the notebook explains: more texts earn more this week and less in the long run."""
    world = draw_world(3)
    doses = np.array([0.0, 1.0, 2.0, 4.0])
    truths = [expected(world, kind, texts_per_week=doses, hour=12) for kind in range(len(SEGMENTS))]
    short = [doses[np.argmax(each.profit_per_week)] for each in truths]
    long = [doses[np.argmax(each.long_run_profit)] for each in truths]
    assert all(a >= b for a, b in zip(short, long, strict=True))
    assert short != long


def test_without_a_zero_arm_the_fewest_texts_are_the_reference():
    """Profit 1, 2, 3 against 2, 3, 4: −1 against the fewest texts, with Welch's t of 4 degrees of freedom."""
    people = pd.DataFrame({"arm": ["two"] * 3 + ["one"] * 3, "weeks": 4.0, "left": 0, "cost": 0.0,
                           "gross": [1.0, 2.0, 3.0, 2.0, 3.0, 4.0]})  # fmt: skip
    rows = compare_with_smallest(cells_of(people), {"one": 1.0, "two": 2.0})
    assert rows["messages_per_week"].tolist() == [1.0, 2.0]
    assert np.isnan(rows.loc[0, ["difference", "low", "high"]].to_numpy(float)).all()
    half_width = 2.7764 * np.sqrt(2 / 3)
    assert rows.loc[1, ["difference", "low", "high"]].tolist() == pytest.approx(
        [-1, -1 - half_width, -1 + half_width], abs=1e-4
    )
