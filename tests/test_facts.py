"""Every stage computes the same value of each basic fact, equal to a count in plain Python.

The facts: purchase, human click, subscriber, segment, profit, local time. The companies are those of `fact_sources`.
What `retention` and `send_plan` count is in test_facts_later.py, other groupings are in test_segment_by.py.
"""

import datetime as dt
from collections import Counter
from types import SimpleNamespace

import ibis
import pandas as pd
import pytest

from smsroi_helpers import measures
from smsroi_helpers.ab_test.left_alone import count_listed
from smsroi_helpers.ab_test.planning import read_audience
from smsroi_helpers.cltv import profit_share
from smsroi_helpers.cltv.click_decline import count_click_pairs
from smsroi_helpers.cltv.counts import count_cells
from smsroi_helpers.cltv.natural_loss import count_clicks, count_subscribers
from smsroi_helpers.content.counts import collect_sends as content_sends
from smsroi_helpers.content.texts import read_texts
from smsroi_helpers.effectiveness import drift_counts
from smsroi_helpers.effectiveness.activity import count_activity
from smsroi_helpers.effectiveness.audit import audit_rules
from smsroi_helpers.effectiveness.business_months import count_business_months
from smsroi_helpers.effectiveness.counts import collect_sends as effectiveness_sends
from smsroi_helpers.effectiveness.counts import count_sends
from smsroi_helpers.effectiveness.monitoring_counts import count_days
from smsroi_helpers.experiments.registry import count_outcomes, list_experiments
from smsroi_helpers.frequency import early_warning
from smsroi_helpers.frequency.counts import count_arms, count_audience, count_log_weeks, find_log_weeks, texts_of
from smsroi_helpers.frequency.recent_counts import count_recent
from smsroi_helpers.quality import checks
from smsroi_helpers.quality.checks import measure_coverage
from smsroi_helpers.segmentation import covariates
from smsroi_helpers.segmentation.clusters import messages_by_customer
from smsroi_helpers.segmentation.criteria import reachable
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.segmentation.membership import Grouping
from smsroi_helpers.segmentation.predictive_value import collect_outcomes
from smsroi_helpers.segmentation.profiles import draw_portraits
from smsroi_helpers.segmentation.resolution import resolve
from smsroi_helpers.segmentation.rfm import rfm_rows
from smsroi_helpers.source.shop import Shop
from smsroi_helpers.timing import secondary_outcomes
from smsroi_helpers.timing.counts import TimingTest, collect_sends, count_practice
from smsroi_helpers.timing.personal_send_time import _events
from tests import fact_sources as facts
from tests.fact_sources import ASSIGNED, FROM, LAST, MARGIN, UNTIL, Row, World


@pytest.fixture(scope="module", params=range(3))
def world(request, made_once) -> World:
    return facts.open_world(request.param, made_once)


def total_of(shop: Shop, value: ibis.Scalar) -> float:
    return float(shop.count(value.name("n").as_table())["n"].iloc[0])


def test_clicks_are_the_same_in_every_stage(world):
    rows, shop = world
    clicked = facts.human_clicks_by_hand(rows["messages"])
    assert 0 < len(clicked) < sum(row["clicked_at"] is not None for row in rows["messages"])
    messages = measures.human_clicks(shop)
    timing = collect_sends(shop, window_hours=72).rows
    frequency = texts_of(shop, "sms")
    segmentation = messages_by_customer(shop, shop.as_of)
    arms = count_outcomes(shop).query("experiment_id == 'x'")
    content = content_sends(shop, read_texts(shop), segment_by="region").rows
    effectiveness = effectiveness_sends(shop, segment_by="region")
    by_channel = count_sends(shop, effectiveness).query("dimension == 'channel'")
    by_day = count_days(shop).rows
    counted = {
        "measures": total_of(shop, messages.count(where=messages.human_click_at.notnull())),
        "timing": total_of(shop, timing.happened.sum()),
        "frequency": total_of(shop, frequency.count(where=frequency.human_click_at.notnull())),
        "segmentation": total_of(shop, segmentation.clicked.sum()),
        "ab_test": float(arms["click_rate__sum_y"].sum()),
        "content": total_of(shop, content.clicked.sum()),
        "effectiveness": by_channel["clicked"].sum(),
        "monitoring": by_day["clicks"].sum(),
        "quality": checks._measure_messages(shop).clicked,
    }
    judged = {row["message_id"] for row in facts.judged(rows)}
    last_days = ("timing", "content", "effectiveness")  # these leave out texts of the last three days
    assert counted == {stage: len(clicked & judged if stage in last_days else clicked) for stage in counted}
    assert len(clicked & judged) < len(clicked)
    known = {
        "timing": total_of(shop, timing.known.sum()),
        "frequency": total_of(shop, frequency.click_known.sum()),
        "segmentation": total_of(shop, segmentation.delivered.sum()),
        "ab_test": float(arms["click_rate__sum_x"].sum()),
        "content": total_of(shop, content.known.cast("int64").sum()),
        "effectiveness": by_channel["click_known"].sum(),
        "monitoring": by_day["click_texts"].sum(),
    }
    expected = facts.known_by_hand(rows["messages"])
    delivered = {row["message_id"] for row in rows["messages"] if row["delivered_at"] is not None}
    of_delivered = dict.fromkeys(("segmentation", "monitoring"), delivered) | dict.fromkeys(last_days, judged)
    assert known == {stage: len(expected & of_delivered.get(stage, expected)) for stage in known}


