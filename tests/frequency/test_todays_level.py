"""The level of today: what is counted, q from sums made for it, and what it does to profit and opt-outs."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers.cltv import NaturalLoss
from smsroi_helpers.frequency.counts import ALL
from smsroi_helpers.frequency.dose_response import fit_response
from smsroi_helpers.frequency.recent_counts import count_recent
from smsroi_helpers.frequency.tables import test_note as note_on_the_test
from smsroi_helpers.frequency.todays_level import carry_recent, draw_level
from smsroi_helpers.segmentation import find_covariates, find_cuts
from tests.frequency.samples import DOSES, cells_of, responsive, source


def recent_of(segment, messages, clicks, opt_outs, weeks, turn=1):
    """Today's sums of a group, nearly equal in all jackknife groups: of `2 * turn`, half have 1 % more events."""
    sums = {"n": weeks / 4, "messages": messages, "weeks": weeks}
    events = {"clicks": clicks, "opt_outs": opt_outs}
    return pd.DataFrame([
        {"segment": segment, "group": k}
        | {name: x / 64 for name, x in sums.items()}
        | {name: x / 64 * (1 + (-1) ** (k // turn) * 0.005) for name, x in events.items()}
        for k in range(64)
    ])  # fmt: skip


def cells_at(segment, rates, hazards, weeks=6_400.0):
    """Cells of a test with these clicks per text and opt-outs per week by dose."""
    return pd.concat([
        recent_of(segment, dose * weeks, rate * dose * weeks, hazard * weeks, weeks, turn=2).assign(dose=dose)
        for dose, rate, hazard in zip((1.0, 2.0, 4.0), rates, hazards, strict=True)
    ])  # fmt: skip


def test_today_is_counted_of_those_subscribed_when_its_weeks_began(study_of):
    rows, _arm = source()
    shop, study = study_of()
    practice, cuts = study.logs.practice, find_cuts(shop)
    covariates = find_covariates(shop, cuts, practice.first_day, "sms")
    found = count_recent(shop, practice, "rfm_group", cuts, covariates)
    start = dt.datetime.combine(practice.first_day, dt.time())
    end = dt.datetime.combine(practice.last_day + dt.timedelta(days=1), dt.time())
    left = {}
    for row in rows["messages"]:
        if row["opted_out_at"]:
            left[row["customer_id"]] = min(row["opted_out_at"], left.get(row["customer_id"], end))
    # the test is over, so its customers are in the practice like the others
    people = {row["customer_id"] for row in rows["customers"]}
    people = {name for name in people if left.get(name, end) >= start}
    sent = [row for row in rows["messages"] if row["customer_id"] in people and start <= row["sent_at"] < end]
    tapped = [row for row in sent if row["clicked_at"]]
    human = [row for row in tapped if (row["clicked_at"] - row["delivered_at"]).total_seconds() >= 5]
    gone = [left[name] for name in people if left.get(name, end) < end]
    weeks = 4 * (len(people) - len(gone)) + sum((at - start).total_seconds() / 604_800 for at in gone)
    assert found[["n", "messages", "clicks", "opt_outs"]].sum().tolist() == [
        len(people), len(sent), len(human), len(gone),
    ]  # fmt: skip
    assert found["weeks"].sum() == pytest.approx(weeks, abs=1e-3)
    assert len(sent) > 100
    assert len(gone) > 0


def test_q_is_the_ratio_of_rates_at_todays_frequency():
    cells = pd.concat([cells_at(name, (0.20, 0.16, 0.09), (0.004, 0.009, 0.03)) for name in "abc"])
    # a and b at 3 texts a week: between 0.16 and 0.09, and 0.009 and 0.03, on the logarithmic scale
    clicks, leaves = np.sqrt(0.16 * 0.09), np.sqrt(0.009 * 0.03)
    recent = pd.concat([
        recent_of("a", 9_000, 0.5 * clicks * 9_000, 2.0 * leaves * 3_000, 3_000),
        recent_of("b", 9_000, 0.5 * clicks * 9_000, 2.0 * leaves * 3_000, 3_000),
        recent_of("c", 20_000, 0.25 * 0.20 * 20_000, 0.5 * 0.004 * 20_000, 20_000),
        recent_of(ALL, 38_000, 0.4 * 0.15 * 38_000, 0.005 * 26_000, 26_000),
    ])  # fmt: skip
    level = draw_level(recent, cells, cells, (ALL, "a", "b", "c"), np.random.default_rng(1), 400)
    assert np.allclose(level.clicks[1:].mean(axis=1), [0.5, 0.5, 0.25], rtol=1e-3)
    assert np.allclose(level.opt_outs[1:].mean(axis=1), [2.0, 2.0, 0.5], rtol=1e-3)


def test_a_group_of_whom_nothing_is_seen_today_is_like_the_others_only_less_certain():
    cells = pd.concat([cells_at(name, (0.20, 0.16, 0.09), (0.004, 0.009, 0.03)) for name in "abcd"])
    recent = pd.concat([
        recent_of(name, 6_000, q * 0.16 * 6_000, 0.009 * 3_000, 3_000)
        for name, q in (("a", 0.4), ("b", 0.6), ("c", 0.5), (ALL, 0.5))
    ])  # fmt: skip
    level = draw_level(recent, cells, cells, (ALL, "a", "b", "c", "d"), np.random.default_rng(1), 4_000)
    assert 0.4 < np.median(level.clicks[4]) < 0.6
    assert level.clicks[4].std() > 0.05
    assert level.clicks[1].std() < 0.01


def test_nothing_seen_today_leaves_the_level_of_the_test():
    cells = pd.concat([cells_at(name, (0.20, 0.16, 0.09), (0.004, 0.009, 0.03)) for name in "ab"])
    level = draw_level(recent_of(ALL, 0, 0, 0, 100), cells, cells, (ALL, "a", "b"), np.random.default_rng(1), 10)
    assert (level.clicks == 1).all()
    assert (level.opt_outs == 1).all()


def test_profit_follows_the_clicks_of_today_and_opt_outs_their_own_level():
    cells = cells_of(responsive(np.random.default_rng(75)))
    assert set(cells["segment"]) == set("abcd")
    recent = pd.concat([
        recent_of(name, 6_000, 0.5 * 0.08 * np.exp(-0.2) * 6_000, 0.01 * 3_000 * 0.7, 3_000)
        for name in (ALL, *"abcd")
    ])  # fmt: skip
    given = {"loss": NaturalLoss.constant(0.01), "draws": 2_000}
    then = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), **given)
    now = fit_response(cells, DOSES, 0.002, np.random.default_rng(1), recent=recent, **given)
    at = then.grid_index(2.0)
    ratio = now.gross[:, at].mean(axis=-1) / then.gross[:, at].mean(axis=-1)
    assert np.allclose(ratio, 0.5, atol=0.06)
    # 0.01 a week was the truth at two texts, and is 0.007 now: 0.002 without texts, and 0.005 instead of 0.008 caused
    caused = [(each.hazard[:, at] - each.hazard[:, 0]).mean(axis=-1) for each in (now, then)]
    assert np.allclose(caused[0] / caused[1], 0.005 / 0.008, atol=0.15)
    assert np.allclose(now.hazard[:, 0], then.hazard[:, 0])


def test_recent_weeks_are_weighted_by_todays_covariates():
    recent = pd.DataFrame({
        "segment": "a", "stage": "x", "cell": ["0", "1"], "group": 0, "n": 400, "messages": 3_200, "clicks": [320, 32],
        "opt_outs": 4, "weeks": 1_600.0,
    })  # fmt: skip
    now = pd.DataFrame({"segment": "a", "cell": ["0", "1"], "n": [100, 300]})
    found = carry_recent(recent, now)
    own = found[found["segment"] == "a"]
    # a quarter at 10 %, three quarters at 1 %
    assert (own["clicks"] / own["messages"]).item() == pytest.approx(0.25 * 0.10 + 0.75 * 0.01)


def test_the_page_says_at_which_level_it_is(study_of):
    shop, study = study_of()
    assert study.logs.practice.last_day == shop.as_of - dt.timedelta(days=9)  # the day of the last message
    words = note_on_the_test(study).markup
    assert "clicked" in words
    assert "as often per text as the test predicts" in words
