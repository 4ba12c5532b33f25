"""Every stage computes the same value of each basic fact, equal to a count in plain Python.

The sources are small and random, and contain the cases that the rules are about: machine clicks, opt-outs in both
tables, customers who opted in again or never, refunds, free orders, discounts, customers missing from the table.
"""

import datetime as dt
from typing import Any

import ibis
import numpy as np
import pytest

from smsroi_helpers import measures
from smsroi_helpers.ab_test.planning import read_audience
from smsroi_helpers.cltv.counts import count_cells
from smsroi_helpers.content.counts import collect_sends as content_sends
from smsroi_helpers.content.texts import read_texts
from smsroi_helpers.effectiveness.counts import collect_sends as effectiveness_sends
from smsroi_helpers.effectiveness.counts import count_sends
from smsroi_helpers.experiments.registry import count_outcomes
from smsroi_helpers.frequency.counts import count_audience, texts_of
from smsroi_helpers.quality import checks
from smsroi_helpers.quality.checks import measure_coverage
from smsroi_helpers.segmentation.clusters import messages_by_customer
from smsroi_helpers.segmentation.criteria import reachable
from smsroi_helpers.segmentation.cutoffs import find_cuts
from smsroi_helpers.segmentation.resolution import resolve
from smsroi_helpers.segmentation.rfm import rfm_rows
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import Shop, open_shop
from smsroi_helpers.timing.counts import collect_sends

SEEDS = range(3)
START = dt.datetime(2025, 1, 6)
LAST = dt.date(2025, 6, 30)
ASSIGNED = dt.datetime(2025, 1, 1)
PEOPLE = 160
MARGIN = 0.4


def random_rows(seed: int) -> dict[str, list[dict[str, Any]]]:
    """The tables as lists of rows. Messages are older than a week, and clicked within two days."""
    rng = np.random.default_rng([seed, 7])
    names = [f"c{i:03}" for i in range(PEOPLE)]

    def some_day(days: int = 160) -> dt.datetime:
        return START + dt.timedelta(minutes=int(rng.integers(days * 1440)))

    customers = [
        {
            "customer_id": name,
            "opted_in_at": some_day() if rng.random() < 0.8 else None,
            "opted_out_at": some_day() if rng.random() < 0.3 else None,
            "region": "ab"[i % 2],
        }
        for i, name in enumerate(names[:-12])  # the last twelve are known only by their orders
    ]
    orders = [
        {
            "order_id": f"o{i}",
            "customer_id": names[rng.integers(PEOPLE)],
            "ordered_at": some_day(),
            "amount": [0.0, -7.5, *np.round(rng.gamma(4, 5, 8), 2)][rng.integers(10)],
            "discount": [None, 0.0, 2.25][rng.integers(3)],
        }
        for i in range(1_070)
    ]
    messages = []
    for i in range(2_400):
        customer = int(rng.integers(PEOPLE))
        at = some_day(155)
        delay = [2, 90, 4_000, 90_000][rng.integers(4)]  # seconds; the first is a machine click
        clicks = rng.random() < (0.97 if customer < 8 else 0.3)  # eight customers have a machine that clicks everything
        messages.append({
            "message_id": f"m{i}", "customer_id": names[customer], "campaign_id": f"k{i % 4}", "sent_at": at,
            "delivered_at": at + dt.timedelta(seconds=3),
            "clicked_at": at + dt.timedelta(seconds=3 + delay) if clicks else None,
            "opted_out_at": at + dt.timedelta(hours=1) if rng.random() < 0.02 else None, "cost": 0.05,
            "variant": "vw"[i % 2],
        })  # fmt: skip
    experiment = {"experiment_id": "x", "kind": "content", "control_arm": "a", "started_at": ASSIGNED}
    return {
        "customers": customers,
        "orders": orders,
        "messages": messages,
        "creatives": [
            {"campaign_id": f"k{k}", "variant": variant, "text": text}
            for k in range(4)
            for variant, text in (("v", "Ten off today"), ("w", "Spring is here"))
        ],
        "experiments": [experiment],
        "arms": [{"experiment_id": "x", "arm": arm, "share": 0.5} for arm in "ab"],
        "assignments": [
            {"experiment_id": "x", "customer_id": name, "arm": "ab"[i % 2], "assigned_at": ASSIGNED}
            for i, name in enumerate(names)
        ],
    }


