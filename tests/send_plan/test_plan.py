"""The plan's messages, counted with plain pandas beside the source: who, when, how often, by whose choice."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.send_plan import score_rows, size_exploration
from smsroi_helpers.send_plan.learning_tables import describe_learning
from tests.send_plan.planned import (
    CAPS,
    EXPLORE,
    HOLDOUT,
    NAMELESS,
    STOPPED,
    UNREACHED,
    plan_company,
)

WEEKS = 4
WORLDS = ("own", "second")


@pytest.fixture(params=WORLDS)
def planned(request):
    return request.getfixturevalue(f"{request.param}_plan")


def last_consents(planned):
    """customer_id → whether consent is given at the end of the log: the later of opt-in and opt-out decides."""
    people = planned.table("customers").set_index("customer_id")
    end = pd.Timestamp(planned.plan.shop.end, tz="UTC")
    sent = planned.table("messages").dropna(subset=["opted_out_at"]).groupby("customer_id")["opted_out_at"]
    outs = pd.concat([people["opted_out_at"], sent.max()]).dropna()
    outs = outs[outs < end].groupby(level=0).max().reindex(people.index)
    return people["opted_in_at"].notna() & (people["opted_in_at"] < end) & ~(outs >= people["opted_in_at"])


def test_only_those_who_consent_are_texted(planned):
    consents = last_consents(planned)
    assert 0.2 < consents.mean() < 0.9
    assert set(planned.messages["customer_id"]) <= set(consents.index[consents])
    left = planned.plan.left_out.set_index("reason")["customers"]
    assert left["no_consent"] == (~consents).sum()


def test_nobody_held_out_by_a_standing_test_is_texted(planned):
    """In both companies one of the holdouts is not valid so far, and goes on."""
    assigned = planned.table("assignments")
    held = assigned[assigned["arm"].isin(["held_out", "silent"]) | (assigned[["experiment_id", "arm"]].eq(
        ["uneven", "out"]).all(axis=1))]["customer_id"]  # fmt: skip
    tests = planned.plan.evidence.tests
    assert held.nunique() > 150
    assert not {"always-on", "uneven"} & {test.name for test in tests}
    assert not set(held) & set(planned.messages["customer_id"])


def test_nobody_who_never_got_a_text_is_texted(planned):
    sent = planned.table("messages").groupby("customer_id")["delivered_at"].agg(["size", "count"])
    never = sent.index[(sent["size"] >= 3) & (sent["count"] == 0)]
    assert len(never) > 20
    assert not set(never) & set(planned.messages["customer_id"])


def test_everybody_known_is_in_the_plan_or_left_out(planned):
    known = set(planned.table("customers")["customer_id"])
    left = planned.plan.left_out.set_index("reason")["customers"]
    assert left.sum() == len(known | set(planned.table("orders")["customer_id"]))
    assert left[""] == planned.messages["customer_id"].nunique() == planned.plan.customers


def test_every_text_comes_at_an_hour_allowed_where_the_recipient_is(planned):
    texts, settings = planned.texts, planned.plan.shop.settings
    assert len(texts) > 500
    allowed = {}
    for key in set(zip(texts["zone"], texts["region"].fillna(""), texts["date"], strict=True)):
        zone, region, day = key
        allowed[key] = measures.allowed_on(measures.rule_of(zone, region, settings.jurisdiction), day)
    hours = [
        allowed[zone, region, at.date()][at.hour]
        for zone, region, at in zip(texts["zone"], texts["region"].fillna(""), texts["local"], strict=True)
    ]
    assert all(hours)
    assert (texts["hour"] <= [at.hour for at in texts["local"]]).all()
    assert (texts["weekday"] == [at.weekday() for at in texts["local"]]).all()


def test_a_customer_gets_a_text_a_day_at_most_and_keeps_to_the_cap_and_the_weeks(planned, request):
    texts, calendar = planned.texts, planned.plan.calendar
    cap = CAPS["own" if planned is request.getfixturevalue("own_plan") else "second"]
    assert not texts.duplicated(["customer_id", "date"]).any()
    day = (pd.to_datetime(texts["date"]) - pd.Timestamp(calendar.first_day)).dt.days
    assert day.between(0, 7 * WEEKS - 1).all()
    assert texts.groupby(["customer_id", day // 7]).size().max() <= cap
    explored = texts[texts["role"] == "explore"].groupby("customer_id")
    rate = explored["texts_per_week"].first()
    assert rate.max() == cap if cap in planned.plan.evidence.doses else rate.max() < cap
    assert (explored.size() <= rate * WEEKS).all()
    assert (explored.size() >= 0.75 * rate * WEEKS).all(), "but for public holidays, all are sent"


def test_the_first_text_comes_after_the_last_day_observed_wherever_the_recipient_is(planned):
    assert planned.texts["send_at"].min() >= pd.Timestamp(planned.plan.shop.end)


def test_roles_have_the_probabilities_written(planned):
    each = planned.messages.drop_duplicates("customer_id")
    written = each.groupby("role")["probability"].agg(["min", "max", "size"])
    assert (written["min"] == written["max"]).all()
    assert written["min"].sum() == pytest.approx(1)
    assert written["min"]["holdout"] == pytest.approx(HOLDOUT, abs=1 / 512)
    assert written["min"]["explore"] == pytest.approx((1 - HOLDOUT) * EXPLORE, abs=2 / 512)
    share, n = written["min"], len(each)
    assert (abs(written["size"] - n * share) < 4 * np.sqrt(n * share * (1 - share))).all()


def test_roles_follow_from_the_customer_alone(planned):
    """By md5 of the standard library, without the plan's name: the same in any other plan."""

    def slices(purpose, customers):
        return np.array([int(hashlib.md5(f"{purpose}:{each}".encode()).hexdigest()[:2], 16) for each in customers])

    each = planned.messages.drop_duplicates("customer_id")
    held = slices("send-plan-holdout", each["customer_id"]) < round(256 * HOLDOUT)
    explored = slices("send-plan-explore", each["customer_id"]) < round(256 * EXPLORE)
    assert (each["role"] == np.where(held, "holdout", np.where(explored, "explore", "plan"))).all()


