"""Billing segments: the published limits, and properties that every text has."""

from hypothesis import given
from hypothesis import strategies as st

from smsroi_helpers.content.billing import LIMITS, bill, complete, shorten
from smsroi_helpers.simulation.ground_truth import CREATIVES

TEXTS = st.text(alphabet="aZ 9€{é好😊’", max_size=400)


def test_the_published_limits():
    """reference_values: 160/153 GSM-7, 70/67 UCS-2; extension characters count two."""
    assert [bill("a" * n).segments for n in (0, 160, 161, 306, 307)] == [1, 1, 2, 2, 3]
    assert [bill("好" * n).segments for n in (70, 71, 134, 135)] == [1, 2, 2, 3]
    for letter in "€[]{}~^\\|":
        assert bill(letter).units == 2
        assert (bill("a" * 158 + letter).segments, bill("a" * 159 + letter).segments) == (1, 2)


def test_a_character_of_two_units_is_not_split_between_parts():
    # 152 + an extension character + 152: it does not fit into the first part's last septet, so 306 units take 3 parts.
    assert (bill("a" * 306).segments, bill("a" * 152 + "€" + "a" * 152).units) == (2, 306)
    assert bill("a" * 152 + "€" + "a" * 152).segments == 3


@given(TEXTS, TEXTS)
def test_a_longer_text_never_takes_fewer_segments(text, more):
    assert bill(text + more).segments >= bill(text).segments


@given(st.text(alphabet="abc €", max_size=200))
def test_one_emoji_makes_a_text_ucs_2(text):
    found = bill(text + "😊")
    assert (found.encoding, found.units) == ("UCS-2", len(text) + 2)


@given(TEXTS)
def test_a_shorter_version_is_cheaper_or_left_alone(text):
    now, version = bill(text), shorten(text)
    assert version.segments < now.segments if version.how != "none" else version.segments == now.segments
    assert now.excess == max(now.units - LIMITS[now.encoding][0], 0)


@given(st.text(alphabet="aZ 9€{é好😊’", min_size=50, max_size=400))
def test_a_text_changed_as_advised_costs_what_is_promised(text):
    version = shorten(text)
    changes = {version.how, version.first}
    if changes & {"replace", "drop_emoji"}:
        text = text.replace("’", "'")
    if "drop_emoji" in changes:
        text = " ".join(text.replace("😊", "").split(" ")).strip()
    assert bill(text[: len(text) - version.cut]).segments == version.segments


def test_the_simulated_texts_cost_what_the_simulator_bills():
    """Another implementation: `Creative.billing_segments`; it counts an emoji as one, and no text is near the limit."""
    for each in CREATIVES:
        for market, text in enumerate(each.texts):
            assert bill(text).segments == each.billing_segments(market)


def test_signature_and_notice_are_billed_once():
    text = complete("好" * 63, "【北风】", "回T退订")
    assert (len(text), bill(text).segments) == (71, 2)
    assert complete(text, "【北风】", "回T退订") == text