@pytest.fixture(scope="module", params=SEEDS)
def world(request, tmp_path_factory) -> tuple[dict[str, list[dict[str, Any]]], Shop]:
    rows = random_rows(request.param)
    folder = tmp_path_factory.mktemp("facts")
    for name, table in rows.items():
        lines = [",".join(table[0])]
        lines += [",".join("" if value is None else str(value) for value in row.values()) for row in table]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "source.yml").write_text(f"timezone: UTC\nmargin: {MARGIN}\n")
    return rows, open_shop(load(folder, folder / ".loaded"), LAST.isoformat(), folder / ".cache")


def human_clicks_by_hand(messages: list[dict[str, Any]]) -> set[str]:
    """Messages with a human click: later than five seconds, and not by a machine that clicks nine in ten.

    Bursts of twenty clicks of a campaign in one second do not occur here.
    """
    sent: dict[str, int] = {}
    opened: dict[str, int] = {}
    for row in messages:
        sent[row["customer_id"]] = sent.get(row["customer_id"], 0) + 1
        opened[row["customer_id"]] = opened.get(row["customer_id"], 0) + (row["clicked_at"] is not None)
    return {
        row["message_id"]
        for row in messages
        if row["clicked_at"] is not None
        and (row["clicked_at"] - row["delivered_at"]).total_seconds() >= 5
        and not (sent[row["customer_id"]] >= 10 and opened[row["customer_id"]] >= 0.9 * sent[row["customer_id"]])
    }


def subscribers_by_hand(rows: dict[str, list[dict[str, Any]]], at: dt.datetime) -> set[str]:
    """Customers who opted in by then and did not opt out afterwards, in either table."""
    opt_outs = [(row["customer_id"], row["opted_out_at"]) for table in ("customers", "messages") for row in rows[table]]
    found = set()
    for person in rows["customers"]:
        opted_in = person["opted_in_at"]
        if opted_in is not None and opted_in <= at:
            outs = [
                out for customer, out in opt_outs if customer == person["customer_id"] and out is not None and out < at
            ]
            if all(out < opted_in for out in outs):
                found.add(person["customer_id"])
    return found


def profit_by_hand(order: dict[str, Any]) -> float:
    discount = 0.0 if order["amount"] < 0 else order["discount"] or 0.0
    return MARGIN * (order["amount"] + discount) - discount


def total_of(shop: Shop, value: ibis.Scalar) -> float:
    return float(shop.count(value.name("n").as_table())["n"].iloc[0])


def test_clicks_are_the_same_in_every_stage(world):
    rows, shop = world
    clicked = human_clicks_by_hand(rows["messages"])
    assert 0 < len(clicked) < sum(row["clicked_at"] is not None for row in rows["messages"])
    messages = measures.human_clicks(shop)
    timing = collect_sends(shop, window_hours=72).rows
    frequency = texts_of(shop, "sms")
    segmentation = messages_by_customer(shop, shop.as_of)
    arms = count_outcomes(shop)
    content = content_sends(shop, read_texts(shop), segment_by="region").rows
    effectiveness = effectiveness_sends(shop, segment_by="region")
    by_channel = count_sends(shop, effectiveness).query("dimension == 'channel'")
    counted = {
        "measures": total_of(shop, messages.count(where=messages.human_click_at.notnull())),
        "timing": total_of(shop, timing.happened.sum()),
        "frequency": total_of(shop, frequency.count(where=frequency.human_click_at.notnull())),
        "segmentation": total_of(shop, segmentation.clicked.sum()),
        "ab_test": float(arms["click_rate__sum_y"].sum()),
        "content": total_of(shop, content.clicked.sum()),
        "effectiveness": by_channel["clicked"].sum(),
        "quality": checks._measure_messages(shop).clicked,
    }
    assert counted == dict.fromkeys(counted, len(clicked))
    known = {
        "timing": total_of(shop, timing.known.sum()),
        "frequency": total_of(shop, frequency.click_known.sum()),
        "segmentation": total_of(shop, segmentation.delivered.sum()),
        "ab_test": float(arms["click_rate__sum_x"].sum()),
        "content": total_of(shop, content.known.cast("int64").sum()),
        "effectiveness": by_channel["click_known"].sum(),
    }
    unclicked = sum(row["clicked_at"] is None for row in rows["messages"])
    assert known == dict.fromkeys(known, unclicked + len(clicked))


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
    expected = subscribers_by_hand(rows, dt.datetime(2025, 7, 1))
    assert 0 < len(expected) < len(rows["customers"])
    everybody = shop.customers.select("customer_id")
    subscribers = measures.subscribed(shop, ibis.literal(shop.end), everybody)
    assert set(subscribers.execute()["customer_id"]) == expected
    audience = count_audience(shop, measures.find_practice(shop), "region", find_cuts(shop))
    by_segment = reachable(shop, resolve(shop, "region").at(shop.as_of), "region", 400).detail
    texted = {row["customer_id"] for row in rows["messages"]}
    assert read_audience(shop).customers == len(expected)
    assert audience["customers"].sum() == len(expected)
    assert by_segment.loc[by_segment["segment"] == "all", "reachable"].item() == len(expected & texted)