def test_clicks_of_a_test_are_those_of_its_weeks(world):
    """Of customers in the frequency test: all of them, and those who had bought before it."""
    rows, shop = world
    clicked, tested = facts.human_clicks_by_hand(rows["messages"]), facts.members(rows, "f")
    theirs = [row for row in facts.sent_within(rows, FROM, UNTIL) if row["customer_id"] in tested]
    clicks = [row for row in theirs if row["message_id"] in clicked]
    arms = count_arms(shop, frequency_test(shop), "region", "sms", find_cuts(shop))
    assert arms["messages"].sum() == len(theirs)
    assert arms["clicks"].sum() == sum(row["clicked_at"] < UNTIL for row in clicks)
    assert arms["raw_clicks"].sum() == sum(row["clicked_at"] is not None and row["clicked_at"] < UNTIL
                                           for row in theirs)  # fmt: skip
    known = facts.known_by_hand(rows["messages"])
    drift = drift_counts.count_clicks(shop, drift_counts.Span(LAST, LAST), "sms", [frequency_test(shop)])
    drift = drift[drift["factor"] == drift["factor"].iloc[0]]
    assert drift["texts"].sum() == sum(row["message_id"] in known for row in theirs)
    assert drift["clicks"].sum() == len(clicks)
    buyers = facts.purchase_days_by_hand(rows, rows.day(FROM) - dt.timedelta(days=1))
    loss = count_clicks(shop, "sms")
    assert loss["texts"].sum() == sum(row["customer_id"] in buyers for row in theirs)
    assert loss["clicks"].sum() == sum(row["customer_id"] in buyers for row in clicks)


def test_texts_and_clicks_of_the_early_warning_are_the_same(world, monkeypatch):
    """Subscribers by their group eight weeks ago, and their texts and clicks before and since. No model is fitted."""
    rows, shop = world
    monkeypatch.setattr(early_warning, "fit_drop_out", lambda _shop: [])
    found, why = early_warning.warn_early(shop, SimpleNamespace(segment_by="recency", channel="sms"))
    people = facts.subscribers_by_hand(rows, rows.end)
    assert early_warning.RECENT_WEEKS == 8
    clicked, known = facts.human_clicks_by_hand(rows["messages"]), facts.known_by_hand(rows["messages"])
    texts, clicks = [], []
    for start, end in ((rows.ago(16), rows.ago(8)), (rows.ago(8), rows.end)):
        sent = facts.sent_within(rows, start, end)
        texts.append(Counter(row["customer_id"] for row in sent if row["message_id"] in known))
        clicks.append(Counter(row["customer_id"] for row in sent if row["message_id"] in clicked))
    expected = Counter()
    for customer, group in facts.recency_by_hand(rows, people, LAST - dt.timedelta(weeks=8)).items():
        expected[group, "subscribers"] += 1
        if min(texts[0][customer], texts[1][customer]) >= 2:
            before, since = clicks[0][customer] > 0, clicks[1][customer] > 0
            expected[group, "clickers" if before else "silent"] += 1
            expected[group, "gone_quiet"] += before and not since
            expected[group, "woken"] += since and not before
    shown = found[found["segment"] != "all"].set_index("segment")
    columns = ["subscribers", "clickers", "gone_quiet", "silent", "woken"]
    assert why == "few_buyers"
    assert shown[columns].to_dict() == {c: {group: expected[group, c] for group in shown.index} for c in columns}
    assert shown["subscribers"].sum() == len(people)
    assert shown["gone_quiet"].sum() > 0


