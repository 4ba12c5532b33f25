"""What `retention` and `send_plan` count of each basic fact equals a count in plain Python, as in test_facts.py."""

import datetime as dt
from collections import Counter
from math import floor, log2

import ibis
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.retention.base_audit import compare_periods, rank_profit
from smsroi_helpers.retention.counts import count_consent_months, count_order_months
from smsroi_helpers.retention.early_warning import evaluate_fading
from smsroi_helpers.retention.observational import _count_strata
from smsroi_helpers.retention.spells import consent_spells, custom_spells
from smsroi_helpers.retention.survival import analyse_survival
from smsroi_helpers.retention.texting import find_holdouts, measure_retention
from smsroi_helpers.send_plan.customer_types import find_types, read_codes
from smsroi_helpers.send_plan.evidence import collect_evidence
from smsroi_helpers.send_plan.past_counts import count_outcomes, find_plans
from smsroi_helpers.send_plan.recipients import _label_today
from smsroi_helpers.send_plan.surrogate_counts import VARIABLES, _count_moments
from smsroi_helpers.send_plan.today import find_audience
from tests import fact_sources as facts
from tests.fact_sources import FROM, LAST, PLANNED, UNTIL, World


@pytest.fixture(scope="module", params=range(3))
def world(request, made_once) -> World:
    return facts.open_world(request.param, made_once)


@pytest.fixture(scope="module")
def evidence(world):
    shop = world[1]
    return collect_evidence(shop, find_types(shop), measures.find_practice(shop))


# --- retention -------------------------------------------------------------------------------------------------------


def test_purchases_and_profit_of_cohorts_are_the_same(world):
    rows, shop = world
    first = {customer: days[0] for customer, days in facts.purchase_days_by_hand(rows).items()}
    buyers: dict[tuple[int, int], set[str]] = {}
    days: dict[tuple[int, int], set[tuple[str, dt.date]]] = {}
    profit: Counter[tuple[int, int]] = Counter()
    for row in rows["orders"]:
        if row["customer_id"] in first:
            bought = (first[row["customer_id"]], rows.day(row["ordered_at"]))
            cohort, month = (12 * day.year + day.month - 1 for day in bought)
            profit[cohort, month] += facts.profit_by_hand(row)
            if row["amount"] >= 0:
                buyers.setdefault((cohort, month), set()).add(row["customer_id"])
                days.setdefault((cohort, month), set()).add((row["customer_id"], rows.day(row["ordered_at"])))
    found = count_order_months(shop).set_index(["cohort", "month"])
    assert found.loc[found["customers"] > 0, "customers"].to_dict() == {key: len(who) for key, who in buyers.items()}
    assert found.loc[found["purchases"] > 0, "purchases"].to_dict() == {key: len(own) for key, own in days.items()}
    assert found["profit"].to_dict() == pytest.approx(dict(profit))


def test_purchases_and_profit_of_periods_are_the_same(world):
    rows, shop = world
    middle, begins = (LAST - dt.timedelta(days=days) for days in (69, 139))
    each: dict[str, list[float]] = {}
    for row in rows["orders"]:
        day, sums = rows.day(row["ordered_at"]), each.setdefault(row["customer_id"], [0, 0, 0.0, 0.0])
        if day >= begins:
            sums[day >= middle] += row["amount"] >= 0
            sums[2 + (day >= middle)] += facts.profit_by_hand(row)
    now = [sums for sums in each.values() if sums[1]]
    tenths = rank_profit(shop, 70)
    assert tenths["customers"].sum() == len(now)
    assert tenths["purchases"].sum() == sum(sums[1] for sums in now)
    assert tenths["profit"].sum() == pytest.approx(sum(sums[3] for sums in now))
    moves = compare_periods(shop, 70).moves.set_index("move")
    either = [sums for sums in each.values() if sums[0] or sums[1]]
    assert moves.loc["left", "customers"] == sum(not sums[1] for sums in either)
    assert moves["customers"].sum() == len(either)
    for name, place in (("before", 2), ("now", 3)):
        assert moves[name].sum() == pytest.approx(sum(sums[place] for sums in either))


