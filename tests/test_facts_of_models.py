"""What estimates are made of equals a count in plain Python, too: outcomes of arms, the log, customers not texted."""

import datetime as dt
from collections import Counter

import pytest

from smsroi_helpers import measures
from smsroi_helpers.effectiveness.incremental import count_credits
from smsroi_helpers.effectiveness.monitoring_counts import count_days
from smsroi_helpers.experiments import find_click_value
from smsroi_helpers.experiments.click_value import count_click_value
from smsroi_helpers.frequency.counts import count_untexted
from smsroi_helpers.quality.checks import count_by_week
from smsroi_helpers.segmentation.response_counts import _outcomes
from smsroi_helpers.send_plan.customer_types import find_types
from smsroi_helpers.send_plan.evidence import collect_evidence
from smsroi_helpers.send_plan.today import _lost_in
from smsroi_helpers.timing import counts as timing_counts
from tests import fact_sources as facts
from tests.fact_sources import COST, FROM, LAST, UNTIL, Row, World
from tests.test_facts import frequency_test


@pytest.fixture(scope="module", params=range(3))
def world(request, made_once) -> World:
    return facts.open_world(request.param, made_once)


def by_arm(world: World, people: set[str] | None = None) -> dict[str, set[str]]:
    """The customers of the frequency test, or those of `people` in it, by arm."""
    arms: dict[str, set[str]] = {"none": set(), "two": set()}
    for row in world[0]["assignments"]:
        if row["experiment_id"] == "f" and (people is None or row["customer_id"] in people):
            arms[row["arm"]].add(row["customer_id"])
    return arms


def within_test(world: World, table: str, time: str, people: set[str]) -> list[Row]:
    return [row for row in world[0][table] if row["customer_id"] in people and FROM <= row[time] < UNTIL]


def test_rows_of_weeks_are_the_same(world):
    rows, shop = world
    found = count_by_week(shop)
    for table, time in (("orders", "ordered_at"), ("messages", "sent_at")):
        days = [rows.day(row[time]) for row in rows[table]]
        expected = Counter(day - dt.timedelta(days=day.weekday()) for day in days)
        own = found[(found["table"] == table) & (found["rows"] > 0)]
        assert {week.date(): n for week, n in zip(own["week"], own["rows"], strict=True)} == expected


def test_days_that_are_watched_hold_the_same_texts_and_opt_outs(world):
    """By the day of the text; an opt-out counts if it came on that day."""
    rows, shop = world
    cells = count_days(shop).rows.groupby("day")[["sent", "opt_outs"]].sum()
    sent = Counter(rows.day(row["sent_at"]) for row in rows["messages"])
    left = [row for row in rows["messages"] if row["opted_out_at"] is not None and row["delivered_at"] is not None]
    same = Counter(day for row in left if (day := rows.day(row["sent_at"])) >= rows.day(row["opted_out_at"]))
    assert {day.date(): tuple(row) for day, *row in cells.itertuples()} == {day: (sent[day], same[day]) for day in sent}
    assert 0 < same.total() < len(left)


@pytest.mark.parametrize("seed", range(3))
def test_who_is_not_texted_is_the_same(made_once, seed):
    """Also those who opted out in the four weeks, on their last day and in their first second.

    The company is without the test `x`, in which everybody is, and texts every other customer.
    """
    rows = facts.random_rows(seed)
    every = {name: rows[name] for name in ("customers", "messages", "experiments", "arms", "assignments")}
    every |= {name: [row for row in every[name] if row["experiment_id"] == "f"] for name in list(every)[2:]}
    every["messages"] = [row for row in every["messages"] if int(row["customer_id"][1:]) % 2]
    rows, shop = facts.open_rows(f"untexted-{seed}", facts.Rows(rows.clock.key, every), made_once)
    opt_outs, tested = facts.opt_outs_by_hand(rows), facts.members(rows, "f")
    left, weeks = 0, 0.0
    for before, start, end in ((rows.ago(4 * k + 4), rows.ago(4 * k), rows.ago(4 * k - 4)) for k in range(1, 7)):
        people = facts.subscribers_by_hand(rows, start) - tested
        people -= {row["customer_id"] for row in facts.sent_within(rows, before, end)}
        gone = {who for who, at in opt_outs if start <= at < end} & people
        left += len(gone)
        weeks += 4 * (len(people) - len(gone) / 2)
    assert count_untexted(shop, "sms") == (left, pytest.approx(weeks))
    assert left


def test_responses_to_tests_are_those_of_consenting_customers(world):
    """Clicks and profit a week of the frequency test's customers, of whom some had not consented when assigned."""
    rows, shop = world
    test, weeks = frequency_test(shop), (UNTIL - FROM) / dt.timedelta(weeks=1)
    clicked = facts.human_clicks_by_hand(rows["messages"])
    for unit in ("clicks", "profit"):
        outcomes = _outcomes(shop, [test], unit, find_click_value(shop))
        found = shop.count(outcomes.group_by("arm").aggregate(n=outcomes.count(), sum=outcomes.outcome.sum()))
        for arm, people in by_arm(world, facts.subscribers_by_hand(rows, FROM)).items():
            sent = within_test(world, "messages", "sent_at", people)
            bought = sum(map(facts.profit_by_hand, within_test(world, "orders", "ordered_at", people)))
            clicks = sum(row["message_id"] in clicked and row["clicked_at"] < UNTIL for row in sent)
            row = found.set_index("arm").loc[arm]
            assert 0 < row["n"] == len(people) < len(by_arm(world)[arm])
            assert row["sum"] * weeks == pytest.approx(clicks if unit == "clicks" else bought - COST * len(sent))


