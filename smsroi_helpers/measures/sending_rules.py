"""The rules on when a text may be sent, by jurisdiction: local hours, weekdays, public holidays, source, and date.

The hours were compared with stored public texts, most of them secondary. Users must confirm them with their own
counsel. Many of these rules are about calls, or except recipients who have consented. They are applied to all marketing
texts, which is the careful reading.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CAREFUL",
    "CONSENT_SOURCES",
    "EU_MEMBERS",
    "RULES",
    "STATES_OF_ZONES",
    "STATE_NAMES",
    "Rule",
    "Week",
]

Week = NDArray[np.bool_]
Hours = tuple[int, int]
Checked = Literal["law", "guides", "none"]
"""What the hours were compared with: the text of the law or of its regulator, secondary guides, or nothing."""

NEVER: Hours = (0, 0)
CAREFUL = "careful"
"""The rule of a place without a rule of its own here."""
_CHECKED_ON = "2026-11"


@dataclass(frozen=True)
class Rule:
    """When one jurisdiction allows texts; hours are local and half-open."""

    name: str
    source: str
    """The law or the regulator."""
    hours: Hours
    """Monday to Friday."""
    saturday: Hours
    sunday: Hours
    holidays: bool = True
    """Whether texts are allowed on public holidays."""
    checked: Checked = "none"
    checked_on: str = ""
    """The month (ISO) in which the rule was compared with its source; empty if it was not."""

    def week(self) -> Week:
        """(7 weekdays from Monday, 24 hours): whether a text may be sent during the whole hour."""
        hour = np.arange(24)
        spans = [self.hours] * 5 + [self.saturday, self.sunday]
        return np.array([(hour >= first) & (hour < end) for first, end in spans])

    @property
    def calendar(self) -> tuple[str, str | None]:
        """Country and state (None: none) of the package `holidays`."""
        country, _, state = self.name.partition("-")
        return country, state or None


def _rule(checked: Checked, name: str, source: str, hours: Hours, saturday: Hours | None = None,
          sunday: Hours | None = None, *, holidays: bool = True) -> Rule:  # fmt: skip
    """One row of the table; a day without hours of its own has those of the day before it."""
    saturday = saturday or hours
    return Rule(
        name, source, hours, saturday, sunday or saturday, holidays, checked, _CHECKED_ON if checked != "none" else ""
    )


def _default(checked: Checked, name: str, source: str) -> Rule:
    """A place whose law names no hours: the careful default."""
    return _rule(checked, name, f"{source}; careful default", (9, 20), (10, 18), (12, 18))


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        _rule("guides", "US", "47 CFR 64.1200(c)(1): 8 a.m. to 9 p.m. local time", (8, 21)),
        _rule("guides", "US-AL", "Ala. Admin. Code 770-X-5-.17", (8, 20), None, NEVER, holidays=False),
        _rule("guides", "US-CT", "Conn. Gen. Stat. 42-288a (Public Act 23-98)", (9, 20)),
        _rule("law", "US-FL", "Fla. Stat. 501.616(6)(a)", (8, 20)),
        _rule("guides", "US-KY", "KRS 367.46955(3)", (10, 21)),
        _rule("law", "US-LA", "La. R.S. 45:811", (8, 20), None, NEVER, holidays=False),
        _rule("guides", "US-MA", "201 CMR 12.00; Mass. Gen. Laws ch. 159C", (8, 20)),
        _rule("guides", "US-MD", "Md. Code, Com. Law 14-4503 (Stop the Spam Calls Act of 2023)", (8, 20)),
        _rule("guides", "US-MI", "Mich. Comp. Laws 750.540e", (9, 21)),
        _rule("guides", "US-MN", "Minn. Stat. 325E.30", (9, 21)),
        _rule("law", "US-MS", "Miss. Code 77-3-723(1)", (8, 20), None, NEVER),
        _rule("guides", "US-NJ", "N.J.S.A. 56:8-128(d) says until 21; guides say until 20", (8, 20)),
        _rule("guides", "US-NM", "N.M. Stat. 57-12-22", (9, 21)),
        _rule("guides", "US-NV", "Nevada, as compliance guides give it", (9, 20)),
        _rule("guides", "US-OK", "Oklahoma Telephone Solicitation Act of 2022", (8, 20)),
        _rule("law", "US-PA", "73 P.S. 2245(a)", (8, 21), holidays=False),
        _rule("law", "US-RI", "R.I. Gen. Laws 5-61-2(2)", (9, 18), (10, 17), NEVER, holidays=False),
        _rule("guides", "US-TX", "Tex. Bus. & Com. Code 301.051 (texts: SB 140 of 2025)", (9, 21), None, (12, 21)),
        _rule("law", "US-UT", "Utah Code 13-25a-103(3)", (8, 21), None, NEVER, holidays=False),
        _rule("guides", "US-WA", "RCW 80.36.390", (8, 20)),
        _rule("guides", "CN", "careful reading of gateways’ rules (20:00 or 22:00 to 8:00 closed)", (8, 20)),
        _rule("guides", "FR", "carriers’ rules for marketing SMS: not on Sundays or holidays", (8, 20), None, NEVER,
              holidays=False),
        _rule("law", "ES", "LGDCU art. 96.2 (calls)", (9, 21), NEVER, NEVER, holidays=False),
        _rule("guides", "IT", "Garante, decision 148 of 2024, code of conduct (calls)", (9, 20), (10, 19), NEVER,
              holidays=False),
        _default("law", "DE", "UWG 7 names no hours"),
        _default("law", "EU", "no hours for the whole EU: Directive 2002/58/EC art. 13 names none"),
        _default("guides", "GB", "PECR 2003 names no hours; the DMA code asks for sociable ones"),
        _rule("law", "CA", "CRTC Unsolicited Telecommunications Rules (calls): until 21:30", (9, 21), (10, 18)),
        _rule("law", "AU", "Telemarketing and Research Calls Industry Standard 2017 (calls)", (9, 20), (9, 17), NEVER,
              holidays=False),
        _rule("guides", "IN", "careful reading of TRAI TCCCPR 2018 (sources give from 9 and from 10)", (10, 21)),
        _rule("guides", "JP", "commentary on the Act on Specified Commercial Transactions (calls): not 21 to 8",
              (8, 21)),
        _default("none", "SG", "PDPA names no hours"),
        _default("none", CAREFUL, "no rule in this table"),
    )
}  # fmt: skip
"""By jurisdiction: a country (`US`), a state after its country (`US-TX`), the other members of the EU (`EU`), and
`careful` for the rest. Rules for calls are applied to texts where there is none for texts."""

CONSENT_SOURCES = {
    "US": "47 CFR 64.1200(a)(2) (prior express written consent) and (a)(10) (revocation)",
    "CN": "通信短信息服务管理规定 (2015) 第十八条、第二十条",
    "EU": "Directive 2002/58/EC art. 13(1)",
    "GB": "PECR 2003 reg. 22",
    "CA": "CASL (S.C. 2010, c. 23) s. 6 and 11",
    "AU": "Spam Act 2003 s. 16 and 18",
}
"""The rules on consent and opting out, by country (`EU` for members); not compared with their sources here."""

EU_MEMBERS = frozenset(
    "AT BE BG HR CY CZ DK EE FI GR HU IE LV LT LU MT NL PL PT RO SK SI SE".split()  # noqa: SIM905
)
"""Members without a rule of their own."""

STATES_OF_ZONES = {
    "Eastern": ("FL", "MD", "NJ", "CT", "RI", "PA", "MA", "MI", "KY"),
    "Central": ("AL", "FL", "KY", "LA", "MI", "MN", "MS", "OK", "TX"),
    "Mountain": ("NM", "TX", "UT"),
    "Pacific": ("NV", "WA"),
}
"""States with their own hours in each US time zone; the others follow the federal rule."""

STATE_NAMES = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA", "colorado": "CO",
    "connecticut": "CT", "delaware": "DE", "district of columbia": "DC", "florida": "FL", "georgia": "GA",
    "hawaii": "HI", "idaho": "ID", "illinois": "IL", "indiana": "IN", "iowa": "IA", "kansas": "KS", "kentucky": "KY",
    "louisiana": "LA", "maine": "ME", "maryland": "MD", "massachusetts": "MA", "michigan": "MI", "minnesota": "MN",
    "mississippi": "MS", "missouri": "MO", "montana": "MT", "nebraska": "NE", "nevada": "NV", "new hampshire": "NH",
    "new jersey": "NJ", "new mexico": "NM", "new york": "NY", "north carolina": "NC", "north dakota": "ND",
    "ohio": "OH", "oklahoma": "OK", "oregon": "OR", "pennsylvania": "PA", "rhode island": "RI",
    "south carolina": "SC", "south dakota": "SD", "tennessee": "TN", "texas": "TX", "utah": "UT", "vermont": "VT",
    "virginia": "VA", "washington": "WA", "west virginia": "WV", "wisconsin": "WI", "wyoming": "WY",
}  # fmt: skip
"""Codes of the states of the US by their names in lower case."""