def test_custom_and_consent_last_as_long(world):
    rows, shop = world
    days, gone_after = facts.purchase_days_by_hand(rows), 30
    expected = {}
    for customer, own in days.items():
        after = [*own[1:], LAST + dt.timedelta(days=1)]
        ends = [day for day, following in zip(own, after, strict=True) if (following - day).days > gone_after]
        expected[customer] = (own[0], min(ends, default=own[-1]), bool(ends))
    found = shop.count(custom_spells(shop, gone_after).select("customer_id", "first_day", "last_day", "gone"))
    assert {
        row.customer_id: (pd.Timestamp(row.first_day).date(), pd.Timestamp(row.last_day).date(), row.gone)
        for row in found.itertuples()
    } == expected

    outs, given = facts.opt_outs_by_hand(rows), {}
    for row in rows["customers"]:
        if (at := row["opted_in_at"]) is not None:
            left = [out for customer, out in outs if customer == row["customer_id"] and out >= at]
            given[row["customer_id"]] = (rows.day(at), rows.day(min(left)) if left else None)
    spells = shop.count(consent_spells(shop).select("customer_id", "began", "ended"))
    assert {
        row.customer_id: (
            pd.Timestamp(row.began).date(),
            None if pd.isna(row.ended) else pd.Timestamp(row.ended).date(),
        )
        for row in spells.itertuples()
    } == given
    began = min(rows.day(row["sent_at"]) for row in rows["messages"])
    months = count_consent_months(shop).fillna(-1)
    assert months.set_index(["cohort", "ended"])["customers"].to_dict() == Counter(
        tuple(-1 if day is None else 12 * day.year + day.month - 1 for day in days)
        for days in given.values()
        if days[0] >= began
    )


def test_the_log_is_compared_by_the_same_subscribers_purchases_and_clicks(world):
    """Strata of the observational comparison: recency, purchases, texts and clicks before; texted and bought after."""
    rows, shop = world
    landmark = LAST - dt.timedelta(weeks=12)
    now = rows.start_of(landmark + dt.timedelta(days=1))
    past, after = rows.ago(weeks=20), rows.ago(weeks=8)
    clicked, bought = facts.human_clicks_by_hand(rows["messages"]), facts.purchase_days_by_hand(rows, landmark)
    buyers = {row["customer_id"] for row in facts.purchases_by_hand(rows) if row["ordered_at"] >= after}
    texted = {row["customer_id"] for row in facts.sent_within(rows, now, after)}
    expected: Counter[tuple[int, ...]] = Counter()
    for customer in facts.subscribers_by_hand(rows, now):
        days = bought.get(customer)
        sent = [row for row in facts.sent_within(rows, past, now) if row["customer_id"] == customer]
        clicks = sum(row["message_id"] in clicked and row["clicked_at"] < now for row in sent)
        silent = (landmark - days[-1]).days if days else None
        expected[
            9 if silent is None else sum(silent > edge for edge in (14, 28, 56, 112, 224)),
            min(floor(log2(len(days) + 1)), 4) if days else 0,
            sum(len(sent) > edge for edge in (0, 2, 5, 9)), min(clicks, 2), customer in texted, customer in buyers,
        ] += 1  # fmt: skip
    cells = _count_strata(shop, "sms", landmark)
    found: Counter[tuple[int, ...]] = Counter()
    for row in cells.itertuples():
        key = (row.recency, row.purchases, row.texts, row.clicks, row.texted)
        found[*key, True] += row.bought
        found[*key, False] += row.customers - row.bought
    assert +found == expected
    assert len(expected) > 20


def test_fading_is_warned_of_by_the_same_clicks_purchases_and_opt_outs(world):
    rows, shop = world
    clicked, known = (of(rows["messages"]) for of in (facts.human_clicks_by_hand, facts.known_by_hand))
    day = LAST - dt.timedelta(weeks=8)
    late, middle, early = (
        rows.start_of(day + dt.timedelta(days=1, weeks=-8 * k)) for k in range(3)
    )  # fmt: skip
    left = {customer for customer, at in facts.opt_outs_by_hand(rows) if at >= late}
    buyers = {row["customer_id"] for row in facts.purchases_by_hand(rows) if row["ordered_at"] >= late}
    asked, warned = set(), set()
    for customer in facts.subscribers_by_hand(rows, late):
        before, after = (
            [row for row in facts.sent_within(rows, *window) if row["customer_id"] == customer]
            for window in ((early, middle), (middle, late))
        )
        texts = [sum(row["message_id"] in known for row in own) for own in (before, after)]
        clicks = [sum(row["message_id"] in clicked and row["clicked_at"] < late for row in own)
                  for own in (before, after)]  # fmt: skip
        if min(texts) >= 2 and clicks[0]:
            asked.add(customer)
            warned |= set() if clicks[1] else {customer}
    found = evaluate_fading(shop, "sms")
    assert len(asked) > len(warned) > 0
    for name, away in (("opt_out", asked & left), ("no_purchase", asked - buyers)):
        score = found[name]
        assert (score.customers, score.warned, score.away, score.hits) == (
            len(asked), len(warned), len(away), len(away & warned)
        )  # fmt: skip