def test_clicks_of_today_are_those_of_subscribers_at_its_start(world):
    rows, shop = world
    practice = measures.find_practice(shop, weeks=8)
    start, cuts = shop.start_of(practice.first_day), find_cuts(shop)
    people, clicked = facts.subscribers_by_hand(rows, start), facts.human_clicks_by_hand(rows["messages"])
    sent = [row for row in facts.sent_within(rows, start, rows.end) if row["customer_id"] in people]
    cells = covariates.find_covariates(shop, cuts, practice.first_day)
    found = count_recent(shop, practice, "region", cuts, cells)
    assert found["n"].sum() == len(people)
    assert found["messages"].sum() == len(sent)
    assert found["clicks"].sum() == sum(row["message_id"] in clicked for row in sent) > 0
    assert found["opt_outs"].sum() == len({who for who, at in facts.opt_outs_by_hand(rows) if at >= start} & people)


def test_clicks_that_predict_are_the_same(world):
    """Who answers after the split (segmentation), who goes on clicking (cltv), which creative is clicked by whom."""
    rows, shop = world
    clicked, known = (of(rows["messages"]) for of in (facts.human_clicks_by_hand, facts.known_by_hand))
    split = LAST - dt.timedelta(days=60)
    later = collect_outcomes(shop, Grouping(find_cuts(shop), None, None, None), 60, "region").later.execute()
    buyers = facts.purchase_days_by_hand(rows, split)
    delivered = {row["message_id"] for row in rows["messages"] if row["delivered_at"] is not None}
    answers: dict[str, int] = {}
    for row in rows["messages"]:
        if rows.day(row["sent_at"]) > split and row["message_id"] in known & delivered and row["customer_id"] in buyers:
            answers[row["customer_id"]] = answers.get(row["customer_id"], 0) | (row["message_id"] in clicked)
    told = later.dropna(subset=["response"])
    assert dict(zip(told["customer_id"], told["response"].astype(int), strict=True)) == answers
    bought = [row for row in facts.purchases_by_hand(rows) if rows.day(row["ordered_at"]) > split]
    bought = [row for row in bought if row["customer_id"] in buyers]
    assert later["orders"].sum() == len(bought)
    assert later["spend"].sum() == pytest.approx(sum(row["amount"] for row in bought))

    subscribers = facts.subscribers_by_hand(rows, rows.end)
    blocks: dict[tuple[str, int], list[int]] = {}
    for row in rows["messages"]:
        block = (rows.end - row["sent_at"]) // dt.timedelta(weeks=4)
        in_test = row["customer_id"] in facts.members(rows, "f") and block in (3, 4)
        if row["customer_id"] in subscribers and row["message_id"] in known and not in_test:
            sums = blocks.setdefault((row["customer_id"], block), [0, 0])
            sums[0] += row["message_id"] in clicked
            sums[1] += 1
    expected: Counter[tuple[int, int, str]] = Counter()
    for (customer, earlier), (weight, _texts) in blocks.items():
        for (other, block), (clicks, texts) in blocks.items():
            if weight and other == customer and earlier >= block + 2:
                expected[earlier, block, "clicks"] += weight * clicks
                expected[earlier, block, "texts"] += weight * texts
    pairs = count_click_pairs(shop, "sms").groupby(["earlier", "later"])[["clicks", "texts"]].sum()
    assert {(*key, name): n for name in pairs for key, n in pairs[name].items() if n} == {
        key: n for key, n in expected.items() if n
    }

    portraits = draw_portraits(shop, resolve(shop, "region").at())
    shown = portraits[(portraits["kind"] == "creative")]
    regions = {row["customer_id"]: row["region"] for row in rows["customers"]}
    hits = Counter((regions.get(row["customer_id"], "unknown"), row["variant"])
                   for row in rows["messages"] if row["message_id"] in clicked)  # fmt: skip
    assert len(shown) >= 4
    assert all(row.people == hits[row.segment, row.value] for row in shown.itertuples())


