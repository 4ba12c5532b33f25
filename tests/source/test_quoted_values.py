"""No message quotes a telephone number of the data, in any spelling; dates and amounts are quoted as they are."""

import random
import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsroi_helpers.errors import DataError, reason_of, shown_value
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, dressed, mobile_numbers, spellings

COUNTRIES = ("US", "GB", "DE", "FR", "ES", "DK", "HK", "CN", "JP", "IN", "AU", "BR", "MX", "AR")
SEPARATORS = (" ", "-", ".", "/", "\u00a0", "\u202f", "\u2011", " - ", "_", "\u200b")


def digits_of(text: str) -> str:
    return "".join(str(int(sign)) for sign in text if sign.isdecimal())


@settings(max_examples=150)
@given(seed=st.integers(0, 10**9), country=st.sampled_from(COUNTRIES))
def test_no_spelling_of_a_number_is_quoted(seed, country):
    rng = random.Random(seed)
    (number,) = mobile_numbers(country, 1, rng)
    national = phonenumbers.national_significant_number(number)
    cuts = sorted(rng.sample(range(1, len(national)), 3))
    parts = [national[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    own = f"{rng.choice(['', '0', '+' + str(number.country_code) + ' '])}{rng.choice(SEPARATORS).join(parts)}"
    texts = [
        *spellings(number),
        dressed(number, rng, country),
        own,
        f"{national[0]}.{national[1:]}E{len(national) - 1}",
    ]
    for text in texts:
        for shown in (shown_value(text, 40), reason_of(ValueError(f"Could not convert string '{text}' to DOUBLE"))):
            left = digits_of(shown)
            assert len(left) < 7, (text, shown)
            assert national[-5:] not in left, (text, shown)


@pytest.mark.parametrize(
    "text",
    [
        "2024-13-45 10:00:00", "2024/1/2", "32/01/2024 25:61", "31.02.2024 10:00:00.123456", "2024-02-30T10:00:00+0800",
        "2023年2月29日 10:00", "29 February 2023 10:00:00", "10:00:00 on 2023-02-29", "1,234,567.89", "$1,234,567",
        "1.234.567,89 EUR", "1 234 567,89", "-1234567.89", "(1,234,567.00)", "￥99.90", "3 pieces", "c0012", "five",
        "0000-00-00 00:00:00",
    ],
)  # fmt: skip
def test_dates_and_amounts_are_quoted_as_they_are(text):
    assert shown_value(text) == text


@pytest.mark.parametrize("column", ["ordered_at", "amount"])
@pytest.mark.parametrize(
    "text", ["(202) 555-0143", "0151 23456701", "9123 4567", "０７９１１ １２３４５６", "7911 123456.0"]
)
def test_a_refused_table_does_not_quote_the_number(make_source, tmp_path, column, text):
    row = f"{text},5" if column == "ordered_at" else f"2024-01-02,{text}"
    folder = make_source(orders=HEAD + "".join(f"{n},c{n},{row}\n" for n in range(3)))
    with pytest.raises(DataError, match=rf"column {column}, unreadable in 3 rows, such as [^0-9]*:") as refused:
        load(folder, tmp_path / "into")
    assert re.search(r"such as ([(*]+|\[number\])", str(refused.value))


def test_a_table_without_column_names_does_not_quote_its_first_row(make_source, tmp_path):
    folder = make_source(orders="1001,(202) 555-0143,2024-01-02 10:00:00,5\n1002,c2,2024-01-03,5\n")
    with pytest.raises(DataError, match=r"columns found: 1001, \[number\], 2024-01-02 10:00:00, 5"):
        load(folder, tmp_path / "into")


def test_a_query_does_not_quote_the_number(make_source, tmp_path):
    folder = make_source(
        raw="n\n(202) 555-0143\n",
        orders__sql='SELECT 1 AS order_id, "(202) 555-0143" AS customer_id FROM raw',
    )
    with pytest.raises(DataError) as refused:
        load(folder, tmp_path / "into")
    assert "0143" not in str(refused.value)
