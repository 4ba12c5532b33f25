"""The best hours, their gain, and allowed hours; with a simulated company and a public sample."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from smsroi_helpers import timing
from smsroi_helpers.segmentation import segments
from smsroi_helpers.timing import best_hours, places, study
from smsroi_helpers.timing import counts as timing_counts
from smsroi_helpers.timing import wording as timing_wording
from tests.machine import PUBLIC_DATA
from tests.timing.samples import PACIFIC, cells_of, decisions_of, looked, messages_at, opened, orders_of, wave

ROOT = Path(__file__).parents[2]


def test_customers_unlike_the_tests_make_a_gain_less_certain_and_never_a_loss():
    gains = pd.DataFrame({"hour": [9, 10, 11], "gain": [6.0, -6.0, 0.0], "gain_low": [2.0, -10.0, -4.0],
                          "gain_high": [10.0, -2.0, 4.0]})  # fmt: skip
    found = places.with_uncovered(gains, 0.6)
    assert found["gain"].tolist() == gains["gain"].tolist()
    widths = found["gain_high"] - found["gain_low"]
    assert (widths > 8).all()
    assert 0 < found.loc[0, "gain_low"] < 2
    assert -2 < found.loc[1, "gain_high"] < 0
    assert found.loc[2, "gain_low"] == -found.loc[2, "gain_high"]
    assert places.with_uncovered(gains, 1.0).equals(gains)


def test_equal_rates_are_flat_and_few_data_are_open():
    def flat(hour, name):
        return np.full(len(hour), 0.06)

    rng = np.random.default_rng(6)
    many, few = (cells_of(rng, flat, n, hours=range(8, 20)) for n in (60_000, 400))
    sure = best_hours.find_best_hours(looked(many), np.random.default_rng(1), smallest_click_gain=0.012)[0]
    unsure = best_hours.find_best_hours(looked(few), np.random.default_rng(1), smallest_click_gain=0.002)[0]
    assert (sure.outcome, unsure.outcome) == ("flat", "open")
    flat_words = timing_wording.decide(looked(many), [sure])[0]
    assert (flat_words.outcome, flat_words.action) == (
        "dont",
        "Leave the hours as they are: take the cheapest allowed one",
    )


def test_today_at_the_best_hour_loses_nothing():
    rate, covariance = np.array([0.05, 0.08]), np.diag([1e-6, 1e-6])
    may = np.ones(2, bool)
    rng = np.random.default_rng(1)
    gain, low, high, _ = best_hours.compare_with_today(rate, covariance, np.array([0.0, 1.0]), may, 0.0, rng)
    assert gain.tolist() == pytest.approx([-0.03, 0.0])
    assert (low[1], high[1]) == (0.0, 0.0)
    # By hand: with half at each, the second brings half the distance, with the error √(.5² + .5²) · .001.
    gain, low, high, p = best_hours.compare_with_today(rate, covariance, np.array([0.5, 0.5]), may, 0.0, rng)
    assert gain[1] == pytest.approx(0.015)
    assert (high[1] - low[1]) / 2 / (np.sqrt(0.5) * 1e-3) == pytest.approx(2.0, abs=0.15)  # t63: 2.00
    assert p < 0.001
    _, _, _, hard = best_hours.compare_with_today(rate, covariance, np.array([0.5, 0.5]), may, 0.015, rng)
    assert hard > 0.4  # the gain equals the threshold


def test_limits_are_simultaneous_over_the_candidate_windows():
    """With one candidate c is Student's t; with twelve equal independent ones it is Šidák's value."""
    rate, covariance, today = np.full(12, 0.05), np.eye(12) * 1e-6, np.zeros(12)
    half_width = {}
    for n in (1, 12):
        rng = np.random.default_rng(2)
        _, low, high, _ = best_hours.compare_with_today(
            rate, covariance, today, np.arange(12) < n, 0.0, rng, draws=40_000
        )
        half_width[n] = (high[0] - low[0]) / 2 / 1e-3
    # Four standard errors of a quantile of 40,000 draws: 4 √(.05 · .95 / 40,000) / density (.06 and .10).
    assert half_width[1] == pytest.approx(stats.t.ppf(0.975, 63), abs=0.08)
    assert half_width[12] == pytest.approx(stats.t.ppf((1 + 0.95 ** (1 / 12)) / 2, 63), abs=0.08)


def test_segments_are_tested_after_all_customers_or_on_their_own():
    """Two segments with opposite patterns cancel out over all customers; each needs its own evidence."""

    found = {}
    for strength in (0.02, 0.8):

        def opposed(hour, name, strength=strength):
            return wave(hour, best=8 if name == "b" else 20, strength=strength)

        cells = cells_of(np.random.default_rng(8), opposed, 3_000, ("a", "b"), hours=range(8, 20))
        answers = best_hours.find_best_hours(looked(cells, today={8: 0.5, 19: 0.5}), np.random.default_rng(1))
        found[strength] = {each.segment: each for each in answers}
        everybody, *halves = answers
        assert everybody.outcome != "move"
        alone = 2 * min(each.all_windows_p for each in halves) / 0.2
        after = max(everybody.p_value, 2 * min(each.p_value for each in halves)) / 0.8
        assert min(each.adjusted_p for each in halves) == pytest.approx(min(alone, after, 1.0))
    assert {found[0.02][name].outcome for name in "ab"} == {"open"}
    assert {found[0.8][name].outcome for name in "ab"} == {"move"}
    assert found[0.8]["a"].windows["hour"][found[0.8]["a"].best] > 16
    assert found[0.8]["b"].windows["hour"][found[0.8]["b"].best] < 11


def test_hours_are_not_tested_again_in_a_segment_once_they_differ_for_all():
    value, covariance = np.array([0.30, 0.28, -0.02, -0.05]), np.eye(4) * 0.02
    alone, after = (
        best_hours.best_windows(value, covariance, np.random.default_rng(1), alpha=alpha) for alpha in (0.05, 1.0)
    )
    assert alone.all()
    assert after.tolist() == [True, True, False, False]


def test_hours_that_are_not_allowed_are_never_recommended(clear):
    seen = looked(clear)
    answers = best_hours.find_best_hours(dataclasses.replace(seen, own_hours=(8, 12)), np.random.default_rng(1))
    for answer in answers:
        assert answer.windows["until"].max() <= 12
    none = dataclasses.replace(seen, own_hours=(0, 1))
    assert best_hours.find_best_hours(none, np.random.default_rng(1)) == []


def test_the_experiment_decides(company, seen):
    assert seen.test is not None
    assert seen.test.experiment.kind == "timing"
    assert seen.main.evidence == "randomised"
    assert seen.observational is not None
    # Messages count at their arm's hour (intention to treat), so there are as many hours as windows.
    assert seen.randomised.cells["hour"].nunique() == len(seen.test.windows) == 12
    answers = best_hours.find_best_hours(seen, np.random.default_rng(1), smallest_gain=0.002)
    assert answers[0].segment == "all"
    for answer in answers:
        assert (seen.allowed[answer.windows["hour"]] > 0).all()
        assert answer.chosen.any()
        low, high = answer.windows["gain_low"], answer.windows["gain_high"]
        assert ((low <= answer.windows["gain"]) & (answer.windows["gain"] <= high)).all()
    for decision in timing_wording.decide(seen, answers):
        assert decision.text
    rows = timing.response_rows(seen)
    # A segment of today without members in the test has a row, worked out from members like its own.
    assert set(rows["evidence"]) == {"modelled", "observational"}  # rates of a smooth, pooled curve
    assert set(seen.randomised.segments) >= set(segments(company).to_pandas()["segment"])
    assert ((rows["low"] <= rows["rate"]) & (rows["rate"] <= rows["high"])).all()
    shown = rows[(rows["segment"] == "all") & (rows["evidence"] == "modelled")]
    assert shown["messages"].sum() == seen.randomised.cells["messages"].sum()


def test_each_parameter_changes_the_result(company, seen):
    other = study.analyse(company, segment_by="attr_age_band", practice_weeks=2, own_hours="9-12")
    assert set(other.randomised.by_segment.segments) != set(seen.randomised.by_segment.segments)
    assert other.practice["messages"].sum() < seen.practice["messages"].sum()
    assert other.allowed.nonzero()[0].tolist() == [9, 10, 11]
    brief = timing_counts.collect_sends(company, 1)
    clicks = [sends.cleaning.set_index("machine")["clicks"] for sends in (brief, seen.sends)]
    assert clicks[0].sum() < clicks[1].sum()


def test_segments_without_clicks_or_texts_get_no_hour(make_source, open_source):
    """One segment never clicks and one never gets a text; the other segment keeps its answer."""
    people = "customer_id,attr_kind\n" + "".join(f"c{i},{'deaf' if i % 4 == 1 else 'lively'}\n" for i in range(200))
    people += "".join(f"d{i},unsent\n" for i in range(20))
    shop = open_source(
        make_source(source=PACIFIC, orders=orders_of(), messages=messages_at([9, 12, 15]), customers=people)
    )
    found, answers, decided = decisions_of(shop, segment_by="attr_kind")
    assert [answer.segment for answer in answers] == ["all", "lively"]
    assert [decision.segment for decision in decided] == ["all", "lively"]
    rows = timing.response_rows(found)
    assert "unsent" not in set(rows["segment"])
    deaf = rows[rows["segment"] == "deaf"]
    assert len(deaf)
    assert deaf["rate"].isna().all()


@pytest.mark.public_data
def test_of_the_public_advertisements_no_best_hour_is_supported(tmp_path, monkeypatch):
    file = PUBLIC_DATA / "marketing_ab" / "marketing_AB_2pct_sample.csv.gz"
    monkeypatch.setenv("MARKETING_AB_CSV", str(file))
    shop = opened(ROOT / "data" / "marketing_ab", tmp_path, "2019-07-31")
    found, answers, decided = decisions_of(shop, window_hours=336)
    cells = found.observational.cells
    raw = pd.read_csv(file)
    raw = raw[raw["test group"] == "ad"]
    plain = raw.groupby("most ads hour")["converted"].agg(["size", "sum"])
    counted = cells.groupby("hour")[["messages", "clicks"]].sum()
    assert counted.to_numpy().tolist() == plain.to_numpy().tolist()
    by_day = raw.groupby("most ads day").size()
    names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    assert cells.groupby("weekday")["messages"].sum().tolist() == by_day[names].tolist()
    # Pearson's p is .24 over all 24 hours of both arms; overdispersion between customers can only raise it.
    both = pd.crosstab(pd.read_csv(file)["most ads hour"], pd.read_csv(file)["converted"])
    assert stats.chi2_contingency(both).pvalue == pytest.approx(0.24, abs=0.005)
    counts = np.stack([plain["sum"], plain["size"] - plain["sum"]])
    assert answers[0].hours_differ_p >= stats.chi2_contingency(counts).pvalue
    assert "No best hour is supported" in decided[0].text
    # Some went out at night: that is the finding there, and no hour is called better anywhere.
    assert all(decision.outcome == "not_enough_evidence" or decision.evidence == "descriptive" for decision in decided)
    assert not found.click.known
