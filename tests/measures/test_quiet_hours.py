"""Allowed hours: the table of rules, the rules of a recipient, and the sender's own hours."""

import zoneinfo
from typing import ClassVar

import pytest

from smsroi_helpers.errors import UsageError
from smsroi_helpers.measures import quiet_hours


class TestAllowedHours:
    # operations.md, section 5: weekday, Saturday, Sunday
    TABLE: ClassVar = {
        "US": ((8, 21),) * 3, "US-FL": ((8, 20),) * 3, "US-MD": ((8, 20),) * 3, "US-MS": ((8, 20),) * 3,
        "US-NJ": ((8, 20),) * 3, "US-OK": ((8, 20),) * 3, "US-CT": ((9, 20),) * 3,
        "US-RI": ((9, 18), (10, 17), (10, 17)), "US-TX": ((9, 21), (9, 21), (12, 21)), "CN": ((8, 20),) * 3,
    }  # fmt: skip
    # Carriers' rules, codes and rules for calls, each with its source in the table; the rest has the careful default.
    ABROAD: ClassVar = {
        "FR": ((8, 20), (8, 20), (0, 0)), "ES": ((9, 21), (0, 0), (0, 0)), "IT": ((9, 20), (10, 19), (0, 0)),
        "CA": ((9, 21), (10, 18), (10, 18)), "AU": ((9, 20), (9, 17), (0, 0)), "IN": ((10, 21),) * 3,
        "JP": ((9, 20),) * 3, **dict.fromkeys(("DE", "EU", "GB", "SG", "careful"), ((9, 20), (10, 18), (12, 18))),
    }  # fmt: skip

    def test_the_table_is_that_of_the_operations_page(self):
        assert set(quiet_hours.RULES) == set(self.TABLE) | set(self.ABROAD)
        for name, spans in (self.TABLE | self.ABROAD).items():
            week = quiet_hours.allowed([name])
            for weekday, (first, end) in enumerate([spans[0]] * 5 + list(spans[1:])):
                assert week[weekday].nonzero()[0].tolist() == list(range(first, end)), (name, weekday)

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

    def test_usable_hours_are_those_of_every_day_on_which_texts_may_be_sent(self):
        spans = {}
        for name in ("FR", "ES", "US-TX", "AU"):
            hours = quiet_hours.usable_hours(quiet_hours.allowed([name])).nonzero()[0]
            spans[name] = (hours[0], hours[-1] + 1)
        assert spans == {"FR": (8, 20), "ES": (9, 21), "US-TX": (12, 21), "AU": (9, 17)}
        assert not quiet_hours.usable_hours(quiet_hours.allowed(["FR"], (21, 23))).any()

    @pytest.mark.parametrize(
        ("zone", "region", "source", "rules"),
        [
            ("America/New_York", "Rhode Island", "", ("US-RI",)),
            ("America/New_York", "NY", "", ("US",)),
            ("America/Los_Angeles", None, "", ("US",)),
            ("America/New_York", None, "", ("US", "US-FL", "US-MD", "US-NJ", "US-CT", "US-RI")),
            ("Asia/Urumqi", "新疆", "US", ("CN",)),
            (None, None, "CN", ("CN",)),
            (None, "tx", "US", ("US-TX",)),
        ],
    )
    def test_the_rules_of_a_recipient(self, zone, region, source, rules):
        assert quiet_hours.rule_of(zone, region, source) == rules

    def test_no_zone_is_given_more_than_its_rules_allow(self):
        """In every zone the hours are within the rule of its country, else the default; there are some."""
        for zone in sorted(zoneinfo.available_timezones()):
            week = quiet_hours.allowed(quiet_hours.rule_of(zone))
            assert quiet_hours.usable_hours(week).any(), zone
            country = quiet_hours.territory_of(zone)
            within = country if country in quiet_hours.RULES else "careful"
            assert not (week & ~quiet_hours.allowed([within])).any(), zone

    def test_own_hours_narrow_and_never_widen(self):
        wide = quiet_hours.allowed(["US-CT"], (0, 24))
        assert (wide == quiet_hours.allowed(["US-CT"])).all()
        assert quiet_hours.allowed(["US-CT"], (12, 24))[0].nonzero()[0].tolist() == list(range(12, 20))

    @pytest.mark.parametrize("text", ["9", "18-9", "9-25", "nine-ten"])
    def test_invalid_hours_are_refused(self, text):
        with pytest.raises(UsageError, match="own_hours"):
            quiet_hours.parse_rule(text)
