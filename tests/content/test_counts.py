"""Counts of texts against loops in plain Python, on a small random source."""

import datetime as dt
from collections import Counter

import numpy as np
import pytest

from smsroi_helpers import measures
from smsroi_helpers.content.counts import (
    collect_sends,
    count_answers,
    count_billed,
    count_cells,
    count_customers,
    count_exposures,
    count_recipients,
    count_today,
)
from smsroi_helpers.content.study import with_options
from smsroi_helpers.content.texts import read_texts
from smsroi_helpers.content.within_campaign import fit_within
from smsroi_helpers.segmentation import segments
from tests.experiment_sources import open_folder

START, END = dt.datetime(2024, 1, 1), dt.datetime(2024, 4, 29)
CREATIVES = {("k1", "a"): "New in", ("k1", "b"): "20% off", ("k2", "a"): "New in", ("k2", "b"): "20% off"}
WINDOW = dt.timedelta(hours=72)


def draw_source(seed=4, customers=400):
    """Messages, orders and opt-outs of random customers; what is recorded is returned as Python objects, too."""
    rng = np.random.default_rng(seed)
    messages, orders = [], []
    for i in range(customers):
        for _nth in range(int(rng.integers(1, 6))):
            sent = START + dt.timedelta(minutes=int(rng.integers(0, 118 * 24 * 60)))
            campaign, variant = ("k1", "k2", "unknown")[rng.integers(3)], "ab"[rng.integers(2)]
            delivered = sent + dt.timedelta(seconds=5) if rng.random() < 0.9 else None
            after = sent + dt.timedelta(hours=float(rng.uniform(0.1, 120)))
            clicked = after if delivered and rng.random() < 0.4 else None
            out = after if delivered and rng.random() < 0.05 else None
            messages.append((f"m{len(messages):05}", f"c{i}", campaign, sent, variant, 0.01 * int(rng.integers(1, 4)),
                             delivered, clicked, out))  # fmt: skip
        for _nth in range(int(rng.integers(0, 12))):
            orders.append(
                (f"o{len(orders)}", f"c{i}", START + dt.timedelta(minutes=int(rng.integers(0, 118 * 1440))), 9)
            )
    orders.append(("last", "c0", END, 1))
    return messages, orders


def as_csv(header, rows):
    return "\n".join([header, *(",".join("" if x is None else str(x) for x in row) for row in rows)]) + "\n"


@pytest.fixture(scope="module")
def drawn():
    return draw_source()


@pytest.fixture(scope="module")
def shop(drawn, tmp_path_factory):
    messages, orders = drawn
    folder = tmp_path_factory.mktemp("texts")
    files = {
        "messages": as_csv(
            "message_id,customer_id,campaign_id,sent_at,variant,cost,delivered_at,clicked_at,opted_out_at", messages
        ),
        "orders": as_csv("order_id,customer_id,ordered_at,amount", orders),
        "customers": as_csv("customer_id", [(f"c{i}",) for i in range(400)]),
        "creatives": as_csv("campaign_id,variant,text", [(*key, text) for key, text in CREATIVES.items()]),
    }
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return open_folder(folder, folder)


def texts_that_count(messages):
    """Delivered messages of known texts that are older than the window."""
    end = dt.datetime.combine(END.date(), dt.time()) + dt.timedelta(days=1)
    return [m for m in messages if m[6] and (m[2], m[4]) in CREATIVES and m[6] + WINDOW <= end]


def credited_to(messages, orders):
    """Amount by message with orders by last touch: of the last delivery to the customer before, within the window."""
    found = Counter()
    for _order, customer, at, amount in orders:
        before = [m for m in messages if m[1] == customer and m[6] and m[6] <= at]
        last = max(before, key=lambda m: (m[6], m[0]), default=None)
        if last and at < last[6] + WINDOW:
            found[last[0]] += amount
    return found