def test_the_value_of_a_click_is_made_of_the_same_clicks_and_profit(world):
    """Profit before message costs, for a click's value must not pay for the texts twice."""
    rows, shop = world
    clicked, known = (of(rows["messages"]) for of in (facts.human_clicks_by_hand, facts.known_by_hand))
    (found,) = count_click_value(shop)
    assert (found.experiment, found.messages.tolist()) == ("f", [2.0, 0.0])
    members, profit, clicks = found.sums[:3].sum(axis=-1)
    for place, people in enumerate(by_arm(world)[arm] for arm in ("two", "none")):
        sent = within_test(world, "messages", "sent_at", people)
        judged = sum(row["message_id"] in known for row in sent)
        humans = sum(row["message_id"] in clicked and row["clicked_at"] < UNTIL for row in sent)
        orders = within_test(world, "orders", "ordered_at", people)
        assert members[place] == len(people)
        assert profit[place] == pytest.approx(sum(map(facts.profit_by_hand, orders)))
        assert clicks[place] == pytest.approx(humans * len(sent) / judged if sent else 0.0)


def test_the_log_of_hours_is_the_same(world):
    """Texts of the last twenty weeks, without those to the frequency test's customers while it ran."""
    rows, shop = world
    sends = timing_counts.collect_sends(shop, window_hours=72)
    found = timing_counts._log_rows(shop, sends, "region", 20)
    tested = facts.members(rows, "f")
    clicked, known = (of(rows["messages"]) for of in (facts.human_clicks_by_hand, facts.known_by_hand))
    before = rows.day(rows.ago(20)) - dt.timedelta(days=1)
    people = {row["customer_id"] for row in rows["customers"]} | {
        row["customer_id"] for row in rows["orders"] if rows.day(row["ordered_at"]) <= before
    }
    expected: Counter[tuple[object, ...]] = Counter()
    for row in facts.judged(rows):
        aside = row["customer_id"] in tested and FROM <= row["sent_at"] < UNTIL
        if row["customer_id"] in people and row["sent_at"] >= rows.ago(20) and not aside:
            at = facts.local_by_hand(rows, row["customer_id"], row["sent_at"])
            expected[at.weekday(), at.hour, row["message_id"] in known, row["message_id"] in clicked] += 1
    keys = ["weekday", "hour", "known", "happened"]
    cells = shop.count(found.group_by(keys).aggregate(n=found.count()))
    assert {row[:-1]: row[-1] for row in cells[[*keys, "n"]].itertuples(index=False, name=None)} == expected


def test_credits_of_arms_are_the_same(world):
    """Orders and messages of the test's weeks; an order soon after its end is no credit of a text before it."""
    rows, shop = world
    found = count_credits(shop, ["f"], (24, 72), 24).set_index("arm")
    late = 0
    for arm, people in by_arm(world).items():
        orders = within_test(world, "orders", "ordered_at", people)
        sent = within_test(world, "messages", "sent_at", people)
        bought = {row["order_id"]: row for row in orders if row["amount"] >= 0}
        expected = Counter(
            revenue=sum(row["amount"] for row in bought.values()),
            cost=COST * len(sent),
            profit=sum(map(facts.profit_by_hand, orders)) - COST * len(sent),
            ordered=len({row["customer_id"] for row in bought.values()}),
        )
        sent = [row for row in rows["messages"] if row["delivered_at"] is not None]
        sent = [row for row in sent if row["customer_id"] in people and FROM <= row["delivered_at"] < UNTIL]
        of_test = {row["message_id"]: row["delivered_at"] for row in sent}
        for message, order in facts.credited_by_hand(rows):
            late += message in of_test and order["ordered_at"] >= UNTIL
            if message in of_test and order["order_id"] in bought:
                soon = order["ordered_at"] < of_test[message] + dt.timedelta(hours=24)
                expected["last_72"] += order["amount"]
                expected["last_24"] += order["amount"] * soon
                expected["order_profit"] += facts.profit_by_hand(order) * soon
        for order in bought.values():
            own = [row for row in sent if row["customer_id"] == order["customer_id"]]
            for hours in (24, 72):
                touched = {
                    row["campaign_id"] for row in own
                    if row["delivered_at"] <= order["ordered_at"] < row["delivered_at"] + dt.timedelta(hours=hours)
                }  # fmt: skip
                expected[f"any_{hours}"] += order["amount"] * len(touched)
        assert found.loc[arm, "n"] == len(people)
        assert {name: found.loc[arm, f"{name}__y"] for name in expected} == pytest.approx(dict(expected))
        assert arm == "none" or min(expected["last_24"], expected["any_72"]) > 0
    assert late


def test_who_left_today_is_the_same(world):
    """Opt-outs of the last four weeks, to the last second of the last day."""
    rows, shop = world
    practice = measures.find_practice(shop)
    evidence = collect_evidence(shop, find_types(shop), practice)
    found = set(_lost_in(evidence, practice).execute()["leaver"])
    assert found == {who for who, at in facts.opt_outs_by_hand(rows) if at >= rows.ago(4)}
    assert found > {who for who, at in facts.opt_outs_by_hand(rows) if rows.ago(4) <= at < rows.start_of(LAST)}
