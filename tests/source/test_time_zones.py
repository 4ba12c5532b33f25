"""A time zone has one country, whichever of its names is written."""

import random
import zoneinfo

import phonenumbers
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source.forms import zones_in
from smsroi_helpers.source.read import load
from smsroi_helpers.source.time_zones import canonical_zone, country_of_zone
from tests.source.numbers import HEAD, mobile_numbers

# The links of the tz database, file `backward`.
ALIASES = {
    "Asia/Saigon": "VN", "Asia/Calcutta": "IN", "Europe/Kiev": "UA", "America/Buenos_Aires": "AR", "Asia/Rangoon": "MM",
    "Asia/Katmandu": "NP", "US/Pacific": "US", "US/Michigan": "US", "Canada/Eastern": "CA", "Brazil/East": "BR",
    "PRC": "CN", "Asia/Chongqing": "CN", "ROC": "TW", "Hongkong": "HK", "Japan": "JP", "ROK": "KR", "Singapore": "SG",
    "Eire": "IE", "GB": "GB", "Australia/NSW": "AU", "NZ": "NZ", "Turkey": "TR", "EST5EDT": "US", "MST": "US",
}  # fmt: skip


def test_every_name_of_a_zone_gives_its_country():
    assert {zone: country_of_zone(zone) for zone in ALIASES} == ALIASES
    assert {zone: country_of_zone(canonical_zone(zone)) for zone in ALIASES} == ALIASES


def test_only_zones_of_no_country_have_none():
    nowhere = {zone for zone in zoneinfo.available_timezones() if not country_of_zone(zone)}
    new = {"America/Coyhaique"}  # of 2025, not in every CLDR
    in_countries = {zone for zone in nowhere if "/" in zone and not zone.startswith(("Etc/", "Antarctica/"))}
    assert in_countries <= new
    assert {"UTC", "Etc/UTC", "EST", "CET", "GMT"} <= nowhere


def test_cst_is_american_except_in_china():
    assert "CST" in zones_in("US/Central")
    assert not any("CST" in zones_in(zone) for zone in ("PRC", "Asia/Chungking", "Hongkong", "ROC", "Asia/Macao"))


@pytest.mark.parametrize("zone", ["Asia/Saigon", "Europe/Kiev", "America/Buenos_Aires"])
def test_national_numbers_are_personal_under_an_alias_too(make_source, tmp_path, zone):
    numbers = mobile_numbers(ALIASES[zone], 20, random.Random(1))
    rows = "".join(
        f"{i},{phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.NATIONAL)},2024-01-01,5\n"
        for i, n in enumerate(numbers)
    )
    with pytest.raises(DataError, match="most values are telephone numbers"):
        load(make_source(orders=HEAD + rows, source=f"timezone: {zone}\n"), tmp_path / "into")