def test_retained_in_a_test_are_the_same_customers(world):
    rows, shop = world
    days = 20
    arms = {row["customer_id"]: row["arm"] for row in rows["assignments"] if row["experiment_id"] == "f"}
    buyers = {
        row["customer_id"]
        for row in facts.purchases_by_hand(rows)
        if UNTIL - dt.timedelta(days=days) <= row["ordered_at"] < UNTIL
    }
    consenting = facts.subscribers_by_hand(rows, FROM)
    left = {customer for customer, at in facts.opt_outs_by_hand(rows) if FROM <= at < UNTIL}
    found = {one.what: one for one in measure_retention(shop, find_holdouts(shop), days) if one.experiment == "f"}
    for what, people, kept in (("custom", set(arms), buyers), ("consent", consenting, consenting - left)):
        own = [{customer for customer in people & set(arms) if arms[customer] == arm} for arm in ("two", "none")]
        assert found[what].customers == tuple(map(len, own))
        assert found[what].rates == pytest.approx([len(group & kept) / len(group) for group in own])


def test_segments_are_those_of_the_landmark(world):
    """Customers who had bought and not gone, and subscribers, by recency on the day from which they are followed."""
    rows, shop = world
    gone_after = 30
    curves = {
        one.kind: one for one in analyse_survival(shop, gone_after_days=gone_after, segment_by="recency", channel="sms")
        if one.by == "segment"
    }  # fmt: skip
    start = curves["consent"].start
    spells = [row["customer_id"] for row in rows["customers"] if row["opted_in_at"] is not None
              and rows.day(row["opted_in_at"]) <= start]  # fmt: skip
    given = {row["customer_id"]: row["opted_in_at"] for row in rows["customers"]}
    left = {customer for customer, at in facts.opt_outs_by_hand(rows)
            if given.get(customer) is not None and at >= given[customer] and rows.day(at) <= start}  # fmt: skip
    groups = Counter(facts.recency_by_hand(rows, set(spells) - left, start).values())
    assert {curve.group: curve.customers for curve in curves["consent"].curves} == {
        name: n for name, n in groups.items() if n >= 10
    }


# --- the send plan ---------------------------------------------------------------------------------------------------


def test_the_texts_of_tests_are_the_same(world, evidence):
    """Clicks by the local hour of the text, of members of the tests while these ran."""
    rows, shop = world
    assert {test.name for test in evidence.tests} >= {"f"}
    clicked, known = (of(rows["messages"]) for of in (facts.human_clicks_by_hand, facts.known_by_hand))
    expected: Counter[tuple[object, ...]] = Counter()
    for test in evidence.tests:
        people = facts.members(rows, test.name)
        for row in facts.sent_within(rows, *((FROM, UNTIL) if test.name == "f" else (facts.ASSIGNED, rows.end))):
            if row["customer_id"] in people:
                local = facts.local_by_hand(rows, row["customer_id"], row["sent_at"])
                answer = (row["message_id"] in known, row["message_id"] in clicked, row["opted_out_at"] is not None)
                expected[test.name, local.weekday(), local.hour, *answer] += 1
    keys = ["test", "weekday", "hour", "known", "clicked", "opted_out"]
    texts = evidence.texts
    found = shop.count(texts.group_by(keys).aggregate(n=texts.count()))
    assert {row[:-1]: row[-1] for row in found[[*keys, "n"]].itertuples(index=False, name=None)} == expected


