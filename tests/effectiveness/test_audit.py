"""Past texts against the rules, counted by hand on small sources."""

import datetime as dt
from dataclasses import replace

import pandas as pd

from smsroi_helpers import effectiveness
from smsroi_helpers.effectiveness import audit_tables
from smsroi_helpers.effectiveness.audit import audit_rules

HEAD = "message_id,customer_id,campaign_id,sent_at"
ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2026-01-02 10:00:00,10\n2,b,2026-07-31 10:00:00,20\n"
PEOPLE = (
    "customer_id,timezone,opted_in_at,opted_out_at\n"
    "a,Asia/Tokyo,2026-01-01 00:00:00,2026-07-10 00:00:00\n"  # opted out before two of the texts
    "b,Asia/Tokyo,,\n"  # no consent
    "c,Asia/Tokyo,2026-07-12 00:00:00,\n"  # consent came later than the first text
)
# UTC; Tokyo is nine hours ahead: 3:00 is noon, 13:00 is 22:00, which is closed.
TEXTS = [
    ("a", "x", "2026-07-05 03:00:00"), ("a", "x", "2026-07-10 03:00:00"), ("a", "y", "2026-07-11 13:00:00"),
    ("b", "y", "2026-07-05 03:00:00"), ("c", "y", "2026-07-11 03:00:00"), ("c", "y", "2026-07-12 03:00:00"),
    ("c", "y", "2026-07-13 03:00:00"), ("c", "y", "2026-07-17 02:59:59"), ("c", "y", "2026-07-20 03:00:01"),
    ("stranger", "y", "2026-07-05 03:00:00"),
]  # fmt: skip


def messages():
    return "\n".join([HEAD, *(f"m{i},{who},{what},{at}" for i, (who, what, at) in enumerate(TEXTS))]) + "\n"


def shop_of(make_source, open_source, people=PEOPLE):
    return open_source(make_source(orders=ORDERS, customers=people, messages=messages()))


def test_each_breach_is_counted_with_its_rule_and_dates(make_source, open_source):
    found = audit_rules(shop_of(make_source, open_source), weekly_cap=3)
    checks = found.checks.set_index("check")
    assert checks["texts"].to_dict() == {
        "closed_hours": 2,  # 22:00 in Tokyo; the stranger's 3:00 on the source's clock
        "days_off": 0,
        "after_opt_out": 2,
        "without_consent": 2,  # b, and c before the opt-in; the stranger's consent is unknown
        "above_cap": 1,  # c's fourth text within seven days, on 17 July; on the 20th the first is too old
    }
    assert found.unknown_consent == 1
    assert str(pd.Timestamp(checks.loc["after_opt_out", "first"]).date()) == "2026-07-10"
    assert str(pd.Timestamp(checks.loc["above_cap", "last"]).date()) == "2026-07-17"
    assert set(found.places["rules"]) <= {"JP", "careful"}
    by_campaign = found.campaigns.set_index(["check", "campaign_id"])["texts"]
    assert by_campaign["after_opt_out", "x"] == by_campaign["after_opt_out", "y"] == 1
    assert found.breaches == 7


def test_consent_that_is_not_recorded_is_unknown_and_not_a_breach(make_source, open_source):
    found = audit_rules(shop_of(make_source, open_source, "customer_id,timezone\na,Asia/Tokyo\n"))
    assert found.unchecked == {
        "after_opt_out": "no_opt_outs", "without_consent": "no_opt_ins", "above_cap": "no_cap",
    }  # fmt: skip
    assert set(found.checks["check"]) == {"closed_hours", "days_off"}
    assert found.unknown_consent == len(TEXTS)
    page = audit_tables.checks_table(found).markup
    assert "unknown: the source records no consent" in page
    assert "not checked: no frequency cap is set" in page


