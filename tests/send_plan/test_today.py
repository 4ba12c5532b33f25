"""Today's practice by profile: nobody is lost on the way from the log to the cells."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from smsroi_helpers import measures
from smsroi_helpers.segmentation import known_people
from smsroi_helpers.send_plan.today import find_audience, share_untested


@pytest.fixture(params=["own_plan", "second_plan"])
def plan(request):
    return request.getfixturevalue(request.param).plan


def test_every_text_of_today_is_compared_with_the_tests(plan):
    """Those to whoever was known before these weeks, whatever type they had then."""
    shop, practice = plan.shop, plan.audience.practice
    known = known_people(shop, practice.first_day - dt.timedelta(days=1))
    sends = measures.practice_sends(shop, practice).semi_join(known, "customer_id")
    counted = shop.count(sends.aggregate(n=sends.count()))["n"].iloc[0]
    assert counted > 1_000
    for candidate in plan.candidates:
        assert candidate.today.recent_texts.sum() == counted


def test_clicks_on_todays_texts_are_those_of_the_log(plan):
    """Texts that a machine clicked first are taken to be clicked by people as often as the others of the profile."""
    shop, practice = plan.shop, plan.audience.practice
    known = known_people(shop, practice.first_day - dt.timedelta(days=1))
    start, end = measures.practice_instants(shop, practice)
    judged = measures.human_clicks(shop)
    judged = judged.filter(judged.channel == practice.channel, judged.sent_at >= start, judged.sent_at < end)
    ours = measures.practice_sends(shop, practice).semi_join(known, "customer_id").select(ours="message_id")
    rows = judged.join(ours, judged.message_id == ours.ours)
    sums = shop.count(
        rows.aggregate(n=rows.count(), known=rows.click_known.sum(), clicked=rows.human_click_at.notnull().sum())
    ).iloc[0]
    today = next(each.today for each in plan.candidates if each.name == "all")
    assert today.recent_clicks.sum() == pytest.approx(sums["clicked"] * sums["n"] / sums["known"], rel=0.02)


def test_shares_sum_to_one_and_customers_to_the_audience(plan):
    in_plan = plan.left_out.set_index("reason")["customers"][""]
    for candidate in plan.candidates:
        today = candidate.today
        assert today.customers.sum() == in_plan
        for name in ("doses", "hours", "texts", "recent_doses", "recent_hours", "recent_creatives"):
            assert np.allclose(getattr(today, name).sum(axis=1), 1.0), name


def test_rules_on_hours_of_texts_do_not_bind_emails(second_plan):
    plan = second_plan.plan
    by_email = replace(plan.evidence, channel="email")
    assert not all(mask.all() for mask in plan.audience.masks)
    free = find_audience(by_email, plan.types, plan.audience.practice)
    assert [bool(mask.all()) for mask in free.masks] == [True]
    assert set(free.places["rules"]) == {""}
    (own,) = find_audience(by_email, plan.types, plan.audience.practice, "9-18").masks
    assert (own[:, 9:18].all(), own[:, :9].any(), own[:, 18:].any()) == (True, False, False)


def test_the_share_of_texts_never_drawn_at_random_is_that_of_the_raw_messages(plan):
    """By the tables as they are: creatives of the arms of content tests, and of messages of customers explored with."""
    shop, practice = plan.shop, plan.audience.practice
    arms, experiments = (shop.count(table.order_by("experiment_id")) for table in (shop.arms, shop.experiments))
    content = set(experiments.loc[experiments["kind"] == "content", "experiment_id"])
    rows = arms[arms["experiment_id"].isin(content & {test.name for test in plan.evidence.tests})]
    planned = rows["variant"] if "variant" in rows else rows["arm"]
    drawn = set(planned.fillna(rows["arm"]))
    if shop.has("plans"):
        messages = shop.count(shop.messages.select("customer_id", "variant", "plan_id").order_by("customer_id"))
        explored = shop.count(
            shop.plans.filter(shop.plans.role == "explore").select("customer_id", "plan_id").order_by("customer_id")
        )
        drawn |= set(messages.merge(explored, on=["customer_id", "plan_id"])["variant"].dropna())
    sent = shop.count(measures.practice_sends(shop, practice).select("variant").order_by("variant"))["variant"]
    assert share_untested(plan.evidence, practice) == pytest.approx(1 - sent.isin(drawn).mean())
    assert plan.untested_share == share_untested(plan.evidence, practice)
