"""The shop a stage sees: cut at the last day observed, counted once, cells only."""

import datetime as dt

import ibis
import pytest

from smsroi_helpers.errors import DataError
from smsroi_helpers.source import shop as source_shop

ORDERS = (
    "order_id,customer_id,ordered_at,amount\n1,a,2024-01-01 23:59:59,5\n2,a,2024-01-02,6\n3,b,2024-01-02 00:00:01,7\n"
)
MESSAGES = (
    "message_id,customer_id,campaign_id,sent_at,clicked_at\n"
    "m1,a,c,2024-01-01 08:00:00,2024-01-01 09:00:00\n"
    "m2,b,c,2024-01-01 08:00:00,2024-01-05 09:00:00\n"
    "m3,b,c,2024-01-03 08:00:00,\n"
)


def test_later_rows_are_left_out_and_later_instants_read_as_null(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, messages=MESSAGES), as_of="2024-01-01")
    assert shop.orders.order_id.execute().tolist() == ["1"]
    messages = shop.messages.order_by("message_id").execute()
    assert messages["message_id"].tolist() == ["m1", "m2"]
    assert messages["clicked_at"].isna().tolist() == [False, True]


def test_the_last_day_ends_at_midnight_on_the_clock_of_the_source(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, source="timezone: America/New_York\n"), as_of="2024-01-01")
    assert shop.end == dt.datetime(2024, 1, 2, 5)
    assert shop.orders.count().execute() == 1


def test_a_day_begins_when_the_clock_of_the_source_says_so(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS, source="timezone: America/New_York\n"))
    for day in (dt.date(2026, 3, 8), dt.date(2026, 3, 9), dt.date(2026, 11, 1), dt.date(2026, 11, 2)):
        start = shop.start_of(day)
        moments = ibis.memtable({"at": [start - dt.timedelta(microseconds=1), start]})
        days = moments.select(day=shop.day(moments["at"].cast("timestamp"))).to_pyarrow()["day"].to_pylist()
        assert days == [day - dt.timedelta(days=1), day]


def test_zones_are_listed_by_frequency(make_source, open_source):
    customers = "customer_id,timezone\na,Asia/Tokyo\nb,Europe/Paris\nc,Europe/Paris\nd,\n"
    assert open_source(make_source(orders=ORDERS, customers=customers)).common_zones == ("Europe/Paris", "Asia/Tokyo")


def test_the_same_question_is_asked_of_the_engine_once(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS))
    cells = shop.orders.group_by("customer_id").aggregate(orders=shop.orders.count()).order_by("customer_id")
    first = shop.count(cells)
    shop.con.disconnect()
    assert shop.count(cells).equals(first)
    assert first["orders"].tolist() == [2, 1]


def test_a_count_may_rest_on_rows_of_ones_own(make_source, open_source):
    """Rows that no view holds yet, which the SQL alone does not bring to the engine."""
    shop = open_source(make_source(orders=ORDERS))
    named = ibis.memtable({"who": ["a", "z"]})
    assert shop.count(named.aggregate(n=named.count()))["n"].item() == 2


def test_the_same_rows_of_ones_own_are_the_same_question(make_source, open_source):
    """In another table of Python too, as another notebook would make it; other rows are another question."""
    shop = open_source(make_source(orders=ORDERS))

    def count(*names: str) -> int:
        named = ibis.memtable({"who": list(names)})
        theirs = named.join(shop.orders, named.who == shop.orders.customer_id)
        return int(shop.count(theirs.aggregate(n=theirs.count()))["n"].item())

    asked = [count("a", "z"), count("a", "z"), count("a", "b")]
    assert asked == [2, 2, 3]
    assert len(list(shop._cache.glob("*.parquet"))) == 2


def test_another_as_of_is_another_question(make_source, open_source):
    folder = make_source(orders=ORDERS)
    counts = [
        shop.count(shop.orders.aggregate(n=shop.orders.count()))["n"].item()
        for shop in (open_source(folder, as_of="2024-01-01"), open_source(folder, as_of="2024-01-02"))
    ]
    assert counts == [1, 3]


def test_a_customer_sized_result_does_not_come_into_memory(make_source, open_source, monkeypatch):
    shop = open_source(make_source(orders=ORDERS))
    monkeypatch.setattr(source_shop, "MAX_CELLS", 2)
    with pytest.raises(ValueError, match="3 rows are too many to load"):
        shop.count(shop.orders)


def test_what_is_not_there_is_named(make_source, open_source):
    shop = open_source(make_source(orders=ORDERS))
    assert not shop.has("messages")
    assert shop.has("orders", "amount")
    assert not shop.has("orders", "discount")
    with pytest.raises(DataError, match="this source has no table messages"):
        shop.messages  # noqa: B018


def test_what_is_written_is_whole_or_not_there(make_source, open_source, tmp_path):
    shop = open_source(make_source(orders=ORDERS))
    file = tmp_path / "tables" / "orders.parquet"
    assert shop.write(shop.orders, file) == 3
    broken = shop.orders.mutate(bad=shop.orders.customer_id.cast("int64"))
    before = file.read_bytes()
    with pytest.raises(Exception, match="Conversion"):
        shop.write(broken, file)
    assert file.read_bytes() == before


def test_a_text_is_made_once_for_a_source_day_and_seed(make_source, open_source):
    folder = make_source(orders=ORDERS)
    shop, made = open_source(folder), []

    def make(text):
        made.append(text)
        return text

    assert shop.recall("answer", lambda: make("ä\n1")) == "ä\n1"
    assert shop.recall("answer", lambda: make("2")) == "ä\n1"
    assert shop.recall("another", lambda: make("3")) == "3"
    assert open_source(folder, as_of="2024-01-01").recall("answer", lambda: make("4")) == "4"
    assert made == ["ä\n1", "3", "4"]


def test_what_is_made_once_is_made_for_each_shop_and_an_error_is_not_kept(cdnow_shop):
    calls = []

    @source_shop.once
    def measure(shop):
        calls.append(shop)
        if len(calls) == 1:
            raise DataError("not yet")
        return [shop.as_of]

    shop, earlier = cdnow_shop(), cdnow_shop("1997-09-30")
    with pytest.raises(DataError, match="not yet"):
        measure(shop)
    assert measure(shop) is measure(shop)
    assert measure(earlier) == [earlier.as_of] != measure(shop)
    assert calls == [shop, shop, earlier]