def test_who_is_held_out_gets_no_text(planned):
    held = planned.messages[planned.messages["role"] == "holdout"]
    assert len(held) > 100
    assert held["send_at"].isna().all()
    assert held["variant"].isna().all()
    assert not held["customer_id"].duplicated().any()
    assert (held["expected_profit"] == 0).all()


def test_a_plan_is_the_same_again(second_plan, tmp_path):
    """From another copy of the source, without what the first run kept."""
    shutil.copytree(second_plan.folder, tmp_path / "source")
    again = plan_company(tmp_path / "source", tmp_path, CAPS["second"], ("all", "rfm_group"))
    pd.testing.assert_frame_equal(again.messages, second_plan.messages)
    pd.testing.assert_frame_equal(score_rows(again.plan), score_rows(second_plan.plan))


def test_customers_who_need_care_are_there(second_plan):
    ids = second_plan.table("customers")["customer_id"]
    assert set(ids.iloc[NAMELESS]) & set(second_plan.texts["customer_id"])
    left = second_plan.plan.left_out.set_index("reason")["customers"]
    assert 0 < left["unreachable"] <= len(ids.iloc[UNREACHED])
    assert set(ids.iloc[STOPPED][60:]) & set(second_plan.texts["customer_id"]), "of its other arm some are texted"


def test_exploring_is_sized_by_what_it_would_teach(planned):
    found = size_exploration(planned.plan)
    teaches = np.array([row.teaches for row in found.rows])
    assert teaches[0] == found.rows[0].cost == 0.0
    assert (np.diff(teaches) >= 0).all()
    assert 0 < teaches[-1] < found.perfect
    assert found.own == EXPLORE
    assert found.customers == planned.messages.loc[planned.messages["role"] != "holdout", "customer_id"].nunique()
    assert "Exploring with 30% of the customers in the plan’s weeks" in describe_learning(planned.plan, found, "USD")


def test_expected_profits_add_up_to_the_cash_of_the_page(planned):
    """As the customers in the role `plan` are drawn by chance, up to what that changes in their mixture."""
    plan = planned.plan
    each = planned.messages[planned.messages["role"] == "plan"].groupby("customer_id")["expected_profit"].sum()
    cash = plan.chosen.estimate(plan.chosen.cash).value
    assert abs(cash) > 0.05
    assert each.mean() == pytest.approx(cash, rel=1e-9, abs=4 * each.std() / len(each) ** 0.5)
