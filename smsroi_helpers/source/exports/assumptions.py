"""What an export says about its shop: time zone, country, currency; and with what certainty."""

import datetime as dt
import functools
import re
import unicodedata
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from babel.core import get_global
from babel.numbers import get_territory_currencies
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from smsroi_helpers.source.contacts import ContactReader, infer_country, is_country
from smsroi_helpers.source.currencies import codes_of, currencies_in, likeliest
from smsroi_helpers.source.number_text import LEAST_DIGITS
from smsroi_helpers.source.time_zones import country_of_zone

__all__ = [
    "Assumption",
    "Clues",
    "assume_country",
    "assume_currency",
    "assume_timezone",
    "calling_codes",
]

_USUAL_ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix",
    "America/Anchorage", "Pacific/Honolulu", "America/Toronto", "America/Sao_Paulo", "America/Mexico_City",
    "Europe/London", "Europe/Berlin", "Europe/Athens", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Shanghai",
    "Asia/Tokyo", "Australia/Sydney", "Australia/Brisbane", "Australia/Adelaide", "Australia/Perth", "Pacific/Auckland",
)  # fmt: skip
"""Zones that are tried first: many share their clock with others."""
_OFFSET = re.compile(r"^(.*\d)\s*([+-])(\d{2}):?(\d{2})$")
_MOST = 0.5
_LIKE_NEIGHBOURS = {"AD", "MC", "PM", "SM"}
"""Countries whose national numbers could be those of a much larger one with the same currency."""


@dataclass(frozen=True)
class Assumption:
    """A setting of the source that was assumed."""

    name: str
    value: str
    """Empty: not known."""
    reason: str


@dataclass
class Clues:
    """Values of the exports that tell something of the shop; each list in the order of the files."""

    fixed: dict[str, str] = field(default_factory=dict)
    """Setting → value that every shop of a platform has."""
    platform: str = ""
    times: list[str] = field(default_factory=list)
    """Times as written, of files whose times are in the shop's time zone."""
    times_heading: str = ""
    amounts: list[str] = field(default_factory=list)
    currencies: Counter[str] = field(default_factory=Counter)
    """Values of the columns of currencies → rows."""
    countries: Counter[str] = field(default_factory=Counter)
    phones: list[str] = field(default_factory=list)


def assume_country(clues: Clues, given: Mapping[str, str]) -> Assumption:
    """Return the country of telephone numbers without a country code.

    Args:
        clues: values of the exports.
        given: settings that the user stated.
    """
    if "country" in given:
        return Assumption("country", given["country"], "as given")
    if "country" in clues.fixed:
        return Assumption("country", clues.fixed["country"], f"{clues.platform} is a platform of that country")
    known = Counter({name.upper(): rows for name, rows in clues.countries.items() if is_country(name.upper())})
    if known and (first := known.most_common(1)[0])[1] >= _MOST * clues.countries.total():
        return Assumption("country", first[0], "the most frequent country of the orders")
    zone = country_of_zone(given.get("timezone", ""))
    inferred = infer_country(clues.phones, [zone], _countries_to_try(clues, given))
    if len(inferred) == 1:
        return Assumption("country", inferred[0], "inferred from telephone numbers without a country code")
    if inferred:
        return Assumption(
            "country", "", f"telephone numbers without a country code may be of {' or '.join(inferred)}: set it"
        )
    anywhere = ContactReader("")
    national = sum(sum(map(str.isdigit, text)) >= LEAST_DIGITS and not anywhere.read(text) for text in clues.phones)
    if national:
        said = f"{national:,} of {len(clues.phones):,} telephone numbers have no country code: give --country"
        return Assumption("country", "", said)
    return Assumption("country", "", "telephone numbers show their country code, or there are none")


