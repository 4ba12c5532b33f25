"""Buyers type fixed lines too: they are read as numbers of the country that the source shows, and other ids are not."""

import random

import phonenumbers
import pytest

from smsroi_helpers.contract import DATA_WARNINGS, NOT_JOINED
from smsroi_helpers.errors import DataError
from smsroi_helpers.source.contacts import infer_country
from smsroi_helpers.source.read import load
from tests.source.numbers import HEAD, MESSAGES, ids, mobile_numbers

KEY = "a key of thirty-two bytes or more, for tests only"
FORMS = phonenumbers.PhoneNumberFormat
COUNTRIES = ("DE", "GB", "FR", "JP", "AU", "CN", "IT", "BR", "NL", "ZA")


def fixed_lines(country: str, n: int, rng: random.Random) -> list[phonenumbers.PhoneNumber]:
    """Valid numbers of fixed lines, drawn around the example of the numbering plan."""
    kind = phonenumbers.PhoneNumberType.FIXED_LINE
    example = phonenumbers.example_number_for_type(country, kind)
    digits, found = str(example.national_number), {}
    while len(found) < n:
        drawn = digits[:-4] + "".join(rng.choice("0123456789") for _ in range(4))
        number = phonenumbers.PhoneNumber(
            country_code=example.country_code, national_number=int(drawn), italian_leading_zero=country == "IT" or None
        )
        if phonenumbers.is_valid_number_for_region(number, country) and phonenumbers.number_type(number) == kind:
            found[drawn] = number
    return list(found.values())


def two_tables(make_source, numbers, settings):
    """Orders have the national spelling, texts the international one."""
    national, full = (
        [phonenumbers.format_number(n, form) for n in numbers] for form in (FORMS.NATIONAL, FORMS.INTERNATIONAL)
    )
    return make_source(
        orders=HEAD + "".join(f"{i},{text},2024-01-01,5\n" for i, text in enumerate(national)),
        messages=MESSAGES + "".join(f"{i},{text},k,2024-01-01\n" for i, text in enumerate(full)),
        source=settings,
    )


@pytest.mark.parametrize("settings", ["timezone: Europe/Berlin\n", ""], ids=["time zone", "the texts' code"])
def test_numbers_of_which_some_are_fixed_lines_join(make_source, tmp_path, monkeypatch, settings):
    monkeypatch.setenv("SMSROI_KEY", KEY)
    rng = random.Random(1)
    numbers = mobile_numbers("DE", 32, rng) + fixed_lines("DE", 8, rng)
    loaded = load(two_tables(make_source, numbers, f"{settings}pseudonymise: true\n"), tmp_path / "into")
    assert len(ids(loaded, "orders") & ids(loaded, "messages")) == len(numbers)


@pytest.mark.parametrize("share", [0.2, 0.8])
@pytest.mark.parametrize("country", COUNTRIES)
def test_the_country_is_inferred_of_mobile_numbers_and_fixed_lines(country, share):
    """As they are written in the country; where that is without a zero, half must be mobile numbers."""
    if country == "BR" and share > 0.5:
        share = 0.4  # (11) 2345-6789
    rng = random.Random(f"{country}{share}")
    numbers = mobile_numbers(country, round(40 * (1 - share)), rng) + fixed_lines(country, round(40 * share), rng)
    texts = [phonenumbers.format_number(number, FORMS.NATIONAL) for number in numbers]
    assert infer_country(texts, [country], ()) == (country,)
    assert infer_country(texts, [], ()) == ()


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("digits", [7, 8, 9, 10, 11])
def test_ids_of_digits_are_no_numbers(country, digits):
    """Random ones, ones that follow each other, and ones with zeros before them."""
    rng = random.Random(digits)
    for ids_ in (
        [str(rng.randrange(10 ** (digits - 1), 10**digits)) for _ in range(100)],
        [str(10 ** (digits - 1) + 37 * i) for i in range(100)],
        [f"{13 * i:0{digits}}" for i in range(1, 101)],
    ):
        assert infer_country(ids_, [country], ()) == ()


@pytest.mark.parametrize("mobile", [0, 12])
def test_orders_with_numbers_as_ids_are_refused_as_personal(make_source, tmp_path, mobile):
    rng = random.Random(2)
    numbers = mobile_numbers("DE", mobile, rng) + fixed_lines("DE", 40 - mobile, rng)
    rows = "".join(f"{i},{phonenumbers.format_number(n, FORMS.NATIONAL)},2024-01-01,5\n" for i, n in enumerate(numbers))
    with pytest.raises(DataError, match="most values are telephone numbers"):
        load(make_source(orders=HEAD + rows, source="timezone: Europe/Berlin\n"), tmp_path / "into")


def test_tables_that_do_not_join_are_told_of_the_country():
    remedies = {warning.remedy for warning in DATA_WARNINGS if warning.code == NOT_JOINED and "orders" in warning.needs}
    assert all("set `country` in source.yml" in remedy for remedy in remedies)
