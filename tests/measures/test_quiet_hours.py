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

    def test_the_table_is_that_of_the_operations_page(self):
        assert set(quiet_hours.RULES) == set(self.TABLE)
        for name, spans in self.TABLE.items():
            week = quiet_hours.allowed([name])
            for weekday, (first, end) in enumerate([spans[0]] * 5 + list(spans[1:])):
                assert week[weekday].nonzero()[0].tolist() == list(range(first, end)), (name, weekday)

    def test_an_unknown_zone_gets_what_all_rules_allow(self):
        week = quiet_hours.allowed(quiet_hours.rule_of(None))
        hours = [day.nonzero()[0].tolist() for day in week]
        assert hours == [list(range(9, 18))] * 5 + [list(range(10, 17)), list(range(12, 17))]

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
        """In every zone the hours are within all rules of its country, and there is at least one."""
        for zone in sorted(zoneinfo.available_timezones()):
            week = quiet_hours.allowed(quiet_hours.rule_of(zone))
            assert week.any(axis=1).all(), zone
            country = quiet_hours.territory_of(zone)
            within = [country] if country in ("US", "CN") else list(quiet_hours.RULES)
            assert not (week & ~quiet_hours.allowed(within)).any(), zone

    def test_own_hours_narrow_and_never_widen(self):
        wide = quiet_hours.allowed(["US-CT"], (0, 24))
        assert (wide == quiet_hours.allowed(["US-CT"])).all()
        assert quiet_hours.allowed(["US-CT"], (12, 24))[0].nonzero()[0].tolist() == list(range(12, 20))

    @pytest.mark.parametrize("text", ["9", "18-9", "9-25", "nine-ten"])
    def test_invalid_hours_are_refused(self, text):
        with pytest.raises(UsageError, match="own_hours"):
            quiet_hours.parse_rule(text)
