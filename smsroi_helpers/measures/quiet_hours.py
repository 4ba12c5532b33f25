"""Quiet hours: when a text may be sent to a recipient, by the rules of the table `sending_rules`.

Rules apply in the recipient's time zone and are stated in local hours, so daylight saving needs no special treatment.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

import holidays
import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures.columns import left_join_columns, optional
from smsroi_helpers.measures.sending_rules import (
    CAREFUL,
    EU_MEMBERS,
    RULES,
    STATE_NAMES,
    STATES_OF_ZONES,
    Rule,
    Week,
)
from smsroi_helpers.source import Shop, canonical_zone, country_of_zone
from smsroi_helpers.statistics import Floats

__all__ = [
    "OTHER_CHANNELS",
    "allowed",
    "allowed_on",
    "count_places",
    "days_off",
    "parse_rule",
    "rule_of",
    "rules_of_zone",
    "share_allowed",
    "state_unknown",
    "sum_places",
    "territory_of",
    "with_place",
]

OTHER_CHANNELS = frozenset({
    "app", "direct mail", "e-mail", "edm", "email", "letter", "mail", "post", "print", "push", "web", "wechat",
    "weixin",
})  # fmt: skip
"""Channels to which the rules on hours and days of texts and calls do not apply; names in lower case."""

_US_ZONES = {
    "Eastern": ("America/New_York", "America/Detroit", "America/Kentucky/Louisville", "America/Indiana/Indianapolis"),
    "Central": ("America/Chicago", "America/Menominee", "America/Indiana/Knox"),
    "Mountain": ("America/Denver", "America/Boise"),
    "Pacific": ("America/Los_Angeles",),
}  # fmt: skip


def territory_of(zone: str | None) -> str:
    """The country of a time zone (`US`, `CN`); empty where it has none."""
    return country_of_zone(zone or "")


def rules_of_zone(zone: str | None) -> tuple[str, ...]:
    """Every rule that may apply in a time zone; in the US those of all states in it.

    Where the zone is unknown, or its country has no rule here, the careful default applies, not the laws of others.
    """
    territory = territory_of(zone)
    if territory == "US":
        for area, zones in _US_ZONES.items():
            if canonical_zone(zone or "") in zones:
                return ("US", *(f"US-{state}" for state in STATES_OF_ZONES[area]))
    return _rules_of_country(territory)


def _rules_of_country(country: str) -> tuple[str, ...]:
    if country in EU_MEMBERS:
        return ("EU",)
    return (country,) if country in RULES else (CAREFUL,)


def rule_of(zone: str | None, region: str | None = None, jurisdiction: str = "", clock: str = "") -> tuple[str, ...]:
    """The rules that apply, or may apply, to a recipient; hours must be allowed by all of them.

    Args:
        zone: the recipient's own time zone; empty if it is not known.
        region: a state's name or code, as the source has it.
        jurisdiction: the source's (`CN`, `US`, `US-TX`), for recipients without a zone and a region of their own, or in
            a country without a rule.
        clock: the source's time zone, for recipients without a zone where there is no jurisdiction. It also tells in
            which part of the US they are, if the jurisdiction is the US without a state.

    >>> rule_of("America/Chicago", "Texas"), rule_of("America/New_York", "New York"), rule_of("Asia/Shanghai")
    (('US-TX',), ('US',), ('CN',))
    >>> rule_of("Europe/Paris"), rule_of("Europe/Vienna"), rule_of("Africa/Lagos"), rule_of(None)
    (('FR',), ('EU',), ('careful',), ('careful',))
    >>> rule_of("America/Denver"), rule_of("", "", "US", "America/Denver"), rule_of("", "", "US-TX", "America/Denver")
    (('US', 'US-NM', 'US-TX', 'US-UT'), ('US', 'US-NM', 'US-TX', 'US-UT'), ('US-TX',))
    """
    place = zone or clock
    if jurisdiction and (not zone or rules_of_zone(zone) == (CAREFUL,)):
        place = ""
    country, _hyphen, told = jurisdiction.partition("-")
    here = {territory_of(place)} if place else {country, "" if zone else territory_of(clock)}
    name = (region or "").strip().lower().removeprefix("us-")
    state = STATE_NAMES.get(name, name.upper()) if "US" in here else ""
    if not place and country == "US":
        state = state if state in STATE_NAMES.values() else told
    if state in STATE_NAMES.values():
        return (f"US-{state}",) if f"US-{state}" in RULES else ("US",)
    if place or not jurisdiction:
        return rules_of_zone(place)
    if country != "US":
        return _rules_of_country(country)
    if not zone and territory_of(clock) == "US":
        return rules_of_zone(clock)
    return tuple(rule for rule in RULES if rule == "US" or rule.startswith("US-"))


def with_place(shop: Shop, rows: ir.Table) -> ir.Table:
    """Add the recipient's own `zone` and `area` to rows with a customer_id, as customers has them; empty: not known."""
    blank = ibis.literal("")
    if not shop.has("customers"):
        return rows.mutate(zone=blank, area=blank)
    people = shop.customers
    zone, area = (optional(people, name, "string") for name in ("timezone", "region"))
    homes = people.select("customer_id", zone=zone, area=area)
    joined = left_join_columns(rows, homes, "customer_id")
    return joined.mutate(zone=joined.zone.fill_null(""), area=joined.area.fill_null(""))


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
        week &= (np.arange(24) >= own[0]) & (np.arange(24) < own[1])
    return week