def test_segments_are_the_same_in_every_stage(world):
    """Customers by region, which never changes: those of the log's texts, and of customers in the table."""
    rows, shop = world
    expected = {row["customer_id"]: row["region"] for row in rows["customers"]}
    texted = {row["customer_id"] for row in rows["messages"]} & set(expected)
    found = {
        "segmentation": resolve(shop, "region").at(shop.as_of).select("customer_id", "segment"),
        "content": content_sends(shop, read_texts(shop), segment_by="region").rows.select("customer_id", "segment"),
        "effectiveness": effectiveness_sends(shop, segment_by="region").rows.select("customer_id", "segment"),
    }
    for stage, labels in found.items():
        known = labels.filter(labels.customer_id.isin(sorted(texted))).distinct().to_pandas()
        assert dict(zip(known["customer_id"], known["segment"], strict=True)) == {
            name: expected[name] for name in texted
        }, stage
        assert len(known) == len(texted), stage


def test_subscribers_are_the_same_in_every_stage(world):
    rows, shop = world
    expected = facts.subscribers_by_hand(rows, rows.end)
    assert 0 < len(expected) < len(rows["customers"])
    everybody = shop.customers.select("customer_id")
    subscribers = measures.subscribed(shop, ibis.literal(shop.end), everybody)
    assert set(subscribers.execute()["customer_id"]) == expected
    cuts = find_cuts(shop)
    audience = count_audience(shop, measures.find_practice(shop), "region", cuts)
    by_segment = reachable(shop, resolve(shop, "region").at(shop.as_of), "region", 400).detail
    texted = {row["customer_id"] for row in rows["messages"]}
    carried = covariates.count_subscribers(shop, resolve(shop, "region"), covariates.find_covariates(shop, cuts, LAST))
    regions = Counter(row["region"] for row in rows["customers"] if row["customer_id"] in expected)
    assert read_audience(shop).customers == len(expected)
    assert count_listed(shop, "region") == regions
    assert audience.groupby("segment")["customers"].sum().to_dict() == regions
    assert by_segment.loc[by_segment["segment"] == "all", "reachable"].item() == len(expected & texted)
    assert carried.groupby("segment")["n"].sum().to_dict() == regions  # for timing and frequency, too
    assert count_subscribers(shop, {}, cuts)["customers"].sum() == len(
        expected & set(facts.purchase_days_by_hand(rows))
    )


def test_consent_is_read_at_the_instant_of_assignment(world):
    rows, shop = world
    for test, at in (("x", ASSIGNED), ("f", FROM)):
        outcomes = measures.arm_outcomes(shop, test).execute()
        at_start = set(outcomes.loc[outcomes["consenting"] == 1, "customer_id"])
        assert at_start == facts.subscribers_by_hand(rows, at) & facts.members(rows, test)
    arms = count_arms(shop, frequency_test(shop), "region", "sms", find_cuts(shop))
    assert arms.loc[arms["consenting"] == 1, "n"].sum() == len(at_start) > 0


def test_subscribers_and_opt_outs_of_months_and_texts_are_the_same(world):
    rows, shop = world
    opt_outs = facts.opt_outs_by_hand(rows)
    found = count_business_months(shop).dropna(subset=["subscribers"])
    assert len(found) == 5  # January is not whole
    for row in found.itertuples():
        end = rows.start_of((pd.Timestamp(row.month) + pd.offsets.MonthBegin(1)).date())
        assert row.subscribers == len(facts.subscribers_by_hand(rows, end))
        assert row.opt_outs == len({who for who, at in opt_outs if rows.month(at) == row.month.month})
    opted_in = {row["customer_id"]: row["opted_in_at"] for row in rows["customers"]}
    broken = {"after_opt_out": 0, "without_consent": 0}
    for row in rows["messages"]:
        given, at = opted_in.get(row["customer_id"]), row["sent_at"]
        outs = [out for customer, out in opt_outs if customer == row["customer_id"] and out < at]
        after = bool(outs) and not (given is not None and max(outs) < given <= at)
        broken["after_opt_out"] += after
        broken["without_consent"] += row["customer_id"] in opted_in and not after and (given is None or given > at)
    audit = audit_rules(shop).checks.set_index("check")["texts"]
    assert {name: audit[name] for name in broken} == broken
    assert checks._measure_messages(shop).opted_out == len({who for who, _at in opt_outs})


