"""Whole exports of ../shared/cases: imported as they are, with the totals of a plain count of their rows."""

import csv
import io
from decimal import Decimal

import pandas as pd
import pytest

from smsroi_helpers.source.exports import import_exports
from smsroi_helpers.source.read import load
from tests.machine import CASES

pytestmark = pytest.mark.cases
EXPORTS = CASES / "exports"


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """A function that imports files of a case and reads the source."""
    monkeypatch.setenv("SMSROI_PROJECT", str(tmp_path))
    monkeypatch.setenv("SMSROI_KEY", "a key of thirty-two bytes or more, for tests only")

    def run(*names):
        import_exports([("", EXPORTS / name) for name in names], "data/case")
        loaded = load("data/case", tmp_path / "loaded", max_rejected_share=0.0)
        tables = {name: pd.read_parquet(table.paths[0]) for name, table in loaded.tables.items()}
        guests = tmp_path / "loaded" / "guest_orders.parquet"
        return tables, pd.read_parquet(guests)["amount"].tolist() if guests.exists() else []

    return run


def records(name, encoding="utf-8"):
    return list(csv.DictReader(io.StringIO((EXPORTS / name).read_bytes().decode(encoding), newline="")))


def shopify_orders(name):
    """The first row of each order that counts: not cancelled, paid, in US dollars; and what was paid, less refunds."""
    first = {}
    for row in records(name):
        first.setdefault(row["Name"], row)
    counted = [
        row for row in first.values()
        if not row["Cancelled at"] and row["Financial Status"] not in ("pending", "voided") and row["Currency"] == "USD"
    ]  # fmt: skip
    return counted, float(sum(Decimal(row["Total"]) - Decimal(row["Refunded Amount"]) for row in counted))


def test_every_folder_is_imported_here():
    assert {file.name for file in EXPORTS.iterdir()} == {"P1-shopify", "P2-twilio", "P3-aliyun-youzan", "P4-klaviyo"}


def test_shopify(imported):
    tables, guests = imported("P1-shopify/orders_export_1.csv")
    counted, net = shopify_orders("P1-shopify/orders_export_1.csv")
    assert set(tables) - {"identities"} == {"orders"}
    assert tables["orders"]["amount"].sum() + sum(guests) == pytest.approx(net)
    nobody = [
        row for row in counted if not any(row[name] for name in ("Phone", "Billing Phone", "Shipping Phone", "Email"))
    ]
    assert sum(amount > 0 for amount in guests) == len(nobody)


def test_shopify_and_twilio(imported):
    tables, guests = imported("P2-twilio/orders_export_1.csv", "P2-twilio/sms_log.csv")
    counted, net = shopify_orders("P2-twilio/orders_export_1.csv")
    assert tables["orders"]["amount"].sum() + sum(guests) == pytest.approx(net)
    sent = [
        row for row in records("P2-twilio/sms_log.csv")
        if row["Direction"] != "inbound" and row["ErrorCode"] != "21610"
    ]  # fmt: skip
    assert len(tables["messages"]) == len(sent)
    assert tables["messages"]["customer_id"].nunique() == len({row["To"] for row in sent})
    stops = [row for row in records("P2-twilio/sms_log.csv") if row["Body"].lower() in ("stop", "stop please")]
    assert tables["messages"]["opted_out_at"].notna().sum() == len(stops)
    buyers = {row["Phone"].lstrip("'") for row in counted if row["Phone"]}
    both = set(tables["orders"]["customer_id"]) & set(tables["messages"]["customer_id"])
    assert len(both) == len(buyers & {row["To"] for row in sent})


def test_youzan_and_aliyun(imported):
    tables, guests = imported("P3-aliyun-youzan/youzan.csv", "P3-aliyun-youzan/aliyun.csv")
    first = {}
    for row in records("P3-aliyun-youzan/youzan.csv", "gbk"):
        first.setdefault(row["订单号"].strip(), row)

    def money(text):
        return Decimal(text.strip("￥").replace(",", "") or 0)

    paid = [row for row in first.values() if row["付款时间"].strip()]
    net = sum(money(row["订单实付金额(元)"]) - money(row["退款金额(元)"]) for row in paid)
    assert tables["orders"]["amount"].sum() + sum(guests) == pytest.approx(float(net))
    report = records("P3-aliyun-youzan/aliyun.csv", "gbk")
    assert len(tables["messages"]) == len(report)
    assert tables["messages"]["delivered_at"].notna().sum() == sum(row["发送状态"] != "发送失败" for row in report)


def test_klaviyo(imported):
    tables, guests = imported("P4-klaviyo/events.csv", "P4-klaviyo/placed_order.csv")
    value = sum(Decimal(row["Value"].strip("$").replace(",", "")) for row in records("P4-klaviyo/placed_order.csv"))
    assert tables["orders"]["amount"].sum() == pytest.approx(float(value))
    assert not guests
    events = records("P4-klaviyo/events.csv")
    assert len(tables["messages"]) == sum(row["Metric"] == "Received SMS" for row in events)
    clicks = {(row["Profile ID"], row["Campaign ID"]) for row in events if row["Metric"] == "Clicked SMS"}
    assert tables["messages"]["clicked_at"].notna().sum() == len(clicks)