def days_off(rules: Iterable[str], first: dt.date, last: dt.date) -> list[dt.date]:
    """Public holidays, from first to last, on which at least one of these rules allows no texts.

    The package `holidays` has the holidays of a whole country, or of a state of the US; those of regions elsewhere are
    not known.

    >>> days_off(["FR"], dt.date(2026, 7, 1), dt.date(2026, 7, 31))
    [datetime.date(2026, 7, 14)]
    >>> days_off(["US-NJ"], dt.date(2026, 7, 1), dt.date(2026, 7, 31))
    []
    """
    found: set[dt.date] = set()
    for rule in (RULES[name] for name in rules):
        if not rule.holidays:
            country, state = rule.calendar
            known = holidays.country_holidays(country, subdiv=state, years=range(first.year, last.year + 1))
            found |= {day for day in known if first <= day <= last}
    return sorted(found)


def allowed_on(rules: Iterable[str], day: dt.date, own: tuple[int, int] | None = None) -> Week:
    """(24,): hours of one date that all of these rules and the sender's own hours allow.

    >>> allowed_on(["FR"], dt.date(2026, 7, 14)).any(), allowed_on(["FR"], dt.date(2026, 7, 15)).sum()
    (np.False_, np.int64(12))
    """
    names = list(rules)
    closed = bool(days_off(names, day, day))
    return np.zeros(24, bool) if closed else np.asarray(allowed(names, own)[day.weekday()])


def state_unknown(rules: Iterable[str]) -> bool:
    """Whether these rules stand for a recipient in the US whose state is not known.

    >>> state_unknown(rule_of("America/Denver")), state_unknown(rule_of("America/Denver", "Utah"))
    (True, False)
    """
    names = list(rules)
    return len(names) > 1 and all(name.startswith("US") for name in names)


# --- a company's customers -------------------------------------------------------------------------------------------


def share_allowed(shop: Shop, own: tuple[int, int] | None = None) -> Floats:
    """(24,): the share of customers (0–1) who may be texted at each local hour on at least one weekday.

    Args:
        shop: the company.
        own: of `parse_rule`, the sender's own hours.
    """
    people = count_places(shop).groupby("rules")["customers"].sum()
    hours = np.array([allowed(str(rules).split(), own).any(axis=0) for rules in people.index], float)
    return np.asarray(people.to_numpy(float) @ hours / max(people.sum(), 1))


def count_places(shop: Shop) -> pd.DataFrame:
    """Customers (without the table, those texted) by timezone, region and rules: names of `RULES`, between blanks."""
    jurisdiction, clock = shop.settings.jurisdiction, shop.settings.timezone
    if not shop.has("customers"):
        rules = " ".join(rule_of("", "", jurisdiction, clock))
        texted = shop.messages if shop.has("messages") else None
        customers = (
            1 if texted is None else int(shop.count(texted.aggregate(n=texted.customer_id.nunique()))["n"].iloc[0])
        )
        return pd.DataFrame({"timezone": [""], "region": [""], "rules": [rules], "customers": [max(customers, 1)]})
    people = shop.customers
    blank = ibis.literal("")
    people = people.select(
        timezone=people.timezone.fill_null("") if "timezone" in people.columns else blank,
        region=people.region.fill_null("") if "region" in people.columns else blank,
    )
    found = shop.count(
        people.group_by("timezone", "region").aggregate(customers=people.count()).order_by("timezone", "region")
    )
    applicable = [" ".join(rule_of(row.timezone, row.region, jurisdiction, clock)) for row in found.itertuples()]
    return found.assign(rules=applicable)


def sum_places(places: pd.DataFrame) -> pd.Series:
    """Customers by rules (index), the most first.

    Args:
        places: of `count_places`.
    """
    return places.groupby("rules", sort=False)["customers"].sum().sort_values(ascending=False)
