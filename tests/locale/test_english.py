"""Numbers and their nouns in English."""

import pytest

from smsroi_helpers import locale
from smsroi_helpers.locale import _


@pytest.mark.parametrize(
    ("message", "value", "expected"),
    [
        ("after {n} weeks", "1", "after 1 week"),
        ("after {n} weeks", "2", "after 2 weeks"),
        ("after {n} weeks", 1, "after 1 week"),
        ("{n} texts a week", "1.0", "1.0 texts a week"),
        ("{n} texts a week", "1,001", "1,001 texts a week"),
        ("{n} customers were assigned", "1", "1 customer was assigned"),
        ("{n} more customers are needed", "1", "1 more customer is needed"),
        ("{n} customers with orders are missing", "1", "1 customer with orders is missing"),
        ("{n} customers with orders are missing", "2", "2 customers with orders are missing"),
        ("{n} customers of a test", "1", "1 customer of a test"),
        ("0 to {n} texts a week", "1", "0 to 1 texts a week"),
        ("clicks {n} times as often", "1", "clicks 1 times as often"),
        ("{n} brings more", "1", "1 brings more"),
        ("{n} days’ sales", "1", "1 days’ sales"),
    ],
)
def test_a_noun_is_singular_after_one(message, value, expected):
    assert _(message).format(n=value) == expected


def test_each_number_has_its_own_noun():
    assert _("{a} texts in {b} weeks").format(a="1", b="3") == "1 text in 3 weeks"


def test_chinese_has_no_plural():
    locale.use_language("zh")
    assert _("{n} customers").format(n="1") == "1 位客户"
