"""Time zone, country and currency are read from the exports, or said to be unknown."""

import datetime as dt
import random
import zoneinfo
from collections import Counter

import pytest

from smsroi_helpers.source.exports.assumptions import (
    Clues,
    assume_country,
    assume_currency,
    assume_timezone,
)


def stamps(zone, n=60):
    rng, start = random.Random(zone), dt.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo(zone))
    return [f"{start + dt.timedelta(hours=rng.randrange(24 * 365)):%Y-%m-%d %H:%M:%S %z}" for _n in range(n)]


@pytest.mark.parametrize(
    ("zone", "country"),
    [("America/New_York", "US"), ("America/Phoenix", "US"), ("Europe/London", ""), ("Asia/Kolkata", "IN"),
     ("Australia/Adelaide", "")],
)  # fmt: skip
def test_a_zone_is_found_by_the_offsets_of_a_year(zone, country):
    assert assume_timezone(Clues(times=stamps(zone)), {}, country).value == zone


def test_a_country_with_one_zone_tells_it_where_times_have_no_offset():
    assert assume_timezone(Clues(times=["2024-05-06 21:00:00"]), {}, "NL").value == "Europe/Amsterdam"
    unknown = assume_timezone(Clues(times=["2024-05-06 21:00:00"]), {}, "US")
    assert (unknown.value, "check" in unknown.reason) == ("UTC", True)


@pytest.mark.parametrize(("country", "zone"), [("DE", "Europe/Berlin"), ("ES", "UTC"), ("CN", "UTC")])
def test_zones_of_one_clock_are_one(country, zone):
    """Berlin and Büsingen differ in nothing; Madrid and the Canaries do."""
    assert assume_timezone(Clues(times=["2024-05-06 21:00:00"]), {}, country).value == zone


@pytest.mark.parametrize(
    ("country", "zone"), [("GB", "Europe/London"), ("", "UTC"), ("US", "UTC"), ("PT", "Europe/Lisbon")]
)
def test_times_in_utc_are_no_british_winter(country, zone):
    winter = [f"2024-01-{day:02} 21:00:00 +0000" for day in range(1, 29)]
    assert assume_timezone(Clues(times=winter), {}, country).value == zone


def test_what_is_given_comes_first():
    clues = Clues(times=stamps("Asia/Kolkata"), fixed={"timezone": "Asia/Shanghai"})
    assert assume_timezone(clues, {"timezone": "Europe/Paris"}, "").value == "Europe/Paris"
    assert assume_timezone(clues, {}, "").value == "Asia/Shanghai"


def test_a_country_is_that_of_most_orders_else_of_the_numbers_else_unknown():
    assert assume_country(Clues(countries=Counter({"de": 8, "AT": 3})), {}).value == "DE"
    assert assume_country(Clues(phones=["13800000001", "138 0000 0002"]), {}).value == "CN"
    assert assume_country(Clues(phones=["+14155550101"]), {}).value == ""


def test_numbers_of_landlines_are_those_of_the_country_that_other_numbers_show():
    """Four mobile numbers of Germany and one of Berlin, beside recipients of texts with +49; or with +33."""
    national = ["0151 23456701", "0151 23456702", "0171 2345670", "0160 2345670", "030 23125000"]
    assert assume_country(Clues(phones=[*national, "+4915123456701", "+4917123456702"]), {}).value == "DE"
    other = assume_country(Clues(phones=[*national, "+33612345678"]), {})
    assert (other.value, other.reason) == ("", "5 of 6 telephone numbers have no country code: give --country")


def test_numbers_without_a_country_code_are_of_a_country_of_the_currency():
    """`0151 234567xx` is a mobile number in Germany, and would be one in China; `06 12345678` in two countries."""
    german = [f"0151 234567{n:02}" for n in range(20)]
    assert assume_country(Clues(phones=german, currencies=Counter({"EUR": 20})), {}).value == "DE"
    assert assume_country(Clues(phones=german, amounts=["20,00 €"]), {}).value == "DE"
    either = assume_country(Clues(phones=["06 12345678", "06 23456789"], currencies=Counter({"EUR": 2})), {})
    assert (either.value, "NL" in either.reason, "FR" in either.reason, "CN" in either.reason) == (
        "",
        True,
        True,
        False,
    )
    french = ["06 12 34 56 78", "07 61 23 45 67"]
    assert assume_country(Clues(phones=french, currencies=Counter({"EUR": 2})), {}).value == "FR"
    assert assume_country(Clues(phones=["416-967-1111"], currencies=Counter({"CAD": 2})), {}).value == "CA"


GERMAN = ["0151 23456701", "0171 2345602", "030 123456", "0160 2345603"]


def test_mobile_numbers_and_fixed_lines_have_the_country_of_the_zone_or_of_the_texts():
    unknown = assume_country(Clues(phones=GERMAN), {})
    assert (unknown.value, unknown.reason) == (
        "", "4 of 4 telephone numbers have no country code: give --country",
    )  # fmt: skip
    assert "or there are none" in assume_country(Clues(phones=["+4915123456701"]), {}).reason
    assert assume_country(Clues(phones=GERMAN), {"timezone": "Europe/Berlin"}).value == "DE"
    assert assume_country(Clues(phones=[*GERMAN, "+49 151 23456709"]), {}).value == "DE"


def test_a_currency_is_that_of_the_column_else_of_the_sign_else_a_guess():
    assert assume_currency(Clues(currencies=Counter({"EUR": 5, "USD": 2}), amounts=["$1"]), {}, "").value == "EUR"
    assert assume_currency(Clues(amounts=["£1.50", "2.00"]), {}, "").value == "GBP"
    assert assume_currency(Clues(amounts=["$1.50", "2.00"]), {}, "CA").value == "CAD"
    assert assume_currency(Clues(amounts=["49,50 kr."]), {}, "DK").value == "DKK"
    unknown = assume_currency(Clues(amounts=["49,50 kr."]), {}, "")
    assert (unknown.value, "set it" in unknown.reason) == ("", True)
    guess = assume_currency(Clues(amounts=["2.00"]), {}, "")
    assert (guess.value, "check" in guess.reason) == ("USD", True)
