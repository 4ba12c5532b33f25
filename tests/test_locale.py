"""Phrases, numbers and money in the reader's language."""

import pytest

from smsroi_helpers import locale
from smsroi_helpers.errors import UsageError


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (lambda: locale.number(-1234.5678, 2), "−1,234.57"),
        (lambda: locale.number(-0.001, 2), "0.00"),
        (lambda: locale.number(float("inf")), "–"),
        (lambda: locale.percent(0.1239, 1), "12.4%"),
        (lambda: locale.percent(float("nan")), "–"),
        (lambda: locale.money(1234.5, "JPY"), "¥1,234"),
        (lambda: locale.money(-1234.5, "USD", 0), "−$1,234"),
        (lambda: locale.day("1997-09-30"), "Sep 30, 1997"),
    ],
)
def test_numbers_in_english(shown, expected):
    assert shown() == expected


@pytest.mark.parametrize(
    ("low", "high", "digits"), [(1533.2, 1799.9, -1), (9.8, 15.1, 1), (0.0009, 0.0151, 3), (5.0, 5.0, 0), (0, 100, -1)]
)
def test_an_interval_gets_two_figures_of_its_width(low, high, digits):
    assert locale.rounded_digits(low, high) == digits


def test_an_interval_reads_as_a_sentence():
    assert locale.interval(1653.41, 1540.2, 1766.6) == "1,650 (95% interval 1,540 to 1,770)"
    assert locale.interval(0.9241, 0.88, 0.97, "USD") == "$0.924 (95% interval $0.880 to $0.970)"


def test_a_language_without_a_catalogue_is_refused():
    with pytest.raises(UsageError, match="language 'fr': there are en"):
        locale.use_language("fr")
    assert locale.language() == "en"


def test_paragraphs_are_parted_by_blank_lines_and_put_back():
    text = "# Title\n\n1. one\n2. two\n\n\n*last*\n"
    assert locale.paragraphs(text) == ["# Title", "1. one\n2. two", "*last*"]
    assert locale.translate_markdown(text) == "# Title\n\n1. one\n2. two\n\n*last*"
