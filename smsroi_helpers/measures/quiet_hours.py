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

__all__ = [
    "AS_OF",
    "RULES",
    "Rule",
    "allowed",
    "count_places",
    "hours_allowed",
    "parse_rule",
    "rule_of",
    "rules_of_zone",
    "territory_of",
]

AS_OF = "2026-06"
"""When the table was last compared with its sources."""
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
    )
}
"""By jurisdiction: a country (`US`), or a state after its country (`US-TX`)."""

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
    """Every rule that may apply in a time zone; all rules where the zone is unknown or has no rules here."""
    territory = territory_of(zone)
    if territory == "CN":
        return ("CN",)
    if territory == "US":
        for area, zones in _US_ZONES.items():
            if zone in zones:
                return ("US", *(f"US-{state}" for state in _ZONE_STATES[area]))
        return ("US",)
    return tuple(RULES)


def rule_of(zone: str | None, region: str | None = None, jurisdiction: str = "") -> tuple[str, ...]:
    """The rules that apply, or may apply, to a recipient; hours must be allowed by all of them.

    Args:
        zone: the recipient's time zone, if known.
        region: a state's name or code, as the source has it.
        jurisdiction: the source's, for recipients without a zone, or in a country without rules: `US`, `US-TX`, `CN`.

    >>> rule_of("America/Chicago", "Texas"), rule_of("America/New_York", "New York"), rule_of("Asia/Shanghai")
    (('US-TX',), ('US',), ('CN',))
    >>> rule_of("America/Chicago")
    ('US', 'US-FL', 'US-MS', 'US-OK', 'US-TX')
    """
    territory = territory_of(zone)
    if territory not in ("US", "CN") and jurisdiction in RULES and jurisdiction != "US":
        return (jurisdiction,)
    if territory == "US" or (territory not in ("US", "CN") and jurisdiction == "US"):
        name = (region or "").strip().lower().removeprefix("us-")
        code = _STATE_NAMES.get(name, name.upper())
        if f"US-{code}" in RULES:
            return (f"US-{code}",)
        if name in _FEDERAL:
            return ("US",)
        if territory != "US":
            return tuple(rule for rule in RULES if rule.startswith("US"))
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


# --- a company's customers -------------------------------------------------------------------------------------------


def hours_allowed(shop: Shop, own: str = "") -> NDArray[np.bool_]:
    """(24,): local hours allowed on all weekdays by every rule that applies to at least 1 % of customers.

    Args:
        shop: the company.
        own: the sender's own hours (`9-18`); empty for none.
    """
    where = count_places(shop)
    share = where.groupby("rules")["customers"].sum() / max(where["customers"].sum(), 1)
    names = {rule for rules in share[share >= 0.01].index for rule in rules.split()}
    return np.asarray(allowed(names, parse_rule(own)).all(axis=0))


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