def test_purchases_are_the_same_in_every_stage(world):
    rows, shop = world
    bought = facts.purchases_by_hand(rows)
    spend = sum(row["amount"] for row in bought)
    coverage = measure_coverage(shop)
    customers = rfm_rows(shop).execute()
    outcomes = measures.arm_outcomes(shop, "x").execute()
    assert coverage.orders == customers["frequency"].sum() == outcomes["orders"].sum() == len(bought)
    assert coverage.paid == pytest.approx(spend)
    assert customers["monetary"].sum() == pytest.approx(spend)
    assert coverage.refunds == len(rows["orders"]) - len(bought)
    assert coverage.buyers == len({row["customer_id"] for row in bought})
    assert outcomes["revenue"].sum() == pytest.approx(sum(row["amount"] for row in rows["orders"]))
    days = {(row["customer_id"], rows.day(row["ordered_at"])) for row in bought}
    cells = count_cells(shop)
    assert (cells["customers"] * (cells["frequency"] + 1)).sum() == len(days)
    assert customers["purchase_days"].sum() == len(days)
    arms = count_arms(shop, frequency_test(shop), "region", "sms", find_cuts(shop))
    tested = facts.members(rows, "f")
    assert arms["orders"].sum() == sum(
        row["customer_id"] in tested and FROM <= row["ordered_at"] < UNTIL for row in bought
    )
    assert secondary(shop)["orders__sum_y"].sum() == len(bought)


def test_purchases_and_money_of_weeks_and_months_are_the_same(world):
    """The last weeks before the next test (ab_test), and whole months (effectiveness), of which one has clicks."""
    rows, shop = world
    start, subscribers = rows.ago(weeks=4), facts.subscribers_by_hand(rows, rows.end)
    orders = [row for row in rows["orders"] if row["customer_id"] in subscribers and row["ordered_at"] >= start]
    bought = [row for row in orders if row["amount"] >= 0]
    window = read_audience(shop, (4,)).windows.iloc[0]
    assert window["orders"] * window["customers"] == pytest.approx(len(bought))
    assert window["base_rate"] * window["customers"] == pytest.approx(len({row["customer_id"] for row in bought}))
    assert window["profit"] * window["customers"] == pytest.approx(sum(map(facts.profit_by_hand, orders)))
    there = facts.subscribers_by_hand(rows, start)
    left = {who for who, at in facts.opt_outs_by_hand(rows) if at >= start} & there
    assert window["opt_out_rate"] == pytest.approx(len(left) / len(there))
    months = count_business_months(shop).dropna(subset=["orders"])
    for row in months.itertuples():
        own = [each for each in rows["orders"] if rows.month(each["ordered_at"]) == row.month.month]
        assert row.orders == sum(each["amount"] >= 0 for each in own)
        assert row.revenue == pytest.approx(sum(each["amount"] for each in own))
    clicked = facts.human_clicks_by_hand(rows["messages"])
    active = {(row["customer_id"], rows.month(row["ordered_at"])) for row in facts.purchases_by_hand(rows)}
    active |= {
        (row["customer_id"], rows.month(row["clicked_at"])) for row in rows["messages"] if row["message_id"] in clicked
    }
    activity = count_activity(shop, segment_by="region").query("dimension == 'month'")
    assert activity.groupby("value")["active"].sum().to_dict() == {
        f"2025-{month:02}": n for month, n in Counter(month for _customer, month in active).items()
    }


