"""The log of queries: a line for each query that is computed, none where it is off."""

import json

import pytest

from smsroi_helpers import measures
from smsroi_helpers.engine import QUERY_LOG

ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01 10:00:00,5\n2,a,2024-01-02 11:00:00,6\n"


@pytest.fixture
def orders_by_customer(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, source="timezone: UTC\n"))
    return shop, shop.orders.group_by("customer_id").aggregate(n=shop.orders.count()).order_by("customer_id")


def test_a_query_is_logged_once_with_its_rows_and_scans(tmp_path, monkeypatch, orders_by_customer):
    shop, cells = orders_by_customer
    log = tmp_path / "queries.jsonl"
    monkeypatch.setenv(QUERY_LOG, str(log))
    first = shop.count(cells)
    assert shop.count(cells).equals(first)
    (line,) = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    assert line["rows"] == 1
    assert [rows for _, rows in line["scans"]] == [2]
    assert line["scans"][0][0].endswith("orders.parquet")
    assert line["seconds"] > 0
    assert "GROUP BY" in line["query"]


def test_the_place_that_asked_is_named(tmp_path, monkeypatch, orders_by_customer):
    shop, _ = orders_by_customer
    log = tmp_path / "queries.jsonl"
    monkeypatch.setenv(QUERY_LOG, str(log))
    measures.profit_share(shop)
    (line,) = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    assert line["asked_by"] == ["measures.profit.profit_share"]


def test_without_the_variable_nothing_is_logged(tmp_path, monkeypatch, orders_by_customer):
    shop, cells = orders_by_customer
    monkeypatch.delenv(QUERY_LOG, raising=False)
    monkeypatch.chdir(tmp_path)
    assert len(shop.count(cells)) == 1
    assert not list(tmp_path.glob("*.jsonl"))
