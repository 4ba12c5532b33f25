"""The decisions on texts: what a difference in the log may recommend, and its amount."""

from types import SimpleNamespace

import numpy as np
import pytest

from smsroi_helpers.content.creative_profit import SegmentChoice
from smsroi_helpers.content.decision import decide_creatives


def a_segment(gain: float, texts: float, error: float = 0.01) -> SegmentChoice:
    """Two creatives sent equally often; the first brings `gain` more than their mixture, per text."""
    profit = np.random.default_rng(1).normal([2 * gain, 0.0], error, (4_000, 2))
    draws = {"profit": profit, "click": profit / 10, "order": profit / 50, "opt_out": 0 * profit}
    return SegmentChoice(
        "gold", ("a", "b"), np.array([500.0, 500.0]), np.array([0.5, 0.5]), texts, 40, draws, 0, np.array([True, False])
    )


def content(*segments: SegmentChoice, priced: bool = True) -> SimpleNamespace:
    prices = SimpleNamespace(subscriber=SimpleNamespace(known=True))
    return SimpleNamespace(by_creative=SimpleNamespace(segments=segments, priced=priced, prices=prices))


def test_a_clear_gain_in_the_log_asks_for_a_test_and_no_change():
    found = decide_creatives(content(a_segment(1.0, 100.0), a_segment(0.5, 300.0)), smallest_gain=0.002)
    assert found.outcome == "not_enough_evidence"
    # 100 texts at 1.0 and 300 at 0.5: 250 a week; error of a mean of 4,000 draws, and four of these
    assert found.value == pytest.approx(250, abs=4 * 300 * 0.01 / np.sqrt(4_000))
    assert found.low > 0
    assert found.long_run
    assert found.customers == 80


def test_no_gain_keeps_the_mixture():
    assert decide_creatives(content(a_segment(-1.0, 100.0)), smallest_gain=0.002).outcome == "dont"


def test_without_a_price_clicks_decide_nothing():
    found = decide_creatives(content(a_segment(1.0, 100.0), priced=False), smallest_gain=0.002)
    assert (found.outcome, found.reason) == ("not_enough_evidence", "no_price")
    assert np.isnan(found.value)
    assert found.click_gain[0] == pytest.approx(0.1, rel=0.01)


def test_without_creatives_beside_one_another_nothing_is_compared():
    found = decide_creatives(SimpleNamespace(by_creative=None), smallest_gain=0.0)
    assert (found.outcome, found.reason) == ("not_enough_evidence", "not_compared")


def test_where_a_test_compares_the_same_texts_the_log_has_no_amount():
    found = decide_creatives(content(a_segment(1.0, 100.0)), smallest_gain=0.002, tested={"a", "b", "c"})
    assert (found.outcome, found.reason) == ("not_enough_evidence", "tested")
    assert np.isnan(found.value)
    assert decide_creatives(content(a_segment(1.0, 100.0)), smallest_gain=0.002, tested={"b", "c"}).reason == ""
