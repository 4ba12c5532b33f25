"""Allowed hours: the table of rules, the rules of a recipient, and the sender's own hours."""

import datetime as dt
import zoneinfo
from typing import ClassVar

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures import RULES, quiet_hours


class TestAllowedHours:
    # operations.md, section 5 (weekday, Saturday, Sunday), corrected by the text of the law: no texts on Sundays in
    # Mississippi (Miss. Code 77-3-723) and Rhode Island (R.I. Gen. Laws 5-61-2).
    TABLE: ClassVar = {
        "US": ((8, 21),) * 3, "US-FL": ((8, 20),) * 3, "US-MD": ((8, 20),) * 3, "US-NJ": ((8, 20),) * 3,
        "US-OK": ((8, 20),) * 3, "US-CT": ((9, 20),) * 3, "US-TX": ((9, 21), (9, 21), (12, 21)), "CN": ((8, 20),) * 3,
        "US-MS": ((8, 20), (8, 20), (0, 0)), "US-RI": ((9, 18), (10, 17), (0, 0)),
    }  # fmt: skip
    # Laws and guides to them, as the table's sources say.
    STATES: ClassVar = {
        "US-AL": ((8, 20), (8, 20), (0, 0)), "US-KY": ((10, 21),) * 3, "US-LA": ((8, 20), (8, 20), (0, 0)),
        "US-MA": ((8, 20),) * 3, "US-MI": ((9, 21),) * 3, "US-MN": ((9, 21),) * 3, "US-NM": ((9, 21),) * 3,
        "US-NV": ((9, 20),) * 3, "US-PA": ((8, 21),) * 3, "US-UT": ((8, 21), (8, 21), (0, 0)), "US-WA": ((8, 20),) * 3,
    }  # fmt: skip
    # Carriers' rules, codes and rules for calls, each with its source in the table; the rest has the careful default.
    ABROAD: ClassVar = {
        "FR": ((8, 20), (8, 20), (0, 0)), "ES": ((9, 21), (0, 0), (0, 0)), "IT": ((9, 20), (10, 19), (0, 0)),
        "CA": ((9, 21), (10, 18), (10, 18)), "AU": ((9, 20), (9, 17), (0, 0)), "IN": ((10, 21),) * 3,
        "JP": ((8, 21),) * 3, **dict.fromkeys(("DE", "EU", "GB", "SG", "careful"), ((9, 20), (10, 18), (12, 18))),
    }  # fmt: skip

    def test_the_table_is_that_of_its_sources(self):
        table = self.TABLE | self.STATES | self.ABROAD
        assert set(RULES) == set(table)
        for name, spans in table.items():
            week = quiet_hours.allowed([name])
            for weekday, (first, end) in enumerate([spans[0]] * 5 + list(spans[1:])):
                assert week[weekday].nonzero()[0].tolist() == list(range(first, end)), (name, weekday)

    def test_each_rule_has_a_source_and_its_own_date_if_it_was_verified(self):
        for rule in RULES.values():
            assert rule.source
            assert bool(rule.checked_on) is (rule.checked != "none")
            assert not rule.checked_on or dt.date.fromisoformat(f"{rule.checked_on}-01") <= dt.date(2026, 11, 30)
        assert {name for name, rule in RULES.items() if rule.checked == "none"} == {"SG", "careful"}

    def test_texts_are_not_allowed_on_public_holidays_where_the_rule_says_so(self):
        """France 2026 by hand: Easter is on 5 April, so Easter Monday, Ascension and Whit Monday follow."""
        days = ["01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01", "11-11", "12-25"]
        year = (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
        assert quiet_hours.days_off(["FR"], *year) == [dt.date.fromisoformat(f"2026-{day}") for day in days]
        closed = {name for name in RULES if quiet_hours.days_off([name], *year)}
        assert closed == {"FR", "ES", "IT", "AU", "US-AL", "US-LA", "US-PA", "US-RI", "US-UT"}
        assert dt.date(2026, 7, 24) in quiet_hours.days_off(["US-UT"], *year)  # Pioneer Day, in Utah only
        assert dt.date(2026, 7, 24) not in quiet_hours.days_off(["US-PA"], *year)
        both = quiet_hours.days_off(["FR", "US-UT"], *year)
        assert both == sorted({*quiet_hours.days_off(["FR"], *year), *quiet_hours.days_off(["US-UT"], *year)})
        assert quiet_hours.days_off(["FR"], dt.date(2026, 7, 15), dt.date(2026, 7, 31)) == []

    def test_a_date_has_the_hours_of_its_weekday_unless_it_is_a_holiday(self):
        """A wrong variant, the weekday's hours alone, allows texts on Bastille Day."""
        bastille = dt.date(2026, 7, 14)
        assert quiet_hours.allowed(["FR"])[bastille.weekday()].any()
        assert not quiet_hours.allowed_on(["FR"], bastille).any()
        assert quiet_hours.allowed_on(["FR"], dt.date(2026, 7, 15)).nonzero()[0].tolist() == list(range(8, 20))
        assert not quiet_hours.allowed_on(["FR"], dt.date(2026, 7, 19)).any()  # a Sunday
        assert quiet_hours.allowed_on(["GB"], dt.date(2026, 12, 25), (11, 13)).nonzero()[0].tolist() == [11, 12]

    @pytest.mark.parametrize("zone", [None, "", "Africa/Lagos", "Etc/UTC"])
    def test_a_place_without_a_rule_gets_the_careful_default_not_the_laws_of_others(self, zone):
        week = quiet_hours.allowed(quiet_hours.rule_of(zone))
        hours = [day.nonzero()[0].tolist() for day in week]
        assert hours == [list(range(9, 20))] * 5 + [list(range(10, 18)), list(range(12, 18))]

    @pytest.mark.parametrize(
        ("zone", "rule"),
        [("Europe/Paris", "FR"), ("Europe/Vienna", "EU"), ("Europe/London", "GB"), ("Asia/Kolkata", "IN"),
         ("America/Toronto", "CA"), ("Australia/Perth", "AU"), ("Asia/Tokyo", "JP"), ("Asia/Singapore", "SG"),
         ("Europe/Zurich", "careful")],
    )  # fmt: skip
    def test_a_country_has_its_own_rule_whatever_the_source_s_jurisdiction(self, zone, rule):
        assert quiet_hours.rule_of(zone, "Texas") == (rule,)
        assert quiet_hours.rule_of(zone, None, "CN") == (("CN",) if rule == "careful" else (rule,))

    @pytest.mark.parametrize(
        ("zone", "region", "source", "rules"),
        [
            ("America/New_York", "Rhode Island", "", ("US-RI",)),
            ("America/New_York", "NY", "", ("US",)),
            ("America/Los_Angeles", None, "", ("US", "US-NV", "US-WA")),
            ("America/Phoenix", None, "", ("US",)),
            ("America/Los_Angeles", "washington", "", ("US-WA",)),
            ("America/Denver", None, "", ("US", "US-NM", "US-TX", "US-UT")),
            ("US/Mountain", None, "", ("US", "US-NM", "US-TX", "US-UT")),
            ("Asia/Calcutta", None, "", ("IN",)),
            ("Asia/Urumqi", "新疆", "US", ("CN",)),
            (None, None, "CN", ("CN",)),
            (None, "tx", "US", ("US-TX",)),
        ],
    )
    def test_the_rules_of_a_recipient(self, zone, region, source, rules):
        assert quiet_hours.rule_of(zone, region, source) == rules

    @pytest.mark.parametrize(
        ("zone", "region", "source", "clock", "rules"),
        [
            # The place of the recipient is not known: the jurisdiction, whatever the source's clock.
            ("", "", "US-TX", "America/New_York", ("US-TX",)),
            ("", "", "US-CA", "America/New_York", ("US",)),  # California has no rule of its own
            ("", "", "US-TX", "Asia/Shanghai", ("US-TX",)),
            ("", "", "CN", "America/New_York", ("CN",)),
            ("", "", "CN-GD", "UTC", ("CN",)),
            ("", "", "AT", "UTC", ("EU",)),
            ("", "", "CH", "Asia/Shanghai", ("careful",)),
            # In the US without a state: every state of the clock's zone, else every state.
            ("", "", "US", "America/Los_Angeles", ("US", "US-NV", "US-WA")),
            ("", "", "US", "UTC", tuple(rule for rule in RULES if rule.startswith("US"))),
            # Without a jurisdiction: the source's clock.
            ("", "", "", "Asia/Shanghai", ("CN",)),
            ("", "Texas", "", "America/Chicago", ("US-TX",)),
            # The recipient's own place comes first.
            ("", "Florida", "US-TX", "America/New_York", ("US-FL",)),
            ("America/Los_Angeles", "", "US-TX", "America/New_York", ("US", "US-NV", "US-WA")),
            ("Europe/Paris", "", "US-TX", "America/New_York", ("FR",)),
            ("Europe/Zurich", "", "US-TX", "America/New_York", ("US-TX",)),  # has no rule here
        ],
    )  # fmt: skip
    def test_the_jurisdiction_is_that_of_recipients_whose_place_is_not_known(self, zone, region, source, clock, rules):
        assert quiet_hours.rule_of(zone, region, source, clock) == rules

    def test_no_zone_is_given_more_than_its_rules_allow(self):
        """In every zone the hours are within the rule of its country, else the default; there are some."""
        for zone in sorted(zoneinfo.available_timezones()):
            week = quiet_hours.allowed(quiet_hours.rule_of(zone))
            assert week.any(), zone
            country = quiet_hours.territory_of(zone)
            within = country if country in RULES else "careful"
            assert not (week & ~quiet_hours.allowed([within])).any(), zone

    def test_an_unknown_state_gives_the_hours_that_every_state_of_the_zone_allows(self):
        unknown = quiet_hours.rule_of("America/Denver")
        assert quiet_hours.state_unknown(unknown)
        week = quiet_hours.allowed(unknown)
        for state in ("New Mexico", "Texas", "Utah", "Colorado"):
            known = quiet_hours.rule_of("America/Denver", state)
            assert not quiet_hours.state_unknown(known)
            assert not (week & ~quiet_hours.allowed(known)).any(), state
        assert not quiet_hours.state_unknown(quiet_hours.rule_of("Europe/Paris"))

    def test_own_hours_narrow_and_never_widen(self):
        wide = quiet_hours.allowed(["US-CT"], (0, 24))
        assert (wide == quiet_hours.allowed(["US-CT"])).all()
        assert quiet_hours.allowed(["US-CT"], (12, 24))[0].nonzero()[0].tolist() == list(range(12, 20))

    @pytest.mark.parametrize("text", ["9", "18-9", "9-25", "nine-ten"])
    def test_invalid_hours_are_refused(self, text):
        with pytest.raises(UsageError, match="own_hours"):
            quiet_hours.parse_rule(text)