def test_profit_is_the_same_in_every_stage(world):
    rows, shop = world
    orders = sum(facts.profit_by_hand(row) for row in rows["orders"])
    messages = 0.05 * len(rows["messages"])
    events = measures.profit_events(shop)
    outcomes = measures.arm_outcomes(shop, "x").execute()
    assert total_of(shop, events.profit.sum()) == pytest.approx(orders - messages)
    assert outcomes["profit"].sum() == pytest.approx(orders - messages)
    arms = count_outcomes(shop).query("experiment_id == 'x'")
    assert arms["profit__sum_y"].sum() == pytest.approx(orders - messages)
    assert secondary(shop)["profit__sum_y"].sum() == pytest.approx(orders - messages)
    bought = facts.purchases_by_hand(rows)
    paid = sum(row["amount"] for row in bought)
    share = profit_share(shop)
    assert share.value == pytest.approx(orders / paid)
    assert share.before_refunds == pytest.approx(sum(facts.profit_by_hand(row) for row in bought) / paid)
    assert share.refunded == pytest.approx(-sum(row["amount"] for row in rows["orders"] if row["amount"] < 0) / paid)
    assert share.value < share.before_refunds < MARGIN
    tested = facts.members(rows, "f")
    gross = sum(facts.profit_by_hand(row) for row in rows["orders"]
                if row["customer_id"] in tested and FROM <= row["ordered_at"] < UNTIL)  # fmt: skip
    sent = sum(row["customer_id"] in tested for row in facts.sent_within(rows, FROM, UNTIL))
    cells = count_arms(shop, frequency_test(shop), "region", "sms", find_cuts(shop))
    assert cells["gross__sum_y"].sum() == pytest.approx(gross)
    assert cells["profit__sum_y"].sum() == pytest.approx(gross - 0.05 * sent)


def test_attributed_purchases_and_profit_are_the_same_in_every_stage(world):
    rows, shop = world
    judged = {row["message_id"] for row in facts.judged(rows)}
    every = facts.credited_by_hand(rows)
    assert count_days(shop).rows["buys"].sum() == len({message for message, _order in every})
    credited = [each for each in every if each[0] in judged]
    converted, profit = (
        len({message for message, _order in credited}),
        sum(facts.profit_by_hand(order) for _message, order in credited),
    )
    assert converted > 100
    content = content_sends(shop, read_texts(shop), segment_by="region").rows
    assert total_of(shop, content.ordered.cast("int64").sum()) == converted
    assert total_of(shop, content.order_profit.sum()) == pytest.approx(profit)
    sums = count_sends(shop, effectiveness_sends(shop, segment_by="region")).query("dimension == 'all'").sum()
    assert sums["converted"] == converted
    assert sums["attributed_revenue"] == pytest.approx(sum(order["amount"] for _message, order in credited))
    assert sums["attributed_profit"] == pytest.approx(profit - 0.05 * len(judged))
    assert sums["order_profit"] == pytest.approx(profit)


def test_weeks_of_the_log_hold_the_same_subscribers_clicks_purchases_and_profit(world):
    """The rows from which `frequency` estimates without a test: each landmark's subscribers outside experiments."""
    rows, shop = world
    clicked, tested = facts.human_clicks_by_hand(rows["messages"]), facts.members(rows, "f")
    weeks = find_log_weeks(shop)
    found, share = count_log_weeks(shop, weeks, "recency", "sms", find_cuts(shop))
    assert share == 1
    expected: Counter[tuple[object, ...]] = Counter()
    for day in weeks.landmarks:
        at = rows.start_of(day)
        end, before = at + dt.timedelta(weeks=4), day - dt.timedelta(days=1)
        bought, people = facts.purchase_days_by_hand(rows, before), facts.subscribers_by_hand(rows, at)
        people -= tested if at < UNTIL and end > FROM else set()
        groups = facts.recency_by_hand(rows, people, before)
        for customer in people:
            own = {name: [row for row in rows[name] if row["customer_id"] == customer]
                   for name in ("orders", "messages")}  # fmt: skip
            profit = sum(facts.profit_by_hand(row) for row in own["orders"] if at <= row["ordered_at"] < end)
            expected[
                day, groups[customer], len(bought.get(customer, [])), round(profit, 6) + 0.0,
                min(sum(at <= row["sent_at"] < at + dt.timedelta(weeks=1) for row in own["messages"]), 7),
                sum(row["message_id"] in clicked and at - dt.timedelta(weeks=8) <= row["sent_at"]
                    and row["clicked_at"] < at for row in own["messages"]),
            ] += 1  # fmt: skip
    counted = Counter(
        (row.landmark.date(), row.segment, 0 if pd.isna(row.purchase_days) else int(row.purchase_days),
         round(row.profit, 6) + 0.0, row.texts, row.clicks_before)
        for row in found.assign(landmark=pd.to_datetime(found["landmark"])).itertuples()
    )  # fmt: skip
    assert counted == expected
    assert sum(counted.values()) > 100