def test_the_cap_depends_on_the_parameter(make_source, open_source):
    shop = shop_of(make_source, open_source)
    counts = {
        cap: audit_rules(shop, weekly_cap=cap).checks.set_index("check")["texts"]["above_cap"] for cap in (1, 2, 5)
    }
    # Within seven days of the text before (cap 1): a 2, c 4; of the one before that (cap 2): a 1, c 2.
    assert counts == {1: 6, 2: 3, 5: 0}


def test_the_page_names_the_source_of_each_rule(make_source, open_source):
    found = audit_rules(shop_of(make_source, open_source))
    places = audit_tables.places_table(found).markup
    assert "Specified Commercial Transactions" in places
    assert "no rule in this table" in places  # on consent in Japan
    assert "20.00%" in audit_tables.checks_table(found).markup  # 2 of 10 texts


def test_without_messages_nothing_is_checked(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS))
    assert audit_rules(shop) is None
    assert "nothing to check" in audit_tables.checks_table(None).markup


def test_texts_that_break_a_rule_are_a_finding_of_the_decisions(make_source, open_source):
    shop = shop_of(make_source, open_source)
    found = effectiveness.analyse(shop)
    (_share, finding) = effectiveness.decide(found, audit_rules(shop, weekly_cap=3))
    assert (finding.outcome, finding.status, finding.evidence) == ("do", "ok", "descriptive")
    assert "After an opt-out: 2 of 10 texts (20.0%), from Jul 10, 2026 to Jul 11, 2026" in finding.text
    assert "At hours that are not allowed: 2 of 10 texts" in finding.text
    assert "Without recorded consent: 2 of 10 texts" in finding.text
    assert "More than 3 in seven days: 1 of 10 texts" in finding.text
    assert finding.customers == 0  # fewer than ten are not shown


def test_rules_that_were_broken_long_ago_only_need_nothing_now(make_source, open_source):
    orders = ORDERS + "3,a,2026-10-31 10:00:00,10\n"
    late = open_source(make_source(orders=orders, customers=PEOPLE, messages=messages()))
    (_share, finding) = effectiveness.decide(effectiveness.analyse(late), audit_rules(late))
    assert finding.outcome == "dont"
    assert "No text of the last 28 days breaks a rule" in finding.action


def test_texts_that_keep_the_rules_are_no_finding(make_source, open_source):
    kept = HEAD + "\nm1,a,x,2026-07-05 03:00:00\n"
    shop = open_source(make_source(orders=ORDERS, customers=PEOPLE, messages=kept))
    assert len(effectiveness.decide(effectiveness.analyse(shop), audit_rules(shop))) == 1


def test_the_hours_of_texts_are_no_rule_on_letters(make_source, open_source):
    letters = messages().replace(HEAD, HEAD + ",channel").replace(":00\n", ":00,Mail\n")
    letters = "\n".join(line if line.count(",") == 4 else line + ",Mail" for line in letters.splitlines()) + "\n"
    found = audit_rules(open_source(make_source(orders=ORDERS, messages=letters)))
    assert found.channel == "mail"
    assert found.unchecked["closed_hours"] == found.unchecked["days_off"] == "other_channel"
    assert found.breaches == 0
    assert not len(found.places)
    assert "these are rules on texts, not on channel mail" in audit_tables.checks_table(found).markup
    assert "No rule was broken" in audit_tables.places_table(found).markup


def test_campaigns_to_act_on_come_first(make_source, open_source):
    """Twenty old campaigns with many breaches do not hide the one whose texts break a rule now."""
    found = audit_rules(shop_of(make_source, open_source))
    row = {"check": "closed_hours", "customers": 30, "first": dt.date(2024, 1, 1), "last": dt.date(2024, 1, 2)}
    old = [row | {"campaign_id": f"old{i:02}", "texts": 1_000 + i, "recent": 0} for i in range(20)]
    now = row | {"campaign_id": "spring", "texts": 3, "recent": 2}
    page = audit_tables.campaigns_table(replace(found, campaigns=pd.DataFrame([*old, now]))).markup
    assert page.index("spring") < page.index("old19")
    assert "the most in the last 28 days first" in page
