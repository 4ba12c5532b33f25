"""The country of a time zone, whatever name the zone is given: `Asia/Saigon` is `Asia/Ho_Chi_Minh`."""

from babel.core import get_global

__all__ = [
    "canonical_zone",
    "country_of_zone",
]

_ITSELF = frozenset(("CET", "EET", "EST", "MET", "WET"))
"""Zones of several countries, of which CLDR makes an alias of one: an American's EST is not Panama's."""
_NOWHERE = ("001", "ZZ")
"""What CLDR has for zones of no country, such as UTC."""


def canonical_zone(zone: str) -> str:
    """Return the usual name of a time zone; the name itself if it is that, or not known.

    Source: CLDR, the aliases of zones (package Babel), which contain the links `backward` of the tz database.

    >>> canonical_zone("Asia/Calcutta"), canonical_zone("US/Michigan"), canonical_zone("Europe/Paris")
    ('Asia/Kolkata', 'America/Detroit', 'Europe/Paris')
    """
    return zone if zone in _ITSELF else str(get_global("zone_aliases").get(zone, zone))


def country_of_zone(zone: str) -> str:
    """Return the country of a time zone (ISO 3166-1); empty if it has none.

    >>> [country_of_zone(zone) for zone in ("Europe/Kiev", "Europe/Kyiv", "PRC", "US/Eastern", "UTC", "CET")]
    ['UA', 'UA', 'CN', 'US', '', '']
    """
    country = str(get_global("zone_territories").get(canonical_zone(zone), ""))
    return "" if country in _NOWHERE else country
