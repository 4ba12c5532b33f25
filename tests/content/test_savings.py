"""What shorter texts would save, counted again in plain Python."""

import datetime as dt
from types import SimpleNamespace

import pytest

from smsroi_helpers import content
from smsroi_helpers.content.billing import Shortening
from smsroi_helpers.content.counts import count_billed
from smsroi_helpers.content.decision import decide_shortening
from smsroi_helpers.content.savings import Saving, find_savings
from smsroi_helpers.content.texts import read_texts

WEEKS = 26


def segments_by_hand(text):
    """Of a text in plain ASCII, 160 or 153 characters; of any other, 70 or 67 units of UTF-16."""
    units, single, part = (len(text), 160, 153) if text.isascii() else (len(text.encode("utf-16-le")) // 2, 70, 67)
    return 1 if units <= single else -(-units // part)


def day_of(instant, zone):
    """Of an instant in UTC, on the source's clock."""
    return instant.tz_localize("UTC").tz_convert(zone).date()


def test_bills_and_savings_of_the_simulated_texts(company):
    """Text by text from the rows: the emoji of `service` costs a segment, and `festival` is 7 characters too long."""
    messages, creatives = company.messages.execute(), company.creatives.execute()
    texts = {(row.campaign_id, row.variant): row.text for row in creatives.itertuples()}
    first = company.as_of - dt.timedelta(days=7 * WEEKS - 1)
    sent, paid = {}, {}
    for row in messages.itertuples():
        if row.channel == "sms" and day_of(row.sent_at, company.settings.timezone) >= first:
            text = texts[row.campaign_id, row.variant]
            sent[text], paid[text] = sent.get(text, 0) + 1, paid.get(text, 0.0) + row.cost
    read = read_texts(company)
    found = {one.text.text: one for one in find_savings(read, count_billed(company, read, WEEKS), WEEKS)}
    assert set(found) == set(sent)
    shortened = {}
    for text, one in found.items():
        assert (one.sent, one.cost) == (sent[text], pytest.approx(paid[text]))
        assert one.text.features.bill.segments == segments_by_hand(text)
        plain = text.replace("😊", "").strip()
        if segments_by_hand(text) == 1:
            saved = 0.0
        elif segments_by_hand(plain) == 1:
            saved, shortened[one.text.creative] = paid[text] / 2, Shortening("drop_emoji", 1)
        else:
            saved, shortened[one.text.creative] = paid[text] / 2, Shortening("cut", 1, len(text) - 70)
            assert segments_by_hand(text[:70]) == 1
        assert one.saved == pytest.approx(saved)
        assert one.saved_per_week == pytest.approx(saved / WEEKS)
    assert {name: one.version for one in found.values() if (name := one.text.creative) in shortened and one.saved} == (
        shortened
    )
    assert set(shortened) == {"service", "festival"}


def saving(how, cost=100.0):
    text = SimpleNamespace(creative=how, features=SimpleNamespace(bill=SimpleNamespace(segments=2)))
    return Saving(text, 1_000, 1, cost, Shortening(how, 2 if how == "none" else 1), 10)


CUSTOMERS = {"same": 30, "changed": 40, "none": 50, "all": 60}


def test_only_a_text_that_reads_the_same_is_shortened_without_a_test():
    same, changed = decide_shortening(
        [saving("replace"), saving("cut"), saving("drop_emoji"), saving("none")], CUSTOMERS
    )
    assert (same.customers, changed.customers) == (30, 40)
    assert (same.outcome, same.saved_per_week) == ("do", 5.0)  # half of 100 in ten weeks
    assert (changed.outcome, changed.saved_per_week, changed.sent) == ("not_enough_evidence", 10.0, 2_000)
    assert [found.outcome for found in decide_shortening([saving("none")], CUSTOMERS)] == ["dont"]


def test_a_saving_is_one_descriptive_number(found):
    row = content.decide(found, [], "USD", 0.002)[-1]
    assert (row.evidence, row.outcome, row.kind, row.money) == ("descriptive", "not_enough_evidence", "fact", "cash")
    assert row.value > 0
    assert row.low != row.low  # no interval
    assert "descriptive" in row.number_words
