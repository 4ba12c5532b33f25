"""Whose texts a running experiment sets: they are on no list, and in no plan."""

import pytest

from smsroi_helpers.experiments import texts_set_by_tests, who_may_be_texted
from smsroi_helpers.segmentation import known_people

TODAY = "2026-03-31"
PEOPLE = "abcdefgh"
ORDERS = "order_id,customer_id,ordered_at,amount\n" + "".join(f"{one},{one},{TODAY},5\n" for one in PEOPLE)
MESSAGES = "message_id,customer_id,campaign_id,sent_at\n" + "".join(f"{one},{one},k,2026-03-20\n" for one in "bdfh")


def one_test(kind: str, ended_at: str = "") -> dict[str, str]:
    """Two arms: a and b are in the first, c and d in the second; only b and d are sent texts."""
    dose = ("0", "2") if kind == "frequency" else ("", "")
    return {
        "experiments": f"experiment_id,kind,control_arm,started_at,ended_at\nt,{kind},one,2026-03-02,{ended_at}\n",
        "arms": "experiment_id,arm,share,messages_per_week\n" + f"t,one,0.5,{dose[0]}\nt,two,0.5,{dose[1]}\n",
        "assignments": "experiment_id,customer_id,arm,assigned_at\n"
        + "".join(f"t,{who},{arm},2026-03-02\n" for who, arm in zip("abcd", ("one", "one", "two", "two"), strict=True)),
    }


@pytest.mark.parametrize(
    ("kind", "ended_at", "without"),
    [
        ("frequency", "", "abcd"),
        ("timing", "", "abcd"),
        ("content", "", ""),
        ("holdout", "", "ab"),
        ("frequency", "2026-03-20", ""),
        ("timing", "2026-03-20", ""),
    ],
)
def test_whose_texts_a_running_test_sets_is_on_no_list(make_source, open_source, kind, ended_at, without):
    messages = MESSAGES.replace("b,b,k,2026-03-20\n", "") if kind == "holdout" else MESSAGES  # its first arm gets none
    shop = open_source(make_source(orders=ORDERS, messages=messages, **one_test(kind, ended_at)))
    rows = texts_set_by_tests(shop)
    assert (set() if rows is None else set(shop.count(rows)["customer_id"])) == set(without)
    allowed = set(shop.count(who_may_be_texted(shop, known_people(shop)))["customer_id"])
    assert allowed == set(PEOPLE) - set(without)


def test_without_experiments_nobody_is_left_out(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, messages=MESSAGES))
    assert texts_set_by_tests(shop) is None