def _countries_to_try(clues: Clues, given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the countries of which national numbers may be: those of the currency; of dollars or none, US and China.

    >>> _countries_to_try(Clues(currencies=Counter({"GBP": 5})), {})
    ('GB',)
    """
    codes = frozenset([given["currency"]]) if "currency" in given else _currencies_shown(clues)
    if not codes or codes & {"USD", "CNY"}:
        return ("US", "CN")
    main = {regions[0] for regions in COUNTRY_CODE_TO_REGION_CODE.values()} | {"CA"}  # Guernsey's are like Britain's
    return tuple(
        sorted(c for c in main - _LIKE_NEIGHBOURS if is_country(c) and codes & set(get_territory_currencies(c)))
    )


def _currencies_shown(clues: Clues) -> frozenset[str]:
    """Return the currency that most rows name, else those that the most frequent sign can stand for."""
    if clues.currencies:
        return frozenset([clues.currencies.most_common(1)[0][0].upper()])
    signs = Counter(sign for amount in clues.amounts for sign in set(currencies_in(amount)))
    return codes_of([signs.most_common(1)[0][0]]) if signs else frozenset()


def calling_codes(countries: Iterable[str], own: str) -> str:
    """Return a map of SQL: country → calling code, of countries other than a shop's own whose numbers begin with 0.

    >>> calling_codes(["gb", "US", "DE", "Fr"], "DE")
    "MAP {'FR': '+33', 'GB': '+44'}"
    """
    found = {}
    for country in sorted({country.upper() for country in countries} - {own}):
        metadata = PhoneMetadata.metadata_for_region(country, None)
        if metadata and metadata.national_prefix == "0":
            found[country] = f"+{metadata.country_code}"
    entries = ", ".join(f"'{country}': '{code}'" for country, code in found.items())
    return f"MAP {{{entries}}}" if found else ""


def assume_currency(clues: Clues, given: Mapping[str, str], country: str) -> Assumption:
    """Return the currency of the amounts; empty if they show a sign of several currencies, and nothing tells which."""
    if "currency" in given:
        return Assumption("currency", given["currency"], "as given")
    codes = Counter(
        {name.upper(): rows for name, rows in clues.currencies.items() if re.fullmatch("[A-Za-z]{3}", name)}
    )
    if codes:
        others = f"; {len(codes) - 1} others are left out" if len(codes) > 1 else ""
        return Assumption("currency", codes.most_common(1)[0][0], f"the most frequent of the column{others}")
    if "currency" in clues.fixed:
        return Assumption("currency", clues.fixed["currency"], f"{clues.platform} is a platform of that country")
    amounts = [unicodedata.normalize("NFKC", amount).strip() for amount in clues.amounts]
    signs = Counter(sign for amount in amounts for sign in set(currencies_in(amount)))
    if signs:
        sign = signs.most_common(1)[0][0]
        has_cents = any(re.search(r"\d[.,]\d\d?(?!\d)", amount) for amount in amounts)
        code, reason = likeliest([sign], codes_of([sign]), [country], has_cents=has_cents)
        said = f"the sign {sign} of the amounts{f'; {reason}' * bool(reason)}"
        return Assumption("currency", code, said if code else f"the sign {sign} may be of several currencies: set it")
    return Assumption("currency", "USD", "nothing in the exports shows it: check")


def assume_timezone(clues: Clues, given: Mapping[str, str], country: str) -> Assumption:
    """Return the time zone of days, and of times without an offset."""
    if "timezone" in given:
        return Assumption("timezone", given["timezone"], "as given")
    if "timezone" in clues.fixed:
        return Assumption("timezone", clues.fixed["timezone"], f"{clues.platform} is a platform of that country")
    if moments := [moment for text in clues.times if (moment := _with_offset(text))]:
        offsets = ", ".join(sorted({f"{moment:%z}" for moment in moments}))
        if not any(moment.utcoffset() for moment in moments) and not _is_utc_in_winter(country):
            return Assumption("timezone", "UTC", f"{clues.times_heading} is in UTC: check, or give --timezone")
        for zone in _zones(country):
            if _fits(zone, moments):
                return Assumption("timezone", zone, f"its clock has the offsets of {clues.times_heading} ({offsets})")
    own = _own_zones(country)
    if own and len({_offsets(zone) for zone in own}) == 1:
        return Assumption("timezone", own[0], f"the time zone of {country}")
    return Assumption("timezone", "UTC", "nothing in the exports shows it: check, or give --timezone")


def _with_offset(text: str) -> dt.datetime | None:
    found = _OFFSET.match(text)
    if not found:
        return None
    try:
        return dt.datetime.fromisoformat(f"{found[1].strip()}{found[2]}{found[3]}:{found[4]}")
    except ValueError:
        return None


def _zones(country: str) -> list[str]:
    """Return the zones to try: the usual ones of the country, its others, and the usual ones anywhere."""
    territories = get_global("zone_territories")
    own = [zone for zone in _USUAL_ZONES if territories.get(zone) == country]
    others = sorted(
        (zone for zone, territory in territories.items() if country and territory == country),
        key=lambda zone: (not zone.startswith("Europe/"), zone.startswith(("Atlantic/", "Pacific/", "Indian/")), zone),
    )  # Lisbon before Madeira, Madrid before Ceuta
    known = zoneinfo.available_timezones()
    return [zone for zone in dict.fromkeys([*own, *others, *_USUAL_ZONES]) if zone in known]


@functools.cache
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)


def _is_utc_in_winter(country: str) -> bool:
    """Whether a clock of the country has the offset +0000 at some time; of an unknown country it is not known."""
    return any(dt.timedelta(0) in _offsets(zone) for zone in _own_zones(country))


def _own_zones(country: str) -> list[str]:
    """Return the zones of a country, the usual ones first; none of an unknown one."""
    return [zone for zone in _zones(country) if country and get_global("zone_territories").get(zone) == country]


def _offsets(zone: str) -> tuple[dt.timedelta | None, ...]:
    """The offsets of a zone on days of ten years: Berlin and Büsingen have one clock."""
    years, clock = range(2017, 2027), _zone(zone)
    return tuple(dt.datetime(year, month, 28, 12, tzinfo=clock).utcoffset() for year in years for month in range(1, 13))


def _fits(zone: str, moments: Sequence[dt.datetime]) -> bool:
    return all(moment.astimezone(_zone(zone)).utcoffset() == moment.utcoffset() for moment in moments)
