"""Features of texts in both languages, read by hand."""

import math

import pytest

from smsroi_helpers.content.text_features import FEATURES, read_discount, read_features


@pytest.mark.parametrize(("text", "present"), [
    ("Hi {first_name}, which colour next? Reply 1 or 2", {"personal", "question", "reply", "vote"}),
    ("Reply STOP to opt out", set()),
    ("回T退订", set()),
    ("Read Ana's story: example.com/ana 😊", {"story", "link", "emoji"}),
    ("【北风】最后机会！全场八折 回T退订", {"urgency", "discount", "negative"}),
    ("春节快乐", {"festival", "positive"}),
    ("您更喜欢哪个？回复1或2投票", {"question", "reply", "vote", "positive"}),
    ("抢先一看", set()),
])  # fmt: skip
def test_features_by_hand(text, present):
    assert read_features(text).present == present
    assert present <= set(FEATURES)


@pytest.mark.parametrize(("text", "depth"), [
    ("20% off", 0.2), ("全场九折", 0.1), ("八五折", 0.15), ("85折", 0.15), ("8.5折", 0.15), ("五折", 0.5),
    ("满300减50", 1 / 6), ("半价", 0.5), ("Save 30%", 0.3), ("up to 10% off, now 40% off", 0.4),
])  # fmt: skip
def test_depth_of_a_discount(text, depth):
    assert read_discount(text) == (pytest.approx(depth, abs=1e-4), True)


def test_an_amount_off_has_no_depth():
    depth, named = read_discount("立减50元")
    assert named
    assert math.isnan(depth)
    assert not read_discount("20 new colours")[1]
