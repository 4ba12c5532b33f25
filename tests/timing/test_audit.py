"""Past texts at times that are not allowed, counted by hand on a small source."""

import datetime as dt

from smsroi_helpers.measures import count_places
from smsroi_helpers.timing import audit, counts, place_tables
from smsroi_helpers.timing.counts import collect_sends
from tests.timing.samples import HEAD

ORDERS = "order_id,customer_id,ordered_at,amount\n1,f,2026-01-02 10:00:00,10\n2,g,2026-08-20 10:00:00,20\n"
HOMES = "customer_id,timezone,region\nf,Europe/Paris,\nr,America/New_York,Rhode Island\nn,America/New_York,\n"
# UTC. Paris is two hours ahead in July, New York four behind. 14 July 2026 is a Tuesday and a holiday in France.
TEXTS = {
    ("f", "2026-07-14 08:00:00"): "off", ("f", "2026-07-15 08:00:00"): "fine", ("f", "2026-07-15 19:00:00"): "closed",
    ("f", "2026-07-19 10:00:00"): "closed", ("f", "2026-07-13 22:30:00"): "off", ("r", "2026-07-15 21:30:00"): "fine",
    ("r", "2026-07-15 22:30:00"): "closed", ("r", "2026-07-04 16:00:00"): "off", ("n", "2026-07-15 16:00:00"): "fine",
    ("n", "2026-07-19 16:00:00"): "closed",
}  # fmt: skip


def source_of(make_source, open_source):
    rows = [f"m{i},{who},x,{at}" for i, (who, at) in enumerate(TEXTS)]
    return open_source(make_source(orders=ORDERS, customers=HOMES, messages="\n".join([HEAD, *rows]) + "\n"))


def test_texts_on_days_off_and_at_closed_hours_are_counted_by_rule(make_source, open_source):
    shop = source_of(make_source, open_source)
    found = audit.audit_sends(shop, collect_sends(shop)).set_index("rules")
    assert found.loc["FR"].to_dict() == {"texts": 5, "on_days_off": 2, "at_closed_hours": 2}
    # 4 July is a Saturday on which its weekday's hours would be open: a wrong variant without holidays finds none.
    assert found.loc["US-RI"].to_dict() == {"texts": 3, "on_days_off": 1, "at_closed_hours": 1}
    unknown = next(rules for rules in found.index if rules.startswith("US US-"))
    assert found.loc[unknown].to_dict() == {"texts": 2, "on_days_off": 0, "at_closed_hours": 1}
    assert found["on_days_off"].sum() == sum(kind == "off" for kind in TEXTS.values())
    assert found["at_closed_hours"].sum() == sum(kind == "closed" for kind in TEXTS.values())
    assert audit.audit_sends(shop, collect_sends(shop), weeks=1).empty


def test_rules_without_days_off_are_counted_too(make_source, open_source):
    homes = "customer_id,timezone,region\nf,Asia/Tokyo,\n"
    messages = f"{HEAD}\nm1,f,x,2026-07-15 03:00:00\nm2,f,x,2026-07-15 13:00:00\n"
    shop = open_source(make_source(orders=ORDERS, customers=homes, messages=messages))
    found = audit.audit_sends(shop, counts.collect_sends(shop)).set_index("rules")
    assert found.loc["JP"].to_dict() == {"texts": 2, "on_days_off": 0, "at_closed_hours": 1}


def test_without_a_table_of_customers_those_texted_are_counted(make_source, open_source):
    messages = f"{HEAD}\nm1,f,x,2026-07-15 03:00:00\nm2,f,x,2026-07-15 13:00:00\nm3,g,x,2026-07-15 13:00:00\n"
    places = count_places(open_source(make_source(orders=ORDERS, messages=messages)))
    assert places["customers"].tolist() == [2]


def test_the_page_names_the_days_to_skip_and_why_a_state_matters(make_source, open_source):
    shop = source_of(make_source, open_source)
    places = count_places(shop).assign(customers=20)
    found = audit.audit_sends(shop, collect_sends(shop))
    page = place_tables.days_off_table(places, found, dt.date(2026, 7, 1), weeks=26).markup
    assert "Jul 14, 2026" in page
    of_whom = (
        f"Of the {found['texts'].sum()} texts of the last 26 weeks, 30.0% went out on such days and 40.0% at other"
    )
    assert of_whom in page
    rules = place_tables.allowed_table(places).markup
    assert "US, state not known (10 rules)" in rules
    assert "A known state widens the hours" in rules
    assert "2026-11, text of the law or regulator" in rules
    assert "2026-11, secondary guides only" in rules
    alone = place_tables.allowed_table(places[places["rules"] == "FR"]).markup
    assert "A known state widens the hours" not in alone


def test_the_rules_on_texts_are_not_those_of_e_mail(make_source, open_source):
    shop = source_of(make_source, open_source)
    places, sends = count_places(shop).assign(customers=20), collect_sends(shop)
    assert audit.audit_sends(shop, sends, channel="email").empty
    assert place_tables.days_off_table(places, audit.audit_sends(shop, sends), dt.date(2026, 7, 1), "email") is None
    words = place_tables.allowed_table(places, "email").markup
    assert "These are rules on texts and calls, not on channel email" in words
    assert "<table" not in words