def test_local_time_is_the_same_in_every_stage(world):
    rows, shop = world

    def hours(found: list[Row]) -> Counter[tuple[int, int]]:
        local = [facts.local_by_hand(rows, row["customer_id"], row["sent_at"]) for row in found]
        return Counter((at.weekday(), at.hour) for at in local)

    def counted(frame: pd.DataFrame, n: str) -> dict[tuple[int, int], int]:
        return frame.groupby(["weekday", "hour"])[n].sum().to_dict()

    every = hours(facts.judged(rows))
    assert every != Counter((row["sent_at"].weekday(), row["sent_at"].hour) for row in facts.judged(rows))
    for stage, sends in (
        ("timing", collect_sends(shop, window_hours=72).rows),
        ("effectiveness", effectiveness_sends(shop, segment_by="region").rows),
    ):
        cells = shop.count(sends.group_by("weekday", "hour").aggregate(n=sends.count()))
        assert counted(cells, "n") == every, stage
    practice = measures.find_practice(shop)
    start = rows.start_of(practice.first_day)
    today = hours(facts.sent_within(rows, start, rows.end))
    assert counted(count_practice(shop, practice, "region"), "messages") == today
    assert today


def test_local_hours_of_purchases_and_clicks_are_the_same(world):
    """Hours in which segments buy (segmentation), and the first event of days without a text (timing)."""
    rows, shop = world
    regions = {row["customer_id"]: row["region"] for row in rows["customers"]}
    bands = ((6, "00-06"), (9, "06-09"), (12, "09-12"), (15, "12-15"), (18, "15-18"), (21, "18-21"), (24, "21-24"))
    bought = Counter()
    events = [(row["customer_id"], row["ordered_at"]) for row in facts.purchases_by_hand(rows)]
    for customer, at in events:
        hour = facts.local_by_hand(rows, customer, at).hour
        bought[regions.get(customer, "unknown"), next(name for end, name in bands if hour < end)] += 1
    portraits = draw_portraits(shop, resolve(shop, "region").at())
    shown = portraits[(portraits["kind"] == "hour") & (portraits["segment"] != "unknown")]
    assert len(shown) >= 10
    assert all(row.people == bought[row.segment, row.value] for row in shown.itertuples())

    clicked = facts.human_clicks_by_hand(rows["messages"])
    events += [(row["customer_id"], row["clicked_at"]) for row in facts.judged(rows) if row["message_id"] in clicked]
    texted = {(row["customer_id"], facts.local_by_hand(rows, row["customer_id"], row["sent_at"]).date())
              for row in rows["messages"] if row["delivered_at"] is not None}  # fmt: skip
    first: dict[tuple[str, dt.date], dt.datetime] = {}
    for customer, at in events:
        day = (customer, facts.local_by_hand(rows, customer, at).date())
        first[day] = min(at, first.get(day, at))
    found = shop.count(_events(shop, collect_sends(shop, window_hours=72), "sms").select("customer_id", "at"))
    expected = {(day[0], at) for day, at in first.items() if day not in texted}
    assert {(row.customer_id, row.at.to_pydatetime()) for row in found.itertuples()} == expected
    assert len(found) == len(expected) > 100


def frequency_test(shop: Shop):
    return next(test for test in list_experiments(shop) if test.name == "f")


def secondary(shop: Shop) -> pd.DataFrame:
    """What `timing` counts of a test beside clicks, as if the arms of x were hours."""
    test = next(test for test in list_experiments(shop) if test.name == "x")
    windows = pd.DataFrame({"arm": ["a", "b"], "hour": [9, 15], "until": [12, 18]})
    return secondary_outcomes.count_outcomes(shop, TimingTest(test, windows, 1.0, True))


def test_without_discounts_the_profit_share_is_the_margin(make_source, open_source):
    orders = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,10\n2,b,2025-01-02,0\n3,b,2025-01-03,-4\n"
    shop = open_source(make_source(orders=orders, source="timezone: UTC\nmargin: 0.35\n"))
    assert measures.profit_share(shop).before_refunds == pytest.approx(0.35)
    assert measures.profit_share(shop).value == pytest.approx(0.35 * (1 - 4 / 10))
