"""Attentive's feed: opt-ins after opt-outs, clicks, and who is who. Rows written by hand."""

from tests.source.exports.reading import mapped, reasons

HEADINGS = ("TYPE", "TIMESTAMP", "PHONE", "EMAIL", "MESSAGE_ID", "SUBSCRIPTION_TYPE")
ONE, TWO = "+12025550101", "+12025550102"


def test_a_later_opt_in_takes_an_opt_out_back():
    found = mapped("attentive", HEADINGS, [
        ("MESSAGE_RECEIPT", "2024-05-01 10:00:00", ONE, None, "m1", None),
        ("OPT_OUT", "2024-05-01 11:00:00", ONE, None, None, "MARKETING"),
        ("JOIN", "2024-05-05 10:00:00", ONE, None, None, "MARKETING"),
        ("MESSAGE_RECEIPT", "2024-05-10 10:00:00", ONE, None, "m2", None),
        ("MESSAGE_RECEIPT", "2024-05-01 10:00:00", TWO, None, "m1", None),
        ("OPT_OUT", "2024-05-01 11:00:00", TWO, None, None, "MARKETING"),
        ("SUBSCRIPTION_OPT_IN_COMPLETED", "2024-05-05 10:00:00", TWO, None, None, "TRANSACTIONAL"),
    ])  # fmt: skip
    assert {row["customer_id"] for row in found["messages"] if row["opted_out_at"]} == {TWO}
    assert reasons(found) == {}


def test_a_click_is_the_numbers_where_it_shows_the_address_and_is_counted_without_its_text():
    found = mapped("attentive", HEADINGS, [
        ("MESSAGE_RECEIPT", "2024-05-01 10:00:00", ONE, "a@b.example", "m1", None),
        ("MESSAGE_LINK_CLICK", "2024-05-01 11:00:00", None, "A@b.example", "m1", None),
        ("MESSAGE_LINK_CLICK", "2024-05-01 11:00:00", TWO, None, "m1", None),
    ])  # fmt: skip
    assert [row["clicked_at"] is not None for row in found["messages"]] == [True]
    assert reasons(found) == {"Attentive clicks that belong to no text of the feed": 1}
    assert found["identities"] == [{"customer_id": "a@b.example", "kind": "phone", "value": ONE}]
