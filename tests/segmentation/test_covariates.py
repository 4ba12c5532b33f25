"""Cells of covariates: recency or time without a purchase, and clicks, of customers made for it."""

import datetime as dt

import pandas as pd
import pytest

from smsroi_helpers.segmentation import Cuts, find_covariates
from smsroi_helpers.source.read import load
from smsroi_helpers.source.shop import open_shop

LAST = dt.date(2026, 6, 28)
START = LAST - dt.timedelta(days=300)
SINCE = LAST - dt.timedelta(days=60)
"""The test's first day: 240 days of log before it, so windows are 182 days."""
CUTS = Cuts(40, 120, 4, 5, 0.75, 0.95, 1_000, 300)
"""Recency is cut at 20, 40, 80 and 120 days."""


def at(days_ago, hour=10):
    return dt.datetime.combine(LAST - dt.timedelta(days=days_ago), dt.time(hour))


def customer(name, known=400, bought=(), texts=(), clicked=()):
    return name, known, bought, texts, clicked


PEOPLE = [
    customer("today", bought=(1,)), customer("month", bought=(30, 250)), customer("half", bought=(100,)),
    customer("gone", bought=(200,)),
    customer("new", known=10), customer("waiting", known=70), customer("from before the log"),
    # texts every second day for 180 days; everybody's clicks per text is set by the last one
    customer("silent", bought=(1,), texts=range(2, 182, 2)),
    customer("stopped", bought=(1,), texts=range(2, 182, 2), clicked=(90, 120)),
    customer("usual", bought=(1,), texts=range(2, 182, 2), clicked=(10, 100)),
    customer("keen", bought=(1,), texts=range(2, 182, 2), clicked=range(2, 182, 12)),
    customer("few texts", bought=(1,), texts=(2, 4)),
]  # fmt: skip


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("covariates") / "source"
    folder.mkdir()
    orders = [{"order_id": "first", "customer_id": "other", "ordered_at": at(300), "amount": 9.0}]
    orders += [
        {"order_id": f"{name}{day}", "customer_id": name, "ordered_at": at(day), "amount": 9.0}
        for name, _known, bought, _texts, _clicked in PEOPLE for day in bought
    ]  # fmt: skip
    messages = [
        {"message_id": f"{name}{day}", "customer_id": name, "campaign_id": str(day), "channel": "sms",
         "sent_at": at(day), "delivered_at": at(day), "clicked_at": at(day, 12) if day in clicked else None}
        for name, _known, _bought, texts, clicked in PEOPLE for day in texts
    ]  # fmt: skip
    messages.append({"message_id": "first", "customer_id": "other", "campaign_id": "0", "channel": "sms",
                     "sent_at": at(299), "delivered_at": at(299), "clicked_at": None})  # fmt: skip
    customers = [{"customer_id": "other", "opted_in_at": at(300)}]
    customers += [{"customer_id": each[0], "opted_in_at": at(each[1])} for each in PEOPLE]
    for table, rows in (("orders", orders), ("messages", messages), ("customers", customers)):
        pd.DataFrame(rows).to_csv(folder / f"{table}.csv", index=False)
    (folder / "source.yml").write_text("timezone: UTC\ncurrency: EUR\n")
    shop = open_shop(load(folder, folder.parent / ".loaded"), LAST.isoformat(), folder.parent / ".cache")
    found = find_covariates(shop, CUTS, SINCE)
    assert (found.purchase_days, found.click_days) == (182, 182)
    rows = found.label(shop.customers.select("customer_id")).to_pandas()
    return dict(zip(rows["customer_id"], rows["segment"], strict=True))


def test_recency_is_that_of_the_last_purchase_or_of_waiting_for_the_first(cells):
    recency = {name: cells[name][0] for name in cells}
    assert {name: recency[name] for name in ("today", "month", "half", "gone")} == {
        "today": "0", "month": "1", "half": "3", "gone": "4",
    }  # fmt: skip
    # those who never bought are told apart by how long that has been seen: 10, 70 and, by the log, 301 days
    assert {name: recency[name] for name in ("new", "waiting", "from before the log")} == {
        "new": "5", "waiting": "7", "from before the log": "9",
    }  # fmt: skip


def test_clicks_tell_the_long_silent_from_those_who_stopped_lately(cells):
    # Everybody clicked 19 of 362 texts in 182 days: 4.7 clicks were to be expected of 90 texts. In the last 56 days
    # it is 6 of 114, 5 %: "usual" clicked one of 28 (up to 10 %), "keen" five.
    clicks = {name: cells[name][1] for name in ("silent", "stopped", "usual", "keen", "few texts", "today")}
    assert clicks == {"silent": "0", "stopped": "1", "usual": "2", "keen": "3", "few texts": "1", "today": "2"}
