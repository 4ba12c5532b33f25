"""Quiet hours: at which local hours a text may be sent, by jurisdiction, and which rules apply to a recipient.

The sources are secondary; users must confirm the hours with their own counsel. Rules apply in the recipient's time zone
and are stated in local hours, so daylight saving needs no special treatment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd
from babel.core import get_global
from numpy.typing import NDArray

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source import Shop
from smsroi_helpers.statistics import Floats

__all__ = [
    "AS_OF",
    "RULES",
    "Rule",
    "allowed",
    "count_places",
    "parse_rule",
    "rule_of",
    "rules_of_zone",
    "share_allowed",
    "territory_of",
    "usable_hours",
]

AS_OF = "2026-06"
"""When the rules of the US and of China were last compared with their sources; the others are not verified."""
Week = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """The hours at which one jurisdiction allows texts: local time, half-open."""

    name: str
    hours: tuple[int, int]
    """Monday to Friday, half-open."""
    saturday: tuple[int, int]
    sunday: tuple[int, int]
    source: str

    def week(self) -> Week:
        """(7 weekdays from Monday, 24 hours): whether a text may be sent during the whole hour."""
        hour = np.arange(24)
        spans = [self.hours] * 5 + [self.saturday, self.sunday]
        return np.array([(hour >= first) & (hour < end) for first, end in spans])


def _rule(name: str, source: str, hours: tuple[int, int], saturday: tuple[int, int] | None = None,
          sunday: tuple[int, int] | None = None) -> Rule:  # fmt: skip
    return Rule(name, hours, saturday or hours, sunday or saturday or hours, source)


NEVER = (0, 0)
CAREFUL = "careful"
"""The rule of a place without a rule of its own here."""
_NO_LAW = "no hours in law; careful default"


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        _rule("US", "47 CFR 64.1200(c)(1): 8 a.m. to 9 p.m. local time", (8, 21)),
        _rule("US-FL", "Fla. Stat. 501.616(6)", (8, 20)),
        _rule("US-MD", "Md. Code, Com. Law 14-4503 (Stop the Spam Calls Act of 2023)", (8, 20)),
        _rule("US-MS", "Mississippi Telephone Solicitation Act", (8, 20)),
        _rule("US-NJ", "N.J.A.C. 13:45D", (8, 20)),
        _rule("US-OK", "Oklahoma Telephone Solicitation Act of 2022", (8, 20)),
        _rule("US-CT", "Conn. Gen. Stat. 42-288a", (9, 20)),
        _rule("US-RI", "R.I. Gen. Laws 5-61-3.6", (9, 18), (10, 17)),
        _rule("US-TX", "Tex. Bus. & Com. Code 301.051", (9, 21), None, (12, 21)),
        _rule("CN", "careful reading of the carriers' rules; some allow until 22", (8, 20)),
        _rule("FR", "carriers' rules for marketing SMS: not after 20:30, on Sundays or holidays", (8, 20), None, NEVER),
        _rule("ES", "LGDCU art. 96.2 (calls): 9 to 21, not at weekends or on holidays", (9, 21), NEVER, NEVER),
        _rule(
            "IT", "telemarketing code of conduct, 2023 (calls): 9 to 20, Saturday 10 to 19", (9, 20), (10, 19), NEVER
        ),
        _rule("DE", "UWG 7 names no hours; careful default", (9, 20), (10, 18), (12, 18)),
        _rule("EU", "Directive 2002/58/EC names no hours; careful default", (9, 20), (10, 18), (12, 18)),
        _rule("GB", "PECR 2003 names no hours; careful default", (9, 20), (10, 18), (12, 18)),
        _rule("CA", "CRTC Telemarketing Rules (calls): 9 to 21:30, weekends 10 to 18", (9, 21), (10, 18)),
        _rule("AU", "Telemarketing Industry Standard 2017 (calls): 9 to 20, Saturday 9 to 17", (9, 20), (9, 17), NEVER),
        _rule("IN", "TRAI TCCCPR 2018: promotional messages 10 to 21", (10, 21)),
        _rule("JP", "guidelines to the Act on Specified Commercial Transactions (calls): not 21 to 8", (9, 20)),
        _rule("SG", "PDPA names no hours; careful default", (9, 20), (10, 18), (12, 18)),
        _rule(CAREFUL, _NO_LAW, (9, 20), (10, 18), (12, 18)),
    )
}
"""By jurisdiction: a country (`US`), a state after its country (`US-TX`), the other members of the EU (`EU`), and
`careful` for the rest. Rules for calls are applied to texts where there is none for texts."""
_EU = frozenset(
    "AT BE BG HR CY CZ DK EE FI GR HU IE LV LT LU MT NL PL PT RO SK SI SE".split()  # noqa: SIM905
)
"""Members without a rule of their own."""

_STATE_NAMES = {
    "florida": "FL", "maryland": "MD", "mississippi": "MS", "new jersey": "NJ", "oklahoma": "OK", "connecticut": "CT",
    "rhode island": "RI", "texas": "TX",
}  # fmt: skip
_OTHER_STATES = (
    "alabama alaska arizona arkansas california colorado delaware georgia hawaii idaho illinois indiana iowa kansas"
    " kentucky louisiana maine massachusetts michigan minnesota missouri montana nebraska nevada new_hampshire"
    " new_mexico new_york north_carolina north_dakota ohio oregon pennsylvania south_carolina south_dakota tennessee"
    " utah vermont virginia washington west_virginia wisconsin wyoming"
)
_OTHER_CODES = (
    "AL AK AZ AR CA CO DE GA HI ID IL IN IA KS KY LA ME MA MI MN MO MT NE NV NH NM NY NC ND OH OR PA SC SD TN UT VT VA"
    " WA WV WI WY DC"
)
_FEDERAL = {name.replace("_", " ") for name in _OTHER_STATES.split()} | {code.lower() for code in _OTHER_CODES.split()}
_ZONE_STATES = {
    "Eastern": ("FL", "MD", "NJ", "CT", "RI"),
    "Central": ("FL", "MS", "OK", "TX"),
    "Mountain": ("TX",),
    "Pacific": (),
}
"""States with their own hours in each US time zone; the others follow the federal rule."""
_US_ZONES = {
    "Eastern": ("America/New_York", "America/Detroit", "America/Kentucky/Louisville", "America/Indiana/Indianapolis",
                "US/Eastern", "EST5EDT"),
    "Central": ("America/Chicago", "America/Menominee", "America/Indiana/Knox", "US/Central", "CST6CDT"),
    "Mountain": ("America/Denver", "America/Boise", "US/Mountain", "MST7MDT"),
}  # fmt: skip


def territory_of(zone: str | None) -> str:
    """The country of a time zone (`US`, `CN`); empty where it has none."""
    return str(get_global("zone_territories").get(zone or "", "")).replace("001", "")


def rules_of_zone(zone: str | None) -> tuple[str, ...]:
    """Every rule that may apply in a time zone; in the US those of all states in it.

    Where the zone is unknown, or its country has no rule here, the careful default applies, not the laws of others.
    """
    territory = territory_of(zone)
    if territory == "US":
        for area, zones in _US_ZONES.items():
            if zone in zones:
                return ("US", *(f"US-{state}" for state in _ZONE_STATES[area]))
        return ("US",)
    if territory in _EU:
        return ("EU",)
    return (territory,) if territory in RULES else (CAREFUL,)


def rule_of(zone: str | None, region: str | None = None, jurisdiction: str = "") -> tuple[str, ...]:
    """The rules that apply, or may apply, to a recipient; hours must be allowed by all of them.

    Args:
        zone: the recipient's time zone, if known.
        region: a state's name or code, as the source has it.
        jurisdiction: the source's, for recipients without a zone, or in a country without a rule: `US`, `US-TX`, `CN`.

    >>> rule_of("America/Chicago", "Texas"), rule_of("America/New_York", "New York"), rule_of("Asia/Shanghai")
    (('US-TX',), ('US',), ('CN',))
    >>> rule_of("Europe/Paris"), rule_of("Europe/Vienna"), rule_of("Africa/Lagos"), rule_of(None)
    (('FR',), ('EU',), ('careful',), ('careful',))
    >>> rule_of("America/Chicago")
    ('US', 'US-FL', 'US-MS', 'US-OK', 'US-TX')
    """
    territory = territory_of(zone)
    without_rule = rules_of_zone(zone) == (CAREFUL,)
    if without_rule and jurisdiction in RULES and jurisdiction != "US":
        return (jurisdiction,)
    if territory == "US" or (without_rule and jurisdiction == "US"):
        name = (region or "").strip().lower().removeprefix("us-")
        code = _STATE_NAMES.get(name, name.upper())
        if f"US-{code}" in RULES:
            return (f"US-{code}",)
        if name in _FEDERAL:
            return ("US",)
        if territory != "US":
            return tuple(rule for rule in RULES if rule == "US" or rule.startswith("US-"))
    return rules_of_zone(zone)


def parse_rule(text: str) -> tuple[int, int] | None:
    """Parse hours such as `9-18` (half-open); None for an empty text.

    Raises:
        UsageError: the text is not FIRST-END with 0 ≤ FIRST < END ≤ 24.

    >>> parse_rule("9-18"), parse_rule("")
    ((9, 18), None)
    """
    if not text.strip():
        return None
    first, _, end = text.partition("-")
    if not (first.strip().isdigit() and end.strip().isdigit() and 0 <= int(first) < int(end) <= 24):
        raise UsageError(f"own_hours={text!r} is no range of hours; use FIRST-END (0 ≤ FIRST < END ≤ 24), such as 9-18")
    return int(first), int(end)


def allowed(rules: Iterable[str], own: tuple[int, int] | None = None, table: Mapping[str, Rule] = RULES) -> Week:
    """(7, 24): hours that all of these rules and the sender's own hours allow.

    Args:
        rules: names in `table`.
        own: the sender's own, narrower hours; they never widen a rule.
        table: the rules by name.

    >>> allowed(["US-RI"])[5].nonzero()[0].tolist()  # Saturday in Rhode Island
    [10, 11, 12, 13, 14, 15, 16]
    """
    week = np.ones((7, 24), bool)
    for name in rules:
        week &= table[name].week()
    if own is not None:
        week &= _rule("own", "", own).week()
    return week


def usable_hours(week: Week) -> NDArray[np.bool_]:
    """(24,): hours allowed on every weekday on which any hour is.

    >>> usable_hours(allowed(["FR"])).nonzero()[0][[0, -1]].tolist()  # no texts on Sundays
    [8, 19]
    """
    open_days = week.any(axis=1)
    return np.asarray(week[open_days].all(axis=0) if open_days.any() else np.zeros(24, bool))


# --- a company's customers -------------------------------------------------------------------------------------------


def share_allowed(shop: Shop, own: tuple[int, int] | None = None) -> Floats:
    """(24,): the share of customers (0–1) who may be texted at each local hour.

    Args:
        shop: the company.
        own: of `parse_rule`, the sender's own hours.
    """
    people = count_places(shop).groupby("rules")["customers"].sum()
    weeks = np.array([usable_hours(allowed(str(rules).split(), own)) for rules in people.index], float)
    return np.asarray(people.to_numpy(float) @ weeks / max(people.sum(), 1))


def count_places(shop: Shop) -> pd.DataFrame:
    """Customers by timezone, region and rules (names of `RULES`, separated by blanks)."""
    jurisdiction = shop.settings.jurisdiction
    if not shop.has("customers"):
        rules = " ".join(rule_of(shop.settings.timezone, None, jurisdiction))
        return pd.DataFrame({"timezone": [""], "region": [""], "rules": [rules], "customers": [1]})
    people = shop.customers
    blank = ibis.literal("")
    people = people.select(
        timezone=people.timezone.fill_null("") if "timezone" in people.columns else blank,
        region=people.region.fill_null("") if "region" in people.columns else blank,
    )
    found = shop.count(
        people.group_by("timezone", "region").aggregate(customers=people.count()).order_by("timezone", "region")
    )
    applicable = [
        " ".join(rule_of(row.timezone or shop.settings.timezone, row.region, jurisdiction))
        for row in found.itertuples()
    ]
    return found.assign(rules=applicable)
