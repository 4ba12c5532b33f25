"""Whom texts do not reach: several sent and none delivered, by channel; the same for the lists and for the plan."""

from pathlib import Path

import pytest

from smsroi_helpers import measures
from smsroi_helpers.experiments import who_may_be_texted
from smsroi_helpers.segmentation import known_people

ORDERS = "order_id,customer_id,ordered_at,amount\n" + "".join(f"{one},{one},2026-03-01,5\n" for one in "abcde")


def texts(delivered: bool = True) -> str:
    """a got one of three; b none of three; c none of two; d none of three e-mails; e clicked without a receipt."""
    rows = ["message_id,customer_id,campaign_id,sent_at,channel,clicked_at" + ",delivered_at" * delivered]
    for customer, channel, arrived in (
        ("a", "sms", "010"),
        ("b", "SMS", "000"),
        ("c", "", "00"),
        ("d", "email", "000"),
    ):
        for day, one in enumerate(arrived, start=2):
            at = f"2026-03-0{day} 10:00"
            rows.append(f"{customer}{day},{customer},k,{at},{channel}," + f",{at if one == '1' else ''}" * delivered)
    rows += [f"e{day},e,k,2026-03-0{day} 10:00,sms,2026-03-0{day} 11:00" + "," * delivered for day in (2, 3, 4)]
    return "\n".join(rows) + "\n"


def ids(shop, rows) -> set[str]:
    return set(shop.count(rows)["customer_id"])


@pytest.mark.parametrize(("channel", "expected"), [("sms", {"b"}), ("email", {"d"})])
def test_several_texts_of_a_channel_and_none_delivered(make_source, open_source, channel, expected):
    shop = open_source(make_source(orders=ORDERS, messages=texts()))
    assert ids(shop, measures.never_reached(shop, channel)) == expected


def test_where_no_deliveries_are_recorded_everybody_is_reached(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, messages=texts(delivered=False)))
    assert ids(shop, measures.never_reached(shop, "sms")) == set()


@pytest.mark.parametrize(("channel", "missing"), [("", "b"), ("email", "d")])
def test_no_list_of_texts_has_whom_they_do_not_reach(make_source, open_source, channel, missing):
    shop = open_source(make_source(orders=ORDERS, messages=texts()))
    people = known_people(shop)
    assert ids(shop, who_may_be_texted(shop, people, channel)) == set("abcde") - {missing}


def test_without_messages_nobody_is_left_out(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS))
    assert ids(shop, who_may_be_texted(shop, known_people(shop))) == set("abcde")


def test_the_plan_and_the_lists_ask_the_same_measure():
    package = Path(measures.__file__).parents[1]
    asking = {file.name for file in package.rglob("*.py") if "measures.never_reached(" in file.read_text("utf-8")}
    assert asking == {"checked.py", "today.py"}
