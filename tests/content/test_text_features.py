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


@pytest.mark.parametrize("text", [
    "Reply STOP to opt out", "reply STOP", "Text STOP to 12345", "Reply \"STOP\" to unsubscribe", "STOP 2 end",
    "Txt END to opt-out", "Reply 0 to opt out", "回T退订", "回0000退订", "退订回0000", "退订回T", "回复TD退订",
    "拒收请回复R", "退订，回N", "回复“T”可退订",
])  # fmt: skip
def test_an_opt_out_notice_is_no_invitation_to_reply(text):
    assert not read_features(f"Our autumn coats: {text}").has("reply")
    assert not read_features(f"【北风】秋装上架 {text}").has("reply")


@pytest.mark.parametrize(
    "text", ["Reply 1 or 2, reply STOP to end", "Reply YES", "回复1领取，回0000退订", "回2参与 回T退订"]
)
def test_an_invitation_to_reply_beside_the_notice_is_one(text):
    assert read_features(text).has("reply")


@pytest.mark.parametrize(("text", "depth"), [
    ("BOGO all weekend", 1 / 2), ("bogof", 1 / 2), ("Buy one get one free", 1 / 2), ("Buy 2, get 1 free", 1 / 3),
    ("Buy three get two free", 2 / 5), ("2 for 1 on mugs", 1 / 2), ("3-for-2", 1 / 3), ("Save up to 30%", 0.3),
    ("save up to 30 %", 0.3), ("20 percent off", 0.2), ("12.5% off", 0.125), ("half off", 0.5),
    ("买一送一", 1 / 2), ("买二送一", 1 / 3), ("买3送1", 1 / 4), ("第二件半价", 1 / 4), ("第2件5折", 1 / 4),
    ("第二件0元", 1 / 2), ("第三件五折", 1 / 6), ("满300减50", 1 / 6), ("满¥200立减¥30", 0.15), ("对折", 0.5),
    ("8折", 0.2), ("88折", 0.12), ("8.8折", 0.12), ("八八折", 0.12), ("最高优惠30%", 0.3), ("9.5折", 0.05),
    ("10折还是8折", 0.2), ("第二件半价，全场9折", 1 / 4),
])  # fmt: skip
def test_depth_of_an_offer_worked_out_by_hand(text, depth):
    assert read_discount(text) == (pytest.approx(depth, abs=1e-4), True)
    assert read_features(text).has("discount")


@pytest.mark.parametrize("text", ["10折", "十折", "100% cotton", "4 for 5 people", "two for tea", "3折叠伞架上新"])
def test_what_is_no_discount(text):
    assert not read_discount(text)[1]


@pytest.mark.parametrize(("text", "link"), [
    ("See example.com", True), ("nw.example/20", True), ("https://x.yz/a", True), ("www.Shop.fashion", True),
    ("bit.ly/3xAbc", True), ("Shop.com/Sale now", True), ("点击 t.cn/A6xyz 查看", True), ("点击t.cn/A6xyz查看", True),
    ("Visit us: shop.co.uk.", True), ("NORTH.COM", True), ("St.Ives cream", False), ("New.Shop", False),
    ("Last day.Order now", False), ("Only 3.50 each", False), ("Sale ends.in stores", False), ("e.g. coats", False),
    ("No.1 of 2024", False), ("write to ana@shop.com", False), ("上新.速来", False),
])  # fmt: skip
def test_a_link_has_a_scheme_or_a_known_ending(text, link):
    assert read_features(text).has("link") == link