def test_cells_add_up_to_a_loop_over_the_messages(shop, drawn):
    messages, orders = drawn
    texts = read_texts(shop)
    sends = collect_sends(shop, texts, segment_by="recency")
    cells = with_options(count_cells(shop, sends), texts)
    kept, ordered = texts_that_count(messages), credited_to(messages, orders)
    assert sends.messages == len(kept)
    expected = {
        name: Counter() for name in ("sent", "clicks", "orders", "opt_outs", "cost", "order_profit")
    }  # fmt: skip
    for m in kept:
        key = (m[2], CREATIVES[m[2], m[4]])
        expected["sent"][key] += 1
        expected["clicks"][key] += bool(m[7] and m[7] < m[6] + WINDOW)
        expected["orders"][key] += m[0] in ordered
        expected["order_profit"][key] += shop.settings.margin * ordered[m[0]]
        expected["opt_outs"][key] += bool(m[8] and m[8] < m[6] + WINDOW)
        expected["cost"][key] += m[5]
    names = [each.text for each in texts.texts]
    found = (
        cells.assign(words=[names[at] for at in cells["text"]]).groupby(["campaign_id", "words"])[list(expected)].sum()
    )
    assert set(found.index) == set(expected["sent"])
    for name, counts in expected.items():
        for key, number in counts.items():
            assert found.loc[key, name] == pytest.approx(number), (name, key)
    # Without a column of discounts they are numbers too, which 06 adds to the profit.
    assert cells["discount"].dtype == cells["order_profit"].dtype == float
    assert not cells["discount"].any()
    # A text names the same creative in both campaigns.
    fit = fit_within(cells, texts.creatives)
    clicks = [sum(n for (_campaign, words), n in expected["clicks"].items() if words == text) for text in names]
    assert fit.events.tolist() == clicks


def test_exposures_and_bills_add_up_to_a_loop(shop, drawn):
    messages, _orders = drawn
    texts = read_texts(shop)
    exposures = count_exposures(shop, collect_sends(shop, texts, segment_by="recency"))
    kept = {m[0] for m in texts_that_count(messages)}
    times, expected = Counter(), Counter()
    for m in sorted(messages, key=lambda m: (m[3], m[0])):
        if m[6] and (m[2], m[4]) in CREATIVES:
            times[m[1], m[4]] += 1
            if m[0] in kept:
                expected[min(times[m[1], m[4]], 6)] += 1
    assert exposures.groupby("seen")["messages"].sum().to_dict() == dict(expected)
    billed = count_billed(shop, texts, 26)
    known = [m for m in messages if (m[2], m[4]) in CREATIVES]
    assert billed["sent"].sum() == len(known)  # delivered or not
    assert billed["cost"].sum() == pytest.approx(sum(m[5] for m in known))


def test_customers_are_those_who_got_these_texts(shop, drawn):
    messages, _orders = drawn
    texts = read_texts(shop)
    names = [each.text for each in texts.texts]
    sends = collect_sends(shop, texts, segment_by="recency")
    labelled = set(sends.rows.filter(sends.rows.segment.notnull()).customer_id.execute())
    creative = texts.texts[0].creative
    own = {each.text for each in texts.texts if each.creative == creative}
    kept = {m[1] for m in texts_that_count(messages) if CREATIVES[m[2], m[4]] in own}
    assert count_customers(shop, sends, texts, {creative}) == len(kept & labelled) > 0
    # Two texts together, delivered or not: who got both counts once.
    sent = {m[1] for m in messages if (m[2], m[4]) in CREATIVES and CREATIVES[m[2], m[4]] in names[:2]}
    found = count_recipients(shop, texts, {"two": [0, 1], "no": []}, 26)
    assert found == {"two": len(sent), "no": 0}
    every = sum(count_recipients(shop, texts, {"one": [at]}, 26)["one"] for at in (0, 1))
    assert every > len(sent)


def test_todays_texts_and_how_they_are_answered_add_up_to_a_loop(shop, drawn):
    """Of the last four weeks; answers only where the window has passed, by segment of the day before these weeks."""
    messages, _orders = drawn
    texts = read_texts(shop)
    practice = measures.find_practice(shop, 4)
    first, last = practice.first_day, practice.last_day
    cells, people = count_today(shop, texts, practice, "recency")
    sent = [m for m in messages if (m[2], m[4]) in CREATIVES and first <= m[3].date() <= last]
    now, before = (
        segments(shop, "recency", day).to_pandas().set_index("customer_id")["segment"]
        for day in (shop.as_of, first - dt.timedelta(days=1))
    )
    mine = [m for m in sent if m[1] in now.index]
    assert cells.groupby("segment")["messages"].sum().to_dict() == Counter(now[m[1]] for m in mine)
    assert people.set_index("segment")["customers"].to_dict() == Counter(now[c] for c in {m[1] for m in mine})
    answers = count_answers(shop, texts, practice, "recency")
    heard = [m for m in texts_that_count(messages) if m in sent and m[1] in before.index]
    assert 0 < len(heard) < len(sent)
    for segment, rows in answers.groupby("segment"):
        theirs = [m for m in heard if before[m[1]] == segment]
        clicks = sum(bool(m[7] and m[7] < m[6] + WINDOW) for m in theirs)
        opt_outs = sum(bool(m[8] and m[8] < m[6] + WINDOW) for m in theirs)
        found = rows[["delivered", "known", "clicks", "opt_outs"]].sum().tolist()
        assert found == [len(theirs), len(theirs), clicks, opt_outs]
    assert answers["delivered"].sum() == len(heard)
