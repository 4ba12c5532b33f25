"""Weights that make a test's members like today's, by hand."""

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.statistics import carry_over, draw_uncovered, find_transport, uncovered_factor, uncovered_sd


def counts(rows):
    return pd.DataFrame(rows, columns=["segment", "cell", "n"])


THEN = counts([("a", "0", 300), ("a", "1", 100), ("b", "0", 150), ("b", "2", 250)])


def cells(then):
    """One sum that differs in every cell."""
    return then.rename(columns={"n": "people"}).assign(group=0, clicks=[30.0, 40.0, 5.0, 7.0])


def test_an_unchanged_composition_changes_nothing():
    found = find_transport(THEN, THEN.assign(n=THEN["n"] * 3))
    own, everybody = carry_over(cells(THEN), found, ["group"])
    assert found.segments["overlap"].tolist() == [1, 1, 1]
    assert (found.weights["weight"] == 1).all()
    assert own.set_index("segment").loc["a", ["people", "clicks"]].tolist() == [400, 70]
    assert everybody.set_index("segment").loc["b", ["people", "clicks"]].tolist() == [400, 12]


def test_a_changed_composition_is_weighted_by_cells():
    now = counts([("a", "0", 50), ("a", "1", 50), ("b", "0", 60), ("b", "2", 100)])
    found = find_transport(THEN, now)
    own, everybody = carry_over(cells(THEN), found, ["group"])
    row = own.set_index("segment").loc["a"]
    # Rates of clicks are .1 and .4; today half are in each cell.
    assert row["clicks"] / row["people"] == pytest.approx(0.25)
    # Kish: weights 2/3 of 300 and 2 of 100 members; (400)² ÷ (300 · 4/9 + 100 · 4) = 300.
    assert row["people"] == pytest.approx(300)
    # Of 260 today 100 are in a, with .25, and 160 in b, whose composition is as it was: 12 ÷ 400 = .03.
    assert everybody["clicks"].sum() / everybody["people"].sum() == pytest.approx((100 * 0.25 + 160 * 0.03) / 260)


def test_a_segment_without_members_then_is_weighted_from_all():
    now = counts([("a", "0", 100), ("new", "0", 20), ("new", "2", 60), ("new", "9", 20)])
    found = find_transport(THEN, now)
    own, _everybody = carry_over(cells(THEN), found, ["group"])
    row = own.set_index("segment").loc["new"]
    assert not found.own("new")
    assert found.overlap("new") == pytest.approx(0.8)
    # Cell 0 has 35 clicks of 450. Cell 1 is too small for a stratum of 200, so 1, 2 and 9 are one: 47 of 350.
    assert row["clicks"] / row["people"] == pytest.approx(0.2 * 35 / 450 + 0.8 * 47 / 350)


def test_few_members_of_a_cell_get_no_weight_of_their_own():
    then = counts([("a", "0", 400), ("a", "1", 3)])
    now = counts([("a", "0", 1), ("a", "1", 99)])
    found = find_transport(then, now)
    assert (found.weights["weight"] == 1).all()
    # Three members can stand for 3 ÷ 20 of today's.
    assert found.overlap("a") == pytest.approx(0.01 + 0.15)


def test_uncovered_members_widen():
    drawn = draw_uncovered(0.4, np.random.default_rng(1), 200_000)
    assert drawn.mean() == pytest.approx(1, abs=4 * uncovered_sd(0.4) / np.sqrt(200_000))
    assert drawn.std() == pytest.approx(uncovered_sd(0.4), rel=0.05)
    assert uncovered_factor(0.4)[1:] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.02)
    assert draw_uncovered(1.0, np.random.default_rng(1), 3).tolist() == [1, 1, 1]
    assert uncovered_sd(1.0) == 0
    assert uncovered_factor(1.0) == uncovered_factor(np.nan) == (1, 1, 1)


def test_a_test_without_members_is_refused():
    with pytest.raises(ValueError, match="no members"):
        find_transport(THEN.iloc[:0], THEN)