def test_what_became_of_members_of_tests_is_the_same(world, evidence):
    rows, shop = world
    clicked = facts.human_clicks_by_hand(rows["messages"])
    consenting = facts.subscribers_by_hand(rows, FROM) & facts.members(rows, "f")
    people = evidence.people.filter(evidence.people.test == "f")
    found = shop.count(
        people.aggregate(
            n=people.count(), clicked=people.clicked.sum(), texts=people.texts.sum(), left=people.opted_out.sum(),
            profit=people.order_profit.sum(),
        )
    ).iloc[0]  # fmt: skip
    sent = [row for row in facts.sent_within(rows, FROM, UNTIL) if row["customer_id"] in consenting]
    assert found["n"] == len(consenting)
    assert found["texts"] == len(sent)
    assert found["clicked"] == sum(row["message_id"] in clicked for row in sent)
    assert found["left"] == len({who for who, at in facts.opt_outs_by_hand(rows) if FROM <= at < UNTIL} & consenting)
    assert found["profit"] == pytest.approx(sum(
        facts.profit_by_hand(row) for row in rows["orders"]
        if row["customer_id"] in consenting and FROM <= row["ordered_at"] < UNTIL
    ))  # fmt: skip


def test_the_first_weeks_of_members_of_tests_are_the_same(world, evidence):
    """What short-term results are read from: two weeks of five, in which members were treated."""
    rows = world[0]
    until = FROM + dt.timedelta(weeks=2)
    people = facts.subscribers_by_hand(rows, FROM) & facts.members(rows, "f")
    orders = [row for row in rows["orders"] if row["customer_id"] in people and FROM <= row["ordered_at"] < until]
    sent = [row for row in facts.sent_within(rows, FROM, until) if row["customer_id"] in people]
    clicked = facts.human_clicks_by_hand(rows["messages"])
    cells = _count_moments(evidence, {"f": 5}, 2)
    sums = {name: cells[f"s_{place}"].sum() for place, name in enumerate(VARIABLES)}
    days = {(row["customer_id"], rows.day(row["ordered_at"])) for row in orders if row["amount"] >= 0}
    assert cells["n"].sum() == len(people)
    assert sums["purchase_days"] == len(days)
    assert sums["order_profit"] == pytest.approx(sum(map(facts.profit_by_hand, orders)))
    assert sums["texts"] == len(sent)
    assert sums["clicks"] == sum(row["message_id"] in clicked and row["clicked_at"] < until for row in sent)


def test_who_may_be_texted_is_the_same(world, evidence):
    rows, shop = world
    expected = facts.subscribers_by_hand(rows, rows.end)
    types = find_types(shop)
    audience = find_audience(evidence, types, measures.find_practice(shop)).rows
    left_out = shop.count(audience.select("customer_id", "reason"))
    assert set(left_out.loc[left_out["reason"] == "", "customer_id"]) == expected
    assert set(left_out["customer_id"]) == facts.everybody(rows)
    assert set(_label_today(shop, types).execute()["customer_id"]) == expected


def test_types_of_customers_are_made_of_the_same_purchases(world):
    rows, shop = world
    types = find_types(shop)
    day = LAST - dt.timedelta(days=40)
    found = shop.count(types.label(shop.customers.select("customer_id", label_day=ibis.literal(day))))
    levels = dict(zip(found["customer_id"], read_codes(found["code"])[:, types.place("purchases")], strict=True))
    bought = facts.purchase_days_by_hand(rows, day)
    limits = (1, 2, 3, 5, 9, 15)
    assert levels == {
        row["customer_id"]: sum(len(bought.get(row["customer_id"], [])) >= limit for limit in limits)
        for row in rows["customers"]
    }


def test_what_followed_an_earlier_plan_is_the_same(world):
    rows, shop = world
    (plan,) = find_plans(shop)
    start = rows.start_of(rows.day(PLANNED))
    end = start + dt.timedelta(weeks=4)
    found = count_outcomes(shop, plan, "recency").groupby("role").sum(numeric_only=True)
    sent = Counter(row["customer_id"] for row in facts.sent_within(rows, start, end))
    orders = [row for row in rows["orders"] if start <= row["ordered_at"] < end]
    left = {who for who, at in facts.opt_outs_by_hand(rows) if start <= at < end}
    for role, share in (("plan", 0.6), ("holdout", 0.4)):
        own = {row["customer_id"] for row in rows["plans"] if row["role"] == role}
        profit = sum(facts.profit_by_hand(row) for row in orders if row["customer_id"] in own)
        texts = sum(sent[customer] for customer in own)
        assert found.loc[role, "n"] == len(own)
        assert found.loc[role, "texts"] == texts
        assert found.loc[role, "opt_outs"] == len(left & own)
        assert found.loc[role, "buyers"] == len({row["customer_id"] for row in orders if row["amount"] >= 0} & own)
        assert found.loc[role, "w_y"] == pytest.approx((profit - 0.05 * texts) / share)