def test_consent_is_read_at_the_instant_of_assignment(world):
    rows, shop = world
    outcomes = measures.arm_outcomes(shop, "x").execute()
    at_start = set(outcomes.loc[outcomes["consenting"] == 1, "customer_id"])
    assert at_start == subscribers_by_hand(rows, ASSIGNED)


def test_purchases_are_the_same_in_every_stage(world):
    rows, shop = world
    bought = [row for row in rows["orders"] if row["amount"] >= 0]
    spend = sum(row["amount"] for row in bought)
    coverage = measure_coverage(shop)
    customers = rfm_rows(shop).execute()
    outcomes = measures.arm_outcomes(shop, "x").execute()
    assert coverage.orders == customers["frequency"].sum() == outcomes["orders"].sum() == len(bought)
    assert coverage.paid == pytest.approx(spend)
    assert customers["monetary"].sum() == pytest.approx(spend)
    assert coverage.refunds == len(rows["orders"]) - len(bought)
    assert outcomes["revenue"].sum() == pytest.approx(sum(row["amount"] for row in rows["orders"]))
    days = {(row["customer_id"], row["ordered_at"].date()) for row in bought}
    cells = count_cells(shop)
    assert (cells["customers"] * (cells["frequency"] + 1)).sum() == len(days)
    assert customers["purchase_days"].sum() == len(days)


def test_profit_is_the_same_in_every_stage(world):
    rows, shop = world
    orders = sum(profit_by_hand(row) for row in rows["orders"])
    messages = 0.05 * len(rows["messages"])
    events = measures.profit_events(shop)
    outcomes = measures.arm_outcomes(shop, "x").execute()
    assert total_of(shop, events.profit.sum()) == pytest.approx(orders - messages)
    assert outcomes["profit"].sum() == pytest.approx(orders - messages)
    assert count_outcomes(shop)["profit__sum_y"].sum() == pytest.approx(orders - messages)
    bought = [row for row in rows["orders"] if row["amount"] >= 0]
    paid = sum(row["amount"] for row in bought)
    share = measures.profit_share(shop)
    assert share.value == pytest.approx(orders / paid)
    assert share.before_refunds == pytest.approx(sum(profit_by_hand(row) for row in bought) / paid)
    assert share.refunded == pytest.approx(-sum(row["amount"] for row in rows["orders"] if row["amount"] < 0) / paid)
    assert share.value < share.before_refunds < MARGIN


def test_without_discounts_the_profit_share_is_the_margin(make_source, open_source):
    orders = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,10\n2,b,2025-01-02,0\n3,b,2025-01-03,-4\n"
    shop = open_source(make_source(orders=orders, source="timezone: UTC\nmargin: 0.35\n"))
    assert measures.profit_share(shop).before_refunds == pytest.approx(0.35)
    assert measures.profit_share(shop).value == pytest.approx(0.35 * (1 - 4 / 10))
